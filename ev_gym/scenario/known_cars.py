"""The 31 car models of Open EV Data (MIT licence, frozen April 2022) with ADAC's AC losses.

`known_cars.csv` holds usable battery, phases, AC power and consumption of each. Where ADAC measured
a model's total charging losses (2022, as the press reported them), `eta` and `aux_kw` in `P_battery
= eta * P_ac - aux_kw` are fitted to its two or three measurements; the other models have the
defaults of `Vehicle`.
"""

from __future__ import annotations

import csv
import difflib
import functools
from pathlib import Path
from typing import Any

from ev_gym.scenario.parameters import ScenarioError

_FILE = Path(__file__).with_name("known_cars.csv")
_ALIASES = {"vw": "volkswagen"}


@functools.lru_cache(maxsize=1)
def known_cars() -> dict[str, dict[str, Any]]:
    """Parameters of `Vehicle` by full name, such as `"Renault Zoe R135 ZE50"`."""
    cars = {}
    with _FILE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = " ".join(part for part in (row["brand"], row["model"], row["variant"]) if part)
            car = {
                "name": name,
                "battery_kwh": float(row["battery_kwh"]),
                "phases": int(row["phases"]),
                "ac_max_kw": float(row["ac_max_kw"]),
                "kwh_per_100km": float(row["kwh_per_100km"]),
            }
            if row["eta"]:
                car |= {"eta": float(row["eta"]), "aux_kw": float(row["aux_kw"])}
            cars[name] = car
    return cars


def _words(name: str) -> list[str]:
    return [_ALIASES.get(word, word) for word in name.casefold().split()]


def car_row(name: str) -> dict[str, Any]:
    """Parameters of the one car whose full name holds every word of `name`.

    Raises:
        ScenarioError: if no car fits, or several do.
    """
    cars = known_cars()
    if not isinstance(name, str) or not name.split():
        raise ScenarioError(f"vehicle model is {name!r}; allowed: a name such as 'Renault Zoe'")
    wanted = _words(name)
    fitting = [known for known in cars if all(word in _words(known) for word in wanted)]
    if len(fitting) > 1:
        variants = ", ".join(repr(known) for known in fitting)
        raise ScenarioError(f"vehicle model {name!r} is ambiguous; say which: {variants}")
    if not fitting:
        near = difflib.get_close_matches(name, cars, 3, cutoff=0.4)
        raise ScenarioError(
            f"unknown vehicle model {name!r}; nearest: {', '.join(near) or 'none'}; "
            f"all {len(cars)}: {', '.join(cars)}"
        )
    return dict(cars[fitting[0]])
