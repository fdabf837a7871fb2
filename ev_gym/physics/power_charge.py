"""The power charge: what the highest hours of a month add to the grid company's invoice.

A month's invoice holds `price * (p_1 + ... + p_N) / N`: the N highest hourly means (kW) of import
in that month, on N different days or, with some companies, on whatever days. A tariff may divide
the week into up to six *tariff periods*, such as day and night: then each period has N peaks and a
price of its own, and the invoice holds the sum over the periods. An hour counts times a factor
(Ellevio's half at night; 0 where no charge applies). Days still to come count as zero, and an
unfinished hour as its energy so far over one hour. Prices and rules are the companies' own, see
`ev_gym.scenario.tariff`; its tariffs have one period, and N from 1 to 3.

How the peaks are kept. Call the time that can give a period at most one of its peaks a *peak span*:
a local day, or an hour where several peaks may be hours of one day. Of all finished spans of the
month only the N highest matter. The running span counts as soon as one of its hours is higher than
the lowest of these N, and then takes that one's place, whatever the other N - 1 are. So each
period's N peaks stand in a row of `peaks_kw`, the lowest in front and the others from low to high;
while a span runs, its highest finished hour raises the one in front, and when the span is over the
row is put in order again. A step that brings the running hour from `hour_kwh` before to `hour_kwh`
after, within one hour, thus makes the invoice grow by

    price / N * (max(peaks_kw[period, 0], after) - max(peaks_kw[period, 0], before)),

which over the steps of a month adds up to the power charge on its invoice.

What the house alone would pay does not depend on what its cars do. `house_peaks_kw` holds, for each
house and peak span of the series, the peaks with which that span begins; a household's record
carries the peaks with its cars, the lowest of each period of the house alone, both running hours,
and the class of the running hour.

The records may have more places in a row than the N that count: those behind the N-th stay 0.

All energies are imports at the meter, in kWh; an export does not lower an hour's.
"""

from __future__ import annotations

from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN
from ev_gym.runtime.records import (
    HourRecord,
    HouseholdState,
    Records,
    Settings,
    StepResult,
)

# What begins with an hour of the series, `hour.opens`.
NOTHING, PEAK_SPAN, MONTH = 0, 1, 2
# Columns of `rates`, a row for each class of hours; the price, with VAT, is per kW of the sum of
# the period's N peaks.
FACTOR, PRICE, PERIOD = 0, 1, 2
# Where the lowest of a period's N peaks stands, the one that the running span can replace.
LOWEST = 0


@compiled
def tariff_period(peaks_kw: Floats, rates: Floats, power_class: int) -> int:
    """The tariff period in which the hours of a class count: a row of the peaks."""
    # The shape of a record's array is known when this is compiled, so one period costs nothing.
    if peaks_kw.shape[0] == 1:
        return 0
    return int(rates[power_class, PERIOD])


@compiled
def lowest_peak_kw(household: HouseholdState, rates: Floats) -> float:
    """The lowest of the N peaks (kW) of the running hour's period: above it the invoice grows."""
    peaks_kw = household.peaks_kw
    return float(peaks_kw[tariff_period(peaks_kw, rates, household.power_class), LOWEST])


@compiled
def sort_peaks(peaks_kw: Floats, count: int) -> None:
    """Put the peaks in order at the end of a peak span.

    Args:
        peaks_kw: (periods, places) kW. In each row the first `count` are in order but for the
            lowest place, which the span may have raised; its peak moves up to where it belongs.
        count: How many peaks count, N.
    """
    for period in range(peaks_kw.shape[0]):
        for place in range(count - 1):
            if peaks_kw[period, place] > peaks_kw[period, place + 1]:
                higher_kw = peaks_kw[period, place]
                peaks_kw[period, place] = peaks_kw[period, place + 1]
                peaks_kw[period, place + 1] = higher_kw


@compiled
def charge_power(
    household: HouseholdState,
    settings: Settings,
    rates: Floats,
    import_kwh: float,
    alone_kwh: float,
    result: StepResult,
) -> None:
    """Add a step to the running hour and write what that adds to both invoices.

    Args:
        household: The state's record; `hour_kwh` and `house_hour_kwh` (kWh) grow, `power_class`,
            `peaks_kw` and `house_lowest_peak_kw` (kW) are read.
        settings: The scenario's parameters; `power_weight` is read.
        rates: (classes, 3) factor, price per kW of the sum of the N peaks, with VAT, and tariff
            period of each class of hours.
        import_kwh: What the house with its cars drew from the grid, kWh.
        alone_kwh: What it would have drawn without them, kWh.
        result: The step's record; `power_cost`, `house_power_cost` and `power_term` are written,
            in the scenario's currency.

    A step must lie within one hour, as steps of 1 to 60 minutes on the grid of steps do.
    """
    factor = rates[household.power_class, FACTOR]
    price = rates[household.power_class, PRICE]
    period = tariff_period(household.peaks_kw, rates, household.power_class)
    lowest_kw = household.peaks_kw[period, LOWEST]
    before_kw = max(lowest_kw, household.hour_kwh)
    household.hour_kwh += factor * import_kwh
    result.power_cost = price * (max(lowest_kw, household.hour_kwh) - before_kw)
    lowest_kw = household.house_lowest_peak_kw[period]
    before_kw = max(lowest_kw, household.house_hour_kwh)
    household.house_hour_kwh += factor * alone_kwh
    after_kw = max(lowest_kw, household.house_hour_kwh)
    result.house_power_cost = price * (after_kw - before_kw)
    result.power_term = -settings.power_weight * (result.power_cost - result.house_power_cost)


@compiled
def open_hour(
    household: HouseholdState,
    hour: HourRecord,
    settings: Settings,
    rates: Floats,
    minute: int,
    peak_rows: Ints,
    house_peaks_kw: Floats,
) -> None:
    """Close the hour that ended at `minute`, and with it the peak span or the month.

    Args:
        household: The state's record; all its fields of the power charge are written.
        hour: The record of the hour that begins: `opens`, `power_class`.
        settings: The scenario's parameters; `power_days`, N, is read.
        rates: As in `charge_power`.
        minute: Minute of the series at which the hour begins.
        peak_rows: (H,) row of `house_peaks_kw` of the peak span in which each hour lies.
        house_peaks_kw: (houses, spans, periods, places) kW, the peaks of each house alone with
            which each peak span begins.
    """
    peaks_kw = household.peaks_kw
    period = tariff_period(peaks_kw, rates, household.power_class)
    peaks_kw[period, LOWEST] = max(peaks_kw[period, LOWEST], household.hour_kwh)
    household.house_lowest_peak_kw[period] = max(
        household.house_lowest_peak_kw[period], household.house_hour_kwh
    )
    household.hour_kwh = 0.0
    household.house_hour_kwh = 0.0
    household.power_class = hour.power_class
    if hour.opens != NOTHING:
        _open_span(household, hour, settings, peak_rows[minute // HOUR_MIN], house_peaks_kw)


@compiled_apart
def _open_span(
    household: HouseholdState,
    hour: HourRecord,
    settings: Settings,
    row: int,
    house_peaks_kw: Floats,
) -> None:
    peaks_kw = household.peaks_kw
    if hour.opens == MONTH:
        for period in range(peaks_kw.shape[0]):
            for place in range(peaks_kw.shape[1]):
                peaks_kw[period, place] = 0.0
    else:
        sort_peaks(peaks_kw, settings.power_days)
    for period in range(peaks_kw.shape[0]):
        lowest_kw = house_peaks_kw[household.house, row, period, LOWEST]
        household.house_lowest_peak_kw[period] = lowest_kw


@compiled
def _hour_alone_kwh(
    settings: Settings,
    hours: Records[HourRecord],
    rates: Floats,
    alone_import_kw: Floats,
    house: int,
    hour: int,
    until: int,
) -> float:
    """What an hour has counted up to minute `until` of it, step by step as in `charge_power`."""
    factor = rates[hours[hour].power_class, FACTOR]
    hour_kwh = 0.0
    for minute in range(hour * HOUR_MIN, hour * HOUR_MIN + until, settings.step_min):
        slot = (minute // QUARTER_MIN) >> settings.load_shift
        hour_kwh += factor * (alone_import_kw[house, slot] * settings.step_h)
    return hour_kwh


@compiled
def _take_in_hours(
    peaks_kw: Floats,
    settings: Settings,
    hours: Records[HourRecord],
    rates: Floats,
    alone_import_kw: Floats,
    house: int,
    first: int,
    end: int,
) -> None:
    """Raise the lowest peaks (periods, places) by the house's own hours from `first` to `end`."""
    for hour in range(first, end):
        hour_kwh = _hour_alone_kwh(settings, hours, rates, alone_import_kw, house, hour, HOUR_MIN)
        period = tariff_period(peaks_kw, rates, hours[hour].power_class)
        peaks_kw[period, LOWEST] = max(peaks_kw[period, LOWEST], hour_kwh)


@compiled_apart
def begin_power(
    household: HouseholdState,
    settings: Settings,
    hours: Records[HourRecord],
    rates: Floats,
    alone_import_kw: Floats,
    peak_rows: Ints,
    house_peaks_kw: Floats,
) -> None:
    """Both bills at an episode's start: the peaks of the house alone since the first of the month.

    The table gives them as of the running peak span's begin; its hours so far are added up here.

    Args:
        household: The state's record; `house` and `place_min` are read, the bills written.
        settings: The scenario's parameters; `step_min`, `step_h` and `load_shift` are read.
        hours: (H,) records of the hours of the series: `opens`, `power_class`.
        rates: As in `charge_power`.
        alone_import_kw: (houses, slots) import of the house alone, kW, 0 or more.
        peak_rows: As in `open_hour`.
        house_peaks_kw: As in `open_hour`.
    """
    place_min, house = household.place_min, household.house
    running = place_min // HOUR_MIN
    first = running
    while hours[first].opens == NOTHING:
        first -= 1
    row = peak_rows[first]
    peaks_kw = household.peaks_kw
    for period in range(peaks_kw.shape[0]):
        for place in range(peaks_kw.shape[1]):
            peaks_kw[period, place] = house_peaks_kw[house, row, period, place]
    _take_in_hours(peaks_kw, settings, hours, rates, alone_import_kw, house, first, running)
    for period in range(peaks_kw.shape[0]):
        household.house_lowest_peak_kw[period] = peaks_kw[period, LOWEST]
    hour_kwh = _hour_alone_kwh(
        settings, hours, rates, alone_import_kw, house, running, place_min % HOUR_MIN
    )
    household.power_class = hours[running].power_class
    household.hour_kwh = hour_kwh
    household.house_hour_kwh = hour_kwh


@compiled
def tabulate_peaks(
    settings: Settings,
    hours: Records[HourRecord],
    rates: Floats,
    alone_import_kw: Floats,
    peak_rows: Ints,
    house_peaks_kw: Floats,
) -> None:
    """Fill `house_peaks_kw`, which is given as zeros, from the series.

    Step by step as `charge_power` adds, so that the bill of a house whose cars never charge equals
    that of the house alone to the bit.

    Args:
        settings: The scenario's parameters; `power_days`, N, and those of `begin_power` are read.
        hours: As in `begin_power`; the first hour begins a month.
        rates: As in `charge_power`.
        alone_import_kw: As in `begin_power`.
        peak_rows: As in `open_hour`.
        house_peaks_kw: As in `open_hour`; written.
    """
    for house in range(alone_import_kw.shape[0]):
        first = 0  # hour with which the span before begins
        for hour in range(1, hours.shape[0]):
            if hours[hour].opens == PEAK_SPAN:  # a month begins with zeros
                row = peak_rows[hour]
                peaks_kw = house_peaks_kw[house, row]
                for period in range(peaks_kw.shape[0]):
                    for place in range(peaks_kw.shape[1]):
                        peaks_kw[period, place] = house_peaks_kw[house, row - 1, period, place]
                _take_in_hours(
                    peaks_kw, settings, hours, rates, alone_import_kw, house, first, hour
                )
                sort_peaks(peaks_kw, settings.power_days)
            if hours[hour].opens != NOTHING:
                first = hour
