"""The power charge against an invoice that is made from its rule's own words, in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ev_gym.physics import power_charge
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import PeakPrice, PeakRule, Share, Tariff, Weight
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.scenario.when import ALL_WEEK, WORKDAYS
from ev_gym.series.local_time import local_calendar
from ev_gym.world.tariff_tables import opens_of
from tests.support.power_charge_by_rule import by_the_rule, clock, live, tables_of
from tests.support.small_series import STOCKHOLM
from tests.support.tariffs import peak_rule, tariff_of

SPRING, AUTUMN = datetime(2023, 2, 27), datetime(2023, 10, 2)  # clocks change in the fourth week
WEEKS = 2 if INTERPRETED else 9
EXAMPLES = 15 if INTERPRETED else 40


QUARTERS = st.integers(0, 95).map(lambda q: f"{q // 4:02d}:{q % 4 * 15:02d}")


@st.composite
def weights(draw: st.DrawFn) -> Weight:
    """Some hours of some days in some months, over midnight too."""
    begin, end = draw(st.lists(QUARTERS, min_size=2, max_size=2, unique=True))
    return Weight(
        factor=draw(st.sampled_from([0.0, 0.3, 1.0])),
        from_time=begin,
        to_time=end,
        weekdays=draw(st.sampled_from([WORKDAYS, ALL_WEEK, (5, 6)])),
        months=draw(st.sampled_from([(1, 2, 3, 10), tuple(range(1, 13))])),
        valid_from=draw(st.sampled_from([None, "2023-03-15"])),
    )


@st.composite
def peak_rules(draw: st.DrawFn) -> PeakRule:
    """A rule of any interval, N, period, floor, weights and prices, in a line or in steps."""
    count = draw(st.integers(1, 10))
    line = (PeakPrice(per_kw=20.0), PeakPrice(per_kw=60.0, months=(1, 2, 3, 11, 12)))
    steps = tuple(
        PeakPrice(steps_kw=(0.0, 2.0, 5.0, 10.0), steps_price=(s, s + 60.0, s + 150.0, 500.0))
        for s in (50.0, 80.0)
    )
    later = "2023-04-01"
    prices = (steps[0], replace(steps[1], valid_from=later)) if draw(st.booleans()) else line
    over = draw(st.sampled_from(["month", "month", "year"]))
    one_price = over == "year" or (prices is not line and draw(st.booleans()))
    return PeakRule(
        interval_min=draw(st.sampled_from([15, 30, 60])),
        count=count,
        over=over,
        different_days=count == 1 or draw(st.booleans()),
        floor_kw=draw(st.sampled_from([0.0, 0.0, 2.5])),
        weights=tuple(draw(st.lists(weights(), max_size=2))),
        prices=prices[:1] if one_price else prices,
    )


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """A company's tariff, or one or two rules."""
    if draw(st.integers(0, 3)) == 0:
        return TARIFFS[draw(st.sampled_from(["ellevio-2025", "goteborg-2025", "seom-2020"]))]
    rules = draw(st.lists(peak_rules(), min_size=1, max_size=2))
    return Tariff(vat=(Share(share=0.25),), peaks=tuple(rules))


# Counts from 14:00 to 16:15, which ends within an hour.
AFTERNOON = PeakRule(
    count=3,
    different_days=False,
    weights=(Weight(factor=0.0, from_time="16:15", to_time="14:00"),),
    prices=(PeakPrice(per_kw=20.0),),
)


@settings(max_examples=EXAMPLES)
@given(
    tariff=tariffs(),
    step_min=st.sampled_from([5, 15, 30, 60]),
    first=st.sampled_from([SPRING, AUTUMN]),
    seed=st.integers(0, 2**32),
    began=st.floats(0.0, 0.99),
)
@example(Tariff(vat=(Share(share=0.25),), peaks=(AFTERNOON,)), 60, SPRING, 0, 0.0)
def test_each_step_adds_what_it_adds_to_the_invoice(
    tariff: Tariff, step_min: int, first: datetime, seed: int, began: float
) -> None:
    """From any start: every single step, so each month's sum; and both bills, so the reward.

    Loads and charging are random; the house alone has charged nothing before the start.
    """
    step_min = min(step_min, *(rule.interval_min for rule in tariff.peaks))
    rng = np.random.default_rng(seed)
    # Ten loads only, so that there are ties.
    alone_kw = rng.gamma(0.7, 1.5, 10)[rng.integers(0, 10, (2, WEEKS * 672))]
    tables = tables_of(tariff, alone_kw, step_min, first)
    count = WEEKS * 10080 // step_min
    begin = int(began * count)
    charge_kw = np.zeros(count)
    charge_kw[begin:] = np.where(rng.random(count - begin) < 0.2, 11.0 * rng.random(), 0.0)
    _, results = live(tables, begin * step_min, charge_kw[begin:].copy(), house=1)
    slots_kw = np.repeat(tables.power.alone_import_kw[1], max(step_min, 15) // step_min)
    alone_kwh = slots_kw * step_min / 60.0
    both_kwh = alone_kwh + charge_kw * step_min / 60.0
    by_year = any(rule.over == "year" for rule in tariff.peaks)
    for name, kwh in (("power_cost", both_kwh), ("house_power_cost", alone_kwh)):
        invoices, before = (by_the_rule(tariff, kwh[:n], step_min, first) for n in (count, begin))
        sums: dict[Any, list[float]] = defaultdict(list)
        for t, local in enumerate(clock(first, count, step_min)[begin:]):
            sums[local.year, local.month].append(results[name][t])
        growth = {month: invoices[month] - before.get(month, 0.0) for month in invoices}
        costs = {month: math.fsum(of_month) for month, of_month in sums.items()}
        assert math.isclose(math.fsum(costs.values()), math.fsum(growth.values()), abs_tol=1e-8)
        if not by_year:
            assert all(math.isclose(costs[month], growth[month], abs_tol=1e-8) for month in costs)
        for t in rng.integers(begin, count, 2).tolist():
            less, more = (by_the_rule(tariff, kwh[:n], step_min, first) for n in (t, t + 1))
            grown = math.fsum(more.values()) - math.fsum(less.values())
            assert math.isclose(results[name][t - begin], grown, abs_tol=1e-8)
        assert (results[name] >= 0.0).all()
    difference = results["power_cost"] - results["house_power_cost"]
    assert (results["power_term"] == -difference).all()


SEVERAL = Tariff(
    peaks=(
        PeakRule(count=10, prices=(PeakPrice(per_kw=40.0),)),
        PeakRule(count=1, interval_min=15, floor_kw=2.5, prices=(PeakPrice(per_kw=4.0),)),
        PeakRule(prices=(PeakPrice(steps_kw=(0.0, 2.0, 5.0), steps_price=(10.0, 20.0, 50.0)),)),
        PeakRule(count=5, over="year", different_days=False, prices=(PeakPrice(per_kw=9.0),)),
    )
)


@pytest.mark.parametrize(
    ("tariff", "step_min"),
    [(TARIFFS[name], n) for name in ("ellevio-2025", "seom-2020") for n in (1, 15, 60)]
    + [(SEVERAL, 5), (SEVERAL, 15)],
    ids=lambda case: getattr(case, "name", case),
)
def test_without_charging_both_bills_are_equal_to_the_bit(tariff: Tariff, step_min: int) -> None:
    """Also past the end of the series; the state is then that of an episode begun there."""
    alone_kw = np.random.default_rng(3).gamma(0.7, 1.5, (2, 2 * 672))
    tables = tables_of(tariff, alone_kw, step_min, datetime(2023, 10, 23))
    household, results = live(tables, 60 * 30, np.zeros(22000 // step_min), house=1)
    assert (results["power_cost"] == results["house_power_cost"]).all()
    assert (results["power_term"] == 0.0).all()
    assert np.count_nonzero(results["power_cost"]) > 10
    fresh, _ = live(tables, int(household["place_min"][0]), np.zeros(0), house=1)
    assert household.tobytes() == fresh.tobytes()


def test_hourly_means_do_not_depend_on_the_step() -> None:
    """Steps of 1, 5, 15, 30 and 60 minutes give the same sums hour by hour."""
    rng = np.random.default_rng(5)
    alone_kw, charge_kw = rng.gamma(0.7, 1.5, (1, 672)), 11.0 * rng.random(672)
    sums = []
    for step_min in (1, 5, 15, 30, 60):
        tables = tables_of(TARIFFS["ellevio-2025"], alone_kw, step_min, datetime(2023, 1, 2))
        if step_min < 15:
            charge = np.repeat(charge_kw, 15 // step_min)
        else:
            charge = charge_kw.reshape(-1, step_min // 15).mean(axis=1)
        costs = live(tables, 0, charge)[1]["power_cost"]
        sums.append(costs.reshape(168, -1).sum(axis=1))
    for other in sums[1:]:
        np.testing.assert_allclose(other, sums[0], atol=1e-9)
    assert np.count_nonzero(sums[0]) > 5


def costs_of(tariff: Tariff, first: datetime, peaks: dict[str, float]) -> list[float]:
    """What each of these hours costs in a fortnight in which nothing else is drawn, with VAT."""
    tables = tables_of(tariff, np.zeros((1, 2 * 672)), 60, first)
    charge_kw, begins = np.zeros(336), clock(first, 336)
    at = [begins.index(datetime.fromisoformat(text).replace(tzinfo=STOCKHOLM)) for text in peaks]
    charge_kw[at] = list(peaks.values())
    costs = live(tables, 0, charge_kw)[1]["power_cost"]
    assert math.fsum(costs) == pytest.approx(math.fsum(costs[at]), abs=1e-12)
    return [float(cost) for cost in costs[at]]


def test_peaks_by_hand() -> None:
    """At 45.00 a kW with VAT of the mean of three, each kW of the sum costs 15.00.

    6 kW on Monday: 90; 4 kW on the same day: nothing; 3 on Tuesday: 45; 5 on Wednesday: 75. Then
    Thursday's 4 kW replace Tuesday's 3: 15. Monday's 6 are beaten by 7 on Friday, but what leaves
    the three is Thursday's 4: 45, and 8 an hour later 15.
    """
    monday = datetime(2023, 1, 2)
    peaks = {
        "2023-01-02T08": 6.0,
        "2023-01-02T20": 4.0,
        "2023-01-03T08": 3.0,
        "2023-01-04T08": 5.0,
        "2023-01-05T08": 4.0,
        "2023-01-06T08": 7.0,
        "2023-01-06T09": 8.0,
    }
    costs = costs_of(TARIFFS["goteborg-2025"], monday, peaks)
    assert costs == pytest.approx([90.0, 0.0, 45.0, 75.0, 15.0, 45.0, 15.0], abs=1e-9)
    # On any hours, 45 / 3 each: Monday's 4 kW count, Tuesday's 3 do, Wednesday's 5 replace them.
    any_hours = tariff_of(peaks=peak_rule(36.0, different_days=False), vat=0.25)
    costs = costs_of(any_hours, monday, peaks)
    assert costs == pytest.approx([90.0, 60.0, 45.0, 30.0, 0.0, 45.0, 45.0], abs=1e-9)


def test_one_and_two_peaks_by_hand() -> None:
    """The highest alone: 45.00 a kW. The mean of two: 22.50 for each kW of their sum."""
    monday = datetime(2023, 1, 2)
    peaks = {f"2023-01-0{day}T08": kw for day, kw in ((2, 6.0), (3, 4.0), (4, 7.0), (5, 5.0))}
    one = tariff_of(peaks=peak_rule(36.0, 1), vat=0.25)
    assert costs_of(one, monday, peaks) == pytest.approx([270.0, 0.0, 45.0, 0.0], abs=1e-9)
    two = tariff_of(peaks=peak_rule(36.0, 2), vat=0.25)
    # 4 kW: 90; 7 instead of 4: 67.50; 5 beat neither 6 nor 7.
    assert costs_of(two, monday, peaks) == pytest.approx([135.0, 90.0, 67.5, 0.0], abs=1e-9)


def test_nights_weekends_and_months_by_hand() -> None:
    """Ellevio: 81.25 / 3 a kW, at night half. Sollentuna: weekdays 07-19, half price from April.

    In the fortnight from Monday 27 March, the clock has just been set forward.
    """
    monday = datetime(2023, 3, 27)
    nights = {
        "2023-03-27T05": 6.0,  # the last hour of night: 3 kW
        "2023-03-28T06": 6.0,  # the first of day
        "2023-03-29T21": 6.0,  # the last of day
        "2023-03-29T22": 13.0,  # 6.5 kW, on the same day
        "2023-04-01T00": 6.0,  # a new month, at night
    }
    costs = costs_of(TARIFFS["ellevio-2025"], monday, nights)
    kw = [3.0, 6.0, 6.0, 0.5, 3.0]
    assert costs == pytest.approx([81.25 / 3.0 * each for each in kw], abs=1e-9)
    workdays = {
        "2023-03-27T06": 6.0,
        "2023-03-27T07": 6.0,
        "2023-03-31T18": 6.0,
        "2023-03-31T19": 9.0,
        "2023-04-02T12": 9.0,  # Sunday
        "2023-04-03T12": 9.0,
    }
    costs = costs_of(TARIFFS["seom-2020"], monday, workdays)
    high, low = 111.50 / 3.0, 55.75 / 3.0
    expected = [0.0, 6.0 * high, 6.0 * high, 0.0, 0.0, 9.0 * low]
    assert costs == pytest.approx(expected, abs=1e-9)


def test_the_days_that_are_23_and_25_hours_long() -> None:
    """The hour that is lived twice gives two peaks of one day; a skipped one delays nothing."""
    peaks = {
        "2023-10-28T23": 1.0,
        "2023-10-29T02": 2.0,
        "2023-10-29T23": 4.0,
        "2023-10-30T00": 3.0,
    }
    first = datetime(2023, 10, 23)
    costs = costs_of(TARIFFS["goteborg-2025"], first, peaks)
    assert costs == pytest.approx([15.0, 30.0, 30.0, 45.0], abs=1e-9)
    tables = tables_of(TARIFFS["goteborg-2025"], np.zeros((1, 2 * 672)), 60, first)
    charge_kw = np.zeros(336)
    twice = clock(first, 336).index(datetime(2023, 10, 29, 2, tzinfo=STOCKHOLM))
    charge_kw[[twice, twice + 1]] = 2.0, 3.0
    costs = live(tables, 0, charge_kw)[1]["power_cost"]
    assert costs[[twice, twice + 1]].tolist() == pytest.approx([30.0, 15.0], abs=1e-9)
    spring = {"2023-03-26T01": 1.0, "2023-03-26T03": 2.0, "2023-03-27T00": 4.0}
    costs = costs_of(TARIFFS["goteborg-2025"], datetime(2023, 3, 20), spring)
    assert costs == pytest.approx([15.0, 15.0, 60.0], abs=1e-9)


def test_an_episode_begins_with_what_the_house_has_drawn_this_month() -> None:
    """Begun at 12:30 on the second day: the first day's peak, today's, and half an hour of 4 kW.

    Charging 2 kW to 13:00 makes the hour 5 kW: as high as today's highest so far, it costs nothing,
    and with 4 kW it is 6: 1 kW of the sum, 15.00.
    """
    alone_kw = np.full((1, 672), 1.0)
    alone_kw[0, 4 * 18 : 4 * 19] = 6.0
    alone_kw[0, 96 + 4 * 8 : 96 + 4 * 9] = 5.0
    alone_kw[0, 96 + 4 * 12 : 96 + 4 * 13] = 4.0
    tables = tables_of(TARIFFS["goteborg-2025"], alone_kw, 30, datetime(2023, 5, 1))
    place_min = 1440 + 12 * 60 + 30
    begun, _ = live(tables, place_min, np.zeros(0))
    assert begun["peaks_kw"][0].tolist() == [[5.0, 0.0, 6.0]]
    assert begun["house_peaks_kw"].tolist() == begun["peaks_kw"].tolist()
    running = [begun[name][0].tolist() for name in ("interval_kw", "house_interval_kw")]
    assert running == [[2.0], [2.0]]
    for charge_kw, cost in ((2.0, 0.0), (4.0, 15.0)):
        _, results = live(tables, place_min, np.array([charge_kw]))
        assert results["power_cost"][0] == pytest.approx(cost, abs=1e-12)
        assert results["house_power_cost"][0] == 0.0
        assert results["power_term"][0] == pytest.approx(-cost, abs=1e-12)


def test_discharging_can_spare_the_house_its_peak() -> None:
    """The house alone draws 6 kW for an hour, with its cars 2: 60.00 are earned."""
    alone_kw = np.zeros((1, 672))
    alone_kw[0, 4:8] = 6.0
    tables = tables_of(TARIFFS["goteborg-2025"], alone_kw, 60, datetime(2023, 5, 1))
    _, results = live(tables, 60, np.array([-4.0]))
    assert results["house_power_cost"][0] == pytest.approx(90.0, abs=1e-12)
    assert results["power_cost"][0] == pytest.approx(30.0, abs=1e-12)
    assert results["power_term"][0] == pytest.approx(60.0, abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_sorting(count: int) -> None:
    """The lowest place takes what the span left there; places beyond N stay empty."""
    kept = [5.0, 8.0, 9.5, 9.5, 11.0, 12.0, 13.0, 14.0, 15.0][: count - 1]
    empty = [0.0] * 2
    for new in (3.0, 5.0, 6.0, 9.0, 99.0):
        peaks_kw = np.array([[new, *kept, *empty], [1.0, *kept, *empty]])
        for rule in range(2):
            power_charge.sort_peaks(peaks_kw, rule, count)
        assert peaks_kw.tolist() == [
            [*sorted([new, *kept]), *empty],
            [*sorted([1.0, *kept]), *empty],
        ]


@pytest.mark.parametrize(
    ("zone", "monday", "hours"),
    [
        ("Europe/Stockholm", datetime(2023, 10, 23), [24] * 6 + [25]),
        ("Asia/Beirut", datetime(2023, 10, 23), [24] * 5 + [25, 24]),  # at midnight, back to 23:00
        ("Asia/Beirut", datetime(2024, 3, 25), [24] * 6 + [23]),  # Sunday begins at 01:00
    ],
)
def test_peak_spans_are_local_days(zone: str, monday: datetime, hours: list[int]) -> None:
    """Each hour reads the row of its day; the first hour of the series begins all there is."""
    local = monday.replace(tzinfo=ZoneInfo(zone))
    opens = opens_of(local_calendar(local, zone, sum(hours) + 24))
    begins = np.cumsum([0, *hours]).tolist()
    assert np.flatnonzero(opens).tolist() == begins
    assert opens[0] == power_charge.DAY | power_charge.MONTH | power_charge.YEAR
    tables = tables_of(TARIFFS["goteborg-2025"], np.zeros((2, 14 * 96)), 15, local, zone)
    assert np.bincount(tables.power.day_rows)[:7].tolist() == hours
    assert tables.power.house_peaks_kw.shape[2:] == (1, 3)


def test_quarter_hours_with_a_floor_by_hand() -> None:
    """Flanders: the highest quarter-hour above 2.5 kW at 4 a kW; two kW in an hour's mean are 8."""
    flemish = Tariff(
        peaks=(PeakRule(interval_min=15, count=1, floor_kw=2.5, prices=(PeakPrice(per_kw=4.0),)),)
    )
    tables = tables_of(flemish, np.zeros((1, 672)), 15, datetime(2023, 5, 1))
    charge_kw = np.zeros(96)
    charge_kw[[4, 8, 9, 20]] = 2.0, 8.0, 3.0, 8.5
    costs = live(tables, 0, charge_kw)[1]["power_cost"]
    assert costs[[4, 8, 9, 20]].tolist() == [0.0, 22.0, 0.0, 2.0]
    in_fives = tables_of(flemish, np.zeros((1, 672)), 5, datetime(2023, 5, 1))
    costs = live(in_fives, 0, np.array([6.0, 3.0, 0.0, 12.0]))[1]["power_cost"]
    assert costs == pytest.approx([0.0, 4.0 * 0.5, 0.0, 4.0 * 1.0])


def test_steps_by_hand() -> None:
    """Norway: a mean of three on a limit is on the higher step; zeros are days still to come.

    Days of 6 kW: means 2, 4 and 6 kW of steps from 2 and 5 kW on. A fourth one of 9 kW: 7 kW.
    """
    steps = PeakPrice(steps_kw=(0.0, 2.0, 5.0, 7.0), steps_price=(100.0, 150.0, 250.0, 400.0))
    norwegian = Tariff(peaks=(PeakRule(prices=(steps,)),))
    peaks = {f"2023-01-0{day}T08": 6.0 for day in (2, 3, 4)} | {"2023-01-05T08": 9.0}
    costs = costs_of(norwegian, datetime(2023, 1, 2), peaks)
    assert costs == [50.0, 0.0, 100.0, 150.0]
    tables = tables_of(norwegian, np.zeros((1, 672)), 60, datetime(2023, 1, 2))
    own, _ = live(tables, 0, np.array([5.9]))
    free = power_charge.free_peak_kw(own["peaks_kw"][0], 0, tables.power, 0)
    assert free == pytest.approx(6.0 - power_charge.BELOW_LIMIT_KW)
    price = power_charge.price_above(own["peaks_kw"][0], 0, tables.power, 0)
    assert price == pytest.approx(50.0 / 2.0 / 3.0)


def test_peaks_of_a_year_by_hand() -> None:
    """The one peak of a year goes on over the months; a new year begins with none."""
    yearly = tariff_of(peaks=replace(peak_rule(10.0, 1), over="year"))
    tables = tables_of(yearly, np.zeros((1, 5 * 672)), 60, datetime(2023, 12, 4))
    charge_kw = np.zeros(5 * 168)
    charge_kw[[0, 24 * 8, 24 * 28, 24 * 29]] = 5.0, 6.0, 4.0, 5.0
    costs = live(tables, 0, charge_kw)[1]["power_cost"]
    assert costs[charge_kw > 0.0].tolist() == [50.0, 10.0, 40.0, 10.0]
