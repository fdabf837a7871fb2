"""Pieces of a comparison: what they sum, what they keep, and that nothing else matters."""

from __future__ import annotations

import gzip
import json
import math
import pickle
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from baselines import make_policy
from baselines.comparison import steps_file, tasks
from baselines.comparison.plan import Plan, batch_seed, default_policies
from baselines.comparison.sums import LocalHours, Sums
from baselines.comparison.tasks import Task, run_task
from baselines.optimum import relaxation
from baselines.optimum.relaxation import lower_bound
from ev_gym.scenario import Scenario, ScenarioError
from ev_gym.simulation.results import TERM_FIELDS
from ev_gym.simulation.state_fields import STEP_DTYPE, VEHICLE_STEP_DTYPE

CLASSIC = Scenario.from_dict({"preset": "classic"})
VILLA = Scenario.from_dict({"preset": "stockholm-villa", "days": 3, "start_hour": 12})
EPISODES = ((3, 0), (3, 1), (4, 0))


@pytest.fixture(scope="module")
def villa() -> tuple[Task, list[pd.DataFrame], tasks.Part]:
    """Three episodes of random currents in a villa: two cars, sun, discharging."""
    task = Task(VILLA, "random", None, EPISODES, 7, steps_file.step_columns([VILLA]), week=True)
    return task, [tasks.episode_steps(task, row) for row in range(3)], run_task(task)


def test_sums_are_those_of_all_steps(villa: tuple[Task, list[pd.DataFrame], tasks.Part]) -> None:
    """Every figure worked again from every step with `math.fsum`."""
    _, frames, part = villa
    for row, steps in enumerate(frames):
        cars = [steps["charge_kw_0"], steps["charge_kw_1"]]
        drawn_kw = sum(car.clip(lower=0.0) for car in cars)
        expected = {term.removesuffix("_term"): -math.fsum(steps[term]) / 3 for term in TERM_FIELDS}
        cost = math.fsum(expected.values()) - part.figures["settlement"][row]
        powers = {
            "charge": drawn_kw,
            "discharge": sum(-car.clip(upper=0.0) for car in cars),
            "pv": steps["pv_kw"],
            "exported": -steps["grid_kw"].clip(upper=0.0),
        }
        for name, power_kw in powers.items():
            expected[f"{name}_kwh"] = math.fsum(power_kw) * 0.25 / 3
            assert expected[f"{name}_kwh"] > 0.0
        expected |= {
            "cost": cost,
            "missing_kwh": math.fsum(steps["missing_kwh"]) / 3,
        }
        expected |= {"peak_kw": steps["grid_kw"].max()}
        expected["cheap_kwh"] = cheap_kwh(steps, drawn_kw) / 3
        for name, value in expected.items():
            assert part.figures[name][row] == pytest.approx(value, rel=1e-12, abs=1e-12), name
        assert {*expected, "settlement"} == set(part.figures)


@pytest.mark.parametrize("policy", ["peak_shaving", "price_based"])
def test_scaled_observations_change_no_figure(policy: str) -> None:
    """Policies by name read physical numbers of either kind; the plan hands the kind on."""
    plan = Plan((VILLA,), (policy,), households=2, bound=False, observation="scaled")
    (scaled,) = plan.tasks()
    assert scaled.observation == "scaled"
    assert Plan.from_dict(plan.to_dict()) == plan
    figures = run_task(scaled).figures
    for name, values in run_task(replace(scaled, observation="physical")).figures.items():
        np.testing.assert_allclose(figures[name], values, rtol=1e-6, atol=1e-6, err_msg=name)
    with pytest.raises(ValueError, match="allowed: 'physical' or 'scaled'"):
        Plan((VILLA,), (policy,), observation="raw")


def cheap_kwh(steps: pd.DataFrame, drawn_kw: Any) -> float:
    """Energy in the eight cheapest of each 24 hours, the earlier of equal ones first."""
    hour = np.arange(len(steps)) // 4
    hours = pd.DataFrame({"price": steps["price_per_kwh"], "kwh": 0.25 * drawn_kw})
    hours = hours.groupby(hour).agg({"price": "mean", "kwh": "sum"})
    rank = hours.groupby(hours.index // 24)["price"].rank(method="first")
    return math.fsum(hours["kwh"][rank <= 8])


def test_days_cost_their_rewards(villa: tuple[Task, list[pd.DataFrame], tasks.Part]) -> None:
    _, frames, part = villa
    assert part.day_costs is not None
    assert part.dates is not None
    for row, steps in enumerate(frames):
        for day in range(3):
            own = steps.iloc[day * 96 : (day + 1) * 96]
            assert part.day_costs[day, row] == pytest.approx(-math.fsum(own["reward"]), abs=1e-9)
            assert str(part.dates[day, row]) == own["time"].iloc[0].date().isoformat()


def test_the_settlement_is_that_of_the_single_env() -> None:
    """The score of an episode: minus its cost."""
    task = Task(replace(CLASSIC, days=2), "price_based", None, ((5, 1),))
    env = gym.make("EVCharging-v0", scenario=task.scenario)
    policy = make_policy("price_based", env)
    observation, _ = env.reset(seed=tasks.episode_seed(5, 1))
    total, over, info = 0.0, False, dict[str, Any]()
    while not over:
        observation, reward, _, over, info = env.step(policy(observation))
        total += float(reward)
    figures = run_task(task).figures
    assert figures["settlement"][0] == pytest.approx(info["settlement"] / 2, abs=1e-12)
    assert figures["cost"][0] == pytest.approx(-(total + info["settlement"]) / 2, abs=1e-9)


def day_of(price: Any, charge_kw: Any, start_min: int, step_min: int = 60) -> tuple[Any, Any]:
    """A day's records of one household and two cars, the second giving 1 kW throughout."""
    steps = 24 * 60 // step_min
    results = np.zeros((steps, 1), STEP_DTYPE)
    cars = np.zeros((steps, 1, 2), VEHICLE_STEP_DTYPE)
    results["now_min"][:, 0] = start_min + step_min * np.arange(steps)
    results["price_per_kwh"][:, 0] = price
    cars["charge_kw"][:, 0, 0] = charge_kw
    cars["charge_kw"][:, 0, 1] = -1.0
    return results, cars


SPRING = datetime(2023, 3, 19, 23, tzinfo=timezone.utc)  # Monday 00:00 in Stockholm


def test_energy_stands_at_its_hour_and_the_rank_of_its_price() -> None:
    """From noon on 25 March: at 02:00 of the 26th the clock is put forward."""
    scenario = replace(VILLA, days=2, time_step_min=60)
    sums = Sums(scenario, 1, LocalHours(SPRING, "Europe/Stockholm", 24 * 9), 2)
    noon_min = (5 * 24 + 12) * 60
    hour = np.arange(24)
    charge_kw = np.where(hour == 0, 3.0, 0.0) + np.where(hour == 20, 2.0, 0.0)
    sums.add(*day_of(hour, charge_kw, noon_min))
    sums.add(*day_of(-hour, 0.0, noon_min + 24 * 60))
    assert sums.first_hour == 12
    expected = np.zeros((24, 24))
    expected[0, 0] = 3.0  # the cheapest, at noon
    expected[20, 21] = 2.0  # twenty hours later it is 09:00
    np.testing.assert_array_equal(sums.charged_kwh, expected)
    assert list(sums.dates[:, 0].astype(str)) == ["2023-03-25", "2023-03-26"]
    figures = sums.figures(np.zeros(1), 2)
    assert figures["cheap_kwh"][0] == 1.5
    assert figures["charge_kwh"][0] == 2.5  # what the other car gives is not deducted
    assert figures["discharge_kwh"][0] == 24.0


def test_quarters_are_parts_of_hours_and_of_equal_prices_the_earlier_is_cheaper() -> None:
    scenario = replace(VILLA, days=1, time_step_min=15)
    sums = Sums(scenario, 1, LocalHours(SPRING, "Europe/Stockholm", 48), 1)
    price, charge_kw = np.ones(96), np.zeros(96)
    price[8:12] = [0.0, 0.0, 0.0, 4.1]  # in the mean of its hour it is the dearest
    charge_kw[[9, 10, 95]] = [2.0, 4.0, 1.0]
    sums.add(*day_of(price, charge_kw, 0, 15))
    expected = np.zeros((24, 24))
    expected[23, 2], expected[22, 23] = 1.5, 0.25
    np.testing.assert_allclose(sums.charged_kwh, expected)


def test_each_episode_is_a_member_of_the_archive(
    villa: tuple[Task, list[pd.DataFrame], tasks.Part],
) -> None:
    """What pandas reads of the whole, and of one: the steps, rounded to six decimals."""
    task, frames, part = villa
    whole = steps_file.header(task.columns) + b"".join(part.steps)
    lines = gzip.decompress(whole).decode().splitlines()
    assert lines[0].startswith("scenario,split,policy,seed,household,time,now_min,load_kw,")
    assert len(lines) == 1 + 3 * 3 * 96
    assert f",{frames[0]['time'].iloc[0].isoformat()}," in lines[1]
    for row, steps in enumerate(frames):
        own = steps_file.read_member(part.steps[row], task.columns, "Europe/Stockholm")
        rounded = steps.drop(columns="time").round(6)
        pd.testing.assert_frame_equal(
            own.drop(columns="time"), rounded, check_dtype=False, check_exact=True
        )
        assert list(own["time"]) == list(steps["time"])


def test_scenarios_share_the_columns_of_a_file(tmp_path: Path) -> None:
    """With one car and with two; what a scenario does not have is empty."""
    plan = Plan((CLASSIC, VILLA), ("uncontrolled",), households=1, days=1, bound=False)
    columns = steps_file.step_columns(plan.horizons)
    parts = [run_task(task) for task in plan.tasks()]
    path = tmp_path / "steps.csv.gz"
    path.write_bytes(steps_file.header(columns) + b"".join(p.steps[0] for p in parts))
    table = pd.read_csv(path)
    one, two = (table[table["scenario"] == name] for name in ("classic", "stockholm-villa"))
    assert one["charge_kw"].notna().all()
    assert one[["charge_kw_0", "charge_kw_1"]].isna().all(axis=None)
    assert two[["charge_kw_0", "charge_kw_1"]].notna().all(axis=None)
    assert two["charge_kw"].isna().all()
    own = steps_file.read_member(parts[1].steps[0], columns, "Europe/Stockholm")
    assert "charge_kw" not in own
    np.testing.assert_array_equal(own["charge_kw_1"], two["charge_kw_1"])


def test_names_with_commas_and_quotes_are_cells() -> None:
    name = 'night(from_h=22, note="late")'
    day = np.zeros((2, 1), STEP_DTYPE), np.zeros((2, 1, 1), VEHICLE_STEP_DTYPE)
    columns = steps_file.step_columns([CLASSIC])
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    writer = steps_file.StepsWriter([("a,b", "all", name, 0, 1)], columns, start, "UTC")
    writer.add(*day)
    (member,) = writer.close()
    frame = steps_file.read_member(member, columns, "UTC")
    assert list(frame["policy"]) == [name, name]
    assert list(frame["scenario"]) == ["a,b", "a,b"]


def test_a_week_is_that_of_the_household_that_drives_most(
    villa: tuple[Task, list[pd.DataFrame], tasks.Part],
) -> None:
    task, frames, part = villa
    driven = [float(frame.filter(like="trip_kwh").to_numpy().sum()) for frame in frames]
    assert part.week is not None
    pd.testing.assert_frame_equal(part.week, frames[int(np.argmax(driven))])
    long = Task(replace(CLASSIC, days=9), "uncontrolled", None, ((0, 0),), week=True)
    assert len(run_task(long).week) == 7 * 96  # type: ignore[arg-type]  # asked for
    assert run_task(replace(task, week=False)).week is None


def test_a_task_crosses_processes_and_says_what_it_is() -> None:
    task = Task(CLASSIC, "random", "test", EPISODES, token="secret")
    assert pickle.loads(pickle.dumps(task)) == task
    assert str(task) == "random on classic, test, seed 3, households 0 to 0"
    assert "secret" not in repr(task)


def test_a_clairvoyant_policy_is_told_every_row_and_needs_a_local_env(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = []

    class Seer:
        clairvoyant = True
        name = "seer"

        def reset(self, rows: Any) -> None: ...

        def foresee(self, futures: Any) -> None:
            told.append([future.results["load_kw"][0] for future in futures])

        def __call__(self, observations: Any) -> Any:
            assert told
            return np.zeros((len(observations), 1), np.float32)

    monkeypatch.setattr(tasks, "make_policy", lambda *_, **__: Seer())
    task = Task(CLASSIC, "seer", None, EPISODES)
    loads = [tasks.episode_steps(task, row)["load_kw"].iloc[0] for row in range(3)]
    assert told == [loads] * 3


@pytest.mark.parametrize(
    ("days", "cars", "levels_kw", "whole"),
    [
        (1, 1, (0.0, 7.4), True),
        (2, 1, (0.0, 7.4), True),
        (1, 2, (0.0, 7.4), True),
        (1, 1, (0.0, 3.7, 7.4, 11.0), False),
        (3, 1, (0.0, 7.4), False),
        (2, 2, (0.0, 7.4), False),
        (1, 1, None, False),
    ],
)
def test_levels_are_whole_where_they_are_few(
    monkeypatch: pytest.MonkeyPatch, days: int, cars: int, levels_kw: Any, whole: bool
) -> None:
    """Else the bound of one episode would take from seconds to minutes."""
    asked = []

    def bound(future: Any, whole_levels: bool) -> Any:
        asked.append(whole_levels)
        return lower_bound(future)

    monkeypatch.setattr(relaxation, "lower_bound", bound)
    charger, vehicles = replace(CLASSIC.charger, levels_kw=levels_kw), CLASSIC.vehicles * cars
    scenario = replace(CLASSIC, days=days, vehicles=vehicles, charger=charger)
    run_task(Task(scenario, None, None, ((3, 0),)))
    assert asked == [whole]


def test_batches_depend_on_the_plan_alone() -> None:
    """Rules run 256 episodes side by side, what plans for each household 8, users' own 32."""
    plan = Plan((CLASSIC,), ("random", "optimal", "own:Idea"), (2, 5), households=150)
    found: dict[Any, list[Task]] = {}
    for task in plan.tasks():
        found.setdefault(task.policy, []).append(task)
    for policy, own in found.items():
        assert [pair for task in own for pair in task.episodes] == plan.episodes
        rows = {"random": 256, "optimal": 8}.get(policy, 32)
        assert {len(task.episodes) for task in own[:-1]} == {rows}
    assert set(found) == {"random", "optimal", "own:Idea", None}
    assert [task.policy for task in plan.tasks()][-1] == "random"  # what is quick comes last
    seeds = [task.seed for task in found["optimal"]]
    assert seeds[0] == 2
    assert len(set(seeds)) == len(seeds) == 38
    assert seeds[3] == batch_seed(2, 3)


STOCKHOLM = Scenario.from_dict({"preset": "stockholm", "time_step_min": 60})


def test_worlds_are_dealt_out_in_rotation() -> None:
    """Of three years of months in a split of four worlds each month meets three of them, once.

    An env lives in the worlds that its task names, each row from the seed of its episode.
    """
    stockholm = Scenario.from_dict({"preset": "stockholm"})
    plan = Plan((stockholm,), ("never",), seeds=(2,), households=36, split="test", bound=False)
    met: dict[str, list[int]] = {}
    for task in plan.tasks():
        for month, world in zip(task.months, task.worlds, strict=True):
            met.setdefault(month, []).append(world)
    assert len(met) == 12
    assert {(len(worlds), len(set(worlds))) for worlds in met.values()} == {(3, 3)}
    every = sorted(world for worlds in met.values() for world in worlds)
    assert [every.count(world) for world in (101, 102, 103, 104)] == [9, 9, 9, 9]
    days = Plan((replace(stockholm, days=2),), ("never",), households=8, split="test", bound=False)
    (task,) = days.tasks()
    assert sorted(task.worlds) == [101, 101, 102, 102, 103, 103, 104, 104]
    env = tasks.make_env(task)
    tasks.reset_env(task, env)
    assert env.simulator.households["world"].tolist() == list(task.worlds)
    single = gym.make("EVCharging-v0", scenario=task.scenario, split="test").unwrapped
    for row, (seed, household) in enumerate(task.episodes):
        own = tasks.episode_seed(seed, household)
        single.reset(seed=own, options={"world": task.worlds[row]})
        for name in ("start_min", "house", "settlement_price"):
            both = (env.simulator, single.simulator)  # type: ignore[attr-defined]  # an EVChargingEnv
            ours, theirs = (simulator.households[name] for simulator in both)
            assert ours[row] == theirs[0], name
    (whole,) = Plan((CLASSIC,), ("never",), households=2, bound=False).tasks()
    assert whole.worlds == (0, 0)


def test_months_are_dealt_out_in_rotation() -> None:
    """Fourteen households: twelve months, then January and February again, alike for all policies.

    A task has months whose days are alike: March and October are apart, where clocks change.
    """
    plan = Plan((STOCKHOLM,), ("uncontrolled", "optimal"), households=14)
    expected = {(0, h): f"2025-{h % 12 + 1:02d}-01" for h in range(14)}
    for policy in ("uncontrolled", "optimal", None):
        own = [task for task in plan.tasks() if task.policy == policy]
        dealt = {e: m for task in own for e, m in zip(task.episodes, task.months, strict=True)}
        assert dealt == expected
        for task in own:
            lengths = {month[5:7]: sum(task.day_hours) for month in task.months}
            for month, hours in lengths.items():
                change = {"03": -1, "10": 1}.get(month, 0)
                days = {"02": 28, "04": 30, "06": 30, "09": 30, "11": 30}.get(month, 31)
                assert (hours, len(task.day_hours)) == (24 * days + change, days)
    # A year, and the 31 and 28 days of the two months that come twice, under two policies.
    assert plan.total_steps == 2 * 24 * (365 + 31 + 28)
    with pytest.raises(ScenarioError, match=r"no whole month with a look-ahead of 36 hours"):
        Plan((CLASSIC,), ("night",), days="month").tasks()


@pytest.mark.parametrize("month", ["2025-03-01", "2025-10-01", "2025-02-01"])
def test_a_month_is_that_of_the_single_env(month: str) -> None:
    """Its cost and settlement are of the whole month, its days those of the calendar."""
    plan = Plan((STOCKHOLM,), ("price_based",), (2,), households=12, bound=False)
    (task,) = (task for task in plan.tasks() if month in task.months)
    part, row = run_task(task), task.months.index(month)
    env = gym.make("EVCharging-v0", scenario=STOCKHOLM)
    policy = make_policy("price_based", env)
    seed = tasks.episode_seed(*task.episodes[row])
    observation, _ = env.reset(seed=seed, options={"start": month})
    rewards, over, info = list[float](), False, dict[str, Any]()
    while not over:
        observation, reward, _, over, info = env.step(policy(observation))
        rewards.append(float(reward))
    assert part.figures["settlement"][row] == pytest.approx(info["settlement"], abs=1e-12)
    cost = -(math.fsum(rewards) + info["settlement"])
    assert part.figures["cost"][row] == pytest.approx(cost, abs=1e-9)
    assert part.day_costs is not None
    assert part.dates is not None
    by_day = env.unwrapped.history["reward"].groupby(env.unwrapped.history.index.date)
    for day, (date, own) in enumerate(by_day):
        assert str(part.dates[day, row]) == date.isoformat()
        assert task.day_hours[day] == len(own)
        assert part.day_costs[day, row] == pytest.approx(-math.fsum(own), abs=1e-9)


def test_each_batch_draws_its_own_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 0 of the second batch does not do what row 0 of the first does."""
    monkeypatch.setattr("baselines.comparison.plan.RULE_ROWS", 1)
    plan = Plan((CLASSIC,), ("random",), households=2, days=1, bound=False)
    one, two = (tasks.episode_steps(task, 0)["current_a"] for task in plan.tasks())
    assert not np.array_equal(one, two)


def test_a_plan_is_json_and_back() -> None:
    plan = Plan(
        (CLASSIC, VILLA), ("plan(continuous=True)",), (1, 2), 3, 4, "both", bound=False,
        url="http://127.0.0.1:1", token="secret",
    )  # fmt: skip
    text = json.dumps(plan.to_dict())
    assert "secret" not in text
    assert Plan.from_dict(json.loads(text)) == replace(plan, token=None)
    with pytest.raises(ValueError, match=r"other keys \(house\)"):
        Plan.from_dict(plan.to_dict() | {"house": 1})
    with pytest.raises(ValueError, match=r"other keys \(seeds\)"):
        Plan.from_dict({k: v for k, v in plan.to_dict().items() if k != "seeds"})
    with pytest.raises(ScenarioError, match="fuse"):
        Plan.from_dict(plan.to_dict() | {"scenarios": [{"household": {"fuse_a": -1}}]})


def test_rules_for_the_sun_run_where_there_is_sun() -> None:
    plan = Plan((CLASSIC, VILLA), ("pv_surplus", "night"))
    assert plan.policies_of(CLASSIC) == ["night"]
    assert plan.policies_of(VILLA) == ["pv_surplus", "night"]
    with pytest.raises(ValueError, match=r"policy min_pv\(\) needs sun, which classic lacks"):
        Plan((CLASSIC,), ("min_pv()",))
    with pytest.raises(ValueError, match="split is 'tst'; allowed"):
        Plan((CLASSIC,), ("night",), split="tst")
    assert "pv_surplus" not in default_policies((CLASSIC,))
    assert {"pv_surplus", "night", "optimal"} <= {*default_policies((CLASSIC, VILLA))}
    assert "optimal" not in default_policies((VILLA,), remote=True)


def test_steps_are_kept_up_to_a_size() -> None:
    plan = Plan((CLASSIC,), ("night",), households=1000, days=104, split="both")
    assert plan.total_steps == 2 * 1000 * 104 * 96
    assert not plan.keeps_steps
    assert not any(task.columns for task in plan.tasks())
    assert replace(plan, steps=True).keeps_steps
    small = replace(plan, households=10)
    assert small.keeps_steps
    assert not replace(small, steps=False).keeps_steps
    assert all(bool(task.columns) == (task.policy is not None) for task in small.tasks())


def test_the_clock_reaches_the_end_of_the_last_episode() -> None:
    hours = LocalHours(SPRING, "Europe/Stockholm", 24 * 400)
    for hour in (0, 145, 146, 24 * 399):
        moment = pd.Timestamp(SPRING + timedelta(hours=hour)).tz_convert("Europe/Stockholm")
        assert hours.hour[hour] == moment.hour
        assert hours.date[hour] == np.datetime64(moment.date())
