"""What drivers want at a departure, how far that takes them, and what it costs at best."""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.foresight import foresee
from baselines.optimal import achieve, lower_bound
from ev_gym.simulation.observation import observation_slices
from ev_gym.vector_env import EVChargingVectorEnv
from tests.validation.writing import table

WANTED: dict[str, float | str] = {
    "what the trips need": "trips",
    "always 80 %": 0.8,
    "always 30 %": 0.3,
}
HOUSEHOLDS, DAYS, SEED = 300, 28, 0
OPTIMAL_HOUSEHOLDS, OPTIMAL_DAYS, BEGUN_SOC = 12, 14, 0.5


def scenario(wanted_soc: float | str, days: int) -> dict[str, Any]:
    """`stockholm` with drivers who want so much."""
    vehicle = {"model": "Volkswagen ID.3 58 kWh", "wanted_soc": wanted_soc}
    return {"preset": "stockholm", "days": days, "vehicles": [vehicle]}


def departures(wanted_soc: float | str) -> list[str]:
    """Cells: the SoC wanted at departures, and how many trips end at the minimum SoC.

    Nothing is charged at home, so that every car leaves with just what is wanted, or with what it
    has where that is more.
    """
    env = EVChargingVectorEnv(HOUSEHOLDS, scenario(wanted_soc, DAYS))
    wanted = observation_slices(env.scenario, 15)["wanted_soc"]
    observation, _ = env.reset(seed=SEED)
    socs, trips, dry = [], 0, 0
    for _ in range(DAYS * 96):
        before = observation[:, wanted].copy()  # 0 while away
        observation, _, _, _, info = env.step(np.zeros((HOUSEHOLDS, 1), np.float32))
        socs.append(before[(before > 0.0) & (observation[:, wanted] == 0.0)])
        trips += int(np.sum(info["trip_kwh"] > 0.0))
        dry += int(np.sum(info["public_kwh"] > 0.0))
    found = 100.0 * np.concatenate(socs)
    low, middle, high = np.quantile(found, [0.1, 0.5, 0.9])
    return [
        f"{found.mean():.0f} ({low:.0f}, {middle:.0f}, {high:.0f})",
        f"{100 * np.mean(found > 99.9):.0f} %",
        f"{100 * dry / trips:.1f} % of {trips}",
    ]


def optimum_per_day(wanted_soc: float | str) -> float:
    """What the achieved optimum costs a day, in the mean; all begin with the same SoC."""
    env = EVChargingVectorEnv(OPTIMAL_HOUSEHOLDS, scenario(wanted_soc, OPTIMAL_DAYS))
    env.reset(seed=SEED, options={"soc": BEGUN_SOC})
    futures = [foresee(env.simulator, row) for row in range(OPTIMAL_HOUSEHOLDS)]
    costs = [achieve(future, lower_bound(future)).cost for future in futures]
    return float(np.mean(costs)) / OPTIMAL_DAYS


def section() -> str:
    """The table."""
    rows = [
        [words, *departures(wanted_soc), f"{optimum_per_day(wanted_soc):.2f}"]
        for words, wanted_soc in WANTED.items()
    ]
    head = ["wanted", "SoC at departure, %: mean (10th percentile, median, 90th)", "full battery",
            "trips that run dry", "optimum, SEK a day"]  # fmt: skip
    return table(head, rows)
