"""The comparison: common episodes, sums that add up."""

from __future__ import annotations

import math
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from baselines import make_policy
from baselines.comparison import benchmark, tasks
from baselines.comparison.benchmark import Comparison
from baselines.comparison.plan import Plan
from baselines.comparison.tasks import episode_steps
from baselines.foresight import foresee
from baselines.optimum.relaxation import lower_bound
from ev_gym.scenario import Scenario

PLAN = Plan(
    scenarios=(Scenario.from_dict({}), Scenario.from_dict({"preset": "classic"})),
    policies=("uncontrolled", "price_based", "random"),
    seeds=(3, 4),
    households=3,
    days=2,
)


@pytest.fixture(scope="module")
def compared() -> tuple[Comparison, pd.DataFrame]:
    comparison = benchmark.compare(PLAN)
    return comparison, all_steps(comparison)


def all_steps(comparison: Comparison) -> pd.DataFrame:
    """Every step of every episode as computed: not rounded."""
    frames = [
        episode_steps(task, row)
        for batches in comparison.batches.values()
        for task, _ in batches
        for row in range(len(task.episodes))
    ]
    return pd.concat(frames, ignore_index=True)


def test_every_policy_meets_the_same_episodes(compared: tuple[Comparison, pd.DataFrame]) -> None:
    """Common random numbers: base load, prices and comings and goings are equal for all."""
    _, steps = compared
    keys = ["scenario", "seed", "household", "time"]
    common = ["load_kw", "price_per_kwh", "temperature_c", "plugged", "trip_kwh"]
    by_policy = [own.sort_values(keys)[keys + common].reset_index(drop=True)
                 for _, own in steps.groupby("policy")]  # fmt: skip
    assert len(by_policy) == 3
    for own in by_policy[1:]:
        pd.testing.assert_frame_equal(own, by_policy[0])
    assert len(by_policy[0]) == 2 * 2 * 3 * 2 * 96


def test_an_episode_of_the_comparison_is_the_single_env_with_its_seed(
    compared: tuple[Comparison, pd.DataFrame],
) -> None:
    """Seed 4, household 1 of `stockholm` under price_based, stepped by hand."""
    comparison, steps = compared
    env = gym.make("EVCharging-v0", scenario={"days": 2})
    seed = int(np.random.SeedSequence((4, 1)).generate_state(1, np.uint64)[0])
    policy = make_policy("price_based", env)
    observation, _ = env.reset(seed=seed)
    over = False
    while not over:
        observation, _, _, over, _ = env.step(policy(observation))
    own = steps.query(
        "scenario == 'stockholm' and policy == 'price_based' and seed == 4 and household == 1"
    )
    history: pd.DataFrame = env.unwrapped.history  # type: ignore[attr-defined]
    assert list(own["time"]) == list(history.index)
    pd.testing.assert_frame_equal(
        own[history.columns].reset_index(drop=True), history.reset_index(drop=True)
    )
    kept = comparison.steps("stockholm", "all", "price_based", 4, 1)
    assert list(kept["time"]) == list(history.index)
    np.testing.assert_array_equal(kept[history.columns], history.round(6))


def test_steps_come_again_where_they_were_not_kept(
    compared: tuple[Comparison, pd.DataFrame],
) -> None:
    comparison, steps = compared
    bare = {
        key: [(task, replace(part, steps=())) for task, part in own]
        for key, own in comparison.batches.items()
    }
    again = replace(comparison, batches=bare).steps("classic", None, "random", 3, 2)
    own = steps.query("scenario == 'classic' and policy == 'random' and seed == 3")
    own = own[own["household"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, own.astype({"time": again["time"].dtype}))
    with pytest.raises(ValueError, match="seed 3, household 9 was not run"):
        comparison.steps("classic", None, "random", 3, 9)


def test_summary_is_the_mean_of_the_episodes(compared: tuple[Comparison, pd.DataFrame]) -> None:
    """Worked again from the steps, with `math.fsum` and an independent notion of cheap hours."""
    comparison, steps = compared
    summary = comparison.summary
    for (scenario, policy), own in steps.groupby(["scenario", "policy"]):
        row = summary.query(f"scenario == '{scenario}' and policy == '{policy}'").iloc[0]
        episodes, days = 6, 2
        assert row["episodes"] == episodes
        for term in ("energy", "power", "wear", "missing", "public", "overload"):
            money = -math.fsum(own[f"{term}_term"]) / episodes / days
            assert row[term] == pytest.approx(money, abs=1e-9)
        charged = math.fsum(own["charge_kw"]) * 0.25 / episodes / days
        assert row["charge_kwh"] == pytest.approx(charged, abs=1e-9)
        peaks = own.groupby(["seed", "household"])["grid_kw"].max()
        assert row["peak_kw"] == pytest.approx(peaks.mean(), abs=1e-9)
        spent = -math.fsum(own["reward"]) / episodes / days
        assert row["cost"] == pytest.approx(spent - row["settlement"], abs=1e-9)
        for name in ("cost", "missing_kwh", "peak_kw", "regret"):
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
        assert row["per"] == "day"
    assert "cost_per_year" not in summary  # days, whatever they cost, are no year


def test_each_episode_has_its_bound_whatever_the_policy(
    compared: tuple[Comparison, pd.DataFrame],
) -> None:
    """The same for all policies, below what each pays, and that of the env's own future."""
    episodes = compared[0].episodes
    keys = ["scenario", "seed", "household"]
    assert (episodes.groupby(keys)["bound"].nunique() == 1).all()
    assert (episodes["regret"] >= -1e-9).all()
    paid = episodes["cost"] - episodes["bound"]
    pd.testing.assert_series_equal(episodes["regret"], paid, check_names=False)
    env = gym.make_vec("EVCharging-v0", 1, "vector_entry_point", scenario={"days": 2})
    env.reset(seed=[tasks.episode_seed(3, 1)])
    future = foresee(env.unwrapped.simulator)  # type: ignore[attr-defined]
    own = episodes.query("scenario == 'stockholm' and seed == 3 and household == 1")
    assert own["bound"].iloc[0] == pytest.approx(lower_bound(future).cost / 2, rel=1e-9)


def test_days_add_up_to_the_episode(compared: tuple[Comparison, pd.DataFrame]) -> None:
    """All days' costs less the settlement are the episode's; in the order of the episodes."""
    comparison = compared[0]
    keys = ["scenario", "split", "policy", "seed", "household"]
    spent = comparison.days.groupby(keys, sort=False)["cost"].sum().reset_index()
    episodes = comparison.episodes
    pd.testing.assert_frame_equal(spent[keys], episodes[keys])
    expected = 2 * (episodes["cost"] + episodes["settlement"])
    np.testing.assert_allclose(spent["cost"], expected, atol=1e-9)
    assert list(comparison.days["day"]) == [0, 1] * len(episodes)


VILLA = Scenario.from_dict({"preset": "stockholm-villa"})


def test_a_villa_has_its_energies_and_terms_in_the_summary_and_the_table() -> None:
    """What cars give and what is sold, worked again from the steps; columns only where needed."""
    classic = Scenario.from_dict({"preset": "classic"})
    plan = Plan((VILLA, classic), ("random", "uncontrolled"), (5,), 3, 2, bound=False)
    comparison = benchmark.compare(plan)
    summary, steps = comparison.summary, all_steps(comparison)
    for (scenario, policy), own in steps.groupby(["scenario", "policy"]):
        row = summary.query(f"scenario == '{scenario}' and policy == '{policy}'").iloc[0]
        cars = [own[c].dropna() for c in ("charge_kw", "charge_kw_0", "charge_kw_1") if c in own]
        powers = {
            "charge": [kw for car in cars for kw in car if kw > 0],
            "discharge": [-kw for car in cars for kw in car if kw < 0],
            "exported": [-kw for kw in own["grid_kw"] if kw < 0],
            "pv": list(own["pv_kw"]),
        }
        for name, values in powers.items():
            daily_kwh = math.fsum(values) * 0.25 / 3 / 2
            assert row[f"{name}_kwh"] == pytest.approx(daily_kwh, abs=1e-9)
            if policy == "random":
                assert (daily_kwh > 0) == (name == "charge" or scenario == "stockholm-villa")
    villa, small = benchmark.table(summary).split("classic: ")
    head = villa.splitlines()[1].split()
    assert head[:4] == ["policy", "cost", "from", "to"]
    assert villa.startswith("stockholm-villa: SEK a day for charging")
    assert "a year" not in villa + small
    for column in ("power", "wear", "V2G", "sold"):
        assert column in head
        assert column not in small.splitlines()[1].split()
    line = next(line for line in villa.splitlines() if line.startswith("random"))
    row = summary.query("scenario == 'stockholm-villa' and policy == 'random'").iloc[0]
    shown = [float(cell) for cell in line.replace("%", "").split()[1:]]
    names = ("cost", "cost_low", "cost_high",
             "energy", "power", "wear")  # fmt: skip
    np.testing.assert_allclose(shown[:6], row[list(names)].to_numpy(float), atol=0.005)
    assert row["wear"] > 0
    assert row["power"] > 0


def test_the_table_says_what_is_lost_and_fits_a_terminal(
    compared: tuple[Comparison, pd.DataFrame],
) -> None:
    summary = compared[0].summary
    stockholm, classic = benchmark.table(summary).split("classic: ")
    lines = classic.splitlines()
    rows = summary.query("scenario == 'classic'").sort_values("cost")
    assert f"the proven bound of {rows['bound'].iloc[0]:.2f}" in lines[1]
    own = lines[3 : 3 + len(rows)]
    assert [line.split()[0] for line in own] == list(rows["policy"])
    assert lines[3 + len(rows)].startswith("Intervals and ranks of 6 episode(s) say little.")
    assert "The power charge of every calendar month that" in " ".join(stockholm.split())
    assert "power charge" not in classic
    for line, (_, row) in zip(own, rows.iterrows(), strict=True):
        cells = line.split()
        assert cells[4] == f"{row['regret']:.2f}"
        assert cells[5] == f"{row['regret_percent']:.1f}"
    assert max(map(len, stockholm.splitlines())) <= 120
    nothing = summary.assign(missing=-0.001, bound=-0.001)
    shown = benchmark.table(nothing.drop(columns="regret_percent"))
    assert "-0.00" not in shown
    assert "bound of 0.00)" in shown
    assert max(map(len, lines)) <= 120


def test_cheap_share_counts_energy_in_the_cheapest_third_of_hours() -> None:
    """On classic the eight cheapest hours are 1, 2, 3, 4, 20, 21, 22, 23."""
    plan = Plan(
        scenarios=(Scenario.from_dict({"preset": "classic"}),),
        policies=("load_based", "price_based", "uncontrolled"),
        households=1,
        days=1,
        bound=False,
    )
    summary = benchmark.compare(plan).summary
    shares = summary.set_index("policy")["cheap_share"]
    # load_based charges in hours 0 to 3, uncontrolled 37.04 kWh from hour 0 on at 7.4 kW.
    assert shares["load_based"] == pytest.approx(0.75)
    assert shares["price_based"] == pytest.approx(1.0)
    assert shares["uncontrolled"] == pytest.approx(4 * 7.4 / 37.04)


def test_neighbouring_seeds_share_no_episode() -> None:
    seeds = {tasks.episode_seed(s, h) for s in range(50) for h in range(50)}
    assert len(seeds) == 2500
