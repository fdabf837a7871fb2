"""Answers as JSON and as NumPy's format, and actions from that format."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import as_scenario
from ev_gym.vector_env import EVChargingVectorEnv
from server.http.problems import Problem
from server.storage.store import Operation
from server.v1 import step_codec
from server.v1.replayed_env import RESET, STEP, ReplayedEnv, Spec, step_body
from server.v1.step_answer import Answer
from tests.support.one_day import THREE_CARS_DAY

HOUR = {"preset": "classic", "time_step_min": 60}


def replayed_env(rows: int | None, scenario: Any = HOUR, mode: str = "NextStep") -> ReplayedEnv:
    made = ReplayedEnv(Spec(as_scenario(scenario), rows, 5, autoreset_mode=mode))
    made.do(Operation(0, RESET, b'{"options": {}, "seed": 5}'))
    return made


def stepped(made: ReplayedEnv, action: float) -> Answer:
    shape = (made.spec.rows, len(made.spec.scenario.vehicles))
    body = step_body(np.full(shape, action, np.float32))
    return made.do(Operation(made.index, STEP, body))


def plain(value: Any) -> Any:
    """What an env returns, as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(own) for key, own in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def test_json_of_a_single_env_is_what_the_env_returns() -> None:
    scenario = {**THREE_CARS_DAY, "time_step_min": 60}
    env = EVChargingEnv(scenario)
    observation, info = env.reset(seed=5)
    made = replayed_env(None, scenario)
    assert made.last is not None
    told = json.loads(step_codec.to_json(made.last, single=True))
    assert told == {"index": 1, "observation": plain(observation), "info": plain(info)}
    for k in range(24):
        observation, reward, terminated, truncated, info = env.step(np.full(3, 0.5, np.float32))
        told = json.loads(step_codec.to_json(stepped(made, 0.5), single=True))
        assert told == {
            "index": k + 2,
            "observation": plain(observation),
            "reward": reward,
            "terminated": terminated,
            "truncated": truncated,
            "info": plain(info),
        }
    assert truncated
    assert info["settlement"] != 0.0


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_json_of_rows_is_what_the_vector_env_returns(mode: str) -> None:
    env = EVChargingVectorEnv(3, HOUR, autoreset_mode=mode)
    observations, infos = env.reset(seed=5)
    made = replayed_env(3, HOUR, mode)
    assert made.last is not None
    told = json.loads(step_codec.to_json(made.last, single=False))
    assert told == {"index": 1, "observations": plain(observations), "infos": plain(infos)}
    ends = 0
    for k in range(26):
        observations, rewards, terminated, truncated, infos = env.step(np.ones((3, 1), np.float32))
        told = json.loads(step_codec.to_json(stepped(made, 1.0), single=False))
        assert told == {
            "index": k + 2,
            "observations": plain(observations),
            "rewards": plain(rewards),
            "terminated": plain(terminated),
            "truncated": plain(truncated),
            "infos": plain(infos),
        }
        ends += truncated.any()
    assert ends == 1


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_npy_answers_are_what_numpy_saves_in_the_promised_order(mode: str) -> None:
    made = replayed_env(2, HOUR, mode)
    for _ in range(24):
        answer = stepped(made, 1.0)
    arrays = [
        answer.observations,
        answer.rewards,
        answer.truncated,
        answer.settlement,
        answer.results,
        answer.vehicle_results,
        answer.action_masks,
        *(answer.last_step or ()),
    ]
    assert len(arrays) == (11 if mode == "SameStep" else 7)
    stream = io.BytesIO()
    for array in arrays:
        np.save(stream, array)
    assert step_codec.to_npy(answer) == stream.getvalue()


def test_actions_come_back_as_numpy_saved_them() -> None:
    for array in (
        np.array([[0.1], [1.0]], np.float32),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(3),
        np.array([2, 0], ">i8"),
        np.empty((0, 2)),
    ):
        stream = io.BytesIO()
        np.save(stream, array)
        read = step_codec.action_of(stream.getvalue())
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array, strict=True)


def saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def headed(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


GOOD = saved(np.zeros((2, 1), np.float32))
SHAPED = "{{'descr': '<f4', 'fortran_order': False, 'shape': {}}}\n"


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (b"", 400, "begins with b''"),
        (b"[1, 2]", 400, "begins with"),
        (GOOD[:9], 400, "header cannot be read"),
        (GOOD[:40], 400, "header cannot be read"),
        (GOOD[:-1], 400, "followed by 7 bytes of data; allowed: 8"),
        (GOOD + b"x", 400, "followed by 9 bytes"),
        (GOOD.replace(b"\x01\x00", b"\x03\x00", 1), 400, "format 1.0"),
        (headed("(" * 9000 + "\n"), 400, "header cannot be read"),
        (headed("{" + " " * 12000 + "\n"), 400, "12012 bytes; allowed: 10000"),
        (headed(SHAPED.format("(-1, -1)"), b"1234"), 400, "no negative length"),
        (headed(SHAPED.format("(10**30,)")), 400, "header cannot be read"),
        (headed(SHAPED.format(f"({10**30},)")), 400, f"({10**30},)"),
        (headed(SHAPED.format(f"(0, {10**30})")), 400, f"less than {2**63} entries"),
        (headed(SHAPED.format(f"(0, {2**62})")), 400, f"has shape (0, {2**62})"),
        (headed(SHAPED.format("(True, 4)"), b"x" * 16), 400, "(True, 4)"),
        (headed(SHAPED.format(f"(0x{'f' * 9000},)")), 400, "a shape of whole numbers"),
        (headed(SHAPED.format(f"{(2**62,) * 400}")), 400, f"less than {2**63} entries"),
        (headed(SHAPED.format("(1,)").replace("'<f4'", "'|O'"), b"12345678"), 422, "object"),
        (saved(np.array([True])), 422, "bool"),
        (saved(np.array(["1"])), 422, "str"),
        (saved(np.array([1j])), 422, "complex"),
        (saved(np.zeros(2, [("a", "f4")])), 422, "void"),
    ],
)
def test_other_bodies_are_refused_with_what_is_wrong(data: bytes, status: int, told: str) -> None:
    with pytest.raises(Problem) as caught:
        step_codec.action_of(data)
    assert caught.value.status == status
    assert told in caught.value.detail
