"""A scenario on its data set: the tables that compiled code reads, and where episodes may begin.

Built once per process for each scenario, data set and split, and shared by every env.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import as_records
from ev_gym.scenario import Driving, Scenario, ScenarioError
from ev_gym.series.dataset import Dataset
from ev_gym.series.of_scenario import dataset_of
from ev_gym.world.episode_starts import episode_starts, horizon_min, start_table
from ev_gym.world.tables import Tables, build_tables


@dataclass(frozen=True, eq=False)
class World:
    """The tables of one scenario, data set and split.

    Attributes:
        tables: What the compiled loops read.
        hourly_price: (H,) all-in price per kWh, the mean of each hour, float64.
        starts: (S,) START_DTYPE, where episodes may begin.
    """

    scenario: Scenario
    dataset: Dataset
    split: str | None
    tables: Tables
    hourly_price: Floats
    starts: NDArray[Any]

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of scenario, series and split, 64 hexadecimal digits."""
        parts = (self.scenario.fingerprint(), self.dataset.fingerprint, str(self.split))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    @property
    def peaks_shape(self) -> tuple[int, int]:
        """Tariff periods, and places for the peaks of each: the shape of the state's `peaks_kw`."""
        periods, places = self.tables.house_peaks_kw.shape[2:]
        return periods, places

    def __deepcopy__(self, memo: dict[int, Any]) -> World:
        return self

    def __reduce__(self) -> Any:
        try:
            built_in = self.dataset is dataset_of(self.scenario)
        except (OSError, ValueError):  # no such files; other series were passed instead
            built_in = False
        return _rebuild, (self.scenario, None if built_in else self.dataset, self.split)

    def start_at(self, minute: int) -> NDArray[Any]:
        """A table of one start, at that minute of the series; where episodes are months, a first.

        Raises:
            ValueError: where episodes are months and none begins there.
        """
        length_min = horizon_min(self.scenario, self.dataset, minute)
        table = start_table(
            np.array([minute]), np.array([length_min]), self.hourly_price, self.scenario
        )
        return as_records(table)


def _rebuild(scenario: Scenario, dataset: Dataset | None, split: str | None) -> World:
    """The world of a pickle; without a `dataset`, on the series that the scenario names."""
    return build_world(scenario, dataset or dataset_of(scenario), split)


def _check_fits(scenario: Scenario, dataset: Dataset) -> None:
    if dataset.currency != scenario.currency:
        raise ScenarioError(
            f"the data set's prices are in {dataset.currency!r}; allowed: the scenario's currency, "
            f"{scenario.currency!r}"
        )
    if dataset.zone != scenario.data.zone:
        raise ScenarioError(
            f"the data set's zone is {dataset.zone!r}; allowed: the scenario's data.zone, "
            f"{scenario.data.zone!r}"
        )


@functools.lru_cache(maxsize=16)
def build_world(scenario: Scenario, dataset: Dataset, split: str | None) -> World:
    """The world of a scenario on a data set; one and the same object for the same arguments.

    Raises:
        ScenarioError: if the data set has another currency or zone than the scenario, it lacks what
            the scenario needs, or the split does not fit.
    """
    _check_fits(scenario, dataset)
    minutes, horizons_min = episode_starts(scenario, dataset, split)
    tables, hourly = build_tables(scenario, dataset)
    starts = start_table(minutes, horizons_min, hourly, scenario)
    starts.flags.writeable = False
    return World(scenario, dataset, split, tables, hourly, as_records(starts))


def _never_leaves(driving: Driving) -> bool:
    """Whether a car is plugged in from 0 to 24 h every day and drives nothing."""
    all_day = (driving.arrival_h, driving.departure_h) == (0.0, 24.0)
    trip = driving.trip_km if driving.trip_kwh is None else driving.trip_kwh
    return driving.pattern == "daily" and all_day and trip == 0.0


def unending(world: World) -> World:
    """The same world for a station, which runs on where an episode would end.

    It differs only where the daily pattern keeps every car plugged in from 0 to 24 h and lets it
    drive nothing. In an episode such a car departs every midnight all the same, and the energy that
    it lacks then is bought elsewhere. On a station it never departs: its SoC goes on and nothing is
    bought. Policies still see the coming midnight as its planned departure. (A copy made by pickle
    is an episode's world again.)
    """
    scenario = world.scenario
    if not all(_never_leaves(car.driving or scenario.driving) for car in scenario.vehicles):
        return world
    settings = world.tables.settings.copy()
    settings["stays_home"] = True
    settings.flags.writeable = False
    return replace(world, tables=world.tables._replace(settings=settings))
