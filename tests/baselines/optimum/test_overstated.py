"""Each piece of the proof claims as much as it may: with a little more the bound exceeds a bill.

Households solved by hand, of which the bound is what a plan pays. Wear has such tests in
`test_wear_bound`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.optimum import reach as reach_module
from baselines.optimum import relaxation
from baselines.optimum.dynamic_program import replay
from baselines.optimum.reach import Reach
from baselines.optimum.relaxation import lower_bound
from ev_gym.scenario import Charger, ContractedPower, Dimming, Scenario, Tariff
from tests.support.foreseen_households import (
    AT_HOME,
    CAR,
    DIP,
    FREE,
    HOUSE,
    LOSSY,
    ONE_HOUR,
    future_of,
    scenario,
)
from tests.support.tariffs import tariff_of, with_peaks

STOP_KWH = "WORTH_A_STOP_KWH"
# HiGHS and the money of a few kWh; what is overstated costs a hundred times as much.
MONEY = 1e-5


class Case(NamedTuple):
    """A household, its prices and loads, and a plan that pays no more than the bound.

    Attributes:
        scenario: The household.
        prices: As `future_of` takes them.
        plan: Of each car, the shares of its largest current by hour.
        load_kw: As `future_of` takes it.
        start: As `future_of` takes it.
    """

    scenario: Scenario
    prices: list[float]
    plan: list[dict[int, float]]
    load_kw: Any = 1.0
    start: str = "2024-01-01"

    def future(self) -> Future:
        """What is foreseen."""
        return future_of(self.scenario, self.prices, self.load_kw, self.start)

    def paid(self, future: Future) -> float:
        """What the plan costs."""
        actions = np.zeros((future.steps, len(self.plan)), np.float32)
        for k, shares in enumerate(self.plan):
            for hour, share in shares.items():
                actions[hour, k] = share
        return replay(future, actions).cost


Patch = Callable[[pytest.MonkeyPatch], None]


def wanting(kwh: float, car: Any = CAR, **changes: Any) -> Any:
    """A car that is to be charged by so much, and holds no more."""
    soc = 0.2 + kwh / 50.0
    return replace(car, wanted_soc=soc, limit_soc=soc, **changes)


def of_reach(change: Callable[[Reach], Reach]) -> Patch:
    """Overstate what `reach_of` says."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real = relaxation.reach_of
        monkeypatch.setattr(relaxation, "reach_of", lambda *args: change(real(*args)))

    return patch


def of_journeys(**more_kwh: Any) -> Patch:
    """Overstate energies of all cars by so much."""

    def change(reach: Reach) -> Reach:
        journeys = [
            journey._replace(
                **{name: getattr(journey, name) + kwh for name, kwh in more_kwh.items()}
            )
            for journey in reach.journeys
        ]
        return reach._replace(journeys=journeys)

    return of_reach(change)


def of_connection(**more: float) -> Patch:
    """Overstate what is taken of the connection, in its units."""

    def change(reach: Reach) -> Reach:
        fields = {name: getattr(reach.connection, name) + units for name, units in more.items()}
        return reach._replace(connection=reach.connection._replace(**fields))

    return of_reach(change)


def of_flows(**factors: float) -> Patch:
    """Overstate what the flows lack."""

    def change(reach: Reach) -> Reach:
        fields = {name: getattr(reach.flows, name) * share for name, share in factors.items()}
        return reach._replace(flows=reach.flows._replace(**fields))

    return of_reach(change)


def of_result(module: Any, name: str, change: Callable[[Any], Any]) -> Patch:
    """Overstate what a function gives."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args: change(real(*args)))

    return patch


def of_argument(name: str, change: Callable[..., tuple[Any, ...]]) -> Patch:
    """Overstate what a function of `relaxation` is told."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(relaxation, name)
        monkeypatch.setattr(relaxation, name, lambda *args: real(*change(*args)))

    return patch


def higher_floor(model: Any, *args: Any) -> tuple[Any, ...]:
    tables = model.future.world.tables
    cars = tables.cars.copy()
    cars["floor_kwh"] += 0.1
    world = SimpleNamespace(tables=SimpleNamespace(cars=cars))
    return model._replace(future=SimpleNamespace(world=world)), *args


def less_time(program: Any, future: Future, *args: Any) -> tuple[Any, ...]:
    shorter = SimpleNamespace(
        world=future.world, households=future.households, charge_h=0.99 * future.charge_h
    )
    return program, shorter, *args


def less_together(model: Any) -> tuple[Any, ...]:
    flows = model.reach.flows
    flows = flows._replace(power_kw=0.99 * flows.power_kw)
    return (model._replace(reach=model.reach._replace(flows=flows)),)


def cheaper_settlement(future: Future) -> Future:
    households: NDArray[Any] = future.households.copy()
    households["settlement_price"] *= 0.99
    return future._replace(households=households)  # type: ignore[attr-defined, no-any-return]


def of_settlement(monkeypatch: pytest.MonkeyPatch) -> None:
    real = relaxation.lower_bound
    monkeypatch.setitem(globals(), "lower_bound", lambda future: real(cheaper_settlement(future)))


HOUR = Case(scenario(driving=ONE_HOUR), [0.8], [{0: 1.0}])
ALL_DAY = scenario(vehicles=(LOSSY,))
GIVING = scenario(
    charger=Charger(bidirectional=True),
    vehicles=(replace(CAR, wanted_soc=0.0, limit_soc=0.5),),
    driving=replace(AT_HOME, start_soc=0.5),
    tariff=tariff_of(export_fee=0.1, public_stop_cost=0.0),
)
# The house takes the 15 kWh above the floor, at 1.0.
GIVES = Case(GIVING, [1.0] * 12 + [0.4], [{0: -1.0, 1: -1.0, 2: -1.0}], 6.9)
FULL_POWER = Case(GIVING, [1.0, 0.4], [{0: -1.0}], 8.0)


def peak_of_an_hour(**tariff: Any) -> Tariff:
    return with_peaks(replace(FREE, public_price_per_kwh=100.0, **tariff), 10.0, 1)


PEAK = Case(
    scenario(vehicles=(wanting(6.9),), driving=ONE_HOUR, tariff=peak_of_an_hour()),
    [0.8],
    [{0: 1.0}],
)
SECOND_PEAK = Case(
    scenario(
        vehicles=(wanting(6.9),),
        driving=replace(ONE_HOUR, arrival_h=12.0, departure_h=13.0),
        tariff=peak_of_an_hour(),
    ),
    [0.8],
    [{0: 1.0}],
    [1.0] * 36 + [2.5] * 4 + [1.0],
    "2024-01-01T12:00",
)
OVERLOADED = Case(
    scenario(
        household=replace(HOUSE, connection_kw=5.0),
        charger=Charger(load_management=False),
        driving=ONE_HOUR,
        tariff=replace(FREE, overload_price_per_kwh=2.0),
    ),
    [0.8],
    [{0: 1.0}],
    4.0,
)
# 14 A are left, 4 of them for the second car, which needs 6: so 8 and 6.
SHARED = Case(
    scenario(
        household=replace(HOUSE, connection_kw=1.0 + 14 * 0.69),
        vehicles=(CAR, CAR),
        driving=ONE_HOUR,
    ),
    [0.8],
    [{0: 0.8}, {0: 0.6}],
)
# The same by contract, and by dimming, in that hour of the day.
CONTRACTED = Case(
    scenario(
        vehicles=(CAR, CAR),
        driving=ONE_HOUR,
        tariff=replace(FREE, contracts=(ContractedPower(kw=1.0 + 14 * 0.69, to_time="01:00"),)),
    ),
    [0.8],
    [{0: 0.8}, {0: 0.6}],
)
ABOVE_CONTRACT = Case(
    scenario(
        charger=Charger(load_management=False),
        driving=ONE_HOUR,
        tariff=replace(FREE, contracts=(ContractedPower(kw=5.0),), overload_price_per_kwh=2.0),
    ),
    [0.8],
    [{0: 1.0}],
    4.0,
)
DIMMED = Case(
    scenario(
        vehicles=(CAR, CAR),
        charger=Charger(load_management=False, dimming=(Dimming(kw=14 * 0.69, to_time="01:00"),)),
        driving=ONE_HOUR,
    ),
    [0.8],
    [{0: 0.8}, {0: 0.6}],
)
RELIEVED = Case(
    scenario(
        household=replace(HOUSE, connection_kw=5.0),
        charger=Charger(bidirectional=True, max_current_a=32),
        vehicles=(
            replace(CAR, wanted_soc=0.0, limit_soc=0.5, driving=replace(ONE_HOUR, start_soc=0.5)),
            replace(CAR, phases=1),
        ),
        driving=ONE_HOUR,
    ),
    [0.8],
    [{0: -1.0}, {0: 1.0}],
    8.0,
)
FEEDS = Case(
    scenario(
        household=replace(HOUSE, export_limit_kw=4.0),
        charger=Charger(bidirectional=True),
        vehicles=(replace(CAR, wanted_soc=0.0, limit_soc=0.5),),
        driving=replace(AT_HOME, start_soc=0.5),
        tariff=tariff_of(export_fee=0.1, public_stop_cost=0.0),
    ),
    [1.0] * 2 + [0.4],
    [{0: -1.0, 1: -1.0}],
    0.5,
)
# Home costs twice as much as the public charger, but a stop more than that of all 7.9 kWh.
STOP = replace(FREE, public_stop_cost=60.0)
NO_STOP = Case(
    scenario(vehicles=(wanting(7.9),), driving=replace(ONE_HOUR, departure_h=4.0), tariff=STOP),
    [10.0] * 24,
    [{0: 1.0}],
)
SMALL = Case(scenario(vehicles=(wanting(7.5),), driving=ONE_HOUR, tariff=STOP), [0.8], [{0: 1.0}])
ROAD = Case(
    scenario(
        vehicles=(replace(CAR, min_soc=0.1),),
        driving=replace(ONE_HOUR, arrival_h=12.0, trip_kwh=30.0, start_soc=0.4),
    ),
    [0.8],
    [dict.fromkeys(range(12, 24), 1.0)],
)
# Back with its floor at least if it was charged, and all above that is sold.
BACK = Case(
    scenario(
        charger=Charger(bidirectional=True),
        vehicles=(replace(CAR, wanted_soc=0.2, limit_soc=0.5, floor_soc=0.3),),
        driving=replace(ONE_HOUR, departure_h=4.0, arrival_h=12.0, trip_kwh=5.0, start_soc=0.2),
    ),
    [0.1] * 12 + [1.0] * 6 + [0.4],
    [dict.fromkeys(range(4), 1.0) | dict.fromkeys(range(12, 16), -1.0)],
    8.0,
)

CASES: dict[str, tuple[Case, Patch]] = {
    "largest power": (
        HOUR,
        of_result(reach_module, "_charge_kw", lambda charge_kw: 0.99 * charge_kw),
    ),
    "largest power of discharging": (
        FULL_POWER,
        of_result(reach_module, "_discharge_kw", lambda discharge_kw: 0.99 * discharge_kw),
    ),
    "losses": (Case(ALL_DAY, DIP, [{3: 1.0, 5: 1.0}]), of_flows(per_kwh=0.99)),
    "losses of discharging": (
        Case(
            replace(GIVING, vehicles=(replace(LOSSY, wanted_soc=0.0, limit_soc=0.5),)),
            [1.0] * 12 + [0.4],
            [{0: -1.0, 1: -1.0}],
            6.9,
        ),
        of_flows(per_kwh=1.01),
    ),
    "losses that are paid for, at the least power": (
        Case(scenario(vehicles=(wanting(3.0, LOSSY),)), [-1.0, 1.0], [{0: 0.6}]),
        of_result(relaxation, "least_kw", lambda least: (1.01 * least[0], least[1])),
    ),
    "losses that are paid for, in all of the step": (
        Case(scenario(vehicles=(wanting(4.002, LOSSY),)), [-1.0, 1.0], [{0: 0.7}]),
        of_argument("_losses", less_time),
    ),
    "the owner's limit": (
        Case(scenario(vehicles=(replace(LOSSY, wanted_soc=0.2),)), DIP, [{3: 1.0, 5: 1.0}]),
        of_journeys(within_kwh=np.array([0.0, -0.1])),
    ),
    "the floor": (GIVES, of_journeys(within_kwh=np.array([0.1, 0.0]))),
    "the floor of a car that may come with less": (BACK, of_argument("_keep_floor", higher_floor)),
    "one direction": (FULL_POWER, of_argument("_one_way", less_together)),
    "departure": (
        HOUR,
        of_journeys(least_kwh=0.1, most_bought_kwh=0.1, within_kwh=np.array([0.0, 0.1])),
    ),
    "a trip": (ROAD, of_journeys(trip_kwh=0.1, most_bought_kwh=0.1)),
    "a stop's chord": (NO_STOP, lambda patch: patch.setattr(relaxation, STOP_KWH, 0.9)),
    "a certain stop": (SMALL, lambda patch: patch.setattr(relaxation, STOP_KWH, 0.5)),
    "load management": (SHARED, of_connection(headroom_units=-0.1)),
    "a contract": (CONTRACTED, of_connection(headroom_units=-0.1)),
    "overload of a contract": (ABOVE_CONTRACT, of_connection(excess_units=0.1)),
    "dimming": (DIMMED, of_connection(headroom_units=-0.1)),
    # The chord counts what both cars could give, twice of what one makes for the other.
    "headroom made by a car": (RELIEVED, of_connection(headroom_units=-3.5)),
    "export limit": (FEEDS, of_connection(feed_kw=-0.4)),
    "price of import": (
        HOUR,
        of_result(relaxation, "meter_of", lambda meter: meter._replace(slope=1.01 * meter.slope)),
    ),
    "price of export": (
        FEEDS,
        of_result(relaxation, "meter_of", lambda meter: meter._replace(slope=0.99 * meter.slope)),
    ),
    "where export becomes import": (
        FEEDS,
        of_result(relaxation, "meter_of", lambda meter: meter._replace(at=meter.at - 0.1)),
    ),
    "power charge": (
        PEAK,
        of_result(
            relaxation,
            "peak_calendars_of",
            lambda calendars: [
                calendar._replace(price=1.01 * calendar.price) for calendar in calendars
            ],
        ),
    ),
    "peaks before": (SECOND_PEAK, of_result(relaxation, "owed_before", lambda owed: 0.99 * owed)),
    "overload": (OVERLOADED, of_connection(excess_units=0.1)),
    "settlement": (Case(ALL_DAY, DIP, [{3: 1.0, 5: 1.0}]), of_settlement),
}


@pytest.mark.parametrize("piece", CASES)
def test_a_little_more_is_too_much(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, overstate = CASES[piece]
    future = case.future()
    paid = case.paid(future)
    assert lower_bound(future).cost == pytest.approx(paid, abs=MONEY)
    overstate(monkeypatch)
    assert lower_bound(future).cost > paid + 100.0 * MONEY
