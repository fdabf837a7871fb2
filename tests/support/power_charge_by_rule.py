"""The power charge of one household: by its rule in plain Python, and by the physics alone."""

from __future__ import annotations

import functools
from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics import power_charge
from ev_gym.physics.power_charge import FACTOR, PRICE
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import as_records, compiled
from ev_gym.scenario import Tariff
from ev_gym.series.local_time import local_calendar
from ev_gym.simulation.state_fields import STEP_DTYPE, household_dtype
from ev_gym.world.parameter_records import SETTINGS_DTYPE
from ev_gym.world.tariff_tables import PowerTables, power_tables
from tests.support.small_series import STOCKHOLM

HOUR_DTYPE = np.dtype([("opens", "i1"), ("power_class", "i1")])


class Counting(NamedTuple):
    """A rule that no tariff declares: more peaks, and parts of the day that each have their own.

    Attributes:
        count: How many peaks count in each tariff period, N.
        periods: Into how many tariff periods of equal length the local day is cut. The price of
            the first is the tariff's; each later one's is higher by half of that.
        places: How many peaks of a period the records have room for, at least N.
    """

    count: int
    periods: int = 1
    places: int = 3

    def period_of(self, local_hour: Any) -> Any:
        """The tariff period of a local hour of the day, or of an array of them."""
        return local_hour * self.periods // 24

    def price_factor(self, period: int) -> float:
        """A tariff period's price, relative to that of the first one."""
        return 1.0 + 0.5 * period


@functools.cache
def clock(first: datetime, hours: int) -> list[datetime]:
    """The local time at which each hour from a local midnight begins."""
    start = first.replace(tzinfo=STOCKHOLM).timestamp()
    return [datetime.fromtimestamp(start + 3600 * h, STOCKHOLM) for h in range(hours)]


def by_the_rule(
    tariff: Tariff, kwh: Floats, step_min: int, first: datetime, counting: Counting | None = None
) -> dict[Any, float]:
    """The power charge, with VAT, of each month from the imports of its steps.

    Of the tariff's own number of peaks, in one period, or as `counting` has it.
    """
    counting = counting or Counting(tariff.power_days)
    per_hour = 60 // step_min
    padded = np.append(kwh, np.zeros(-kwh.size % per_hour))
    spans: dict[Any, dict[Any, list[float]]] = defaultdict(lambda: defaultdict(list))
    energies = padded.reshape(-1, per_hour).sum(axis=1).tolist()
    for local, energy in zip(clock(first, len(energies)), energies, strict=True):
        in_hours = tariff.power_from_h <= local.hour < tariff.power_to_h
        in_full = in_hours and local.weekday() in tariff.power_weekdays
        peak = energy if in_full else tariff.power_other_factor * energy
        day = local.date() if tariff.power_different_days else local.timestamp()
        spans[local.year, local.month, counting.period_of(local.hour)][day].append(peak)
    charges: dict[Any, float] = defaultdict(float)
    for (year, month, period), days in spans.items():
        highest = sorted((max(peaks) for peaks in days.values()), reverse=True)
        price = tariff.power_price_per_kw
        if tariff.power_low_per_kw is not None and month not in tariff.power_high_months:
            price = tariff.power_low_per_kw
        mean = sum(highest[: counting.count]) / counting.count
        price *= (1.0 + tariff.vat) * counting.price_factor(period)
        charges[year, month] += price * mean
    return dict(charges)


class Tables(NamedTuple):
    """What the functions read: arrays only, as compiled code takes them."""

    settings: Any
    hours: Any
    rates: Floats
    alone_kw: Floats
    peak_rows: NDArray[np.int64]
    house_peaks_kw: Floats


def recounted(
    power: PowerTables, tariff: Tariff, counting: Counting, local_hour: NDArray[np.int64]
) -> PowerTables:
    """A tariff's tables with other peaks: each class of hours occurs once for each period."""
    own, periods = power.rates, range(counting.periods)
    one_kw = own[:, PRICE] * tariff.power_days / counting.count
    rates = [
        [row[FACTOR], price * counting.price_factor(period), period]
        for row, price in zip(own, one_kw, strict=True)
        for period in periods
    ]
    houses, spans = power.house_peaks_kw.shape[:2]
    return power._replace(
        power_class=power.power_class * counting.periods + counting.period_of(local_hour),
        rates=np.array(rates),
        house_peaks_kw=np.zeros((houses, spans, counting.periods, counting.places)),
    )


def tables_of(
    tariff: Tariff,
    alone_kw: Floats,
    step_min: int,
    first: datetime,
    counting: Counting | None = None,
) -> Tables:
    """Tables of houses whose imports (houses, quarters) begin on a local Monday."""
    slot_min = max(step_min, 15)
    start = first.replace(tzinfo=STOCKHOLM)
    calendar = local_calendar(start, "Europe/Stockholm", alone_kw.shape[1] // 4)
    power = power_tables(tariff, calendar, alone_kw.shape[0], 1)
    if counting is not None:
        power = recounted(power, tariff, counting, calendar.minute_of_day // 60)
    record = np.zeros(1, SETTINGS_DTYPE)
    record["step_min"], record["step_h"] = step_min, step_min / 60.0
    record["load_shift"] = {15: 0, 30: 1, 60: 2}[slot_min]
    record["power_days"] = tariff.power_days if counting is None else counting.count
    record["power_weight"] = 1.0
    record["series_min"] = 15 * alone_kw.shape[1]
    hours = np.zeros(calendar.month.size, HOUR_DTYPE)
    hours["opens"], hours["power_class"] = power.opens, power.power_class
    slots = np.ascontiguousarray(alone_kw.reshape(len(alone_kw), -1, slot_min // 15).mean(axis=2))
    tables = Tables(
        as_records(record), as_records(hours), power.rates, slots, power.peak_rows,
        power.house_peaks_kw,
    )  # fmt: skip
    power_charge.tabulate_peaks(tables.settings[0], *tables[1:])
    return tables


@compiled
def _live(household: Any, tables: Any, charge_kw: Any, results: Any) -> None:
    settings, hours, rates, alone_kw, peak_rows, house_peaks_kw = tables
    record, own = settings[0], household[0]
    for t in range(charge_kw.shape[0]):
        alone = alone_kw[own.house, (own.place_min // 15) >> record.load_shift]
        both_kwh = (alone + charge_kw[t]) * record.step_h
        power_charge.charge_power(own, record, rates, both_kwh, alone * record.step_h, results[t])
        own.place_min += record.step_min
        if own.place_min >= record.series_min:
            own.place_min -= record.series_min
        if own.place_min % 60 == 0:
            hour = hours[own.place_min // 60]
            power_charge.open_hour(
                own, hour, record, rates, own.place_min, peak_rows, house_peaks_kw
            )


def live(tables: Tables, place_min: int, charge_kw: Floats, house: int = 0) -> tuple[Any, Any]:
    """The household and its step results, after an episode that began at that minute."""
    household = as_records(np.zeros(1, household_dtype(*tables.house_peaks_kw.shape[2:])))
    # What an earlier episode leaves behind must not matter.
    for name in ("peaks_kw", "hour_kwh", "house_lowest_peak_kw", "house_hour_kwh"):
        household[name] = 99.0
    household["house"], household["place_min"] = house, place_min
    power_charge.begin_power(household[0], tables.settings[0], *tables[1:])
    results = as_records(np.zeros(charge_kw.size, STEP_DTYPE))
    _live(household, tuple(tables), charge_kw, results)
    return household, results
