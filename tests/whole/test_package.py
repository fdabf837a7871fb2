"""The package as a whole: light to import, complete, without circles, and movable."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import ev_gym
from ev_gym.env import EVChargingEnv
from ev_gym.runtime.compiling import INTERPRETED

PACKAGE = Path(ev_gym.__file__).parent
ROOT = PACKAGE.parent
PACKAGES = [ROOT / name for name in ("ev_gym", "baselines", "server") if (ROOT / name).is_dir()]


def run(code: str, folder: Path, source: Path = ROOT, **changes: str) -> Any:
    """What a fresh Python prints as JSON, run in a folder with the package found in `source`."""
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": str(source), **changes}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_is_light(tmp_path: Path) -> None:
    """None of the heavy libraries, and under 0.3 s more than Gymnasium: the median of some runs."""
    code = (
        "import json, sys, time, gymnasium\n"
        "began = time.perf_counter()\n"
        "import ev_gym\n"
        "took = time.perf_counter() - began\n"
        "print(json.dumps([took, sorted({name.split('.')[0] for name in sys.modules})]))\n"
    )
    runs = [run(code, tmp_path) for _ in range(5)]
    heavy = {"numba", "llvmlite", "pandas", "matplotlib", "scipy", "flask", "requests", "click"}
    for _, loaded in runs:
        assert not heavy & set(loaded)
    assert statistics.median(took for took, _ in runs) < 0.3


def test_env_loads_and_changes_no_more_than_it_needs(tmp_path: Path) -> None:
    """From any folder, by Gymnasium's own module prefix: no pandas, no pictures, no filters set."""
    code = (
        # Numba imports scipy.sparse where there is one, and some versions of that set a filter.
        "import json, sys, warnings, gymnasium, numpy, numba, scipy.sparse\n"
        "filters = list(warnings.filters)\n"
        "env = gymnasium.make('ev_gym:EVCharging-v0')\n"
        "observation, _ = env.reset(seed=1)\n"
        "env.step(env.action_space.sample())\n"
        "rows = gymnasium.make_vec('EVCharging-v0', 2, vectorization_mode='vector_entry_point')\n"
        "changed = filters != list(warnings.filters)\n"
        "print(json.dumps([sorted(sys.modules), changed, observation.tolist()]))\n"
    )
    loaded, filters_changed, observation = run(code, tmp_path)
    assert "numba" in loaded
    assert not {"pandas", "matplotlib", "flask", "requests", "click"} & set(loaded)
    assert not filters_changed
    assert observation == EVChargingEnv().reset(seed=1)[0].tolist()
    assert list(tmp_path.iterdir()) == []


def test_public_names_resolve() -> None:
    assert sorted(ev_gym.__all__) == sorted(ev_gym._HOME) == sorted(dir(ev_gym))
    for name in ev_gym.__all__:
        assert getattr(ev_gym, name).__name__ in (name, name.lower())
    with pytest.raises(AttributeError, match="module 'ev_gym' has no attribute 'Scenari'"):
        ev_gym.Scenari  # noqa: B018  # reading it is the test
    imported = {
        alias.name
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ev_gym.")
        for alias in node.names
    }
    assert imported == set(ev_gym.__all__)  # what type checkers see
    assert gym.spec("EVCharging-v0").max_episode_steps is None


def test_version_stands_in_the_package_alone(own_copy: Path, tmp_path: Path) -> None:
    """A copy that nobody installed says its own; the metadata and the citation repeat it."""
    assert ev_gym.__version__ == importlib.metadata.version("ev-gym")
    init = own_copy / "ev_gym" / "__init__.py"
    text = init.read_text(encoding="utf-8")
    init.write_text(text.replace(f'"{ev_gym.__version__}"', '"9.9.0"'), encoding="utf-8")
    assert run(
        "import json, ev_gym\nprint(json.dumps(ev_gym.__version__))", tmp_path, own_copy
    ) == ("9.9.0")
    if not (ROOT / "CITATION.cff").exists():
        pytest.skip("needs the repository: this is the installed package")
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {ev_gym.__version__}\n" in cited


def test_everything_is_packed() -> None:
    """Every folder of code is a package, which setuptools finds; every data file is named."""
    tomllib = pytest.importorskip("tomllib")
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("needs the repository: this is the installed package")
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    data = tool["setuptools"]["package-data"]
    for package in PACKAGES:
        assert (package / "py.typed").is_file()
        for path in package.rglob("*"):
            if path.is_dir() or "__pycache__" in path.parts or path.suffix == ".pyc":
                continue
            if path.suffix == ".py":
                assert (path.parent / "__init__.py").is_file(), path
            else:
                folder = ".".join(path.parent.relative_to(ROOT).parts)
                assert any(fnmatch(path.name, glob) for glob in data.get(folder, ())), path


def test_no_circle_of_imports() -> None:
    """Neither at run time nor under TYPE_CHECKING; a package and its own modules count, too.

    Which folder may import which stands in `pyproject.toml`; `lint-imports` checks it.
    """
    grimp = pytest.importorskip("grimp", reason="import-linter, in the dev extra, brings it")
    graph = grimp.build_graph("ev_gym", "baselines", "server", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert imports["ev_gym.physics.battery"] == {
        "ev_gym.runtime.compiling",
        "ev_gym.runtime.records",
    }
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


# Charging for a step, in `physics/household.py`, at 40 kWh of 46.3, well within a long taper. A
# whole step would take the compiler four times as long.
STEP = (
    "import json, numpy as np, ev_gym\n"
    "from ev_gym.env import EVChargingEnv\n"
    "from ev_gym.physics.household import _charge_all\n"
    "env = EVChargingEnv({'preset': 'classic', 'vehicles': [{'taper_from_soc': 0.5}]})\n"
    "simulator, world = env.simulator, env.simulator.world\n"
    "outputs = simulator.outputs()\n"
    "cars = simulator.vehicles[0]\n"
    "cars['plugged'], cars['energy_kwh'], cars['departure_min'] = 1, 40.0, 10000\n"
    "cars['offered_kw'] = 7.4\n"
    "settings = world.tables.settings[0]\n"
    "_charge_all(0, cars, world.tables.cars, settings, outputs.vehicle_results[0])\n"
    "print(json.dumps([ev_gym.__file__, float(outputs.vehicle_results['stored_kwh'][0, 0])]))\n"
)


@pytest.fixture
def own_copy(tmp_path: Path) -> Path:
    """A folder that holds a copy of the package, without anything compiled."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "copy" / "ev_gym", ignore=ignore)
    return tmp_path / "copy"


def stored_by_step(source: Path, **changes: str) -> float:
    """What one step stores (kWh), according to the package in `source`."""
    file, stored_kwh = run(STEP, source.parent, source, **changes)
    assert Path(file).is_relative_to(source)
    return float(stored_kwh)


def files_in(folder: Path, pattern: str = "*") -> dict[str, int]:
    """Files by name, with the time of their last change."""
    paths = [path for path in folder.rglob(pattern) if path.is_file()]
    return {str(path): path.stat().st_mtime_ns for path in paths}


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
def test_cache_notices_an_edited_callee(own_copy: Path, tmp_path: Path) -> None:
    """A changed constant in `battery.py` shows, although its caller, `household.py`, has not.

    Edits to files of which charging runs no code do not have it compiled anew.
    """
    cache = tmp_path / "cache"
    first = stored_by_step(own_copy, NUMBA_CACHE_DIR=str(cache))
    kept = files_in(cache)
    assert any("household._charge_all" in name for name in kept)
    assert stored_by_step(own_copy, NUMBA_CACHE_DIR=str(cache)) == first
    assert files_in(cache) == kept  # the second run found all it needed
    for path in own_copy.rglob("*.py"):
        if path.parent.name not in ("physics", "runtime"):
            path.write_text(path.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    assert stored_by_step(own_copy, NUMBA_CACHE_DIR=str(cache)) == first
    assert files_in(cache, "household*").items() <= kept.items()
    battery = own_copy / "ev_gym" / "physics" / "battery.py"
    text = battery.read_text(encoding="utf-8")
    edited = text.replace("ACCEPTANCE_AT_FULL = 0.1\n", "ACCEPTANCE_AT_FULL = 0.6\n")
    assert edited != text
    battery.write_text(edited, encoding="utf-8")
    changed = stored_by_step(own_copy, NUMBA_CACHE_DIR=str(cache))
    assert changed > 1.2 * first
    battery.write_text(text, encoding="utf-8")
    assert stored_by_step(own_copy, NUMBA_CACHE_DIR=str(cache)) == first


@pytest.mark.parametrize("home", ["writable", "read-only"])
def test_read_only_installation(own_copy: Path, tmp_path: Path, home: str) -> None:
    """Nothing is written beside the code; where no folder can be written, all still runs."""
    for folder in [own_copy, *(path for path in own_copy.rglob("*") if path.is_dir())]:
        if (folder / "__init__.py").exists():
            (folder / "__pycache__").write_text("")  # stops even a root user from writing there
        folder.chmod(0o555)
    before = files_in(own_copy)
    (tmp_path / "read-only").write_text("not a folder")
    homes = {key: str(tmp_path / home) for key in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")}
    try:
        assert stored_by_step(own_copy, **homes) == pytest.approx(0.6157, abs=1e-3)
        assert files_in(own_copy) == before
    finally:
        for folder in [own_copy, *(path for path in own_copy.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
    if home == "writable" and not INTERPRETED:
        assert files_in(tmp_path / home, "household._charge_all*.nbi")
