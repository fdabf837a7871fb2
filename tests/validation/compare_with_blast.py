"""A year of a real policy, aged by us and by NREL's package BLAST-Lite 1.1.1 side by side.

    python -m tests.validation.compare_with_blast [folder]

The package pins NumPy below 2 and brings 418 MB, so it is no dependency. This script makes an
environment of its own for it, with the running Python (3.10 to 3.12, as that NumPy needs), in a
temporary folder, or in one that is given and kept, and runs itself again inside. Compared are a
year of `price_based` on `stockholm`, in quarter-hours (sampled by the hour, charging would look
slower than it is), and the irregular lives of `ageing_profiles`: what our functions leave of the
capacity after the same series, what the env itself says, and the figures kept for the tests.

Three things the package does otherwise (`physics.ageing` and `ageing_models` say why), and for the
comparison does as we do (`as_ours`): it solves its power law exactly, with no guard against leaps,
weighs a day's charging rates by the charge they moved, and leaves the temperature of cycling within
that of its tests. Stressors, rates and the rest are its own. "as it is" is the package without any
of that, and does not count.

The package is asked in two ways: day by day, where each day's SoC is widened about its mean by
the capacity left, so that energy is conserved; and for the real year by its own driver,
simulate_battery_life, which conserves energy too. For the invented lives that driver is no
measure: it loses a step between two days and cuts days of long trips in two. The exit status is 1
if a difference exceeds 0.002.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 0.002
AS_IT_IS = "as it is"
PER_DAY = 96
CELLS = {
    "nmc622": "Nmc622_Gr_DENSO50Ah_Battery",
    "lfp": "Lfp_Gr_250AhPrismatic",
    "nca": "Nca_Gr_Panasonic3Ah_Battery",
    "nmc111": "Nmc111_Gr_Sanyo2Ah_Battery",
}
Series = dict[str, tuple[Any, Any]]  # SoC and pack temperature by life
Capacities = dict[str, dict[str, list[float]]]  # by life and cell: by days, driver, as it is


def as_ours(battery: Any, cell: str) -> Any:
    """A model of the package, made to do three things as `ev_gym` does."""
    calendar, cycling = list(battery.rates)[:2]
    low_k, high_k = (c + 273.15 for c in battery.experimental_range["cycling_temperature"])
    take_rates, take_stressors = battery.update_rates, battery._extract_stressors
    take_states = battery.update_states
    rises: list[float] = []

    def rise(loss: float, progress: float, rate: float, power: float) -> float:
        after = (loss ** (1.0 / power) + rate ** (1.0 / power) * progress) ** power
        rises.append(float(after - loss))
        return rises[-1]

    def update_states(stressors: Any) -> None:
        rises.clear()
        take_states(stressors)
        losses = battery.states["qLoss_EFC"]
        losses[-1] = losses[-2] + rises[1]  # NMC622 has replaced what is above 1 %

    def extract_stressors(seconds: Any, soc: Any, pack_c: Any) -> Any:
        stressors = take_stressors(seconds, soc, pack_c)
        hours = np.diff(seconds) / 3600.0
        per_h = np.diff(soc) / hours
        charging = per_h >= 0.01
        moved = (per_h * hours)[charging]
        if "Cchg" in stressors and moved.size:
            mean_per_h = np.sum(moved * per_h[charging]) / np.sum(moved)
            stressors["Cchg"] = mean_per_h * battery.outputs["q"][-1]
        return stressors

    def update_rates(stressors: Any) -> None:
        kelvin = stressors["TdegK"]
        if cell == "nmc622":
            kelvin = np.mean(kelvin)  # which is all that it looks at
        take_rates(stressors | {"TdegK": np.clip(kelvin, low_k, high_k)})
        rate = battery.rates[cycling][-1]
        tested_calendar = battery.rates[calendar][-1]
        take_rates(stressors)
        if cell == "nmc622":  # whose cycling is a multiple of its calendar rate
            rate *= tested_calendar / battery.rates[calendar][-1]
        battery.rates[cycling][-1] = rate

    battery.update_rates, battery._extract_stressors = update_rates, extract_stressors
    battery.update_states, battery._update_power_state = update_states, rise
    return battery


def aged_by_days(battery: Any, seconds: Any, soc: Any, pack_c: Any) -> float:
    """Capacity left of a model of the package, its state updated once a day."""
    for first in range(0, seconds.size - 1, PER_DAY):
        day = slice(first, first + PER_DAY + 1)
        mean = soc[day].mean()
        wider = mean + (soc[day] - mean) / battery.outputs["q"][-1]
        battery.update_battery_state(seconds[day], np.clip(wider, 0.0, 1.0), pack_c[day])
    return float(battery.outputs["q"][-1])


def aged_by_driver(battery: Any, seconds: Any, soc: Any, pack_c: Any) -> float:
    """The same by the package's own driver."""
    battery.simulate_battery_life({"Time_s": seconds, "SOC": soc, "Temperature_C": pack_c})
    return float(battery.outputs["q"][-1])


def inside(folder: Path) -> Capacities:
    """In the package's environment: the capacity left of each cell, in its three ways."""
    import warnings

    warnings.filterwarnings("ignore")
    from blast import models

    found: Capacities = {}
    for path in sorted(folder.glob("*.npz")):
        series = np.load(path)
        soc, pack_c = series["soc"], series["pack_c"]
        seconds = np.arange(soc.size) * 24.0 * 3600.0 / PER_DAY
        for name, cell in CELLS.items():
            model = getattr(models, cell)
            found.setdefault(path.stem, {})[name] = [
                aged_by_days(as_ours(model(), name), seconds, soc, pack_c),
                aged_by_driver(as_ours(model(), name), seconds, soc, pack_c),
                aged_by_days(model(), seconds, soc, pack_c),
            ]
    return found


def theirs(environment: Path, series: Series) -> Capacities:
    """The same, from here."""
    python = str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")
    if not environment.is_dir() or not any(environment.iterdir()):
        venv.create(environment, with_pip=True)
        wanted = ["blast-lite==1.1.1", "numpy<2"]
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, (soc, pack_c) in series.items():
            np.savez(Path(folder) / f"{name}.npz", soc=soc, pack_c=pack_c)
        command = [python, __file__, "--inside", folder]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: Capacities = json.loads(answer)
    return found


def real_year() -> tuple[str, float, tuple[Any, Any]]:
    """Chemistry, the env's own capacity at the end, and SoC and pack temperature of a policy."""
    import gymnasium as gym

    from baselines.policies.specs import make_policy

    scenario = {"preset": "stockholm", "days": 365, "vehicles": [{"battery_age_years": 0.0}]}
    env: Any = gym.make("ev_gym:EVCharging-v0", scenario=scenario).unwrapped
    policy = make_policy("price_based", env)
    observation, start = env.reset(seed=0)
    over = False
    while not over:
        observation, _, _, over, _ = env.step(policy(observation))
    history = env.history
    soc, pack_c = (np.append(start[name], history[name]) for name in ("soc", "pack_c"))
    chemistry = env.scenario.vehicles[0].chemistry
    return chemistry, float(history["health"].iloc[-1]), (soc, pack_c)


def compare(environment: Path) -> float:
    """Print the differences; the largest."""
    from tests.support.ageing_profiles import BLAST, LIVES, ORDER, STEP_H, health_after, life

    chemistry, own, year = real_year()
    series = {"price_based": year} | {name: life(name) for name in LIVES}
    found = theirs(environment, series)
    rows, stale = [], 0.0
    for name in series:
        for column, cell in enumerate(ORDER):
            by_days, by_driver, as_it_is = found[name][cell]
            ours = health_after(cell, STEP_H, *series[name])
            rows.append((name, cell, "by days", by_days, ours))
            if name == "price_based":
                rows.append((name, cell, "driver", by_driver, ours))
                rows.append((name, cell, AS_IT_IS, as_it_is, ours))
            else:
                stale = max(stale, abs(BLAST[name][column] - by_days))
    by_days, by_driver, _ = found["price_based"][chemistry]
    rows.append(("price_based", chemistry, "env, days", by_days, own))
    rows.append(("price_based", chemistry, "env, driver", by_driver, own))
    print(f"{'life':16}{'cell':8}{'way':12}{'BLAST-Lite':>10}{'ours':>10}{'difference':>12}")
    for name, cell, way, capacity, ours in rows:
        difference = ours - capacity
        print(f"{name:16}{cell:8}{way:12}{capacity:10.5f}{ours:10.5f}{difference:+12.5f}")
    print(f"figures kept for the tests, largest difference {stale:.6f}")
    return max(stale, *(abs(row[4] - row[3]) for row in rows if row[2] != AS_IT_IS))


def main() -> None:
    """Compare; exit with 1 above the tolerance."""
    if sys.argv[1:2] == ["--inside"]:
        print(json.dumps(inside(Path(sys.argv[2]))))
        return
    if sys.version_info >= (3, 13):
        raise SystemExit("BLAST-Lite 1.1.1 needs NumPy below 2: run this with Python 3.10 to 3.12")
    with tempfile.TemporaryDirectory() as folder:
        worst = compare(Path(sys.argv[1] if sys.argv[1:] else folder))
    print(f"largest difference {worst:.5f}; allowed {TOLERANCE}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
