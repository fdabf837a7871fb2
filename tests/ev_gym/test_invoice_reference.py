"""The steps of any episode, under any tariff, against an invoice reckoned in plain Python."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.env import EVChargingEnv
from ev_gym.invoice import invoices
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import (
    CalledDays,
    Charger,
    ContractedPower,
    Driving,
    Fee,
    Household,
    PeakPrice,
    PeakRule,
    Price,
    Scenario,
    Share,
    Solar,
    Tariff,
    Vehicle,
    Weight,
)
from ev_gym.scenario.when import ALL_WEEK, ALL_YEAR, WORKDAYS
from ev_gym.series.dataset import Dataset
from tests.support.reference_invoice import Reckoner, Step
from tests.support.small_series import series

# Four weeks: summer time ends on 29 October, All Saints' Day is a holiday on a Wednesday in France.
MONDAY, ZONE = datetime(2023, 10, 16), "Europe/Stockholm"
HOLIDAYS = [datetime(2023, 11, 1).date()]
MOST_EXAMPLES = 4 if INTERPRETED else 40
CAR = Vehicle(battery_kwh=60.0, eta=0.9, aux_kw=0.1, chemistry=None, wanted_soc=0.0, min_soc=0.0)

CLOCKS = st.sampled_from(["00:15", "06:00", "07:30", "10:45", "17:00", "22:15"])
MONTHS = st.sampled_from([ALL_YEAR, ALL_YEAR, (10,), (11,)])
DATES = st.sampled_from([None, None, "2023-10-23", "2023-11-01"])
FIRSTS = st.sampled_from([None, "2023-11-01"])
PER_KWH = st.sampled_from([0.0, 0.1, 0.25, 0.7, -0.05])


@st.composite
def whens(draw: Any) -> dict[str, Any]:
    """When a row holds."""
    from_time = draw(st.sampled_from(["00:00", "05:30", "06:15", "16:45", "22:00"]))
    return {
        "from_time": from_time,
        "to_time": draw(CLOCKS.filter(lambda clock: clock != from_time)),
        "weekdays": draw(st.sampled_from([ALL_WEEK, WORKDAYS, (5, 6)])),
        "months": draw(MONTHS),
        "called": draw(st.sampled_from([None, None, "red"])),
    }


@st.composite
def prices(draw: Any, spot: float = 0.0) -> tuple[Price, ...]:
    """One price that always holds, exceptions from it, and another of its own name."""
    rows = [Price(per_kwh=draw(PER_KWH), spot_factor=spot)]
    for _ in range(draw(st.integers(0, 2))):
        rows.append(
            Price(
                per_kwh=draw(PER_KWH),
                spot_factor=draw(st.sampled_from([0.0, 0.5, 1.0])),
                hourly=draw(st.booleans()),
                floor_per_kwh=draw(st.sampled_from([None, 0.02])),
                cap_per_kwh=draw(st.sampled_from([None, 0.9])),
                valid_from=draw(DATES),
                name=draw(st.sampled_from([None, "other"])),
                **draw(whens()),
            )
        )
    undated = [row for row in rows if row.name == "other"][:1]
    if undated:  # the first of a name must hold from the series' first day on
        rows.insert(0, Price(name="other", per_kwh=0.03))
    return tuple(rows)


def weights() -> Any:
    """Weights with windows on quarter-hours."""
    row = st.builds(
        lambda factor, when: Weight(factor=factor, **when),
        st.sampled_from([0.0, 0.5, 1.0]),
        whens(),
    )
    return st.lists(row, max_size=2).map(tuple)


@st.composite
def rules(draw: Any, counts: Any, step_min: int) -> PeakRule:
    """Any kind of rule."""
    over = draw(st.sampled_from(["month", "month", "year"]))
    count = draw(counts)
    floor_kw = draw(st.sampled_from([0.0, 2.5]))
    if draw(st.booleans()):
        limits = draw(st.sampled_from([(0, 2, 5, 10), (0, 3, 3.5, 4, 6, 8)]))
        first = {
            "steps_kw": limits,
            "steps_price": tuple(30.0 * n + 10 for n in range(len(limits))),
        }
        later = {"steps_kw": limits, "steps_price": tuple(40.0 * n for n in range(len(limits)))}
    else:
        first, later = {"per_kw": 36.0}, {"per_kw": 45.0}
    rows = [PeakPrice(**first)]
    if over == "month":
        rows.append(PeakPrice(valid_from=draw(FIRSTS), months=draw(MONTHS), **later))
    return PeakRule(
        interval_min=draw(st.sampled_from([m for m in (15, 30, 60) if m >= step_min])),
        count=count,
        over=over,
        different_days=count == 1 or draw(st.booleans()),
        floor_kw=floor_kw,
        weights=draw(weights()),
        prices=tuple(rows),
    )


@st.composite
def tariffs(draw: Any, step_min: int) -> Tariff:
    """Any tariff; rules in few layouts, because each is compiled anew."""
    layout = draw(st.sampled_from(["none", "one", "two", "two"]))
    peaks: tuple[PeakRule, ...] = ()
    if layout == "one":
        peaks = (draw(rules(st.integers(1, 3), step_min)),)
    elif layout == "two":
        most = draw(rules(st.just(10), step_min))
        peaks = (draw(rules(st.integers(1, 10), step_min)), most)
    netting = draw(st.sampled_from(["none", "step", "step", "hour", "month", "year"]))
    credits = draw(
        st.sampled_from(
            [
                (),
                (Price(spot_factor=-0.9, hourly=True, per_kwh=0.18, cap_per_kwh=0.0),),
                (Price(spot_factor=-1.0, hourly=True, per_kwh=0.4),),
            ]
        )
    )
    up_to = draw(st.sampled_from([None, 150.0])) if credits and netting == "step" else None
    # A change of VAT within a year's peaks would be another rule: each step has its own VAT.
    yearly = any(rule.over == "year" for rule in peaks)
    vat = [Share(share=0.25)] + ([] if yearly else [Share(share=0.1, valid_from="2023-11-01")])
    return Tariff(
        called_days=(CalledDays(name="red", days="2023-10-24 2023-11-02", begins="06:00"),),
        holidays="FR",
        energy=draw(prices(spot=1.0)),
        transfer=draw(prices()),
        taxes=(Price(per_kwh=0.4), Price(per_kwh=0.3, valid_from="2023-11-01")),
        levy=draw(st.sampled_from([(), (Share(share=0.05),)])),
        credits=credits,
        credits_up_to_kwh=up_to,
        vat=tuple(vat),
        fees=(
            Fee(amount=100.0),
            Fee(name="meter", amount=73.0, per="year", months=(11,)),
            Fee(name="line", amount=0.5, per="day"),
        ),
        contracts=(
            ContractedPower(name="P1", kw=100.0, per_kw_year=3.65, from_time="08:00"),
            ContractedPower(name="P2", kw=100.0, per_kw_year=7.3, valid_from="2023-11-01"),
        ),
        peaks=peaks,
        netting=netting,
        export=draw(prices(spot=1.0)),
    )


def steps_of(dataset: Dataset, minutes: int, first: int, used: Any, produced: Any) -> list[Step]:
    """Steps from a minute of the series on, from mean powers in kW."""
    return [
        Step(
            dataset.start + timedelta(minutes=first + n * minutes),
            minutes,
            float(u) * minutes / 60.0,
            float(p) * minutes / 60.0,
        )
        for n, (u, p) in enumerate(zip(used, produced, strict=True))
    ]


def spot_of(dataset: Dataset) -> Any:
    """The spot price at a time."""
    length = timedelta(minutes=dataset.price_minutes)
    return lambda begin: float(dataset.price_per_kwh[(begin - dataset.start) // length])


def scenario_of(tariff: Tariff, step_min: int, with_sun: bool, cars: bool) -> Scenario:
    """A house of the data set's load, perhaps with sun, and a car that charges and discharges."""
    return Scenario(
        household=Household(annual_kwh=None, fuse_a=63.0),
        charger=Charger(bidirectional=cars, load_management=False),
        solar=Solar(peak_kw=12.0) if with_sun else Solar(),
        vehicles=(CAR,),
        driving=Driving(pattern="daily", arrival_h=0.0, departure_h=24.0, trip_km=0.0),
        tariff=tariff,
        days=11,
        start_hour=0,
        time_step_min=step_min,
    )


def lived(scenario: Scenario, dataset: Dataset, start: str, seed: int, cars: bool) -> pd.DataFrame:
    """The history of an episode of random actions, or of none."""
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=seed, options={"start": start, "house": 1, "soc": 0.5})
    env.action_space.seed(seed)
    for _ in range(scenario.horizon_steps):
        env.step(env.action_space.sample() if cars else np.zeros(1, np.float32))
    return env.history


@settings(max_examples=MOST_EXAMPLES, deadline=None)
@given(data=st.data())
def test_steps_and_invoices_are_those_of_the_reference(data: Any) -> None:
    """With the cars and without them, by month, to a millionth.

    Episodes begin within a month, some within an hour, and live through the end of summer time, a
    holiday, called days, a change of prices and VAT, and the end of the month.
    """
    step_min = data.draw(st.sampled_from([15, 30, 60]), "step_min")
    tariff = data.draw(tariffs(step_min), "tariff")
    with_sun, cars = data.draw(st.booleans(), "sun"), data.draw(st.booleans(), "cars")
    price_minutes = data.draw(st.sampled_from([15, 60]), "price_minutes")
    dataset = dataclasses.replace(series(4, price_minutes, MONDAY), clearness=np.full(4 * 168, 0.9))
    begins = [b for b in ("00:00", "17:30", "05:15") if int(b[3:]) % step_min == 0]
    start = f"2023-10-25T{data.draw(st.sampled_from(begins), 'start')}"
    scenario = scenario_of(tariff, step_min, with_sun, cars)
    history = lived(scenario, dataset, start, data.draw(st.integers(0, 99), "seed"), cars)
    bills = invoices(scenario, history, dataset)

    reckoner = Reckoner(tariff, ZONE, spot_of(dataset), HOLIDAYS)
    first = int(history["now_min"].iloc[0])
    load_kw = dataset.load_kw[1].reshape(-1, step_min // 15).mean(axis=1)[: first // step_min]
    sun_kw = np.zeros(load_kw.size)
    if with_sun:
        idle = dataclasses.replace(scenario, days=26)
        sun_kw = lived(idle, dataset, "2023-10-16", 0, cars=False)["pv_kw"].to_numpy()
        sun_kw = sun_kw[: load_kw.size]
    before = steps_of(dataset, step_min, 0, load_kw, sun_kw)

    charge_kw = history["charge_kw"].to_numpy()
    used_kw = history["load_kw"].to_numpy() + np.maximum(0.0, charge_kw)
    produced_kw = history["pv_kw"].to_numpy() + np.maximum(0.0, -charge_kw)
    with_car = steps_of(dataset, step_min, first, used_kw, produced_kw)
    alone = steps_of(
        dataset, step_min, first, history["load_kw"].to_numpy(), history["pv_kw"].to_numpy()
    )
    months = np.array([f"{time:%Y-%m}" for time in history.index])
    shown = bills.set_axis(bills.index.astype(str))
    for steps, costs, total in (
        (with_car, ("energy_cost", "power_cost"), "total"),
        (alone, ("house_cost", "house_power_cost"), "house_total"),
    ):
        booked = reckoner.booked(before, steps)
        assert [f"{y}-{m:02}" for y, m in booked] == bills.index.astype(str).tolist()
        for (year, month), parts in booked.items():
            label = f"{year}-{month:02}"
            own = history[months == label]
            added = [math.fsum(own[name]) for name in costs]
            assert added == pytest.approx(parts, abs=1e-6), label
            whole_total = math.fsum(parts) + reckoner.dues((year, month))
            assert shown[total][label] == pytest.approx(whole_total, abs=1e-6)
