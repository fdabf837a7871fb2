"""Each declared field is what is observed under its name, and one more is declared in one place."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.reference import markdown
from ev_gym.simulation.observation import GROUPS, observation_slices
from ev_gym.simulation.observation_fields import (
    AS_IT_IS,
    DAY_AHEAD,
    DECLARATIONS,
    SLOTS_AHEAD,
    WITH_BALANCE,
    WITH_CREDIT_LIMIT,
    WITH_DISCHARGING,
    WITH_EXPORT,
    WITH_PHASE_SWITCHING,
    WITH_POWER_CHARGE,
    WITH_PV,
    house_field,
    vehicle_field,
)
from tests.support.repository import ROOT
from tests.support.rollouts import THREE_CARS, action_of

VILLA_OF_THREE = {
    **THREE_CARS,
    "solar": {"peak_kw": 5.0},
    "charger": {"bidirectional": True, "phase_switching": True},
}
SCENARIOS: dict[str, Any] = {
    "classic": "classic",
    "stockholm": "stockholm",
    "sun": {"solar": {"peak_kw": 3.0}},
    "discharging": {"charger": {"bidirectional": True}, "price_window_h": 7},
    "rules": {
        "tariff": {
            "peaks": [
                {"interval_min": 15, "count": 1, "floor_kw": 2.5, "prices": 40},
                {"prices": {"steps_kw": [0, 2, 5, 10], "steps_price": [99, 150, 250, 400]}},
            ],
            "credits": {"spot_factor": -0.9, "per_kwh": 0.2, "cap_per_kwh": 0},
            "credits_up_to_kwh": 40,
        }
    },
    "year": {"solar": {"peak_kw": 9.0}, "tariff": {"netting": "year", "export": 0.1}},
    "switching": {"charger": {"phase_switching": True}},
    "everything": VILLA_OF_THREE,
}
CONDITIONS = (
    *(WITH_PV, WITH_EXPORT, WITH_POWER_CHARGE, WITH_BALANCE, WITH_CREDIT_LIMIT),
    *(WITH_PHASE_SWITCHING, WITH_DISCHARGING),
)


def names_read(env: EVChargingEnv) -> dict[str, Any]:
    """What the functions of the fields can read of an env's only household, as plain Python."""
    simulator, tables = env.simulator, env.simulator.world.tables
    household = simulator.households.view(np.recarray)[0]
    hour_index, minute_of_hour = divmod(int(household.place_min), 60)
    return {
        "household": household,
        "settings": tables.settings.view(np.recarray)[0],
        "tables": tables,
        "hour": tables.hours.view(np.recarray)[hour_index],
        "hour_index": hour_index,
        "minute_of_hour": minute_of_hour,
        "vehicles": simulator.vehicles.view(np.recarray)[0],
        "cars": tables.cars.view(np.recarray),
    }


def expected_fields(env: EVChargingEnv) -> dict[str, list[np.float32]]:
    """Each field's numbers, by its function alone, called for each owner in turn."""
    names, expected = names_read(env), {}
    for field in DECLARATIONS:
        if field.condition is not None and not field.condition.of_scenario(env.scenario):
            continue
        slot_min = env.simulator.world.dataset.price_minutes
        entries = field.owner.entries(env.scenario, slot_min)
        if field.owner in (SLOTS_AHEAD, DAY_AHEAD):
            part = np.full(entries, np.nan, np.float32)
            field.number(**{name: (names | {"part": part})[name] for name in field.parameters})
            in_hours = field.owner is DAY_AHEAD or slot_min == 60
            for i in range(entries):
                ahead = f"h{i:02d}" if in_hours else f"m{slot_min * i:04d}"
                expected[f"{field.name}_{ahead}"] = [part[i]]
            continue
        for i in range(entries):
            entry: dict[str, Any] = {"rule": i} if "rule" in field.owner.names else {}
            if "vehicle" in field.owner.names:
                entry = {"vehicle": names["vehicles"][i], "car": names["cars"][i]}
            read = {name: (names | entry)[name] for name in field.parameters}
            expected.setdefault(field.name, []).append(np.float32(field.number(**read)))
    return expected


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_entry_is_what_its_declaration_says(name: str) -> None:
    """At its place, for every vehicle and hour, to the bit; there is nothing else."""
    env = EVChargingEnv(SCENARIOS[name])
    slices = observation_slices(env.scenario)
    observation, _ = env.reset(seed=11)
    for step in range(48):
        expected = expected_fields(env)
        assert set(expected) == set(slices)
        for field, place in slices.items():
            assert observation[place].tolist() == expected[field], (field, step)
        observation, *_ = env.step(action_of(env, step))


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_and_compiled_code_agree_on_which_fields_exist(name: str) -> None:
    env = EVChargingEnv(SCENARIOS[name])
    names = names_read(env)
    for condition in CONDITIONS:
        assert condition.of_scenario(env.scenario) == eval(condition.in_code, {}, names)
    assert {group.condition for group in GROUPS} == {None, *CONDITIONS}


def test_each_condition_is_met_by_some_scenario_and_not_by_another() -> None:
    """So the test above compares both answers."""
    scenarios = [EVChargingEnv(scenario).scenario for scenario in SCENARIOS.values()]
    for condition in CONDITIONS:
        assert {condition.of_scenario(scenario) for scenario in scenarios} == {True, False}


def test_a_parameter_that_nothing_gives_is_refused() -> None:
    """By name, with what is allowed; nothing is declared then."""
    before = list(DECLARATIONS)
    allowed = "household, settings, tables, hour, hour_index, minute_of_hour"
    for declare, parameter, more in (
        (house_field, "car", ""),
        (vehicle_field, "ahead_h", ", vehicle, car"),
    ):
        number = eval(f"lambda household, {parameter}: 0.0")
        message = (
            f"the function of observation field '<lambda>' has a parameter '{parameter}'; "
            f"allowed: {allowed}{more}"
        )
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            declare("kW", (0.0, 1.0), AS_IT_IS)(number)
    assert before == DECLARATIONS


# Prints the fields of a villa, their bounds in the space, and an observation with 20 kWh in a car
# at the charger and 10 kWh in one that is away. The reference page and the power charge are left
# out where code is interpreted, the steps of an env where it is compiled: each would take a minute.
REPORT = """
import json
import numpy as np
import ev_gym
from ev_gym.env import EVChargingEnv
from ev_gym.reference import markdown
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.simulation.loops import _observe_all

scenario = {"preset": "stockholm-villa", "vehicles": [{"limit_soc": 0.9}, {"battery_kwh": 40.0}]}
if INTERPRETED:
    scenario["tariff"] = "vattenfall-flat-2025"
env = EVChargingEnv(scenario)
simulator, low, high = env.simulator, env.observation_space.low, env.observation_space.high
fields = {
    field.name: [field.unit, field.meaning, field.low, field.high]
    for field in ev_gym.observation_fields(scenario)
}
slices = {field.name: field.slice for field in ev_gym.observation_fields(scenario)}
households, vehicles = simulator.households, simulator.vehicles
vehicles["plugged"], vehicles["energy_kwh"] = [[1, 0]], [[20.0, 10.0]]
observations = np.full((1, low.size), np.nan, np.float32)
_observe_all(households, vehicles, simulator.world.tables, observations)
if INTERPRETED:
    env.reset(seed=1)
    env.action_space.seed(1)
    for _ in range(8):
        observation, *_ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert len(observation) == low.size
print(json.dumps({
    "file": ev_gym.__file__,
    "fields": fields,
    "bounds": {name: [low[at].tolist(), high[at].tolist()] for name, at in slices.items()},
    "observed": {name: observations[0, at].tolist() for name, at in slices.items()},
    "reference": "" if INTERPRETED else markdown(),
}))
"""


def report_of(package: Path, folder: Path, interpreted: bool) -> Any:
    """What `REPORT` prints with the package that lies in one folder, run in another."""
    environment = os.environ | {
        "PYTHONPATH": str(package),
        "NUMBA_DISABLE_JIT": str(int(interpreted)),
    }
    if package != ROOT:  # whose machine code lies where that of other tests does
        environment["NUMBA_CACHE_DIR"] = str(folder / "cache")
    command = [sys.executable, "-W", "error", "-c", REPORT]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.own_cache
@pytest.mark.parametrize("interpreted", [True, False], ids=["interpreted", "compiled"])
def test_the_five_lines_of_contributing_declare_a_field(interpreted: bool, tmp_path: Path) -> None:
    """Added to one file they make it appear everywhere; all other fields are as they were."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(
        r"^## A new observation field\n(.*?)^## ", contributing, flags=re.MULTILINE | re.DOTALL
    )
    (lines,) = re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    assert len(lines.splitlines()) == 5
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ev_gym", tmp_path / "copy" / "ev_gym", ignore=ignore)
    before = report_of(ROOT, tmp_path, interpreted)
    declared = tmp_path / "copy" / "ev_gym" / "simulation" / "observation_fields.py"
    with declared.open("a", encoding="utf-8") as file:
        file.write(f"\n\n{lines}")
    after = report_of(tmp_path / "copy", tmp_path, interpreted)
    assert Path(after["file"]).is_relative_to(tmp_path)

    name = "energy_to_limit_kwh"
    meaning = "missing in the battery to the SoC at which charging stops; away 0"
    assert set(after["fields"]) - set(before["fields"]) == {name}
    assert after["fields"][name] == ["kWh", meaning, 0.0, pytest.approx(58.0, rel=1e-6)]
    assert after["bounds"][name] == [[0.0] * 2, [pytest.approx(58.0, rel=1e-6)] * 2]
    assert after["observed"][name] == [pytest.approx(0.9 * 58.0 - 20.0, rel=1e-6), 0.0]
    for kind in ("fields", "bounds", "observed"):
        assert {key: after[kind][key] for key in before[kind]} == before[kind]
    if not interpreted:
        added = f"| `{name}` | kWh | {meaning} | 160 | 0 | 58 | 0 | 8 |"
        assert added in after["reference"].splitlines()
        assert before["reference"] == markdown()
