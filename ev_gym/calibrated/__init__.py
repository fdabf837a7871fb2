"""Figures that the built-in scenarios are calibrated on, derived from measured series.

The JSON files in this folder hold figures (mean profiles, spreads, autocorrelations, quantiles),
never the series themselves. `ev_gym.calibration` derives them.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@functools.cache
def figures(name: str) -> dict[str, Any]:
    """Figures of ``"series"``, ``"driving"`` or ``"sun"``; shared by all, so not to be edited."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return loaded
