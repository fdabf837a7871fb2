"""The power charge of one household: by its rule in plain Python, and by the physics alone."""

from __future__ import annotations

import functools
from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics import power_charge
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import as_records, compiled
from ev_gym.scenario import Tariff
from ev_gym.series.local_time import local_calendar
from ev_gym.simulation.state_fields import HOUSEHOLD_DTYPE, STEP_DTYPE
from ev_gym.world.parameter_records import SETTINGS_DTYPE
from ev_gym.world.tariff_tables import power_tables
from tests.support.small_series import STOCKHOLM

HOUR_DTYPE = np.dtype([("opens", "i1"), ("power_class", "i1")])


@functools.cache
def clock(first: datetime, hours: int) -> list[datetime]:
    """The local time at which each hour from a local midnight begins."""
    start = first.replace(tzinfo=STOCKHOLM).timestamp()
    return [datetime.fromtimestamp(start + 3600 * h, STOCKHOLM) for h in range(hours)]


def by_the_rule(tariff: Tariff, kwh: Floats, step_min: int, first: datetime) -> dict[Any, float]:
    """The power charge, with VAT, of each month from the imports of its steps."""
    per_hour = 60 // step_min
    padded = np.append(kwh, np.zeros(-kwh.size % per_hour))
    months: dict[Any, dict[Any, list[float]]] = defaultdict(lambda: defaultdict(list))
    energies = padded.reshape(-1, per_hour).sum(axis=1).tolist()
    for local, energy in zip(clock(first, len(energies)), energies, strict=True):
        in_hours = tariff.power_from_h <= local.hour < tariff.power_to_h
        in_full = in_hours and local.weekday() in tariff.power_weekdays
        peak = energy if in_full else tariff.power_other_factor * energy
        day = local.date() if tariff.power_different_days else local.timestamp()
        months[local.year, local.month][day].append(peak)
    charges = {}
    for (year, month), days in months.items():
        highest = sorted((max(peaks) for peaks in days.values()), reverse=True)
        price = tariff.power_price_per_kw
        if tariff.power_low_per_kw is not None and month not in tariff.power_high_months:
            price = tariff.power_low_per_kw
        mean = sum(highest[: tariff.power_days]) / tariff.power_days
        charges[year, month] = price * (1.0 + tariff.vat) * mean
    return charges


class Tables(NamedTuple):
    """What the functions read: arrays only, as compiled code takes them."""

    settings: Any
    hours: Any
    rates: Floats
    alone_kw: Floats
    peak_rows: NDArray[np.int64]
    house_peaks: Floats


def tables_of(tariff: Tariff, alone_kw: Floats, step_min: int, first: datetime) -> Tables:
    """Tables of houses whose imports (houses, quarters) begin on a local Monday."""
    slot_min = max(step_min, 15)
    start = first.replace(tzinfo=STOCKHOLM)
    calendar = local_calendar(start, "Europe/Stockholm", alone_kw.shape[1] // 4)
    power = power_tables(tariff, calendar, alone_kw.shape[0])
    record = np.zeros(1, SETTINGS_DTYPE)
    record["step_min"], record["step_h"] = step_min, step_min / 60.0
    record["load_shift"] = {15: 0, 30: 1, 60: 2}[slot_min]
    record["power_days"], record["power_weight"] = tariff.power_days, 1.0
    record["series_min"] = 15 * alone_kw.shape[1]
    hours = np.zeros(calendar.month.size, HOUR_DTYPE)
    hours["opens"], hours["power_class"] = power.opens, power.power_class
    slots = np.ascontiguousarray(alone_kw.reshape(len(alone_kw), -1, slot_min // 15).mean(axis=2))
    tables = Tables(
        as_records(record), as_records(hours), power.rates, slots, power.peak_rows,
        power.house_peaks,
    )  # fmt: skip
    power_charge.tabulate_peaks(tables.settings[0], *tables[1:])
    return tables


@compiled
def _live(household: Any, tables: Any, charge_kw: Any, results: Any) -> None:
    settings, hours, rates, alone_kw, peak_rows, house_peaks = tables
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
            power_charge.open_hour(own, hour, record, own.place_min, peak_rows, house_peaks)


def live(tables: Tables, place_min: int, charge_kw: Floats, house: int = 0) -> tuple[Any, Any]:
    """The household and its step results, after an episode that began at that minute."""
    household = as_records(np.zeros(1, HOUSEHOLD_DTYPE))
    # What an earlier episode leaves behind must not matter.
    for name in ("low_peak_kw", "mid_peak_kw", "top_peak_kw", "hour_kwh", "house_low_peak_kw"):
        household[name] = 99.0
    household["house"], household["place_min"] = house, place_min
    power_charge.begin_power(household[0], tables.settings[0], *tables[1:])
    results = as_records(np.zeros(charge_kw.size, STEP_DTYPE))
    _live(household, tuple(tables), charge_kw, results)
    return household, results
