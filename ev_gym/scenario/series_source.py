"""Where a scenario's series come from; `ev_gym.series.of_scenario` builds them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ev_gym.scenario.parameters import (
    PATH_LENGTH,
    ScenarioError,
    check,
    check_unread,
    choice,
    number,
    section,
    text,
)
from ev_gym.scenario.series_file import CarbonSource, PriceSource, SeriesFile

# Between these days, Python's dates, time stamps and time zones all work.
FIRST_DAY, END_DAY = date(1900, 1, 1), date(2200, 1, 1)
# What only `source` "files" reads, and what any file or market of a part reads as well.
FLAT_FILES = {
    "price": ("price_file", "price_column"),
    "load": ("load_file",),
    "temperature": ("temperature_file", "temperature_c"),
    "sun": ("irradiance_file",),
}
OF_ANY_FILE = ("eur_rate", "load_zone", "stamp_zone", "complete_weeks")
BUILT_IN = "builtin"
PARTS = tuple(FLAT_FILES)
# What is only reported: it changes nothing that happens, and there is none unless it is given.
CARBON = "carbon"


@dataclass(frozen=True)
class Data:
    """Where the series come from.

    `synthetic`: the calibrated generator. `classic`: the teaching server's fixed day. `files`: CSV
    files that `Dataset.from_csv` reads. A file's path is absolute, or relative to the scenario's
    own file or to the folder that the environment variable `EV_GYM_DATA` names.

    `price`, `load`, `temperature` and `sun`, each by itself, go before what `source` says: a file
    with its reading options, `"builtin"` for generated ones, or for prices those that a market
    published. Prices of a file set the calendar; `start` may then be None, which means their first
    Monday, and `weeks` may be None, which means all their whole weeks. Built-in temperature and
    houses are Stockholm's, wherever the scenario is; the built-in sky has Stockholm's clouds under
    the sun of the scenario's place. Built-in prices are in SEK.

    `carbon` is no part of what happens: with it, results tell the CO2 of charging, and all else
    stays as it is.
    """

    source: str = choice(
        "synthetic", "where the series come from", ("synthetic", "classic", "files")
    )
    zone: str = text("Europe/Stockholm", "IANA time zone of local hour, weekday and month")
    start: str | None = text(
        "2024-12-30",
        "first local Monday, as YYYY-MM-DD; series lie between 1900 and 2200",
        optional=True,
    )
    weeks: int | None = number(53, "", "length in weeks", 1, 1000, whole=True, optional=True)
    houses: int = number(16, "", "synthetic: number of houses in each world", 1, 1000, whole=True)
    seed: int = number(0, "", "synthetic: family of worlds", 0, 2**32 - 1, whole=True)
    holidays: str | None = text(
        "SE",
        "country, by ISO 3166, whose public holidays are days off in driving, in built-in prices "
        "and loads; None: no holidays",
        optional=True,
    )
    prices_known: str = choice(
        "day-ahead",
        "when prices are known: the day-ahead auction's at 13:00 CET, Octopus Agile's at 16:00 in "
        "London, both for the next CET day",
        ("day-ahead", "agile"),
    )
    price: PriceSource | str | None = section(
        PriceSource, "prices by themselves; None: as source says", word=BUILT_IN
    )
    load: SeriesFile | str | None = section(
        SeriesFile, "base load by itself; None: as source says", word=BUILT_IN
    )
    temperature: SeriesFile | str | None = section(
        SeriesFile, "outdoor temperature by itself; None: as source says", word=BUILT_IN
    )
    sun: SeriesFile | str | None = section(
        SeriesFile, "irradiance by itself; None: as source says", word=BUILT_IN
    )
    carbon: CarbonSource | None = section(
        CarbonSource, "carbon intensity of the grid, to be reported; None: not known"
    )
    price_file: str | None = text(
        None, "files: day-ahead prices", longest=PATH_LENGTH, optional=True
    )
    price_column: str | None = text(None, "files: column of the price", optional=True)
    eur_rate: float | None = number(
        None, "1/EUR", "prices in EUR: their rate in the scenario's currency", 0.001, 1e6,
        optional=True,
    )  # fmt: skip
    sek_rate: float | None = number(
        None, "1/SEK", "built-in prices in another currency: its value of 1 SEK", 1e-6, 1e6,
        optional=True,
    )  # fmt: skip
    complete_weeks: bool = choice(
        False,
        "files that begin or end with a month go on to the Monday before or after it, with the "
        "values of a week later or earlier",
        (False, True),
    )
    load_file: str | None = text(None, "files: base load", longest=PATH_LENGTH, optional=True)
    load_zone: str | None = text(None, "files: time zone of the load's days", optional=True)
    temperature_file: str | None = text(
        None, "files: outdoor temperature", longest=PATH_LENGTH, optional=True
    )
    temperature_c: float | None = number(
        None, "deg C", "files: constant instead of temperature_file", -60, 60, optional=True
    )
    irradiance_file: str | None = text(
        None,
        "files: GHI, with DHI and DNI where measured; solar panels need it",
        longest=PATH_LENGTH,
        optional=True,
    )
    stamp_zone: str | None = text(None, "files: zone of stamps without offset", optional=True)

    def __post_init__(self) -> None:
        check(self)
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ScenarioError(
                f"Data.zone is {self.zone!r}; allowed: an IANA zone such as 'Europe/Stockholm'"
            ) from None
        self._check_start()
        self._check_parts()
        files = self.source == "files"
        if self.source == "classic":
            check_unread(self, ("prices_known",), "the fixed day of source 'classic' has no market")
        if not files:
            unread = sum(FLAT_FILES.values(), () if self.own_parts else OF_ANY_FILE)
            check_unread(self, unread, f"source is {self.source!r}, not 'files'")
        elif self.temperature is None and (self.temperature_file is None) == (
            self.temperature_c is None
        ):
            raise ScenarioError(
                f"Data.temperature_file is {self.temperature_file!r} and Data.temperature_c is "
                f"{self.temperature_c!r}; allowed with files: exactly one of the two"
            )
        if self.origin("price") != BUILT_IN:
            check_unread(self, ("sek_rate",), "prices are not built in")

    def _check_parts(self) -> None:
        """Refuse parts that name no series, and what is set beside a part that goes before it."""
        for part in (*PARTS, CARBON):
            given = getattr(self, part)
            if given is None:
                continue
            if self.source == "classic":
                check_unread(self, (part,), "source is 'classic'")
            check_unread(self, FLAT_FILES.get(part, ()), f"{part} is given")
            may_be_market = isinstance(given, (PriceSource, CarbonSource))
            market = given.market if may_be_market else None
            if isinstance(given, SeriesFile) and (given.path is None) == (market is None):
                also = " or a market, not both" if part in ("price", CARBON) else ""
                raise ScenarioError(f"Data.{part} is {given!r}; allowed: one with a path{also}")
            if market is not None:
                of_files = [field.name for field in fields(SeriesFile)]
                check_unread(given, of_files, "market is given")
            elif may_be_market:
                check_unread(given, ("provider",), "market is None")
        if self.source == "files":
            for part, (name, *_) in list(FLAT_FILES.items())[:2]:
                if getattr(self, part) is None and getattr(self, name) is None:
                    raise ScenarioError(f"Data.{name} is None; allowed with files: a path")
        if self.calendar_part is None:
            for name in ("start", "weeks"):
                if getattr(self, name) is None:
                    raise ScenarioError(
                        f"Data.{name} is None; allowed with a file of prices, or with built-in "
                        "prices and a file of loads"
                    )

    @property
    def calendar_part(self) -> str | None:
        """Whose file holds the calendar where `start` is None: "price" or "load"; None: no file."""
        price, load = self.origin("price"), self.origin("load")
        if isinstance(price, SeriesFile):
            return "price" if price.path is not None else None
        return "load" if price == BUILT_IN and isinstance(load, SeriesFile) else None

    def origin(self, part: str) -> SeriesFile | str | None:
        """Where "price", "load", "temperature", "sun" or "carbon" come from.

        Returns:
            A file with its options, or what a market published; or "builtin" or "classic". None,
            with `source` "files": the temperature is constant, or there is no sun; of "carbon": it
            is not known.
        """
        given: SeriesFile | str | None = getattr(self, part)
        if given is None and part != CARBON:
            if self.source != "files":
                return BUILT_IN if self.source == "synthetic" else self.source
            path = getattr(self, FLAT_FILES[part][0])
            if path is None:
                return None
            column = self.price_column if part == "price" else None
            given = SeriesFile(path=path, columns=() if column is None else (column,))
        if isinstance(given, SeriesFile) and given.stamp_zone is None:
            return replace(given, stamp_zone=self.stamp_zone)
        return given

    @property
    def own_parts(self) -> tuple[str, ...]:
        """The parts, with carbon, that are read from files or from a market."""
        return tuple(p for p in (*PARTS, CARBON) if isinstance(self.origin(p), SeriesFile))

    @property
    def is_generated(self) -> bool:
        """Whether all that happens is built in, so that there are several worlds of it."""
        return self.source == "synthetic" and set(self.own_parts) <= {CARBON}

    def _check_start(self) -> None:
        if self.start is None:
            return
        try:
            first = date.fromisoformat(self.start)
        except ValueError:
            first = None
        if first is None or first.weekday() != 0:
            raise ScenarioError(f"Data.start is {self.start!r}; allowed: a Monday as YYYY-MM-DD")
        length = timedelta(weeks=self.weeks or 0)
        if not FIRST_DAY <= first <= END_DAY - length:
            raise ScenarioError(
                f"Data.start is {self.start!r} and Data.weeks is {self.weeks!r}; allowed: series "
                f"from {FIRST_DAY} to {END_DAY}"
            )


def with_files_beside(data: Data, folder: Path) -> Data:
    """The data with the absolute paths of those of its files that lie in the folder."""
    flat = [name for names in FLAT_FILES.values() for name in names if name.endswith("_file")]
    found: dict[str, Any] = {
        name: beside
        for name in flat
        if (beside := _beside(getattr(data, name), folder)) is not None
    }
    for part in (*PARTS, CARBON):
        given = getattr(data, part)
        if isinstance(given, SeriesFile) and (path := _beside(given.path, folder)) is not None:
            found[part] = replace(given, path=path)
    return replace(data, **found)


def _beside(path: str | None, folder: Path) -> str | None:
    if path is None or not (folder / path).is_file():
        return None
    return str((folder / path).resolve())
