"""How the page's tables are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are text, the others numbers."""
    marks = ["---"] * left + ["---:"] * (len(head) - left)
    lines = [list(head), marks, *map(list, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def with_table(page: str, head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """The page with the rows of its one table of this head anew."""
    text = table(head, rows, left)
    begin = re.escape(text[: text.index("\n") + 1])
    page, count = re.subn(rf"^{begin}(?:\|.*\n)+", lambda _: text, page, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{count} tables with the head {list(head)}, not one")
    return page


def figure(file: str, title: str, words: str) -> str:
    """A picture of the docs folder with its text."""
    return f"![{title}]({file})\n\n{words}\n"


def beside(published: float, ours: float, digits: int) -> list[str]:
    """Published figure, ours, and the difference of the two as they were before rounding."""
    return [
        f"{published:.{digits}f}",
        f"{ours:.{digits}f}",
        f"{ours - published:+.{digits}f}".replace(f"-{0:.{digits}f}", f"+{0:.{digits}f}"),
    ]
