"""Commands and env ids in a folder with a `server.py` and a `baselines.py` of somebody else."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.real_server import serving

SHADOW = "raise RuntimeError('this file must not be imported: ' + __file__)\n"
POLICY = "def half(observation):\n    return 0.5\n"
LOCAL_AND_REMOTE = """
import sys
import gymnasium as gym
import numpy
import ev_gym

remote = gym.make("EVChargingRemote-v0", url=sys.argv[1], scenario="classic")
local = gym.make("EVCharging-v0", scenario="classic")
for env in (local, remote):
    env.reset(seed=0)
half = local.action_space.low + 0.5
for _ in range(3):
    # The server runs compiled, this process does not: float32 may differ in its last bit.
    assert numpy.allclose(local.step(half)[0], remote.step(half)[0], rtol=1e-6, atol=0.0)
many = gym.make_vec("EVChargingRemote-v0", num_envs=2, url=sys.argv[1], scenario="classic")
assert many.reset(seed=0)[0].shape[0] == 2
print("the same")
"""
IMPORTED_BEFORE = """
import baselines
import gymnasium as gym
import ev_gym

gym.make("EVChargingRemote-v0", url="http://127.0.0.1:1")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a student may have it, with a policy of their own."""
    for name in ("server.py", "baselines.py"):
        (tmp_path / name).write_text(SHADOW)
    (tmp_path / "mine.py").write_text(POLICY)
    return tmp_path


def command(name: str) -> str:
    """A console script of this environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not installed beside {sys.executable}")
    return found


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=500
    )


def environment() -> dict[str, str]:
    """Without a path that would find our packages first; interpreted.

    What is imported is the same. The installed package may not be the one that other tests have
    compiled, and each of the processes here, up to four at once, would compile it for ten seconds.
    """
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return own | {"NUMBA_DISABLE_JIT": "1"}


def test_a_run_by_a_policy_of_the_folder(folder: Path) -> None:
    words = ("run", "--scenario", "classic", "--policy", "mine:half", "--out", "night")
    done = run(folder, command("ev-gym"), *words)
    assert done.returncode == 0, done.stderr
    assert (folder / "night" / "battery_log.csv").is_file()


def test_a_benchmark_whose_workers_inherit_the_path(folder: Path) -> None:
    words = ("benchmark", "--scenario", "classic", "--policy", "mine:half", "--policy", "random")
    sizes = ("--households", "2", "--days", "1", "--no-bound", "--no-steps", "--jobs", "2")
    done = run(folder, command("ev-gym"), *words, *sizes, "--out", "results")
    assert done.returncode == 0, done.stderr
    summary = (folder / "results" / "summary.csv").read_text()
    assert re.findall("mine:half|random", summary) == ["mine:half", "random"]


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the server")
def test_a_server_with_a_policy_of_the_folder(folder: Path) -> None:
    slowly = ("--seconds-per-hour", "3600")  # so that the first tick lasts a quarter of an hour
    store = ("--store", f"sqlite:///{folder / 'a.db'}")
    words = ("--port", "0", "--policy", "mine:half", *store, *slowly)
    with subprocess.Popen(
        (command("ev-gym-server"), *words),
        cwd=folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            while "compiling" in line:
                line = server.stdout.readline()
            station = re.fullmatch(r"station +(http.*)\n", line)
            assert station, line
            assert requests.get(station[1], timeout=60).text == "9.26"
            server.send_signal(signal.SIGTERM)
            assert server.communicate(timeout=60)[0].endswith("stopped\n")
        finally:
            server.kill()  # a failed test would otherwise wait for it


def test_envs_of_a_script_in_the_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "script.py").write_text(LOCAL_AND_REMOTE)
    with serving(tmp_path_factory.mktemp("server")) as url:
        done = run(folder, sys.executable, "script.py", url)
    assert (done.returncode, done.stdout) == (0, "the same\n"), done.stderr


def test_a_script_that_has_imported_its_own_baselines(folder: Path) -> None:
    (folder / "baselines.py").write_text("")
    (folder / "script.py").write_text(IMPORTED_BEFORE)
    done = run(folder, sys.executable, "script.py")
    assert done.returncode == 1
    file = re.escape(str(folder / "baselines.py"))
    assert re.search(
        f"ImportError: .*, but {file} is imported under that name; .*rename", done.stderr
    )
