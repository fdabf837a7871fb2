"""A tariff on a calendar, as tables: prices of every quarter-hour, power charge and accounts."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics.accounts import AccountTables
from ev_gym.physics.power_charge import (
    DAY,
    MONTH,
    NOTHING,
    PEAK_RULE_DTYPE,
    YEAR,
    PowerTables,
)
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import as_records
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN, QUARTER_MIN
from ev_gym.scenario import CalledDays, PeakPrice, PeakRule, Price, ScenarioError, Share, Tariff
from ev_gym.scenario.when import Season, When
from ev_gym.series.dataset import Dataset
from ev_gym.series.local_time import Calendar, find_zone
from ev_gym.series.public_holidays import public_holidays
from ev_gym.world.parameter_records import BALANCE_OPENS

# Peaks have at least three places, so that N of 1, 2 and 3 share one layout of the state and with
# it the compiled code.
LEAST_PLACES = 3
HOUR_QUARTERS = HOUR_MIN // QUARTER_MIN
SUNDAY = 6


class Quarters(NamedTuple):
    """The local clock of each quarter-hour of the series, (Q,) each; a holiday is a Sunday.

    Attributes:
        day: Local date, datetime64[D].
        quarter: Quarter-hour of the local day, 0 to 95.
        weekday: 0 is Monday.
        month: 1 to 12.
        called: For each list of called days, whether the day is on it, (Q,) bool.
    """

    day: NDArray[np.datetime64]
    quarter: Ints
    weekday: Ints
    month: Ints
    called: dict[str, NDArray[np.bool_]]


class Prices(NamedTuple):
    """Parts of the price of a kWh in each quarter-hour of the series, (Q,), without VAT.

    Attributes:
        spot: Energy at the spot price, times the supplier's factor.
        markup: What the supplier asks beside that: adders, fixed prices, what a cap takes off.
        taxes: All taxes.
        transfer: The grid company's fee.
        levy: The share that is asked of spot, markup and transfer.
        credits: Support, below 0.
        vat: The share of VAT on all of the above.
        export: What an exported kWh earns; no VAT is added.
    """

    spot: Floats
    markup: Floats
    taxes: Floats
    transfer: Floats
    levy: Floats
    credits: Floats
    vat: Floats
    export: Floats


def local_months(dataset: Dataset) -> NDArray[np.datetime64]:
    """Calendar month, on the local clock, of each hour of the series."""
    local_start = dataset.start.astimezone(find_zone(dataset.zone)).replace(tzinfo=None)
    first = np.datetime64(local_start, "m")
    offset_min = dataset.calendar.offset_min
    minute = HOUR_MIN * np.arange(offset_min.size) + offset_min
    return (first + minute.astype("timedelta64[m]")).astype("datetime64[M]")


@functools.lru_cache(maxsize=4)
def quarters_of(tariff: Tariff, dataset: Dataset) -> Quarters:
    """The clock of a series as a tariff sees it, with its holidays and called days."""
    calendar = dataset.calendar
    monday = dataset.start.astimezone(find_zone(dataset.zone)).date()
    minute = QUARTER_MIN * np.arange(HOUR_QUARTERS * calendar.offset_min.size)
    local = minute + np.repeat(calendar.offset_min, HOUR_QUARTERS)
    day_number = local // DAY_MIN
    weekday = day_number % 7
    day = np.datetime64(monday) + day_number.astype("timedelta64[D]")
    quarter = local % DAY_MIN // QUARTER_MIN
    called = {days.name: _is_called(days, day, quarter) for days in tariff.called_days}
    if tariff.holidays in called:
        weekday[called[tariff.holidays]] = SUNDAY
    elif tariff.holidays is not None:
        holidays = public_holidays(tariff.holidays, monday, 7 * dataset.weeks + 1)
        weekday[np.isin(day_number, [(day - monday).days for day in holidays])] = SUNDAY
    month = day.astype("datetime64[M]").astype(np.int64) % 12 + 1
    quarters = Quarters(day, quarter, weekday, month, called)
    for array in (*quarters[:4], *called.values()):
        array.flags.writeable = False
    return quarters


def _is_called(days: CalledDays, day: NDArray[np.datetime64], quarter: Ints) -> NDArray[np.bool_]:
    """(Q,) whether each quarter-hour is of a called day, which may begin after midnight.

    Raises:
        ScenarioError: where all its days lie before or after the series, or none is given.
    """
    known = np.array(sorted(days.dates), "datetime64[D]")
    if known.size == 0 or known[0] > day[-1] or known[-1] < day[0]:
        given = f"{known[0]} to {known[-1]}" if known.size else "None"
        raise ScenarioError(
            f"CalledDays.days of {days.name!r} is {given}, but the series are of {day[0]} to "
            f"{day[-1]}; allowed: days that reach into the series"
        )
    began = day - (quarter < days.begins_quarter).astype("timedelta64[D]")
    return np.asarray(np.isin(began, known))


def _since(row: Any, quarters: Quarters) -> NDArray[np.bool_]:
    if row.valid_from is None:
        return np.ones(quarters.day.size, bool)
    return np.asarray(quarters.day >= np.datetime64(row.valid_from))


def holds(row: Season | Share, quarters: Quarters) -> NDArray[np.bool_]:
    """(Q,) whether a row holds in each quarter-hour."""
    mask = _since(row, quarters)
    if isinstance(row, When):
        mask &= row.holds_in(quarters.quarter, quarters.weekday, quarters.month)
        if row.called is not None:
            mask &= quarters.called[row.called]
    elif isinstance(row, Season):
        mask &= np.isin(quarters.month, row.months)
    return mask


def _check_begun(rows: Sequence[Any], quarters: Quarters, where: str) -> None:
    """Refuse rows of which even the first begins after the series do."""
    first = min((row.valid_from or "" for row in rows), default="")
    if first > str(quarters.day[0]):
        raise ScenarioError(
            f"{where} begins on {first}, but the series on {quarters.day[0]}; allowed: a row that "
            "holds from then on, or later series"
        )


def by_name(rows: Iterable[Any]) -> list[list[Any]]:
    """The rows of each name, in the order of the names."""
    named: dict[str | None, list[Any]] = {}
    for row in rows:
        named.setdefault(row.name, []).append(row)
    return list(named.values())


def _hour_means(spot: Floats) -> Floats:
    return np.repeat(spot.reshape(-1, HOUR_QUARTERS).mean(axis=1), HOUR_QUARTERS)


def _price(rows: Sequence[Price], spot: Floats, quarters: Quarters, where: str) -> Floats:
    """(Q,) the price of rows: those of one name are one price, different names add up."""
    total, hour_means = np.zeros(spot.size), _hour_means(spot)
    for named in by_name(rows):
        _check_begun(named, quarters, where)
        price = np.zeros(spot.size)
        for row in named:
            mask = holds(row, quarters)
            own_spot = hour_means if row.hourly else spot
            price[mask] = np.clip(
                row.spot_factor * own_spot[mask] + row.per_kwh,
                -np.inf if row.floor_per_kwh is None else row.floor_per_kwh,
                np.inf if row.cap_per_kwh is None else row.cap_per_kwh,
            )
        total += price
    return total


def _spot_part(rows: Sequence[Price], spot: Floats, quarters: Quarters) -> Floats:
    """(Q,) what of the energy's price is the spot price, times its factor."""
    total, hour_means = np.zeros(spot.size), _hour_means(spot)
    for named in by_name(rows):
        part = np.zeros(spot.size)
        for row in named:
            mask = holds(row, quarters)
            part[mask] = row.spot_factor * (hour_means if row.hourly else spot)[mask]
        total += part
    return total


def share(rows: Sequence[Share], quarters: Quarters, where: str) -> Floats:
    """(Q,) a share such as VAT; 0 without rows."""
    _check_begun(rows, quarters, where)
    shares = np.zeros(quarters.day.size)
    for row in rows:
        shares[holds(row, quarters)] = row.share
    return shares


def quarter_prices(tariff: Tariff, dataset: Dataset) -> Prices:
    """The price's parts in each quarter-hour of the series.

    Where import and export are set off within an hour, a kWh costs the hour's mean in all of it.

    Raises:
        ScenarioError: if rows of the tariff begin only after the series do.
    """
    quarters = quarters_of(tariff, dataset)
    spot = np.repeat(dataset.price_per_kwh, dataset.price_minutes // QUARTER_MIN)
    if tariff.netting == "hour":
        spot = _hour_means(spot)
    energy = _price(tariff.energy, spot, quarters, "Tariff.energy")
    at_spot = _spot_part(tariff.energy, spot, quarters)
    transfer = _price(tariff.transfer, spot, quarters, "Tariff.transfer")
    return Prices(
        spot=at_spot,
        markup=energy - at_spot,
        taxes=_price(tariff.taxes, spot, quarters, "Tariff.taxes"),
        transfer=transfer,
        levy=share(tariff.levy, quarters, "Tariff.levy") * (energy + transfer),
        credits=_price(tariff.credits, spot, quarters, "Tariff.credits"),
        vat=share(tariff.vat, quarters, "Tariff.vat"),
        export=_price(tariff.export, spot, quarters, "Tariff.export"),
    )


def finest_min(tariff: Tariff, price_minutes: int) -> int:
    """Minutes in which no price changes: the market's, or fewer where rows change within them."""
    rows = (tariff.energy, tariff.transfer, tariff.taxes, tariff.credits, tariff.export)
    edges = [edge for row in itertools.chain(*rows) for edge in row.quarters]
    edges += [days.begins_quarter for days in tariff.called_days]
    return math.gcd(price_minutes, *(QUARTER_MIN * edge for edge in edges))


def import_prices(prices: Prices) -> Floats:
    """All-in price of one more imported kWh in each quarter-hour, with VAT."""
    parts = prices.spot + prices.markup + prices.taxes + prices.transfer
    price: Floats = (parts + prices.levy + prices.credits) * (1.0 + prices.vat)
    return price


def credit_prices(prices: Prices) -> Floats:
    """What of that price is support, with VAT."""
    credit: Floats = prices.credits * (1.0 + prices.vat)
    return credit


def opens_of(calendar: Calendar) -> Ints:
    """(H,) what begins with each hour: bits DAY, MONTH, YEAR; the series, which wrap, begin all."""
    day = (HOUR_MIN * np.arange(calendar.month.size) + calendar.offset_min) // DAY_MIN
    # A clock set back across midnight does not begin a day again.
    begins = np.diff(np.maximum.accumulate(day), prepend=-1) > 0
    new_month = begins & (np.diff(calendar.month, prepend=0) != 0)
    new_year = new_month & (calendar.month == 1)
    opens = DAY * begins + MONTH * new_month + YEAR * new_year
    opens[0] = DAY | MONTH | YEAR
    return np.asarray(opens)


class _RuleQuarters(NamedTuple):
    """A rule in each quarter-hour: factor (Q,), price of the sum (Q,), number of the step row."""

    factor: Floats
    price: Floats
    row: Ints


def peak_factor(rule: PeakRule, quarters: Quarters) -> Floats:
    """(Q,) by how much an import counts in a rule."""
    factor = np.ones(quarters.day.size)
    for weight in rule.weights:
        factor[holds(weight, quarters)] = weight.factor
    return factor


def _rule_quarters(rule: PeakRule, tariff: Tariff, quarters: Quarters) -> _RuleQuarters:
    _check_begun(rule.prices, quarters, "PeakRule.prices")
    number = np.full(quarters.day.size, -1)
    for place, price in enumerate(rule.prices):
        number[holds(price, quarters)] = place
    per_kw = np.array([*(price.per_kw for price in rule.prices), 0.0])
    return _RuleQuarters(
        peak_factor(rule, quarters), per_kw[number] * _of_sum(rule, tariff, quarters), number
    )


def _of_sum(rule: PeakRule, tariff: Tariff, quarters: Quarters) -> Floats:
    """(Q,) what turns a price per kW of the mean into one of the sum of N peaks, with VAT."""
    with_vat = 1.0 + share(tariff.vat, quarters, "Tariff.vat")
    with_levy = 1.0 + share(tariff.levy, quarters, "Tariff.levy")
    of_sum: Floats = with_levy * with_vat / rule.count
    return of_sum


def _peak_rules(tariff: Tariff) -> NDArray[Any]:
    rules = np.zeros(len(tariff.peaks), PEAK_RULE_DTYPE)
    for record, rule in zip(rules, tariff.peaks, strict=True):
        record["count"] = rule.count
        record["interval_min"] = rule.interval_min
        record["intervals_per_h"] = HOUR_MIN / rule.interval_min
        record["different_days"] = rule.different_days
        record["of_year"] = rule.over == "year"
        record["steps"] = any(price.steps_kw is not None for price in rule.prices)
        record["floor_kw"] = rule.floor_kw
    return rules


def power_tables(
    tariff: Tariff, dataset: Dataset, slot_min: int, worlds: int, alone_import_kw: Floats
) -> PowerTables:
    """The tables of the power charge: those of one world's calendar, once for each world.

    Args:
        tariff: The tariff.
        dataset: Of a world; only its calendar is read.
        slot_min: Minutes of a slot of base load.
        worlds: How many.
        alone_import_kw: (houses, slots) what the houses alone import.
    """
    quarters = quarters_of(tariff, dataset)
    if not tariff.has_power_charge:
        return _no_power_tables()
    of_rules = [_rule_quarters(rule, tariff, quarters) for rule in tariff.peaks]
    per_slot = slot_min // QUARTER_MIN
    # A class is a kind of slots that are alike in the factors, prices and steps of all rules.
    columns = [
        column
        for rule in of_rules
        for column in (
            rule.factor.reshape(-1, per_slot).mean(axis=1),
            rule.price[::per_slot],
            rule.row[::per_slot],
            share(tariff.vat, quarters, "Tariff.vat")[::per_slot],
            share(tariff.levy, quarters, "Tariff.levy")[::per_slot],
        )
    ]
    kinds, power_class = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    kinds = kinds.reshape(len(kinds), len(of_rules), -1)
    limits, prices = _steps(tariff.peaks, kinds)
    opens = opens_of(dataset.calendar)
    day_rows = np.cumsum(np.tile(opens & DAY != 0, worlds)) - 1
    places = max(LEAST_PLACES, *(rule.count for rule in tariff.peaks))
    houses = len(alone_import_kw)
    return PowerTables(
        rules=as_records(_peak_rules(tariff)),
        rates=np.ascontiguousarray(kinds[:, :, :2]),
        step_limits=limits,
        step_prices=prices,
        power_class=np.tile(power_class.ravel().astype(np.int16), worlds),
        alone_import_kw=alone_import_kw,
        day_rows=day_rows,
        house_peaks_kw=np.zeros((houses, int(day_rows[-1]) + 1, len(of_rules), places)),
    )


def _no_power_tables() -> PowerTables:
    """Tables that nothing reads, of the same types."""
    return PowerTables(
        rules=as_records(np.zeros(0, PEAK_RULE_DTYPE)),
        rates=np.zeros((0, 1, 2)),
        step_limits=np.zeros((0, 1, 1)),
        step_prices=np.zeros((0, 1, 1)),
        power_class=np.zeros(0, np.int16),
        alone_import_kw=np.empty((0, 0)),
        day_rows=np.zeros(0, np.int64),
        house_peaks_kw=np.zeros((0, 0, 1, LEAST_PLACES)),
    )


def _steps(rules: Sequence[PeakRule], kinds: Floats) -> tuple[Floats, Floats]:
    """Limits and prices (classes, R, S) of the steps, with VAT; of rules without steps nothing."""
    most = max(len(price.steps_kw or ()) for rule in rules for price in rule.prices)
    shape = (len(kinds), len(rules), max(1, most))
    limits, prices = np.full(shape, np.inf), np.zeros(shape)
    for c, r in np.ndindex(shape[:2]):
        _, _, number, vat, levy = kinds[c, r]
        row: PeakPrice | None = rules[r].prices[int(number)] if number >= 0 else None
        if row is not None and row.steps_kw is not None and row.steps_price is not None:
            limits[c, r, : len(row.steps_kw)] = row.steps_kw
            dues = np.array(row.steps_price) * (1.0 + levy) * (1.0 + vat)
            prices[c, r, : len(dues)] = dues
    return limits, prices


def account_tables(
    tariff: Tariff, calendar: Calendar, alone_net_kw: Floats, slot_min: int, worlds: int
) -> AccountTables:
    """The tables of the accounts.

    Args:
        tariff: The tariff.
        calendar: Of each world.
        alone_net_kw: (houses, slots) import less export of the houses alone; (0, 0) where the
            tariff has no accounts.
        slot_min: Minutes of a slot.
        worlds: How many stand one behind another in these slots.
    """
    opens = np.tile(opens_of(calendar), worlds)
    begins = opens & DAY != 0
    if alone_net_kw.size == 0:
        return AccountTables(
            alone_net_kw, np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros((0, 0))
        )
    hours = (len(alone_net_kw), opens.size)
    slot_kwh = alone_net_kw * slot_min / HOUR_MIN
    net_kwh = slot_kwh.reshape(*hours, -1).sum(axis=2)
    import_kwh = np.maximum(0.0, slot_kwh).reshape(*hours, -1).sum(axis=2)
    balance_opens = BALANCE_OPENS[tariff.netting]
    balance = np.zeros(hours)
    if balance_opens > NOTHING:  # one that begins anew every hour is 0 as a day begins
        balance = _since_opened(net_kwh, opens & balance_opens != 0)
    month = _since_opened(import_kwh, opens & MONTH != 0)
    return AccountTables(
        alone_net_kw=alone_net_kw,
        day_rows=np.cumsum(begins) - 1,
        house_balance_kwh=np.ascontiguousarray(balance[:, begins]),
        house_month_kwh=np.ascontiguousarray(month[:, begins]),
    )


def _since_opened(hourly_kwh: Floats, opens: NDArray[np.bool_]) -> Floats:
    """(houses, H) what has been summed up before each hour since the last one that opens."""
    total = np.cumsum(hourly_kwh, axis=1) - hourly_kwh
    last_open = np.maximum.accumulate(np.where(opens, np.arange(opens.size), 0))
    since: Floats = total - total[:, last_open]
    return since
