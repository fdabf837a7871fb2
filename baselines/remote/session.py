"""One session of a server's `/v1`: made, reset, stepped and deleted over HTTP."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from baselines.remote import npy
from baselines.remote.http_client import Client, RemoteError
from ev_gym.scenario import Scenario, ScenarioError, as_scenario
from ev_gym.simulation.actions import as_numbers
from ev_gym.simulation.reset_options import ResetError
from ev_gym.simulation.simulator import ActionError
from ev_gym.simulation.state_fields import STEP_DTYPE, VEHICLE_STEP_DTYPE

REFUSED = (400, 422)  # against the schema, or impossible
GOODBYE_S = 2.0


class Last(NamedTuple):
    """With same-step autoreset: what all rows showed last, valid where `truncated`."""

    observations: NDArray[np.float32]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]


class Answer(NamedTuple):
    """The rows after a reset or a step.

    Attributes:
        observations: (n, D) float32.
        rewards: (n,) float64, 0 after a reset.
        truncated: (n,) bool.
        settlement: (n,) float64, valid where `truncated`.
        results: (n,) STEP_DTYPE.
        vehicle_results: (n, K) VEHICLE_STEP_DTYPE.
        last: With same-step autoreset, in a step in which an episode ended; else None.
    """

    observations: NDArray[np.float32]
    rewards: NDArray[np.float64]
    truncated: NDArray[np.bool_]
    settlement: NDArray[np.float64]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    last: Last | None


class RemoteSession:
    """A session of its own on a server.

    Each reset and step carries its index, the number of those before it, and the server does it
    once: a request that is sent again because its answer was lost gets the answer that was lost.
    Where even repetition was in vain, the index stays as it was, so calling with the same again is
    safe too; a step with another action is refused (409) if the lost one had happened, and a reset
    goes on from there.

    Args:
        client: To the server.
        scenario: A preset's name, which the server looks up; a `Scenario`, or a dict of overrides.
        settings: The rest of what `POST /v1/envs` takes, such as `num_envs`.

    Attributes:
        scenario: As the server lives by it.
        observation_space, action_space: Of one household.
        series_start: UTC time of minute 0 of `now_min`.
        index: Resets and steps so far.

    Raises:
        ScenarioError: for an impossible scenario or setting, saying what is allowed.
        RemoteError: if the server cannot be reached, or refuses.
    """

    def __init__(
        self, client: Client, scenario: str | Scenario | Mapping[str, Any], **settings: Any
    ) -> None:
        named = isinstance(scenario, str)
        body = {"scenario": scenario if named else as_scenario(scenario).to_dict(), **settings}
        try:
            told = client.json("POST", "/v1/envs", body)
        except RemoteError as error:
            raise _as_local(error, ScenarioError) from error
        self._client = client
        self._path = f"/v1/envs/{told['id']}"
        self.scenario = Scenario.from_dict(told["scenario"])
        self.observation_space = space_of(told["observation_space"])
        self.action_space = space_of(told["action_space"])
        started = datetime.fromisoformat(told["series_start"].replace("Z", "+00:00"))
        self.series_start = started.astimezone(timezone.utc)
        self.index: int = told["index"]
        self._unsure = False  # whether an operation at `index` may have happened

    def reset(self, seed: int | list[int | None] | None, options: Mapping[str, Any]) -> Answer:
        """Begin an episode.

        Raises:
            ResetError: for an impossible seed or option; nothing has changed then.
            RemoteError: where there was no answer.
        """
        try:
            try:
                return self._reset(seed, options)
            except RemoteError as error:
                index = (error.problem or {}).get("index")
                if not (self._unsure and error.status == 409 and index == self.index + 1):
                    raise
                self.index = index  # what was lost had happened, and nobody waits for it now
                return self._reset(seed, options)
        except RemoteError as error:
            raise _as_local(error, ResetError) from error

    def _reset(self, seed: int | list[int | None] | None, options: Mapping[str, Any]) -> Answer:
        asked = {"seed": seed, "options": dict(options) or None, "index": self.index}
        body = json.dumps(asked, default=_plain).encode()
        return self._operate("/reset", body, "application/json")

    def step(self, actions: Any) -> Answer:
        """Step every row.

        Raises:
            ActionError: for an impossible action; nothing has changed then.
            RemoteError: where there was no answer.
        """
        numbers = as_numbers(actions, isinstance(self.action_space, spaces.Box))
        try:
            path = f"/step?index={self.index}"
            return self._operate(path, npy.encode(numbers), npy.MEDIA_TYPE)
        except RemoteError as error:
            raise _as_local(error, ActionError) from error

    def _operate(self, path: str, body: bytes, kind: str) -> Answer:
        headers = {"Content-Type": kind, "Accept": npy.MEDIA_TYPE}
        was_unsure, self._unsure = self._unsure, True  # as after an interrupt
        try:
            answer = self._client.request("POST", self._path + path, data=body, headers=headers)
        except RemoteError as error:
            self._unsure = was_unsure or error.happened is None
            raise
        read = self._read(answer.content, f"POST {self._client.url}{self._path}{path}")
        self.index += 1
        self._unsure = False
        return read

    def _read(self, body: bytes, named: str) -> Answer:
        try:
            arrays = npy.decode(body)
        except ValueError as error:
            raise RemoteError(named, f"the answer is not npy arrays: {error}") from error
        types = [array.dtype for array in arrays[4:6]]
        if len(arrays) not in (6, 9) or types != [STEP_DTYPE, VEHICLE_STEP_DTYPE]:
            failure = f"the answer holds {len(arrays)} arrays, or fields of another version"
            raise RemoteError(named, failure)
        last = Last._make(arrays[6:]) if len(arrays) == 9 else None
        return Answer._make([*arrays[:6], last])

    def close(self) -> None:
        """Delete the session; a server that does not answer soon will let it expire."""
        self._client.patience_s, self._client.timeout_s = 0.0, GOODBYE_S
        with contextlib.suppress(Exception):  # Python may be half gone when envs are collected
            self._client.request("DELETE", self._path)
        self._client.close()


def space_of(told: Mapping[str, Any]) -> spaces.Space[Any]:
    """A space from its description in JSON."""
    if told["type"] == "Discrete":
        return spaces.Discrete(told["n"])
    if told["type"] == "MultiDiscrete":
        return spaces.MultiDiscrete(told["nvec"])
    dtype = np.dtype(told["dtype"]).type
    low, high = (np.array(told[side], dtype) for side in ("low", "high"))
    return spaces.Box(low, high, tuple(told["shape"]), dtype)


def _as_local(error: RemoteError, kind: type[ValueError]) -> Exception:
    """The error that a local env would raise, where the request was impossible."""
    if error.status not in REFUSED:
        return error
    return kind((error.problem or {}).get("detail", error.failure))


def _plain(value: Any) -> Any:
    """What JSON has no word for, in what it has."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise ResetError(f"option holds {value!r}; allowed: numbers, dates, and lists of numbers")
