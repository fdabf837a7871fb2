"""The examples of docs/libraries.md."""

from __future__ import annotations

import re

from tests.support.repository import ROOT

PAGE = "docs/libraries.md"


def examples(library: str, language: str = "python") -> list[str]:
    """The blocks of code under a library's heading, in their order."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {library}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def run_examples(library: str, names: dict[str, object] | None = None) -> dict[str, object]:
    """Run a library's Python examples one after the other; the names that they leave."""
    names = {} if names is None else names
    blocks = examples(library)
    assert blocks, f"no example of {library} in {PAGE}"
    for block in blocks:
        exec(compile(block, PAGE, "exec"), names)
    return names
