"""A session of `/v1` for tests, over a socket, and the answers it should give."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import requests

from tests.support.one_day import A_DAY
from tests.support.rollouts import THREE_CARS

HOURLY = {**A_DAY, "time_step_min": 60}
CLASSIC = {"preset": "classic", "time_step_min": 60}
CARS = {**THREE_CARS, **HOURLY}
VILLA = {"preset": "stockholm-villa", **HOURLY}
NPY = {"Accept": "application/x-npy"}
JSON_TYPE = "application/json"


class SessionClient:
    """A session on the server."""

    def __init__(self, http: requests.Session, url: str, **spec: Any) -> None:
        self.http = http
        answer = http.post(url, json=spec)
        assert answer.status_code == 201, answer.text
        self.spec = answer.json()
        self.url = f"{url}/{self.spec['id']}"
        assert answer.headers["Location"] == f"/v1/envs/{self.spec['id']}"

    def post(self, what: str, body: Any = None, **more: Any) -> requests.Response:
        return self.http.post(f"{self.url}/{what}", json=body, **more)

    def answer_to(self, what: str, body: Any = None) -> Any:
        answer = self.post(what, body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Session-Index"] == str(answer.json()["index"])
        return answer.json()

    def state(self) -> Any:
        return self.http.get(self.url).json()


def text(value: Any) -> str:
    """JSON text in which two values are equal if every bit of them is."""
    return json.dumps(value, sort_keys=True, default=lambda array: array.tolist())


def single_text(index: int, result: tuple[Any, ...]) -> str:
    if len(result) == 2:
        return text({"index": index, "observation": result[0], "info": result[1]})
    names = ("observation", "reward", "terminated", "truncated", "info")
    return text({"index": index, **dict(zip(names, result, strict=True))})


def rows_text(index: int, result: tuple[Any, ...]) -> str:
    if len(result) == 2:
        return text({"index": index, "observations": result[0], "infos": result[1]})
    names = ("observations", "rewards", "terminated", "truncated", "infos")
    return text({"index": index, **dict(zip(names, result, strict=True))})


def arrays(answer: requests.Response) -> list[np.ndarray[Any, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-npy"
    stream, found = io.BytesIO(answer.content), []
    while stream.tell() < len(answer.content):
        found.append(np.load(stream))
    return found


def saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def check_refusal(answer: requests.Response, status: int, where: str | None, words: str) -> None:
    problem = answer.json()
    assert answer.status_code == status, problem
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert words.replace(",", "") in problem["detail"].replace(",", "")
    assert [error["where"] for error in problem.get("errors", [])] == ([where] if where else [])
