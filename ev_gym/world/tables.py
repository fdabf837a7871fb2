"""The tables that compiled code reads, from a scenario and the series of its worlds.

All worlds of a split stand one behind another in the same tables, world after world in time, on one
calendar; so a place in the tables says both the world and the time. The tables are small, so that
they stay in the processor's cache: the calendar has a record for each hour, all days share one
clock, and a price window is copied from the series itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.drivers import habits
from ev_gym.physics.accounts import AccountTables
from ev_gym.physics.power_charge import PowerTables, tabulate_peaks
from ev_gym.physics.thermal import standing_c
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import as_records, inlined
from ev_gym.runtime.durations import DAY_H, DAY_MIN, HOUR_MIN, QUARTER_MIN
from ev_gym.runtime.records import HourRecord, Records
from ev_gym.scenario import Scenario, ScenarioError
from ev_gym.series.dataset import Dataset
from ev_gym.series.local_time import find_zone, local_calendar
from ev_gym.series.public_holidays import public_holidays
from ev_gym.series.sun import pv_kw
from ev_gym.world.limit_tables import cars_limits, contract_limits
from ev_gym.world.parameter_records import car_records, settings_record
from ev_gym.world.tariff_tables import (
    account_tables,
    credit_prices,
    finest_min,
    import_prices,
    opens_of,
    power_tables,
    quarter_prices,
)

# A market's day is that of Central European Time, which is Stockholm's: of the day-ahead auction,
# and of Octopus Agile, whose rates run from 23:00 to 23:00 in London.
MARKET_ZONE = "Europe/Stockholm"
# Minute of that day from which on tomorrow's prices are known; London is an hour behind.
PRICES_KNOWN_FROM_MIN = {"day-ahead": 13 * 60, "agile": 17 * 60}
# In some zones an hour of the series begins at 23:30 on the local clock and ends on the next day.
# The clock's table is an hour longer than a day, so that it holds the end of such an hour.
CLOCK_MIN = DAY_MIN + 60
USUAL_LOAD_DAYS = 7
SINE, COSINE = 0, 1  # columns of `Tables.clock`
HOURS_A_YEAR = 8766.0  # 365.25 days
HOUR_DTYPE = np.dtype(
    [
        ("temperature_c", "f4"),
        ("minute_of_day", "i2"),
        ("day_of_year", "i2"),
        ("offset_min", "i2"),  # local time minus UTC, relative to the first hour
        ("weekend", "i1"),  # 1: also on public holidays
        ("hours_known", "i1"),
        ("stand_in_row", "i2"),  # market's last known day, a row of `stand_in_price`
        ("month_days", "i2"),  # days left in the local month, today included
        ("opens", "i1"),  # what begins with this hour: bits of `physics.power_charge`
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
        hours: (H,) HOUR_DTYPE, one record per hour of the series of each world.
        published_price: (W, slots + window) all-in prices in slots of the price window, float32:
            the series of each world, and its first prices once more.
        stand_in_price: (W, days, window) prices that stand in for those after each day of the
            market, float32.
        usual_load_kw: (W, houses, hours + 24) mean base load of the same hour on the seven days
            before, float32: the series of each world, and its first day once more. (0, 0, 0)
            without power charge.
        clock: (CLOCK_MIN + 367, 2) sine and cosine, for each minute of the day, then for each day
            of the year.
        load_kw: (houses, slots) base load; each world has houses of its own. Of a net load it is
            what the meter measured, below 0 where a house exports.
        habits: table of the driving model.
        pv_kw: (slots,) power of the sun, in the slots of `load_kw`; (0,) without PV.
        export_price: (slots,) price of an exported kWh, in the slots of `price`; (0,) where nothing
            can be exported.
        power: of the power charge.
        accounts: of what runs on beyond a step; what it holds is empty where nothing does.
        credit: (slots,) what of `price` is support that a month's imports are given up to a limit,
            0 or less; (0,) where there is no limit.
        contract_kw: (slots,) most that house and cars may draw by contract, in the slots of
            `load_kw`; infinite where no contract holds, (0,) where there is none at all.
        cars_limit_kw: (slots,) most that all cars together may draw, likewise.
        observation_scales: (2, D) offset and factor of each number of an observation, float32;
            (2, 0) where observations are physical, as they are in a world's own tables.
    """

    settings: NDArray[Any]
    cars: NDArray[Any]
    levels_kw: Floats
    price: Floats
    hours: NDArray[Any]
    published_price: NDArray[np.float32]
    stand_in_price: NDArray[np.float32]
    usual_load_kw: NDArray[np.float32]
    clock: NDArray[np.float32]
    load_kw: Floats
    habits: Floats
    observation_scales: NDArray[np.float32]
    pv_kw: Floats
    export_price: Floats
    power: PowerTables
    accounts: AccountTables
    credit: Floats
    contract_kw: Floats
    cars_limit_kw: Floats


def _mean_over(values: Floats, from_min: int, to_min: int) -> Floats:
    """Series of slots of `from_min` minutes as means over longer slots of `to_min`."""
    grouped = values.reshape(*values.shape[:-1], -1, to_min // from_min)
    return np.asarray(grouped.mean(axis=-1))


def _market_min(scenario: Scenario, dataset: Dataset) -> Ints:
    """(H,) the market's clock at each hour, in minutes since the midnight before the series began.

    The fixed day of `classic` has no market; its prices go by the house's clock.
    """
    own_clock = scenario.data.source == "classic" or dataset.zone == MARKET_ZONE
    calendar = dataset.calendar
    if not own_clock:
        calendar = local_calendar(dataset.start, MARKET_ZONE, calendar.offset_min.size)
    hour_min = HOUR_MIN * np.arange(calendar.offset_min.size)
    return np.asarray(calendar.minute_of_day[0] + hour_min + calendar.offset_min)


def _ahead_min(market_min: Ints, hours: Ints) -> Ints:
    """The market's clock at hours of the series, also of those after its end, where it wraps."""
    hour = hours % market_min.size
    return np.asarray(market_min[hour] + HOUR_MIN * (hours - hour))


def _known_day(scenario: Scenario, market_min: Ints) -> Ints:
    """(H,) last day of the market whose prices are known: today, or tomorrow once published."""
    published = market_min % DAY_MIN >= PRICES_KNOWN_FROM_MIN[scenario.data.prices_known]
    return np.asarray(market_min // DAY_MIN + published)


def _days_off(scenario: Scenario, dataset: Dataset) -> NDArray[np.bool_]:
    """(H,) whether each hour is of a Saturday, a Sunday or a public holiday."""
    calendar, country = dataset.calendar, scenario.data.holidays
    days_off = calendar.weekday >= 5
    if country is not None:
        monday = dataset.start.astimezone(find_zone(dataset.zone)).date()
        free_days = [
            (day - monday).days for day in public_holidays(country, monday, 7 * dataset.weeks + 1)
        ]
        local_min = HOUR_MIN * np.arange(calendar.offset_min.size) + calendar.offset_min
        days_off |= np.isin(local_min // DAY_MIN, free_days)
    return days_off


def _hours(scenario: Scenario, dataset: Dataset, market_min: Ints) -> NDArray[Any]:
    calendar = dataset.calendar
    hours = np.zeros(dataset.weeks * 168, HOUR_DTYPE)
    index = np.arange(hours.size)
    hours["temperature_c"] = dataset.temperature_c
    hours["minute_of_day"] = calendar.minute_of_day
    hours["day_of_year"] = calendar.day_of_year
    hours["offset_min"] = calendar.offset_min
    hours["weekend"] = _days_off(scenario, dataset)
    ahead_min = _ahead_min(market_min, np.arange(hours.size + 72))
    days_ahead = np.maximum.accumulate(ahead_min // DAY_MIN)
    known_day = _known_day(scenario, market_min)
    hours["hours_known"] = np.searchsorted(days_ahead, known_day, side="right") - index
    hours["stand_in_row"] = known_day % (dataset.weeks * 7)
    hours["standing_c"] = standing_c(dataset.temperature_c)
    day = np.maximum.accumulate((60 * index + calendar.offset_min) // DAY_MIN)
    monday = np.datetime64(dataset.start.astimezone(find_zone(dataset.zone)).date())
    dates = monday + day.astype("timedelta64[D]")
    next_month = (dates.astype("datetime64[M]") + np.timedelta64(1, "M")).astype("datetime64[D]")
    hours["month_days"] = (next_month - dates).astype(np.int64)
    return hours


def _usual_load(load_kw: Floats) -> NDArray[np.float32]:
    """`usual_load_kw` of one world from its hourly base load (houses, H).

    A household can read it off its meter, before an episode begins as well as in it.
    """
    before = [np.roll(load_kw, DAY_H * (day + 1), axis=1) for day in range(USUAL_LOAD_DAYS)]
    usual = np.mean(before, axis=0).astype(np.float32)
    return np.concatenate([usual, usual[:, :DAY_H]], axis=1)[np.newaxis]


def _stand_in_slots(market_min: Ints, window_h: int, slot_min: int) -> Ints:
    """(days, window) for each day of the market, the slots whose prices stand in after it.

    A slot takes the price of the same time of that day, on the market's clock, or, where summer
    time skipped that hour, of the hour before it. In zones east or west of the market's the first
    day begins before the series or within it; the series' end, after which it wraps, completes it.

    Args:
        market_min: (H,) the market's clock at each hour, see `_market_min`.
        window_h: Hours of the price window.
        slot_min: Minutes of its slots.
    """
    days = market_min.size // DAY_H
    per_hour = HOUR_MIN // slot_min
    index = np.arange(market_min.size)
    bounds = np.searchsorted(np.maximum.accumulate(market_min // DAY_MIN), np.arange(days + 1))
    # (days, 24) hour of the series for each hour of the market's clock; of a repeated one the first
    by_hour = np.full((days, 24), -1)
    day, hour_of_day = market_min[::-1] // DAY_MIN % days, market_min[::-1] % DAY_MIN // 60
    by_hour[day, hour_of_day] = index[::-1]
    by_hour[:, 0] = np.where(by_hour[:, 0] < 0, bounds[:-1], by_hour[:, 0])
    for hour in range(1, 24):
        by_hour[:, hour] = np.where(by_hour[:, hour] < 0, by_hour[:, hour - 1], by_hour[:, hour])
    ahead = bounds[1:, np.newaxis] + np.arange(window_h)
    hour_ahead = _ahead_min(market_min, ahead) % DAY_MIN // 60
    hours = np.take_along_axis(by_hour, hour_ahead, axis=1)
    slots = per_hour * hours[:, :, np.newaxis] + np.arange(per_hour)
    return np.asarray(slots.reshape(days, window_h * per_hour))


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
    if scenario.household.net_load:
        return np.maximum(0.0, load_kw)
    if scenario.tariff.netting == "none" or sun_kw.size == 0:
        return load_kw
    import_kw = load_kw - sun_kw
    return np.maximum(0.0, import_kw, out=import_kw)


def _alone_net(settings: Any, load_kw: Floats, sun_kw: Floats) -> Floats:
    """Import less export of the houses without their cars, as the accounts count it."""
    if not settings["accounts"]:
        return np.empty((0, 0))
    if settings["net_load"]:
        least_kw = -float(settings["export_limit_kw"])
        return np.maximum(load_kw, least_kw)
    if sun_kw.size == 0:
        return load_kw
    net_kw: Floats = load_kw - np.minimum(sun_kw, settings["export_limit_kw"] + load_kw)
    return net_kw


def alone_loads(scenario: Scenario, dataset: Dataset) -> tuple[Floats, Floats]:
    """Base load and import without the cars (houses, slots), kW, as a power charge counts it."""
    slot_min = max(scenario.time_step_min, QUARTER_MIN)
    load_kw = _base_load(scenario, dataset, slot_min)
    return load_kw, _alone_import(scenario, load_kw, _sun(scenario, dataset, slot_min))


def _sun(scenario: Scenario, dataset: Dataset, slot_min: int) -> Floats:
    if scenario.solar.peak_kw == 0.0:
        return np.empty(0)
    return pv_kw(scenario.solar, dataset, slot_min)


@inlined
def world_hours(tables: Tables, world_place: int) -> Records[HourRecord]:
    """The hours of one world, of its place in the tables."""
    size = tables.settings[0].series_min // HOUR_MIN
    return tables.hours[world_place * size : (world_place + 1) * size]


def _without_noise(records: NDArray[Any]) -> NDArray[Any]:
    """A copy whose bytes between the fields are 0, so that equal records are equal bytes."""
    copied = np.zeros(records.size, records.dtype)
    copied[:] = records
    return copied


class _Series(NamedTuple):
    """What one world adds to the tables; names as in `Tables`."""

    price: Floats
    hourly: Floats
    hours: NDArray[Any]
    published_price: NDArray[np.float32]
    stand_in_price: NDArray[np.float32]
    usual_load_kw: NDArray[np.float32]
    pv_kw: Floats
    export_price: Floats
    credit: Floats


def window_slot_min(scenario: Scenario, price_minutes: int) -> int:
    """Minutes of a slot of the price window, on a market with prices of so many minutes."""
    return HOUR_MIN if scenario.price_window == "hourly" else price_minutes


def build_tables(scenario: Scenario, datasets: Sequence[Dataset]) -> tuple[Tables, Floats]:
    """The tables of a scenario on the series of its worlds, and (H,) the all-in price of each hour.

    Args:
        scenario: The scenario.
        datasets: One for each world, on one calendar.

    Raises:
        ScenarioError: if a data set lacks what the scenario needs.
    """
    first = datasets[0]
    whole_hours = not np.any(first.calendar.offset_min % 60)
    shortest_min = finest_min(scenario.tariff, first.price_minutes) if whole_hours else 15
    price_slot_min = max(scenario.time_step_min, shortest_min)
    load_slot_min = max(scenario.time_step_min, 15)
    window_min = window_slot_min(scenario, first.price_minutes)
    window_h = scenario.price_window_h
    market_min = _market_min(scenario, first)
    stand_ins = _stand_in_slots(market_min, window_h, window_min)
    calendar_hours = _hours(scenario, first, market_min)

    # The largest tables are filled world by world, so that nothing of their size is held twice.
    slots = calendar_hours.size * HOUR_MIN // load_slot_min
    load_kw = np.empty((first.houses, len(datasets) * slots))

    def series_of(place: int, dataset: Dataset) -> _Series:
        parts = quarter_prices(scenario.tariff, dataset)
        quarters = import_prices(parts)
        window = _mean_over(quarters, 15, window_min).astype(np.float32)
        hours = calendar_hours.copy()
        hours["temperature_c"] = dataset.temperature_c
        hours["standing_c"] = standing_c(dataset.temperature_c)
        sun_kw = _sun(scenario, dataset, load_slot_min)
        export_price = np.empty(0)
        if scenario.has_sun or scenario.charger.bidirectional:
            export_price = _mean_over(parts.export, 15, price_slot_min)
        credit = np.empty(0)
        if scenario.tariff.credits_up_to_kwh is not None:
            credit = _mean_over(credit_prices(parts), 15, price_slot_min)
        own_load_kw = _base_load(scenario, dataset, load_slot_min)
        load_kw[:, place * slots : (place + 1) * slots] = own_load_kw
        usual_load = np.zeros((1, 0, 0), np.float32)
        if scenario.tariff.has_power_charge:
            imported_kw = np.maximum(0.0, own_load_kw)  # of a net load; any other is above 0
            usual_load = _usual_load(_mean_over(imported_kw, load_slot_min, 60))
        return _Series(
            price=_mean_over(quarters, 15, price_slot_min),
            hourly=_mean_over(quarters, 15, 60),
            hours=hours,
            published_price=np.resize(window, window.size + stand_ins.shape[1])[np.newaxis],
            stand_in_price=window[stand_ins][np.newaxis],
            usual_load_kw=usual_load,
            pv_kw=sun_kw,
            export_price=export_price,
            credit=credit,
        )

    worlds = [series_of(place, dataset) for place, dataset in enumerate(datasets)]
    price, hourly, hours, published, stand_in, usual_load, sun_kw, export_price, credit = map(
        np.concatenate, zip(*worlds, strict=True)
    )
    hours = _without_noise(hours)
    hours["opens"] = np.tile(opens_of(first.calendar), len(datasets))
    settings = as_records(
        settings_record(
            scenario, calendar_hours.size * 60, price_slot_min, load_slot_min, window_min
        )
    )
    tables = Tables(
        settings=settings,
        cars=as_records(car_records(scenario)),
        levels_kw=np.array(scenario.charger.levels_kw or (), np.float64),
        price=price,
        hours=as_records(hours),
        published_price=published,
        stand_in_price=stand_in,
        usual_load_kw=usual_load,
        clock=_clock(),
        load_kw=load_kw,
        habits=habits.habits_table(),
        observation_scales=np.empty((2, 0), np.float32),
        pv_kw=sun_kw,
        export_price=export_price,
        power=_power(scenario, datasets, load_slot_min, settings, hours, load_kw, sun_kw),
        accounts=account_tables(
            scenario.tariff,
            first.calendar,
            _alone_net(settings[0], load_kw, sun_kw),
            load_slot_min,
            len(datasets),
        ),
        credit=credit,
        contract_kw=contract_limits(scenario, first, load_slot_min, len(datasets)),
        cars_limit_kw=cars_limits(scenario, first, load_slot_min, len(datasets)),
    )
    arrays = (part for part in tables if isinstance(part, np.ndarray))
    make_read_only(hourly, *arrays, *tables.power, *tables.accounts)
    return tables, hourly


def make_read_only(*arrays: Any) -> None:
    """Compiled code is compiled for read-only tables."""
    for array in arrays:
        array.flags.writeable = False


def _power(
    scenario: Scenario,
    datasets: Sequence[Dataset],
    slot_min: int,
    settings: NDArray[Any],
    hours: NDArray[Any],
    load_kw: Floats,
    sun_kw: Floats,
) -> PowerTables:
    """The tables of the power charge, with the peaks of each house alone."""
    alone_kw = _alone_import(scenario, load_kw, sun_kw)
    power = power_tables(scenario.tariff, datasets[0], slot_min, len(datasets), alone_kw)
    make_read_only(*power)
    house_peaks_kw = np.zeros_like(power.house_peaks_kw)
    if scenario.tariff.has_power_charge:
        scratch = np.zeros(house_peaks_kw.shape[2:])
        of_hours = as_records(hours)
        of_hours.flags.writeable = False
        tabulate_peaks(
            settings[0], of_hours, power, house_peaks_kw, scratch, np.zeros(len(scratch))
        )
    house_peaks_kw.flags.writeable = False
    return power._replace(house_peaks_kw=house_peaks_kw)
