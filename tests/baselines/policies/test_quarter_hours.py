"""On a market of quarter-hours, policies find the cheap quarter of an hour."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from baselines import make_policy
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.series.dataset import Dataset
from tests.support.small_series import BARE, STOCKHOLM

CHEAP, DEAR = 0.1, 1.0
BY_HAND = {
    "driving": {"pattern": "daily", "arrival_h": 17.0, "departure_h": 7.0, "trip_km": 60.0},
    "household": {"fuse_a": 25.0},
    "days": 7,
    "start_hour": 12,
}


def saw_tooth() -> Dataset:
    """Each hour's last quarter is cheap; hourly means are all the same."""
    price = np.full(2 * 672, DEAR)
    price[3::4] = CHEAP
    return Dataset(
        start=datetime(2025, 9, 1, tzinfo=STOCKHOLM),
        zone="Europe/Stockholm",
        load_kw=np.full((1, 2 * 672), 0.5),
        price_per_kwh=price,
        temperature_c=np.full(2 * 168, 20.0),
        price_minutes=15,
    )


@pytest.mark.parametrize("policy", ["plan", "price_based", "cheapest_hours", "mpc", "price_limit"])
@pytest.mark.parametrize("step_min", [5, 15])
def test_the_cheap_quarter_of_every_hour_is_found(policy: str, step_min: int) -> None:
    """At least 90 % is bought there, without power charge and wear; trips need 4 quarters a day."""
    scenario = Scenario.from_dict(
        {**BY_HAND, "tariff": BARE, "time_step_min": step_min, "vehicles": [{"chemistry": None}]}
    )
    env = EVChargingEnv(scenario, dataset=saw_tooth())
    decide = make_policy(policy, env)
    observation, _ = env.reset(seed=1, options={"start": "2025-09-02", "soc": 0.6})
    over = False
    while not over:
        observation, _, _, over, _ = env.step(decide(observation))
    bought: Any = env.history.groupby("price_per_kwh")["charge_kw"].sum()
    assert bought.sum() * step_min / 60 > 40.0
    assert bought[CHEAP] / bought.sum() >= 0.9
    assert env.history["missing_kwh"].sum() < 0.5


@pytest.mark.parametrize("policy", ["plan", "price_based", "cheapest_hours", "mpc"])
def test_hourly_steps_see_the_mean_of_their_quarters(policy: str) -> None:
    """Nothing within an hour can be chosen, so on this market every hour costs the same."""
    scenario = Scenario.from_dict(
        {**BY_HAND, "tariff": BARE, "time_step_min": 60, "vehicles": [{"chemistry": None}]}
    )
    env = EVChargingEnv(scenario, dataset=saw_tooth())
    decide = make_policy(policy, env)
    observation, _ = env.reset(seed=1, options={"start": "2025-09-02", "soc": 0.6})
    window = decide.view(observation[np.newaxis]).price_window  # type: ignore[attr-defined]  # a Policy
    np.testing.assert_allclose(window, (3 * DEAR + CHEAP) / 4, rtol=1e-6)
    assert window.shape == (1, 36)
    over = False
    while not over:
        observation, _, _, over, info = env.step(decide(observation))
        assert info["price_per_kwh"] == pytest.approx((3 * DEAR + CHEAP) / 4)
    assert env.history["charge_kw"].sum() > 40.0
