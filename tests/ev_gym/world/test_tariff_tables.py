"""A tariff's prices on the calendar of a series: tax by year, hours of high transfer, export."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import numpy as np
import pytest

from ev_gym.scenario import ScenarioError, Tariff
from ev_gym.scenario.tariff import TARIFFS
from ev_gym.series.dataset import Dataset
from ev_gym.world.tariff_tables import export_prices, import_prices, quarter_prices
from tests.support.small_series import STOCKHOLM, local_times, series


def test_energy_tax_changes_at_local_midnight() -> None:
    """On 1 January 2025, a Wednesday, in Stockholm: 23:00 UTC, the 48th hour from Monday."""
    dataset = series(2, monday=datetime(2024, 12, 30))
    found = quarter_prices(Tariff(energy_tax_per_kwh=None), dataset)
    expected = np.where(np.arange(2 * 672) < 48 * 4, 0.428, 0.439)
    assert found.tax_per_kwh.tolist() == expected.tolist()
    assert set(quarter_prices(Tariff(), dataset).tax_per_kwh.tolist()) == {0.439}


def test_series_of_years_without_a_known_tax_are_refused() -> None:
    """Only where the tax is to follow the year."""
    dataset = series(1, monday=datetime(2016, 1, 4))
    assert quarter_prices(Tariff(), dataset).tax_per_kwh[0] == 0.439
    with pytest.raises(ScenarioError, match="energy_tax_per_kwh is None, but the series hold"):
        quarter_prices(Tariff(energy_tax_per_kwh=None), dataset)


@pytest.mark.parametrize("price_minutes", [15, 30, 60])
def test_prices_of_every_quarter(price_minutes: int) -> None:
    """Import (spot + tax + transfer) with VAT, export spot less the fee, without.

    Vattenfall's hours: weekdays 06-22 of the winter months, also where summer time begins.
    """
    dataset = series(6, price_minutes, datetime(2025, 3, 3))
    own = dataclasses.replace(TARIFFS["vattenfall_time"], export_fee_per_kwh=-0.05)
    prices = quarter_prices(own, dataset)
    spot = np.repeat(dataset.price_per_kwh, price_minutes // 15)
    high = np.array(
        [
            local.month == 3 and local.weekday() < 5 and 6 <= local.hour < 22
            for local in local_times(dataset, 6 * 168)
        ]
    )
    transfer = np.repeat(np.where(high, 0.536, 0.2144), 4)
    expected = (spot + 0.439 + transfer) * 1.25
    np.testing.assert_allclose(import_prices(own, prices), expected, atol=1e-12)
    np.testing.assert_allclose(export_prices(own, prices), spot + 0.05, atol=1e-12)


def test_prices_follow_the_series_own_zone() -> None:
    """The year changes by the local clock, not by UTC nor by Sweden's."""
    dataset = Dataset(
        start=datetime(2024, 12, 30, tzinfo=STOCKHOLM).replace(hour=0),
        zone="Europe/Stockholm",
        load_kw=np.zeros((1, 672)),
        price_per_kwh=np.zeros(168),
        temperature_c=np.zeros(168),
    )
    helsinki = dataclasses.replace(
        dataset, start=datetime.fromisoformat("2024-12-30T00:00+02:00"), zone="Europe/Helsinki"
    )
    for each in (dataset, helsinki):
        taxes = quarter_prices(Tariff(energy_tax_per_kwh=None), each).tax_per_kwh
        assert np.flatnonzero(np.diff(taxes)).tolist() == [48 * 4 - 1]
