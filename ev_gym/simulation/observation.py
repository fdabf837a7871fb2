"""What a policy sees: the declared table of observation fields and the code that writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ev_gym.drivers.habits import MAX_MINUTES
from ev_gym.physics.battery import acceptable_ac_kw
from ev_gym.physics.power_charge import FACTOR, PRICE, lowest_peak_kw
from ev_gym.runtime.compiling import compiled
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.series.dataset import Dataset
from ev_gym.series.of_scenario import dataset_of
from ev_gym.world.tables import CLOCK_MIN
from ev_gym.world.world import World, build_world

HEAD_NAMES = (
    "hour_sin",
    "hour_cos",
    "day_sin",
    "day_cos",
    "weekend",
    "load_kw",
    "headroom_kw",
    "temperature_c",
    "price_per_kwh",
    "hours_known",
)
VEHICLE_NAMES = (
    "plugged",
    "soc",
    "hours_to_departure",
    "wanted_soc",
    "energy_to_wanted_kwh",
    "available_kw",
)
HEAD = len(HEAD_NAMES)

# Fields that exist where a scenario has what they tell of; they stand behind all others.
POWER_NAMES = ("peak_kw", "hour_kwh", "hour_factor", "power_price_per_kw")


def extra_names(scenario: Scenario) -> tuple[list[str], list[str]]:
    """Further fields of this scenario: of the house, and of each vehicle."""
    charger, sun = scenario.charger, scenario.solar.peak_kw > 0.0
    house = ["pv_kw"] if sun else []
    house += ["export_price_per_kwh"] if sun or charger.bidirectional else []
    house += POWER_NAMES if scenario.tariff.has_power_charge else ()
    vehicle = ["phases"] if charger.phase_switching else []
    vehicle += ["discharge_kw"] if charger.bidirectional else []
    return house, vehicle


class ObservationField(NamedTuple):
    """One field of the observation: where it stands, what it means, and its true bounds.

    A field of the vehicles has one entry per vehicle, in their order.
    """

    name: str
    unit: str
    meaning: str
    slice: slice
    low: float
    high: float


def observation_slices(scenario: Scenario) -> dict[str, slice]:
    """Where each observation field of a scenario stands, by name."""
    window_h, cars = scenario.price_window_h, len(scenario.vehicles)
    names = [*HEAD_NAMES, *(f"price_h{h:02d}" for h in range(window_h))]
    slices = {name: slice(i, i + 1) for i, name in enumerate(names)}
    place = len(names)
    house, vehicle = extra_names(scenario)
    for group, count in ((VEHICLE_NAMES, cars), (house, 1), (vehicle, cars)):
        for name in group:
            slices[name] = slice(place, place + count)
            place += count
    return slices


def _below(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(-np.inf)))


def _above(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def world_fields(world: World) -> tuple[ObservationField, ...]:
    """The table of a world; bounds of load, sun, prices and temperature are those of its series."""
    scenario = world.scenario
    window_h, limit_kw = scenario.price_window_h, scenario.household.limit_kw
    load = (_below(world.tables.load_kw.min()), _above(world.tables.load_kw.max()))
    sun_kw = _above(world.tables.pv_kw.max()) if world.tables.pv_kw.size else 0.0
    room = (_below(limit_kw - load[1]), _above(limit_kw - load[0] + sun_kw))
    temperature = world.tables.hours["temperature_c"]
    degrees = (_below(temperature.min()), _above(temperature.max()))
    price = (_below(world.tables.price.min()), _above(world.tables.price.max()))
    hours = (_below(world.hourly_price.min()), _above(world.hourly_price.max()))
    capacity_kwh = _above(world.tables.cars["battery_kwh"].max())
    power_kw = _above(world.tables.cars["max_kw"].max())
    stay_h = MAX_MINUTES / 60.0
    money = f"{scenario.currency}/kWh"
    described = {
        "hour_sin": ("", "sine of the local time of day", -1.0, 1.0),
        "hour_cos": ("", "cosine of the local time of day", -1.0, 1.0),
        "day_sin": ("", "sine of the local day of the year", -1.0, 1.0),
        "day_cos": ("", "cosine of the local day of the year", -1.0, 1.0),
        "weekend": ("", "1 on Saturday and Sunday", 0.0, 1.0),
        "load_kw": ("kW", "base load of the coming step", *load),
        "headroom_kw": ("kW", "connection's limit less the base load, with the sun", *room),
        "temperature_c": ("deg C", "outdoor temperature", *degrees),
        "price_per_kwh": (money, "all-in price of the coming step", *price),
        "hours_known": ("h", "hours of published prices, the running one included", 0.0, window_h),
        "plugged": ("", "1 while the car is at the charger", 0.0, 1.0),
        "soc": ("", "state of charge; while away, as at departure", 0.0, 1.0),
        "hours_to_departure": ("h", "time to the planned departure; away 0", 0.0, stay_h),
        "wanted_soc": ("", "SoC wanted at departure; away 0", 0.0, 1.0),
        "energy_to_wanted_kwh": ("kWh", "missing in the battery; away 0", 0.0, capacity_kwh),
        "available_kw": ("kW", "AC power the car could take now; away 0", 0.0, power_kw),
    }
    described |= _extras(world, load[1], money, scenario.currency)
    for h in range(window_h):
        meaning = f"mean all-in price of the hour {h} h ahead; 0 is the running hour"
        described[f"price_h{h:02d}"] = (money, meaning, *hours)
    return tuple(
        ObservationField(name, unit, meaning, place, float(low), float(high))
        for name, place in observation_slices(scenario).items()
        for unit, meaning, low, high in [described[name]]
    )


def _extras(
    world: World, load_kw: float, money: str, currency: str
) -> dict[str, tuple[str, str, float, float]]:
    """Unit, meaning and bounds of the fields that only some scenarios have."""
    power_kw = float(world.tables.cars["max_kw"].sum())
    most_kw = _above(load_kw + power_kw)
    most_given_kw = _above(world.tables.cars["max_kw"].max())
    sun_kw = _above(world.tables.pv_kw.max()) if world.tables.pv_kw.size else 0.0
    earned = (0.0, 0.0)
    if world.tables.export_price.size:
        earned = (_below(world.tables.export_price.min()), _above(world.tables.export_price.max()))
    dearest = _above((world.tables.rates[:, 0] * world.tables.rates[:, 1]).max())
    return {
        "pv_kw": ("kW", "what the sun gives in the coming step", 0.0, sun_kw),
        "export_price_per_kwh": (money, "price of an exported kWh in the coming step", *earned),
        "peak_kw": (
            "kW",
            "the power charge grows with hours above it",
            0.0,
            most_kw,
        ),
        "hour_kwh": ("kWh", "import of the running hour so far, as it counts", 0.0, most_kw),
        "hour_factor": ("", "factor by which the running hour counts", 0.0, 1.0),
        "power_price_per_kw": (
            f"{currency}/kW",
            "what a kW more, imported for the running hour, adds beyond the peak",
            0.0,
            dearest,
        ),
        "phases": ("", "phases in use", 1.0, 3.0),
        "discharge_kw": ("kW", "AC power the car could give now; away 0", 0.0, most_given_kw),
    }


def observation_fields(
    scenario: str | Scenario | Mapping[str, Any] = "stockholm", dataset: Dataset | None = None
) -> tuple[ObservationField, ...]:
    """Name, unit, meaning, slice and bounds of each observation field of a scenario.

    Args:
        scenario: A preset's name, a `Scenario`, or a dict of overrides.
        dataset: Series to use instead of those that the scenario names.

    Raises:
        ScenarioError: if the scenario is not one.
    """
    scenario = as_scenario(scenario)
    return world_fields(build_world(scenario, dataset or dataset_of(scenario), None))


def observation_bounds(world: World) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest value of each entry, float32 arrays of the observation's length."""
    fields = world_fields(world)
    low = np.empty(fields[-1].slice.stop, np.float32)
    high = np.empty_like(low)
    for field in fields:
        low[field.slice] = field.low
        high[field.slice] = field.high
    return low, high


def observation_space(world: World) -> spaces.Box:
    """The observation space of one household."""
    return spaces.Box(*observation_bounds(world))


@compiled
def observe(household: Any, vehicles: Any, tables: Any, observation: Any) -> None:
    """Write what is known before the coming step into `observation`, (D,) float32."""
    settings, cars, hours = tables.settings[0], tables.cars, tables.hours
    price_windows, clock = tables.price_windows, tables.clock
    minute = household.place_min
    index = minute // 60
    hour = hours[index]
    time_of_day = clock[hour.minute_of_day + minute - 60 * index]
    day_of_year = clock[CLOCK_MIN + hour.day_of_year]
    observation[0] = time_of_day[0]
    observation[1] = time_of_day[1]
    observation[2] = day_of_year[0]
    observation[3] = day_of_year[1]
    observation[4] = hour.weekend
    observation[5] = household.load_kw
    observation[6] = settings.limit_kw - household.load_kw + household.pv_kw
    observation[7] = household.temperature_c
    observation[8] = household.price_per_kwh
    # A slice, because counting from 0 lets the compiler copy several numbers at once.
    prices = price_windows[index]
    window = observation[HEAD : HEAD + prices.shape[0]]
    observation[9] = min(int(hour.hours_known), window.shape[0])
    for h in range(window.shape[0]):
        window[h] = prices[h]
    count = vehicles.shape[0]
    cars_part = observation[HEAD + window.shape[0] :]
    for k in range(count):
        vehicle, car = vehicles[k], cars[k]
        here = vehicle.plugged != 0
        short_kwh = max(0.0, car.wanted_soc * car.battery_kwh - vehicle.energy_kwh)
        cars_part[k] = vehicle.plugged
        cars_part[count + k] = vehicle.energy_kwh / car.battery_kwh
        cars_part[2 * count + k] = (
            (vehicle.departure_min - household.now_min) / 60.0 if here else 0.0
        )
        cars_part[3 * count + k] = car.wanted_soc if here else 0.0
        cars_part[4 * count + k] = short_kwh if here else 0.0
        cars_part[5 * count + k] = acceptable_ac_kw(vehicle.energy_kwh, car) if here else 0.0
    _observe_extras(household, vehicles, tables, cars_part[len(VEHICLE_NAMES) * count :])


@compiled
def _observe_extras(household: Any, vehicles: Any, tables: Any, extras: Any) -> None:
    """Write the fields of `extra_names`."""
    settings, cars, rates = tables.settings[0], tables.cars, tables.rates
    place, count = 0, vehicles.shape[0]
    if tables.pv_kw.shape[0] > 0:
        extras[place] = household.pv_kw
        place += 1
    if tables.export_price.shape[0] > 0:
        extras[place] = household.export_price_per_kwh
        place += 1
    if settings.power_days > 0:
        factor = rates[household.power_class, FACTOR]
        extras[place] = lowest_peak_kw(household, rates)
        extras[place + 1] = household.hour_kwh
        extras[place + 2] = factor
        extras[place + 3] = factor * rates[household.power_class, PRICE]
        place += 4
    if settings.switching != 0:
        for k in range(count):
            extras[place + k] = vehicles[k].phases
        place += count
    if settings.bidirectional != 0:
        for k in range(count):
            gives = vehicles[k].plugged != 0 and vehicles[k].energy_kwh > cars[k].floor_kwh
            extras[place + k] = cars[k].max_kw if gives else 0.0
