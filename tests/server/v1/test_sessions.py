"""Sessions: what was acknowledged stays, and goes on bit for bit like a local env."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.simulation.results import rows_info
from server.config import Config
from server.storage.store import Store
from server.v1 import session_cache, sessions
from server.v1.replayed_env import ReplayedEnv, Spec
from server.v1.sessions import Sessions
from tests.support.one_day import A_DAY
from tests.support.rollouts import same_bits
from tests.support.session_twins import (
    HOURLY,
    SCENARIOS,
    Twin,
    answers_alike,
    first_rows,
    refused,
    same_answer,
    some_action,
)

MODES = ("NextStep", "SameStep", "Disabled")


SPECS = [
    Spec(SCENARIOS[cars], None, 2**64 - 1, continuous)
    for cars in SCENARIOS
    for continuous in (True, False)
] + [
    Spec(SCENARIOS[cars], rows, 5, continuous, split, mode)
    for cars, continuous, rows in (
        ("one car", True, 1),
        ("one car", False, 3),
        ("two cars", True, 3),
    )
    for split, mode in zip((None, "train", "test"), MODES, strict=True)
]


def some_reset(spec: Spec, first: bool, choice: np.random.Generator) -> dict[str, Any]:
    """Seeds and options of all kinds."""
    seed: Any = choice.choice([None, 7, 2**63])
    options: dict[str, Any] = {}
    if choice.random() < 0.5:
        options = {"soc": 0.25, "start": "2025-06-05", "house": 3}
        options.pop(str(choice.choice(sorted(options))))
    if spec.num_envs is not None and choice.random() < 0.5:
        seed = [None if choice.random() < 0.5 else int(row) for row in range(spec.num_envs)]
    if spec.num_envs is not None and not first and choice.random() < 0.5:
        options["reset_mask"] = [True, *(choice.random(spec.num_envs - 1) < 0.5).tolist()]
    seed = seed if seed is None or isinstance(seed, list) else int(seed)
    return {"seed": seed, "options": options or None}


@pytest.mark.parametrize("place", range(len(SPECS)))
def test_interrupted_session_equals_a_local_env(tmp_path: Path, place: int) -> None:
    """Whatever it is made of, wherever it is interrupted, and repeated requests included."""
    url, spec = f"sqlite:///{tmp_path / 'server.db'}", SPECS[place]
    choice = np.random.default_rng(place)
    opened = Store(url)
    here, twin = Sessions(opened, Config()), Twin(spec)
    session = here.create(spec)
    assert (session.spec, session.index) == (spec, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "SNAPSHOT_EVERY", (1, 7, 1000)[place % 3])
        for index in range(70):
            if choice.random() < 0.1:  # the server dies
                opened.close()
                opened = Store(url)
                here = Sessions(opened, Config())
            carried = index if choice.random() < 0.5 else None
            if index == 0 or choice.random() < 0.04:
                asked = some_reset(spec, index == 0, choice)
                local = twin.reset(**asked)
                name = "reset"
            else:
                asked = {"action": some_action(spec, choice)}
                local = twin.step(**asked)
                name = "step"
            answer = getattr(here, name)(session.id, **asked, index=carried)
            assert answer.index == index + 1
            assert answers_alike(answer, local, spec)
            if choice.random() < 0.1:
                again = Sessions(opened, Config()) if choice.random() < 0.5 else here
                repeated = getattr(again, name)(session.id, **asked, index=index)
                assert same_answer(repeated, answer)
    seen = Sessions(opened, Config()).look(session.id)
    assert seen.session.index == 70
    assert seen.last is not None
    assert same_answer(seen.last, answer)
    assert same_bits(seen.households, twin.env.simulator.households)
    assert same_bits(seen.vehicles, twin.env.simulator.vehicles)
    opened.close()


@pytest.mark.parametrize("mode", MODES)
def test_steps_are_those_that_households_took(
    here: Sessions, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Neither resets nor the new episodes of an autoreset are steps; read from any index on."""
    monkeypatch.setattr(sessions, "SNAPSHOT_EVERY", 10)
    spec = Spec(HOURLY, 3, autoreset_mode=mode)
    twins = [EVChargingEnv(HOURLY) for _ in range(3)]
    name = here.create(spec).id
    over = [False] * 3
    took: list[tuple[int, int, dict[str, Any]]] = []
    here.reset(name)
    for seed, twin in enumerate(twins):
        twin.reset(seed=seed)
    for index in range(1, 80):
        if index == 9:  # so that rows end at different times
            here.reset(name, options={"reset_mask": [False, True, False]})
            twins[1].reset()
            continue
        here.step(name, np.full((3, 1), index / 80, np.float32))
        for row, twin in enumerate(twins):
            if over[row] and mode == "NextStep":
                twin.reset()
                over[row] = False
                continue
            if over[row] and mode == "SameStep":
                twin.reset()
            *_, over[row], info = twin.step([index / 80])
            took.append((index, row, info | {"settlement": 0.0}))  # which is no result of a step
    for first, limit in ((0, None), (9, 1), (33, 20), (60, 1), (79, 5), (80, 1), (10**30, 1)):
        told = [
            (step.index, row, first_rows(rows_info(results, vehicle_results, np.zeros(1))))
            for step in here.steps(name, first, limit)
            for row, results, vehicle_results in zip(
                step.rows.tolist(),
                step.results[:, None],
                step.vehicle_results[:, None],
                strict=True,
            )
        ]
        end = 80 if limit is None else first + limit
        expected = [each for each in took if first <= each[0] < end]
        assert [each[:2] for each in told] == [each[:2] for each in expected]
        assert all(same_bits(a[2], b[2]) for a, b in zip(told, expected, strict=True))


def test_restart_replays_less_than_a_snapshot_apart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SNAPSHOT_EVERY", 10)
    here = Sessions(store, Config())
    name = here.create(Spec(HOURLY)).id
    here.reset(name)
    taken = []
    take = ReplayedEnv.do
    monkeypatch.setattr(ReplayedEnv, "do", lambda *args: taken.append(args[1].index) or take(*args))
    for index in range(1, 32):
        here.step(name, [0.5])
        taken.clear()
        Sessions(store, Config()).session(name)
        done = index + 1
        assert taken == list(range((done - 1) // 10 * 10, done))
    taken.clear()
    assert len(list(here.steps(name, 25, 2))) == 2
    assert taken == list(range(20, 27))
    other = Sessions(store, Config())
    other.session(name)
    here.step(name, [0.5])
    here.step(name, [0.5])
    taken.clear()
    other.session(name)  # goes on from where it was
    assert taken == [32, 33]


def test_repeats_and_other_indices(here: Sessions) -> None:
    spec = Spec(HOURLY, 2, seed=11)
    name = here.create(spec).id
    told = refused(409, here.step, name, np.ones((2, 1)), index=0)
    assert (told.detail, told.extra) == ("the session has not begun; reset first", {"index": 0})
    began = here.reset(name, None, None, 0)
    assert same_answer(here.reset(name, None, {"soc": None}, 0), began)
    assert same_answer(here.reset(name, 11, index=0), began)  # the seed that it took
    assert refused(409, here.reset, name, 12, index=0).extra == {"index": 1}
    answer = here.step(name, [[0.5], [1]], 1)
    assert same_answer(here.step(name, np.array([[0.5], [1.0]]), 1), answer)
    for action, index in (([[0.5], [0.5]], 1), ([[0.5], [1]], 0), ([[0.5], [1]], 3)):
        told = refused(409, here.step, name, action, index)
        assert told.extra == {"index": 2}
    for index in (-1, 10**40):
        assert refused(409, here.step, name, [[0.5], [1]], index).extra == {"index": 2}
    assert refused(409, here.reset, name, index=1).extra == {"index": 2}
    assert here.session(name).index == 2


def test_many_sessions_need_not_fit_in_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those used last stay; the others come back from the log."""
    monkeypatch.setattr(
        session_cache, "CACHE_BYTES", 12_000_000
    )  # the series of one scenario, some envs
    here = Sessions(store, Config())
    spec = Spec(HOURLY, 2)
    other = Spec(Scenario.from_dict({**A_DAY, "time_step_min": 30}))
    names = [here.create(spec).id for _ in range(3)]
    twins = [Twin(spec) for _ in names]
    for name, twin in zip(names, twins, strict=True):
        here.reset(name)
        twin.reset()
    for number in range(6):
        here.create(other)
        assert len(here._cache._sessions) == 1
        for name, twin in zip(names, twins, strict=True):
            action = np.full((2, 1), number / 6)
            assert answers_alike(here.step(name, action, number + 1), twin.step(action), spec)
        assert set(here._cache._sessions) == set(names)
