"""The data sets of a scenario's worlds: built once per process and shared by all envs."""

from __future__ import annotations

import functools
import os
from datetime import date, datetime, timezone
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ev_gym.scenario import Data, Scenario, ScenarioError
from ev_gym.series.dataset import Dataset
from ev_gym.series.public_holidays import public_holidays

# The day of the teaching server of 2024: prices (ore per kWh) and base loads (kW) of its 24 hours.
CLASSIC_PRICES_ORE = (
    85.28, 70.86, 68.01, 67.95, 68.01, 85.04, 87.86, 100.26, 118.45, 116.61, 105.93, 91.95,
    90.51, 90.34, 90.80, 88.85, 90.39, 99.03, 87.11, 82.9, 80.45, 76.48, 32.00, 34.29,
)  # fmt: skip
CLASSIC_LOADS_KW = (
    0.88, 0.77, 2.2, 1.98, 2.75, 3.85, 4.51, 3.74, 3.85, 4.4, 4.73, 6.16,
    4.62, 3.74, 3.52, 3.63, 5.83, 11.0, 8.91, 6.05, 4.29, 2.64, 1.87, 0.99,
)  # fmt: skip
CLASSIC_TEMPERATURE_C = 15.0

# Annual consumption of a generated house, unless a scenario's `annual_kwh` scales it.
REFERENCE_KWH = 12_000.0

# The worlds of each split of the built-in series, which are generated: nobody who trains on some
# has seen the others. Series of files and the fixed day of `classic` are one world, 0.
ONLY_WORLD = (0,)
WORLDS = {None: ONLY_WORLD, "train": tuple(range(1, 9)), "test": tuple(range(101, 105))}
BUILT_IN_PRICE_MINUTES = {"synthetic": 15, "classic": 60}
# All built-in worlds of one scenario, and those of a few others.
KEPT_DATASETS = 16


class _File(NamedTuple):
    """What the cache knows a file by: after an edit it has another time or another size."""

    path: Path
    changed_ns: int
    size: int


def worlds_of(scenario: Scenario, split: str | None) -> tuple[int, ...]:
    """Numbers of the worlds of a split of the series that a scenario names."""
    return WORLDS[split] if scenario.data.source == "synthetic" else ONLY_WORLD


def dataset_of(scenario: Scenario, world: int = 0) -> Dataset:
    """The series that a scenario names.

    They are read once per process, and again when a file has changed. Built-in series are in SEK,
    whatever the scenario's currency.

    Args:
        scenario: The scenario.
        world: Number of the world, from 0; only built-in series have more than one.

    Raises:
        ScenarioError: if files are named relative to `EV_GYM_DATA` and that is not set.
        FileNotFoundError, DataError: if a file is missing or does not hold such a series.
    """
    if scenario.data.source != "files":
        return _dataset(scenario.data, "SEK", (), world)
    net_load, files = scenario.household.net_load, _files(scenario.data)
    return _dataset(scenario.data, scenario.currency, files, world, net_load)


def _files(data: Data) -> tuple[_File | None, ...]:
    """Files of prices, base load, temperature, irradiance; None where the scenario names none."""
    names = (data.price_file, data.load_file, data.temperature_file, data.irradiance_file)
    paths = [None if name is None else Path(name) for name in names]
    named = [path for path in paths if path is not None]
    folder = os.environ.get("EV_GYM_DATA")
    if folder is None and not all(path.is_absolute() for path in named):
        raise ScenarioError(
            "EV_GYM_DATA is not set; allowed: the folder that holds "
            + ", ".join(str(path) for path in named)
        )
    return tuple(None if path is None else _file(Path(folder or ".") / path) for path in paths)


def _file(path: Path) -> _File:
    if not path.is_file():  # the reader's error says which role the missing file has
        return _File(path, 0, 0)
    stat = path.stat()
    return _File(path, stat.st_mtime_ns, stat.st_size)


def price_minutes_of(scenario: Scenario) -> int:
    """Minutes of a price interval of the series that a scenario names; files are read for it."""
    if scenario.data.source == "files":
        return dataset_of(scenario).price_minutes
    return BUILT_IN_PRICE_MINUTES[scenario.data.source]


@functools.lru_cache(maxsize=KEPT_DATASETS)
def _dataset(
    data: Data,
    currency: str,
    files: tuple[_File | None, ...],
    world: int,
    net_load: bool = False,
) -> Dataset:
    if data.source == "files":
        return _from_files(data, currency, [file and file.path for file in files], net_load)
    assert data.start is not None  # `Data` allows None only for files
    assert data.weeks is not None
    start = datetime.fromisoformat(data.start).replace(tzinfo=ZoneInfo(data.zone))
    start = start.astimezone(timezone.utc)
    if data.source == "classic":
        days = 7 * data.weeks
        return Dataset(
            start=start,
            zone=data.zone,
            load_kw=np.tile(np.repeat(CLASSIC_LOADS_KW, 4), days)[np.newaxis],
            price_per_kwh=np.tile(np.array(CLASSIC_PRICES_ORE) / 100.0, days),
            temperature_c=np.full(24 * days, CLASSIC_TEMPERATURE_C),
            currency=currency,
        )
    from ev_gym.series.synthetic import synthetic_series
    from ev_gym.series.synthetic_sky import built_in_clearness

    hours = 168 * data.weeks
    days_off: frozenset[date] = frozenset()
    if data.holidays is not None:
        days_off = public_holidays(data.holidays, date.fromisoformat(data.start), hours // 24 + 1)
    series = synthetic_series(
        start,
        data.weeks,
        data.houses,
        data.zone,
        REFERENCE_KWH,
        seed=data.seed,
        world=world,
        holidays=days_off,
    )
    return Dataset(
        start=start,
        zone=data.zone,
        load_kw=series.load_kw,
        price_per_kwh=series.price_per_kwh,
        price_minutes=BUILT_IN_PRICE_MINUTES["synthetic"],
        temperature_c=series.temperature_c,
        currency=currency,
        clearness=built_in_clearness(start, hours, data.seed, world),
    )


def _from_files(data: Data, currency: str, paths: list[Path | None], net_load: bool) -> Dataset:
    price, load, temperature, irradiance = paths
    assert price is not None  # `Data` refuses files without these two
    assert load is not None
    return Dataset.from_csv(
        price=price,
        load=load,
        temperature=data.temperature_c if temperature is None else temperature,
        irradiance=irradiance,
        zone=data.zone,
        currency=currency,
        eur_rate=data.eur_rate,
        start=data.start,
        weeks=data.weeks,
        load_zone=data.load_zone,
        net_load=net_load,
        stamp_zone=data.stamp_zone,
        price_column=data.price_column,
    )
