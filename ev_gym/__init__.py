"""A household that charges electric cars at home, as a Gymnasium environment.

After `import ev_gym`, make one by `gymnasium.make("EVCharging-v0", scenario="stockholm")`. Each
name of this package loads its module when it is first used, so the import itself is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import gymnasium as _gym

if TYPE_CHECKING:
    from ev_gym.env import EVChargingEnv
    from ev_gym.scenario import (
        Charger,
        Data,
        Driving,
        Household,
        RewardWeights,
        Scenario,
        ScenarioError,
        Solar,
        Tariff,
        Vehicle,
        preset,
        preset_names,
    )
    from ev_gym.series.dataset import Dataset
    from ev_gym.simulation.observation import ObservationField, observation_fields
    from ev_gym.vector_env import EVChargingVectorEnv

_HOME = {
    "Charger": "scenario",
    "Data": "scenario",
    "Dataset": "series.dataset",
    "Driving": "scenario",
    "EVChargingEnv": "env",
    "EVChargingVectorEnv": "vector_env",
    "Household": "scenario",
    "ObservationField": "simulation.observation",
    "RewardWeights": "scenario",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "Solar": "scenario",
    "Tariff": "scenario",
    "Vehicle": "scenario",
    "observation_fields": "simulation.observation",
    "preset": "scenario",
    "preset_names": "scenario",
}

# The version stands here alone; the package's metadata are made from it.
__version__ = "0.1.0.dev0"

__all__ = [
    "Charger",
    "Data",
    "Dataset",
    "Driving",
    "EVChargingEnv",
    "EVChargingVectorEnv",
    "Household",
    "ObservationField",
    "RewardWeights",
    "Scenario",
    "ScenarioError",
    "Solar",
    "Tariff",
    "Vehicle",
    "observation_fields",
    "preset",
    "preset_names",
]

# Each scenario sets the length of its own episodes, so max_episode_steps stays unset.
_gym.register(
    id="EVCharging-v0",
    entry_point="ev_gym.env:EVChargingEnv",
    vector_entry_point="ev_gym.vector_env:EVChargingVectorEnv",
)
_gym.register(
    id="EVChargingRemote-v0",
    entry_point="ev_gym.remote:RemoteEnv",
    vector_entry_point="ev_gym.remote:RemoteVectorEnv",
)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ev_gym' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ev_gym.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
