"""What the fingerprint of compiled code sees: each edit that can change it, and no other."""

from __future__ import annotations

import functools
import importlib
import linecache
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ev_gym.runtime import fingerprint
from ev_gym.runtime.fingerprint import dependencies, file_text, source_fingerprint
from server.program_version import STEPS, TABLES
from tests.support.repository import ROOT

SOURCES = [
    path
    for name in ("ev_gym", "baselines", "server")
    for path in sorted((ROOT / name).rglob("*.py"))
]


@functools.cache
def compiled_in(path: Path) -> list[Callable[..., Any]]:
    """The compiled functions of a source file, found by their decorators."""
    decorated = re.compile(
        r"^@(?:compiled\w*|inlined|(?:house|window|vehicle)_field\(.*\))\ndef (\w+)", re.MULTILINE
    )
    names = decorated.findall(path.read_text(encoding="utf-8"))
    if not names:
        return []
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return [getattr(module, name) for name in names]


@functools.cache
def all_compiled() -> list[Callable[..., Any]]:
    return [function for path in SOURCES for function in compiled_in(path)]


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Whether functions have another fingerprint once a line was added to a source file."""

    def is_seen(path: Path, *functions: Callable[..., Any]) -> bool:
        before = source_fingerprint(*functions)
        with monkeypatch.context() as context:
            context.setattr(
                fingerprint,
                "file_text",
                lambda name: file_text(name) + "# more\n" * (Path(name) == path),
            )
            return source_fingerprint(*functions) != before

    return is_seen


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_with_compiled_code_are_seen_and_no_others(
    path: Path, edited: Callable[..., bool]
) -> None:
    assert all(edited(path, function) for function in compiled_in(path))
    assert edited(path, *all_compiled()) == bool(compiled_in(path))


def test_there_is_compiled_code_where_we_know_it() -> None:
    """So the test above does not pass because it found nothing."""
    found = {str(path.relative_to(ROOT)) for path in SOURCES if compiled_in(path)}
    assert found >= {
        "ev_gym/physics/battery.py",
        "ev_gym/simulation/loops.py",
        "ev_gym/drivers/draws.py",
        "baselines/foresight.py",
    }
    assert [name for name in found if name.startswith("server")] == ["server/station/household.py"]


@pytest.mark.parametrize(
    ("file", "seen_by", "not_by"),
    [
        (
            "ev_gym/physics/battery.py",
            [
                "ev_gym.physics.household.charge_cars",
                "ev_gym.simulation.loops.step_rows",
                "baselines.optimum.dynamic_program._fill_values",
            ],
            ["ev_gym.physics.meter.bill", "baselines.policies.headroom.fit"],
        ),
        (
            "ev_gym/runtime/counter_random.py",
            ["ev_gym.drivers.draws.draw_session", "baselines.mpc.forecast._draw_noise"],
            ["ev_gym.physics.household.charge_cars"],
        ),
        (
            "baselines/optimum/dynamic_program.py",
            ["baselines.optimum.dynamic_program._energy_ranges"],
            ["ev_gym.simulation.loops.step_rows", "baselines.foresight._step_through"],
        ),
    ],
)
def test_callers_in_other_files_see_an_edit(
    file: str, seen_by: list[str], not_by: list[str], edited: Callable[..., bool]
) -> None:
    """Within a package and across packages; those that call nothing of the file see nothing."""
    by_name = {
        f"{function.__module__}.{function.__name__}": function for function in all_compiled()
    }
    assert [edited(ROOT / file, by_name[name]) for name in seen_by] == [True] * len(seen_by)
    assert [edited(ROOT / file, by_name[name]) for name in not_by] == [False] * len(not_by)


def test_every_constant_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before, (_, constants) = source_fingerprint(*all_compiled()), dependencies(*all_compiled())
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        with monkeypatch.context() as context:
            context.setattr(sys.modules[module], constant, (value, 0))
            assert source_fingerprint(*all_compiled()) != before, name
    names = {name.rpartition(".")[2] for name in constants}
    assert names >= {"FLOOR_A", "DAY_MIN", "ARRIVAL", "CLOCK_MIN", "COEFFICIENTS", "NMC111_V"}


def test_what_works_out_the_tables_is_seen_by_the_server(edited: Callable[..., bool]) -> None:
    """With other tables its stored sessions would go on differently."""
    seen = {str(p.relative_to(ROOT)) for p in SOURCES if edited(p, *STEPS, *TABLES)}
    assert seen >= {"ev_gym/series/sun.py", "ev_gym/world/tariff_tables.py"}
    for folder in ("baselines", "server", "ev_gym/rendering", "ev_gym/calibration"):
        assert not [name for name in seen if name.startswith(folder)]
    for file in ("env.py", "invoice.py", "series/files_and_frames.py", "scenario/scenario.py"):
        assert f"ev_gym/{file}" not in seen


# --- on a small program of four files ---

PROGRAM = {
    "limits": (
        "import numpy as np\nMOST = 3.0\nTWICE = 2 * MOST\nCURVE = np.arange(3.0)\nUNREAD = 1\n"
    ),
    "callee": "import limits\n\ndef cut(x):\n    return min(x, limits.TWICE)\n",
    "other": "def unused(x):\n    return x\n",
    "caller": (
        "import functools\nfrom typing import NamedTuple\n"
        "import callee, other\nfrom limits import CURVE\n\n"
        "class Fit(NamedTuple):\n    a: float = 1.0\n\n"
        "FIT = Fit()\n\n"
        "@functools.cache\ndef run(x):\n"
        "    def inner(y):\n        return callee.cut(y) * FIT.a\n"
        "    return inner(x) + CURVE[1]\n"
    ),
}


def fingerprint_of(program: dict[str, str], folder: Path) -> str:
    """The fingerprint of `caller.run` in a program written to a folder of its own."""
    folder.mkdir()
    for name, text in program.items():
        (folder / f"{name}.py").write_text(text)
    sys.path.insert(0, str(folder))
    try:
        return source_fingerprint(importlib.import_module("caller").run)
    finally:
        sys.path.remove(str(folder))
        for name in program:
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("module", "old", "new", "seen"),
    [
        ("limits", "MOST = 3.0", "MOST = 4.0", True),
        ("limits", "arange(3.0)", "arange(4.0)", True),
        ("limits", "arange(3.0)", "arange(3)", True),
        ("limits", "UNREAD = 1", "UNREAD = 2", False),
        ("limits", "MOST = 3.0", "MOST = 3.0  # at most", False),
        ("callee", "min(x,", "max(x,", True),
        ("caller", "inner(x)", "inner(2 * x)", True),
        ("other", "return x", "return 2 * x", False),
    ],
)
def test_edits_of_a_small_program(
    module: str, old: str, new: str, seen: bool, tmp_path: Path
) -> None:
    """Constants count by their values, wherever these come from, functions by their files."""
    before = fingerprint_of(PROGRAM, tmp_path / "before")
    assert fingerprint_of(PROGRAM, tmp_path / "same") == before
    assert old in PROGRAM[module]
    changed = PROGRAM | {module: PROGRAM[module].replace(old, new)}
    assert (fingerprint_of(changed, tmp_path / "after") != before) == seen


def test_constants_that_cannot_be_described_are_refused(tmp_path: Path) -> None:
    program = PROGRAM | {"limits": PROGRAM["limits"].replace("2 * MOST", "{MOST}")}
    with pytest.raises(TypeError, match=r"limits\.TWICE is a set, of which a change could not be"):
        fingerprint_of(program, tmp_path / "set")


def test_text_is_that_of_the_import(tmp_path: Path) -> None:
    """A process goes on with the lines that it imported, whatever becomes of the file."""
    path = tmp_path / "module.py"
    path.write_text("A = 1\n")
    assert file_text(str(path)) == "A = 1\n"
    path.write_text("A = 2\n")
    linecache.checkcache()  # as every printed traceback does
    assert file_text(str(path)) == "A = 1\n"
