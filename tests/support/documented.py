"""The examples of `docs/libraries.md`, run as a reader would run them."""

from __future__ import annotations

import re
from typing import Any

from tests.support.repository import ROOT


def example(library: str) -> dict[str, Any]:
    """Run the Python of a library's section; the names that it leaves behind.

    Raises:
        ValueError: if there is not exactly one example in the section.
    """
    page = (ROOT / "docs" / "libraries.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {library}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, f"docs/libraries.md, {library}", "exec"), names)
    return names
