"""An invoice of each country's known tariffs, worked by hand in the comments.

Where nothing else is said the house draws 1 kW, so that a month's hours are its kWh, and the spot
price is the same at all times.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ev_gym.invoice import invoices, year_bill
from ev_gym.scenario import (
    CalledDays,
    Fee,
    PeakPrice,
    PeakRule,
    Price,
    ScenarioError,
    Share,
    Tariff,
    Weight,
)
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.scenario.when import WORKDAYS
from ev_gym.world.tariff_tables import import_prices, quarter_prices
from tests.support.worked_months import (
    always,
    house_of,
    idle_history,
    month_bill,
    worked_series,
)

STOCKHOLM, OSLO, BRUSSELS = "Europe/Stockholm", "Europe/Oslo", "Europe/Brussels"
WINTER = (1, 2, 3, 11, 12)


def peaks_on(*daily_kw: float, other_kw: float = 0.5, hour: int = 18) -> Any:
    """A load with one high hour on the 3rd, 4th, 5th and so on of each month."""

    def load_kw(local: datetime) -> float:
        day = local.day - 3
        return daily_kw[day] if 0 <= day < len(daily_kw) and local.hour == hour else other_kw

    return load_kw


# --- Sweden ---


def swedish_house(local: datetime) -> float:
    """1 kW but for Tuesday 18-19: 6 kW, Thursday 17-18: 7, 18-19: 8, Monday 21-22: 10, 23-24: 14.

    Of January 2026, from Tuesday the 20th on; 744 + 5 + 6 + 7 + 9 + 13 = 784 kWh.
    """
    peaks = {(20, 18): 6.0, (22, 17): 7.0, (22, 18): 8.0, (26, 21): 10.0, (26, 23): 14.0}
    return peaks.get((local.day, local.hour), 1.0)


def test_goteborg_2026() -> None:
    """49.00 x (14 + 8 + 6) / 3 = 457.33; 784 x 0.23 = 180.32; 2460.00 x 31 / 365 = 208.93.

    Energy tax 784 x 0.45 = 352.80; spot 784 x 0.625 = 490.00. Together 1689.38.
    """
    bill = month_bill(TARIFFS["goteborg-2026"], 2026, 1, STOCKHOLM, swedish_house, always(0.5))
    found = [1.25 * bill[item] for item in ("power", "transfer", "fees", "taxes", "spot")]
    assert found == pytest.approx([457.33333, 180.32, 208.93151, 352.80, 490.0], abs=1e-5)
    assert round(bill["total"], 2) == 1689.38


def test_ellevio_without_its_power_charge() -> None:
    """June 2026: 590.00 + 720 x (0.26 + 0.45 + 0.625) = 590.00 + 961.20, whatever the peaks."""
    tariff = TARIFFS["ellevio-2026-06"]
    bill = month_bill(tariff, 2026, 6, STOCKHOLM, always(1.0), always(0.5))
    assert bill["power"] == 0.0
    assert bill["total"] == pytest.approx(1551.20, abs=1e-9)


def test_sollentuna_2026() -> None:
    """145.00 x (8 + 6 + 1) / 3: on workdays 07-19, one hour a day, so not Thursday's 7."""
    bill = month_bill(TARIFFS["seom-2026"], 2026, 1, STOCKHOLM, swedish_house, always(0.5))
    assert 1.25 * bill["power"] == pytest.approx(725.0, abs=1e-9)


def test_a_villa_of_20_a_in_january() -> None:
    """A worked example of an operator that is not named, all with VAT.

    4845 x 31 / 365 = 411.49; 130 kWh at 11.38 ore 14.79 and 130 at 2.25 ore 2.93; the highest hour,
    5 kW, at 60.25: 301.25. Together 730.46 (the text adds rounded figures up).
    """
    high = {"from_time": "07:00", "to_time": "20:00", "weekdays": WORKDAYS, "months": WINTER}
    tariff = Tariff(
        energy=(),
        transfer=(Price(per_kwh=0.0225), Price(per_kwh=0.1138, **high)),
        fees=(Fee(amount=4845.0, per="year"),),
        peaks=(PeakRule(count=1, prices=(PeakPrice(per_kw=60.25),)),),
        export=(),
    )

    # 23 workdays of 13 high hours are 299; one has 5 kW. The other 445 hours are low.
    def load_kw(local: datetime) -> float:
        if local.weekday() < 5 and 7 <= local.hour < 20:
            return 5.0 if (local.day, local.hour) == (15, 18) else 125.0 / 298.0
        return 130.0 / 445.0

    bill = month_bill(tariff, 2025, 1, STOCKHOLM, load_kw, always(0.5))
    found = [bill[item] for item in ("fees", "transfer", "power")]
    assert found == pytest.approx([411.49315, 14.794 + 2.925, 301.25], abs=1e-5)
    assert round(bill["total"], 2) == 730.46


def test_dala_energi_s_two_power_charges() -> None:
    """In January 2026 workdays 07-20 count for one rule, all other hours for the other.

    High: Tuesday's 6, Thursday's 8 and 1, the mean 5, at 76; low: Monday's 14, 1 and 1, the mean
    5.3333, at 28: 380 + 149.3333. 3280 x 31 / 365 = 278.5753; 784 x 0.064 = 50.176. Together
    858.0847, with VAT 1072.61. Its holidays are Sundays: the 6th has no high hours.
    """
    high = {"from_time": "07:00", "to_time": "20:00", "weekdays": WORKDAYS, "months": WINTER}
    tariff = Tariff(
        holidays="SE",
        energy=(),
        transfer=(Price(per_kwh=0.064),),
        vat=(Share(share=0.25),),
        fees=(Fee(amount=3280.0, per="year"),),
        peaks=(
            PeakRule(
                weights=(Weight(factor=0.0), Weight(**high)), prices=(PeakPrice(per_kw=76.0),)
            ),
            PeakRule(weights=(Weight(factor=0.0, **high),), prices=(PeakPrice(per_kw=28.0),)),
        ),
        export=(),
    )

    def load_kw(local: datetime) -> float:
        return 50.0 if (local.day, local.hour) == (6, 12) else swedish_house(local)

    bill = month_bill(tariff, 2026, 1, STOCKHOLM, swedish_house, always(0.5))
    assert bill["power"] == pytest.approx(380.0 + 149.33333, abs=1e-5)
    assert round(bill["total"], 2) == 1072.61
    # On the 6th, Epiphany, 50 kW at noon count as low: (50 + 14 + 1) / 3 x 28.
    bill = month_bill(tariff, 2026, 1, STOCKHOLM, load_kw, always(0.5))
    assert bill["power"] == pytest.approx(380.0 + 65.0 / 3.0 * 28.0, abs=1e-5)


def test_halmstad_without_a_power_charge() -> None:
    """20 A: (372.73 + 784 x 0.072) x 1.25 = 536.47."""
    tariff = Tariff(energy=(), transfer=0.072, vat=0.25, fees=372.73, export=())  # type: ignore[arg-type]  # numbers stand for rows
    bill = month_bill(tariff, 2026, 1, STOCKHOLM, swedish_house, always(0.5))
    assert round(bill["total"], 2) == 536.47


# --- Norway ---


def test_bkk_s_printed_invoice_of_november_2025() -> None:
    """Its grid part, 696.28 kr: 255.03 + 181.68 + 415.00 + 230.94 + 18.43 - 404.80.

    709.157 kWh by day, 765.349 by night; peaks 6.776, 5.451 and 5.434 kW, whose mean 5.887 is on
    the step from 5 to 10. Of 933.128 kWh, all of the night and 167.779 of the day, the spot price
    was above 75 ore, by 43.381 / 1.25 / 0.9 = 38.561 in the mean. November 2025 has 20 workdays,
    320 hours by day: three peaks, 77 with support of which one makes up the sum, 240 others.
    """
    high = {3: 6.776, 4: 5.451, 5: 5.434}
    rest = 709.157 - sum(high.values())
    # 316 hours of a kW each and one of b: 316 a + b is the rest, 76 a + b what had support.
    a = (rest - 167.779) / 240.0
    b = 167.779 - 76.0 * a
    day_hours = [
        (day, hour)
        for day in range(1, 31)
        if datetime(2025, 11, day).weekday() < 5
        for hour in range(6, 22)
        if not (day in high and hour == 18)
    ]
    supported = set(day_hours[:77])

    def load_kw(local: datetime) -> float:
        here = (local.day, local.hour)
        if local.month != 11:
            return 0.0
        if local.day in high and local.hour == 18:
            return high[local.day]
        if here not in day_hours:
            return 765.349 / 400.0
        return b if here == day_hours[0] else a

    def spot(local: datetime) -> float:
        here = (local.day, local.hour)
        night = here not in day_hours and not (local.day in high and local.hour == 18)
        return 0.75 + 0.43381 / 1.25 / 0.9 if night or here in supported else 0.75

    bill = month_bill(TARIFFS["bkk-2025"], 2025, 11, OSLO, load_kw, spot)
    found = [1.25 * bill[item] for item in ("transfer", "power", "taxes", "credits")]
    # The printed prices are rounded to a thousandth of an ore, so the sums differ by some ore.
    assert found == pytest.approx([255.03 + 181.68, 415.00, 230.94 + 18.43, -404.80], abs=0.02)
    assert bill["import_kwh"] == pytest.approx(709.157 + 765.349, abs=1e-9)
    assert sum(found) == pytest.approx(696.28, abs=0.02)


@pytest.mark.parametrize(
    ("daily_kw", "kr"),
    [
        ((4.2, 3.8, 5.1), 250.0),  # a programmer's worked example: the mean is 4.37
        ((5.0, 5.0, 5.0), 415.0),  # on the limit is on the higher step
        ((5.0, 5.0, 4.999), 250.0),
        ((9.0,), 250.0),  # the other days have 0.5 kW: (9 + 0.5 + 0.5) / 3 is 3.33
        ((1.0,), 155.0),
    ],
)
def test_steps_of_bkk(daily_kw: tuple[float, ...], kr: float) -> None:
    """1488, 2400 and 3984 kr a year without VAT: 155, 250 and 415 a month with it."""
    load_kw = peaks_on(*daily_kw)
    bill = month_bill(TARIFFS["bkk-2025"], 2025, 11, OSLO, load_kw, always(0.5))
    assert 1.25 * bill["power"] == pytest.approx(kr, abs=1e-9)


def test_only_one_peak_of_a_day_counts() -> None:
    """Three hours of 9 kW on one day are one peak: (9 + 0.5 + 0.5) / 3 kW, so 250 kr."""

    def load_kw(local: datetime) -> float:
        return 9.0 if local.day == 12 and 17 <= local.hour < 20 else 0.5

    bill = month_bill(TARIFFS["bkk-2025"], 2025, 11, OSLO, load_kw, always(0.5))
    assert 1.25 * bill["power"] == pytest.approx(250.0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "support", "total"),
    [("elvia-2026", -154.008, 1176.306), ("elvia-norgespris-2026", -446.4, 810.816)],
)
def test_elvia_in_july_2026(name: str, support: float, total: float) -> None:
    """23 workdays of 16 hours: 368 x 0.2899 + 376 x 0.1699 = 170.5656; up to 2 kW 1440 / 12 = 120.

    Taxes 744 x (0.0713 + 0.01) = 60.4872; spot at 1 kr 744. Support is 0.9 x (1 - 0.77) = 0.207 a
    kWh, Norgespris 1 - 0.40 = 0.60. With 1.25 for VAT.
    """
    bill = month_bill(TARIFFS[name], 2026, 7, OSLO, always(1.0), always(1.0))
    found = [bill[item] for item in ("transfer", "power", "taxes", "spot", "credits")]
    assert found == pytest.approx([170.5656, 120.0, 60.4872, 744.0, support], abs=1e-9)
    assert bill["total"] == pytest.approx(total, abs=1e-9)


def test_norgespris_costs_where_spot_is_cheap() -> None:
    """At 10 ore a kWh costs 30 ore more than spot."""
    tariff = TARIFFS["bkk-norgespris-2025"]
    bill = month_bill(tariff, 2025, 11, OSLO, always(1.0), always(0.1))
    assert bill["credits"] == pytest.approx(720.0 * 0.3, abs=1e-9)


def test_support_ends_at_5000_kwh_of_a_month() -> None:
    """10 kW are 7,200 kWh in November: 5,000 x 0.9 x (1.75 - 0.75) = 4,500 without VAT."""
    bill = month_bill(TARIFFS["bkk-2025"], 2025, 11, OSLO, always(10.0), always(1.75))
    assert bill["credits"] == pytest.approx(-4500.0, abs=1e-6)
    # 320 hours by day: 3200 x 0.2877 + 4000 x 0.1899; on 10 kW exactly the step above: 5760 / 12.
    without = 3200 * 0.2877 + 4000 * 0.1899 + 480.0 + 7200 * (0.1253 + 0.01 + 1.75) - 4500.0
    assert bill["total"] == pytest.approx(1.25 * without, abs=1e-6)


# --- Denmark ---


@pytest.mark.parametrize(
    ("name", "year", "dkk"), [("radius-2026", 2026, 1.3482), ("n1-2025", 2025, 2.0439)]
)
def test_a_danish_kwh_at_18_in_november(name: str, year: int, dkk: float) -> None:
    """(0.955573 + 0.115 + 0.008) x 1.25 and 0.9751 + 1.25 x (0.135 + 0.720), each + 1.25 x spot."""
    first = datetime(year, 11, 2)
    dataset = worked_series(first, 1, "Europe/Copenhagen", "DKK", always(1.0), always(0.8))
    prices = import_prices(quarter_prices(TARIFFS[name], dataset))
    assert prices[18 * 4] == pytest.approx(dkk + 1.25 * 0.8, abs=5e-5)


def test_n1_in_november_2025() -> None:
    """Low 6 h x 30 = 180 kWh, peak 4 x 30 = 120, high 420, with VAT.

    180 x 0.1083 + 420 x 0.3250 + 120 x 0.9751 = 273.006; 720 x 0.855 x 1.25 = 769.50; spot 720 x
    0.625 = 450; subscription 400.30 x 30 / 365 = 32.90137.
    """
    bill = month_bill(TARIFFS["n1-2025"], 2025, 11, "Europe/Copenhagen", always(1.0), always(0.5))
    found = [1.25 * bill[item] for item in ("transfer", "taxes", "spot", "fees")]
    assert found == pytest.approx([273.006, 769.5, 450.0, 32.90137], abs=1e-5)
    assert bill["total"] == pytest.approx(1525.40737, abs=1e-5)


# --- Flanders ---


def test_a_year_of_antwerpen() -> None:
    """3,500 kWh and peaks of 4.26 kW: 210.44 + 176.76 + data 17.85 = 405.05, with 6 % VAT 429.36.

    With the earlier months' peaks alike, the mean over twelve months is the same.
    """
    tariff = replace(TARIFFS["fluvius-antwerpen-2026"], fees=(Fee(amount=17.85, per="year"),))
    rest_kw = (3500.0 - 12 * 4.26 / 4) / (8760.0 - 3.0)

    def load_kw(local: datetime) -> float:
        peak = (local.day, local.hour, local.minute) == (15, 18, 30)
        return 4.26 if peak else rest_kw

    dataset = worked_series(datetime(2026, 1, 1), 54, BRUSSELS, "EUR", load_kw, always(0.1))
    scenario = house_of(tariff, BRUSSELS, 365, 15)
    history = idle_history(scenario, dataset, "2026-01-01")
    bills = invoices(scenario, history, dataset, [4.26] * 11)
    parts = [bills[item].sum() for item in ("power", "transfer", "fees")]
    assert parts == pytest.approx([210.444, 176.75945, 17.85], abs=1e-6)
    assert round(1.06 * sum(parts), 2) == 429.36
    assert bills["shown_power"].sum() == pytest.approx(210.444, abs=1e-9)
    # Without earlier peaks, as in the first year of a meter: 11 + 10 + ... + 1 = 66 months of 2.5.
    new = invoices(scenario, history, dataset, [])
    shown = 49.40 / 12 * ((144 - 66) * 4.26 + 66 * 2.5) / 12
    assert new["shown_power"].sum() == pytest.approx(shown, abs=1e-9)
    year = year_bill(tariff, bills)
    assert (year.months, year.booked_ceiling, year.shown_ceiling) == (12, 0.0, 0.0)
    assert year.import_kwh == pytest.approx(3500.0, abs=1e-6)
    assert year.booked_total == pytest.approx(bills["total"].sum(), abs=1e-9)


def test_a_peak_below_the_floor_counts_as_the_floor() -> None:
    """2.425 kW are billed as 2.5: 49.40 / 12 x 2.5."""
    tariff = TARIFFS["fluvius-antwerpen-2026"]
    bill = month_bill(tariff, 2026, 3, BRUSSELS, always(2.425), always(0.1), 15)
    assert bill["power"] == pytest.approx(49.40 / 12 * 2.5, abs=1e-9)
    assert bill["shown_power"] == pytest.approx(bill["power"], abs=1e-9)


# --- Netherlands, Germany, Spain ---


def test_tibber_in_the_netherlands_in_june_2026() -> None:
    """720 kWh at spot 0.10: 720 x (0.121 + 0.018) = 100.08; tax 720 x 0.09161 x 1.21 = 79.81.

    Fee 6.99; credit 628.958 x 30 / 365 = 51.695. Together 135.1855.
    """
    bill = month_bill(
        TARIFFS["tibber-nl-2026"], 2026, 6, "Europe/Amsterdam", always(1.0), always(0.1)
    )
    assert 1.21 * (bill["spot"] + bill["markup"]) == pytest.approx(100.08, abs=1e-9)
    assert 1.21 * bill["taxes"] == pytest.approx(79.810632, abs=1e-9)
    assert 1.21 * bill["fees"] == pytest.approx(6.99 - 51.695178, abs=1e-6)
    assert bill["total"] == pytest.approx(135.185454, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "month", "transfer", "total"),
    [
        # 93 kWh low, 62 high, 589 standard: 93 x 0.0345 + 62 x 0.1084 + 589 x 0.0862 = 60.7011.
        # Taxes 744 x 0.06021 = 44.79624; spot 74.40; fee 3.99 / 1.19; module 1 -131.88 x 31 / 365.
        ("wanfried-module-3-2025", 1, 60.7011, 204.738922),
        # In July all is standard: 744 x 0.0862 = 64.1328.
        ("wanfried-module-3-2025", 7, 64.1328, 208.822645),
        # 744 x (0.1604 + 0.0862 + 0.06021) x 1.19.
        ("wanfried-fixed-2025", 1, 64.1328, 271.637302),
    ],
)
def test_wanfried(name: str, month: int, transfer: float, total: float) -> None:
    bill = month_bill(TARIFFS[name], 2025, month, "Europe/Berlin", always(1.0), always(0.1))
    assert bill["transfer"] == pytest.approx(transfer, abs=1e-9)
    assert bill["total"] == pytest.approx(total, abs=1e-5)


def test_spain_in_december_2025() -> None:
    """Of 23 workdays the 8th and the 25th are holidays: 21 x 8 = 168 kWh each in P1 and P2.

    168 x 0.09755 + 168 x 0.02927 + 408 x 0.00329 = 22.64808; spot 44.64; power 4.6 x 27.631018 x 31
    / 365 = 10.79502; tax 5.11269632 % of these, 3.99215; meter 0.81; VAT 21 %.
    """
    bill = month_bill(
        TARIFFS["spain-2.0td-2025"], 2025, 12, "Europe/Madrid", always(1.0), always(0.06)
    )
    found = [bill[item] for item in ("transfer", "spot", "contracts", "levy", "fees")]
    assert found == pytest.approx([22.64808, 44.64, 10.795022, 3.992152, 0.81], abs=1e-5)
    assert bill["total"] == pytest.approx(100.291158, abs=1e-5)


def test_spanish_power_of_4_6_kw_and_30_days() -> None:
    """P1 26.933256 x 4.6 x 30 / 365 = 10.18, P2 0.697762 x 4.6 x 30 / 365 = 0.26: 10.44."""
    tariff = TARIFFS["spain-2.0td-2025"]
    bill = month_bill(tariff, 2025, 11, "Europe/Madrid", always(1.0), always(0.06))
    p1, p2 = (row.kw * row.per_kw_year * 30 / 365 for row in tariff.contracts[:2])
    assert round(p1, 2) + round(p2, 2) == pytest.approx(10.44, abs=1e-9)
    assert bill["contracts"] == pytest.approx(p1 + p2, abs=1e-9)


def test_good_friday_is_no_holiday_of_the_spanish_tariff() -> None:
    """It has no fixed date: P1 at noon on 3 April 2026, as on any Friday; P3 on 1 May."""
    tariff = TARIFFS["spain-2.0td-2025"]
    dataset = worked_series(
        datetime(2026, 3, 30), 5, "Europe/Madrid", "EUR", always(1.0), always(0.0)
    )
    transfer = quarter_prices(tariff, dataset).transfer
    noon = [transfer[(day * 24 + 12) * 4] for day in (4, 32)]
    assert noon == pytest.approx([0.09755, 0.00329], abs=1e-12)


# --- France, United Kingdom, Finland, Austria ---


def test_french_hours() -> None:
    """November 2025, with VAT: 240 kWh x 0.1635 + 480 x 0.2081 = 139.128."""
    tariff = TARIFFS["edf-hp-hc-2025"]
    bill = month_bill(tariff, 2025, 11, "Europe/Paris", always(1.0), always(0.1))
    assert bill["total"] == pytest.approx(139.128, abs=1e-9)


def test_a_tempo_day_lasts_from_06_to_06() -> None:
    """January 2026 with the 6th red and the 8th white; each day has 16 peak hours and 8 others.

    Blue 464 x 0.1494 + 232 x 0.1232, red 16 x 0.6468 + 8 x 0.1460, white 16 x 0.1730 + 8 x 0.1391:
    113.3016. At 03 on the 6th it is still blue, at 03 on the 7th still red.
    """
    days = (
        CalledDays(name="white", days="2026-01-08", begins="06:00"),
        CalledDays(name="red", days="2026-01-06", begins="06:00"),
    )
    tariff = replace(TARIFFS["edf-tempo-2025"], called_days=days)
    bill = month_bill(tariff, 2026, 1, "Europe/Paris", always(1.0), always(0.1))
    assert bill["total"] == pytest.approx(113.3016, abs=1e-9)
    dataset = worked_series(
        datetime(2026, 1, 5), 1, "Europe/Paris", "EUR", always(1.0), always(0.1)
    )
    prices = import_prices(quarter_prices(tariff, dataset))
    assert prices[(24 + 3) * 4] == pytest.approx(0.1232, abs=1e-12)
    assert prices[(48 + 3) * 4] == pytest.approx(0.1460, abs=1e-12)


@pytest.mark.parametrize("days", [None, "2024-01-06", "2027-01-06 2027-02-01"])
def test_tempo_without_its_days_is_refused(days: str | None) -> None:
    """So that nobody pays blue days all year without having said so."""
    white = CalledDays(name="white", days="2026-01-08", begins="06:00")
    red = CalledDays(name="red", days=days, begins="06:00")
    tariff = replace(TARIFFS["edf-tempo-2025"], called_days=(white, red))
    with pytest.raises(ScenarioError, match=r"CalledDays.days of 'red' is .*; allowed: days that"):
        month_bill(tariff, 2026, 1, "Europe/Paris", always(1.0), always(0.1))


@pytest.mark.parametrize(
    ("month", "spot", "total"),
    [
        # June 2026: 630 kWh x 2.2 x 0.10 + 90 x (0.22 + 0.12) = 169.20, with 5 % VAT 177.66.
        (6, 0.10, 177.66),
        # 2.2 x 0.60 is above the cap: 100 p a kWh with 5 % VAT, and with none from October on.
        (9, 0.60, 720.0),
        (10, 0.60, 745.0),
    ],
)
def test_agile(month: int, spot: float, total: float) -> None:
    """October has 745 hours."""
    tariff = TARIFFS["octopus-agile-2026"]
    load_kw = always(1.0)
    bill = month_bill(tariff, 2026, month, "Europe/London", load_kw, always(spot))
    assert bill["total"] == pytest.approx(total, abs=1e-6)


def test_go_begins_on_the_half_hour() -> None:
    """1 kWh before 00:30 at 28 p and 1 kWh after it at 8.5 p, on an hourly market: 36.5 p a day."""

    def load_kw(local: datetime) -> float:
        return 2.0 if local.hour == 0 else 0.0

    tariff = TARIFFS["octopus-go-2026"]
    bill = month_bill(tariff, 2026, 6, "Europe/London", load_kw, always(0.1), 15)
    assert bill["total"] == pytest.approx(30 * 0.365, abs=1e-9)

    def until_half_past(local: datetime) -> float:
        return 2.0 if local.hour == 0 and local.minute < 30 else 0.0

    bill = month_bill(tariff, 2026, 6, "Europe/London", until_half_past, always(0.1), 15)
    assert bill["total"] == pytest.approx(30 * 0.28, abs=1e-9)


def test_finland_in_november_2025() -> None:
    """450 x 0.0347 + 270 x 0.0116 = 18.747; tax 16.2216; spot 36.00; fee 24.38; VAT 25.5 %."""
    tariff = TARIFFS["issoy-time-2024"]
    bill = month_bill(tariff, 2025, 11, "Europe/Helsinki", always(1.0), always(0.05))
    found = [bill[item] for item in ("transfer", "taxes", "spot", "fees")]
    assert found == pytest.approx([18.747, 16.2216, 36.0, 24.38], abs=1e-9)
    assert bill["total"] == pytest.approx(119.662493, abs=1e-6)
    general = month_bill(
        TARIFFS["issoy-general-2024"], 2025, 11, "Europe/Helsinki", always(1.0), always(0.05)
    )
    assert general["total"] == pytest.approx(
        1.255 * (720 * (0.0318 + 0.02253 + 0.05) + 14.20), abs=1e-9
    )


def test_vienna_by_day_in_summer() -> None:
    """July 2026: 186 x 0.06816 + 558 x 0.0852 = 60.21936; tax 0.744; spot 59.52; VAT 20 %."""
    bill = month_bill(TARIFFS["wien-2026"], 2026, 7, "Europe/Vienna", always(1.0), always(0.08))
    assert bill["transfer"] == pytest.approx(60.21936, abs=1e-9)
    assert bill["total"] == pytest.approx(144.580032, abs=1e-9)
    january = month_bill(TARIFFS["wien-2026"], 2026, 1, "Europe/Vienna", always(1.0), always(0.08))
    assert january["transfer"] == pytest.approx(744 * 0.0852, abs=1e-9)


# --- all ---


@pytest.mark.parametrize("name", TARIFFS)
def test_every_known_tariff_says_where_it_is_from(name: str) -> None:
    """Source, the year in its name, and VAT but where prices say otherwise."""
    tariff = TARIFFS[name]
    assert tariff.name == name
    assert tariff.source
    assert any(name.endswith((f"-{year}", f"-{year}-06")) for year in range(2020, 2027))
    assert len(tariff.vat) >= 1
