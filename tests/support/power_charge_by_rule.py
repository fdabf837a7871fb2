"""The power charge of one household: by its rules in plain Python, and by the physics alone."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Container
from datetime import date, datetime
from typing import Any, NamedTuple

import holidays
import numpy as np

from ev_gym.physics import power_charge
from ev_gym.physics.power_charge import PowerTables
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import as_records, compiled
from ev_gym.scenario import PeakPrice, PeakRule, Tariff
from ev_gym.scenario.when import When, quarter_of
from ev_gym.series.dataset import Dataset
from ev_gym.simulation.state_fields import STEP_DTYPE, household_dtype
from ev_gym.world.parameter_records import SETTINGS_DTYPE
from ev_gym.world.tariff_tables import opens_of, power_tables
from tests.support.small_series import STOCKHOLM

HOUR_DTYPE = np.dtype([("opens", "i1")])
SWEDISH_HOLIDAYS = holidays.country_holidays("SE", years=(2023, 2025, 2026))


@functools.cache
def clock(first: datetime, count: int, minutes: int = 60) -> list[datetime]:
    """The local time at which each interval from a local midnight begins."""
    start = first.replace(tzinfo=STOCKHOLM).timestamp()
    return [datetime.fromtimestamp(start + 60 * minutes * i, STOCKHOLM) for i in range(count)]


def _holds(row: When, local: datetime, days_off: Container[date]) -> bool:
    if row.valid_from is not None and local.date() < date.fromisoformat(row.valid_from):
        return False
    quarter, first, end = 4 * local.hour + local.minute // 15, *map(
        quarter_of, (row.from_time, row.to_time)
    )  # fmt: skip
    assert first is not None
    assert end is not None
    inside = first <= quarter < end if first < end else quarter >= first or quarter < end
    weekday = 6 if local.date() in days_off else local.weekday()
    return inside and weekday in row.weekdays and local.month in row.months


def _factor(rule: PeakRule, local: datetime, days_off: Container[date]) -> float:
    """The factor of a quarter-hour."""
    factor = 1.0
    for row in rule.weights:
        if _holds(row, local, days_off):
            factor = row.factor
    return factor


def _factors(
    rule: PeakRule, first: datetime, count: int, step_min: int, days_off: Container[date]
) -> list[float]:
    """The factor of each step; of a longer step than a quarter-hour the mean of those in it."""
    parts = max(1, step_min // 15)
    quarters = clock(first, parts * count, step_min // parts)
    factors = np.array([_factor(rule, local, days_off) for local in quarters])
    found: list[float] = factors.reshape(-1, parts).mean(axis=1).tolist()
    return found


def _price(rule: PeakRule, month: date) -> PeakPrice:
    (*_, price) = (
        row
        for row in rule.prices
        if month.month in row.months and (row.valid_from or "") <= month.isoformat()
    )
    return price


def _charge(price: PeakPrice, mean_kw: float) -> float:
    if price.steps_kw is None or price.steps_price is None:
        return price.per_kw * mean_kw
    reached = [cost for kw, cost in zip(price.steps_kw, price.steps_price, strict=True)
               if mean_kw >= kw - 1e-9]  # fmt: skip
    return reached[-1]


def by_the_rule(
    tariff: Tariff, kwh: Floats, step_min: int, first: datetime
) -> dict[tuple[int, int], float]:
    """The power charge, with VAT, of each month from the imports of its steps.

    What a month costs without any import is left out: no step adds it. A rule of years has the
    month 0.
    """
    (vat,) = (row.share for row in tariff.vat) if tariff.vat else (0.0,)
    days_off: Container[date] = SWEDISH_HOLIDAYS if tariff.holidays == "SE" else ()
    charges: dict[tuple[int, int], float] = defaultdict(float)
    for rule in tariff.peaks:
        factors = _factors(rule, first, kwh.size, step_min, days_off)
        counted = [energy * factor for energy, factor in zip(kwh.tolist(), factors, strict=True)]
        per_interval = rule.interval_min // step_min
        counted += [0.0] * (-len(counted) % per_interval)
        means_kw = np.array(counted).reshape(-1, per_interval).sum(axis=1) * 60 / rule.interval_min
        spans: dict[tuple[int, int], dict[Any, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        begins = clock(first, means_kw.size, rule.interval_min)
        for local, mean_kw in zip(begins, means_kw.tolist(), strict=True):
            day = local.date() if rule.different_days else local.timestamp()
            month = 0 if rule.over == "year" else local.month
            spans[local.year, month][day].append(mean_kw)
        for (year, month), days in spans.items():
            peaks = [max(rule.floor_kw, *span) for span in days.values()]
            peaks += [rule.floor_kw] * rule.count
            mean_kw = sum(sorted(peaks, reverse=True)[: rule.count]) / rule.count
            price = _price(rule, date(year, max(1, month), 1))
            grown = _charge(price, mean_kw) - _charge(price, rule.floor_kw)
            charges[year, month] += (1.0 + vat) * grown
    return dict(charges)


class Tables(NamedTuple):
    """What the functions read: arrays only, as compiled code takes them."""

    settings: Any
    hours: Any
    power: PowerTables


def tables_of(
    tariff: Tariff,
    alone_kw: Floats,
    step_min: int,
    first: datetime,
    zone: str = "Europe/Stockholm",
) -> Tables:
    """Tables of houses whose imports (houses, quarters) begin on a local Monday."""
    slot_min = max(step_min, 15)
    hours_count = alone_kw.shape[1] // 4
    start = first if first.tzinfo else first.replace(tzinfo=STOCKHOLM)
    still = np.zeros(hours_count)
    dataset = Dataset(
        start=start, zone=zone, load_kw=alone_kw, price_per_kwh=still, temperature_c=still
    )
    slots = np.ascontiguousarray(alone_kw.reshape(len(alone_kw), -1, slot_min // 15).mean(axis=2))
    power = power_tables(tariff, dataset, slot_min, 1, slots)
    record = np.zeros(1, SETTINGS_DTYPE)
    record["step_min"], record["step_h"] = step_min, step_min / 60.0
    record["load_shift"] = {15: 0, 30: 1, 60: 2}[slot_min]
    record["power_charge"] = True
    record["power_weight"] = 1.0
    record["series_min"] = 15 * alone_kw.shape[1]
    hours = np.zeros(hours_count, HOUR_DTYPE)
    hours["opens"] = opens_of(dataset.calendar)
    settings, of_hours = as_records(record), as_records(hours)
    for array in (settings, of_hours, *power):
        array.flags.writeable = False
    house_peaks_kw = np.zeros_like(power.house_peaks_kw)
    peaks_kw = np.zeros(house_peaks_kw.shape[2:])
    interval_kw = np.zeros(len(peaks_kw))
    power_charge.tabulate_peaks(settings[0], of_hours, power, house_peaks_kw, peaks_kw, interval_kw)
    house_peaks_kw.flags.writeable = False
    return Tables(settings, of_hours, power._replace(house_peaks_kw=house_peaks_kw))


@compiled
def _read(own: Any, record: Any, tables: Any) -> None:
    """What `ev_gym.simulation.step.read_series` does for the power charge."""
    power = tables.power
    own.power_class = power.power_class[(own.place_min // 15) >> record.load_shift]
    opens = power_charge.opens_at(tables.hours, own.place_min)
    power_charge.open_intervals(own.peaks_kw, own.interval_kw, power.rules, own.place_min, opens)
    power_charge.open_intervals(
        own.house_peaks_kw, own.house_interval_kw, power.rules, own.place_min, opens
    )


@compiled
def _live(household: Any, tables: Any, charge_kw: Any, results: Any) -> None:
    power, record, own = tables.power, tables.settings[0], household[0]
    power_charge.begin_power(own, record, tables.hours, power)
    _read(own, record, tables)
    for t in range(charge_kw.shape[0]):
        alone = power.alone_import_kw[own.house, (own.place_min // 15) >> record.load_shift]
        both_kwh = (alone + charge_kw[t]) * record.step_h
        power_charge.charge_power(own, record, power, both_kwh, alone * record.step_h, results[t])
        own.place_min += record.step_min
        if own.place_min >= record.series_min:
            own.place_min -= record.series_min
        _read(own, record, tables)


def live(tables: Tables, place_min: int, charge_kw: Floats, house: int = 0) -> tuple[Any, Any]:
    """The household and its step results, after an episode that began at that minute."""
    household = as_records(np.zeros(1, household_dtype(*tables.power.house_peaks_kw.shape[2:])))
    # What an earlier episode leaves behind must not matter.
    for name in ("peaks_kw", "interval_kw", "house_peaks_kw", "house_interval_kw"):
        household[name] = 99.0
    household["house"], household["place_min"] = house, place_min
    results = as_records(np.zeros(charge_kw.size, STEP_DTYPE))
    _live(household, tables, charge_kw, results)
    return household, results
