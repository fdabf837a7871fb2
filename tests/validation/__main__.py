"""Write docs/validation.md and its pictures.

EV_GYM_DATA=<folder of the measured series> python -m tests.validation
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from ev_gym.calibration.prices import (
    LATER_PRICE_FILE,
    PRICE_FILE,
    QUARTER_FILE,
    RATE_FILE,
)
from ev_gym.calibration.series import LOAD_FILE, WEATHER_FILE
from ev_gym.calibration.sessions import OTHER_SESSIONS_FILE, SESSIONS_FILE
from ev_gym.calibration.sky import SUN_FILE
from ev_gym.calibration.trondheim import MODELS_FILE
from tests.validation.page import QUICK, measured_parts, render
from tests.validation.writing import DOCS

NEEDED = (
    *(PRICE_FILE, LOAD_FILE, WEATHER_FILE, SUN_FILE, SESSIONS_FILE, MODELS_FILE),
    *(LATER_PRICE_FILE, QUARTER_FILE, RATE_FILE, OTHER_SESSIONS_FILE),
)


def main() -> None:
    """Write the page, or say what is missing for it."""
    folder = os.environ.get("EV_GYM_DATA")
    if folder is None:
        sys.exit("EV_GYM_DATA is not set; it names the folder that holds " + ", ".join(NEEDED))
    missing = [name for name in NEEDED if not (Path(folder) / name).is_file()]
    if missing:
        sys.exit(f"{folder} (EV_GYM_DATA) lacks {', '.join(missing)}")
    began = time.monotonic()
    parts = {}
    for name, make in QUICK.items():
        parts[name] = make()
        print(f"{name}: {time.monotonic() - began:.0f} s")
    parts |= measured_parts(Path(folder), DOCS)
    (DOCS / "validation.md").write_text(render(parts), encoding="utf-8", newline="\n")
    print(f"{DOCS / 'validation.md'}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
