"""Worked invoices of a month to the oere, and the steps of any episode against its invoices.

In the worked month the house draws 1 kW but for these hours, from the first Tuesday after the 13th

    Tuesday   18-19: 6 kW        Monday  21-22: 10 kW
    Thursday  17-18: 7 kW                23-24: 14 kW
              18-19: 8 kW

by the local clock. With its 31 days, none of them 23 or 25 hours long, it has 744 hours and takes
744 + 5 + 6 + 7 + 9 + 13 = 784 kWh. At a spot price of 0.50, 0.625 with VAT, they cost 490.00, and
the energy tax of 2025 of 54.875 ore with VAT adds 430.22.
"""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.invoice import COLUMNS, invoices, year_bill
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import (
    Charger,
    Driving,
    Household,
    PeakPrice,
    PeakRule,
    Price,
    Scenario,
    Share,
    Tariff,
    Vehicle,
)
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from tests.support.power_charge_by_rule import by_the_rule
from tests.support.small_series import STOCKHOLM, local_times, series
from tests.support.tariffs import peak_rule, vat_of
from tests.support.worked_months import house_of, idle_history, worked_series

SWEDISH = ("ellevio-2025", "goteborg-2025", "vattenfall-time-2025", "seom-2020")
PEAKS_KW = {(0, 18): 6.0, (2, 17): 7.0, (2, 18): 8.0, (6, 21): 10.0, (6, 23): 14.0}

# A car at home all day that takes 7 kW without a loss and is never full.
CAR = Vehicle(battery_kwh=500.0, eta=1.0, aux_kw=0.0, chemistry=None, wanted_soc=0.0, min_soc=0.0)
AT_HOME = Driving(pattern="daily", arrival_h=0.0, departure_h=24.0, trip_km=0.0)
ON_OR_OFF = Charger(levels_kw=(0.0, 7.0), load_management=False)


def at_spot_less(fee: float) -> tuple[Price, ...]:
    """What an exported kWh earns."""
    return (Price(spot_factor=1.0, per_kwh=-fee),)


def worked_month(year: int, month: int, spot_per_kwh: float = 0.5) -> Dataset:
    """Six weeks from the last Monday before the month on."""
    first = datetime(year, month, 1)
    monday = first - timedelta(days=first.weekday())
    tuesday = next(d for d in range(14, 21) if datetime(year, month, d).weekday() == 1)
    drawn = {(month, tuesday + day, hour): kw for (day, hour), kw in PEAKS_KW.items()}
    bare = Dataset(
        start=monday.replace(tzinfo=STOCKHOLM),
        zone="Europe/Stockholm",
        load_kw=np.ones((1, 6 * 672)),
        price_per_kwh=np.full(6 * 168, spot_per_kwh),
        temperature_c=np.zeros(6 * 168),
    )
    load_kw = [drawn.get((t.month, t.day, t.hour), 1.0) for t in local_times(bare, 6 * 168)]
    return dataclasses.replace(bare, load_kw=np.repeat(load_kw, 4)[np.newaxis])


def sunny(weeks: int, monday: datetime) -> Dataset:
    """Random series under a clear sky."""
    return dataclasses.replace(series(weeks, monday=monday), clearness=np.ones(168 * weeks))


def household(tariff: Tariff, days: int = 31, step_min: int = 60) -> Scenario:
    """A house of the data set's load, with that car."""
    return Scenario(
        household=Household(annual_kwh=None),
        charger=ON_OR_OFF,
        vehicles=(CAR,),
        driving=AT_HOME,
        tariff=tariff,
        days=days,
        start_hour=0,
        time_step_min=step_min,
    )


def history_of(
    scenario: Scenario, dataset: Dataset, start: str, charge: tuple[str, ...] = ()
) -> Any:
    """The history of an episode in which the car charges in those hours only."""
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=0, options={"start": start, "soc": 0.1, "house": 0})
    first = datetime.fromisoformat(start).replace(tzinfo=STOCKHOLM)
    for n in range(scenario.horizon_steps):
        local = (first + timedelta(minutes=n * scenario.time_step_min)).isoformat()[:13]
        env.step(np.full(1, float(local in charge), np.float32))
    return env.history


def to_ore(amount: float) -> str:
    """Rounded to the oere, halves up, after the noise of the last bits is cut off."""
    return str(Decimal(f"{amount:.9f}").quantize(Decimal("0.01"), ROUND_HALF_UP))


# Tariff, year, month; total; fixed fee, transfer, power charge, energy tax, each with VAT.
WORKED = [
    # 784 x 0.0625 = 49.00. The 14 kW are drawn at night and count as 7, so Monday's peak is 10, and
    # Thursday has one peak: 81.25 x (10 + 8 + 6) / 3 = 650.00. 365 + 49 + 650 + 430.22 + 490.
    ("ellevio-2025", 2025, 1, "1984.22", (365.0, 49.0, 650.0, 430.22)),
    # 784 x 0.25 = 196.00; nights count in full: 45 x (14 + 8 + 6) / 3 = 420.00.
    ("goteborg-2025", 2025, 1, "1721.22", (185.0, 196.0, 420.0, 430.22)),
    # 23 workdays of 16 high hours: 368 kWh, and 5 + 6 + 7 + 9 of the peaks: 395 x 0.67 = 264.65;
    # the other 389 x 0.268 = 104.252. Together 368.902; the total is 1877.872.
    ("vattenfall-time-2025", 2025, 1, "1877.87", (588.75, 368.902, 0.0, 430.22)),
    # In July all is low: 784 x 0.268 = 210.112.
    ("vattenfall-time-2025", 2025, 7, "1719.08", (588.75, 210.112, 0.0, 430.22)),
    # 784 x 0.39 = 305.76.
    ("vattenfall-flat-2025", 2025, 1, "1814.73", (588.75, 305.76, 0.0, 430.22)),
    # The tax of 2024 is 53.5 ore with VAT, 784 x 0.535 = 419.44; that of 2026 45 ore, 352.80.
    ("vattenfall-flat-2025", 2024, 1, "1803.95", (588.75, 305.76, 0.0, 419.44)),
    ("vattenfall-flat-2025", 2026, 1, "1737.31", (588.75, 305.76, 0.0, 352.80)),
    # Weekdays 07-19 only, and two hours may be Thursday's: 111.50 x (8 + 7 + 6) / 3 = 780.50.
    ("seom-2020", 2025, 1, "1828.22", (127.5, 0.0, 780.5, 430.22)),
    # In July half the price, 55.75: 390.25.
    ("seom-2020", 2025, 7, "1437.97", (127.5, 0.0, 390.25, 430.22)),
]


@pytest.mark.parametrize(("name", "year", "month", "total", "parts"), WORKED)
def test_a_worked_invoice_to_the_ore(
    name: str, year: int, month: int, total: str, parts: tuple[float, ...]
) -> None:
    """Every item without VAT, a fifth of their sum as VAT, and the total."""
    scenario, dataset = household(TARIFFS[name]), worked_month(year, month)
    bill = invoices(scenario, history_of(scenario, dataset, f"{year}-{month:02}-01"), dataset)
    assert bill.index.astype(str).tolist() == [f"{year}-{month:02}"]
    found = [1.25 * bill[item].iloc[0] for item in ("fees", "transfer", "power", "taxes")]
    assert found == pytest.approx(parts, abs=1e-9)
    assert 1.25 * bill["spot"].iloc[0] == pytest.approx(490.0, abs=1e-9)
    assert bill["export"].iloc[0] == 0.0
    assert bill["vat"].iloc[0] == pytest.approx((sum(parts) + 490.0) / 5.0, abs=1e-9)
    assert to_ore(bill["total"].iloc[0]) == to_ore(bill["house_total"].iloc[0]) == total


@pytest.mark.parametrize("step_min", [60] if INTERPRETED else [5, 15, 30, 60])
def test_a_worked_invoice_with_a_car(step_min: int) -> None:
    """14 kWh at (0.0625 + 0.54875 + 0.625) = 1.23625 are 17.3075, whatever the length of the step.

    With the house's 1 kW, 7 kW make an hour of 8: on Tuesday at 22 it counts half, as 4, below that
    day's 6; on Saturday the 18th it beats Tuesday's 6: 81.25 x 2 / 3 = 54.1667. Together 71.474 on
    top of the house's 1984.22.
    """
    scenario, dataset = household(TARIFFS["ellevio-2025"], step_min=step_min), worked_month(2025, 1)
    charge = ("2025-01-14T22", "2025-01-18T12")
    bill = invoices(scenario, history_of(scenario, dataset, "2025-01-01", charge), dataset)
    assert to_ore(bill["house_total"].iloc[0]) == "1984.22"
    assert to_ore(bill["total"].iloc[0]) == "2055.69"
    charging = bill["total"].iloc[0] - bill["house_total"].iloc[0]
    assert charging == pytest.approx(17.3075 + 81.25 * 2.0 / 3.0, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "power"),
    [
        ({"peaks": peak_rule(36.0, 1)}, 630.0),  # 45 x 14
        ({"peaks": peak_rule(36.0, 2)}, 495.0),  # 45 x (14 + 8) / 2
        ({"peaks": peak_rule(36.0, different_days=False)}, 480.0),  # 45 x (14 + 10 + 8) / 3
        ({"vat": ()}, 336.0),  # 36 x 28 / 3
    ],
)
def test_worked_power_charges_of_other_rules(changes: dict[str, Any], power: float) -> None:
    """Goteborg's price on another number of peaks, on any hours, and without VAT."""
    tariff = dataclasses.replace(TARIFFS["goteborg-2025"], **changes)
    scenario, dataset = household(tariff), worked_month(2025, 1)
    bill = invoices(scenario, history_of(scenario, dataset, "2025-01-01"), dataset)
    assert (1.0 + vat_of(tariff)) * bill["power"].iloc[0] == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize(
    ("start", "before_kw"),
    [
        ("2025-01-16", 6.0 + 1.0 + 1.0),  # Thursday at midnight: Tuesday's 6 kW and two more days
        ("2025-01-16T18:30", 7.0 + 6.0 + 1.0),  # half of its hour of 8 kW: 4, below the 7 before it
    ],
)
def test_an_episode_that_begins_within_the_month(start: str, before_kw: float) -> None:
    """It adds what the month's 24 kW of peaks are more than those of the house until then."""
    scenario = household(TARIFFS["ellevio-2025"], days=10, step_min=30)
    dataset = worked_month(2025, 1)
    bill = invoices(scenario, history_of(scenario, dataset, start), dataset)
    added = 81.25 * (24.0 - before_kw) / 3.0
    assert 1.25 * bill["power"].iloc[0] == pytest.approx(added, abs=1e-9)


def july_with_sun(dataset: Dataset) -> pd.DataFrame:
    """A history of the worked July, as an env's: 3 kW of sun from 10 to 14 every day."""
    times = local_times(dataset, 6 * 168)
    inside = np.array([time.month == 7 for time in times])
    sun_kw = np.array([3.0 if 10 <= time.hour < 14 else 0.0 for time in times])[inside]
    load_kw = dataset.load_kw[0, ::4][inside]
    columns = {
        "now_min": 60 * np.flatnonzero(inside),
        "load_kw": load_kw,
        "pv_kw": sun_kw,
        "grid_kw": load_kw - sun_kw,
        "charge_kw": np.zeros(load_kw.size),
    }
    zeros = ("energy_cost", "power_cost", "house_cost", "house_power_cost")
    return pd.DataFrame({**columns, **{name: np.zeros(load_kw.size) for name in zeros}})


def test_export_netted_and_not() -> None:
    """Spot 0.30 (0.375 with VAT), 0.39 of transfer, 0.54875 of tax: 1.31375 a kWh; sold for 0.27.

    Of the 31 x 4 sunny hours, netted, each sells 2 kWh and buys none: 248 sold, 784 - 124 = 660
    bought. 588.75 + 660 x 1.31375 - 248 x 0.27 = 588.75 + 867.075 - 66.96 = 1388.865. In full, 372
    are sold and 784 bought: 588.75 + 1029.98 - 100.44 = 1518.29.
    """
    dataset = worked_month(2025, 7, spot_per_kwh=0.30)
    for netting, total, sold in (("step", "1388.87", 66.96), ("none", "1518.29", 100.44)):
        tariff = dataclasses.replace(
            TARIFFS["vattenfall-flat-2025"], export=at_spot_less(0.03), netting=netting
        )
        bill = invoices(household(tariff), july_with_sun(dataset), dataset).iloc[0]
        assert bill["export"] == pytest.approx(-sold, abs=1e-9)
        assert to_ore(bill["total"]) == total


@pytest.mark.parametrize("name", SWEDISH)
@pytest.mark.parametrize("netting", ["step", "none", "hour", "month", "year"])
def test_the_steps_of_any_episode_add_up_to_its_invoices(name: str, netting: str) -> None:
    """Sun, two cars that charge and discharge, the end of a month and the end of summer time."""
    tariff = dataclasses.replace(TARIFFS[name], netting=netting, export=at_spot_less(0.04))
    changes = {
        "vehicles": [{}, {}],
        "charger": {"bidirectional": True},
        "solar": {"peak_kw": 10.0},
        "tariff": tariff,
        "days": 16,
        "start_hour": 0,
        "time_step_min": 30,
    }
    scenario, dataset = Scenario.from_dict(changes), sunny(4, datetime(2023, 10, 16))
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=3, options={"start": "2023-10-20", "house": 1})
    env.action_space.seed(3)
    for _ in range(scenario.horizon_steps):
        env.step(env.action_space.sample())
    history = env.history
    bills = invoices(scenario, history, dataset)
    assert bills.index.astype(str).tolist() == ["2023-10", "2023-11"]
    month = history.index.tz_localize(None).to_period("M")
    fixed = 1.25 * tariff.fees[0].amount
    for column, costs in (
        ("total", ("energy", "power")),
        ("house_total", ("house", "house_power")),
    ):
        for label, bill in bills.iterrows():
            own = history[month == label]
            steps = math.fsum(math.fsum(own[f"{cost}_cost"]) for cost in costs)
            assert bill[column] == pytest.approx(steps + fixed, abs=1e-9)
    if netting in ("step", "none", "hour"):
        assert (bills["export"].abs() > 1.0).all()
    charging = (bills["total"] - bills["house_total"]).sum()
    terms = history["energy_term"] + history["power_term"]
    assert charging == pytest.approx(-math.fsum(terms), abs=1e-9)


def test_the_power_charge_of_an_episode_is_the_rule_applied_to_its_imports() -> None:
    """With sun and discharging: what is exported does not lower an hour."""
    changes = {
        "charger": {"bidirectional": True},
        "solar": {"peak_kw": 6.0},
        "tariff": TARIFFS["ellevio-2025"],
        "days": 28,
        "start_hour": 0,
    }
    scenario, first = Scenario.from_dict(changes), datetime(2023, 5, 1)
    dataset = sunny(5, first)
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=3, options={"start": "2023-05-01"})
    env.action_space.seed(3)
    for _ in range(scenario.horizon_steps):
        env.step(env.action_space.sample())
    imports = env.history["grid_kw"].clip(lower=0.0).to_numpy() / 4.0
    expected = by_the_rule(scenario.tariff, imports, 15, first)[2023, 5]
    bill = invoices(scenario, env.history, dataset)
    assert 1.25 * bill["power"].iloc[0] == pytest.approx(expected, abs=1e-9)


def test_where_series_wrap_a_new_invoice_begins() -> None:
    """The last days of a series of January and February, then its first days, which are January."""
    dataset = series(8, monday=datetime(2024, 1, 1))
    scenario = household(TARIFFS["ellevio-2025"], days=6)
    history = history_of(scenario, dataset, "2024-02-22")
    bills = invoices(scenario, history, dataset)
    assert bills.index.astype(str).tolist() == ["2024-02", "2024-01"]
    steps = history["energy_cost"] + history["power_cost"]
    expected = [math.fsum(steps[:96]) + 365.0, math.fsum(steps[96:]) + 365.0]
    assert bills["total"].tolist() == pytest.approx(expected, abs=1e-9)
    first_days_kwh = dataset.load_kw[0, : 2 * 96] / 4.0
    peaks = by_the_rule(scenario.tariff, first_days_kwh, 15, datetime(2024, 1, 1))
    assert history["house_power_cost"][96:].sum() == pytest.approx(peaks[2024, 1], abs=1e-9)


def test_the_scenario_s_own_series_are_the_default() -> None:
    """As with an env that was made by a scenario alone."""
    env = EVChargingEnv({"preset": "classic", "tariff": {"fees": 100.0}})
    env.reset(seed=0)
    for _ in range(96):
        env.step(np.ones(1, np.float32))
    bill = invoices(env.scenario, env.history).iloc[0]
    assert bill["total"] == pytest.approx(math.fsum(env.history["energy_cost"]) + 100.0, abs=1e-9)
    assert bill["spot"] == pytest.approx(bill["total"] - 100.0, abs=1e-9)


def test_a_history_that_lacks_a_column_is_refused() -> None:
    """The message names it."""
    history = july_with_sun(worked_month(2025, 7))
    for column in (*COLUMNS, "charge_kw"):
        with pytest.raises(DataError, match=f"history has no column {column}; allowed: an env's"):
            invoices(household(Tariff()), history.drop(columns=column), worked_month(2025, 7))


def test_an_empty_history_has_no_invoices() -> None:
    """A frame without rows, with the columns of any other."""
    history = july_with_sun(worked_month(2025, 7))[:0]
    bills = invoices(household(Tariff()), history, worked_month(2025, 7))
    assert bills.shape == (0, 17)


# --- what is shown beside what is booked, and a year's ceiling ---

# The house's peaks by month, kW; in all other hours it draws 1 kW.
MONTHLY_KW = (9.0, 8.0, 2.0, 5.5, 3.0, 2.0, 2.0, 4.0, 6.0, 5.0, 7.5, 8.5)
TWELFTHS = PeakRule(count=1, floor_kw=2.5, invoice_months=12, prices=(PeakPrice(per_kw=4.0),))
PAID_IN_TWELFTHS = Tariff(vat=(Share(share=0.06),), peaks=(TWELFTHS,))


def years_of_peaks(weeks: int) -> Dataset:
    """From Monday 30 December 2024 on, the same peaks in each year, on the 15th at 18."""

    def load_kw(local: datetime) -> float:
        return MONTHLY_KW[local.month - 1] if (local.day, local.hour) == (15, 18) else 1.0

    first = datetime(2024, 12, 30)
    return worked_series(first, weeks, "Europe/Stockholm", "SEK", load_kw, lambda local: 0.5)


def test_in_a_year_repeated_for_ever_booked_and_shown_are_equal() -> None:
    """The second of two equal years: each peak is booked once, and shown in twelve twelfths.

    The earlier months are found in the series, of the house alone. Peaks of 2.0 kW count as 2.5:
    9 + 8 + 2.5 + 5.5 + 3 + 2.5 + 2.5 + 4 + 6 + 5 + 7.5 + 8.5 = 64 kW at 4.00.
    """
    dataset = years_of_peaks(106)
    scenario = house_of(PAID_IN_TWELFTHS, "Europe/Stockholm", 365)
    bills = invoices(scenario, idle_history(scenario, dataset, "2026-01-01"), dataset)
    assert bills["power"].tolist() == pytest.approx(
        [4.0 * max(2.5, kw) for kw in MONTHLY_KW], abs=1e-9
    )
    assert bills["shown_power"].tolist() == pytest.approx([4.0 * 64.0 / 12.0] * 12, abs=1e-9)
    year = year_bill(PAID_IN_TWELFTHS, bills)
    assert year.booked_total == pytest.approx(year.shown_total, abs=1e-9)
    assert year.booked_total == pytest.approx(bills["total"].sum(), abs=1e-9)


def test_the_first_months_of_a_meter() -> None:
    """What is before the series counts as the floor; days of December 2024 had 1 kW.

    January shows (9 + 11 x 2.5) / 12, February (9 + 8 + 10 x 2.5) / 12. Given months count instead:
    with 6 kW in December (9 + 6 + 10 x 2.5) / 12. The total moves with it, with VAT.
    """
    dataset = years_of_peaks(20)
    scenario = house_of(PAID_IN_TWELFTHS, "Europe/Stockholm", 59)
    history = idle_history(scenario, dataset, "2025-01-01")
    bills = invoices(scenario, history, dataset)
    shown = [4.0 * (9 + 11 * 2.5) / 12, 4.0 * (9 + 8 + 10 * 2.5) / 12]
    assert bills["shown_power"].tolist() == pytest.approx(shown, abs=1e-9)
    less = 1.06 * (bills["power"] - bills["shown_power"])
    assert (bills["total"] - less).tolist() == pytest.approx(bills["shown_total"].tolist())
    given = invoices(scenario, history, dataset, [6.0])
    assert given["shown_power"].iloc[0] == pytest.approx(4.0 * (9 + 6 + 25) / 12, abs=1e-9)


def test_a_mean_over_months_of_an_episode_that_begins_within_one() -> None:
    """From the 20th on January's 9 kW, on the 15th, still are its peak; nothing is added."""
    dataset = years_of_peaks(20)
    scenario = house_of(PAID_IN_TWELFTHS, "Europe/Stockholm", 20)
    bills = invoices(scenario, idle_history(scenario, dataset, "2025-01-20"), dataset)
    above = 4.0 * (9.0 + 11 * 2.5) / 12 - 4.0 * 9.0
    assert bills["shown_power"].iloc[0] == pytest.approx(bills["power"].iloc[0] + above, abs=1e-9)


def test_a_mean_over_months_needs_the_house_s_series() -> None:
    """A history of another load is refused with the difference."""
    dataset = years_of_peaks(20)
    scenario = house_of(PAID_IN_TWELFTHS, "Europe/Stockholm", 20)
    history = idle_history(scenario, dataset, "2025-01-20")
    with pytest.raises(DataError, match=r"load_kw is that of no house .* 0.25 kW away\); allowed"):
        invoices(scenario, history.assign(load_kw=history["load_kw"] + 0.25), dataset)


@pytest.mark.parametrize(
    ("interval_min", "step_min"), [(15, 5), (15, 15), (60, 5), (60, 15), (60, 30), (60, 60)]
)
@pytest.mark.parametrize("netting", ["none", "step"])
def test_a_mean_over_months_of_a_net_load(interval_min: int, step_min: int, netting: str) -> None:
    """Of two houses that export at noon the second is found by what it imports.

    It feeds in 3 kW from 11 to 12, and 1 kW from 13:15 to 13:30; else it takes 1 kW, and the other
    one half a kW. Peaks are those of `years_of_peaks`. A quarter-hour's export is set off within
    steps of 30 or 60 minutes.
    """

    def net_kw(time: pd.Timestamp, usual_kw: float) -> float:
        if time.hour == 11:
            return -3.0
        if time.hour == 13 and time.minute == 15:
            return -1.0
        peak = (time.day, time.hour) == (15, 18)
        return MONTHLY_KW[time.month - 1] if peak else usual_kw

    whole = years_of_peaks(20)
    clock = pd.date_range(whole.start, periods=whole.load_kw.shape[1], freq="15min")
    local = clock.tz_convert("Europe/Stockholm")
    loads_kw = np.array([[net_kw(time, usual) for time in local] for usual in (0.5, 1.0)])
    dataset = dataclasses.replace(whole, load_kw=loads_kw, net_load=True)
    rule = dataclasses.replace(TWELFTHS, interval_min=interval_min)
    tariff = dataclasses.replace(PAID_IN_TWELFTHS, peaks=(rule,), netting=netting)
    plain = house_of(tariff, "Europe/Stockholm", 59, step_min)
    household = dataclasses.replace(plain.household, net_load=True)
    scenario = dataclasses.replace(plain, household=household)
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=0, options={"start": "2025-01-01", "soc": 0.5, "house": 1})
    over = False
    while not over:
        _, _, _, over, _ = env.step(np.zeros(1, np.float32))
    assert env.history["pv_kw"].max() == pytest.approx(3.0)
    assert env.history["grid_kw"].min() == pytest.approx(-3.0)
    bills = invoices(scenario, env.history, dataset)
    shown = [4.0 * (9 + 11 * 2.5) / 12, 4.0 * (9 + 8 + 10 * 2.5) / 12]
    assert bills["shown_power"].tolist() == pytest.approx(shown, abs=1e-9)
    # 1 kW but in the two hours of export and the peak's; a step of 30 or 60 minutes sets off.
    noon = {5: 0.75, 15: 0.75, 30: 0.5, 60: 0.5}[step_min]
    imported = [31 * (22 + noon) + 8.0, 28 * (22 + noon) + 7.0]
    assert bills["import_kwh"].tolist() == pytest.approx(imported, abs=1e-6)


def test_a_ceiling_is_settled_on_the_year() -> None:
    """744 + 672 kWh and 8 + 7 of peaks are 1,431: transfer at 0.10 costs 143.10, peaks 68.

    At most 0.12 a kWh are 171.72, so 211.10 - 171.72 = 39.38 are too much, with VAT 41.7428. Shown
    are other peaks, 4 x (36.5 + 42) / 12 = 26.1667: 169.2667 is below the ceiling. A ceiling of
    0.01 leaves what peaks cost at their floor, 2 x 10.
    """
    dataset = years_of_peaks(20)
    history = None
    for ceiling, booked, shown in (
        (0.12, 39.38, 0.0),
        (0.01, 143.10 + 68.0 - 20.0, 143.10 + 26.1666667 - 20.0),
        (None, 0.0, 0.0),
    ):
        tariff = dataclasses.replace(
            PAID_IN_TWELFTHS, transfer=(Price(per_kwh=0.10),), network_ceiling_per_kwh=ceiling
        )
        scenario = house_of(tariff, "Europe/Stockholm", 59)
        history = idle_history(scenario, dataset, "2025-01-01") if history is None else history
        bills = invoices(scenario, history, dataset)
        year = year_bill(tariff, bills)
        assert (year.months, year.import_kwh) == (2, pytest.approx(1431.0, abs=1e-9))
        assert -year.booked_ceiling == pytest.approx(1.06 * booked, abs=1e-6)
        assert -year.shown_ceiling == pytest.approx(1.06 * shown, abs=1e-6)
        assert year.booked_total == pytest.approx(bills["total"].sum() - 1.06 * booked, abs=1e-6)
        assert year.shown_total == pytest.approx(
            bills["shown_total"].sum() - 1.06 * shown, abs=1e-6
        )


def test_a_year_s_bill_is_of_at_most_twelve_months() -> None:
    scenario = household(Tariff())
    bills = invoices(scenario, july_with_sun(worked_month(2025, 7)), worked_month(2025, 7))
    with pytest.raises(DataError, match=r"bills hold 0 months; allowed: 1 to 12"):
        year_bill(Tariff(), bills[:0])
    with pytest.raises(DataError, match=r"bills hold 13 months; allowed: 1 to 12"):
        year_bill(Tariff(), pd.concat([bills] * 13))
