"""Car models of Open EV Data, as of April 2022 (31) and of April 2025 (32), with ADAC's AC losses.

`known_cars.csv` holds usable battery, phases, AC power and consumption of each, and in `listed` the
year of the table that it stands in (both MIT licence, the later one with attribution:
https://github.com/KilowattApp/open-ev-data). The later one names its models in several ways and has
a DC power for an AC one here and there, so 32 common models of 2023 to 2025 were picked by hand
whose phases and AC power are in order; their values are as they stand there. Where ADAC measured a
model's total charging losses (2022, as the press reported them), `eta` and `aux_kw` in `P_battery =
eta * P_ac - aux_kw` are fitted to its two or three measurements; the other models have the defaults
of `Vehicle`.

A car more is a row more: brand, model and variant, whose words are its name, and `eta` and `aux_kw`
both or neither.
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
def _rows() -> dict[str, dict[str, str]]:
    """The rows of the file by full name."""
    with _FILE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parts = ("brand", "model", "variant")
    return {" ".join(row[part] for part in parts if row[part]): row for row in rows}


@functools.lru_cache(maxsize=1)
def known_cars() -> dict[str, dict[str, Any]]:
    """Parameters of `Vehicle` by full name, such as `"Renault Zoe R135 ZE50"`."""
    cars = {}
    for name, row in _rows().items():
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


def listed_in(name: str) -> int:
    """Year of the table that the values of a known car, by its full name, are from."""
    return int(_rows()[name]["listed"])


def _words(name: str) -> list[str]:
    return [_ALIASES.get(word, word) for word in name.casefold().split()]


def car_row(name: str) -> dict[str, Any]:
    """Parameters of the one car whose full name holds every word of `name`, or is just that.

    Raises:
        ScenarioError: if no car fits, or several do.
    """
    cars = known_cars()
    if not isinstance(name, str) or not name.split():
        raise ScenarioError(f"vehicle model is {name!r}; allowed: a name such as 'Renault Zoe'")
    wanted = _words(name)
    fitting = [known for known in cars if all(word in _words(known) for word in wanted)]
    exact = [known for known in fitting if sorted(_words(known)) == sorted(wanted)]
    fitting = exact or fitting
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
