"""The lower bound against every cost that anything reaches, on random households of every kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from baselines.foresight import Future, foresee
from baselines.optimum import relaxation
from baselines.optimum.linear_program import Program
from baselines.optimum.metering import meter_of
from baselines.optimum.reach import reach_of
from baselines.optimum.relaxation import Bound, lower_bound
from baselines.policies.specs import POLICY_NAMES, make_policy
from ev_gym.scenario import Charger, Scenario, Solar, Vehicle
from ev_gym.scenario.charger import SWITCHING
from ev_gym.scenario.vehicle import AGEING
from ev_gym.series.dataset import Dataset
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support import household_strategies, scenario_strategies
from tests.support.observations_by_hand import names_for
from tests.support.scenario_strategies import examples

ALWAYS = ("uncontrolled", "price_based", "peak_shaving", "random")
# Rows of random actions, and of attempts to follow the bound's own plan.
DRAWN, FOLLOWED = 5, 5
MONEY = 1e-6
FLOW_KWH = 1e-6  # a tenth of it is what HiGHS takes for equal


class Episode(NamedTuple):
    """An episode of T steps and K cars in DRAWN rows.

    Attributes:
        future: Of each row.
        drawn_kwh: (T, DRAWN, K) at the meter, below 0 fed back.
        stored_kwh: (T, DRAWN, K) in the batteries, likewise.
        cost: (DRAWN,) of each row.
    """

    future: Future
    drawn_kwh: NDArray[Any]
    stored_kwh: NDArray[Any]
    cost: NDArray[Any]


def wavering(generator: np.random.Generator, steps: int, cars: int, lowest: float) -> Any:
    """Actions (steps, DRAWN, K): the extremes for hours on end, in some rows any number."""
    held = generator.choice(np.array([lowest, 0.0, 1.0, 1.0]), (steps, DRAWN, cars))
    length = generator.integers(1, 30, DRAWN)
    for row in range(DRAWN):
        held[:, row] = held[np.arange(steps) // length[row] * length[row], row]
    held[:, -1] = generator.uniform(lowest, 1.0, (steps, cars))
    return held.astype(np.float32)


def following(
    generator: np.random.Generator, bound: Bound, scenario: Scenario, max_kw: Any
) -> NDArray[np.float32]:
    """Actions (T, FOLLOWED, K) near the plan's powers: as they are, more, or less by chance."""
    plan = np.repeat((bound.charge_kw / max_kw)[:, None], FOLLOWED, axis=1)
    for row in range(1, FOLLOWED):
        plan[:, row] += generator.choice([-1.0, 0.0, 1.0], plan[:, row].shape) * 0.07 * row
        plan[:, row] *= generator.random(plan[:, row].shape) < 1.1 - 0.05 * row
    plan[:, 1] = np.where(bound.charge_kw > 0.01, 1.0, np.where(bound.charge_kw < -0.01, -1.0, 0.0))
    return np.clip(plan, scenario_strategies.lowest_of(scenario), 1.0).astype(np.float32)


def costs(
    scenario: Scenario, dataset: Dataset, seed: int, options: dict[str, Any]
) -> tuple[NDArray[np.float64], Bound, Bound]:
    """Costs of five policies, of drawn actions and of the plan's; the bound, and that of levels."""
    names = names_for(POLICY_NAMES, scenario)
    names = [*ALWAYS, names[seed % len(names)]]  # over all cases, each of them
    rows = len(names) + DRAWN + FOLLOWED
    env = EVChargingVectorEnv(rows, scenario, dataset=dataset)
    seen, _ = env.reset(seed=[seed] * rows, options=options)
    future = foresee(env.simulator)
    bound = lower_bound(future)
    levels = bound
    if scenario.charger.levels_kw is not None and future.steps <= 96:
        levels = lower_bound(future, whole_levels=True)
    policies = [make_policy(name, env, seed=seed % 2**32) for name in names]
    generator, cars = np.random.default_rng(seed), len(scenario.vehicles)
    drawn = wavering(generator, future.steps, cars, scenario_strategies.lowest_of(scenario))
    max_kw = env.simulator.world.tables.cars["max_kw"]
    plan = following(generator, bound, scenario, max_kw)
    total = np.zeros(rows)
    for step in range(future.steps):
        decided = [policy(seen[i : i + 1]) for i, policy in enumerate(policies)]
        seen, reward, *_ = env.step(np.concatenate([*decided, drawn[step], plan[step]]))
        total -= reward
    return total - env.simulator.settlements(), bound, levels


def followed(scenario: Scenario, dataset: Dataset, seed: int, options: dict[str, Any]) -> Episode:
    """An episode with drawn actions, in DRAWN rows."""
    env = EVChargingVectorEnv(DRAWN, scenario, dataset=dataset)
    env.reset(seed=[seed] * DRAWN, options=options)
    future, cars = foresee(env.simulator), len(scenario.vehicles)
    generator = np.random.default_rng(seed)
    actions = wavering(generator, future.steps, cars, scenario_strategies.lowest_of(scenario))
    cost, drawn, stored = np.zeros(DRAWN), np.empty(actions.shape), np.empty(actions.shape)
    for step in range(future.steps):
        _, reward, _, _, info = env.step(actions[step])
        cost -= reward
        drawn[step] = info["charge_kw"].reshape(DRAWN, cars) * scenario.step_h
        stored[step] = info["stored_kwh"].reshape(DRAWN, cars)
    return Episode(future, drawn, stored, cost - env.simulator.settlements())


def as_flows(episode: Episode, row: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ranges (F,) of the flows to which the proof maps an episode.

    Where a kWh costs something, what full power would have drawn for what was stored. Of cars that
    discharge, which then hold more than they did, perhaps less than that.
    """
    reach = reach_of(episode.future)
    flows, meter = reach.flows, meter_of(episode.future, reach)
    moved = episode.drawn_kwh[flows.step, row, flows.car]
    own = np.maximum(flows.sign * moved, 0.0)
    assert own.sum() == pytest.approx(np.abs(episode.drawn_kwh[:, row]).sum())  # all of it can flow
    settings, price = episode.future.world.tables.settings[0], episode.future.households[0]
    paid = meter.slope[flows.step] * settings["energy_weight"] < 0.0
    ever = paid.any() or price["settlement_price"] < 0.0
    gives = np.isin(flows.car, flows.car[flows.sign < 0])
    stored = np.maximum(episode.stored_kwh[flows.step, row, flows.car], 0.0)
    at_best = np.where(gives, np.where(ever, own, 0.0), stored / np.abs(flows.per_kwh))
    return np.where((flows.sign > 0) & ~paid, at_best, own), own


class Followed(Program):
    """A programme whose flows, its first columns, are those of an episode."""

    def __init__(self, low: NDArray[Any], high: NDArray[Any]) -> None:
        super().__init__()
        self.ranges = [(np.maximum(low - FLOW_KWH, 0.0), high + FLOW_KWH)]

    def columns(self, cost: Any, lower: Any, upper: Any, whole: bool = False) -> Any:
        if self.ranges:
            lower, upper = self.ranges.pop()
        return super().columns(cost, lower, upper, whole)


def short(draw: st.DrawFn, module: Any) -> Scenario:
    """A household of few steps: a day of five minutes, or two or three of longer steps."""
    step_min = draw(st.sampled_from((5, 15, 15, 60)))
    days = 1 if step_min == 5 else draw(st.integers(1, 3))
    kind = module.scenarios if module is scenario_strategies else module.households
    scenario: Scenario = draw(kind(time_step_min=step_min, days=days))
    return replace(scenario, vehicles=scenario.vehicles[:3], charger=_fewer(scenario))


def _fewer(scenario: Scenario) -> Any:
    count = scenario.charger.count
    return replace(scenario.charger, count=None if count is None else min(count, 3))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Scenario, Dataset, int, dict[str, Any]]:
    """A household, its series, a seed, and at times options of the reset."""
    module = draw(st.sampled_from((scenario_strategies, household_strategies)))
    scenario = short(draw, module)
    dataset = module.SERIES[draw(st.sampled_from(("hourly", "quarters")))]
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        options["soc"] = draw(st.floats(0.0, 1.0))
    if draw(st.integers(0, 3)) == 0:
        minute = scenario.time_step_min * draw(st.integers(0, 7 * 1440 // scenario.time_step_min))
        options["start"] = (dataset.start + timedelta(minutes=minute)).isoformat()
    return scenario, dataset, draw(st.integers(0, 2**62)), options


@settings(max_examples=examples(300))
@given(cases())
def test_no_cost_is_below_the_bound(case: tuple[Scenario, Dataset, int, dict[str, Any]]) -> None:
    cost, bound, levels = costs(*case)
    scale = 1.0 + np.abs(cost).max()
    assert bound.cost <= cost.min() + MONEY * scale
    assert levels.cost <= cost.min() + MONEY * scale
    assert levels.cost >= bound.cost - MONEY * scale


def plain(scenario: Scenario) -> Scenario:
    """The same without what is relaxed: the charger's rules apart, which real flows obey.

    Where the public charger is cheaper than the settlement, the relaxation buys more than it may.
    """
    charger = scenario.charger
    if charger.bidirectional or charger.phase_switching:
        charger = replace(charger, bidirectional=False)
        times = {name: getattr(Charger(), name) for name in SWITCHING}
        charger = replace(charger, phase_switching=False, **times)
    cars = tuple(
        replace(
            car, chemistry=None, aux_kw=0.0, **{name: getattr(Vehicle(), name) for name in AGEING}
        )
        for car in scenario.vehicles
    )
    return replace(
        scenario,
        charger=charger,
        vehicles=scenario_strategies.without_unread(cars, charger),
        solar=Solar(),
        tariff=replace(scenario.tariff, public_price_per_kwh=5.0, public_stop_cost=0.0),
        reward_weights=replace(scenario.reward_weights, missing=1.0, public=1.0),
    )


@settings(max_examples=examples(80))
@given(cases(), st.booleans())
def test_every_episode_fits_into_the_relaxation(
    case: tuple[Scenario, Dataset, int, dict[str, Any]], exact: bool
) -> None:
    """With an episode's flows the programme costs what it did, or less by what is relaxed.

    So no row cuts a possible episode off, however dear, and no term of the cost is forgotten.
    """
    scenario, *rest = case
    episode = followed(plain(scenario) if exact else scenario, *rest)
    for row in range(DRAWN):
        program = mock.Mock(return_value=Followed(*as_flows(episode, row)))
        with mock.patch.object(relaxation, "Program", program):
            least = lower_bound(episode.future).cost
        scale = 1.0 + abs(episode.cost[row])
        assert least <= episode.cost[row] + MONEY * scale
        if exact:
            assert least == pytest.approx(episode.cost[row], abs=1e-3 * scale)
