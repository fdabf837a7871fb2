"""The tables: every field of the state and of a step's results, with unit and meaning.

The record layouts that compiled code reads, the keys of `info`, and the columns of the logs come
from here; `ev_gym.runtime.records` names the records in signatures. Observation fields stand in
`ev_gym.simulation.observation_fields`, scenario parameters in `ev_gym.scenario`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ev_gym.drivers.habits import DRIVER_FIELDS
from ev_gym.physics.ageing import AGEING_STATE

LAYOUT_VERSION = 6


class Field(NamedTuple):
    """One named number, or an array of them: its type as stored, its unit, and what it means.

    The type is written as NumPy does, an array with its shape: `(1,3)f8`. The unit is "" where
    there is none.
    """

    name: str
    dtype: str
    unit: str
    meaning: str


def household_state(rules: int, places: int) -> tuple[Field, ...]:
    """The fields of a household's state.

    Args:
        rules: Rules of the power charge, at least 1.
        places: Places for the peaks of each, at least as many as count.
    """
    # What every step reads and writes stands first, so that it shares a line of the cache.
    return (
        Field("house", "i8", "", "house of the world"),
        Field("now_min", "i8", "min", "start of the coming step, since the series began"),
        Field("place_min", "i8", "min", "the same in the tables, where the world's series wraps"),
        Field("load_kw", "f8", "kW", "base load of the coming step"),
        Field(
            "price_per_kwh",
            "f8",
            "per kWh",
            "all-in price of the coming step, before what a balance or a month's import make of it",
        ),
        Field("temperature_c", "f8", "deg C", "outdoor temperature of the coming step"),
        Field("steps", "i8", "", "steps of this episode taken"),
        Field("over", "i8", "", "1 when the horizon is reached"),
        Field("horizon_steps", "i8", "", "steps of this episode in all"),
        Field("pv_kw", "f8", "kW", "what the sun gives in the coming step"),
        Field("export_price_per_kwh", "f8", "per kWh", "price of an exported kWh, likewise"),
        Field("power_class", "i8", "", "class of the coming step in the power charge"),
        Field(
            "peaks_kw",
            f"({rules},{places})f8",
            "kW",
            "the N highest peaks, a row for each rule of the power charge: first the lowest, which "
            "a higher one replaces, then the others from low to high; places beyond N are 0",
        ),
        Field(
            "interval_kw",
            f"({rules},)f8",
            "kW",
            "for each rule, import of its running interval so far over the interval's length, "
            "times its factor",
        ),
        Field("house_peaks_kw", f"({rules},{places})f8", "kW", "peaks_kw of the house alone"),
        Field("house_interval_kw", f"({rules},)f8", "kW", "interval_kw of the house alone"),
        Field(
            "balance_kwh", "f8", "kWh", "import less export in the time over which they are netted"
        ),
        Field("month_kwh", "f8", "kWh", "import of the month, where support has a limit"),
        Field("house_balance_kwh", "f8", "kWh", "balance_kwh of the house alone"),
        Field("house_month_kwh", "f8", "kWh", "month_kwh of the house alone"),
        Field(
            "credit_per_kwh",
            "f8",
            "per kWh",
            "what of the coming step's price is support, 0 or less, where that has a limit",
        ),
        Field("key", "u8", "", "random stream of the seed"),
        Field("episode", "i8", "", "episodes drawn from that stream so far"),
        Field("start_min", "i8", "min", "start of the episode, since the series began"),
        Field("world", "i8", "", "number of the world"),
        Field("world_place", "i8", "", "its place among the worlds of the tables"),
        Field("start_stored_kwh", "f8", "kWh", "energy in all batteries when the episode began"),
        Field(
            "settlement_price",
            "f8",
            "per kWh",
            "mean price of the episode's cheapest quarter hours",
        ),
        Field("settlement", "f8", "", "value of the change in stored energy, once over"),
    )


VEHICLE_STATE = (
    Field("plugged", "i1", "", "1 while the car is at the charger"),
    Field("home", "i1", "", "1 while the car is at home, at a charger or waiting for one"),
    Field("phases", "i1", "", "phases in use"),
    Field("energy_kwh", "f8", "kWh", "energy in the battery; while away, as at departure"),
    Field("arrival_min", "i8", "min", "return of this stay, or the next one while away"),
    Field("departure_min", "i8", "min", "planned departure of that stay"),
    Field("wanted_soc", "f8", "", "SoC wanted at that departure"),
    Field(
        "asked_a",
        "f8",
        "A",
        "current asked for in the last step, 0 where none can flow; below 0 to discharge",
    ),
    Field("current_a", "f8", "A", "current granted in the last step, likewise"),
    Field("offered_kw", "f8", "kW", "AC power granted in the last step; below 0 discharging"),
    Field("kw_per_a", "f8", "kW/A", "power of an ampere on the phases in use"),
    Field("held_until_min", "i8", "min", "until when a switch of phases is kept"),
    Field("pause_h", "f8", "h", "pause for a switch of phases still to come"),
    Field("pack_c", "f8", "deg C", "temperature of the battery pack"),
    *(Field(*field) for field in AGEING_STATE),
    Field("trip_kwh", "f8", "kWh", "energy of the trip that ends at arrival_min"),
    Field("key", "u8", "", "random stream of this car's driver"),
    Field("session", "i8", "", "sessions drawn from that stream so far"),
    *(Field(*field) for field in DRIVER_FIELDS),
)

STEP_FIELDS = (
    Field("now_min", "i8", "min", "start of the step, since the series began"),
    Field("load_kw", "f8", "kW", "base load of the house"),
    Field("pv_kw", "f8", "kW", "what the sun gave, less what the export limit cut off"),
    Field("grid_kw", "f8", "kW", "mean power at the meter, all included; below 0 it is exported"),
    Field("overload_kw", "f8", "kW", "power above the limit of connection or contract"),
    Field("temperature_c", "f8", "deg C", "outdoor temperature"),
    Field("price_per_kwh", "f8", "per kWh", "all-in price of one more imported kWh"),
    Field("export_price_per_kwh", "f8", "per kWh", "price of one more exported kWh"),
    Field("energy_cost", "f8", "", "energy cost of the house with its vehicles"),
    Field("house_cost", "f8", "", "energy cost of the house alone"),
    Field("power_cost", "f8", "", "what the step adds to the power charge, with the vehicles"),
    Field("house_power_cost", "f8", "", "the same of the house alone"),
    Field("missing_kwh", "f8", "kWh", "energy missing at departure, bought at a public charger"),
    Field("public_kwh", "f8", "kWh", "energy bought on the road for the trips that ended"),
    Field("missing_stops", "f8", "", "cars that stopped at a public charger for missing energy"),
    Field("public_stops", "f8", "", "cars that stopped at one on the road"),
    Field("energy_term", "f8", "", "reward: minus the grid energy for charging"),
    Field("power_term", "f8", "", "reward: minus the power charge for charging"),
    Field("wear_term", "f8", "", "reward: minus the capacity that the batteries lost"),
    Field("missing_term", "f8", "", "reward: minus the energy missing at departure, and stops"),
    Field("public_term", "f8", "", "reward: minus the energy bought on the road, and stops"),
    Field("overload_term", "f8", "", "reward: minus the energy above that limit"),
)

VEHICLE_STEP_FIELDS = (
    Field("plugged", "f8", "", "1 if the car was at the charger when the step began"),
    Field("soc", "f8", "", "state of charge after the step; while away, as at departure"),
    Field("energy_kwh", "f8", "kWh", "energy in the battery after the step"),
    Field("current_a", "f8", "A", "current granted, per phase; below 0 the car is discharged"),
    Field("phases", "f8", "", "phases in use"),
    Field("charge_kw", "f8", "kW", "mean AC power drawn over the step; below 0 fed back"),
    Field("stored_kwh", "f8", "kWh", "energy that charging stored; below 0 taken out"),
    Field("loss_kwh", "f8", "kWh", "energy lost between the meter and the battery"),
    Field("topup_kwh", "f8", "kWh", "energy bought elsewhere: missing at departure or on the road"),
    Field("trip_kwh", "f8", "kWh", "energy used by a trip that ended in this step"),
    Field("pack_c", "f8", "deg C", "temperature of the battery pack after the step"),
    Field("health", "f8", "", "capacity left of the new battery's, as a share"),
    Field("wear_kwh", "f8", "kWh", "capacity lost, counted at the end of each 24 h"),
)

REWARD_TERMS = ("energy", "power", "wear", "missing", "public", "overload")


def record_dtype(fields: tuple[Field, ...]) -> np.dtype[Any]:
    """The aligned record layout of a table."""
    return np.dtype([(field.name, field.dtype) for field in fields], align=True)


STEP_DTYPE = record_dtype(STEP_FIELDS)
VEHICLE_STEP_DTYPE = record_dtype(VEHICLE_STEP_FIELDS)
VEHICLE_DTYPE = record_dtype(VEHICLE_STATE)


def household_dtype(periods: int, places: int) -> np.dtype[Any]:
    """The record layout of a household's state, sized as `household_state`."""
    return record_dtype(household_state(periods, places))
