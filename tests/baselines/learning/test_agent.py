"""Agents from files: what they answer, what they refuse, and that a file cannot do anything."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

import baselines
import ev_gym  # noqa: F401  # registers the env
from baselines.learning.agent import NETWORK, RULE, described_layout
from baselines.learning.archive import MANIFEST, read_archive, write_archive
from baselines.learning.features import Features
from baselines.learning.network import Network
from baselines.policies.base import Policy
from baselines.policies.model_marker import levels_of
from ev_gym.scenario import Scenario, as_scenario
from tests.support.any_tariffs import FLEMISH

UNITS = 8


def write_agent(path: Path, scenario: Scenario, length: int, **changes: Any) -> Path:
    """An agent with random weights, as training would write it."""
    policy, names = Policy(scenario, continuous=False), Features(scenario).names
    choices = sum(len(levels) for levels in policy.levels)
    shapes = {
        "mean": (len(names),),
        "weights_1": (len(names), UNITS),
        "biases_1": (UNITS,),
        "weights_2": (UNITS, UNITS),
        "biases_2": (UNITS,),
        "weights_3": (UNITS, choices),
        "biases_3": (choices,),
    }
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    arrays["deviation"] = np.full(len(names), 0.5, np.float32)
    manifest = {
        "kind": NETWORK,
        "scenario": scenario.to_dict(),
        "layout": described_layout(policy.layouts[length]),
        "levels": levels_of(policy.levels),
        "features": list(names),
        "seed": 0,
        "steps": 1000,
        "versions": {"ev_gym": "0.1"},
    }
    write_archive(path, arrays, manifest | changes)
    return path


def vector_env(scenario: Any, rows: int, **options: Any) -> Any:
    """Rows of a scenario."""
    options = {"continuous": False, "info": "none", **options}
    return gym.make_vec(
        "EVCharging-v0",
        num_envs=rows,
        vectorization_mode="vector_entry_point",
        scenario=scenario,
        **options,
    ).unwrapped


@pytest.fixture
def agent(tmp_path: Path) -> str:
    env = vector_env("stockholm", 1)
    return str(write_agent(tmp_path / "a.npz", env.scenario, env.single_observation_space.shape[0]))


def acted(env: Any, spec: str, steps: int = 300) -> NDArray[np.int64]:
    """(steps, n) the levels that a policy chooses."""
    policy = baselines.make_policy(spec, env)
    observations, _ = env.reset(seed=3)
    policy.reset(np.arange(env.num_envs))
    chosen = []
    for _ in range(steps):
        chosen.append(policy(observations))
        observations = env.step(chosen[-1])[0]
    return np.array(chosen)


def test_a_row_is_answered_the_same_alone_and_among_others(agent: str) -> None:
    many = acted(vector_env("stockholm", 5), agent)
    alone = acted(vector_env("stockholm", 1), agent)
    assert np.unique(many).size > 3
    assert np.array_equal(many[:, :1], alone)


def test_scaled_observations_and_fractions_give_the_same_currents(agent: str) -> None:
    levels = acted(vector_env("stockholm", 3), agent)
    of_level = Policy(as_scenario("stockholm"), continuous=True).levels[0]
    fractions = acted(vector_env("stockholm", 3, continuous=True), agent)
    scaled = acted(vector_env("stockholm", 3, observation="scaled"), agent)
    assert np.array_equal(fractions[..., 0], of_level[levels])
    # float32 rounds a number that was scaled and brought back
    assert (scaled == levels).mean() > 0.99


def test_scores_are_those_of_the_network(agent: str) -> None:
    arrays, manifest = read_archive(agent)
    seen = np.random.default_rng(1).normal(size=(4, len(manifest["features"]))).astype(np.float32)
    arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    layer = np.clip((seen - arrays["mean"]) / arrays["deviation"], -5.0, 5.0)
    for number in (1, 2):
        layer = np.maximum(0.0, layer @ arrays[f"weights_{number}"] + arrays[f"biases_{number}"])
    expected = layer @ arrays["weights_3"] + arrays["biases_3"]
    np.testing.assert_allclose(Network.of(arrays).scores(seen), expected, rtol=1e-12)


def test_another_tariff_and_car_of_the_same_layout_run(agent: str) -> None:
    same = {"preset": "stockholm", "tariff": {"peaks": [{"count": 1, "prices": 48.0}]}}
    same["vehicles"] = [{"model": "Tesla Model 3 LR"}]
    acted(vector_env(same, 1), agent, steps=1)


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("stockholm-villa", "levels 12 from 0 to 1"),
        ({"preset": "stockholm", "charger": {"max_current_a": 10}}, "levels 12 from 0 to 1"),
        ({"preset": "stockholm", "price_window": "hourly"}, "other observations.*price_m0000"),
        ({"preset": "stockholm", "tariff": {"peaks": [*FLEMISH["peaks"], *FLEMISH["peaks"]]}},
         "other observations.*peak_kw"),
    ],
)  # fmt: skip
def test_another_layout_or_charger_is_refused(agent: str, scenario: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        baselines.make_policy(agent, vector_env(scenario, 1))


def test_a_rule_s_file_is_the_rule_with_its_parameters(tmp_path: Path) -> None:
    path = tmp_path / "rule.npz"
    manifest = {"kind": RULE, "parameters": ["reserve_soc", "load_factor"]}
    write_archive(path, {"parameters": np.array([0.8, 1.3])}, manifest)
    named = "baselines.learning.tuned_rule:TunedFilling(reserve_soc=0.8, load_factor=1.3)"
    from_file, by_name = (
        acted(vector_env("stockholm", 3), spec, steps=400) for spec in (str(path), named)
    )
    assert np.unique(from_file).size > 3
    assert np.array_equal(from_file, by_name)


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        (["reserve_soc"], [0.8, 0.9], "no parameters by name"),
        ("reserve_soc", [0.8], "no parameters by name"),
        (["reserve"], [0.8], "cannot be used: .*reserve"),
        (["reserve_soc"], [7.0], "cannot be used: .*reserve_soc is 7.0"),
    ],
)
def test_a_rule_of_other_parameters_is_refused(
    tmp_path: Path, names: Any, values: list[float], message: str
) -> None:
    path = tmp_path / "rule.npz"
    manifest = {"kind": RULE, "parameters": names}
    write_archive(path, {"parameters": np.array(values)}, manifest)
    with pytest.raises(ValueError, match=message):
        baselines.make_policy(str(path), vector_env("stockholm", 1))


@pytest.mark.parametrize("levels", [None, 7, [[]], ["a"], [{}]])
def test_levels_that_are_none_are_refused(tmp_path: Path, levels: Any) -> None:
    env = vector_env("stockholm", 1)
    length = env.single_observation_space.shape[0]
    path = write_agent(tmp_path / "l.npz", env.scenario, length, levels=levels)
    with pytest.raises(ValueError, match="trained with the charger's levels"):
        baselines.make_policy(str(path), env)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "k.npz", {}, {"kind": "oracle"})
    with pytest.raises(ValueError, match="of the kind 'oracle'; allowed: network, rule"):
        baselines.make_policy(str(tmp_path / "k.npz"), vector_env("stockholm", 1))


def test_equal_agents_are_equal_files(agent: str, tmp_path: Path) -> None:
    again = write_archive_again(Path(agent), tmp_path / "b.npz")
    assert again.read_bytes() == Path(agent).read_bytes()


def write_archive_again(path: Path, to: Path) -> Path:
    """Read an agent and write it."""
    arrays, manifest = read_archive(path)
    write_archive(to, arrays, manifest)
    return to


def test_numpy_opens_an_agent_without_pickle(agent: str) -> None:
    with np.load(agent, allow_pickle=False) as opened:
        assert opened["weights_1"].shape[1] == UNITS
        assert json.loads(opened[MANIFEST])["kind"] == NETWORK


class Bomb:
    """What a pickle of a stranger could do."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("weights_1.npy", pickle.dumps(Bomb()), "cannot be read"),
        ("weights_1.npy", None, "weights_1 are missing"),
        (MANIFEST, b"[]", "format"),
        (MANIFEST, b"not JSON", "cannot be read"),
        (MANIFEST, None, "cannot be read"),
        ("big.npy", b"0" * (33 * 2**20), "bytes; allowed"),
    ],
)
def test_a_wrong_file_is_refused_and_does_nothing(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    member: str, content: bytes | None, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    wrong = tmp_path / "wrong.npz"
    with zipfile.ZipFile(agent) as read, zipfile.ZipFile(wrong, "w") as written:
        for name in {*read.namelist(), member}:
            if name != member:
                written.writestr(name, read.read(name))
            elif content is not None:
                written.writestr(name, content)
    with pytest.raises(ValueError, match=message):
        baselines.make_policy("wrong.npz", vector_env("stockholm", 1))
    assert not Path("exploded").exists()


def test_numbers_that_are_none_are_refused(agent: str, tmp_path: Path) -> None:
    arrays, manifest = read_archive(agent)
    arrays["biases_3"][0] = np.nan
    write_archive(tmp_path / "nan.npz", arrays, manifest)
    with pytest.raises(ValueError, match="biases_3 holds what is no finite number"):
        read_archive(tmp_path / "nan.npz")
