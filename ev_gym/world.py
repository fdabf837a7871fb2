"""A scenario and its data set as the tables that compiled code reads.

Built once per process for each scenario, data set and split, and shared by every env. Small tables
stay in the processor's cache: prices by the hour, one record per hour for the calendar, one clock.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym import episode
from ev_gym.compiling import as_records, compiled
from ev_gym.dataset import Dataset
from ev_gym.parameters import ScenarioError
from ev_gym.physics.meter import all_in_price
from ev_gym.records import car_records, settings_record
from ev_gym.scenario import Scenario
from ev_gym.sources import dataset_of
from ev_gym.starts import DAY_MIN, start_minutes, start_table

Floats = NDArray[np.float64]

PRICES_KNOWN_FROM_MIN = 13 * 60
# An hour that begins at 23:30 ends on the next day; the clock's table goes on for it.
CLOCK_MIN = DAY_MIN + 60
HOURS_A_YEAR = 8766.0  # 365.25 days
HOUR_DTYPE = np.dtype(
    [
        ("temperature_c", "f4"),
        ("fill_row", "i4"),
        ("minute_of_day", "i2"),
        ("day_of_year", "i2"),
        ("weekend", "i1"),
        ("hours_known", "i1"),
    ],
    align=True,
)


@dataclass(frozen=True, eq=False)
class World:
    """The tables of one scenario, data set and split; all read-only.

    Attributes:
        settings: (1,) record of the scenario's numbers, see `ev_gym.records`.
        cars: (K,) records of the cars at this charger.
        levels_kw: (L,) power levels, or (0,).
        price: (slots,) all-in price per kWh, float64.
        hours: (H,) HOUR_DTYPE, one record per hour of the series.
        hourly_price: (H,) all-in price per kWh, the mean of each hour, float64.
        price_hours: (H + window,) all-in hourly mean prices, float32, continued past the end.
        fill: (days, window) what stands in for prices beyond each local day's end, float32.
        clock: (CLOCK_MIN + 367, 2) sine and cosine of the minute of day and of the day of year.
        load_kw: (houses, slots) base load.
        starts: (S,) START_DTYPE, where episodes may begin.
        routine_shares, habits: tables of the driving model.
        offset_min: (H,) local time less UTC, relative to the start.
    """

    scenario: Scenario
    dataset: Dataset
    split: str | None
    settings: NDArray[Any]
    cars: NDArray[Any]
    levels_kw: Floats
    price: Floats
    hourly_price: Floats
    hours: NDArray[Any]
    price_hours: NDArray[np.float32]
    fill: NDArray[np.float32]
    clock: NDArray[np.float32]
    load_kw: Floats
    starts: NDArray[Any]
    routine_shares: Floats
    habits: Floats
    offset_min: NDArray[np.int64]

    @functools.cached_property
    def tables(self) -> tuple[NDArray[Any], ...]:
        """What the compiled loops take, in their order."""
        return (
            self.settings,
            self.cars,
            self.levels_kw,
            self.price,
            self.hours,
            self.price_hours,
            self.fill,
            self.clock,
            self.load_kw,
            self.offset_min,
            self.habits,
            self.routine_shares,
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of scenario, series and split, 64 hexadecimal digits."""
        parts = (self.scenario.fingerprint(), self.dataset.fingerprint, str(self.split))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def __deepcopy__(self, memo: dict[int, Any]) -> World:
        return self

    def __reduce__(self) -> Any:
        try:
            built_in = self.dataset is dataset_of(self.scenario)
        except (OSError, ValueError):  # files that own series stand in for
            built_in = False
        return _rebuild, (self.scenario, None if built_in else self.dataset, self.split)

    def start_at(self, minute: int) -> NDArray[Any]:
        """A table of one start, at that minute of the series."""
        return as_records(start_table(np.array([minute]), self.hourly_price, self.scenario))


def _rebuild(scenario: Scenario, dataset: Dataset | None, split: str | None) -> World:
    """A pickled world: built-in series are built again, or taken where they exist already."""
    return build_world(scenario, dataset or dataset_of(scenario), split)


@compiled
def _import_prices(spot: Any, transfer: Any, tax: float, vat: float, price: Any) -> None:
    for slot in range(price.shape[0]):
        price[slot] = all_in_price(spot[slot], tax, transfer[slot], vat)


def _mean_over(values: Floats, from_min: int, to_min: int) -> Floats:
    """Series of slots of `from_min` minutes as means over longer slots of `to_min`."""
    grouped = values.reshape(*values.shape[:-1], -1, to_min // from_min)
    return np.asarray(grouped.mean(axis=-1))


def quarter_hour_prices(scenario: Scenario, dataset: Dataset) -> Floats:
    """All-in price of every quarter-hour of the series, in currency per kWh."""
    tariff, calendar = scenario.tariff, dataset.calendar
    quarters = dataset.weeks * 7 * 96
    minute = 15 * np.arange(quarters)
    hour = minute // 60
    local = minute + calendar.offset_min[hour]
    transfer = np.full(quarters, tariff.transfer_per_kwh)
    if tariff.transfer_high_per_kwh is not None:
        local_hour = local % DAY_MIN // 60
        high = (local_hour >= tariff.high_from_h) & (local_hour < tariff.high_to_h)
        high &= np.isin(calendar.month[hour], tariff.high_months)
        high &= np.isin(local // DAY_MIN % 7, tariff.high_weekdays)
        transfer[high] = tariff.transfer_high_per_kwh
    spot = np.repeat(dataset.price_per_kwh, dataset.price_minutes // 15)
    price = np.empty(quarters)
    _import_prices(spot, transfer, tariff.energy_tax_per_kwh, tariff.vat, price)
    return price


def _hours(dataset: Dataset) -> NDArray[Any]:
    calendar = dataset.calendar
    hours = np.zeros(dataset.weeks * 168, HOUR_DTYPE)
    index = np.arange(hours.size)
    local = 60 * index + calendar.offset_min
    day = local // DAY_MIN
    hours["temperature_c"] = dataset.temperature_c
    hours["minute_of_day"] = calendar.minute_of_day
    hours["day_of_year"] = calendar.day_of_year
    hours["weekend"] = calendar.weekday >= 5
    # Prices are known to the end of today, from 13:00 to the end of tomorrow.
    known_day = day + (calendar.minute_of_day >= PRICES_KNOWN_FROM_MIN)
    wrapped = np.arange(hours.size + 72)
    local_ahead = 60 * wrapped + calendar.offset_min[wrapped % hours.size]
    end = np.searchsorted(np.maximum.accumulate(local_ahead // DAY_MIN), known_day, side="right")
    hours["hours_known"] = end - index
    hours["fill_row"] = known_day % (dataset.weeks * 7)
    return hours


def _fill(dataset: Dataset, price_hours: Floats, window_h: int) -> Floats:
    """For each local day, the prices that stand in for the hours after its end.

    The same local hour of that day; where summer time skipped that hour, the one before it.
    """
    offset_min, days = dataset.calendar.offset_min, dataset.weeks * 7
    index = np.arange(offset_min.size)
    local = 60 * index + offset_min
    fill = np.zeros((days, window_h))
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
        fill[day] = price_hours[by_hour[local_ahead % DAY_MIN // 60]]
    return fill


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


def _check_fits(scenario: Scenario, dataset: Dataset) -> None:
    if dataset.currency != scenario.currency:
        raise ScenarioError(
            f"the data set's prices are in {dataset.currency!r}; allowed: the scenario's currency, "
            f"{scenario.currency!r}"
        )
    if dataset.zone != scenario.data.zone:
        raise ScenarioError(
            f"the data set's zone is {dataset.zone!r}; allowed: the scenario's data.zone, "
            f"{scenario.data.zone!r}"
        )


@functools.lru_cache(maxsize=16)
def build_world(scenario: Scenario, dataset: Dataset, split: str | None) -> World:
    """The tables of a scenario on a data set; one and the same object for the same arguments.

    Raises:
        ScenarioError: if the data set's currency or zone is another, or the split does not fit.
    """
    _check_fits(scenario, dataset)
    whole_hours = not np.any(dataset.calendar.offset_min % 60)
    shortest_min = dataset.price_minutes if whole_hours else 15
    price_slot_min = max(scenario.time_step_min, shortest_min)
    load_slot_min = max(scenario.time_step_min, 15)
    quarters = quarter_hour_prices(scenario, dataset)
    hourly = _mean_over(quarters, 15, 60)
    hours = _hours(dataset)
    minutes = start_minutes(scenario, dataset, split)
    window_h = scenario.price_window_h
    fill = _fill(dataset, hourly, window_h)
    habits = episode.habits_table()
    shares = scenario.driving.routine_shares or habits[episode.SHARES, :3]
    world = World(
        scenario=scenario,
        dataset=dataset,
        split=split,
        settings=as_records(
            settings_record(scenario, hours.size * 60, price_slot_min, load_slot_min)
        ),
        cars=as_records(car_records(scenario)),
        levels_kw=np.array(scenario.charger.levels_kw or (), np.float64),
        price=_mean_over(quarters, 15, price_slot_min),
        hourly_price=hourly,
        hours=as_records(hours),
        price_hours=np.concatenate([hourly, hourly[:window_h]]).astype(np.float32),
        fill=fill.astype(np.float32),
        clock=_clock(),
        load_kw=_base_load(scenario, dataset, load_slot_min),
        starts=as_records(start_table(minutes, hourly, scenario)),
        routine_shares=np.array(shares, np.float64),
        habits=habits,
        offset_min=dataset.calendar.offset_min.astype(np.int64),
    )
    for table in vars(world).values():
        if isinstance(table, np.ndarray):
            table.flags.writeable = False
    return world


def unending(world: World) -> World:
    """The same world for a station, which runs on where an episode would end.

    A car that the daily pattern keeps plugged in from 0 to 24 h and that drives nothing leaves at
    midnight only for an episode's sake: what it is missing is settled then. On a station nobody
    leaves: the SoC goes on and nothing is bought, but the coming midnight is still planned, and so
    seen by policies, as the departure. All other driving is as in an episode. (A copy made by
    pickle is an episode's world again.)
    """
    daily = world.scenario.driving
    if daily.pattern != "daily" or (daily.arrival_h, daily.departure_h) != (0.0, 24.0):
        return world
    if daily.trip_kwh > 0.0:
        return world
    settings = world.settings.copy()
    settings["stays_home"] = True
    settings.flags.writeable = False
    return replace(world, settings=settings)
