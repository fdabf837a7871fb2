"""A scenario on its series: the tables that compiled code reads, and where episodes may begin.

Built once per process for each scenario, split and series, and shared by every env.
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
from ev_gym.series.of_scenario import ONLY_WORLD, dataset_of, worlds_of
from ev_gym.world.episode_starts import (
    Month,
    check_split,
    episode_starts,
    horizon_min,
    months_at,
    start_table,
)
from ev_gym.world.tables import Tables, build_tables, window_slot_min


@dataclass(frozen=True, eq=False)
class World:
    """The tables of one scenario and split: of one world, or of several with the same calendar.

    Attributes:
        numbers: The numbers of the W worlds.
        datasets: Their series.
        tables: What the compiled loops read.
        hourly_price: (W * H,) all-in price per kWh, the mean of each hour, float64.
        starts: (S,) START_DTYPE, where episodes may begin.
    """

    scenario: Scenario
    numbers: tuple[int, ...]
    datasets: tuple[Dataset, ...]
    split: str | None
    tables: Tables
    hourly_price: Floats
    starts: NDArray[Any]

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of scenario, series and split, 64 hexadecimal digits."""
        series = [dataset.fingerprint for dataset in self.datasets]
        parts = (self.scenario.fingerprint(), *series, str(self.split))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    @property
    def window_slot_min(self) -> int:
        """Minutes of a slot of the price window."""
        return window_slot_min(self.scenario, self.dataset.price_minutes)

    @property
    def dataset(self) -> Dataset:
        """The series of the first world; its calendar and market are those of all."""
        return self.datasets[0]

    @property
    def peaks_shape(self) -> tuple[int, int]:
        """Peak rules, and places for the peaks of each: the shape of the state's `peaks_kw`."""
        rules, places = self.tables.power.house_peaks_kw.shape[2:]
        return rules, places

    def __deepcopy__(self, memo: dict[int, Any]) -> World:
        return self

    def __reduce__(self) -> Any:
        try:
            own = self.dataset is dataset_of(self.scenario, self.numbers[0])
        except (OSError, ValueError):  # no such files; other series were passed instead
            own = False
        # The series of world 0 may have been passed, to be split by weeks or months.
        own &= self.numbers == worlds_of(self.scenario, self.split)
        return build_world, (self.scenario, None if own else self.dataset, self.split)

    def months(self) -> list[Month]:
        """The months in which episodes may take place, where the scenario has such episodes.

        Raises:
            ScenarioError: where a clock changes by less than an hour.
        """
        return months_at(self.scenario, self.dataset, np.unique(self.starts["minute"]))

    def starts_at(self, minute: int) -> NDArray[Any]:
        """(W,) the start in each world at that minute of the series; of a month only its first.

        Raises:
            ValueError: where episodes are months and none begins there.
        """
        length_min = horizon_min(self.scenario, self.dataset, minute)
        minutes, lengths_min = np.array([minute]), np.array([length_min])
        return as_records(
            start_table(minutes, lengths_min, self.hourly_price, self.numbers, self.scenario)
        )


def _check_fits(scenario: Scenario, dataset: Dataset) -> None:
    if dataset.currency != scenario.currency:
        raise ScenarioError(
            f"the data set's prices are in {dataset.currency!r}; allowed: the scenario's currency, "
            f"{scenario.currency!r}"
        )
    if dataset.net_load != scenario.household.net_load:
        raise ScenarioError(
            f"the data set's net_load is {dataset.net_load!r}; allowed: the scenario's "
            f"household.net_load, {scenario.household.net_load!r}"
        )
    if dataset.zone != scenario.data.zone:
        raise ScenarioError(
            f"the data set's zone is {dataset.zone!r}; allowed: the scenario's data.zone, "
            f"{scenario.data.zone!r}"
        )


def build_world(scenario: Scenario, dataset: Dataset | None, split: str | None) -> World:
    """The tables of a scenario and split; one and the same object for the same arguments.

    Args:
        scenario: The scenario.
        dataset: Series to use instead of those that the scenario names.
        split: None, "train" or "test".

    Raises:
        ScenarioError: if the data set has another currency or zone than the scenario, it lacks what
            the scenario needs, or the split does not fit.
    """
    check_split(split)
    if dataset is not None:
        return _built(scenario, ONLY_WORLD, (dataset,), split)
    worlds = worlds_of(scenario, split)
    return _built(scenario, worlds, tuple(dataset_of(scenario, w) for w in worlds), split)


@functools.lru_cache(maxsize=16)
def _built(
    scenario: Scenario, worlds: tuple[int, ...], datasets: tuple[Dataset, ...], split: str | None
) -> World:
    _check_fits(scenario, datasets[0])
    of_series = split if worlds == ONLY_WORLD else None  # a world is of one split as a whole
    minutes, horizons_min = episode_starts(scenario, datasets[0], of_series)
    tables, hourly = build_tables(scenario, datasets)
    starts = start_table(minutes, horizons_min, hourly, worlds, scenario)
    starts.flags.writeable = False
    return World(scenario, worlds, datasets, split, tables, hourly, as_records(starts))


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
