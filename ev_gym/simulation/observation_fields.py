"""What a policy sees: each observation field, declared once.

A field is declared by the function that works out its number for the coming step. The name of the
function is the field's name and its docstring the meaning; the decorator gives unit and bounds, and
says whether the house has the field once, or each vehicle, or each hour ahead. The function says by
the names of its parameters what it reads. Everything else follows in
`ev_gym.simulation.observation`: the table of all fields, where each stands, the space, and the
compiled code that writes an observation.

An observation begins with the fields that every scenario has, first of the house, then of the hours
ahead, then of the vehicles. Fields that only some scenarios have come after them, of the house and
then of the vehicles. Within each of these the order is that of this file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ev_gym.drivers.habits import MAX_MINUTES
from ev_gym.physics.battery import acceptable_ac_kw
from ev_gym.physics.household import charging_headroom_kw
from ev_gym.physics.power_charge import FACTOR, PRICE, lowest_peak_kw
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.runtime.records import (
    CarParams,
    HourRecord,
    HouseholdState,
    Settings,
    VehicleState,
)
from ev_gym.scenario import Scenario
from ev_gym.world.tables import CLOCK_MIN, COSINE, SINE, Tables
from ev_gym.world.world import World

F = TypeVar("F", bound=Callable[..., Any])

# --- whose a field is, and which scenarios have it ---


class Owner(NamedTuple):
    """Whose a field is.

    Attributes:
        entries: How many numbers a field of this kind has in a scenario.
        entries_in_code: The same as an expression of the code that writes observations.
        entry_in_code: A statement of that code, which sets what belongs to number i.
        names: What that statement sets; only fields of this kind can read it.
    """

    entries: Callable[[Scenario], int]
    entries_in_code: str
    entry_in_code: str
    names: tuple[str, ...]


HOUSE = Owner(lambda _: 1, entries_in_code="1", entry_in_code="", names=())
HOURS_AHEAD = Owner(
    lambda scenario: scenario.price_window_h,
    entries_in_code="tables.price_windows.shape[1]",
    entry_in_code="ahead_h = i",
    names=("ahead_h",),
)
VEHICLES = Owner(
    lambda scenario: len(scenario.vehicles),
    entries_in_code="vehicles.shape[0]",
    entry_in_code="vehicle, car = vehicles[i], tables.cars[i]",
    names=("vehicle", "car"),
)


class Condition(NamedTuple):
    """What a scenario must have for a field to exist.

    Attributes:
        of_scenario: Whether a scenario has it.
        in_code: The same as an expression of the code that writes observations.
    """

    of_scenario: Callable[[Scenario], bool]
    in_code: str


WITH_PV = Condition(
    lambda scenario: scenario.solar.peak_kw > 0.0,
    in_code="tables.pv_kw.shape[0] > 0",
)
WITH_EXPORT = Condition(
    lambda scenario: scenario.solar.peak_kw > 0.0 or scenario.charger.bidirectional,
    in_code="tables.export_price.shape[0] > 0",
)
WITH_POWER_CHARGE = Condition(
    lambda scenario: scenario.tariff.has_power_charge,
    in_code="settings.power_days > 0",
)
WITH_PHASE_SWITCHING = Condition(
    lambda scenario: scenario.charger.phase_switching,
    in_code="settings.switching != 0",
)
WITH_DISCHARGING = Condition(
    lambda scenario: scenario.charger.bidirectional,
    in_code="settings.bidirectional != 0",
)

# --- bounds ---


class Range(NamedTuple):
    """The lowest and the highest value of something."""

    low: float
    high: float


def _below(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(-np.inf)))


def _above(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def _range_of(values: NDArray[Any]) -> Range:
    return Range(_below(values.min()), _above(values.max()))


class Ranges:
    """What can occur with the series and the cars of a world; fields take their bounds from it.

    Observations are rounded to float32, so each end is moved outwards to the next such number.
    """

    def __init__(self, world: World) -> None:
        tables = world.tables
        self.scenario = world.scenario
        self.load_kw = _range_of(tables.load_kw)
        self.pv_kw = Range(0.0, _range_of(tables.pv_kw).high if tables.pv_kw.size else 0.0)
        limit_kw = world.scenario.household.limit_kw
        self.headroom_kw = Range(
            _below(limit_kw - self.load_kw.high),
            _above(limit_kw - self.load_kw.low + self.pv_kw.high),
        )
        self.temperature_c = _range_of(tables.hours["temperature_c"])
        self.price_per_kwh = _range_of(tables.price)
        self.hourly_price_per_kwh = _range_of(world.hourly_price)
        self.export_price_per_kwh = Range(0.0, 0.0)
        if tables.export_price.size:
            self.export_price_per_kwh = _range_of(tables.export_price)
        prices = tables.rates[:, FACTOR] * tables.rates[:, PRICE]
        self.power_price_per_kw = Range(0.0, _above(prices.max()))
        self.battery_kwh = Range(0.0, _above(tables.cars["battery_kwh"].max()))
        self.car_kw = Range(0.0, _above(tables.cars["max_kw"].max()))  # each car at this charger
        cars_kw = float(tables.cars["max_kw"].sum())
        self.import_kw = Range(0.0, _above(self.load_kw.high + cars_kw))


# --- how a field is declared ---

Number = Any  # a float, or an integer that becomes one in the observation
Bounds = tuple[float, float] | Callable[[Ranges], tuple[float, float]]

# What every field can read: the household's state, the scenario's settings, all tables, the record
# of the running hour, its index in the tables of hours, and the minutes of it that have passed.
COMMON_NAMES = ("household", "settings", "tables", "hour", "hour_index", "minute_of_hour")


class Declaration(NamedTuple):
    """A declared field, as `house_field` explains it."""

    name: str
    unit: str
    meaning: str
    bounds: Bounds
    condition: Condition | None
    owner: Owner
    number: Callable[..., Any]

    @property
    def parameters(self) -> tuple[str, ...]:
        """What its function reads."""
        return tuple(inspect.signature(self.number).parameters)


DECLARATIONS: list[Declaration] = []


def house_field(
    unit: str, bounds: Bounds, condition: Condition | None = None, owner: Owner = HOUSE
) -> Callable[[F], F]:
    """Declare a field that the house has once, by the function that works out its number.

    The function runs compiled. Its parameters have names of `COMMON_NAMES` or of its owner.

    Args:
        unit: Its unit, or ""; `{currency}` stands for the scenario's currency.
        bounds: Lowest and highest value, or a function that takes them from the `Ranges` of a
            world.
        condition: Which scenarios have the field; None: all.
        owner: Whose the field is.

    Raises:
        TypeError: if the function has another parameter.
    """

    def declare(number: F) -> F:
        name, meaning = number.__name__, inspect.getdoc(number) or ""
        field = Declaration(name, unit, meaning, bounds, condition, owner, number)
        known = COMMON_NAMES + owner.names
        unknown = [parameter for parameter in field.parameters if parameter not in known]
        if unknown:
            raise TypeError(
                f"the function of observation field {name!r} has a parameter {unknown[0]!r}; "
                f"allowed: {', '.join(known)}"
            )
        DECLARATIONS.append(field)
        return number

    return declare


def vehicle_field(
    unit: str, bounds: Bounds, condition: Condition | None = None
) -> Callable[[F], F]:
    """Declare a field that each vehicle has, as `house_field` does for the house."""
    return house_field(unit, bounds, condition, VEHICLES)


def hourly_field(unit: str, bounds: Bounds) -> Callable[[F], F]:
    """Declare a field that each hour ahead has, as `house_field` does for the house.

    The hour is appended to its name in two digits; in its meaning `{ahead_h}` stands for it.
    """
    return house_field(unit, bounds, None, HOURS_AHEAD)


# --- the fields; a new one goes to the end ---


@house_field("", (-1.0, 1.0))
def hour_sin(hour: HourRecord, minute_of_hour: int, tables: Tables) -> Number:
    """sine of the local time of day"""
    return tables.clock[hour.minute_of_day + minute_of_hour, SINE]


@house_field("", (-1.0, 1.0))
def hour_cos(hour: HourRecord, minute_of_hour: int, tables: Tables) -> Number:
    """cosine of the local time of day"""
    return tables.clock[hour.minute_of_day + minute_of_hour, COSINE]


@house_field("", (-1.0, 1.0))
def day_sin(hour: HourRecord, tables: Tables) -> Number:
    """sine of the local day of the year"""
    return tables.clock[CLOCK_MIN + hour.day_of_year, SINE]


@house_field("", (-1.0, 1.0))
def day_cos(hour: HourRecord, tables: Tables) -> Number:
    """cosine of the local day of the year"""
    return tables.clock[CLOCK_MIN + hour.day_of_year, COSINE]


@house_field("", (0.0, 1.0))
def weekend(hour: HourRecord) -> Number:
    """1 on Saturday and Sunday"""
    return hour.weekend


@house_field("kW", lambda ranges: ranges.load_kw)
def load_kw(household: HouseholdState) -> Number:
    """base load of the coming step"""
    return household.load_kw


@house_field("kW", lambda ranges: ranges.headroom_kw)
def headroom_kw(household: HouseholdState, settings: Settings) -> Number:
    """connection's limit less the base load, with the sun that is not cut off"""
    return charging_headroom_kw(settings, household.load_kw, household.pv_kw)


@house_field("deg C", lambda ranges: ranges.temperature_c)
def temperature_c(household: HouseholdState) -> Number:
    """outdoor temperature"""
    return household.temperature_c


@house_field("{currency}/kWh", lambda ranges: ranges.price_per_kwh)
def price_per_kwh(household: HouseholdState) -> Number:
    """all-in price of the coming step"""
    return household.price_per_kwh


@house_field("h", lambda ranges: (0.0, ranges.scenario.price_window_h))
def hours_known(hour: HourRecord, tables: Tables) -> Number:
    """hours of published prices, the running one included"""
    return min(int(hour.hours_known), tables.price_windows.shape[1])


@hourly_field("{currency}/kWh", lambda ranges: ranges.hourly_price_per_kwh)
def price_h(hour_index: int, ahead_h: int, tables: Tables) -> Number:
    """mean all-in price of the hour {ahead_h} h ahead; 0 is the running hour"""
    return tables.price_windows[hour_index, ahead_h]


@vehicle_field("", (0.0, 1.0))
def plugged(vehicle: VehicleState) -> Number:
    """1 while the car is at the charger"""
    return vehicle.plugged


@vehicle_field("", (0.0, 1.0))
def soc(vehicle: VehicleState, car: CarParams) -> Number:
    """state of charge; while away, as at departure"""
    return vehicle.energy_kwh / car.battery_kwh


@vehicle_field("h", (0.0, MAX_MINUTES / HOUR_MIN))
def hours_to_departure(vehicle: VehicleState, household: HouseholdState) -> Number:
    """time to the planned departure; away 0"""
    return (vehicle.departure_min - household.now_min) / HOUR_MIN if vehicle.plugged != 0 else 0.0


@vehicle_field("", (0.0, 1.0))
def wanted_soc(vehicle: VehicleState) -> Number:
    """SoC wanted at departure; away 0"""
    return vehicle.wanted_soc if vehicle.plugged != 0 else 0.0


@vehicle_field("kWh", lambda ranges: ranges.battery_kwh)
def energy_to_wanted_kwh(vehicle: VehicleState, car: CarParams) -> Number:
    """missing in the battery; away 0"""
    short_kwh = max(0.0, vehicle.wanted_soc * car.battery_kwh - vehicle.energy_kwh)
    return short_kwh if vehicle.plugged != 0 else 0.0


@vehicle_field("kW", lambda ranges: ranges.car_kw)
def available_kw(vehicle: VehicleState, car: CarParams) -> Number:
    """AC power the car could take now; away 0"""
    return acceptable_ac_kw(vehicle.energy_kwh, car) if vehicle.plugged != 0 else 0.0


@house_field("kW", lambda ranges: ranges.pv_kw, WITH_PV)
def pv_kw(household: HouseholdState) -> Number:
    """what the sun gives in the coming step"""
    return household.pv_kw


@house_field("{currency}/kWh", lambda ranges: ranges.export_price_per_kwh, WITH_EXPORT)
def export_price_per_kwh(household: HouseholdState) -> Number:
    """price of an exported kWh in the coming step"""
    return household.export_price_per_kwh


@house_field("kW", lambda ranges: ranges.import_kw, WITH_POWER_CHARGE)
def peak_kw(household: HouseholdState, tables: Tables) -> Number:
    """the power charge grows with hours above it"""
    return lowest_peak_kw(household, tables.rates)


@house_field("kWh", lambda ranges: ranges.import_kw, WITH_POWER_CHARGE)
def hour_kwh(household: HouseholdState) -> Number:
    """import of the running hour so far, as it counts"""
    return household.hour_kwh


@house_field("", (0.0, 1.0), WITH_POWER_CHARGE)
def hour_factor(household: HouseholdState, tables: Tables) -> Number:
    """factor by which the running hour counts"""
    return tables.rates[household.power_class, FACTOR]


@house_field("{currency}/kW", lambda ranges: ranges.power_price_per_kw, WITH_POWER_CHARGE)
def power_price_per_kw(household: HouseholdState, tables: Tables) -> Number:
    """what a kW more, imported for the running hour, adds beyond the peak"""
    rates = tables.rates[household.power_class]
    return rates[FACTOR] * rates[PRICE]


@vehicle_field("", (1.0, 3.0), WITH_PHASE_SWITCHING)
def phases(vehicle: VehicleState) -> Number:
    """phases in use"""
    return vehicle.phases


@vehicle_field("kW", lambda ranges: ranges.car_kw, WITH_DISCHARGING)
def discharge_kw(vehicle: VehicleState, car: CarParams) -> Number:
    """AC power the car could give now; away 0"""
    gives = vehicle.plugged != 0 and vehicle.energy_kwh > car.floor_kwh
    return car.max_kw if gives else 0.0
