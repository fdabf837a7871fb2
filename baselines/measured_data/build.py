"""The folder of measured series: built part by part, and compared with its first download."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from baselines.measured_data import house, prices, weather
from baselines.measured_data.download import download
from ev_gym.markets import MarketError
from ev_gym.markets.fetching import address_of
from ev_gym.series.fetched import LOAD_FILE, PRICE_FILE, WEATHER_FILE

YEARS = (2023, 2024)
ARCHIVE = "uci_235.zip"
GAPS_FILE = LOAD_FILE.replace(".csv", "_gaps.csv")
SUMS = "SHA256SUMS"
CREDITS = (
    "Prices: Energinet (energidataservice.dk), CC BY 4.0; exchange rates: European Central Bank",
    "Weather: Open-Meteo.com, CC BY 4.0",
    "Load: G. Hebrail and A. Berard, UCI Machine Learning Repository 235, "
    "doi:10.24432/C58K54, CC BY 4.0",
)
_UCI = "https://archive.ics.uci.edu"
_UCI_PATH = "/static/public/235/individual+household+electric+power+consumption.zip"
_YEARLY: dict[str, tuple[str, Callable[[int], str]]] = {
    PRICE_FILE: (prices.HEADER, prices.rows_of_year),
    WEATHER_FILE: (weather.HEADER, weather.rows_of_year),
}

Bytes = Callable[[int, int | None], object]


class Step(NamedTuple):
    """One step of the work: what it makes, and the function that does it."""

    name: str
    work: Callable[[], object]


def steps(folder: Path, progress: Bytes) -> list[Step]:
    """What is left to do for a folder of measured series, in order.

    Each step leaves whole files behind, so that an interrupted run goes on from there. Files that
    are there already are compared with the checksums that their first download left.

    Args:
        folder: Where the files go; it is made.
        progress: Called with the bytes of the large download so far, and all of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    todo: list[Step] = []
    for file, (header, rows_of_year) in _YEARLY.items():
        path = folder / file
        if path.exists():
            todo.append(Step(f"check {file}", partial(check, path)))
            continue
        parts = {year: folder / f"{file}.{year}" for year in YEARS}
        todo += [
            Step(f"{file}, {year}", partial(_write_year, part, rows_of_year, year))
            for year, part in parts.items()
            if not part.exists()
        ]
        todo.append(Step(file, partial(_join, path, header, list(parts.values()))))
    load, gaps, archive = folder / LOAD_FILE, folder / GAPS_FILE, folder / ARCHIVE
    if load.exists() and gaps.exists():
        return [*todo, *(Step(f"check {path.name}", partial(check, path)) for path in (load, gaps))]
    if not archive.exists():
        url = address_of("uci", _UCI) + _UCI_PATH
        todo.append(Step(ARCHIVE, partial(download, url, archive, "uci", progress)))
    return [*todo, Step(LOAD_FILE, partial(_house, archive, load, gaps))]


def _write(path: Path, text: str) -> None:
    """Write a file that is whole or not there."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def _write_year(path: Path, rows_of_year: Callable[[int], str], year: int) -> None:
    _write(path, rows_of_year(year))


def _join(path: Path, header: str, parts: list[Path]) -> None:
    _write(path, header + "".join(part.read_text(encoding="utf-8") for part in parts))
    _accept(path)
    for part in parts:
        part.unlink()


def _house(archive: Path, load: Path, gaps: Path) -> None:
    try:
        found = house.read(archive)
    except MarketError:
        archive.unlink()  # it would be taken for downloaded
        raise
    for path, text in ((load, house.HEADER + found.rows), (gaps, house.GAPS_HEADER + found.gaps)):
        _write(path, text)
        _accept(path)
    archive.unlink()


def _accept(path: Path) -> None:
    """Check a new file; it is not left where a later run would take it for checked.

    Raises:
        MarketError: as `check`.
    """
    try:
        check(path)
    except MarketError:
        path.replace(path.with_name(path.name + ".differs"))
        raise


def check(path: Path) -> None:
    """Compare a file with the checksum of its first download, or note that where it is the first.

    Raises:
        MarketError: if it differs.
    """
    sums = path.with_name(SUMS)
    known = {}
    if sums.exists():
        for line in sums.read_text(encoding="utf-8").splitlines():
            digest, name = line.split("  ", 1)
            known[name] = digest
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if path.name not in known:
        lines = [f"{other}  {name}\n" for name, other in {**known, path.name: digest}.items()]
        _write(sums, "".join(lines))
    elif known[path.name] != digest:
        raise MarketError(
            f"{path} is not what its first download gave: its SHA-256 is {digest}, not "
            f"{known[path.name]}; allowed: delete it to fetch it again, and its line in {sums} to "
            "accept what the sources give now"
        )
