"""What a car's battery loses at least by a day's ageing, as lines in its mean SoC and its charge.

The numbers of `ageing_rows`; why each holds, whatever the actions, is proved under "Heat and
ageing" in the docstring of `relaxation`. Arrays are over T steps, D days of ageing (24 elapsed
hours each, only those that end before the horizon), C cells (what a day and a span of the car's
`Journey` have in common) and J lines.

A loss y follows y = (y0^(1/p) + S)^p, with S the sum of the progress k^(1/p) dx of its days.
`progress` is that of a day throughout.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from baselines.foresight import Future
from baselines.optimum.reach import Reach, least_kw, level_kw
from ev_gym.physics import ageing_models as models
from ev_gym.physics.ageing import DAY_H, FAST_H, KELVIN, LEAST_HEALTH, SLOW_PER_H
from ev_gym.physics.battery import FULL_KWH
from ev_gym.physics.charger import FLOOR_A, LINE_KW_PER_A
from ev_gym.physics.health import HOTTEST_C
from ev_gym.physics.thermal import HEAT_SHARE
from ev_gym.runtime.arrays import Bools, Floats, Ints

NMC, LFP, NCA, NMC111 = models.NMC622_FIT, models.LFP_FIT, models.NCA_FIT, models.NMC111_FIT
HOTTEST_K = HOTTEST_C + KELVIN
# Functions are looked at in so many points; the lines have the slopes between some of them.
PIECES, POINTS_A_PIECE = 4, 60
POINTS = PIECES * POINTS_A_PIECE + 1
# Above this rate of NMC622's polynomial a SoC, it ages the faster the warmer it is, up to 60 deg C.
RISES_WITH_HEAT = -NMC.c4 * NMC.gas * HOTTEST_K**2 / NMC.calendar_j
# Where a tangent touches the square of a step's rate: so far from the least rate to the largest.
TOUCH = 0.5
# Rates below this (1/h) are none: what is divided by them would be no float.
AS_GOOD_AS_0 = 1e-300
# The polynomial's second derivative by SoC is at most this between SoC 0 and 1.
MOST_BEND = max(abs(2.0 * NMC.c2), abs(2.0 * NMC.c2 + 6.0 * NMC.c3))


class Lines(NamedTuple):
    """Lines below a function of x: `at_0 + slope x`, both (n, J) for n functions."""

    at_0: Floats
    slope: Floats

    def largest(self, x: Floats, falling_x: Floats | None = None) -> Floats:
        """(n,) the highest line of each function at its x (n,); of falling lines at another x."""
        at = np.where(
            self.slope > 0.0, x[:, None], (x if falling_x is None else falling_x)[:, None]
        )
        return np.asarray((self.at_0 + self.slope * at).max(axis=1))


class Loss(NamedTuple):
    """One of the two losses of a battery: where it stands, and its law.

    Attributes:
        before: The loss so far.
        power: p of its law.
        least: Least progress of all days together.
    """

    before: float
    power: float
    least: float

    def lost(self, progress: float) -> float:
        """Share of the new capacity that this progress costs."""
        inverse = 1.0 / self.power
        return float((self.before**inverse + progress) ** self.power - self.before)

    def progress(self, lost: float) -> float:
        """The progress that costs so much."""
        inverse = 1.0 / self.power
        return float((self.before + lost) ** inverse - self.before**inverse)


class Wear(NamedTuple):
    """What one car wears off at least.

    Attributes:
        price: Of all of the new capacity, with the weight of wear.
        battery_kwh: Energy that SoC 1 stands for.
        most_lost: Share of the new capacity that can be lost before the models end.
        calendar: The loss by time.
        cycle: The loss by use.
        day: (T,) day of ageing of each step; D after the last that ends.
        soc_weight: (T,) weights of the steps' SoC in the mean of their day.
        soc_before: (D,) what of that mean was settled before the first step.
        soc_range: (D, 2) range of the mean.
        calendar_least: (D,) least progress of the calendar loss,
        calendar_lines: and lines below it, in the mean SoC.
        cell_span: (C,) span of each cell.
        cell_day: (C,) day of each cell.
        most_charge: (C,) largest net rise of SoC within the cell.
        charge_lines: Lines (C, J) below the cycling progress by a cell's own charge at its least
            rate.
        faster_from: (T,) SoC stored in a step from which on its haste counts,
        faster_slope: (T,) and what each SoC beyond counts; 0 where none does.
        most_faster: (C,) largest sum of these over the cell's steps.
        faster_lines: Lines (C, J) below the progress by that sum,
        faster_by_charge: (C, J) and what to each the cell's charge adds.
        trip_least: (D,) least cycling progress by trips,
        trip_lines: and lines (C, J) below it, in the charge of any cell of the day.
    """

    price: float
    battery_kwh: float
    most_lost: float
    calendar: Loss
    cycle: Loss
    day: Ints
    soc_weight: Floats
    soc_before: Floats
    soc_range: Floats
    calendar_least: Floats
    calendar_lines: Lines
    cell_span: Ints
    cell_day: Ints
    most_charge: Floats
    charge_lines: Lines
    faster_from: Floats
    faster_slope: Floats
    most_faster: Floats
    faster_lines: Lines
    faster_by_charge: Floats
    trip_least: Floats
    trip_lines: Lines

    def faster(self, stored: Floats, cell: Ints) -> Floats:
        """(C,) sums of what the haste of steps counts.

        Args:
            stored: (T,) SoC that each stores.
            cell: (T,) cell of each step, or -1.
        """
        some = np.flatnonzero(cell >= 0)
        above = self.faster_slope * np.maximum(stored - self.faster_from, 0.0)
        sums = np.bincount(cell[some], above[some], self.cell_day.size)
        return np.asarray(sums, np.float64)

    def by_rate(self, charge: Floats, faster: Floats) -> Floats:
        """(C,) least progress by such sums of haste, in cells that charge so much."""
        lines = self.faster_lines
        at = lines.at_0 + lines.slope * faster[:, None] + self.faster_by_charge * charge[:, None]
        return np.asarray(np.maximum(at.max(axis=1), 0.0))

    @property
    def most_cost(self) -> float:
        """What a battery costs that is worn out."""
        return self.price * self.most_lost

    @property
    def least_cost(self) -> float:
        """What the wear costs at least, whatever is done."""
        lost = self.calendar.lost(self.calendar.least) + self.cycle.lost(self.cycle.least)
        return min(self.most_cost, self.price * lost)


class _Box(NamedTuple):
    """SoCs (T,) between which the car is in each step, and mean temperatures (K) of its pack.

    Attributes:
        low: Lowest SoC.
        high: Highest SoC.
        coldest_k: (T,) of a pack in which nothing flows.
        hottest_k: (D,) mean of a day, with the most heat.
        hottest_steps_k: (T,) with the most heat; only of LFP, else empty.
    """

    low: Floats
    high: Floats
    coldest_k: Floats
    hottest_k: Floats
    hottest_steps_k: Floats


def lines_below(x: Floats, low: Floats, rises: bool = True) -> Lines:
    """Lines below n functions, each told by its least values between neighbouring points.

    Args:
        x: (n, POINTS) the points, rising.
        low: (n, POINTS) values at the points; a function is nowhere between two points below the
            left one's, or, where it does not rise, below the lower of both.
        rises: Whether the functions rise.
    """
    cells = low[:, :-1] if rises else np.minimum(low[:, :-1], low[:, 1:])
    ends, values = x[:, ::POINTS_A_PIECE], low[:, ::POINTS_A_PIECE]
    run = ends[:, None, :] - ends[:, :, None]
    rise = values[:, None, :] - values[:, :, None]
    secant = np.divide(rise, run, out=np.zeros_like(run), where=run > 0.0)
    # The hull's slope between ends j and j + 1: the largest, over the ends up to j, of the least
    # slope from there to an end beyond.
    slope = np.stack(
        [secant[:, : j + 1, j + 1 :].min(axis=2).max(axis=1) for j in range(PIECES)], axis=1
    )
    # Within an interval a line is highest at one of its ends.
    high = np.maximum(slope[:, :, None] * x[:, None, :-1], slope[:, :, None] * x[:, None, 1:])
    at_0 = (cells[:, None, :] - high).min(axis=2)
    return Lines(at_0, slope)


def _grid(low: Floats, high: Floats) -> Floats:
    """(n, POINTS) evenly between these bounds (n,)."""
    share = np.linspace(0.0, 1.0, POINTS)
    return np.asarray(low[:, None] + (high - low)[:, None] * share)


def _arrhenius(energy_j: float, kelvin: Floats) -> Floats:
    return np.asarray(np.exp(-energy_j / NMC.gas * (1.0 / kelvin - 1.0 / models.REFERENCE_K)))


def _polynomial(soc: Floats, kelvin: Floats | float) -> Floats:
    """NMC622's calendar rate without its Arrhenius factor and what it adds above 55 deg C."""
    cubic = NMC.c0 + soc * (NMC.c1 + soc * (NMC.c2 + soc * NMC.c3))
    return np.asarray(cubic + NMC.c4 * soc * kelvin)


def _least_polynomial(soc: Floats, kelvin: Floats) -> tuple[Floats, Bools]:
    """(D, POINTS) of which the lower of two neighbours is below the polynomial between them.

    Args:
        soc: (D, POINTS) evenly spaced.
        kelvin: (D,) temperatures of the days.

    Returns:
        The values; and whether (D, 1) everywhere in its range of SoC heat makes it age faster.
        Where it might not, the values are those of the hottest pack.
    """
    width = soc[:, 1:2] - soc[:, :1]
    bend = MOST_BEND * width**2 / 8.0
    hottest = _polynomial(soc, HOTTEST_K) - bend
    grows = np.all(hottest >= RISES_WITH_HEAT * (soc + width), axis=1, keepdims=True)
    here = _polynomial(soc, kelvin[:, None]) - bend
    return np.maximum(0.0, np.where(grows, here, hottest)), grows


def _anode_v(soc: Floats) -> Floats:
    points = np.linspace(0.0, 1.0, models.ANODE_V.size)
    return np.asarray(np.interp(soc, points, models.ANODE_V))


def _nmc111_v(soc: Floats) -> Floats:
    points = np.linspace(0.0, 1.0, models.NMC111_V.size)
    return np.asarray(np.interp(soc, points, models.NMC111_V))


def _of_days(day: Ints, days: int, values: Floats) -> Floats:
    """(D,) sums of the steps' values by day."""
    return np.asarray(np.bincount(day, values, days + 1)[:days])


def _cells(day: Ints, days: int, span: Ints) -> tuple[Ints, Ints, Ints]:
    """Span and day of each cell, and the cell (T,) of each step of a day that ends, or -1."""
    steps = np.flatnonzero(day < days)
    key, of_step = np.unique(span[steps] * (days + 1) + day[steps], return_inverse=True)
    cell = np.full(day.size, -1)
    cell[steps] = of_step
    cell_span, cell_day = np.divmod(key, days + 1)
    return cell_span, cell_day, cell


def wear_of(future: Future, reach: Reach, k: int) -> Wear | None:
    """What a car wears off at least; None where that is nothing.

    Args:
        future: The household's.
        reach: What its cars can do.
        k: The car.
    """
    car, settings = future.world.tables.cars[k], future.world.tables.settings[0]
    state = future.vehicles[0, k]
    price = float(settings["wear_weight"] * car["wear_price_per_kwh"] * car["new_kwh"])
    calendar, cycle = float(state["calendar_loss"]), float(state["cycle_loss"])
    most_lost = 1.0 - LEAST_HEALTH - calendar - cycle
    ends = future.vehicles["day_h"][1:, k] == 0.0
    days = int(ends.sum())
    if car["chemistry"] < 0 or price <= 0.0 or most_lost <= 0.0 or days == 0:
        return None
    day = np.cumsum(ends) - ends
    box = _box(future, reach, k, day, days)
    calendar_power, cycle_power = models.powers(int(car["chemistry"]))
    soc_weight, soc_before, soc_range, least, calendar_lines = _calendar(
        future, k, day, days, box, calendar_power
    )
    cell_span, cell_day, cell = _cells(day, days, reach.journeys[k].span)
    cycling = _cycling(future, reach, k, (day, days, cell, cell_day), box, soc_range, cycle_power)
    return Wear(
        price=price,
        battery_kwh=float(car["battery_kwh"]),
        most_lost=most_lost,
        calendar=Loss(calendar, calendar_power, float(least.sum())),
        cycle=Loss(cycle, cycle_power, float(cycling["trip_least"].sum())),
        day=day,
        soc_weight=soc_weight,
        soc_before=soc_before,
        soc_range=soc_range,
        calendar_least=least,
        calendar_lines=calendar_lines,
        cell_span=cell_span,
        cell_day=cell_day,
        **cycling,
    )


def _within_spans(values: Floats, span: Ints) -> Floats:
    """(T,) sums of the values (T,) since their span began, each step's own included."""
    total = np.cumsum(values)
    first = np.flatnonzero(np.diff(span, prepend=-1))
    before = (total - values)[first]
    return np.asarray(total - before[np.cumsum(np.diff(span, prepend=-1) != 0) - 1])


def _box(future: Future, reach: Reach, k: int, day: Ints, days: int) -> _Box:
    """Between which SoC and temperatures the car's battery is, whatever is done."""
    car, journey, hours = future.world.tables.cars[k], reach.journeys[k], future.charge_h[:, k]
    charge_kw, discharge_kw = reach.charge_kw[:, k], reach.discharge_kw[:, k]
    stored_kwh = np.maximum(0.0, car["eta"] * charge_kw - car["aux_kw"]) * hours
    gives = discharge_kw > 0.0
    taken_kw = np.where(gives, (discharge_kw + car["aux_kw"]) / car["eta"], 0.0)
    low, high = journey.first_kwh[journey.span].T
    lowest = low - _within_spans(taken_kw * hours, journey.span)
    lowest = np.minimum(low, np.maximum(lowest, car["floor_kwh"]))
    highest = high + _within_spans(stored_kwh, journey.span)
    highest = np.maximum(high, np.minimum(highest, car["limit_kwh"])) + FULL_KWH
    air_c = np.asarray(future.results["temperature_c"], np.float64)
    standing_c = air_c + (future.vehicles["pack_c"][:-1, k] - air_c) * car["heat_mean"]
    lost_kw = np.where(charge_kw > 0.0, (1.0 - car["eta"]) * charge_kw + car["aux_kw"], 0.0)
    lost_kwh = np.maximum(lost_kw, taken_kw - discharge_kw) * hours
    steps_c = np.empty(0)
    if gives.any() or car["chemistry"] == models.LFP:
        steps_c = standing_c + _heated_k(car, lost_kwh)
    if gives.any():
        mean_c = _mean_of_days(day, days, steps_c)
    else:
        mean_c = _mean_of_days(day, days, standing_c)
        mean_c = mean_c + _heated_days_k(future, reach, k, lost_kwh, day, days)
    return _Box(
        low=lowest * car["soc_per_kwh"],
        high=highest * car["soc_per_kwh"],
        coldest_k=np.minimum(standing_c, HOTTEST_C) + KELVIN,
        hottest_k=np.minimum(mean_c, HOTTEST_C) + KELVIN,
        hottest_steps_k=np.minimum(steps_c, HOTTEST_C) + KELVIN,
    )


def _mean_of_days(day: Ints, days: int, values: Floats) -> Floats:
    return _of_days(day, days, values) / _of_days(day, days, np.ones(day.size))


def _heated_k(car: Any, lost_kwh: Floats) -> Floats:
    """(T,) by how much the pack is warmer, as a mean of each step, where all this is lost."""
    kept, mean = float(car["heat_kept"]), float(car["heat_mean"])
    levels_k = (HEAT_SHARE * float(car["rise_k_per_kwh"]) * lost_kwh).tolist()
    above_k, heated_k = 0.0, np.empty(lost_kwh.size)
    for step, level_k in enumerate(levels_k):
        heated_k[step] = level_k + (above_k - level_k) * mean
        above_k = level_k + (above_k - level_k) * kept
    return heated_k


def _heated_days_k(
    future: Future, reach: Reach, k: int, lost_kwh: Floats, day: Ints, days: int
) -> Floats:
    """(D,) by how much the pack of a car that only charges is warmer at most, as a mean of a day.

    All heat that a span can set free counts at the moment within the span's charging that warms
    the day most: as the day begins, or else as near to it as the span allows.

    Args:
        future: The household's.
        reach: What its cars can do.
        k: The car.
        lost_kwh: (T,) most that is lost in each step.
        day: (T,) day of each step.
        days: Number of days.
    """
    car, journey = future.world.tables.cars[k], reach.journeys[k]
    step_h = float(future.world.tables.settings["step_h"][0])
    spans = journey.leaves.size + 1
    heat_kwh = np.bincount(journey.span, lost_kwh, spans)
    least, lost_share = least_kw(future, k)[0], np.inf
    if car["eta"] * least > car["aux_kw"]:
        lost_share = 1.0 / (car["eta"] - car["aux_kw"] / least) - 1.0
        room_kwh = journey.within_kwh[:, 1] - journey.first_kwh[:, 0]
        heat_kwh = np.minimum(heat_kwh, lost_share * room_kwh)
    steps = np.flatnonzero(lost_kwh > 0.0)
    begin_h, end_h = np.full(spans, np.inf), np.full(spans, -np.inf)
    np.minimum.at(begin_h, journey.span[steps], steps * step_h)
    np.maximum.at(end_h, journey.span[steps], (steps + 1) * step_h)
    some = np.isfinite(begin_h)
    # What the trips before each span took, so that spans a to b can store no more than the range
    # from a's begin to b's end, and the trips between them.
    driven_kwh = np.concatenate([[0.0], np.cumsum(journey.trip_kwh)])[some]
    low_kwh, high_kwh = journey.first_kwh[some, 0], journey.within_kwh[some, 1]
    begin_h, end_h, heat_kwh = begin_h[some], end_h[some], heat_kwh[some]
    tau_h = -step_h / np.log(float(car["heat_kept"]))
    k_per_kwh = HEAT_SHARE * float(car["rise_k_per_kwh"]) * step_h / tau_h
    first = np.searchsorted(day, np.arange(days + 1)) * step_h
    heated_k = np.empty(days)
    for number, (from_h, to_h) in enumerate(itertools.pairwise(first.tolist())):
        count = int(np.searchsorted(begin_h, to_h))
        ahead_h = np.maximum(from_h - end_h[:count], 0.0)
        until_h = to_h - np.maximum(begin_h[:count], from_h)
        kelvin_h = tau_h * np.exp(-ahead_h / tau_h) * -np.expm1(-until_h / tau_h)
        # With weights that rise, the sum is one of the heat from each span on: at most `since`.
        rising = np.maximum.accumulate(kelvin_h)
        since_kwh = np.cumsum(heat_kwh[:count][::-1])[::-1]
        if count and np.isfinite(lost_share):
            room_kwh = high_kwh[count - 1] - low_kwh[:count]
            room_kwh += driven_kwh[count - 1] - driven_kwh[:count]
            since_kwh = np.minimum(since_kwh, lost_share * room_kwh)
        most = (np.diff(rising, prepend=0.0) * since_kwh).sum()
        most = min(most, (heat_kwh[:count] * kelvin_h).sum())
        heated_k[number] = k_per_kwh * most / (to_h - from_h)
    return heated_k


def _calendar(
    future: Future, k: int, day: Ints, days: int, box: _Box, power: float
) -> tuple[Floats, Floats, Floats, Floats, Lines]:
    """Weights of the steps' SoC in the day's mean, what was before, its range, least, and lines."""
    car, state = future.world.tables.cars[k], future.vehicles[0, k]
    chemistry, step_h = int(car["chemistry"]), float(future.world.tables.settings["step_h"][0])
    day_h = _of_days(day, days, np.full(day.size, step_h))
    passed_h, stress_a, stress_b = np.zeros((3, days))
    passed_h[0], stress_a[0], stress_b[0] = state["day_h"], state["stress_a"], state["stress_b"]
    day_h = day_h + passed_h
    kelvin, at = box.coldest_k, np.minimum(day, days - 1)
    counts = day < days
    before = np.zeros(days)  # of the mean SoC, and
    rate_before = np.zeros(days)  # of the mean rate
    if chemistry == models.NMC622:
        speed = np.ones(day.size)
        before = stress_a / day_h
    elif chemistry == models.LFP:
        speed = LFP.a * np.exp(LFP.b / kelvin)
    elif chemistry == models.NCA:
        speed = NCA.a * np.exp(NCA.b / kelvin)
    else:
        speed = 1e6 * np.exp(NMC111.c / kelvin)
    if chemistry != models.NMC622:
        rate_before = stress_a / day_h
    speed = np.where(counts, speed * step_h / day_h[at], 0.0)
    total = _of_days(day, days, speed)
    if chemistry == models.NMC622:
        total = np.ones(days)
    weight = np.where(counts, speed / total[at], 0.0)
    low, high = (before + _of_days(day, days, weight * soc) for soc in (box.low, box.high))
    if chemistry == models.NMC622:
        mean_k = (stress_b + _of_days(day, days, kelvin * step_h)) / day_h
        soc = _grid(low, high)
        polynomial, _ = _least_polynomial(soc, mean_k)
        value = _arrhenius(NMC.calendar_j, mean_k)[:, None] * polynomial
        least = np.minimum(value[:, :-1], value[:, 1:]).min(axis=1)
        lines = lines_below(soc, value, rises=False)
    else:
        lowest, highest = np.full(days, np.inf), np.full(days, -np.inf)
        np.minimum.at(lowest, day[counts], box.low[counts])
        np.maximum.at(highest, day[counts], box.high[counts])
        cold, warm = np.full(days, np.inf), np.full(days, -np.inf)
        np.minimum.at(cold, day[counts], kelvin[counts])
        np.maximum.at(warm, day[counts], kelvin[counts])
        soc = _grid(lowest, highest)
        if chemistry == models.LFP:
            value = np.exp(LFP.c * _anode_v(soc) / cold[:, None])
            alone = np.exp(LFP.c * _anode_v(box.low) / cold[at])
        elif chemistry == models.NCA:
            value = np.exp(NCA.c * soc / warm[:, None])
            alone = np.exp(NCA.c * box.low / warm[at])
        else:
            value = NMC111.a * _nmc111_v(soc) + NMC111.b
            alone = NMC111.a * _nmc111_v(box.low) + NMC111.b
        lines = lines_below(soc, value)
        least = _of_days(day, days, weight * alone)
    # k >= rate_before + total (line); below k^(1/p), which is convex, lie its tangents.
    inverse = 1.0 / power
    middle = soc[:, POINTS_A_PIECE // 2 :: POINTS_A_PIECE]
    at_k = np.maximum(
        rate_before[:, None] + total[:, None] * (lines.at_0 + lines.slope * middle), 0
    )
    steep = inverse * at_k ** (inverse - 1.0)
    day_24 = (day_h / DAY_H)[:, None]
    at_0 = day_24 * (
        at_k**inverse + steep * (rate_before[:, None] + total[:, None] * lines.at_0 - at_k)
    )
    slope = day_24 * steep * total[:, None] * lines.slope
    least_k = np.maximum(rate_before + total * least, 0.0)
    return (
        weight,
        before,
        np.stack([low, high], axis=1),
        day_h / DAY_H * least_k**inverse,
        Lines(at_0, slope),
    )


class _Cycling(NamedTuple):
    """Rates of cycling for n (days, or cells), each column of an array with another charge.

    Attributes:
        chemistry: A number of CHEMISTRIES.
        factor: (n, 1) of NMC622: rate for each root of depth times charging rate; of LFP the cold.
        offset: (n, 1) of NMC622, what the root must exceed to count.
        inverse: 1 / p.
    """

    chemistry: int
    factor: Floats
    offset: Floats
    inverse: float

    def progress(self, depth: Floats, mean_per_h: Floats, charging_per_h: Floats) -> Floats:
        """(n, m) progress of a full cycle."""
        if self.chemistry == models.NMC622:
            stress = np.maximum(np.sqrt(depth * charging_per_h) - self.offset, 0.0)
            rate = self.factor * stress
        elif self.chemistry == models.LFP:
            rate = (LFP.d + LFP.e * depth + LFP.f * mean_per_h) * self.factor
        elif self.chemistry == models.NCA:
            rate = 2.0 * (NCA.d + NCA.e * mean_per_h + NCA.f * depth)
        else:
            rate = np.sqrt(NMC111.ah_per_cycle) * (NMC111.f + NMC111.g * depth)
        return np.asarray(rate**self.inverse)


def _cycling_rates(
    chemistry: int, day: Ints, days: int, box: _Box, soc_range: Floats, power: float
) -> _Cycling:
    """The rates of each day, at the least harmful SoC and temperature."""
    factor, offset = np.ones((2, days, 1))
    if chemistry == models.NMC622:
        kelvin = np.maximum(box.hottest_k, NMC.cycled_from_k)
        soc = _grid(soc_range[:, 0], soc_range[:, 1])
        value, grows = _least_polynomial(soc, kelvin)
        value = value * grows
        lower = np.minimum(value[:, :-1], value[:, 1:])
        by_soc = (lower * (1.0 + NMC.plating_soc * soc[:, :-1])).min(axis=1)
        plating = NMC.plating * _arrhenius(NMC.plating_j, kelvin)
        calendar = NMC.scale * _arrhenius(NMC.calendar_j, kelvin) * by_soc
        factor = (calendar * plating)[:, None]
        most = 1.0 + NMC.plating_soc * soc_range[:, 0]
        offset = (-NMC.plating_offset / (plating * most))[:, None]
    elif chemistry == models.LFP:
        clipped = np.clip(box.hottest_steps_k, LFP.cycled_from_k, LFP.cycled_to_k)
        factor = _mean_of_days(day, days, np.exp(LFP.g / clipped))[:, None]
    return _Cycling(chemistry, factor, offset, 1.0 / power)


def _least_rate_per_h(future: Future, k: int) -> float:
    """Least rate (1/h, of SoC) at which the car is charged at home, as the ageing counts it."""
    car = future.world.tables.cars[k]
    kw_per_a = float(car["kw_per_a"])
    if car["one_phase_a"] > 0.0:
        kw_per_a = min(kw_per_a, LINE_KW_PER_A)
    granted_kw = min(FLOOR_A * kw_per_a, float(car["max_kw"]))
    if future.world.tables.levels_kw.size:
        levels_kw = level_kw(future, k)
        granted_kw = min(granted_kw, float(levels_kw[0])) if levels_kw.size else 0.0
    least = least_kw(future, k)[0] if granted_kw > 0.0 else 0.0
    if least <= 0.0:
        return 0.0
    share = float(car["eta"] - car["aux_kw"] / least)
    return max(0.0, granted_kw * share * float(car["soc_per_kwh"]))


def _charging_per_h(charge: Floats, rate: float, topups: Floats, idle: Floats) -> Floats:
    """(n, m) least mean charging rate (1/h, of SoC) of a day in which so much is charged.

    Args:
        charge: (n, m) the charge, as SoC.
        rate: Least rate at home.
        topups: (n, 1) how often the day can bring a top-up elsewhere.
        idle: (n, 1) what the mean is at least on a day without charge.
    """
    if rate <= SLOW_PER_H * (1.0 + 1e-9):
        return np.asarray(np.broadcast_to(idle, charge.shape))
    # Of n top-ups m the mean (c rate + n m^2 / FAST_H) / (c + n m) is least where it is
    # 2 m / FAST_H, with m = FAST_H c rate / (c + root).
    root = np.sqrt(charge**2 + topups * charge * rate * FAST_H)
    least = np.zeros_like(charge)
    np.divide(2.0 * charge * rate, charge + root, out=least, where=charge > 0.0)
    return np.asarray(np.maximum(least, idle))


def _cycling(
    future: Future,
    reach: Reach,
    k: int,
    time: tuple[Ints, int, Ints, Ints],
    box: _Box,
    soc_range: Floats,
    power: float,
) -> dict[str, Any]:
    """The fields of `Wear` by use: from the largest charge of the cells to the lines of trips.

    Args:
        future: The household's.
        reach: What its cars can do.
        k: The car.
        time: Day of each step, number of days, cell of each step, day of each cell.
        box: Where the battery is.
        soc_range: (D, 2) of the mean SoC of the days.
        power: p of the law.
    """
    day, days, cell, cell_day = time
    car, state, journey = future.world.tables.cars[k], future.vehicles[0, k], reach.journeys[k]
    step_h, unit = float(future.world.tables.settings["step_h"][0]), float(state["start_health"])
    health = 1.0 - float(state["calendar_loss"]) - float(state["cycle_loss"])
    day_h = _of_days(day, days, np.full(day.size, step_h))
    rates = _cycling_rates(int(car["chemistry"]), day, days, box, soc_range, power)
    # What trips take at least, and how often a top-up may come.
    spare_kwh = journey.within_kwh[:-1, 0] - car["min_soc"] * car["battery_kwh"] - FULL_KWH
    drops = np.minimum(journey.trip_kwh, np.maximum(spare_kwh, 0.0)) * car["soc_per_kwh"]
    event_day = day[journey.event_step]
    trips = _of_days(event_day, days, drops)
    longest = np.zeros(days + 1)
    np.maximum.at(longest, event_day, drops)
    longest = longest[:days]
    topups = _of_days(event_day, days, (journey.most_bought_kwh > 0.0).astype(np.float64))
    idle = np.minimum(SLOW_PER_H, trips / day_h)[:, None]
    rate_per_h = _least_rate_per_h(future, k)
    known = np.ones(days)  # of a day under way, it is not known how fast it charged
    known[0] = float(state["day_h"]) == 0.0

    def charging_per_h(place: Ints, charge: Floats) -> Floats:
        return _charging_per_h(charge, rate_per_h, topups[place, None], idle[place])

    def progress(place: Ints, charge: Floats) -> Floats:
        """Progress of a full cycle in days in which a cell charges so much (n, m)."""
        chosen = rates._replace(factor=rates.factor[place], offset=rates.offset[place])
        depth = np.maximum(charge, longest[place, None])
        mean = (trips[place, None] + charge) / day_h[place, None]
        per_h = charging_per_h(place, charge)
        return known[place, None] * chosen.progress(
            np.minimum(1.0, depth * unit / health), mean * unit, per_h * unit
        )

    half = 0.5 * unit
    trip_least = half * trips * progress(np.arange(days), np.zeros((days, 1)))[:, 0]
    lowest, highest = np.full(cell_day.size, np.inf), np.full(cell_day.size, -np.inf)
    steps = np.flatnonzero(cell >= 0)
    np.minimum.at(lowest, cell[steps], box.low[steps])
    np.maximum.at(highest, cell[steps], box.high[steps])
    stored_kw = np.maximum(0.0, car["eta"] * reach.charge_kw[:, k] - car["aux_kw"])
    full_per_h = stored_kw * car["soc_per_kwh"]
    stored = full_per_h * future.charge_h[:, k]
    most = np.asarray(np.bincount(cell[steps], stored[steps], cell_day.size), np.float64)
    most = np.minimum(most, highest - lowest) + FULL_KWH * car["soc_per_kwh"]
    charge = _grid(np.zeros(cell_day.size), most)
    a_cycle = progress(cell_day, charge)
    by_charge = half * charge * a_cycle
    faster_from, faster_slope = np.zeros((2, day.size))
    most_faster = np.zeros(cell_day.size)
    faster_lines = lines_below(_grid(most_faster, most_faster), np.zeros_like(charge))
    faster_by_charge = np.zeros_like(faster_lines.at_0)
    if car["chemistry"] == models.NMC622 and rate_per_h > SLOW_PER_H * (1.0 + 1e-9):
        by_charge *= _ratio(rate_per_h, charging_per_h(cell_day, charge))
        if not (reach.discharge_kw[:, k] > 0.0).any():
            faster_from, faster_slope = _faster(rate_per_h, full_per_h, future.charge_h[:, k])
            wider = np.zeros(cell_day.size)
            np.maximum.at(wider, cell[steps], full_per_h[steps])
            wider = np.maximum(wider - rate_per_h, 0.0)
            most_faster = wider * most
            faster = _grid(np.zeros(cell_day.size), most_faster)
            least = _ratio(faster, np.broadcast_to(wider[:, None], faster.shape))
            a_rate = _ratio(progress(cell_day, least), charging_per_h(cell_day, least))
            lines = lines_below(faster, half * faster * a_rate)
            # Where the sum is 0 such a plane is 0 at the largest charge; where it is the largest
            # that the charge allows, it is the line.
            faster_by_charge = _ratio(-lines.at_0, np.broadcast_to(most[:, None], lines.at_0.shape))
            back = _ratio(faster_by_charge, np.broadcast_to(wider[:, None], lines.at_0.shape))
            faster_lines = Lines(lines.at_0, lines.slope - back)
    return {
        "most_charge": most,
        "charge_lines": lines_below(charge, by_charge),
        "faster_from": faster_from,
        "faster_slope": faster_slope,
        "most_faster": most_faster,
        "faster_lines": faster_lines,
        "faster_by_charge": faster_by_charge,
        "trip_least": trip_least,
        "trip_lines": lines_below(charge, half * trips[cell_day, None] * a_cycle),
    }


def _ratio(value: Floats | float, by: Floats) -> Floats:
    """A value divided by another one; 0 where that is 0, or so little that a float overflows."""
    return np.asarray(np.divide(value, by, out=np.zeros_like(by), where=by > AS_GOOD_AS_0))


def _faster(rate_per_h: float, full_per_h: Floats, hours: Floats) -> tuple[Floats, Floats]:
    """A tangent (T,) to s^2 / h - rate s, of a step that stores s: where it is 0, and its slope.

    Args:
        rate_per_h: Least rate (1/h, of SoC) of a charge.
        full_per_h: (T,) rate at the largest power.
        hours: (T,) h, how long the car is there.
    """
    touch_per_h = rate_per_h + TOUCH * np.maximum(0.0, full_per_h - rate_per_h)
    slope = 2.0 * touch_per_h - rate_per_h
    counts = (full_per_h > rate_per_h) & (hours > 0.0)
    return np.where(counts, touch_per_h**2 / slope * hours, 0.0), np.where(counts, slope, 0.0)
