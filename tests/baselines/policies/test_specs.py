"""Where policies come from: specs, a user's own classes and functions, entry points, refusals."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner
from joblib.externals.loky import get_reusable_executor
from numpy.typing import NDArray

from baselines import POLICY_NAMES, Policy, make_policy
from baselines.cli.commands import main
from baselines.comparison import workers
from baselines.one_run import run
from baselines.one_run.money import bill
from baselines.policies.specs import digest_of, parse_spec, source_of
from ev_gym.scenario import preset
from tests.support.one_day import A_DAY

# What a user may have in the current folder, next to the results.
MINE = """
import numpy as np
from baselines import Policy
from ev_gym.simulation.observation import observation_slices


class BelowLimit(Policy):
    def __init__(self, scenario, continuous, seed, limit_per_kwh=1.0):
        super().__init__(scenario, continuous, seed)
        self.limit_per_kwh = limit_per_kwh

    def decide(self, view):
        return view.plugged * (view.price_per_kwh < self.limit_per_kwh)[:, None]


class Greedy:
    def __init__(self, scenario, continuous, seed, *, limit_per_kwh=99.0, share=1.0):
        self.at, self.limit_per_kwh = observation_slices(scenario), limit_per_kwh
        self.share, self.continuous = share, continuous

    def __call__(self, observation):
        assert observation.ndim == 1
        cheap = observation[self.at["price_per_kwh"]] < self.limit_per_kwh
        charging = self.share * observation[self.at["plugged"]] * cheap
        return charging if self.continuous else np.int64(charging[0])


class Mute:
    def __init__(self, *given):
        pass


class Picky:
    def __init__(self, scenario):
        pass


def always(observation, share=1.0):
    return share


def needy(observation, share):
    return share


def shy(observation):
    return None


number = 3
"""
ENTRY_POINTS = "[ev_gym.policies]\nbelow_limit = mine:BelowLimit\nbroken = mine:gone\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `mine.py`, and a package's metadata that name its policies."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "faulty.py").write_text("import numpy\n1 / 0\n")
    metadata = tmp_path / "mine-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("mine", "faulty"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def rows(scenario: Any = A_DAY, continuous: bool = True, count: int = 5) -> Any:
    return gym.make_vec(
        "EVCharging-v0",
        num_envs=count,
        vectorization_mode="vector_entry_point",
        scenario=scenario,
        continuous=continuous,
    )


def rewards(env: Any, spec: str) -> NDArray[Any]:
    """Of a day under a policy, (steps,) or (steps, rows)."""
    policy = make_policy(spec, env, seed=7)
    observation, _ = env.reset(seed=4)
    policy.reset()
    paid = []
    for _ in range(96):
        observation, reward, *_ = env.step(policy(observation))
        paid.append(reward)
    return np.array(paid)


def test_specs_in_their_parts() -> None:
    assert parse_spec("mpc")[1:] == ("mpc", {})
    assert parse_spec("night(from_h=22, to_h=-6.5)")[1:] == ("night", {"from_h": 22, "to_h": -6.5})
    assert parse_spec("a.b:C(on=True, name='x', at=[1, None])")[1:] == (
        "a.b:C",
        {"on": True, "name": "x", "at": [1, None]},
    )
    assert parse_spec("mpc()")[1:] == ("mpc", {})
    assert parse_spec("best (2).zip")[1:] == ("best (2).zip", {})
    assert parse_spec("best.zip(normalized=False)")[1:] == ("best.zip", {"normalized": False})
    assert parse_spec("./best(normalized=True)")[1:] == ("./best", {"normalized": True})
    models = {"best.zip": True, "best.ZIP()": True, "./best": True, "runs/best": True,
              "best": False, "mine:Own(path='runs/best.zip')": False}  # fmt: skip
    assert {text: parse_spec(text).is_model for text in models} == models


@pytest.mark.parametrize(
    "spec",
    ["night(22)", "night(from_h=22", "night(**{})", "night(*[1])", "night(a=b)", "night(a=1)(b=2)",
     "night(a=f(1))", "night(a=1, a=2)", "night(a=1) + 2", "night(a=\0)"],
)  # fmt: skip
def test_arguments_are_names_with_literals(spec: str) -> None:
    with pytest.raises(ValueError, match=r"allowed: names with literals, such as night\(from_h"):
        parse_spec(spec)


def test_a_name_with_arguments_is_that_policy_and_bears_the_spec_as_its_name() -> None:
    env = rows()
    night = make_policy("night(from_h=1, to_h=3)", env)
    assert type(night) is type(make_policy("night", env))
    assert night.name == "night(from_h=1, to_h=3)"
    assert (rewards(env, night.name) != rewards(env, "night(from_h=2, to_h=4)")).any()
    np.testing.assert_array_equal(rewards(env, "night()"), rewards(env, "night"))


@pytest.mark.parametrize("continuous", [True, False])
def test_a_class_of_ones_own(folder: Path, continuous: bool) -> None:
    """One that derives from Policy gets its arguments, the env's kind of actions, and the seed."""
    env = rows(continuous=continuous)
    never, always = (rewards(env, f"mine:BelowLimit(limit_per_kwh={k})") for k in (-9.0, 99.0))
    np.testing.assert_array_equal(always, rewards(env, "uncontrolled"))
    assert (never != always).any()
    assert isinstance(make_policy("mine:BelowLimit", env), Policy)
    assert make_policy("mine:BelowLimit", env, seed=7).seed == 7


@pytest.mark.parametrize("continuous", [True, False])
def test_what_is_no_policy_is_asked_row_by_row(folder: Path, continuous: bool) -> None:
    """A class that only can be called; a function; both drive rows and a single household."""
    level = 1 if continuous else len(make_policy("random", rows(continuous=False)).levels[0]) - 1
    env, single = (
        rows(continuous=continuous),
        gym.make("EVCharging-v0", scenario=A_DAY, continuous=continuous),
    )
    expected = rewards(env, "uncontrolled")
    for spec in (f"mine:Greedy(share={level})", f"mine:always(share={level})"):
        np.testing.assert_array_equal(rewards(env, spec), expected)
        np.testing.assert_array_equal(rewards(single, spec), expected[:, 0])
    own = rewards(env, f"mine:Greedy(share={level}, limit_per_kwh=0.7)")
    np.testing.assert_array_equal(own, rewards(env, "mine:BelowLimit(limit_per_kwh=0.7)"))
    assert (own != expected).any(axis=0).sum() > 1


def test_a_function_drives_two_cars(folder: Path) -> None:
    cars = {**A_DAY, "vehicles": [{"model": "Renault Zoe"}, {"model": "Nissan Leaf 40 kWh"}]}
    env = rows(cars)
    np.testing.assert_array_equal(rewards(env, "mine:Greedy"), rewards(env, "uncontrolled"))
    with pytest.raises(ValueError, match=r"'mine:always' answers 1.0; .* for each of 2 car"):
        rewards(env, "mine:always")


def test_an_installed_package_offers_policies(folder: Path) -> None:
    """By the name of its entry point, also with arguments."""
    sys.path.append(str(folder))
    env = rows()
    np.testing.assert_array_equal(
        rewards(env, "below_limit(limit_per_kwh=1.1)"),
        rewards(env, "mine:BelowLimit(limit_per_kwh=1.1)"),
    )
    with pytest.raises(ValueError, match=r"'below_limt' \(did you mean 'below_limit'\?\); allowed"):
        make_policy("below_limt", env)
    with pytest.raises(ValueError, match=r"module 'mine' .* has no 'gone'"):
        make_policy("broken", env)


REFUSED = {
    "price_basd": r"^unknown policy 'price_basd' \(did you mean 'price_based'\?\); allowed: unc",
    "": "unknown policy ''; allowed: uncontrolled",
    "price_based(share=1)": "policy 'price_based' has no argument 'share'; allowed: power_charge$",
    "random(seed=1)": "policy 'random' has no argument 'seed'; allowed: none$",
    "mine:BelowLimit(limit_per_kw=1)": r"'limit_per_kw' \(did you mean 'limit_per_kwh'\?\); all",
    "mine:Below": r"module 'mine' \(.*mine.py\) has no 'Below'",
    "mine:Mute": "'mine:Mute' is made, but cannot be called; allowed: a class with __call__",
    "mine:Picky": r"'mine:Picky' cannot be called with \(scenario, continuous, seed\) .* too many",
    "mine:needy": r"cannot be called with \(observation\) and its arguments: missing .*'share'",
    "mine:always(observation=1)": "has no argument 'observation'; allowed: share",
    "mine:number": "is of type int; allowed: a class or a function",
    "mine:": "policy 'mine:' cannot be read; allowed: module:Class",
    "mine.py:Greedy": "'mine.py' does not import: ModuleNotFoundError",
    "gone:Greedy": "module 'gone' does not import: ModuleNotFoundError: No module named 'gone'",
    "faulty:Greedy": "module 'faulty' does not import: ZeroDivisionError: division by zero",
    "gone.zip": "policy 'gone.zip': there is no such file",
    "empty.zip": "'empty.zip' is no archive of a model; allowed: what Stable-Baselines3 saved",
    "other.zip": "'other.zip' is no archive of a model; allowed: what Stable-Baselines3 saved",
    "model.zip": r"'model.zip' does not tell whether .* allowed: vecnormalize.pkl beside it.*"
    r"'model.zip\(normalized=False\)'.*baselines.learning.sb3.save",
    "model.zip(normalized=False)": "'model.zip' needs a package that is missing: pip install",
    "model.zip(mean=1)": "policy 'model.zip' has no argument 'mean'; allowed: normalized$",
    "masked.zip": "'masked.zip' is a model of sb3_contrib, which needs more than an observation",
    "marked.zip": "its member ev_gym.json cannot be read: is of format 2; allowed: 1, so update",
}


@pytest.mark.parametrize("spec", REFUSED)
def test_refusals_say_what_is_allowed(
    spec: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)  # as where it is not installed
    (folder / "empty.zip").write_bytes(b"")
    masked = {"clip_range": 0.2, "policy_class": {"__module__": "sb3_contrib.common.maskable"}}
    archives = {"other": {"weights": 1}, "model": {"clip_range": 0.2}, "masked": masked}
    for name, held in archives.items():
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr("data", json.dumps(held))
    with zipfile.ZipFile(folder / "marked.zip", "w") as archive:
        archive.writestr("data", json.dumps({"clip_range": 0.2}))
        archive.writestr("ev_gym.json", json.dumps({"format": 2}))
    with pytest.raises(ValueError, match=REFUSED[spec]):
        make_policy(spec, gym.make("EVCharging-v0"))


def test_a_spec_is_text() -> None:
    with pytest.raises(ValueError, match="allowed: a name, module:Class or a path, as text"):
        make_policy(len, gym.make("EVCharging-v0"))  # type: ignore[arg-type]  # on purpose


def test_an_answer_that_is_no_action_names_the_policy(folder: Path) -> None:
    policy = make_policy("mine:shy", gym.make("EVCharging-v0"))
    with pytest.raises(ValueError, match="policy 'mine:shy' answers None; allowed: a fraction for"):
        policy(np.zeros(99, np.float32))


def test_a_file_in_the_current_folder_shadows_no_library(folder: Path) -> None:
    (folder / "graphlib.py").write_text("raise RuntimeError('shadowed')")
    make_policy("mine:Greedy", gym.make("EVCharging-v0"))
    sys.modules.pop("graphlib", None)
    import graphlib

    assert graphlib.TopologicalSorter


def test_files_that_policies_come_from(folder: Path) -> None:
    assert source_of("random") is source_of("night(from_h=1)") is digest_of("price_based") is None
    assert source_of("mine:BelowLimit(limit_per_kwh=2)") == folder / "mine.py"
    assert digest_of("mine:always") == hashlib.sha256(MINE.encode()).hexdigest()
    (folder / "model.zip").write_bytes(b"zipped")
    assert digest_of("model.zip") == hashlib.sha256(b"zipped").hexdigest() == digest_of("./")
    (folder / "vecnormalize.pkl").write_bytes(b"mean")
    assert digest_of("model.zip") == hashlib.sha256(b"zippedmean").hexdigest() == digest_of("./")
    assert digest_of("model.zip(normalized=False)") == hashlib.sha256(b"zipped").hexdigest()


def test_commands_take_specs_and_refuse_early(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` drives by a class beside it; what does not exist is refused before anything runs."""
    names = []
    monkeypatch.setattr(run, "write", lambda *given: names.append(given[2]) or [])
    own = CliRunner().invoke(main, ["run", "--policy", "mine:BelowLimit(limit_per_kwh=99)"])
    assert own.exit_code == 0, own.output
    stockholm = preset("stockholm")
    twin = run.run_episode(stockholm, "uncontrolled", 0, None)
    assert own.output.splitlines()[0] == bill(twin.history, twin.total_reward, stockholm)
    assert names == ["mine:BelowLimit(limit_per_kwh=99)"]
    for command in ("run", "drive", "benchmark"):
        refused = CliRunner().invoke(main, [command, "--policy", "nigth(from_h=1)", "--out", "new"])
        assert refused.exit_code == 2
        assert "unknown policy 'nigth' (did you mean 'night'?)" in " ".join(refused.output.split())
        shown = " ".join(CliRunner().invoke(main, [command, "--help"]).output.split())
        assert f"{', '.join(POLICY_NAMES)}; with arguments" in shown
    assert not (folder / "new").exists()


def test_workers_find_a_class_in_the_current_folder(folder: Path) -> None:
    """A pool of processes that begins here."""
    get_reusable_executor().shutdown()  # an older pool may have begun in another folder
    specs = ["mine:BelowLimit", "mine:always(share=0)"]
    assert workers.run_all(source_of, specs, jobs=2) == [folder / "mine.py"] * 2
    get_reusable_executor().shutdown()
    with pytest.raises(ValueError, match="module 'gone' does not import"):
        workers.run_all(source_of, ["gone:Greedy"])


def test_version() -> None:
    from importlib.metadata import version

    answered = CliRunner().invoke(main, ["--version"], prog_name="ev-gym")
    assert answered.output == f"ev-gym, version {version('ev-gym')}\n"
