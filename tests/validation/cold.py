"""What it costs to stop at the temperatures of the ageing tests: wear of full charging, three ways.

Beside the package as it is, copies of it in which a few words differ charge the same households.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CELLS = ("nmc622", "lfp", "nca", "nmc111")
HOUSEHOLDS = 4  # of each month
# What is asked, and the words of a file that make it so: before, and after.
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "all extrapolated": (
        "ageing_models.py",
        {"cycled_from_k: float = 283.15": "cycled_from_k: float = 1.0",
         "cycled_to_k: float = 318.15": "cycled_to_k: float = 999.0"},
    ),
    "cycling stops (ours)": ("ageing_models.py", {}),
    "time stops too": (
        "health.py",
        {"min(mean_c, HOTTEST_C)":
         "min(max(mean_c, (10.0, 10.0, 15.0, 20.0)[car.chemistry]), HOTTEST_C)"},
    ),
}  # fmt: skip


def wear_a_month(chemistry: str) -> float:
    """Mean wear (SEK a month) of `uncontrolled` on `stockholm`, over the months of a year."""
    import gymnasium as gym

    from baselines.policies.specs import make_policy

    scenario = {"preset": "stockholm", "vehicles": [{"chemistry": chemistry}]}
    env: Any = gym.make("ev_gym:EVCharging-v0", scenario=scenario).unwrapped
    policy = make_policy("uncontrolled", env)
    wear = 0.0
    for month in range(1, 13):
        for household in range(HOUSEHOLDS):
            seed = 100 * household + month
            observation, _ = env.reset(seed=seed, options={"start": f"2025-{month:02d}-01"})
            over = False
            while not over:
                observation, _, _, over, info = env.step(policy(observation))
                wear -= info["reward_terms"]["wear"]
    return wear / (12 * HOUSEHOLDS)


def asked(file: str, words: dict[str, str]) -> dict[str, float]:
    """Wear (SEK a month) of each cell by a copy of the package that differs in these words."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ev_gym", "baselines"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=ignore)
        changed = Path(folder) / "ev_gym" / "physics" / file
        text = changed.read_text(encoding="utf-8")
        for before, after in words.items():
            if before not in text:
                raise ValueError(f"{file} no longer says {before!r}")
            text = text.replace(before, after)
        changed.write_text(text, encoding="utf-8")
        own = {"PYTHONPATH": folder, "NUMBA_CACHE_DIR": str(Path(folder) / "cache")}
        command = [sys.executable, __file__, "--inside"]
        answer = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | own, cwd=folder
        ).stdout
    found: dict[str, float] = json.loads(answer)
    return found


def section() -> str:
    """The table."""
    from tests.validation.batteries import NAMES
    from tests.validation.writing import table

    found = {way: asked(*difference) for way, difference in WAYS.items()}
    rows = [[NAMES[cell], *(f"{found[way][cell]:.1f}" for way in WAYS)] for cell in CELLS]
    return table(["SEK a month", *WAYS], rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        print(json.dumps({cell: wear_a_month(cell) for cell in CELLS}))
    else:
        print(section())
