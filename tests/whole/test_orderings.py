"""Which policy must pay less than which: orderings by theory, over the same households."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from baselines import POLICY_NAMES, make_policy
from baselines.comparison import benchmark
from baselines.comparison.plan import Plan
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.observations_by_hand import names_for

PERFECT = "mpc(load_error=0)"
POLICIES = ("optimal", PERFECT, "price_based", "uncontrolled")
ALL_ON: dict[str, object] = {}
ENERGY_ALONE = {
    "tariff": {"peaks": []},
    "vehicles": [{"model": "Volkswagen ID.3 58 kWh", "chemistry": None}],
}


@pytest.fixture(scope="module", params=[(ALL_ON, 3), (ENERGY_ALONE, 6)], ids=["all", "energy"])
def costs(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Cost a day of some households over four weeks: a row each, a column for each policy."""
    changes, households = request.param
    scenario = Scenario.from_dict({"name": "own", **changes})
    plan = Plan((scenario,), POLICIES, households=households, days=28, steps=False)
    comparison = benchmark.compare(plan)
    episodes = comparison.episodes
    frame = episodes.pivot(index="household", columns="policy", values="cost")
    frame["bound"] = episodes.groupby("household")["bound"].first()
    return frame


def test_foresight_then_a_good_forecast_then_a_rule(costs: pd.DataFrame) -> None:
    """On average; and nobody is below the bound, household by household."""
    mean = costs.mean()
    assert mean["bound"] < mean["optimal"] < mean[PERFECT] < mean["price_based"]
    assert mean["price_based"] < mean["uncontrolled"]
    for name in POLICIES:
        assert (costs[name] >= costs["bound"] - 1e-6).all()


def test_nobody_beats_the_optimum_in_any_household(costs: pd.DataFrame) -> None:
    """To 1 % of what can be avoided: the achieved optimum is not proven to be the best."""
    slack = 0.01 * (costs["uncontrolled"] - costs["bound"])
    for name in POLICIES:
        assert (costs["optimal"] <= costs[name] + slack).all(), name


HOUSEHOLDS = 24


@functools.cache
def month(name: str) -> dict[str, Any]:
    """Four weeks of 24 households: each field as (steps, households), and their scores."""
    env = EVChargingVectorEnv(HOUSEHOLDS, {"days": 28, "start_hour": 12})
    policy = make_policy(name, env, seed=1)
    observations, _ = env.reset(seed=0)
    policy.reset()
    seen: dict[str, list[Any]] = {name: [] for name in FIELDS}
    over, score = False, np.zeros(HOUSEHOLDS)
    while not over:
        observations, rewards, _, truncated, infos = env.step(policy(observations))
        for field, values in seen.items():
            values.append(infos[field].reshape(HOUSEHOLDS))
        score += rewards
        over = bool(truncated.all())
    return {"score": score + infos["settlement"], **{f: np.array(v) for f, v in seen.items()}}


FIELDS = (
    "missing_kwh", "charge_kw", "current_a", "energy_cost", "house_cost", "soc", "plugged",
    "overload_kw",
)  # fmt: skip
ORDERINGS = pytest.mark.skipif(INTERPRETED, reason="700,000 steps take minutes interpreted")
# A planner takes seconds, not milliseconds: its orderings stand beside its other tests. And who
# never charges pays nothing for a kWh, and has the lowest current of all.
LEFT_OUT = ("mpc", "never")
COMPARED = [n for n in names_for(POLICY_NAMES, as_scenario("stockholm")) if n not in LEFT_OUT]


@ORDERINGS
def test_uncontrolled_misses_least_energy() -> None:
    missing = {name: month(name)["missing_kwh"].sum() for name in COMPARED}
    assert missing["uncontrolled"] <= min(missing.values()) + 1e-6
    # Which knows the departure, and with a power charge lets energy miss where that is cheaper.
    patient = month("plan(power_charge=False)")["missing_kwh"].sum()
    assert missing["price_limit"] > max(5 * patient, missing["plan"])


def price_per_kwh(name: str) -> float:
    """Mean price of the energy that all households charged, at the meter."""
    own = month(name)
    bought = (own["energy_cost"] - own["house_cost"]).sum()
    return float(bought / (0.25 * own["charge_kw"].sum()))


@ORDERINGS
def test_who_knows_prices_pays_less_for_a_kwh() -> None:
    price = {name: price_per_kwh(name) for name in COMPARED}
    knowing = ("price_based", "plan", "price_limit", "cheapest_hours")
    for name in (*knowing, "plan(continuous=True)"):
        assert price_per_kwh(name) < 0.97 * price["load_based"], name
    # One block of hours costs no less than the cheapest ones.
    assert price["plan"] < price_per_kwh("plan(continuous=True)")
    assert month("price_based")["score"].sum() > month("load_based")["score"].sum()
    charging = month("load_based")["charge_kw"] > 0
    assert month("load_based")["overload_kw"][charging].max() == 0.0


@ORDERINGS
def test_delayed_cars_stand_at_the_lowest_soc() -> None:
    """Among those that charge enough; uncontrolled ones at the highest of all."""
    mean = {name: month(name)["soc"].mean() for name in COMPARED}
    assert mean["uncontrolled"] == max(mean.values())
    assert mean["delayed"] < min(
        mean[name] for name in ("uncontrolled", "load_based", "price_based", "peak_shaving")
    )


@ORDERINGS
def test_peak_shaving_has_the_lowest_current_of_a_stay() -> None:
    """Of those who bring a car from the same SoC to the wanted one, household by household."""
    own = {name: month(name) for name in COMPARED}
    compared = 0
    for i in range(HOUSEHOLDS):
        there = month("uncontrolled")["plugged"][:, i]
        # The stay that is in progress at the start, or the first one.
        first = int(np.argmax(there == 1))
        left = first + int(np.argmin(there[first:] == 1))
        peaks = {
            name: values["current_a"][first:left, i].max()
            for name, values in own.items()
            if values["missing_kwh"][first : left + 1, i].sum() < 1e-6
        }
        if peaks.get("peak_shaving", 0.0) > 0.0:
            compared += len(peaks) - 1
            assert peaks["peak_shaving"] == min(peaks.values())
    assert compared > 5 * HOUSEHOLDS
    mean = {name: values["current_a"].max(axis=0).mean() for name, values in own.items()}
    assert mean["peak_shaving"] < 0.8 * min(v for n, v in mean.items() if n != "peak_shaving")
