"""The data sets of a scenario's worlds: built once per process and shared by all envs."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ev_gym.scenario import CarbonSource, Data, PriceSource, Scenario, ScenarioError, SeriesFile
from ev_gym.scenario.parameters import nearest
from ev_gym.scenario.series_source import BUILT_IN, CARBON, PARTS
from ev_gym.series.dataset import Dataset
from ev_gym.series.fetched import FETCHED_FILES, fetched_folder
from ev_gym.series.limits import HOURS_PER_WEEK
from ev_gym.series.local_time import WEEK_S, Span
from ev_gym.series.public_holidays import public_holidays

if TYPE_CHECKING:
    from ev_gym.series.files_and_frames import Table

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
BUILT_IN_PRICE_MINUTES = {BUILT_IN: 15, "classic": 60}
# All built-in worlds of one scenario, and those of a few others.
KEPT_DATASETS = 16


class _File(NamedTuple):
    """What the cache knows a file by: after an edit it has another time or another size."""

    path: Path
    changed_ns: int
    size: int


def worlds_of(scenario: Scenario, split: str | None) -> tuple[int, ...]:
    """Numbers of the worlds of a split of the series that a scenario names."""
    data = scenario.data
    return WORLDS[split] if data.is_generated else ONLY_WORLD


def dataset_of(scenario: Scenario, world: int = 0) -> Dataset:
    """The series that a scenario names.

    They are read once per process, and again when a file has changed. Built-in prices are in SEK,
    whatever the scenario's currency, unless `data.sek_rate` says what a SEK is worth in it.

    Args:
        scenario: The scenario.
        world: Number of the world, from 0; only series that are all built in have more than one,
            with the same carbon intensity.

    Raises:
        ScenarioError: if a file is found neither by its own path nor in `EV_GYM_DATA`, because that
            is not set, and it is none of those that `ev-gym data fetch` has brought.
        FileNotFoundError, DataError: if a file is missing or does not hold such a series.
    """
    data, net_load = scenario.data, scenario.household.net_load
    in_sek = data.origin("price") in (BUILT_IN, "classic") and data.sek_rate is None
    currency = "SEK" if in_sek else scenario.currency
    return _dataset(data, currency, _files(data), world, net_load)


def _files(data: Data) -> tuple[_File | None, ...]:
    """Files of the parts, then of carbon intensity; None where the scenario names none."""
    origins = [data.origin(part) for part in (*PARTS, CARBON)]
    names = [origin.path if isinstance(origin, SeriesFile) else None for origin in origins]
    paths = [None if name is None else Path(name) for name in names]
    named = [path for path in paths if path is not None]
    folder = _folder([path for path in named if not path.is_absolute()], named)
    return tuple(None if path is None else _file(folder / path) for path in paths)


def _folder(relative: list[Path], named: list[Path]) -> Path:
    """The folder of relative paths: that of EV_GYM_DATA, or that of the fetched series."""
    folder = os.environ.get("EV_GYM_DATA")
    if folder is not None or not relative:
        return Path(folder or ".")
    are_fetched = {str(path) for path in relative} <= set(FETCHED_FILES)
    if are_fetched and all((fetched_folder() / path).is_file() for path in relative):
        return fetched_folder()
    raise ScenarioError(
        "EV_GYM_DATA is not set; allowed: the folder that holds "
        + ", ".join(str(path) for path in named)
        + ("; `ev-gym data fetch` downloads them" if are_fetched else "")
    )


def _file(path: Path) -> _File:
    if not path.is_file():  # the reader's error says which role the missing file has
        return _File(path, 0, 0)
    stat = path.stat()
    return _File(path, stat.st_mtime_ns, stat.st_size)


def price_minutes_of(scenario: Scenario) -> int:
    """Minutes of a price interval of the series that a scenario names; files are read for it."""
    origin = scenario.data.origin("price")
    if isinstance(origin, str):
        return BUILT_IN_PRICE_MINUTES[origin]
    return dataset_of(scenario).price_minutes


@functools.lru_cache(maxsize=KEPT_DATASETS)
def _dataset(
    data: Data, currency: str, files: tuple[_File | None, ...], world: int, net_load: bool
) -> Dataset:
    if data.source == "classic":
        return _classic(data, currency)
    if data.is_generated and data.carbon is None:
        span = _declared_span(data)
        return _on(span, currency, _built_in(data, span, PARTS, world))
    parts = (*PARTS, CARBON)
    paths = {part: file and str(file.path) for part, file in zip(parts, files, strict=True)}
    return _by_parts(data, currency, paths, world, net_load)


def _classic(data: Data, currency: str) -> Dataset:
    span = _declared_span(data)
    days = 7 * span.weeks
    day_by_day = {
        "load_kw": np.tile(np.repeat(CLASSIC_LOADS_KW, 4), days)[np.newaxis],
        "price_per_kwh": np.tile(np.array(CLASSIC_PRICES_ORE) / 100.0, days),
        "temperature_c": np.full(24 * days, CLASSIC_TEMPERATURE_C),
    }
    return _on(span, currency, day_by_day)


def _on(span: Span, currency: str, series: dict[str, Any]) -> Dataset:
    start = datetime.fromtimestamp(span.start_s, timezone.utc)
    return Dataset(start=start, zone=span.zone, currency=currency, **series)


def _declared_span(data: Data) -> Span:
    """The calendar that start and weeks set."""
    assert data.start is not None  # `Data` allows None only where a file holds the calendar
    assert data.weeks is not None
    start = datetime.fromisoformat(data.start).replace(tzinfo=ZoneInfo(data.zone))
    start_s = int(start.timestamp())
    return Span(start_s, start_s + data.weeks * WEEK_S, data.zone)


def _by_parts(
    data: Data, currency: str, paths: dict[str, str | None], world: int, net_load: bool
) -> Dataset:
    """The series, each from where it comes, on the calendar of the prices.

    With built-in prices the scenario declares the calendar, or else the file of loads has it.
    """
    from ev_gym.series import pairing
    from ev_gym.series.files_and_frames import read_csv

    options = pairing.Options(
        data.zone,
        currency,
        data.eur_rate,
        data.start,
        data.weeks,
        data.load_zone,
        net_load,
        data.complete_weeks,
    )

    def table(part: str, span: Span | None = None) -> Table | None:
        origin = data.origin(part)
        if not isinstance(origin, SeriesFile):
            return None
        if isinstance(origin, (PriceSource, CarbonSource)) and origin.market is not None:
            return _published(origin, origin.market, span or _declared_span(data))
        role = "irradiance" if part == "sun" else part
        return read_csv(replace(origin, path=paths[part]), role)

    fields: dict[str, Any] = {}
    price = table("price")
    load = table("load")
    if price is None and (data.start is None or data.weeks is None):
        assert load is not None  # `Data.calendar_part` is "load"
        span = pairing.load_span(load, options)
    elif price is None:
        span = _declared_span(data)
    else:
        prices = pairing.prices_of(price, options)
        span = pairing.price_span(prices, options)
        fields |= pairing.price_fields(prices, span)
    built_in = [part for part in PARTS if data.origin(part) == BUILT_IN]
    if built_in:
        fields |= _built_in(data, span, built_in, world)
    if "load" not in built_in:
        assert load is not None  # `Data` refuses files without it
        fields["load_kw"] = pairing.load_kw(load, data.load_zone, span, net_load)
        fields["net_load"] = net_load
    if "temperature" not in built_in:
        measured = table("temperature") or data.temperature_c
        fields["temperature_c"] = pairing.temperature_c(measured, span)
    if "sun" not in built_in:
        fields |= pairing.sky_fields(table("sun"), span)
    fields["carbon_g_per_kwh"] = pairing.carbon_g_per_kwh(table(CARBON, span), span)
    return _on(span, currency, fields)


def _published(source: PriceSource | CarbonSource, area: str, span: Span) -> Table:
    """What a market published for its own days that the calendar touches.

    Where clocks differ from the market's, a local Monday begins within a day of it.
    """
    from ev_gym.markets import AREAS, carbon_g_per_kwh, prices
    from ev_gym.series.files_and_frames import read_frame

    if area not in AREAS:
        raise ScenarioError(
            f"{type(source).__name__}.market is {area!r}{nearest(area, AREAS)}; allowed: "
            + ", ".join(AREAS)
        )
    zone = ZoneInfo(AREAS[area].market_zone)
    first, last = (
        datetime.fromtimestamp(moment_s, zone).date() for moment_s in (span.start_s, span.end_s - 1)
    )
    ask = prices if isinstance(source, PriceSource) else carbon_g_per_kwh
    published = ask(area, first, last, source=source.provider)
    return read_frame(published, f"market {area}", SeriesFile())


def _built_in(data: Data, span: Span, parts: Sequence[str], world: int) -> dict[str, Any]:
    """Those of the generated series that a scenario takes, as fields of a `Dataset`."""
    from ev_gym.series.synthetic import synthetic_series
    from ev_gym.series.synthetic_sky import built_in_clearness

    start = datetime.fromtimestamp(span.start_s, timezone.utc)
    weeks = span.weeks
    fields: dict[str, Any] = {}
    if set(parts) != {"sun"}:
        days_off: frozenset[date] = frozenset()
        if data.holidays is not None:
            first = start.astimezone(ZoneInfo(data.zone)).date()
            days_off = public_holidays(data.holidays, first, 7 * weeks + 1)
        series = synthetic_series(
            start,
            weeks,
            data.houses,
            data.zone,
            REFERENCE_KWH,
            seed=data.seed,
            world=world,
            holidays=days_off,
        )
        if "price" in parts:
            rate = 1.0 if data.sek_rate is None else data.sek_rate
            fields["price_per_kwh"] = series.price_per_kwh * rate
            fields["price_minutes"] = BUILT_IN_PRICE_MINUTES[BUILT_IN]
        if "load" in parts:
            fields["load_kw"] = series.load_kw
        if "temperature" in parts:
            fields["temperature_c"] = series.temperature_c
    if "sun" in parts:
        fields["clearness"] = built_in_clearness(start, HOURS_PER_WEEK * weeks, data.seed, world)
    return fields
