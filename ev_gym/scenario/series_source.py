"""Where a scenario's series come from; `ev_gym.series.of_scenario` builds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from ev_gym.scenario.parameters import (
    PATH_LENGTH,
    ScenarioError,
    check,
    check_unread,
    choice,
    number,
    text,
)

# Between these days, Python's dates, time stamps and time zones all work.
FIRST_DAY, END_DAY = date(1900, 1, 1), date(2200, 1, 1)
FILES = (
    *("price_file", "price_column", "eur_rate", "load_file", "load_zone"),
    *("temperature_file", "temperature_c", "irradiance_file", "stamp_zone"),
)


@dataclass(frozen=True)
class Data:
    """Where the series come from.

    `synthetic`: the calibrated generator. `classic`: the teaching server's fixed day. `files`: CSV
    files that `Dataset.from_csv` reads; their paths are absolute, or relative to the folder that
    the environment variable `EV_GYM_DATA` names. With files, `start` may be None, which means the
    first Monday of the prices, and `weeks` may be None, which means all their whole weeks.
    Built-in series are in SEK.
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
    market: str = choice(
        "day-ahead",
        "when prices are known: the day-ahead auction's at 13:00 CET, Octopus Agile's at 16:00 in "
        "London, both for the next CET day",
        ("day-ahead", "agile"),
    )
    price_file: str | None = text(
        None, "files: day-ahead prices", longest=PATH_LENGTH, optional=True
    )
    price_column: str | None = text(None, "files: column of the price", optional=True)
    eur_rate: float | None = number(None, "SEK/EUR", "files: rate", 0.001, 1e6, optional=True)
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
        files = self.source == "files"
        if self.source == "classic":
            check_unread(self, ("market",), "the fixed day of source 'classic' has no market")
        if not files:
            check_unread(self, FILES, f"source is {self.source!r}, not 'files'")
        for name in ("price_file", "load_file") if files else ("start", "weeks"):
            if getattr(self, name) is None:
                allowed = "with files: a path" if files else "with source 'files' only"
                raise ScenarioError(f"Data.{name} is None; allowed {allowed}")
        if files and (self.temperature_file is None) == (self.temperature_c is None):
            raise ScenarioError(
                f"Data.temperature_file is {self.temperature_file!r} and Data.temperature_c is "
                f"{self.temperature_c!r}; allowed with files: exactly one of the two"
            )

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
