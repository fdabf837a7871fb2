"""Golden rollouts: a few numbers of fixed episodes of each preset, stored in `golden/*.json`.

They change only when the simulated world is meant to change. Then `python -m
tests.support.golden_rollouts`, run in the repository's root, writes them anew, and the change to
the files belongs in the commit.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ev_gym.env import EVChargingEnv
from ev_gym.simulation.observation import observation_slices
from tests.support.one_day import A_DAY
from tests.support.rollouts import action_of

FOLDER = Path(__file__).with_name("golden")
SEED = 20240117
EPISODES = 3
# Sums of an episode; of `classic` only those stored before there were power charge, sun and wear.
CLASSIC_SUMS = ("energy_cost", "house_cost", "missing_kwh", "public_kwh")
SUMS = (
    *CLASSIC_SUMS,
    "power_cost",
    "house_power_cost",
    "pv_kw",
    "charge_kw",
    "loss_kwh",
    "wear_kwh",
)
SUMMED = ("start_min", "settlement", "return", *SUMS)
# Observation fields that are recorded: the clock, and some of the cars and of the power charge.
CLOCK = ("hour_sin", "hour_cos", "day_sin", "day_cos", "weekend")
OBSERVED = {
    "classic": (
        *("plugged", "soc", "hours_to_departure", "wanted_soc"),
        *("energy_to_wanted_kwh", "available_kw"),
    ),
    "stockholm": (
        *("energy_to_wanted_kwh", "available_kw"),
        *("peak_kw", "interval_kw", "interval_factor", "power_price_per_kw"),
    ),
    "stockholm-villa": ("interval_factor", "power_price_per_kw", "phases", "discharge_kw"),
}
EVERY = 16  # steps from one recorded step to the next


def rollout(name: str) -> dict[str, list[Any]]:
    """Three episodes of a preset, of a day each, with a fixed sequence of actions.

    For each episode where it began and its sums; for every 16th step what the step showed.
    """
    env = EVChargingEnv(name if name == "classic" else {"preset": name, **A_DAY})
    slices = observation_slices(env.scenario)
    found: dict[str, list[Any]] = {key: [] for key in ("start_min", "house", "settlement")}
    sums = CLASSIC_SUMS if name == "classic" else SUMS
    shown = ("load_kw", "price_per_kwh", "temperature_c")
    for episode in range(EPISODES):
        _, info = env.reset(seed=SEED if episode == 0 else None)
        found["start_min"].append(info["now_min"])
        found["house"].append(int(env.simulator.households["house"][0]))
        infos, rewards, truncated = [], [], False
        while not truncated:
            observation, reward, _, truncated, info = env.step(action_of(env, len(infos)))
            infos.append(info)
            rewards.append(reward)
            if len(infos) % EVERY == 0:
                found.setdefault("reward", []).append(reward)
                found.setdefault("soc", []).append(float(info["soc"][0]))
                for field in (*CLOCK, *OBSERVED.get(name, ())):
                    found.setdefault("observation", []).extend(observation[slices[field]].tolist())
                for key in shown:
                    found.setdefault(key, []).append(float(info[key]))
        found["settlement"].append(info["settlement"])
        found.setdefault("return", []).append(math.fsum(rewards))
        for key in sums:
            found.setdefault(key, []).append(math.fsum(float(np.sum(i[key])) for i in infos))
    return found


def golden_numbers(name: str) -> dict[str, list[Any]]:
    """The stored numbers of a preset."""
    numbers: dict[str, list[Any]] = json.loads((FOLDER / f"{name}.json").read_text())
    return numbers


def main() -> None:
    """Write the numbers of every preset; the measured one where EV_GYM_DATA names its series."""
    FOLDER.mkdir(exist_ok=True)
    measured = ("stockholm-measured",) if "EV_GYM_DATA" in os.environ else ()
    for name in ("stockholm", "stockholm-villa", "classic", *measured):
        numbers = rollout(name)
        if name in measured:  # sums only: the series themselves are not to be published
            numbers = {key: numbers[key] for key in SUMMED}
        lines = [f" {json.dumps(key)}: {json.dumps(v)}" for key, v in numbers.items()]
        (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
