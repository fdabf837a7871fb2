"""The achieved optimum: what is paid for it, known answers, and the policy that replays it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines import make_policy
from baselines.foresight import Future, foresee, tell_future
from baselines.optimal import Optimal, achieve
from baselines.optimum.dynamic_program import replay
from baselines.optimum.linear_program import OPTIONS
from baselines.optimum.relaxation import lower_bound
from ev_gym.env import EVChargingEnv
from ev_gym.simulation.actions import level_fractions
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import A_DAY

ID3 = "Volkswagen ID.3 58 kWh"
PLAIN: dict[str, Any] = {
    **A_DAY,
    "tariff": {"peaks": []},
    "vehicles": [{"model": ID3, "chemistry": None}],
}
SEVERAL: dict[str, dict[str, Any]] = {
    "plain": {**PLAIN, "days": 3},
    "stockholm": {"days": 3},
    "villa": {"preset": "stockholm-villa", "charger": {"phase_switching": False}, "days": 1},
    "levels": {"charger": {"levels_kw": (0.0, 3.7, 11.0)}, "days": 2},
    "half hours": {"time_step_min": 30, "days": 2, "charger": {"phase_switching": True}},
}


def future_of(scenario: Any, seed: int = 0, **options: Any) -> Future:
    env = EVChargingEnv(scenario)
    env.reset(seed=seed, options=options)
    return foresee(env.simulator)


def optimum_of(future: Future) -> Any:
    return achieve(future, lower_bound(future))


def test_classic_with_the_wanted_charge_as_a_hard_constraint() -> None:
    """Where public energy is dear: 1496.65 ore for hours 22, 23, 3 and one of 2 and 4, which cost
    the same; the bill is the return, so the score's settlement is taken out again.
    """
    future = future_of({"preset": "classic", "tariff": {"public_price_per_kwh": 100.0}})
    optimum = optimum_of(future)
    run = replay(future, optimum.actions)
    bill_ore = 100.0 * (optimum.cost + run.households["settlement"][-1])
    assert bill_ore == pytest.approx(1496.65, abs=0.01)
    on = np.flatnonzero(optimum.actions[:, 0]) // 4
    hours, quarters = np.unique(on, return_counts=True)
    count = dict(zip(hours.tolist(), quarters.tolist(), strict=True))
    assert {hour: count.pop(hour) for hour in (22, 23, 3)} == {22: 4, 23: 4, 3: 4}
    assert set(count) <= {2, 4}
    assert sum(count.values()) == 4


def test_classic_as_money() -> None:
    """1370.83 ore, and 0.03 kWh that fifteen quarter-hours leave missing at the public price."""
    future = future_of("classic")
    optimum = optimum_of(future)
    run = replay(future, optimum.actions)
    assert (optimum.actions > 0.0).sum() == 15
    missing_kwh = 0.6 * 46.3 - 15 * 7.4 / 4
    assert missing_kwh == pytest.approx(0.03)
    bill = optimum.cost + run.households["settlement"][-1]
    assert 100.0 * (bill - 5.0 * missing_kwh) == pytest.approx(1370.83, abs=0.01)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("continuous", [True, False], ids=["box", "levels"])
def test_the_policy_pays_what_the_plan_costs(name: str, continuous: bool) -> None:
    """To the bit, in a vector env whose rows were foreseen one by one; the bound lies below."""
    env = EVChargingVectorEnv(2, SEVERAL[name], continuous=continuous)
    observation, _ = env.reset(seed=4)
    optima = [optimum_of(foresee(env.simulator, row)) for row in range(2)]
    policy = make_policy("optimal", env)
    policy.reset()
    tell_future(policy, env)
    paid, infos = np.zeros(2), dict[str, Any]()
    for _ in range(env.scenario.horizon_steps):
        observation, rewards, _, _, infos = env.step(policy(observation))
        paid += rewards
    costs = -paid - infos["settlement"]
    assert costs.tolist() == [optimum.cost for optimum in optima]
    for optimum in optima:
        assert optimum.gap == optimum.cost - optimum.bound
        assert optimum.gap >= -1e-6


@pytest.mark.parametrize("name", ["stockholm", "villa"])
def test_the_same_again(name: str) -> None:
    """Two plans for one future are equal to the bit, and planning leaves the future as it was."""
    future = future_of(SEVERAL[name], seed=6)
    before = [array.tobytes() for array in future[1:]]
    bound = lower_bound(future)
    one, other = achieve(future, bound), achieve(future, bound)
    assert one.actions.tobytes() == other.actions.tobytes()
    assert one.cost == other.cost
    assert [array.tobytes() for array in future[1:]] == before


@pytest.mark.parametrize("name", ["plain", "villa", "levels"])
def test_no_simple_plan_is_cheaper(name: str) -> None:
    """Neither idling nor any other level all the time."""
    future = future_of(SEVERAL[name], seed=8)
    optimum = optimum_of(future)
    for level in level_fractions(future.world.scenario, future.world.scenario.vehicles[0]):
        always = np.full(optimum.actions.shape, level, np.float32)
        assert replay(future, always).cost >= optimum.cost
    assert replay(future, optimum.actions).cost == optimum.cost


CHEAP_PUBLIC = {"days": 7, "tariff": {"public_price_per_kwh": 0.1}}
TWO_CARS = {**CHEAP_PUBLIC, "days": 2, "vehicles": [{"model": ID3}, {"model": ID3}]}


@pytest.mark.parametrize(
    ("scenario", "seed", "rows"),
    [
        ({"preset": "stockholm-villa", "days": 2}, 100, 3),
        (CHEAP_PUBLIC, 106, 2),
        (TWO_CARS, 106, 2),
        ("classic", 0, 1),
    ],
    ids=["villa", "cheap public energy", "two cars", "levels"],
)
def test_it_is_never_dearer_than_some_policies(scenario: Any, seed: int, rows: int) -> None:
    """In any row; each drives an env of its own."""
    paid = {}
    for name in ("optimal", "price_based", "peak_shaving", "mpc(load_error=0)"):
        env = EVChargingVectorEnv(rows, scenario)
        policy = make_policy(name, env)
        observation, infos = env.reset(seed=seed)
        policy.reset()
        tell_future(policy, env)
        paid[name] = np.zeros(rows)
        for _ in range(env.scenario.horizon_steps):
            observation, rewards, _, _, infos = env.step(policy(observation))
            paid[name] -= rewards
        paid[name] -= infos["settlement"]
    for costs in paid.values():
        assert (paid["optimal"] <= costs + 1e-9).all()


def test_gap_without_power_charge_and_wear() -> None:
    """At most 1 % over four weeks; a year of it is measured in `tests/benchmarks`."""
    for seed in range(3):
        optimum = optimum_of(future_of({**PLAIN, "days": 28}, seed))
        assert 0.0 <= optimum.gap <= 0.01 * abs(optimum.bound)


def test_the_peak_is_kept_low() -> None:
    """With the power charge the plan's bill is below that of the plan without a thought of it."""
    scenario = {"days": 28, "vehicles": [{"model": ID3, "chemistry": None}]}
    future = future_of(scenario, seed=1)
    blind = optimum_of(future_of(scenario | {"tariff": {"peaks": []}}, seed=1))
    optimum = optimum_of(future)
    assert optimum.cost < 0.9 * replay(future, blind.actions).cost


def test_wear_is_weighed() -> None:
    """A car that may be discharged is much less, where each lost kWh of capacity has its price."""
    scenario = {
        "tariff": {"peaks": []},
        "charger": {"bidirectional": True},
        "days": 4,
    }
    future = future_of(scenario, seed=1)
    optimum = optimum_of(future)
    car = {"model": ID3, "wear_price_per_kwh": 0.0}
    careless = optimum_of(future_of(scenario | {"vehicles": [car]}, seed=1))
    assert optimum.cost < replay(future, careless.actions).cost - 0.1
    assert (careless.actions < 0.0).sum() > 1.5 * (optimum.actions < 0.0).sum()


def test_a_plan_from_the_middle_of_an_episode() -> None:
    """What has been paid does not count; the rest of the episode costs what the plan says."""
    env = EVChargingEnv({**PLAIN, "days": 2})
    env.reset(seed=3)
    for _ in range(30):
        env.step(np.ones(1, np.float32))
    optimum = optimum_of(foresee(env.simulator))
    assert optimum.actions.shape == (162, 1)
    paid, info = 0.0, dict[str, Any]()
    for action in optimum.actions:
        _, reward, _, _, info = env.step(action)
        paid += reward
    assert -paid - info["settlement"] == optimum.cost


def test_it_must_be_told_the_future() -> None:
    """Asked without having been told, about other rows, or beyond the horizon: a clear error."""
    env: Any = gym.make("EVCharging-v0", scenario={**PLAIN, "charger": {"levels_kw": (0.0, 11.0)}})
    observation, _ = env.reset(seed=0)
    policy = make_policy("optimal", env)
    assert isinstance(policy, Optimal)
    assert policy.clairvoyant
    with pytest.raises(ValueError, match=r"'optimal' .* 0 rows .* local env"):
        policy(observation)
    tell_future(policy, env)
    with pytest.raises(ValueError, match="asked about 2 rows"):
        policy(np.stack([observation, observation]))
    for _ in range(96):
        policy(observation)
    with pytest.raises(ValueError, match="for 0 more steps"):
        policy(observation)


def test_a_reset_forgets_the_plan() -> None:
    """Untold after a reset of env and policy: an error, not the last episode's plan."""
    env = EVChargingVectorEnv(2, {**PLAIN, "days": 1})
    policy = make_policy("optimal", env)
    observation, _ = env.reset(seed=0)
    tell_future(policy, env)
    first = policy(observation)
    policy.reset(np.array([1]))
    with pytest.raises(ValueError, match="has plans of 0 rows for 0 more steps"):
        policy(observation)
    tell_future(policy, env)
    assert policy(observation).tolist() == first.tolist()


def test_a_search_for_levels_that_was_stopped_is_a_bound_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the bound of any power and that of levels."""
    future = future_of("classic")
    free, whole = lower_bound(future).cost, lower_bound(future, whole_levels=True).cost
    monkeypatch.setitem(OPTIONS, "mip_max_nodes", 0)
    stopped = lower_bound(future, whole_levels=True).cost
    assert free - 1e-9 <= stopped <= whole + 1e-9
    assert whole <= optimum_of(future).cost + 1e-9


def test_a_remote_env_has_no_future_to_tell(url: str) -> None:
    env: Any = gym.make("EVChargingRemote-v0", url=url, scenario="classic")
    env.reset(seed=0)
    policy = make_policy("optimal", env)
    with pytest.raises(ValueError, match=r"'optimal' .* local env"):
        tell_future(policy, env)
    env.close()
