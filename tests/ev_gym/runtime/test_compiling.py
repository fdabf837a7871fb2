"""What of Numba `compiling` relies on, and what a cold and a warm cache say and leave behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.caching import FunctionCache

from ev_gym.runtime import compiling
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.simulation.state_fields import STEP_DTYPE
from tests.support.repository import environment

needs_numba = pytest.mark.skipif(compiling.INTERPRETED, reason="nothing is compiled")


def twice(x: float) -> float:
    return 2.0 * x


@needs_numba
def test_numba_uses_the_cache_that_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands where Numba's own would stand, and its keys decide what is found again."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert type(numba.njit(cache=True)(twice)._cache) is FunctionCache

    def found_on_disk(fingerprint: str) -> int:
        monkeypatch.setattr(compiling, "source_fingerprint", lambda *starts: fingerprint)
        dispatcher = numba.njit(twice)
        compiling._cache_on_disk(dispatcher, twice)
        assert dispatcher(1.5) == 3.0
        return sum(dispatcher.stats.cache_hits.values())

    assert [found_on_disk(name) for name in ("a", "a", "b", "a", "b")] == [0, 1, 0, 1, 1]


def test_options_of_the_compiler_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in `compiling.py`, which no compiled function calls."""
    asked: list[object] = []
    monkeypatch.setattr(compiling, "source_fingerprint", lambda *starts: str(asked.extend(starts)))
    assert compiling._KeyedCache(twice)._fingerprint == "None"
    assert [start.__module__ for start in asked] == [__name__, compiling.__name__]


FIRST_STEP = (
    "import gymnasium, ev_gym\n"
    "env = gymnasium.make('EVCharging-v0')\n"
    "env.reset(seed=0)\n"
    "env.step(env.action_space.sample())\n"
)
# The first of what a program waits for.
MADE = (
    "import gymnasium, ev_gym\n"
    "from ev_gym.runtime import compiling\n"
    "compiling.PATIENCE_S = 0.1\n"
    "gymnasium.make('EVCharging-v0')\n"
)
# The machine code that a program has called, by function and types.
USED = (
    "import gc, sys\n"
    "from ev_gym.runtime.compiling import _EntryPoint\n"
    "def used():\n"
    "    entries = [found for found in gc.get_objects() if isinstance(found, _EntryPoint)]\n"
    "    return {(e.py_func.__qualname__, str(types)) for e in entries for types in e.overloads}\n"
)
# How many functions a program has compiled.
COUNTED = (
    "import sys\n"
    "from numba.core import event\n"
    "compiled = event.RecordingListener()\n"
    "event.register('numba:compile', compiled)\n"
    "{use}\n"
    "print('compiled', len(compiled.buffer) // 2, file=sys.stderr)\n"
)
BENCHMARK = (
    "from baselines.cli.commands import main\n"
    "main(['benchmark', '--days', '1', '--households', '1', '--quiet', '--out', 'results'],\n"
    "     standalone_mode=False)\n"
)


@compiled
def _sixth(row, part):  # type: ignore[no-untyped-def]
    return row.load_kw / 6.0 + part


@compiled_apart
def _thirds(row):  # type: ignore[no-untyped-def]
    return _sixth(row, 0) + _sixth(row, 1) - 1.0


@compiled
def _whole(rows):  # type: ignore[no-untyped-def]
    return 3.0 * _thirds(rows[0])


@needs_numba
def test_only_entry_points_become_machine_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others lie in no execution engine; each is compiled once, whatever numbers it is given.

    Fails where Numba's private parts are no longer what `compiling` takes them for.
    """
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))  # so that nothing is found there
    rows = np.zeros(1, STEP_DTYPE)
    rows["load_kw"] = 1.5
    assert _whole(rows) == 1.5
    entry = next(iter(_whole.entry.overloads.values()))
    assert entry.library.get_pointer_to_function(entry.fndesc.llvm_cpython_wrapper_name) != 0
    for part in (_sixth, _thirds):
        [code] = part.overloads.values()
        assert isinstance(code.library, compiling._PartOfCallers)
        assert code.library.get_pointer_to_function(code.fndesc.mangled_name) == 0
    assert not _whole.overloads


@needs_numba
def test_python_calls_what_compiled_code_calls() -> None:
    """It gets an entry point of its own then."""
    rows = np.zeros(1, STEP_DTYPE)
    rows["load_kw"] = 3.0
    assert _sixth(rows[0], 2) == 2.5
    assert _thirds(rows[0]) == 1.0


def _run(code: str, folder: Path, cache: str | None = "cache") -> str:
    """What a fresh Python tells on standard error, with a cache of its own or the common one."""
    own = {} if cache is None else {"NUMBA_CACHE_DIR": str(folder / cache)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code],
        cwd=folder,
        env=environment(**own),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def _files(folder: Path) -> set[Path]:
    return set((folder / "cache").rglob("*.nb*"))


@needs_numba
def test_a_long_compile_is_announced_once(tmp_path: Path) -> None:
    """On standard error, with the folder that keeps it; nothing with a warm cache."""
    [told] = _run(MADE, tmp_path).splitlines()
    assert told.startswith("ev_gym: compiling the simulation for this machine.")
    assert told.endswith(f"once: the machine code is kept below {tmp_path / 'cache'}")
    kept = _files(tmp_path)
    assert len(kept) > 2
    assert _run(COUNTED.format(use=MADE), tmp_path) == "compiled 0\n"
    assert _files(tmp_path) == kept


@needs_numba
def test_after_a_warm_up_nothing_is_compiled(tmp_path: Path) -> None:
    """By a first env, a first vector env and a first benchmark of all default policies.

    They use no machine code that the warm-up has not used before, wherever that came from: to fill
    an empty cache would take more than a minute here.
    """
    rows = (
        "env = gymnasium.make_vec('EVCharging-v0', 3, vectorization_mode='vector_entry_point')\n"
        "env.reset(seed=0)\n"
        "env.step(env.action_space.sample())\n"
    )
    warmed = "from baselines.cli.commands import main\nmain(['warm-up'], standalone_mode=False)\n"
    code = USED + warmed + "warm = used()\n" + FIRST_STEP + rows + BENCHMARK
    code += "print(len(warm), sorted(used() - warm), file=sys.stderr)\n"
    count, _, others = _run(code, tmp_path, cache=None).splitlines()[-1].partition(" ")
    assert int(count) > 8
    assert others == "[]"
