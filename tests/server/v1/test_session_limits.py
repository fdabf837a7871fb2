"""What sessions refuse: impossible requests, too much, too late, and other versions."""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from ev_gym.drivers.habits import habits_table
from ev_gym.scenario import Scenario
from server import program_version
from server.config import Config
from server.http.problems import Problem
from server.storage.store import Store
from server.v1 import session_cache
from server.v1.replayed_env import ReplayedEnv, Spec
from server.v1.sessions import Sessions
from tests.support import layout_2
from tests.support.one_day import A_DAY
from tests.support.real_server import FakeClock
from tests.support.session_twins import HOURLY, Twin, answers_alike, refused

OWN = Scenario.from_dict(
    {
        **A_DAY,
        "data": {
            "source": "files",
            "price_file": "/nowhere/prices.csv",
            "load_file": "/nowhere/loads.csv",
            "temperature_c": 5.0,
        },
    }
)


BAD_STEPS = {
    "action is .*'a'": [["a"], ["b"]],
    r"action has shape \(1, 2\); allowed: \(2, 1\)": [[0.5, 0.5]],
    "action of vehicle 0 in row 1 is 1.5; allowed: a number from 0 to 1": [[1.0], [1.5]],
    "action of vehicle 0 in row 0 is nan": [[float("nan")], [0.0]],
    "action of vehicle 0 in row 0 is inf": [[1e300], [0.0]],
    "action is .*None": None,
}
BAD_RESETS: dict[str, dict[str, Any]] = {
    "seed is -1; allowed: a whole number from 0": {"seed": -1},
    "seed is True": {"seed": True},
    r"seed is 18446744073709551615; allowed: .* to 18446744073709551614": {"seed": 2**64 - 1},
    "seed holds 3 numbers; allowed: 2": {"seed": [1, 2, 3]},
    "seed is 'x'": {"seed": ["x", None]},
    "unknown key 'sco'": {"options": {"sco": 1}},
    "options is 5": {"options": 5},
    "option soc is 2; allowed": {"options": {"soc": 2}},
    "option soc is nan": {"options": {"soc": float("nan")}},
    "option house is 99; allowed: a whole number from 0 to 15": {"options": {"house": 99}},
    "option start is '1999-01-01'": {"options": {"start": "1999-01-01"}},
    r"option reset_mask is array\(\[1, 0\]\)": {"options": {"reset_mask": [1, 0]}},
    r"reset_mask is array\(\[False, False\]\)": {"options": {"reset_mask": [False, False]}},
    "option reset_mask is array": {"options": {"reset_mask": [[True], [True, False]]}},
}


def test_what_the_env_refuses_changes_nothing(here: Sessions) -> None:
    spec = Spec(HOURLY, 2)
    name, twin = here.create(spec).id, Twin(spec)
    for begun in (False, True):
        for message, asked in BAD_RESETS.items():
            for index in (None, int(begun)):
                told = refused(422, here.reset, name, **asked, index=index)
                assert re.search(message, told.detail), told.detail
        if not begun:
            mask = {"reset_mask": [True, False]}
            told = refused(422, here.reset, name, options=mask)
            assert told.detail.endswith("leaves rows out; the first reset needs all of them")
            assert answers_alike(here.reset(name), twin.reset(), spec)
    for message, action in BAD_STEPS.items():
        told = refused(422, here.step, name, action)
        assert re.search(message, told.detail), told.detail
    assert here.session(name).index == 1
    action = np.ones((2, 1))
    assert answers_alike(here.step(name, action, 1), twin.step(action), spec)


def test_single_session_takes_no_mask(here: Sessions) -> None:
    name = here.create(Spec(HOURLY)).id
    told = refused(422, here.reset, name, options={"reset_mask": [True]})
    assert told.detail.startswith("unknown key 'reset_mask'")
    assert refused(422, here.reset, name, [1]).detail.startswith("seed is [1]; allowed")


def test_unknown_sessions(here: Sessions) -> None:
    for name in ("nobody", "", "a" * 1000, "\0", "\ud800", "../x", "ä"):
        for call in (here.session, here.spec, here.world, here.look, here.reset, here.steps):
            refused(404, call, name)
        refused(404, here.step, name, [0.0])
        assert not here.delete(name)


@pytest.mark.parametrize("version", ["0.0.1 (1, abc, numba 0.1)", layout_2.PROGRAM])
def test_session_of_another_version_is_named(store: Store, version: str) -> None:
    here = Sessions(store, Config())
    name = here.create(Spec(HOURLY)).id
    here.reset(name)
    own = here.session(name).version
    assert re.fullmatch(r"\S+ \(\d+, [0-9a-f]{12}, (numba \S+|interpreted), numpy \S+\)", own)
    with store.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE sessions SET version = '{version}'"))
    later = Sessions(store, Config())
    for call, *args in (
        (later.session, name),
        (later.look, name),
        (later.reset, name),
        (later.step, name, [0.0]),
        (later.steps, name),
    ):
        told = refused(409, call, *args)
        assert f"made by version {version}; this server is version {own}" in told.detail
    assert later.delete(name)
    assert later.count() == 0


def test_other_habits_of_drivers_are_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in no source file, and in no series."""
    own, other = program_version.program_version(), habits_table() * 1.0
    monkeypatch.setattr(program_version, "habits_table", lambda: other)
    assert program_version.program_version.__wrapped__() == own
    other[0, 0] += 0.001
    assert program_version.program_version.__wrapped__() != own


def test_other_layouts_of_the_state_are_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    own, layouts = program_version.program_version(), program_version.LAYOUTS
    longer = np.dtype([*layouts[0].descr, ("more", "f8")])
    monkeypatch.setattr(program_version, "LAYOUTS", (longer, *layouts[1:]))
    assert program_version.program_version.__wrapped__() != own


def test_session_on_other_series_is_refused(store: Store) -> None:
    name = Sessions(store, Config()).create(Spec(HOURLY)).id
    row = store.session(name)
    assert row is not None
    told = json.loads(row.spec)
    changed = json.dumps({**told, "world": "0" * 64})
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE sessions SET spec = :spec"), {"spec": changed})
    detail = refused(409, Sessions(store, Config()).session, name).detail
    assert "fingerprint 000000000000" in detail
    assert told["world"][:12] in detail


def test_idle_sessions_expire(store: Store) -> None:
    """A use by any worker counts; those of other workers end as well."""
    clock = FakeClock()
    config = Config(idle_s=1000.0, clock=clock)
    one, other = Sessions(store, config), Sessions(store, config)
    used, looked_at, idle = (one.create(Spec(HOURLY)).id for _ in range(3))
    other.reset(used)
    one.reset(idle)
    for _ in range(12):
        clock.pass_s(100)
        one.step(used, [0.0])
        other.session(looked_at)
        expected = 3 if clock.now <= 1_001_000 else 2
        assert one.count() == expected
    refused(404, one.step, idle, [0.0])
    refused(404, other.reset, idle)
    clock.pass_s(1101)
    refused(404, other.step, used, [0.0])
    assert one.count() == 0
    refused(404, one.look, looked_at)
    assert not one._cache._sessions


def test_limits(store: Store) -> None:
    clock = FakeClock()
    config = Config(
        max_num_envs=8, max_days=3, max_sessions=2, idle_s=100.0, clock=clock, scenario=OWN
    )
    here = Sessions(store, config)

    def detail(status: int, scenario: Any = HOURLY, rows: int | None = None) -> str:
        made = scenario if isinstance(scenario, Scenario) else Scenario.from_dict(scenario)
        return refused(status, here.create, Spec(made, rows)).detail

    for rows in (9, 0):
        assert detail(422, rows=rows) == (
            f"num_envs is {rows}; allowed on this server: 1 to 8, or null"
        )
    assert detail(422, {"days": 4}) == "days is 4; allowed on this server: 1 to 3"
    assert detail(422, {**A_DAY, "data": {"weeks": 69, "houses": 99}}) == (
        "data.weeks times data.houses times the split's worlds is 69 x 99 x 1 = 6831; allowed on "
        "this server: up to 6800"
    )
    assert detail(422, {**A_DAY, "data": {"weeks": 5, "houses": 101}}) == (
        "data.houses is 101; allowed on this server: up to 100"
    )
    files = {"source": "files", "price_file": "/etc/passwd", "load_file": "x", "temperature_c": 1}
    assert detail(422, {**A_DAY, "data": files}).startswith(
        "data names its own price, load, which this server does not offer; allowed: the data of a"
    )
    for part, own in (
        *(("sun", {"path": "/etc/passwd"}), ("price", {"market": "SE3"})),
        *(("carbon", {"path": "/etc/passwd"}), ("carbon", {"market": "SE3"})),
    ):
        said = detail(422, {**A_DAY, "data": {"weeks": 5, part: own}})
        assert said.startswith(f"data names its own {part}, which this server does not offer")
    # Its own data it offers, though here without the files.
    assert detail(422, OWN) == "the scenario's series cannot be read on this server"
    assert here.count() == 0
    for _ in range(2):
        here.create(Spec(HOURLY, 8))
    assert detail(429).startswith("there are 2 sessions, as many as this server takes; delete one")
    clock.pass_s(101)
    assert here.create(Spec(HOURLY)).index == 0  # the idle ones went
    assert here.count() == 1


def test_sessions_made_at_once_are_no_more_than_fit(store: Store) -> None:
    """Also by several workers, whose first look finds room for all; one env is built at a time."""
    workers = [Sessions(store, Config(max_sessions=3)) for _ in range(2)]
    together, building = threading.Barrier(8), []

    def create(number: int) -> int:
        together.wait(10)
        try:
            workers[number % 2].create(Spec(HOURLY))
        except Problem as problem:
            return problem.status
        return 201

    made = ReplayedEnv.__init__

    def slowly(replay: ReplayedEnv, spec: Spec) -> None:
        building.append(replay)
        assert len(building) == 1
        time.sleep(0.02)
        made(replay, spec)
        building.clear()

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(8) as pool:
        patch.setattr(ReplayedEnv, "__init__", slowly)
        patch.setattr(store, "count_sessions", lambda: 0)
        told = list(pool.map(create, range(8)))
    assert sorted(told) == [201] * 3 + [429] * 5
    assert store.count_sessions() == 3


def test_memory_counts_what_clients_wrote(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Sessions(store, Config())
    long = replace(HOURLY, name="x" * 200)
    sizes = [here._cached(here.create(Spec(made)).id).spec_bytes for made in (HOURLY, long)]
    assert sizes[1] - sizes[0] == 200 - len(HOURLY.name)
    first, second = here._cache._sessions.values()
    world = first.world
    parts = (world.tables, [world.hourly_price, world.starts], vars(world.dataset).values())
    arrays = [part for own in parts for part in own if isinstance(part, np.ndarray)]
    assert first.world_bytes == sum(array.nbytes for array in arrays) > 7_000_000
    room = first.replay.nbytes + second.replay.nbytes + first.world_bytes + sizes[0]
    monkeypatch.setattr(session_cache, "CACHE_BYTES", room)
    here._cache.keep(second)
    assert list(here._cache._sessions.values()) == [second]


def test_seed_too_large_for_the_rows(here: Sessions) -> None:
    spec = Spec(HOURLY, 2, seed=2**64 - 1)
    assert refused(422, here.create, spec).detail.startswith("seed is 18446744073709551615;")


def test_impossible_split(here: Sessions) -> None:
    assert "'trian'" in refused(422, here.create, Spec(HOURLY, split="trian")).detail


def test_ids_cannot_be_guessed(here: Sessions) -> None:
    names = {here.create(Spec(HOURLY)).id for _ in range(20)}
    assert len(names) == 20
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_-]{32}", name)
