"""A tariff on a calendar, as tables: prices of every quarter-hour, and the power charge's hours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics.meter import all_in_price
from ev_gym.physics.power_charge import MONTH, NOTHING, PEAK_SPAN
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN
from ev_gym.scenario import Tariff
from ev_gym.scenario.tariff import energy_tax
from ev_gym.series.dataset import Dataset
from ev_gym.series.local_time import Calendar, find_zone

# All tariffs have one period. Peaks have at least three places, so that N of 1, 2 and 3 share one
# layout of the state and with it the compiled code.
TARIFF_PERIODS, LEAST_PLACES = 1, 3


class Prices(NamedTuple):
    """Parts of the price of a kWh in each quarter-hour of the series, (quarters,), without VAT."""

    spot_per_kwh: Floats
    tax_per_kwh: Floats
    transfer_per_kwh: Floats


class PowerTables(NamedTuple):
    """What `ev_gym.physics.power_charge` reads.

    Attributes:
        opens: (H,) what begins with each hour of the series.
        power_class: (H,) its class, a row of `rates`.
        rates: (classes, 3) factor, price per kW of the sum of the N peaks, with VAT, and tariff
            period of each class of hours.
        peak_rows: (H,) row of `house_peaks_kw` of the peak span in which the hour lies.
        house_peaks_kw: (houses, spans, periods, places) zeros, for `tabulate_peaks` to fill.
    """

    opens: Ints
    power_class: Ints
    rates: Floats
    peak_rows: Ints
    house_peaks_kw: Floats


def local_months(dataset: Dataset) -> NDArray[np.datetime64]:
    """Calendar month, on the local clock, of each hour of the series."""
    local_start = dataset.start.astimezone(find_zone(dataset.zone)).replace(tzinfo=None)
    first = np.datetime64(local_start, "m")
    offset_min = dataset.calendar.offset_min
    minute = HOUR_MIN * np.arange(offset_min.size) + offset_min
    return (first + minute.astype("timedelta64[m]")).astype("datetime64[M]")


def quarter_prices(tariff: Tariff, dataset: Dataset) -> Prices:
    """The price's parts in each quarter-hour of the series.

    Raises:
        ScenarioError: if the energy tax depends on the year, and that of a year is not known.
    """
    calendar = dataset.calendar
    minute = 15 * np.arange(calendar.offset_min.size * 4)
    hour = minute // HOUR_MIN
    year = local_months(dataset).astype("datetime64[Y]").astype(np.int64) + 1970
    tax_of = {value: energy_tax(tariff, value) for value in np.unique(year).tolist()}
    tax = np.array([tax_of[value] for value in year.tolist()])
    transfer = np.full(minute.size, tariff.transfer_per_kwh)
    if tariff.transfer_high_per_kwh is not None:
        local = minute + calendar.offset_min[hour]
        local_hour = local % DAY_MIN // HOUR_MIN
        high = (local_hour >= tariff.high_from_h) & (local_hour < tariff.high_to_h)
        high &= np.isin(calendar.month[hour], tariff.high_months)
        high &= np.isin(local // DAY_MIN % 7, tariff.high_weekdays)
        transfer[high] = tariff.transfer_high_per_kwh
    spot = np.repeat(dataset.price_per_kwh, dataset.price_minutes // 15)
    return Prices(spot, tax[hour], transfer)


def import_prices(tariff: Tariff, prices: Prices) -> Floats:
    """All-in price of one more imported kWh in each quarter-hour, with VAT."""
    price: Floats = all_in_price(*prices, tariff.vat)
    return price


def export_prices(tariff: Tariff, prices: Prices) -> Floats:
    """Price of one exported kWh in each quarter-hour: spot less the fee, without VAT."""
    return prices.spot_per_kwh - tariff.export_fee_per_kwh


def power_tables(tariff: Tariff, calendar: Calendar, houses: int, worlds: int) -> PowerTables:
    """The tables of the power charge: the hours of a calendar, once for each world."""
    power_class, rates = _classes(tariff, calendar)
    power_class, opens = np.tile(power_class, worlds), np.tile(_opens(tariff, calendar), worlds)
    peak_rows = np.cumsum(opens != NOTHING) - 1
    return PowerTables(
        opens=opens,
        power_class=power_class,
        rates=rates,
        peak_rows=peak_rows,
        house_peaks_kw=np.zeros(
            (houses, peak_rows[-1] + 1, TARIFF_PERIODS, max(LEAST_PLACES, tariff.power_days))
        ),
    )


def _classes(tariff: Tariff, calendar: Calendar) -> tuple[Ints, Floats]:
    hour = calendar.minute_of_day // HOUR_MIN
    on_counted_day = np.isin(calendar.weekday, tariff.power_weekdays)
    in_full = tariff.counts_in_full(hour, on_counted_day)
    of_sum = (1.0 + tariff.vat) / tariff.power_days  # a mean of N peaks is their sum over N
    high, low = tariff.power_price_per_kw * of_sum, (tariff.power_low_per_kw or 0.0) * of_sum
    other = tariff.power_other_factor
    rates = np.array([(1.0, high, 0), (other, high, 0), (1.0, low, 0), (other, low, 0)])
    in_low_months = ~np.isin(calendar.month, tariff.power_high_months)
    in_low_months &= tariff.power_low_per_kw is not None
    return 2 * in_low_months.astype(np.int64) + ~in_full, rates


def _opens(tariff: Tariff, calendar: Calendar) -> Ints:
    """NOTHING, PEAK_SPAN or MONTH for each hour; the series, which wraps, begins with a month."""
    month = calendar.month
    if tariff.power_different_days:
        day = (HOUR_MIN * np.arange(month.size) + calendar.offset_min) // DAY_MIN
        # A clock set back across midnight does not begin a day again.
        day = np.maximum.accumulate(day)
        begins = np.diff(day, prepend=-1) > 0
    else:
        begins = np.ones(month.size, bool)
    new_month = np.diff(month, prepend=0) != 0
    opens = np.where(begins, np.where(new_month, MONTH, PEAK_SPAN), NOTHING)
    opens[0] = MONTH
    return opens
