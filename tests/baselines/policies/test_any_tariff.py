"""No policy fails on any tariff: random ones, in random scenarios of cars, sun and steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import POLICY_NAMES, make_policy
from baselines.foresight import tell_future
from ev_gym.scenario import Scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.any_tariffs import any_tariffs
from tests.support.observations_by_hand import names_for
from tests.support.scenario_strategies import SEEDS, SERIES, examples, scenarios, solars

HOUSEHOLDS = 2


@st.composite
def cases(draw: st.DrawFn) -> tuple[Scenario, str, int]:
    """A scenario of a day or two with any tariff, the name of a series, and a seed."""
    step_min = draw(st.sampled_from((5, 15, 30, 60)))
    tariff, solar = draw(any_tariffs(step_min)), draw(solars())
    if tariff.netting not in ("none", "step"):
        solar = replace(solar, curtail_below_price=None)  # which such a balance does not know
    days = 1 if step_min < 15 else 2
    scenario = draw(scenarios(tariff=tariff, solar=solar, time_step_min=step_min, days=days))
    return scenario, draw(st.sampled_from(("hourly", "quarters", "autumn"))), draw(SEEDS)


def lived(spec: str, scenario: Scenario, series: str, seed: int) -> Any:
    """The actions of an episode (T, n, K), all of them inside the action space."""
    env = EVChargingVectorEnv(HOUSEHOLDS, scenario, dataset=SERIES[series])
    policy = make_policy(spec, env)
    observations, _ = env.reset(seed=seed)
    policy.reset()
    tell_future(policy, env)
    actions, over = [], False
    while not over:
        actions.append(policy(observations))
        assert actions[-1] in env.action_space, spec
        observations, _, _, truncated, _ = env.step(actions[-1])
        over = bool(truncated.all())
    return np.array(actions)


@settings(max_examples=examples(40))
@given(cases())
def test_no_policy_fails_on_any_tariff(case: tuple[Scenario, str, int]) -> None:
    for name in names_for(POLICY_NAMES, case[0]):
        lived(name, *case)


@pytest.mark.parametrize("spec", ["mpc(load_error=0.3)", "plan(continuous=True)"])
@settings(max_examples=examples(16))
@given(case=cases())
def test_neither_does_one_with_arguments(spec: str, case: tuple[Scenario, str, int]) -> None:
    lived(spec, *case)
