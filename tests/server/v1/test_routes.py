"""The Gymnasium protocol over a socket: the same numbers as locally."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests

import ev_gym
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import as_scenario
from ev_gym.simulation import state_fields
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.real_server import serving
from tests.support.rollouts import action_of
from tests.support.v1_session import (
    CARS,
    CLASSIC,
    HOURLY,
    NPY,
    VILLA,
    SessionClient,
    arrays,
    rows_text,
    saved,
    single_text,
    text,
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield f"{address}/v1/envs"


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("scenario", [CLASSIC, HOURLY, CARS, VILLA])
def test_a_single_session_answers_what_the_local_env_returns(
    url: str, http: requests.Session, scenario: dict[str, Any], continuous: bool
) -> None:
    split = None if scenario is CLASSIC else "test"
    env = EVChargingEnv(scenario, continuous=continuous, split=split)
    remote = SessionClient(http, url, scenario=scenario, continuous=continuous, split=split, seed=9)
    assert text(remote.answer_to("reset")) == single_text(1, env.reset(seed=9))
    index = 1
    for step in range(24):
        action, index = action_of(env, step), index + 1
        local = env.step(action)
        told = remote.answer_to("step", {"action": action.tolist(), "index": index - 1})
        assert text(told) == single_text(index, local)
    assert local[3]
    assert told["info"]["settlement"] == local[4]["settlement"]
    day = "2024-01-03" if scenario is CLASSIC else "2025-01-31"
    for body in ({}, {"seed": 2**64 - 1}, {"options": {"start": day, "soc": 0.25}}):
        index += 1
        begun = env.reset(**body)
        assert text(remote.answer_to("reset", body)) == single_text(index, begun)


def test_a_session_of_scaled_observations(url: str, http: requests.Session) -> None:
    """As the local env's, space included; each field says its bounds and its scale."""
    env = EVChargingEnv(VILLA, observation="scaled")
    remote = SessionClient(http, url, scenario=VILLA, observation="scaled", seed=9)
    assert text(remote.answer_to("reset")) == single_text(1, env.reset(seed=9))
    told = http.get(remote.url).json()
    assert told["observation"] == "scaled"
    for side in ("low", "high"):
        bounds = np.array(told["observation_space"][side], np.float32)
        np.testing.assert_array_equal(bounds, getattr(env.observation_space, side))
    fields = ev_gym.observation_fields(VILLA)
    for field, row in zip(fields, told["observation_fields"], strict=True):
        assert (row["low"], row["high"]) == (field.low, field.high)
        assert (row["offset"], row["factor"]) == (field.offset, field.factor)
    answer = http.post(url, json={"scenario": VILLA, "observation": "Scaled"})
    assert answer.status_code == 400
    assert http.post(url, json={"scenario": "classic"}).json()["observation"] == "physical"


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_a_vector_session_answers_what_the_vector_env_returns(
    url: str, http: requests.Session, mode: str
) -> None:
    env = EVChargingVectorEnv(3, CARS, autoreset_mode=mode)
    remote = SessionClient(http, url, scenario=CARS, num_envs=3, seed=4, autoreset_mode=mode)
    assert text(remote.answer_to("reset")) == rows_text(1, env.reset(seed=4))
    rng = np.random.default_rng(0)
    index, ends = 1, 0
    for step in range(30):
        mask = np.array([True, False, step > 26])
        if step == 5 or (mode == "Disabled" and step in (24, 27)):
            index += 1
            told = remote.answer_to("reset", {"options": {"reset_mask": mask.tolist(), "soc": 0.5}})
            begun = env.reset(options={"reset_mask": mask, "soc": 0.5})
            assert text(told) == rows_text(index, begun)
        index += 1
        actions = rng.uniform(0, 1, (3, 3)).astype(np.float32)
        told = remote.answer_to("step", {"action": actions.tolist()})
        local = env.step(actions)
        assert text(told) == rows_text(index, local)
        ends += local[3].any()
    assert ends >= 2
    begun = env.reset(seed=[5, None, 7])
    assert text(remote.answer_to("reset", {"seed": [5, None, 7]})) == rows_text(index + 1, begun)


@pytest.mark.parametrize("rows", [None, 2])
def test_the_binary_form_holds_the_same_numbers(
    url: str, http: requests.Session, rows: int | None
) -> None:
    env = EVChargingVectorEnv(rows or 1, CARS, autoreset_mode="SameStep" if rows else "Disabled")
    spec = {"num_envs": rows, "autoreset_mode": "SameStep"}
    remote = SessionClient(http, url, scenario=CARS, seed=3, **spec)
    observations, _ = env.reset(seed=3)
    answer = remote.post("reset", {}, headers=NPY)
    assert answer.headers["Session-Index"] == "1"
    got = arrays(answer)
    assert len(got) == 7
    np.testing.assert_array_equal(got[0], observations, strict=True)
    assert not got[1].any()
    assert not got[2].any()
    actions = np.full((rows or 1, 3), 0.7, np.float32)
    sent = saved(actions if rows else actions[0])
    for index in range(1, 25):
        answer = http.post(
            f"{remote.url}/step?index={index}",
            data=sent,
            headers={**NPY, "Content-Type": "application/x-npy"},
        )
        got = arrays(answer)
        assert answer.headers["Session-Index"] == str(index + 1)
        observations, rewards, _, truncated, infos = env.step(actions)
        for mine, local in zip(got, (observations, rewards, truncated), strict=False):
            np.testing.assert_array_equal(mine, local, strict=True)
        for records, own in ((got[4], env.outputs.results), (got[5], env.outputs.vehicle_results)):
            assert records.dtype == own.dtype
            assert records.tobytes() == own.tobytes()
    assert truncated.all()
    ended = infos["final_info"] if rows else infos
    np.testing.assert_array_equal(got[3], ended["settlement"], strict=True)
    assert got[6].shape == (rows or 1, 0)
    assert len(got) == (11 if rows else 7)
    if rows:
        np.testing.assert_array_equal(got[7], infos["final_obs"], strict=True)
        np.testing.assert_array_equal(got[8]["grid_kw"], infos["final_info"]["grid_kw"])
        np.testing.assert_array_equal(got[9]["soc"], infos["final_info"]["soc"])


@pytest.mark.parametrize(
    ("scenario", "continuous"), [("classic", True), (CARS, False), ("classic", False)]
)
def test_a_session_is_described_by_the_declared_tables(
    url: str, http: requests.Session, scenario: Any, continuous: bool
) -> None:
    told = SessionClient(http, url, scenario=scenario, continuous=continuous, num_envs=2).spec
    env = EVChargingEnv(scenario, continuous=continuous)
    assert told["index"] == 0
    assert as_scenario(told["scenario"]) == env.scenario
    assert told["scenario"] == env.scenario.to_dict()
    given = {key: told[key] for key in ("num_envs", "continuous", "split", "autoreset_mode")}
    assert given == {
        "num_envs": 2,
        "continuous": continuous,
        "split": None,
        "autoreset_mode": "NextStep",
    }
    assert 0 <= told["seed"] < 2**53
    assert metadata.version("ev-gym") in told["version"]
    space = env.action_space
    if continuous:
        box = {"type": "Box", "low": [0.0], "high": [1.0], "shape": [1], "dtype": "float32"}
        assert told["action_space"] == box
    elif scenario == "classic":
        assert told["action_space"] == {"type": "Discrete", "n": int(space.n)}
    else:
        nvec = space.nvec.tolist()
        assert told["action_space"] == {"type": "MultiDiscrete", "nvec": nvec}
    low, high = (env.observation_space.low, env.observation_space.high)
    shown = {"shape": list(low.shape), "dtype": "float32"}
    assert text(told["observation_space"]) == text(
        {"type": "Box", "low": low, "high": high, **shown}
    )
    assert told["observation_fields"] == [
        {
            "name": field.name,
            "unit": field.unit,
            "meaning": field.meaning,
            "start": field.slice.start,
            "stop": field.slice.stop,
            "low": field.low,
            "high": field.high,
            "offset": field.offset,
            "factor": field.factor,
        }
        for field in ev_gym.observation_fields(env.scenario)
    ]
    for name, table in (
        ("step_fields", state_fields.STEP_FIELDS),
        ("vehicle_step_fields", state_fields.VEHICLE_STEP_FIELDS),
        ("household_state_fields", state_fields.household_state(1, 3)),
        ("vehicle_state_fields", state_fields.VEHICLE_STATE),
    ):
        assert told[name] == [field._asdict() for field in table]
    dataset = env.simulator.world.dataset
    assert told["series_start"] == dataset.start.isoformat()
    assert told["zone"] == dataset.zone


def test_a_look_shows_the_state_and_the_last_answer(url: str, http: requests.Session) -> None:
    remote = SessionClient(http, url, scenario=CARS, num_envs=2, seed=1)
    state = remote.state()
    assert state["last"] is None
    assert {key: state[key] for key in remote.spec} == remote.spec
    env = EVChargingVectorEnv(2, CARS)
    env.reset(seed=1)
    remote.answer_to("reset")
    env.step(np.ones((2, 3), np.float32))
    told = remote.answer_to("step", {"action": [[1, 1, 1], [1.0, 1, 1]]})
    state = remote.state()
    assert state["index"] == 2
    assert state["last"] == told
    households, vehicles = env.simulator.households, env.simulator.vehicles
    names, own = households.dtype.names, vehicles.dtype.names
    peaks_kw = state["state"]["households"][0]["peaks_kw"]
    assert [len(row) for row in peaks_kw] == [3]
    assert peaks_kw[0][0] > 0.0
    assert state["state"] == {
        "households": [
            {name: household[name].tolist() for name in names} for household in households
        ],
        "vehicles": [
            [dict(zip(own, car, strict=True)) for car in row] for row in vehicles.tolist()
        ],
    }


@pytest.mark.parametrize("rows", [None, 2])
def test_every_number_of_a_villa_is_one(url: str, http: requests.Session, rows: int | None) -> None:
    """None is NaN or infinite, which JSON could only tell as null."""
    scenario = {**VILLA, "driving": {"pattern": "daily", "arrival_h": 17, "departure_h": 7}}
    remote = SessionClient(http, url, scenario=scenario, num_envs=rows, autoreset_mode="SameStep")
    told = [remote.spec, remote.answer_to("reset")]
    for step in range(24):
        fractions = [1.0 - step % 5 / 2, -1.0]
        told.append(remote.answer_to("step", {"action": [fractions] * rows if rows else fractions}))
    steps = http.get(f"{remote.url}/steps").json()["steps"]
    assert min(step["charge_kw"][0] for step in steps) < -1.0
    assert max(step["charge_kw"][0] for step in steps) > 1.0
    for spec in (remote.spec, state := remote.state()):  # what may be null
        assert [spec.pop(name) for name in ("num_envs", "split")] == [rows, None]
        spec.pop("scenario")
    for answer in (*told, state, steps):
        assert "null" not in json.dumps(answer)
    frame = pd.read_csv(io.StringIO(http.get(f"{remote.url}/steps.csv").text))
    assert len(frame) == 24 * (rows or 1)
    assert np.isfinite(frame.drop(columns="time").to_numpy()).all()


def test_a_repeated_request_is_answered_again_and_does_nothing(
    url: str, http: requests.Session
) -> None:
    remote = SessionClient(http, url, scenario=CLASSIC, seed=0)
    body = {"seed": 5, "index": 0}
    first = remote.post("reset", body)
    assert remote.post("reset", body).content == first.content
    body = {"action": [1.0], "index": 1}
    first = remote.post("step", body)
    before = remote.state()
    assert remote.post("step", body).content == first.content
    assert remote.post("step", body, headers=NPY).headers["Session-Index"] == "2"
    for other in ({"action": [0.0], "index": 1}, {"action": [1.0], "index": 3}):
        answer = remote.post("step", other)
        assert answer.status_code == 409
        assert answer.json()["index"] == 2
        assert "2" in answer.json()["detail"]
    assert remote.post("reset", {"seed": 5, "index": 0}).status_code == 409
    assert remote.state() == before
    assert remote.answer_to("step", {"action": [1.0]})["index"] == 3


def test_a_step_before_the_first_reset_says_so(url: str, http: requests.Session) -> None:
    answer = SessionClient(http, url, scenario=CLASSIC).post("step", {"action": [1.0]})
    assert answer.status_code == 409
    assert "reset first" in answer.json()["detail"]
    assert answer.json()["index"] == 0


def test_seeds_are_drawn_where_none_is_given(url: str, http: requests.Session) -> None:
    one, other = (SessionClient(http, url, scenario=CLASSIC, num_envs=2) for _ in range(2))
    assert one.spec["seed"] != other.spec["seed"]
    env = EVChargingVectorEnv(2, CLASSIC)
    assert text(one.answer_to("reset")) == rows_text(1, env.reset(seed=one.spec["seed"]))


def test_a_deleted_session_is_gone(url: str, http: requests.Session) -> None:
    remote = SessionClient(http, url, scenario=CLASSIC)
    answer = http.delete(remote.url)
    assert (answer.status_code, answer.content) == (204, b"")
    for method, what in [
        ("DELETE", ""),
        ("GET", ""),
        ("POST", "/reset"),
        ("GET", "/steps"),
        ("GET", "/steps.csv"),
    ]:
        answer = http.request(method, remote.url + what)
        assert answer.status_code == 404
        assert "no such session" in answer.json()["detail"]
    assert http.post(f"{remote.url}/step", json={"action": [1]}).status_code == 404
