"""The power charge: what the highest hours of a month add to the grid company's invoice.

A month's invoice holds `price * (p_1 + ... + p_N) / N`: the N highest hourly means (kW) of import
in that month, N from 1 to 3, on N different days or, with some companies, on whatever days. An hour
counts times a factor (Ellevio's half at night; 0 where no charge applies). Days still to come count
as zero, and an unfinished hour as its energy so far over one hour. Prices and rules are the
companies' own, see `ev_gym.scenario.tariff`.

Call what can give one peak a *period*: a day, or an hour where several peaks may share a day. Of
all earlier periods of the month only the N highest matter, and the running one competes with the
lowest of these alone. So its highest hour is kept in that place, `low_peak_kw`, until the period is
over and the N are sorted. Within an hour the invoice thus grows by

    price / N * (max(low_peak_kw, hour_kwh after) - max(low_peak_kw, hour_kwh before)),

which over the steps of a month adds up to the power charge on its invoice.

What the house alone would pay does not depend on what its cars do. `house_peaks` holds, for each
house and period of the series, the N peaks with which that period begins; a household's record
carries the six numbers that both bills need, and the class of the running hour.

All energies are imports at the meter, in kWh; an export does not lower an hour's.
"""

from __future__ import annotations

from typing import Any

from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN

# What begins with an hour of the series, `hour.opens`.
NOTHING, PERIOD, MONTH = 0, 1, 2
# Columns of `rates`, a row for each class of hours; the price, with VAT, is per kW of the sum.
FACTOR, PRICE = 0, 1
# Last axis of `house_peaks`, in kW. With N = 2 the highest is 0, with N = 1 the middle one too.
LOW, MID, TOP = 0, 1, 2


@compiled
def sort_peaks(low_kw: float, mid_kw: float, top_kw: float, days: int) -> tuple[Any, Any, Any]:
    """The N = `days` peaks at the end of a period, sorted: its own, in the lowest place, rises."""
    if days > 1 and low_kw > mid_kw:
        low_kw, mid_kw = mid_kw, low_kw
    if days > 2 and mid_kw > top_kw:
        mid_kw, top_kw = top_kw, mid_kw
    return low_kw, mid_kw, top_kw


@compiled
def charge_power(
    household: Any, settings: Any, rates: Any, import_kwh: float, alone_kwh: float, result: Any
) -> None:
    """Add a step to the running hour and write what that adds to both invoices.

    Args:
        household: The state's record; both running hours grow.
        settings: The scenario's parameters.
        rates: (classes, 2) factor, and price per kW of the sum of the N peaks, with VAT.
        import_kwh: What the house with its cars drew from the grid.
        alone_kwh: What it would have drawn without them.
        result: The step's record; `power_cost`, `house_power_cost` and `power_term` are written.

    A step must lie within one hour, as steps of 1 to 60 minutes on the grid of steps do.
    """
    factor = rates[household.power_class, FACTOR]
    price = rates[household.power_class, PRICE]
    before_kw = max(household.low_peak_kw, household.hour_kwh)
    household.hour_kwh += factor * import_kwh
    result.power_cost = price * (max(household.low_peak_kw, household.hour_kwh) - before_kw)
    before_kw = max(household.house_low_peak_kw, household.house_hour_kwh)
    household.house_hour_kwh += factor * alone_kwh
    after_kw = max(household.house_low_peak_kw, household.house_hour_kwh)
    result.house_power_cost = price * (after_kw - before_kw)
    result.power_term = -settings.power_weight * (result.power_cost - result.house_power_cost)


@compiled
def open_hour(
    household: Any, hour: Any, settings: Any, minute: int, peak_rows: Any, house_peaks: Any
) -> None:
    """Close the hour that ended at `minute` of the series, and with it the period or the month.

    Args:
        household: The state's record.
        hour: The record of the hour that begins: `opens`, `power_class`.
        settings: The scenario's parameters.
        minute: A full hour of the series.
        peak_rows: (H,) row of `house_peaks` of the period in which each hour lies.
        house_peaks: (houses, periods, 3) peaks with which each period begins.
    """
    household.low_peak_kw = max(household.low_peak_kw, household.hour_kwh)
    household.house_low_peak_kw = max(household.house_low_peak_kw, household.house_hour_kwh)
    household.hour_kwh = 0.0
    household.house_hour_kwh = 0.0
    household.power_class = hour.power_class
    if hour.opens != NOTHING:
        _open_period(household, hour, settings, peak_rows[minute // HOUR_MIN], house_peaks)


@compiled_apart
def _open_period(household: Any, hour: Any, settings: Any, row: int, house_peaks: Any) -> None:
    if hour.opens == MONTH:
        household.low_peak_kw = 0.0
        household.mid_peak_kw = 0.0
        household.top_peak_kw = 0.0
    else:
        low_kw, mid_kw, top_kw = sort_peaks(
            household.low_peak_kw,
            household.mid_peak_kw,
            household.top_peak_kw,
            settings.power_days,
        )
        household.low_peak_kw = low_kw
        household.mid_peak_kw = mid_kw
        household.top_peak_kw = top_kw
    household.house_low_peak_kw = house_peaks[household.house, row, LOW]


@compiled
def _hour_alone_kwh(
    settings: Any, hours: Any, rates: Any, alone_import_kw: Any, house: int, hour: int, until: int
) -> float:
    """What an hour has counted up to minute `until` of it, step by step as in `charge_power`."""
    factor = rates[hours[hour].power_class, FACTOR]
    hour_kwh = 0.0
    for minute in range(hour * HOUR_MIN, hour * HOUR_MIN + until, settings.step_min):
        slot = (minute // QUARTER_MIN) >> settings.load_shift
        hour_kwh += factor * (alone_import_kw[house, slot] * settings.step_h)
    return hour_kwh


@compiled_apart
def begin_power(
    household: Any,
    settings: Any,
    hours: Any,
    rates: Any,
    alone_import_kw: Any,
    peak_rows: Any,
    house_peaks: Any,
) -> None:
    """Both bills at an episode's start: the peaks of the house alone since the first of the month.

    The table gives them as of the running period's begin; its hours so far are added up here.

    Args:
        household: The state's record; `house` and `place_min` are read, the bills written.
        settings: The scenario's parameters.
        hours: (H,) records of the hours of the series.
        rates: As in `charge_power`.
        alone_import_kw: (houses, slots) import of the house alone, 0 or more.
        peak_rows: As in `open_hour`.
        house_peaks: As in `open_hour`.
    """
    place_min, house = household.place_min, household.house
    running = place_min // HOUR_MIN
    first = running
    while hours[first].opens == NOTHING:
        first -= 1
    row = peak_rows[first]
    low_kw = house_peaks[house, row, LOW]
    for index in range(first, running):
        hour_kwh = _hour_alone_kwh(settings, hours, rates, alone_import_kw, house, index, HOUR_MIN)
        low_kw = max(low_kw, hour_kwh)
    hour_kwh = _hour_alone_kwh(
        settings, hours, rates, alone_import_kw, house, running, place_min % HOUR_MIN
    )
    household.power_class = hours[running].power_class
    household.low_peak_kw = low_kw
    household.mid_peak_kw = house_peaks[house, row, MID]
    household.top_peak_kw = house_peaks[house, row, TOP]
    household.hour_kwh = hour_kwh
    household.house_low_peak_kw = low_kw
    household.house_hour_kwh = hour_kwh


@compiled
def tabulate_peaks(
    settings: Any,
    hours: Any,
    rates: Any,
    alone_import_kw: Any,
    peak_rows: Any,
    house_peaks: Any,
) -> None:
    """Fill `house_peaks` from the series, see `begin_power` for the arguments.

    Step by step as `charge_power` adds, so that the bill of a house whose cars never charge equals
    that of the house alone to the bit.
    """
    for house in range(alone_import_kw.shape[0]):
        low_kw, mid_kw, top_kw = 0.0, 0.0, 0.0
        for index in range(hours.shape[0]):
            hour = hours[index]
            if hour.opens != NOTHING:
                low_kw, mid_kw, top_kw = sort_peaks(low_kw, mid_kw, top_kw, settings.power_days)
                if hour.opens == MONTH:
                    low_kw, mid_kw, top_kw = 0.0, 0.0, 0.0
                row = peak_rows[index]
                house_peaks[house, row, LOW] = low_kw
                house_peaks[house, row, MID] = mid_kw
                house_peaks[house, row, TOP] = top_kw
            hour_kwh = _hour_alone_kwh(
                settings, hours, rates, alone_import_kw, house, index, HOUR_MIN
            )
            low_kw = max(low_kw, hour_kwh)
