"""docs/libraries.md: the code and the commands of each library's section run, shortened."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from baselines.cli.commands import main
from baselines.comparison import benchmark
from tests.support.repository import ROOT

PAGE = (ROOT / "docs/libraries.md").read_text(encoding="utf-8")
OF_ALL, SPEED = "What they all meet", "How fast"  # without code


class Section(NamedTuple):
    """A library's section: its package, what makes the test run, and what shortens its code."""

    package: str
    required: str
    shorter: dict[str, str]


SECTIONS = {
    "Stable-Baselines3": Section(
        "stable_baselines3",
        "EV_GYM_REQUIRE_SB3",
        {"256, 2_000_000": "2, 1024", "batch_size=1024": "batch_size=64"},
    ),
}  # fmt: skip


def text_of(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(title: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(title), re.MULTILINE | re.DOTALL)


def test_every_section_is_tested() -> None:
    """Here, or by that library's own tests, which run its examples."""
    titles = re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    tests = sorted((ROOT / "tests/baselines/learning").glob("test_*.py"))
    texts = "".join(path.read_text(encoding="utf-8") for path in tests)
    run_there = re.findall(r"""examples\("([^"]+)"[,)]""", texts)
    assert set(titles) == {OF_ALL, *SECTIONS, *run_there, SPEED}


@pytest.mark.parametrize("title", SECTIONS)
def test_sections_run(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks one after the other, then the commands, in one folder."""
    section = SECTIONS[title]
    missing = importlib.util.find_spec(section.package) is None
    if missing and os.environ.get(section.required) != "1":
        pytest.skip(f"needs {section.package}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark, "_write_pictures", lambda *_: [])  # other tests draw them
    names: dict[str, object] = {}
    code = "\n".join(blocks(title, "python"))
    for text, shorter in section.shorter.items():
        assert code.count(text) == 1, text
        code = code.replace(text, shorter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library warns of is not ours
        exec(compile(code, "docs/libraries.md", "exec"), names)
    commands = "".join(blocks(title, "sh")).splitlines()
    assert commands
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "ev-gym"
        result = CliRunner().invoke(main, [*arguments, "--quiet", "--no-bound", "--no-steps"])
        assert result.exit_code == 0, result.output
