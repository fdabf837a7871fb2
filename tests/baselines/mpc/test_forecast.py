"""The forecast that `mpc` makes of a future: the month's peak of the house, episode by episode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines import make_policy
from baselines.foresight import foresee, tell_future
from baselines.mpc.forecast import Forecast
from ev_gym.scenario import Solar
from ev_gym.vector_env import EVChargingVectorEnv
from tests.baselines.mpc.test_policy import daily
from tests.support.foreseen_households import FREE, future_of, scenario
from tests.support.tariffs import with_peaks

BY_DAY: dict[str, Any] = {"from_h": 6, "to_h": 22}
HALF_AT_NIGHT: dict[str, Any] = {**BY_DAY, "other_factor": 0.5}
JANUARY, DAYS = 31, 34  # as days since the new year


def nth_peak_kw(
    hours_kw: Any, days: int = 3, different_days: bool = True, other_factor: float = 0.5
) -> float:
    """Of whole days of one month: the N-th of the sorted peaks of days, or hours."""
    clock = np.arange(hours_kw.size) % 24
    counted_kw = np.where((clock >= 6) & (clock < 22), 1.0, other_factor) * hours_kw
    days_kw = counted_kw.reshape(-1, 24)
    if different_days:
        days_kw = days_kw.max(axis=1, keepdims=True)
    return float(sorted(days_kw.ravel())[-days])


@pytest.mark.parametrize("begin", [1, 10], ids=["from the first", "amid the month"])
@pytest.mark.parametrize(
    "rule",
    [{}, {"days": 2}, {"different_days": False}, {"days": 1}],
    ids=["three days", "two days", "three hours", "one day"],
)
def test_the_months_peak_is_the_nth_of_its_sorted_days(rule: dict[str, Any], begin: int) -> None:
    """Whenever a day's peak is sorted in, the lowest of the N falls; a month ends once."""
    quarters_kw = np.random.default_rng(5).uniform(0.0, 6.0, DAYS * 96)
    quarters_kw[4 * (24 * JANUARY - 1) : 4 * 24 * JANUARY] = 2.0, 2.0, 2.0, 50.0  # 14 kW
    tariff = with_peaks(FREE, 60.0, **{**HALF_AT_NIGHT, **rule})
    case = scenario(tariff=tariff, time_step_min=15, days=DAYS + 1 - begin)
    future = future_of(case, [1.0], quarters_kw, f"2024-01-{begin:02}")
    forecast = Forecast(future, 15, 0.0, seed=0, slots=72)
    hours_kw = quarters_kw.reshape(-1, 4).mean(axis=1)
    january = nth_peak_kw(hours_kw[: 24 * JANUARY], **rule)
    february = nth_peak_kw(hours_kw[24 * JANUARY :], **rule)
    february_1 = (JANUARY + 1 - begin) * 96
    peaks_kw = [forecast.final_peaks_kw(step, 0)[0] for step in range(future.steps)]
    assert january > february
    np.testing.assert_allclose(peaks_kw[:february_1], january, rtol=1e-12)
    np.testing.assert_allclose(peaks_kw[february_1:], february, rtol=1e-12)


@pytest.mark.parametrize("netted", [True, False])
def test_the_sun_lowers_the_months_peak_where_it_is_netted(netted: bool) -> None:
    """A load of 9 kW in one hour alone, the last before noon."""
    netting = "step" if netted else "none"
    tariff = with_peaks(replace(FREE, netting=netting), 60.0, 1, **BY_DAY)
    case = scenario(tariff=tariff, solar=Solar(peak_kw=5.0), days=1, start_hour=12)
    future = future_of(case, [1.0], [0.0] * 4 * 35 + [9.0] * 4 + [0.0], "2024-01-01T12:00")
    sun_kw = float(future.results["pv_kw"][-1])
    assert 0.1 < sun_kw < 5.0
    forecast = Forecast(future, 60, 0.0, seed=0, slots=72)
    assert forecast.final_peaks_kw(0, 0)[0] == pytest.approx(9.0 - sun_kw if netted else 9.0)


@pytest.mark.parametrize(
    ("days", "count", "begin", "end"),
    # Five days of charging at once, or half of the last hour, in which it is told.
    [(20, 3, 0, 5 * 96 + 2), (2, 1, 2 * 96 - 4, 2 * 96 - 2)],
    ids=["past days", "the running hour"],
)
def test_peaks_that_the_cars_have_set_count_if_it_is_told_later(
    days: int, count: int, begin: int, end: int
) -> None:
    """The days of charging, then the house alone, all in November; the car comes at 17:15."""
    tariff = {"peaks": [{"count": count, "prices": 65.0}]}
    case = daily(7.0, days=days, start_hour=0, tariff=tariff)
    env: Any = gym.make("EVCharging-v0", scenario=case, disable_env_checker=True).unwrapped
    env.reset(seed=2, options={"start": "2025-11-05"})
    for step in range(end):
        env.step(np.full(1, step >= begin, np.float32))
    future = foresee(env.simulator)
    forecast = Forecast(future, 15, 0.0, seed=0, slots=72)
    peak_kw, alone_kw = (
        nth_peak_kw(
            np.append(env.history[name], future.results["load_kw"]).reshape(-1, 4).mean(axis=1),
            count,
            other_factor=1.0,
        )
        for name in ("grid_kw", "load_kw")
    )
    assert forecast.final_peaks_kw(0, 0)[0] == pytest.approx(peak_kw, rel=1e-12)
    assert peak_kw > alone_kw


def test_a_new_episode_must_be_told_anew() -> None:
    """Reset and untold it decides nothing; told anew it does what a new policy does."""
    env = EVChargingVectorEnv(2, {"days": 2})
    policy, new = (make_policy("mpc(load_error=0.5)", env) for _ in range(2))
    observations, _ = env.reset(seed=7)
    tell_future(policy, env)
    policy(observations)
    policy.reset(np.array([1]))
    with pytest.raises(ValueError, match=r"0.5 was not told the future; .* after each reset"):
        policy(observations)
    policy.reset()
    tell_future(policy, env)  # and no decision before the next reset
    observations, _ = env.reset(seed=11)
    policy.reset()
    with pytest.raises(ValueError, match="was not told the future"):
        policy(observations)
    tell_future(policy, env)
    tell_future(new, env)
    charged = 0.0
    for _ in range(env.scenario.horizon_steps):
        actions = policy(observations)
        np.testing.assert_array_equal(actions, new(observations))
        observations, *_ = env.step(actions)
        charged += float(actions.sum())
    assert charged > 0.0
