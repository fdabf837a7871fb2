"""Figures that the built-in scenarios are calibrated on, and the scripts that derive them.

The JSON files in this folder hold figures derived from measured series (mean profiles, spreads,
autocorrelations, quantiles), never the series themselves. With a folder of the measured series at
hand, ``python -m ev_gym.calibration FOLDER`` derives them anew.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


@functools.cache
def figures(name: str) -> dict[str, Any]:
    """Return ``"series"``, ``"driving"`` or ``"sun"``; callers must not change what they get."""
    loaded: dict[str, Any] = json.loads((_HERE / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def as_text(derived: dict[str, Any]) -> str:
    """Write figures as JSON with sorted keys and each list of numbers on one line."""
    text = json.dumps(derived, indent=1, sort_keys=True, ensure_ascii=False)
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text) + "\n"
