"""Text files as header and rows of cells, each row with the number that an editor shows."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ev_gym.scenario.series_file import SeriesFile
from ev_gym.series.dialects import last_row, plain_names, settled
from ev_gym.series.limits import DataError

# In this order: a header with a semicolon in it is not split at the commas of its names.
_SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "bars"}


class Cells(NamedTuple):
    """What a file holds.

    Attributes:
        header: Names of the columns.
        header_row: Number of the header's row, from 1.
        rows: Cells of each record, as many as the header has.
        numbers: Number of each record's row.
        separator: What stands between cells.
        encoding: How the file's bytes were read.
    """

    header: list[str]
    header_row: int
    rows: list[list[str]]
    numbers: list[int]
    separator: str
    encoding: str


def separator_word(separator: str) -> str:
    """What messages call a separator."""
    return _SEPARATORS[separator]


def read_cells(name: str, role: str, file: SeriesFile) -> tuple[Cells, SeriesFile]:
    """The cells of a file, and its options with what its dialect adds to them.

    Python's csv module rather than pandas reads it, because it keeps all rows, so that messages can
    name their numbers, and takes no text (such as "NA") for a missing value.

    Raises:
        DataError: for what is no text, an empty file, or a row with more or fewer cells than the
            header.
    """
    text, encoding = _text(name)
    lines = [line.rstrip("\n") for line in io.StringIO(text, newline=None)]
    file = settled(file, role, name, lines)
    if len(lines) <= file.skip_rows:
        raise DataError(f"{name}, row {len(lines) + 1}: the file is empty; a header is needed")
    separator = file.separator or _found_separator(lines[file.skip_rows :])
    text = "\n".join(lines[file.skip_rows : last_row(file, lines)])
    rows, numbers = _records(name, text, file.skip_rows, separator)
    header = [cell.strip() for cell in rows[0]]
    rows, numbers = rows[1:], numbers[1:]
    if len(header) > 1 and not header[-1] and not any(row[-1:] != [""] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]  # a separator after the last cell
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != len(header):
            raise DataError(
                f"{name}, row {number}: {len(row)} cells where the header in row "
                f"{file.skip_rows + 1} has {len(header)}, with {separator_word(separator)} between "
                f"cells{_likely_header(rows, numbers, len(header))}"
            )
    header = plain_names(file, header)
    return Cells(header, file.skip_rows + 1, rows, numbers, separator, encoding), file


def _text(name: str) -> tuple[str, str]:
    """Text and encoding. Bytes that are not UTF-8 are Western European, as Windows writes them.

    Numbers and stamps are the same in both, so a wrong guess could only misspell a name.
    """
    content = Path(name).read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            if encoding == "utf-16":
                raise
            encoding = "cp1252"
            text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not a text file: {error}") from None
    if "\x00" in text or content[:2] == b"PK":
        raise DataError(f"{name} is not a text file; a spreadsheet can be saved as CSV")
    return text, encoding.removesuffix("-sig")


def _found_separator(lines: list[str]) -> str:
    """The separator in the header, or where it has none, in the first row that has one."""
    found = (separator for line in lines for separator in _SEPARATORS if separator in line)
    return next(found, ",")


def _records(
    name: str, text: str, skip_rows: int, separator: str
) -> tuple[list[list[str]], list[int]]:
    """Header and records, and the numbers of their rows; `skip_rows` rows stand before them."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    rows, numbers, before = [], [], skip_rows
    try:
        for row in reader:
            rows.append(row)
            numbers.append(before + 1)
            before = skip_rows + reader.line_num
    except csv.Error as error:
        raise DataError(f"{name}, row {before + 1}: no separated text: {error}") from None
    while len(rows) > 1 and not rows[-1]:  # empty lines at the end hold no record
        rows.pop()
        numbers.pop()
    return rows, numbers


def _likely_header(rows: list[list[str]], numbers: list[int], cells: int) -> str:
    """Words on which row may be the header, where most rows have another number of cells."""
    (most, _), *_ = Counter(len(row) for row in rows).most_common(1)
    first = next(i for i, row in enumerate(rows) if len(row) == most)
    if most == cells or most < 2:
        return ""
    return f"; if row {numbers[first]} is the header: skip_rows={numbers[first] - 1}"
