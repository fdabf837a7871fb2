"""The remote envs where answers are lost, servers restart, or somebody else is in the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests

from baselines.remote import http_client, session
from baselines.remote.envs import RemoteEnv, RemoteVectorEnv
from baselines.remote.http_client import RemoteError
from ev_gym.env import EVChargingEnv
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import A_DAY
from tests.support.real_server import serving
from tests.support.rollouts import same
from tests.support.scripted_server import Act, answer, cut, drop, hang, relay, scripted

TOKEN = "open-sesame"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(http_client, "LONGEST_WAIT_S", 0.02)


def fraction(step: int) -> Any:
    return np.array([step % 7 / 6], np.float32)


def index_of(url: str, env: Any) -> int:
    """How many operations the server has done of an env's session."""
    index: int = requests.get(f"{url}{env._session._path}", timeout=10).json()["index"]
    return index


def test_no_lost_answer_makes_a_step_happen_twice(url: str) -> None:
    """Half of all requests are lost: before they arrive, or their answers after they were done."""
    rng = np.random.default_rng(3)
    kinds = [relay(url), relay(url, lose=True), drop, cut, answer(503), answer(502)]
    chances = [0.5, 0.3, 0.05, 0.05, 0.05, 0.05]
    script = [relay(url), *(kinds[i] for i in rng.choice(6, 300, p=chances)), relay(url)]
    local = EVChargingEnv({**A_DAY, "time_step_min": 60})
    with scripted(*script) as (proxy, asked), closing(RemoteEnv(proxy, local.scenario)) as env:
        assert same(env.reset(seed=3), local.reset(seed=3))
        for step in range(60):
            result = local.step(fraction(step))
            assert same(env.step(fraction(step)), result), step
            if result[3]:
                assert same(env.reset(), local.reset())
        assert index_of(url, env) == 1 + 60 + 2
        assert len(asked) > 100


def test_a_vector_env_rides_out_a_restart(tmp_path: Path) -> None:
    """The server goes down in the middle, and comes back a moment later on the same database."""
    scenario = {**A_DAY, "time_step_min": 60}
    local = EVChargingVectorEnv(5, scenario, autoreset_mode="SameStep")
    with serving(tmp_path) as url:
        env = RemoteVectorEnv(5, url, scenario, autoreset_mode="SameStep")
        assert same(env.reset(seed=3), local.reset(seed=3))
        for step in range(20):
            actions = np.full((5, 1), step % 7 / 6, np.float32)
            assert same(env.step(actions), local.step(actions))
    seen: list[Any] = []
    waits = threading.Event()
    env._session._client.notify = lambda text: waits.set()
    stepping = threading.Thread(target=lambda: seen.append(env.step(actions)))
    stepping.start()
    assert waits.wait(5)  # the server is away
    with serving(tmp_path, port=urlsplit(url).port or 0):
        stepping.join(20)
        assert same(seen, [local.step(actions)])
        for _ in range(30):
            assert same(env.step(actions), local.step(actions))
        env.close()


def impatient(env: RemoteEnv) -> RemoteEnv:
    """The env, which gives up at once."""
    env._session._client.patience_s = 0.0
    env._session._client.timeout_s = 0.2
    return env


def losing(url: str, count: int) -> list[Act]:
    """A script: all is well for so many requests; then one's answer is lost; then all is well."""
    return [*[relay(url)] * count, relay(url, lose=True), relay(url)]


def test_after_an_unknown_outcome_the_same_step_may_be_asked_for_again(url: str) -> None:
    local = EVChargingEnv()
    local.reset(seed=3)
    with scripted(*losing(url, 3)) as (proxy, _), closing(impatient(RemoteEnv(proxy))) as env:
        env.reset(seed=3)
        assert same(env.step(fraction(1)), local.step(fraction(1)))
        with pytest.raises(RemoteError) as caught:
            env.step(fraction(2))
        assert caught.value.happened is None
        assert "whether it happened on the server is unknown" in str(caught.value)
        assert index_of(url, env) == 3  # it had
        assert same(env.step(fraction(2)), local.step(fraction(2)))
        assert index_of(url, env) == 3
        assert len(env.history) == 2


def test_after_an_unknown_outcome_another_step_is_refused_and_a_reset_goes_on(url: str) -> None:
    local = EVChargingEnv()
    with scripted(*losing(url, 2)) as (proxy, _), closing(impatient(RemoteEnv(proxy))) as env:
        env.reset(seed=3)
        with pytest.raises(RemoteError, match="unknown"):
            env.step(fraction(2))
        with pytest.raises(RemoteError, match=r"409 Conflict: .*index") as caught:
            env.step(fraction(3))
        assert caught.value.happened is False
        assert caught.value.problem is not None
        assert caught.value.problem["index"] == 2
        assert same(env.reset(seed=4), local.reset(seed=4))
        assert same(env.step(fraction(3)), local.step(fraction(3)))
        assert index_of(url, env) == 4


def test_an_interrupt_is_an_unknown_outcome_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while an answer is awaited; afterwards the env can be reset."""
    local = EVChargingEnv()
    with closing(RemoteEnv(url)) as env:
        env.reset(seed=3)
        ask = env._session._client.request

        def interrupted(*args: Any, **more: Any) -> None:
            ask(*args, **more)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(env._session._client, "request", interrupted)
            with pytest.raises(KeyboardInterrupt):
                env.step(fraction(2))
        assert same(env.reset(seed=4), local.reset(seed=4))
        assert index_of(url, env) == 3


def test_a_lost_reset_without_a_seed_is_not_drawn_twice(url: str) -> None:
    with scripted(*losing(url, 1)) as (proxy, _), closing(impatient(RemoteEnv(proxy))) as env:
        env.np_random = np.random.default_rng(5)
        with pytest.raises(RemoteError, match="unknown"):
            env.reset()
        local = EVChargingEnv()
        local.np_random = np.random.default_rng(5)
        assert same(env.reset(), local.reset())
        assert same(env.reset(), local.reset())
        assert index_of(url, env) == 2


def test_a_session_that_somebody_else_stepped_says_so(url: str) -> None:
    with closing(RemoteEnv(url)) as env:
        env.reset(seed=1)
        path = f"{url}{env._session._path}/step"
        requests.post(path, json={"action": [0.5]}, timeout=10).raise_for_status()
        for call in (lambda: env.step(fraction(1)), env.reset):
            with pytest.raises(RemoteError) as caught:
                call()
            assert (caught.value.status, caught.value.happened) == (409, False)
            assert caught.value.problem is not None
            assert caught.value.problem["index"] == 2
            assert str(caught.value).startswith(f"POST {url}/v1/envs/")
            assert str(caught.value).endswith("; nothing happened on the server")
        assert index_of(url, env) == 2


def test_a_time_out_says_how_long_it_waited(url: str) -> None:
    with scripted(relay(url), relay(url), hang) as (proxy, _):
        env = impatient(RemoteEnv(proxy))
        env.reset(seed=1)
        with (
            closing(env),
            pytest.raises(RemoteError, match=r"step\?index=1: no answer within 0\.2 s; whether"),
        ):
            env.step(fraction(1))


def test_closing_waits_for_nobody(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a server that is away, nor for one that hangs; and it says nothing."""
    monkeypatch.setattr(session, "CLOSE_TIMEOUT_S", 0.1)
    with scripted(relay(url), relay(url), hang) as (proxy, _):
        slow, late = RemoteEnv(proxy), RemoteVectorEnv(2, proxy)
        began = monotonic()
        slow.close()
        assert monotonic() - began < 0.25  # the server hangs for 0.3 s
    began = monotonic()
    late.close()
    assert monotonic() - began < 1.0


def test_a_wrong_token_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path, token=TOKEN) as url:
        monkeypatch.delenv("EV_GYM_TOKEN", raising=False)
        for token in (None, "close-sesame"):
            with pytest.raises(RemoteError) as caught:
                RemoteEnv(url, token=token)
            assert (caught.value.status, caught.value.happened) == (401, False)
            said = str(caught.value)
            assert said.startswith(f"POST {url}/v1/envs: 401 Unauthorized: ")
            assert said.endswith("; nothing happened on the server")
            assert "sesame" not in said
        local = EVChargingEnv()
        began = local.reset(seed=1)
        with closing(RemoteEnv(url, token=TOKEN)) as env:
            assert same(env.reset(seed=1), began)
        monkeypatch.setenv("EV_GYM_TOKEN", TOKEN)
        with closing(RemoteEnv(url)) as env:
            assert same(env.reset(seed=1), began)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (answer(200, b"hello", "text/plain"), "is not npy arrays: no npy array at byte 0 of 5"),
        (answer(200, b"", "text/plain"), "holds 0 arrays, or fields of another version"),
    ],
)
def test_an_answer_of_another_kind(url: str, act: Act, said: str) -> None:
    with scripted(relay(url), act) as (proxy, _):
        env = RemoteEnv(proxy)
        with pytest.raises(RemoteError, match=f"reset: the answer {said}") as caught:
            env.reset(seed=1)
        assert caught.value.happened is None
        env.close()
