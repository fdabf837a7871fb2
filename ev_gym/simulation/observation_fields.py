"""What a policy sees: each observation field, declared once.

A field is declared by the function that works out its number for the coming step. The name of the
function is the field's name and its docstring the meaning; the decorator gives unit and bounds, and
says whether the house has the field once, or each vehicle, or each slot of the price window. The
function says by the names of its parameters what it reads. Everything else follows in
`ev_gym.simulation.observation`: the table of all fields, where each stands, the space, and the
compiled code that writes an observation.

An observation begins with the fields that every scenario has, first of the house, then of the price
window, then of the vehicles. Fields that only some scenarios have come after them, of the house and
then of the vehicles. Within each of these the order is that of this file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ev_gym.drivers.habits import MAX_MINUTES
from ev_gym.physics.accounts import marginal_prices
from ev_gym.physics.battery import acceptable_ac_kw
from ev_gym.physics.household import charging_headroom_kw
from ev_gym.physics.meter import export_limit_kw
from ev_gym.physics.power_charge import FACTOR, NOTHING, PRICE, free_peak_kw, price_above
from ev_gym.runtime.compiling import inlined
from ev_gym.runtime.durations import DAY_H, DAY_MIN, HOUR_MIN, QUARTER_MIN
from ev_gym.runtime.records import (
    CarParams,
    HourRecord,
    HouseholdState,
    Settings,
    VehicleState,
)
from ev_gym.scenario import Scenario
from ev_gym.world.limit_tables import limit_kw_at
from ev_gym.world.parameter_records import BALANCE_OPENS
from ev_gym.world.tables import CLOCK_MIN, COSINE, SINE, Tables
from ev_gym.world.world import World

F = TypeVar("F", bound=Callable[..., Any])

# --- whose a field is, and which scenarios have it ---


class Owner(NamedTuple):
    """Whose a field is.

    Attributes:
        entries: How many numbers a field of this kind has in a scenario, by the minutes of a slot
            of its price window.
        entries_in_code: The same as an expression of the code that writes observations.
        entry_in_code: A statement of that code, which sets what belongs to number i.
        names: What that statement sets; only fields of this kind can read it.
    """

    entries: Callable[[Scenario, int], int]
    entries_in_code: str
    entry_in_code: str
    names: tuple[str, ...]


HOUSE = Owner(lambda scenario, slot_min: 1, entries_in_code="1", entry_in_code="", names=())
# Where a house has many numbers of one kind, they are written at once: the field gets the `part`
# of the observation that holds them. First the slots of the price window, ...
PART = ("part",)
SLOTS_PER_HOUR = HOUR_MIN // QUARTER_MIN  # the most, in a market of quarter-hours
SLOTS_AHEAD = Owner(
    lambda scenario, slot_min: scenario.price_window_h * HOUR_MIN // slot_min,
    entries_in_code="tables.stand_in_price.shape[2]",
    entry_in_code="",
    names=PART,
)
# ... then the hours of the coming day.
DAY_AHEAD = Owner(
    lambda scenario, slot_min: DAY_H,
    entries_in_code=str(DAY_H),
    entry_in_code="",
    names=PART,
)
PEAK_RULES = Owner(
    lambda scenario, slot_min: len(scenario.tariff.peaks),
    entries_in_code="tables.power.rules.shape[0]",
    entry_in_code="rule = i",
    names=("rule",),
)
VEHICLES = Owner(
    lambda scenario, slot_min: len(scenario.vehicles),
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
    lambda scenario: scenario.has_sun,
    in_code="tables.pv_kw.shape[0] > 0 or settings.net_load != 0",
)
WITH_EXPORT = Condition(
    lambda scenario: scenario.has_sun or scenario.charger.bidirectional,
    in_code="tables.export_price.shape[0] > 0",
)
WITH_POWER_CHARGE = Condition(
    lambda scenario: scenario.tariff.has_power_charge,
    in_code="settings.power_charge != 0",
)
WITH_BALANCE = Condition(
    lambda scenario: BALANCE_OPENS[scenario.tariff.netting] >= NOTHING,
    in_code="settings.balance_opens >= 0",
)
WITH_CREDIT_LIMIT = Condition(
    lambda scenario: scenario.tariff.credits_up_to_kwh is not None,
    in_code="settings.credit_limit_kwh > 0.0",
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
        if world.scenario.household.net_load:
            self.pv_kw = Range(0.0, max(0.0, -self.load_kw.low))
            self.load_kw = Range(0.0, max(0.0, self.load_kw.high))
        limit_kw = world.scenario.household.limit_kw
        least_kw = min(limit_kw, float(tables.contract_kw.min(initial=np.inf))) - self.load_kw.high
        self.headroom_kw = Range(
            _below(min(least_kw, float(tables.cars_limit_kw.min(initial=np.inf)))),
            _above(limit_kw - self.load_kw.low + self.pv_kw.high),
        )
        self.temperature_c = _range_of(tables.hours["temperature_c"])
        self.price_per_kwh = _range_of(_prices_now(tables))
        self.published_price_per_kwh = _range_of(tables.published_price)
        self.export_price_per_kwh = Range(0.0, 0.0)
        if tables.export_price.size:
            self.export_price_per_kwh = _range_of(_export_prices_now(tables))
        self.power_price_per_kw = Range(0.0, _above(_dearest_per_kw(tables)))
        self.battery_kwh = Range(0.0, _above(tables.cars["battery_kwh"].max()))
        self.car_kw = Range(0.0, _above(tables.cars["max_kw"].max()))  # each car at this charger
        cars_kw = float(tables.cars["max_kw"].sum())
        self.import_kw = Range(0.0, _above(self.load_kw.high + cars_kw))


def _prices_now(tables: Tables) -> NDArray[Any]:
    """Everything that an imported kWh may cost, before and beyond what its accounts make of it."""
    prices = [tables.price]
    if tables.credit.size:
        prices.append(tables.price - tables.credit)
    if tables.settings[0]["balance_opens"] >= NOTHING:
        prices.append(tables.export_price)
    return np.concatenate(prices)


def _export_prices_now(tables: Tables) -> NDArray[Any]:
    """The same of an exported kWh."""
    if tables.settings[0]["balance_opens"] >= NOTHING:
        return np.concatenate([tables.export_price, tables.price])
    return tables.export_price


def _dearest_per_kw(tables: Tables) -> float:
    """The most that a kW more in a peak can add, as it counts."""
    power = tables.power
    lines = power.rates[..., FACTOR] * power.rates[..., PRICE]
    limits_kw = power.step_limits
    inside = np.isfinite(limits_kw[..., 1:])
    rises = np.diff(power.step_prices, axis=2)
    lengths = np.where(inside, limits_kw[..., 1:], 0.0) - np.where(inside, limits_kw[..., :-1], 0.0)
    steps = np.divide(rises, lengths, out=np.zeros_like(rises), where=inside)
    return float(max(lines.max(initial=0.0), steps.max(initial=0.0)))


# --- scales ---


class Scale(NamedTuple):
    """How `observation="scaled"` shows a field: (number - offset) / factor."""

    offset: float
    factor: float


AS_IT_IS = Scale(0.0, 1.0)
PRICE_SCALE = Scale(1.25, 0.5)  # per kWh in SEK, as all-in prices vary
PEAK_SCALE = Scale(8.0, 2.0)  # kW
LOAD_SCALE = Scale(1.0, 1.0)  # kW

# What a unit of a currency is worth in SEK, roughly and once and for all: scales of money are
# declared in SEK and divided by it. It is no rate to count money by.
SEK_PER_UNIT = {
    "SEK": 1.0,
    "NOK": 1.0,
    "DKK": 1.5,
    "EUR": 11.0,
    "CHF": 12.0,
    "GBP": 13.0,
    "USD": 10.0,
    "PLN": 2.5,
    "CZK": 0.45,
    "HUF": 0.03,
}
SEK_PER_OTHER_UNIT = 10.0


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
    scale: Scale
    condition: Condition | None
    owner: Owner
    number: Callable[..., Any]

    def scale_in(self, currency: str) -> Scale:
        """Its scale where money is in that currency."""
        if "{currency}" not in self.unit:
            return self.scale
        sek = SEK_PER_UNIT.get(currency, SEK_PER_OTHER_UNIT)
        return Scale(self.scale.offset / sek, self.scale.factor / sek)

    @property
    def parameters(self) -> tuple[str, ...]:
        """What its function reads."""
        return tuple(inspect.signature(self.number).parameters)


DECLARATIONS: list[Declaration] = []


def house_field(
    unit: str,
    bounds: Bounds,
    scale: Scale,
    condition: Condition | None = None,
    owner: Owner = HOUSE,
) -> Callable[[F], F]:
    """Declare a field that the house has once, by the function that works out its number.

    The function runs compiled. Its parameters have names of `COMMON_NAMES` or of its owner.

    Args:
        unit: Its unit, or ""; `{currency}` stands for the scenario's currency.
        bounds: Lowest and highest value, or a function that takes them from the `Ranges` of a
            world.
        scale: How `observation="scaled"` shows it; of money, in SEK.
        condition: Which scenarios have the field; None: all.
        owner: Whose the field is.

    Raises:
        TypeError: if the function has another parameter.
    """

    def declare(number: F) -> F:
        name, meaning = number.__name__, inspect.getdoc(number) or ""
        field = Declaration(name, unit, meaning, bounds, scale, condition, owner, number)
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
    unit: str, bounds: Bounds, scale: Scale, condition: Condition | None = None
) -> Callable[[F], F]:
    """Declare a field that each vehicle has, as `house_field` does for the house."""
    return house_field(unit, bounds, scale, condition, VEHICLES)


def rule_field(unit: str, bounds: Bounds, scale: Scale) -> Callable[[F], F]:
    """Declare a field that each rule of the power charge has, as `house_field` for the house."""
    return house_field(unit, bounds, scale, WITH_POWER_CHARGE, PEAK_RULES)


def window_field(unit: str, bounds: Bounds, scale: Scale) -> Callable[[F], F]:
    """Declare a field that each slot of the price window has, as `house_field` does for the house.

    Its function writes all slots into `part`. What is ahead is appended to its name: `_h` and the
    hours in two digits or, where slots are shorter, `_m` and the minutes in four; in its meaning
    `{slot}` stands for the kind of slot and `{ahead}` for the time.
    """
    return house_field(unit, bounds, scale, None, SLOTS_AHEAD)


@inlined
def known_slots(hour: HourRecord, minute_of_hour: int, settings: Settings, most: int) -> int:
    """Slots of the price window whose prices are published, the running one included."""
    passed = (minute_of_hour // QUARTER_MIN) >> settings.window_shift
    return min(int(hour.hours_known * (SLOTS_PER_HOUR >> settings.window_shift) - passed), most)


# --- the fields; a new one goes to the end ---


@house_field("", (-1.0, 1.0), AS_IT_IS)
def hour_sin(hour: HourRecord, minute_of_hour: int, tables: Tables) -> Number:
    """sine of the local time of day"""
    return tables.clock[hour.minute_of_day + minute_of_hour, SINE]


@house_field("", (-1.0, 1.0), AS_IT_IS)
def hour_cos(hour: HourRecord, minute_of_hour: int, tables: Tables) -> Number:
    """cosine of the local time of day"""
    return tables.clock[hour.minute_of_day + minute_of_hour, COSINE]


@house_field("", (-1.0, 1.0), AS_IT_IS)
def day_sin(hour: HourRecord, tables: Tables) -> Number:
    """sine of the local day of the year"""
    return tables.clock[CLOCK_MIN + hour.day_of_year, SINE]


@house_field("", (-1.0, 1.0), AS_IT_IS)
def day_cos(hour: HourRecord, tables: Tables) -> Number:
    """cosine of the local day of the year"""
    return tables.clock[CLOCK_MIN + hour.day_of_year, COSINE]


@house_field("", (0.0, 1.0), AS_IT_IS)
def weekend(hour: HourRecord) -> Number:
    """1 on Saturday, Sunday and public holidays"""
    return hour.weekend


@house_field("kW", lambda ranges: ranges.load_kw, LOAD_SCALE)
def load_kw(household: HouseholdState) -> Number:
    """base load of the coming step"""
    return household.load_kw


@house_field("kW", lambda ranges: ranges.headroom_kw, Scale(12.0, 2.0))
def headroom_kw(household: HouseholdState, settings: Settings, tables: Tables) -> Number:
    """lower limit less the base load, with the sun that is not cut off; at most the dimmed power"""
    export_kw = export_limit_kw(settings, household.export_price_per_kwh)
    contract_kw = limit_kw_at(tables.contract_kw, settings, household.place_min)
    left_kw = charging_headroom_kw(
        settings, household.load_kw, household.pv_kw, export_kw, contract_kw
    )
    return min(left_kw, limit_kw_at(tables.cars_limit_kw, settings, household.place_min))


@house_field("deg C", lambda ranges: ranges.temperature_c, Scale(8.0, 8.0))
def temperature_c(household: HouseholdState) -> Number:
    """outdoor temperature"""
    return household.temperature_c


@house_field("{currency}/kWh", lambda ranges: ranges.price_per_kwh, PRICE_SCALE)
def price_per_kwh(household: HouseholdState, settings: Settings) -> Number:
    """all-in price of one more kWh in the coming step"""
    if settings.accounts != 0:
        return marginal_prices(household, settings)[0]
    return household.price_per_kwh


@house_field("h", lambda ranges: (0.0, ranges.scenario.price_window_h), Scale(24.0, 8.0))
def hours_known(
    hour: HourRecord, minute_of_hour: int, settings: Settings, tables: Tables
) -> Number:
    """hours of published prices, from the start of the running slot of the price window on"""
    slots = known_slots(hour, minute_of_hour, settings, tables.stand_in_price.shape[2])
    return slots / (SLOTS_PER_HOUR >> settings.window_shift)


@window_field("{currency}/kWh", lambda ranges: ranges.published_price_per_kwh, PRICE_SCALE)
def price(
    household: HouseholdState,
    hour: HourRecord,
    minute_of_hour: int,
    settings: Settings,
    tables: Tables,
    part: NDArray[np.float32],
) -> Number:
    """mean all-in price of the {slot} {ahead} ahead; 0 is the running one"""
    minute = household.place_min - household.world_place * settings.series_min
    first = (minute // QUARTER_MIN) >> settings.window_shift
    known = known_slots(hour, minute_of_hour, settings, part.shape[0])
    published = tables.published_price[household.world_place, first : first + known]
    stand_ins = tables.stand_in_price[household.world_place, hour.stand_in_row]
    for i in range(known):
        part[i] = published[i]
    unknown, assumed = part[known:], stand_ins[: part.shape[0] - known]
    for i in range(unknown.shape[0]):
        unknown[i] = assumed[i]


@vehicle_field("", (0.0, 1.0), AS_IT_IS)
def plugged(vehicle: VehicleState) -> Number:
    """1 while the car is at the charger"""
    return vehicle.plugged


@vehicle_field("", (0.0, 1.0), Scale(0.75, 0.125))
def soc(vehicle: VehicleState, car: CarParams) -> Number:
    """state of charge; while away, as at departure"""
    return vehicle.energy_kwh / car.battery_kwh


@vehicle_field("h", (0.0, MAX_MINUTES / HOUR_MIN), Scale(0.0, 16.0))
def hours_to_departure(vehicle: VehicleState, household: HouseholdState) -> Number:
    """time to the planned departure; away 0"""
    return (vehicle.departure_min - household.now_min) / HOUR_MIN if vehicle.plugged != 0 else 0.0


@vehicle_field("", (0.0, 1.0), Scale(0.0, 0.5))
def wanted_soc(vehicle: VehicleState) -> Number:
    """SoC wanted at departure; away 0"""
    return vehicle.wanted_soc if vehicle.plugged != 0 else 0.0


@vehicle_field("kWh", lambda ranges: ranges.battery_kwh, Scale(0.0, 2.0))
def energy_to_wanted_kwh(vehicle: VehicleState, car: CarParams) -> Number:
    """missing in the battery; away 0"""
    short_kwh = max(0.0, vehicle.wanted_soc * car.battery_kwh - vehicle.energy_kwh)
    return short_kwh if vehicle.plugged != 0 else 0.0


@vehicle_field("kW", lambda ranges: ranges.car_kw, Scale(0.0, 2.0))
def available_kw(vehicle: VehicleState, car: CarParams) -> Number:
    """AC power the car could take now; away 0"""
    return acceptable_ac_kw(vehicle.energy_kwh, car) if vehicle.plugged != 0 else 0.0


@house_field("kW", lambda ranges: ranges.pv_kw, Scale(0.0, 2.0), WITH_PV)
def pv_kw(household: HouseholdState) -> Number:
    """what the sun gives in the coming step"""
    return household.pv_kw


@house_field(
    "{currency}/kWh", lambda ranges: ranges.export_price_per_kwh, Scale(0.5, 0.5), WITH_EXPORT
)
def export_price_per_kwh(household: HouseholdState, settings: Settings) -> Number:
    """what one more exported kWh earns in the coming step"""
    if settings.accounts != 0:
        return marginal_prices(household, settings)[1]
    return household.export_price_per_kwh


@rule_field("kW", lambda ranges: ranges.import_kw, PEAK_SCALE)
def peak_kw(household: HouseholdState, tables: Tables, rule: int) -> Number:
    """the power charge grows with intervals above it"""
    return free_peak_kw(household.peaks_kw, rule, tables.power, household.power_class)


@rule_field("kW", lambda ranges: ranges.import_kw, Scale(0.0, 1.0))
def interval_kw(household: HouseholdState, rule: int) -> Number:
    """import of the running interval so far over the interval's length, as it counts"""
    return household.interval_kw[rule]


@rule_field("", (0.0, 1.0), Scale(0.75, 0.25))
def interval_factor(household: HouseholdState, tables: Tables, rule: int) -> Number:
    """factor by which the coming step counts"""
    return tables.power.rates[household.power_class, rule, FACTOR]


@rule_field("{currency}/kW", lambda ranges: ranges.power_price_per_kw, Scale(24.0, 8.0))
def power_price_per_kw(household: HouseholdState, tables: Tables, rule: int) -> Number:
    """what a kW more, imported for the running interval, adds beyond the peak"""
    factor = tables.power.rates[household.power_class, rule, FACTOR]
    return factor * price_above(household.peaks_kw, rule, tables.power, household.power_class)


@vehicle_field("", (1.0, 3.0), Scale(2.0, 1.0), WITH_PHASE_SWITCHING)
def phases(vehicle: VehicleState) -> Number:
    """phases in use"""
    return vehicle.phases


@vehicle_field("kW", lambda ranges: ranges.car_kw, Scale(0.0, 4.0), WITH_DISCHARGING)
def discharge_kw(vehicle: VehicleState, car: CarParams) -> Number:
    """AC power the car could give now; away 0"""
    gives = vehicle.plugged != 0 and vehicle.energy_kwh > car.floor_kwh
    return car.max_kw if gives else 0.0


@house_field("d", (0.0, 31.0), Scale(16.0, 8.0), WITH_POWER_CHARGE)
def month_days_left(hour: HourRecord, minute_of_hour: int) -> Number:
    """time to the end of the calendar month, in which the power charge is counted"""
    return hour.month_days - (hour.minute_of_day + minute_of_hour) / DAY_MIN


@house_field("kW", lambda ranges: ranges.load_kw, LOAD_SCALE, WITH_POWER_CHARGE, DAY_AHEAD)
def usual_load_kw(
    household: HouseholdState,
    settings: Settings,
    hour_index: int,
    tables: Tables,
    part: NDArray[np.float32],
) -> Number:
    """mean base load of the last 7 days in the hour {ahead} h ahead; 0 is the running one"""
    world_hours = settings.series_min // HOUR_MIN
    first = hour_index - household.world_place * world_hours
    usual = tables.usual_load_kw[household.world_place, household.house, first : first + DAY_H]
    for i in range(DAY_H):
        part[i] = usual[i]


@house_field("kWh", (-1e6, 1e6), Scale(0.0, 1000.0), WITH_BALANCE)
def balance_kwh(household: HouseholdState) -> Number:
    """import less export since the hour, month or year began over which they are netted"""
    return household.balance_kwh


@house_field("kWh", (0.0, 1e6), Scale(1000.0, 500.0), WITH_CREDIT_LIMIT)
def month_kwh(household: HouseholdState) -> Number:
    """import of the calendar month so far, of which support has a limit"""
    return household.month_kwh
