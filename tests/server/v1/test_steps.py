"""The steps of a session, paged and as CSV: those of the local history."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import requests

from ev_gym.env import EVChargingEnv
from ev_gym.simulation.results import TERM_FIELDS, steps_frame
from ev_gym.simulation.state_fields import STEP_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.vector_env import EVChargingVectorEnv
from server.v1 import routes, session_json
from server.v1.step_answer import StepResults
from tests.support.real_server import serving
from tests.support.v1_session import CLASSIC, VILLA, SessionClient, check_refusal


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield f"{address}/v1/envs"


def check_csv(text: str, frame: pd.DataFrame, indices: list[int], rows: list[int]) -> None:
    """A table as CSV, every number bit for bit."""
    first, *lines = csv.reader(io.StringIO(text))
    assert first == ["index", "row", "time", *frame.columns]
    expected = [
        [str(index), str(row), time.isoformat(), *map(repr, values)]
        for index, row, time, values in zip(
            indices, rows, frame.index, frame.to_numpy(object).tolist(), strict=True
        )
    ]
    assert lines == expected


def test_steps_are_listed_across_resets(
    url: str, http: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_json, "ROWS_PER_PIECE", 3)
    env, remote = EVChargingEnv(VILLA), SessionClient(http, url, scenario=VILLA, seed=2)
    frames, indices, index = [], [], 0
    for count in (4, 0, 3):
        env.reset(seed=2)
        remote.answer_to("reset", {"seed": 2})
        index += 1
        for _ in range(count):
            env.step(np.array([1.0, -1.0], np.float32))
            remote.answer_to("step", {"action": [1, -1]})
            indices.append(index)
            index += 1
        frames.append(env.history)
    expected = pd.concat(frames)

    shown = http.get(f"{remote.url}/steps.csv")
    assert shown.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert shown.headers["Transfer-Encoding"] == "chunked"
    check_csv(shown.text, expected, indices, [0] * len(indices))

    pages, first = [], 0
    while first is not None:
        page = http.get(f"{remote.url}/steps", params={"first": first, "limit": 3}).json()
        pages += page["steps"]
        assert all(first <= step["index"] < first + 3 for step in page["steps"])
        first = page["next"]
    assert [step["index"] for step in pages] == indices
    for step, (time, row) in zip(pages, expected.iterrows(), strict=True):
        assert step["time"] == time.isoformat()
        for k in range(2):
            assert step["soc"][k] == row[f"soc_{k}"]
        assert {name: step[name] for name in step if name in row} == {
            name: row[name] for name in step if name in row
        }
    for limit, following in ((9, 9), (10, None), (11, None)):
        assert http.get(f"{remote.url}/steps?limit={limit}").json()["next"] == following
    assert http.get(f"{remote.url}/steps?first=99").json() == {"steps": [], "next": None}


def test_the_steps_of_rows_are_those_that_were_taken(url: str, http: requests.Session) -> None:
    env = EVChargingVectorEnv(2, CLASSIC)
    remote = SessionClient(http, url, scenario=CLASSIC, num_envs=2, seed=8)
    empty = http.get(f"{remote.url}/steps.csv").text
    assert empty.splitlines()[0].startswith("index,row,time,now_min,")
    env.reset(seed=8)
    remote.answer_to("reset")
    rows, indices = [], []
    for step in range(26):
        env.step(np.ones((2, 1), np.float32))
        remote.answer_to("step", {"action": [[1], [1]]})
        if step != 24:  # the step in which both begin anew
            rows.append((env.outputs.results, env.outputs.vehicle_results))
            indices += [step + 1] * 2
    expected = steps_frame(
        env.series_start, "UTC", *(np.concatenate(part) for part in zip(*rows, strict=True))
    )
    check_csv(http.get(f"{remote.url}/steps.csv").text, expected, indices, [0, 1] * 25)


def test_a_page_has_at_most_100_000_steps_of_households(
    url: str, http: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a limit it has as many as fit."""
    remote = SessionClient(http, url, scenario=CLASSIC, num_envs=200)
    assert http.get(f"{remote.url}/steps?limit=500").status_code == 200
    monkeypatch.setattr(routes, "MOST_STEPS", 500)  # as for a session of many rows
    for _ in range(3):
        remote.answer_to("reset")
    assert http.get(f"{remote.url}/steps").json() == {"steps": [], "next": 2}
    check_refusal(http.get(f"{remote.url}/steps?limit=3"), 422, None, "200 rows: at most 2")
    monkeypatch.undo()
    answer = http.get(f"{remote.url}/steps?limit=501")
    check_refusal(answer, 422, None, "limit is 501; allowed with 200 rows: at most 500")


def test_csv_is_written_as_the_steps_come() -> None:
    env = EVChargingVectorEnv(2, CLASSIC)
    env.reset(seed=1)
    env.step(np.ones((2, 1), np.float32))
    one = StepResults(7, np.arange(2), env.outputs.results, env.outputs.vehicle_results)
    endless = session_json.csv(itertools.repeat(one), env.simulator.world, 2)
    head, piece, other = itertools.islice(endless, 3)
    assert head.count("\n") == 1
    assert piece == other
    assert piece.count("\n") == session_json.ROWS_PER_PIECE
    assert piece.startswith("7,0,2024-")


def test_the_reward_of_a_step_is_the_sum_of_its_terms_in_their_order() -> None:
    env = EVChargingEnv(CLASSIC)
    results, cars = np.zeros(1, STEP_DTYPE), np.zeros((1, 1), VEHICLE_STEP_DTYPE)
    for field, value in zip(TERM_FIELDS, (0.1, 0.2, 0.3, 0.0, 0.0, 0.0), strict=True):
        results[field] = value
    world = env.simulator.world
    (told,) = session_json.steps([StepResults(1, np.zeros(1, int), results, cars)], world)
    frame = steps_frame(world.dataset.start, world.dataset.zone, results, cars)
    assert told["reward"] == frame["reward"].iloc[0] == 0.6000000000000001
