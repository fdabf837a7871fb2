"""Where the repository lies, and programs that use it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a program that finds the packages here, with some variables changed."""
    return os.environ | {"PYTHONPATH": str(ROOT), **changes}
