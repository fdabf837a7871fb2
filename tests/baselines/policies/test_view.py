"""What policies see: of many households in arrays, of each as Python numbers, the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baselines.policies.base import Policy
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.observations_by_hand import observation_with
from tests.support.one_day import A_DAY, VILLA_DAY


def test_the_clock_of_every_minute() -> None:
    """Sine and cosine are float32; the minute that they show is exact."""
    policy = Policy(as_scenario("stockholm"))
    hours = np.arange(24 * 60) / 60.0
    view = policy.view(np.stack([observation_with(policy, hour) for hour in hours]))
    np.testing.assert_array_equal(view.hour_of_day, hours)
    assert [household.hour_of_day for household in view.households()] == hours.tolist()


FLAT_DAY = {**A_DAY, "tariff": "vattenfall-flat-2025"}


@pytest.mark.parametrize("scenario", [VILLA_DAY, A_DAY, FLAT_DAY])
def test_a_household_sees_its_row(scenario: Any) -> None:
    """After a morning in which cars have charged; a field that the scenario lacks is 0."""
    env = EVChargingVectorEnv(4, scenario)
    observations, _ = env.reset(seed=2, options={"start": "2025-06-07T00:00"})
    for _ in range(40):
        observations, *_ = env.step(env.action_space.high)
    policy = Policy(env.scenario)
    view = policy.view(observations)
    plugged = 0
    for row, household in enumerate(view.households()):
        for name in ("load_kw", "pv_kw", "price_per_kwh", "export_price_per_kwh"):
            assert getattr(household, name) == view.of_house(name)[row], name
        for name in ("peak_kw", "interval_kw", "interval_factor", "power_price_per_kw"):
            assert getattr(household, name) == view.of_rules(name)[row].tolist(), name
        assert household.weekend
        assert household.hour_of_day == view.hour_of_day[row] == 10.0
        assert household.price_window == view.price_window[row].tolist()
        assert household.plugged == view.plugged[row].tolist()
        assert household.soc == view.soc[row].tolist()
        left_h = view.hours_to_departure[row]
        assert household.minutes_to_departure == np.round(60.0 * left_h).tolist()
        plugged += sum(household.plugged)
    assert plugged > 0
    assert view.pv_kw.any() == (scenario is VILLA_DAY)


@pytest.mark.parametrize(
    ("netting", "balance_kwh", "window"),
    [
        ("year", 5.0, [1.0, 2.0]),
        ("year", -5.0, [0.4, 1.4]),
        ("month", -5.0, [0.4, 1.4]),
        ("hour", -5.0, [1.0, 2.0]),  # of which no later hour knows
    ],
)
def test_with_more_export_than_import_a_kwh_costs_what_it_would_earn(
    netting: str, balance_kwh: float, window: list[float]
) -> None:
    case = Scenario.from_dict({"tariff": {"netting": netting}, "solar": {"peak_kw": 5.0}})
    policy = Policy(case)
    told = observation_with(policy, prices=[1.0, 2.0], price_per_kwh=0.4, balance_kwh=balance_kwh)
    view = policy.view(told[np.newaxis])
    np.testing.assert_allclose(view.price_window[0, :2], window, rtol=1e-6)


def test_the_time_of_the_year_of_every_day() -> None:
    """Its month, wrong for a day or two at most, and the days that are left of it."""
    policy = Policy(Scenario())
    days = np.arange(365)
    angle = 2 * np.pi * days / 365
    told = [observation_with(policy, day_sin=np.sin(a), day_cos=np.cos(a)) for a in angle]
    view = policy.view(np.stack(told))
    months = (np.datetime64("2025-01-01") + days).astype("datetime64[M]").astype(int) % 12 + 1
    assert set(view.month) == set(range(1, 13))
    assert (view.month == months).mean() > 0.95
    households = view.households()
    assert [household.month for household in households] == view.month.tolist()
    left = [household.year_days_left for household in households]
    np.testing.assert_allclose(left, 365 - days, atol=1e-3)
