"""The built-in sky against the figures of the measured one, and its seeds.

The measured sky is one year, so the mean of 72 generated years may differ from it by what one year
scatters: the tolerances are about two standard deviations of single generated years. Known to be
off by more: generated weather changes a little more within the day than measured (correlation
after 3 and 6 hours), so days differ a little less.
"""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from ev_gym.calibrated import figures
from ev_gym.calibration import sky
from ev_gym.calibration.measures import sky_figures
from ev_gym.scenario import Data, Scenario
from ev_gym.series.of_scenario import dataset_of
from ev_gym.series.synthetic_sky import built_in_clearness, day_of_year

START = datetime(2023, 1, 1, tzinfo=timezone.utc)
YEAR_H, YEARS = 365 * 24, 72
BUILT_IN = datetime(2024, 12, 29, 23, tzinfo=timezone.utc)  # Monday 30 December, 00:00 local

# figure, place in it, tolerance
FIGURES = [
    ("mean", None, 0.04),
    ("sd", None, 0.015),
    ("quantiles", 0, 0.015),
    ("quantiles", 1, 0.015),
    ("quantiles", 2, 0.03),
    ("quantiles", 3, 0.09),
    ("quantiles", 4, 0.06),
    ("quantiles", 5, 0.03),
    ("quantiles", 6, 0.012),
    ("quantiles", 7, 0.035),
    ("quantiles", 8, 0.06),
    ("correlation", "1h", 0.02),
    ("correlation", "3h", 0.10),
    ("correlation", "6h", 0.10),
    ("correlation", "1d", 0.10),
    ("correlation", "2d", 0.10),
    ("hourly_change_sd", None, 0.007),
    ("daily_sd", None, 0.035),
    ("daily_correlation_1d", None, 0.12),
    ("summer_share", None, 0.07),
    ("winter_share", None, 0.09),
    ("ghi_kwh_per_m2", None, 75.0),
]


def years_of(place: str, seed: int) -> list[dict[str, Any]]:
    """Figures of each of 72 generated years."""
    hours = YEARS * YEAR_H
    clearness = built_in_clearness(START, hours, seed, place=place)
    clear = sky.clear_hours(START, YEAR_H, sky.PLACES[place])  # leap days do not matter here
    month = sky.utc_month(START, YEAR_H)
    return [
        sky_figures(clearness[first : first + YEAR_H], clear, month)
        for first in range(0, hours, YEAR_H)
    ]


@pytest.fixture(scope="module")
def aarhus() -> list[dict[str, Any]]:
    return years_of("aarhus", seed=1)


@pytest.mark.parametrize(("name", "place", "tolerance"), FIGURES)
def test_statistics(name: str, place: Any, tolerance: float, aarhus: list[dict[str, Any]]) -> None:
    measured = figures("sun")["figures"]["2024"]
    if place is None:
        found, aim = [year[name] for year in aarhus], measured[name]
    else:
        found, aim = [year[name][place] for year in aarhus], measured[name][place]
    assert np.mean(found) == pytest.approx(aim, abs=tolerance)


def test_built_in_year_is_a_typical_one() -> None:
    """The preset's year has the GHI of a mean year of Stockholm's, and brighter summers."""
    long = years_of("stockholm", seed=1)
    mean = {name: np.mean([year[name] for year in long]) for name in ("mean", "ghi_kwh_per_m2")}
    clear = sky.clear_hours(BUILT_IN, 52 * 168, sky.PLACES["stockholm"])
    clearness = built_in_clearness(BUILT_IN, 52 * 168)
    built_in = sky_figures(clearness, clear, sky.utc_month(BUILT_IN, 52 * 168))
    assert built_in["ghi_kwh_per_m2"] == pytest.approx(mean["ghi_kwh_per_m2"], rel=0.02)
    assert built_in["mean"] == pytest.approx(mean["mean"], abs=0.03)
    summer, winter = (np.mean([y[f"{s}_share"] for y in long]) for s in ("summer", "winter"))
    assert summer > winter + 0.1


def test_one_seed_one_result() -> None:
    state = pickle.dumps(np.random.get_state())  # noqa: NPY002
    first = built_in_clearness(BUILT_IN, 1000)
    assert first.dtype == np.float64
    assert first.tobytes() == built_in_clearness(BUILT_IN, 1000).tobytes()
    assert pickle.dumps(np.random.get_state()) == state  # noqa: NPY002
    other = built_in_clearness(BUILT_IN, 1000, seed=15)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.4


def test_a_longer_series_begins_with_the_shorter() -> None:
    long = built_in_clearness(BUILT_IN, 3 * YEAR_H)
    for hours in (1, 168, 5000, 2 * YEAR_H):
        np.testing.assert_array_equal(built_in_clearness(BUILT_IN, hours), long[:hours])


def test_values_stay_within_the_measured_ones() -> None:
    quantiles = figures("sun")["quantiles"]
    clearness = built_in_clearness(BUILT_IN, 10 * YEAR_H)
    assert quantiles[0] <= clearness.min() < 0.1
    assert 1.1 < clearness.max() <= quantiles[-1]


def test_day_of_year_is_that_of_utc() -> None:
    days = day_of_year(BUILT_IN, 3 * YEAR_H)
    for hour in range(0, 3 * YEAR_H, 997):
        assert days[hour] == (BUILT_IN + timedelta(hours=hour)).timetuple().tm_yday
    assert days[:3].tolist() == [364, 365, 365]


def test_generated_data_sets_hold_it_and_nothing_else_changed() -> None:
    data = dataset_of(Scenario(data=Data(weeks=2, houses=1)))
    np.testing.assert_array_equal(data.clearness, built_in_clearness(BUILT_IN, 336))
    assert data.ghi_w_per_m2 is None
    classic = dataset_of(Scenario.from_dict({"preset": "classic"}))
    assert classic.clearness is None
    assert classic.ghi_w_per_m2 is None
