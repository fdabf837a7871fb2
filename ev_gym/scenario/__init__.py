"""What a user declares: a household, its charger and cars, their drivers, its tariff and series."""

from __future__ import annotations

from ev_gym.scenario import presets as _presets  # noqa: F401  # registers the built-in scenarios
from ev_gym.scenario.charger import Charger, Dimming
from ev_gym.scenario.parameters import ScenarioError
from ev_gym.scenario.scenario import (
    Household,
    RewardWeights,
    Scenario,
    as_scenario,
    preset,
    preset_names,
)
from ev_gym.scenario.series_file import CarbonSource, PriceSource, SeriesFile
from ev_gym.scenario.series_source import Data
from ev_gym.scenario.solar import Solar
from ev_gym.scenario.tariff import (
    CalledDays,
    ContractedPower,
    Fee,
    PeakPrice,
    PeakRule,
    Price,
    Share,
    Tariff,
    Weight,
)
from ev_gym.scenario.vehicle import Driving, Vehicle

__all__ = [
    "CalledDays",
    "CarbonSource",
    "Charger",
    "ContractedPower",
    "Data",
    "Dimming",
    "Driving",
    "Fee",
    "Household",
    "PeakPrice",
    "PeakRule",
    "Price",
    "PriceSource",
    "RewardWeights",
    "Scenario",
    "ScenarioError",
    "SeriesFile",
    "Share",
    "Solar",
    "Tariff",
    "Vehicle",
    "Weight",
    "as_scenario",
    "preset",
    "preset_names",
]
