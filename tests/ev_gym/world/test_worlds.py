"""Worlds: what splits hold, which one an episode takes, and that each is a world by itself."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Data, Scenario, preset
from ev_gym.series.of_scenario import WORLDS, dataset_of
from ev_gym.simulation.reset_options import ResetError
from ev_gym.vector_env import EVChargingVectorEnv
from ev_gym.world.tariff_tables import quarter_prices
from ev_gym.world.world import build_world
from tests.support.one_day import A_DAY

SMALL = Scenario(data=Data(houses=2))


def test_the_worlds_of_the_splits() -> None:
    """None is world 0, train 1 to 8, test 101 to 104; no series is that of another world."""
    assert [*WORLDS] == [None, "train", "test"]
    assert WORLDS["train"] == tuple(range(1, 9))
    found = {}
    for split, numbers in WORLDS.items():
        world = build_world(SMALL, None, split)
        assert world.numbers == numbers
        assert np.unique(world.starts["world"]).tolist() == list(numbers)
        for number, dataset in zip(numbers, world.datasets, strict=True):
            assert dataset is dataset_of(SMALL, number)
            found[number] = dataset
    assert len({dataset.fingerprint for dataset in found.values()}) == 13
    for name in ("price_per_kwh", "temperature_c", "load_kw", "clearness"):
        firsts = {getattr(dataset, name).ravel()[:50].tobytes() for dataset in found.values()}
        assert len(firsts) == 13, name


def test_a_seed_is_a_family_of_worlds() -> None:
    other = dataclasses.replace(SMALL, data=Data(houses=2, seed=1))
    for number in (0, 1):
        assert not np.array_equal(
            dataset_of(SMALL, number).price_per_kwh, dataset_of(other, number).price_per_kwh
        )


@pytest.mark.parametrize("kind", [A_DAY, {**A_DAY, "preset": "stockholm-villa"}])
def test_a_row_of_a_split_is_its_world_alone(kind: dict[str, Any]) -> None:
    """Every result of an episode of world 103 is that of an env on the series of world 103.

    The episode wraps round the end of the series, where the next world begins in the tables.
    """
    scenario = Scenario.from_dict({**kind, "days": 3})
    options = {"start": "2026-01-03T12:00", "house": 5}
    many = EVChargingEnv(scenario, split="test")
    alone = EVChargingEnv(scenario, dataset=dataset_of(scenario, 103))
    rng = np.random.default_rng(0)
    ours, _ = many.reset(seed=4, options={**options, "world": 103})
    theirs, _ = alone.reset(seed=4, options=options)
    assert many.simulator.households["world"][0] == 103
    for _ in range(scenario.horizon_steps):
        np.testing.assert_array_equal(ours, theirs)
        action = rng.uniform(many.action_space.low, many.action_space.high).astype(np.float32)
        ours, reward, _, _, info = many.step(action)
        theirs, same_reward, _, _, same_info = alone.step(action)
        assert reward == same_reward
        np.testing.assert_equal(info, same_info)


def test_rows_draw_their_worlds_as_single_envs_do() -> None:
    rows = EVChargingVectorEnv(24, SMALL, split="train")
    rows.reset(seed=7)
    drawn = rows.simulator.households["world"].tolist()
    assert len(set(drawn)) >= 5
    single = EVChargingEnv(SMALL, split="train")
    for row in range(len(drawn)):
        single.reset(seed=7 + row)
        for name in ("world", "start_min", "house", "settlement_price"):
            assert single.simulator.households[name][0] == rows.simulator.households[name][row]
    rows.reset(options={"world": np.int64(3)})
    assert set(rows.simulator.households["world"].tolist()) == {3}


@pytest.mark.parametrize("wrong", [0, 9, 101, 1.0, True, "1"])
def test_a_world_of_another_split_is_refused(wrong: Any) -> None:
    env = EVChargingEnv(SMALL, split="train")
    env.reset(seed=0)
    before = env.get_state()
    message = f"option world is {wrong!r}; allowed with split='train': 1, 2, 3, 4, 5, 6, 7, 8"
    with pytest.raises(ResetError, match=message):
        env.reset(options={"world": wrong})
    assert env.get_state() == before


def test_a_year_fits_into_either_split() -> None:
    for split in ("train", "test"):
        env = EVChargingEnv({"preset": "stockholm", "days": 366}, split=split)
        env.reset(seed=0)
        months = build_world(preset("stockholm"), None, split).months()
        assert [month.first[5:7] for month in months] == [f"{m:02d}" for m in range(1, 13)]


def test_the_world_is_part_of_the_state() -> None:
    env = EVChargingEnv(SMALL, split="test")
    for _ in range(6):
        env.reset(seed=2)
        world = int(env.simulator.households["world"][0])
        saved = env.get_state()
        env.reset()
        env.set_state(saved)
        assert env.simulator.households["world"][0] == world
    again = pickle.loads(pickle.dumps(env))
    assert again.simulator.world is env.simulator.world


ONE_WORLD = """
import ev_gym, gymnasium
from ev_gym.series import synthetic
made, make = [], synthetic.synthetic_series
def noted(*args, **options):
    made.append(1)
    return make(*args, **options)
synthetic.synthetic_series = noted
gymnasium.make("EVCharging-v0").reset(seed=0)
print(len(made))
"""


def test_who_uses_one_world_builds_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_WORLD], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"


def test_goteborg_2026_has_the_houses_of_stockholm_in_another_year() -> None:
    """Calendar, tax and holidays of 2026; the same houses, weather and market otherwise."""
    own, other = preset("goteborg-2026"), preset("stockholm")
    assert own.household == other.household
    assert own.vehicles == other.vehicles
    assert dataclasses.replace(own.data, start=other.data.start) == other.data
    ours, theirs = dataset_of(own, 1), dataset_of(other, 1)
    assert ours.start.isoformat() == "2025-12-28T23:00:00+00:00"  # Monday 29 December, 53 weeks
    assert ours.weeks == 53
    np.testing.assert_allclose(ours.load_kw.mean(axis=1), theirs.load_kw.mean(axis=1), rtol=5e-3)
    assert np.corrcoef(ours.load_kw[3], theirs.load_kw[3])[0, 1] > 0.95
    assert abs(ours.temperature_c.mean() - theirs.temperature_c.mean()) < 0.01
    taxes = quarter_prices(own.tariff, ours).taxes
    first_of_2026 = 3 * 96
    assert taxes[:first_of_2026].tolist() == [0.439] * first_of_2026
    assert set(taxes[first_of_2026:].tolist()) == {0.36}
    # Epiphany is a Tuesday in 2026, and a day off.
    clock = build_world(own, None, None).tables.hours
    assert clock["weekend"][24 * 8 + 12] == 1
    assert clock["weekend"][24 * 9 + 12] == 0
