"""The power charge against an invoice that is made from its rule's own words, in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.physics import power_charge
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import Tariff
from ev_gym.scenario.tariff import ALL_WEEK, TARIFFS, WORKDAYS
from ev_gym.series.local_time import local_calendar
from ev_gym.world.tariff_tables import power_tables
from tests.support.power_charge_by_rule import Counting, by_the_rule, clock, live, tables_of
from tests.support.small_series import STOCKHOLM

SPRING, AUTUMN = datetime(2023, 2, 27), datetime(2023, 10, 2)  # clocks change in the fourth week
WEEKS = 2 if INTERPRETED else 9
EXAMPLES = 15 if INTERPRETED else 40


@st.composite
def tariffs(draw: Callable[..., Any]) -> Tariff:
    """A company's tariff, or one of free hours, days, prices and N."""
    if draw(st.booleans()):
        return TARIFFS[draw(st.sampled_from(["ellevio", "goteborg", "seom"]))]
    days = draw(st.integers(1, 3))
    return Tariff(
        power_price_per_kw=60.0,
        power_low_per_kw=draw(st.sampled_from([None, 0.0, 20.0])),
        power_days=days,
        power_different_days=days == 1 or draw(st.booleans()),
        power_from_h=draw(st.integers(1, 12)),
        power_to_h=draw(st.integers(13, 24)),
        power_weekdays=draw(st.sampled_from([WORKDAYS, ALL_WEEK, (5, 6), ()])),
        power_other_factor=draw(st.sampled_from([0.0, 0.3, 1.0])),
    )


@settings(max_examples=EXAMPLES)
@given(
    tariff=tariffs(),
    step_min=st.sampled_from([5, 15, 30, 60]),
    first=st.sampled_from([SPRING, AUTUMN]),
    seed=st.integers(0, 2**32),
    began=st.floats(0.0, 0.99),
)
def test_each_step_adds_what_it_adds_to_the_invoice(
    tariff: Tariff, step_min: int, first: datetime, seed: int, began: float
) -> None:
    check_steps(tariff, step_min, first, seed, began)


# As many peaks and periods as the state can hold; and places that no peak takes.
COUNTINGS = [Counting(10, 6, 10), Counting(1, 6), Counting(10, 1, 10), Counting(5, 2, 8)]


@pytest.mark.parametrize("name", ["ellevio", "seom"])
@pytest.mark.parametrize("counting", COUNTINGS, ids=str)
def test_other_numbers_of_peaks_and_periods(counting: Counting, name: str) -> None:
    """On different days, and on any hours, in months of two prices."""
    for seed, first in enumerate((SPRING, AUTUMN)):
        check_steps(TARIFFS[name], 30, first, seed, 0.45 * seed, counting)


def check_steps(
    tariff: Tariff,
    step_min: int,
    first: datetime,
    seed: int,
    began: float,
    counting: Counting | None = None,
) -> None:
    """From any start: every single step, so each month's sum; and both bills, so the reward.

    Loads and charging are random; the house alone has charged nothing before the start.
    """
    rng = np.random.default_rng(seed)
    # Ten loads only, so that there are ties.
    alone_kw = rng.gamma(0.7, 1.5, 10)[rng.integers(0, 10, (2, WEEKS * 672))]
    tables = tables_of(tariff, alone_kw, step_min, first, counting)
    count = WEEKS * 10080 // step_min
    begin = int(began * count)
    charge_kw = np.zeros(count)
    charge_kw[begin:] = np.where(rng.random(count - begin) < 0.2, 11.0 * rng.random(), 0.0)
    _, results = live(tables, begin * step_min, charge_kw[begin:].copy(), house=1)
    alone_kwh = np.repeat(tables.alone_kw[1], max(step_min, 15) // step_min) * step_min / 60.0
    both_kwh = alone_kwh + charge_kw * step_min / 60.0
    for name, kwh in (("power_cost", both_kwh), ("house_power_cost", alone_kwh)):
        invoices, before = (
            by_the_rule(tariff, kwh[:n], step_min, first, counting) for n in (count, begin)
        )
        sums: dict[Any, list[float]] = defaultdict(list)
        hours = clock(first, WEEKS * 168)
        for t in range(begin, count):
            local = hours[t * step_min // 60]
            sums[local.year, local.month].append(results[name][t - begin])
        for month, costs in sums.items():
            growth = invoices[month] - before.get(month, 0.0)
            assert math.isclose(math.fsum(costs), growth, abs_tol=1e-9)
        for t in rng.integers(begin, count, 2).tolist():
            less, more = (
                by_the_rule(tariff, kwh[:n], step_min, first, counting) for n in (t, t + 1)
            )
            growth = math.fsum(more.values()) - math.fsum(less.values())
            assert math.isclose(results[name][t - begin], growth, abs_tol=1e-9)
        assert (results[name] >= 0.0).all()
    difference = results["power_cost"] - results["house_power_cost"]
    assert (results["power_term"] == -difference).all()


@pytest.mark.parametrize("counting", [None, Counting(10, 6, 10)], ids=str)
@pytest.mark.parametrize("name", ["ellevio", "seom"])
@pytest.mark.parametrize("step_min", [1, 15, 60])
def test_without_charging_both_bills_are_equal_to_the_bit(
    step_min: int, name: str, counting: Counting | None
) -> None:
    """Also past the end of the series; the state is then that of an episode begun there."""
    alone_kw = np.random.default_rng(3).gamma(0.7, 1.5, (2, 2 * 672))
    tables = tables_of(TARIFFS[name], alone_kw, step_min, datetime(2023, 10, 23), counting)
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
        tables = tables_of(TARIFFS["ellevio"], alone_kw, step_min, datetime(2023, 1, 2))
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
    costs = costs_of(TARIFFS["goteborg"], monday, peaks)
    assert costs == pytest.approx([90.0, 0.0, 45.0, 75.0, 15.0, 45.0, 15.0], abs=1e-9)
    # On any hours, 45 / 3 each: Monday's 4 kW count, Tuesday's 3 do, Wednesday's 5 replace them.
    any_hours = Tariff(power_price_per_kw=36.0, power_different_days=False)
    costs = costs_of(any_hours, monday, peaks)
    assert costs == pytest.approx([90.0, 60.0, 45.0, 30.0, 0.0, 45.0, 45.0], abs=1e-9)


def test_one_and_two_peaks_by_hand() -> None:
    """The highest alone: 45.00 a kW. The mean of two: 22.50 for each kW of their sum."""
    monday = datetime(2023, 1, 2)
    peaks = {f"2023-01-0{day}T08": kw for day, kw in ((2, 6.0), (3, 4.0), (4, 7.0), (5, 5.0))}
    one = Tariff(power_price_per_kw=36.0, power_days=1)
    assert costs_of(one, monday, peaks) == pytest.approx([270.0, 0.0, 45.0, 0.0], abs=1e-9)
    two = Tariff(power_price_per_kw=36.0, power_days=2)
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
    costs = costs_of(TARIFFS["ellevio"], monday, nights)
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
    costs = costs_of(TARIFFS["seom"], monday, workdays)
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
    costs = costs_of(TARIFFS["goteborg"], first, peaks)
    assert costs == pytest.approx([15.0, 30.0, 30.0, 45.0], abs=1e-9)
    tables = tables_of(TARIFFS["goteborg"], np.zeros((1, 2 * 672)), 60, first)
    charge_kw = np.zeros(336)
    twice = clock(first, 336).index(datetime(2023, 10, 29, 2, tzinfo=STOCKHOLM))
    charge_kw[[twice, twice + 1]] = 2.0, 3.0
    costs = live(tables, 0, charge_kw)[1]["power_cost"]
    assert costs[[twice, twice + 1]].tolist() == pytest.approx([30.0, 15.0], abs=1e-9)
    spring = {"2023-03-26T01": 1.0, "2023-03-26T03": 2.0, "2023-03-27T00": 4.0}
    costs = costs_of(TARIFFS["goteborg"], datetime(2023, 3, 20), spring)
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
    tables = tables_of(TARIFFS["goteborg"], alone_kw, 30, datetime(2023, 5, 1))
    place_min = 1440 + 12 * 60 + 30
    begun, _ = live(tables, place_min, np.zeros(0))
    assert begun["peaks_kw"][0].tolist() == [[5.0, 0.0, 6.0]]
    state = ("hour_kwh", "house_lowest_peak_kw", "house_hour_kwh")
    assert [begun[name][0].tolist() for name in state] == [2.0, [5.0], 2.0]
    for charge_kw, cost in ((2.0, 0.0), (4.0, 15.0)):
        _, results = live(tables, place_min, np.array([charge_kw]))
        assert results["power_cost"][0] == pytest.approx(cost, abs=1e-12)
        assert results["house_power_cost"][0] == 0.0
        assert results["power_term"][0] == pytest.approx(-cost, abs=1e-12)


def test_discharging_can_spare_the_house_its_peak() -> None:
    """The house alone draws 6 kW for an hour, with its cars 2: 60.00 are earned."""
    alone_kw = np.zeros((1, 672))
    alone_kw[0, 4:8] = 6.0
    tables = tables_of(TARIFFS["goteborg"], alone_kw, 60, datetime(2023, 5, 1))
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
        power_charge.sort_peaks(peaks_kw, count)
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
    """Each hour reads the row of its day; where any hours count, each is a span of its own."""
    calendar = local_calendar(monday.replace(tzinfo=ZoneInfo(zone)), zone, sum(hours) + 24)
    power = power_tables(TARIFFS["goteborg"], calendar, 2, 1)
    assert np.bincount(power.peak_rows).tolist() == [*hours, 24]
    assert power.house_peaks_kw.shape == (2, 8, 1, 3)
    begins = np.cumsum([0, *hours]).tolist()
    assert np.flatnonzero(power.opens).tolist() == begins
    assert power.opens[0] == power_charge.MONTH
    power = power_tables(TARIFFS["seom"], calendar, 2, 1)
    assert power.peak_rows.tolist() == list(range(sum(hours) + 24))
    assert (power.opens == power_charge.NOTHING).sum() == 0
