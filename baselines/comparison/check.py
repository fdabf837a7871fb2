"""Whether a folder of results repeats: the plan of its manifest is run again and compared.

On the machine and with the versions and the source of the manifest, every file must be the same to
the byte. Otherwise a table of other bytes is read: every text in it must be the same, and every
number within 1e-9 of its size or, below 1, of 1. The steps are written with six decimals and may be
one unit of the last one apart, because rounding may fall to the other side. Pictures and the report
are then not compared, since fonts and drawing libraries change them.

A file in the folder that a run could have written, but that the manifest does not name, is of
another run.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from baselines.comparison import manifest

TOLERANCE = 1e-9
ROUNDING = 1.001e-6  # of the steps, which are written with six decimals


class FileOutcome(NamedTuple):
    """What became of one file: `repeats` is None where it was not compared."""

    name: str
    repeats: bool | None
    words: str


class Outcome(NamedTuple):
    """What a check found: changes of machine, versions or files since, and each file."""

    changes: list[str]
    files: list[FileOutcome]

    @property
    def repeats(self) -> bool:
        """Whether no file differs."""
        return all(file.repeats is not False for file in self.files)

    def __str__(self) -> str:
        ground = "the same machine, versions and source: bytes are compared"
        if self.changes:
            ground = f"numbers are compared within {TOLERANCE:g}, because since then:"
        changes = [f"  {change}" for change in self.changes]
        wide = max((len(file.name) for file in self.files), default=0)
        files = [f"{file.name:<{wide}}  {file.words}" for file in self.files]
        end = "every number repeats" if self.repeats else "NOT every number repeats"
        return "\n".join([ground, *changes, *files, end])


def check(folder: Path, rerun: Callable[[dict[str, Any], Path], object]) -> Outcome:
    """Run the plan of a folder's manifest again and compare every file.

    Args:
        folder: The folder of results; nothing in it is changed.
        rerun: Called with the manifest and an empty folder. It runs `manifest["plan"]` and writes
            the results into that folder; `manifest["command"]` belongs into their report.

    Raises:
        ValueError: for a folder without a manifest, or a damaged one.
    """
    recorded = manifest.read(folder)
    changes = manifest.changes(recorded, manifest.describe(recorded["plan"], recorded["command"]))
    with tempfile.TemporaryDirectory() as new:
        rerun(recorded, Path(new))
        names = [*recorded["results_sha256"]]
        names += sorted(
            path.name
            for path in Path(new).iterdir()
            if path.is_file() and path.name not in {*names, manifest.NAME}
        )
        files = [
            FileOutcome(name, *_compared(folder / name, Path(new) / name, recorded, bool(changes)))
            for name in names
        ]
    files += [
        FileOutcome(name, False, "DIFFERS: it is not of this run, the manifest does not name it")
        for name in manifest.RESULTS
        if name not in names and (folder / name).is_file()
    ]
    return Outcome(changes, files)


def _compared(
    old: Path, new: Path, recorded: dict[str, Any], elsewhere: bool
) -> tuple[bool | None, str]:
    """Whether a file repeats, and that in words."""
    digest = recorded["results_sha256"].get(old.name)
    if digest is None:
        return False, "DIFFERS: the manifest does not name it, the new run wrote it"
    if not old.is_file():
        return False, "DIFFERS: it is missing in the folder"
    if not new.is_file():
        return False, "DIFFERS: the new run did not write it"
    is_table = old.name.endswith((".csv", ".csv.gz"))
    if manifest.file_digest(old) != digest:
        difference = first_difference(old, new, exact=not elsewhere) if is_table else None
        where = f"; {difference}" if difference else ""
        return False, f"DIFFERS: it was changed after it was written{where}"
    if manifest.file_digest(new) == digest:
        return True, "the same bytes"
    if not is_table:
        return (None, "not compared") if elsewhere else (False, "DIFFERS in its bytes")
    difference = first_difference(old, new, exact=not elsewhere)
    if difference is not None:
        return False, f"DIFFERS: {difference}"
    if elsewhere:
        return True, f"the same within {TOLERANCE:g}"
    return False, "DIFFERS in its bytes, in no cell"


def first_difference(old: Path, new: Path, exact: bool) -> str | None:
    """The first cell in which two tables differ, with both values; None: there is none.

    Args:
        old: A .csv or .csv.gz file.
        new: The other.
        exact: Whether numbers must be the same texts.
    """
    apart = ROUNDING if old.suffix == ".gz" else TOLERANCE
    with _opened(old) as first, _opened(new) as second:
        header: list[str] = []
        rows = itertools.zip_longest(csv.reader(first), csv.reader(second))
        for number, (was, now) in enumerate(rows, start=1):
            if was is None or now is None:
                longer = "was" if now is None else "is"
                return f"the longer one {longer} {number + sum(1 for _ in rows)} lines long"
            header = header or was
            if was == now:
                continue
            for column, (a, b) in enumerate(itertools.zip_longest(was, now)):
                if a != b and (exact or a is None or b is None or not close(a, b, apart)):
                    name = header[column] if column < len(header) else f"number {column + 1}"
                    return f"line {number}, column {name}: was {a}, is {b}"
    return None


def close(a: str, b: str, apart: float = TOLERANCE) -> bool:
    """Whether two different cells hold nearly the same number; two whole numbers never do.

    Args:
        a: A cell.
        b: The other.
        apart: Numbers may also differ by so much.
    """
    try:
        x, y = float(a), float(b)
    except ValueError:
        return False
    if not ({*".eE"} & {*a} and {*".eE"} & {*b}):
        return False
    return math.isclose(x, y, rel_tol=TOLERANCE, abs_tol=apart)


def _opened(path: Path) -> TextIO:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    opened: TextIO = opener(path, "rt", encoding="utf-8", newline="")
    return opened
