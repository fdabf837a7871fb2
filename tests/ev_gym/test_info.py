"""`info=`: how much an info holds, and that its keys and kinds never change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.simulation.state_fields import REWARD_TERMS, STEP_FIELDS, VEHICLE_STEP_FIELDS
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import THREE_CARS_DAY, VILLA_DAY
from tests.support.rollouts import action_of, same

MODES = ("full", "flat", "terms", "none")
FLAT_TERMS = [f"reward_{term}" for term in REWARD_TERMS]
FIELDS = [field.name for field in STEP_FIELDS if not field.name.endswith("_term")]
FIELDS += [field.name for field in VEHICLE_STEP_FIELDS]


def kinds(nest: Any) -> Any:
    """The type of each value in a dict, of arrays with dtype and shape."""
    if isinstance(nest, dict):
        return {key: kinds(value) for key, value in nest.items()}
    if isinstance(nest, np.ndarray):
        return nest.dtype, nest.shape
    return type(nest)


def infos_of(env: EVChargingEnv) -> list[dict[str, Any]]:
    """The infos of an episode and of the first step of the next."""
    infos = [env.reset(seed=4)[1]]
    truncated, step = False, 0
    while not truncated:
        *_, truncated, info = env.step(action_of(env, step))
        infos.append(info)
        step += 1
    return [*infos, env.reset()[1], env.step(action_of(env, 0))[4]]


def flattened(info: dict[str, Any]) -> dict[str, Any]:
    """What a full info says, in the layout of a flat one."""
    plain = dict(info)
    terms, settlement = plain.pop("reward_terms"), plain.pop("settlement")
    plain |= {f"reward_{term}": value for term, value in terms.items()}
    return plain | {"settlement": settlement}


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("scenario", ["classic", VILLA_DAY, THREE_CARS_DAY], ids=str)
def test_each_mode_says_a_part_of_the_same(scenario: Any, continuous: bool) -> None:
    """In one layout from a reset to an episode's end; the settlement is 0 before that."""
    envs = {mode: EVChargingEnv(scenario, continuous=continuous, info=mode) for mode in MODES}
    infos = {mode: infos_of(env) for mode, env in envs.items()}
    for mode in MODES:
        assert all(kinds(info) == kinds(infos[mode][0]) for info in infos[mode]), mode
    ends = len(infos["full"]) - 3
    assert [place for place, info in enumerate(infos["full"]) if info["settlement"]] == [ends]
    mask = [] if continuous else ["action_mask"]
    assert list(infos["flat"][0]) == [*FIELDS, *FLAT_TERMS, "settlement", *mask]
    assert list(infos["terms"][0]) == [*FLAT_TERMS, "settlement", *mask]
    assert infos["none"] == [{}] * len(infos["full"])
    for full, flat, terms in zip(*(infos[mode] for mode in MODES[:3]), strict=True):
        told = flattened(full)
        assert set(flat) == set(told)
        assert all(np.array_equal(flat[name], value) for name, value in told.items())
        assert all(np.array_equal(flat[name], value) for name, value in terms.items())
    # NumPy's numbers, whose dtype TorchRL asks for.
    flat = infos["flat"][0]
    assert type(flat["now_min"]) is np.int64
    assert {type(flat[name]) for name in (*FLAT_TERMS, "load_kw", "settlement")} == {np.float64}


def assert_rows_say(infos: dict[str, Any], singles: list[dict[str, Any]]) -> None:
    """That an info of rows holds those of single envs."""
    assert set(infos) == set(singles[0])
    for name, value in infos.items():
        if isinstance(value, dict):
            assert_rows_say(value, [info[name] for info in singles])
        else:
            np.testing.assert_array_equal(value, np.stack([info[name] for info in singles]), name)


@pytest.mark.parametrize("autoreset", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_rows_say_what_single_envs_say(mode: str, continuous: bool, autoreset: str) -> None:
    """Gymnasium's `final_` entries aside, in one layout too, whatever begins a new episode."""
    scenario = {**VILLA_DAY, "time_step_min": 60}
    settings: dict[str, Any] = {"continuous": continuous, "info": mode}
    rows = EVChargingVectorEnv(3, scenario, autoreset_mode=autoreset, **settings)
    singles = [EVChargingEnv(scenario, **settings) for _ in range(3)]
    _, infos = rows.reset(seed=5)
    own = [env.reset(seed=5 + i)[1] for i, env in enumerate(singles)]
    assert_rows_say(infos, own)
    first, over = kinds(infos), False
    rows.action_space.seed(0)
    for step in range(60):
        if autoreset == "Disabled" and over:
            infos = rows.reset(options={"reset_mask": np.ones(3, np.bool_)})[1]
            own, over = [env.reset()[1] for env in singles], False
        else:
            actions = rows.action_space.sample()
            *_, truncated, infos = rows.step(actions)
            if autoreset == "NextStep" and over:
                own, over = [env.reset()[1] for env in singles], False
            else:
                own = [env.step(actions[i])[4] for i, env in enumerate(singles)]
                over = bool(truncated.all())
        if autoreset == "SameStep" and over:
            final = infos.pop("final_info")
            assert_rows_say(final, own)
            assert all(infos.pop(name).all() for name in ("_final_obs", "_final_info"))
            infos.pop("final_obs")
            own, over = [env.reset()[1] for env in singles], False
        assert kinds(infos) == first, step
        assert_rows_say(infos, own)


@pytest.mark.parametrize("bad", ["all", None, 1, ["full"]])
def test_other_modes_are_refused(bad: Any) -> None:
    for make in (EVChargingEnv, EVChargingVectorEnv):
        with pytest.raises(ValueError, match="allowed: 'full', 'flat', 'terms' or 'none'"):
            make(info=bad)


def test_what_is_returned_is_the_same_in_all_modes() -> None:
    """An info changes neither observations nor rewards."""
    envs = [EVChargingEnv(VILLA_DAY, info=mode) for mode in MODES]
    assert all(same(env.reset(seed=1)[0], envs[0].reset(seed=1)[0]) for env in envs)
    for step in range(50):
        results = [env.step(action_of(env, step))[:4] for env in envs]
        assert all(same(result, results[0]) for result in results)
    assert all(env.history.equals(envs[0].history) for env in envs)
