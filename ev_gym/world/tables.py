"""The tables that compiled code reads, from a scenario and its data set.

The tables are small, so that they stay in the processor's cache: price windows begin at each hour
rather than at each step, the calendar has a record for each hour, and all days share one clock.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.drivers import habits
from ev_gym.physics.power_charge import tabulate_peaks
from ev_gym.physics.thermal import standing_c
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import as_records
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.scenario import Scenario, ScenarioError
from ev_gym.series.dataset import Dataset
from ev_gym.series.sun import pv_kw
from ev_gym.world.parameter_records import car_records, settings_record
from ev_gym.world.tariff_tables import export_prices, import_prices, power_tables, quarter_prices

# Minute of the local day from which on tomorrow's prices are known.
PRICES_KNOWN_FROM_MIN = 13 * 60
# In some zones an hour of the series begins at 23:30 on the local clock and ends on the next day.
# The clock's table is an hour longer than a day, so that it holds the end of such an hour.
CLOCK_MIN = DAY_MIN + 60
SINE, COSINE = 0, 1  # columns of `Tables.clock`
HOURS_A_YEAR = 8766.0  # 365.25 days
HOUR_DTYPE = np.dtype(
    [
        ("temperature_c", "f4"),
        ("minute_of_day", "i2"),
        ("day_of_year", "i2"),
        ("weekend", "i1"),
        ("hours_known", "i1"),
        ("opens", "i1"),  # what the power charge begins anew with this hour
        ("power_class", "i1"),  # its class in the power charge, a row of `rates`
        ("standing_c", "f4"),  # temperature of a battery that nobody charges or drives
    ],
    align=True,
)


class Tables(NamedTuple):
    """What the compiled loops read; all read-only.

    Attributes:
        settings: (1,) SETTINGS_DTYPE of `ev_gym.world.parameter_records`, the scenario's numbers.
        cars: (K,) CAR_DTYPE, the cars' parameters at this charger.
        levels_kw: (L,) power levels, or (0,).
        price: (slots,) all-in price per kWh, float64.
        hours: (H,) HOUR_DTYPE, one record per hour of the series.
        price_windows: (H, window) all-in hourly mean prices from each hour on, float32: first those
            that are known in that hour, then what stands in for the others.
        clock: (CLOCK_MIN + 367, 2) sine and cosine, for each minute of the day, then for each day
            of the year.
        load_kw: (houses, slots) base load.
        offset_min: (H,) local time minus UTC, relative to the start.
        habits: table of the driving model.
        pv_kw: (slots,) power of the sun, in the slots of `load_kw`; (0,) without PV.
        export_price: (slots,) price of an exported kWh, in the slots of `price`; (0,) where nothing
            can be exported.
        rates, peak_rows, house_peaks_kw: the power charge, see `ev_gym.world.tariff_tables`.
        alone_import_kw: (houses, slots) import of the houses without cars; (0, 0) without power
            charge.
    """

    settings: NDArray[Any]
    cars: NDArray[Any]
    levels_kw: Floats
    price: Floats
    hours: NDArray[Any]
    price_windows: NDArray[np.float32]
    clock: NDArray[np.float32]
    load_kw: Floats
    offset_min: NDArray[np.int64]
    habits: Floats
    pv_kw: Floats
    export_price: Floats
    rates: Floats  # from here on in the order in which `tabulate_peaks` takes them
    alone_import_kw: Floats
    peak_rows: NDArray[np.int64]
    house_peaks_kw: Floats


def _mean_over(values: Floats, from_min: int, to_min: int) -> Floats:
    """Series of slots of `from_min` minutes as means over longer slots of `to_min`."""
    grouped = values.reshape(*values.shape[:-1], -1, to_min // from_min)
    return np.asarray(grouped.mean(axis=-1))


def _known_day(dataset: Dataset) -> NDArray[np.int64]:
    """(H,) last local day whose prices are known: today, and from 13:00 on tomorrow."""
    calendar = dataset.calendar
    day = (60 * np.arange(calendar.offset_min.size) + calendar.offset_min) // DAY_MIN
    return np.asarray(day + (calendar.minute_of_day >= PRICES_KNOWN_FROM_MIN))


def _hours(dataset: Dataset) -> NDArray[Any]:
    calendar = dataset.calendar
    hours = np.zeros(dataset.weeks * 168, HOUR_DTYPE)
    index = np.arange(hours.size)
    hours["temperature_c"] = dataset.temperature_c
    hours["minute_of_day"] = calendar.minute_of_day
    hours["day_of_year"] = calendar.day_of_year
    hours["weekend"] = calendar.weekday >= 5
    wrapped = np.arange(hours.size + 72)
    local_ahead = 60 * wrapped + calendar.offset_min[wrapped % hours.size]
    days_ahead = np.maximum.accumulate(local_ahead // DAY_MIN)
    hours["hours_known"] = np.searchsorted(days_ahead, _known_day(dataset), side="right") - index
    hours["standing_c"] = standing_c(dataset.temperature_c)
    return hours


def _stand_ins(dataset: Dataset, price_hours: Floats, window_h: int) -> Floats:
    """(days, window) for each local day, the prices that stand in for those of the hours after it.

    An hour takes the price of the same local hour of that day or, where summer time skipped that
    hour, of the hour before it.
    """
    offset_min, days = dataset.calendar.offset_min, dataset.weeks * 7
    index = np.arange(offset_min.size)
    local = 60 * index + offset_min
    stand_ins = np.zeros((days, window_h))
    bounds = np.searchsorted(np.maximum.accumulate(local // DAY_MIN), np.arange(days + 1))
    for day, (first, end) in enumerate(itertools.pairwise(bounds)):
        by_hour = np.full(24, -1)
        by_hour[local[first:end][::-1] % DAY_MIN // 60] = index[first:end][::-1]
        by_hour[0] = first if by_hour[0] < 0 else by_hour[0]
        for hour in range(1, 24):
            if by_hour[hour] < 0:
                by_hour[hour] = by_hour[hour - 1]
        ahead = end + np.arange(window_h)
        local_ahead = 60 * ahead + offset_min[ahead % offset_min.size]
        stand_ins[day] = price_hours[by_hour[local_ahead % DAY_MIN // 60]]
    return stand_ins


def _price_windows(dataset: Dataset, hourly: Floats, hours_known: Any, window_h: int) -> Any:
    """(H, window) float32: hourly prices from each hour on, with stand-ins for unknown ones."""
    hour, ahead = np.arange(hourly.size)[:, np.newaxis], np.arange(window_h)
    windows = hourly[(hour + ahead) % hourly.size]
    days = _known_day(dataset) % (dataset.weeks * 7)
    beyond = ahead - hours_known[:, np.newaxis]  # hours since the end of the last known day
    stand_ins = _stand_ins(dataset, hourly, window_h)[days[:, np.newaxis], np.maximum(beyond, 0)]
    return np.where(beyond < 0, windows, stand_ins).astype(np.float32)


def _clock() -> NDArray[np.float32]:
    minute, day = np.arange(CLOCK_MIN), np.arange(367)
    angle = 2 * np.pi * np.concatenate([minute / DAY_MIN, (day - 1) / 365.25])
    return np.stack([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)


def _base_load(scenario: Scenario, dataset: Dataset, slot_min: int) -> Floats:
    load_kw = _mean_over(dataset.load_kw, 15, slot_min)
    annual_kwh = scenario.household.annual_kwh
    if annual_kwh is not None:
        if load_kw.mean() <= 0.0:
            raise ScenarioError(
                f"Household.annual_kwh is {annual_kwh!r}, but the series' load is 0 throughout; "
                "allowed: None"
            )
        load_kw = load_kw * (annual_kwh / (load_kw.mean() * HOURS_A_YEAR))
    return np.ascontiguousarray(load_kw)


def _alone_import(scenario: Scenario, load_kw: Floats, sun_kw: Floats) -> Floats:
    """What the houses without their cars import, as the power charge counts it."""
    if not scenario.tariff.has_power_charge:
        return np.empty((0, 0))
    if scenario.tariff.netting == "none" or sun_kw.size == 0:
        return load_kw
    return np.maximum(0.0, load_kw - sun_kw)


def _sun(scenario: Scenario, dataset: Dataset, slot_min: int) -> Floats:
    if scenario.solar.peak_kw == 0.0:
        return np.empty(0)
    return pv_kw(scenario.solar, dataset, slot_min)


def build_tables(scenario: Scenario, dataset: Dataset) -> tuple[Tables, Floats]:
    """The tables of a scenario on a data set, and (H,) the all-in price per kWh of each hour.

    Raises:
        ScenarioError: if the data set lacks what the scenario needs.
    """
    whole_hours = not np.any(dataset.calendar.offset_min % 60)
    shortest_min = dataset.price_minutes if whole_hours else 15
    price_slot_min = max(scenario.time_step_min, shortest_min)
    load_slot_min = max(scenario.time_step_min, 15)
    parts = quarter_prices(scenario.tariff, dataset)
    quarters = import_prices(scenario.tariff, parts)
    hourly = _mean_over(quarters, 15, 60)
    hours, window_h = _hours(dataset), scenario.price_window_h
    load_kw = _base_load(scenario, dataset, load_slot_min)
    sun_kw = _sun(scenario, dataset, load_slot_min)
    export_price = np.empty(0)
    if sun_kw.size or scenario.charger.bidirectional:
        export_price = _mean_over(export_prices(scenario.tariff, parts), 15, price_slot_min)
    power = power_tables(scenario.tariff, dataset.calendar, load_kw.shape[0])
    hours["opens"], hours["power_class"] = power.opens, power.power_class
    settings = as_records(settings_record(scenario, hours.size * 60, price_slot_min, load_slot_min))
    tables = Tables(
        settings=settings,
        cars=as_records(car_records(scenario)),
        levels_kw=np.array(scenario.charger.levels_kw or (), np.float64),
        price=_mean_over(quarters, 15, price_slot_min),
        hours=as_records(hours),
        price_windows=_price_windows(dataset, hourly, hours["hours_known"], window_h),
        clock=_clock(),
        load_kw=load_kw,
        offset_min=dataset.calendar.offset_min.astype(np.int64),
        habits=habits.habits_table(),
        pv_kw=sun_kw,
        export_price=export_price,
        rates=power.rates,
        alone_import_kw=_alone_import(scenario, load_kw, sun_kw),
        peak_rows=power.peak_rows,
        house_peaks_kw=power.house_peaks_kw,
    )
    # Compiled code is compiled for read-only tables; but for the one that it is still to fill.
    for table in (*tables, hourly):
        table.flags.writeable = table is tables.house_peaks_kw
    if scenario.tariff.has_power_charge:
        tabulate_peaks(settings[0], tables.hours, *tables[-4:])
    tables.house_peaks_kw.flags.writeable = False
    return tables, hourly
