"""A tariff's prices on the calendar of a series: from which day, in which hours, of which rows."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import numpy as np
import pytest

from ev_gym.scenario import CalledDays, Price, ScenarioError, Share, Tariff
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.scenario.known_tariffs.sweden import ENERGY_TAX
from ev_gym.series.dataset import Dataset
from ev_gym.world.tariff_tables import import_prices, quarter_prices
from tests.support.small_series import STOCKHOLM, local_times, series
from tests.support.tariffs import SWEDISH_FLAT

BY_YEAR = Tariff(taxes=ENERGY_TAX)


def test_energy_tax_changes_at_local_midnight() -> None:
    """On 1 January 2025, a Wednesday, in Stockholm: 23:00 UTC, the 48th hour from Monday."""
    dataset = series(2, monday=datetime(2024, 12, 30))
    found = quarter_prices(BY_YEAR, dataset)
    expected = np.where(np.arange(2 * 672) < 48 * 4, 0.428, 0.439)
    assert found.taxes.tolist() == expected.tolist()
    assert set(quarter_prices(SWEDISH_FLAT, dataset).taxes.tolist()) == {0.439}


def test_series_that_begin_before_a_price_is_known_are_refused() -> None:
    """Only where all its rows have a date."""
    dataset = series(1, monday=datetime(2016, 1, 4))
    assert quarter_prices(SWEDISH_FLAT, dataset).taxes[0] == 0.439
    with pytest.raises(
        ScenarioError, match=r"Tariff.taxes begins on 2018-01-01, but the series on"
    ):
        quarter_prices(BY_YEAR, dataset)
    with pytest.raises(ScenarioError, match=r"Tariff.vat begins on 2020-01-01, but the series on"):
        quarter_prices(Tariff(vat=(Share(valid_from="2020-01-01", share=0.2),)), dataset)


@pytest.mark.parametrize("price_minutes", [15, 30, 60])
def test_prices_of_every_quarter(price_minutes: int) -> None:
    """Import (spot + tax + transfer) with VAT, export spot less the fee, without.

    Vattenfall's hours: weekdays 06-22 of the winter months, also where summer time begins.
    """
    dataset = series(6, price_minutes, datetime(2025, 3, 3))
    own = dataclasses.replace(
        TARIFFS["vattenfall-time-2025"], export=(Price(spot_factor=1.0, per_kwh=0.05),)
    )
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
    np.testing.assert_allclose(import_prices(prices), expected, atol=1e-12)
    np.testing.assert_allclose(prices.export, spot + 0.05, atol=1e-12)


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
        taxes = quarter_prices(BY_YEAR, each).taxes
        assert np.flatnonzero(np.diff(taxes)).tolist() == [48 * 4 - 1]


def test_rows_by_quarter_hour_holiday_and_called_day() -> None:
    """The week of 1 May 2025, a Thursday and a holiday in Sweden; red days are called.

    Of rows of one name the last one that holds counts; another name adds up.
    """
    rows = (
        Price(per_kwh=1.0),
        Price(per_kwh=2.0, from_time="23:30", to_time="05:45"),
        Price(per_kwh=3.0, from_time="12:15", to_time="12:45", weekdays=(6,)),
        Price(per_kwh=4.0, from_time="12:30", to_time="13:00", called="red"),
        Price(name="other"),
        Price(name="other", per_kwh=0.5, valid_from="2025-05-03"),
    )
    own = Tariff(
        holidays="SE", called_days=(CalledDays(name="red", days="2025-05-02"),), transfer=rows
    )
    found = quarter_prices(own, series(1, monday=datetime(2025, 4, 28))).transfer.reshape(7, 96)
    usual = np.ones(96)
    usual[:23] = usual[94:] = 2.0
    sunday, red = usual.copy(), usual.copy()
    sunday[49:51] = 3.0
    red[50:52] = 4.0
    expected = [usual, usual, usual, sunday, red, usual + 0.5, sunday + 0.5]
    np.testing.assert_array_equal(found, expected)


def test_a_supplier_s_price_is_a_factor_and_an_adder_within_a_floor_and_a_cap() -> None:
    """2 x spot + 0.1 within 0.2 and 0.6; the invoice shows spot, and the rest as markup."""
    own = Tariff(
        energy=(Price(spot_factor=2.0, per_kwh=0.1, floor_per_kwh=0.2, cap_per_kwh=0.6),),
        levy=(Share(share=0.05),),
        taxes=(Price(per_kwh=1.0),),
        vat=(Share(share=0.2),),
    )
    dataset = dataclasses.replace(
        series(1), price_per_kwh=np.array([-1.0, 0.1, 0.4] + [0.25] * 165)
    )
    prices = quarter_prices(own, dataset)
    assert prices.spot[:12:4] == pytest.approx([-2.0, 0.2, 0.8])
    assert (prices.spot + prices.markup)[:16:4] == pytest.approx([0.2, 0.3, 0.6, 0.6])
    assert prices.levy[:16:4] == pytest.approx([0.01, 0.015, 0.03, 0.03])
    assert import_prices(prices)[4] == pytest.approx((0.3 * 1.05 + 1.0) * 1.2)


def test_netting_within_an_hour_has_the_hour_s_mean_price() -> None:
    own = Tariff(netting="hour", export=(Price(spot_factor=0.5),))
    dataset = series(1, 15)
    prices = quarter_prices(own, dataset)
    hourly = dataset.price_per_kwh.reshape(-1, 4).mean(axis=1)
    np.testing.assert_allclose(import_prices(prices), np.repeat(hourly, 4))
    np.testing.assert_allclose(prices.export, np.repeat(hourly, 4) / 2.0)
