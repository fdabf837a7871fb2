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

IMPOSSIBLE_STATUSES = (400, 422)  # of a request against the schema, or for something impossible
CLOSE_TIMEOUT_S = 2.0


class LastRows(NamedTuple):
    """With same-step autoreset: the rows at the end of an episode, valid where `truncated`."""

    observations: NDArray[np.float32]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    action_masks: NDArray[np.bool_]


class Answer(NamedTuple):
    """The rows after a reset or a step.

    Attributes:
        observations: (n, D) float32.
        rewards: (n,) float64, 0 after a reset.
        truncated: (n,) bool.
        settlement: (n,) float64, of the episodes that ended; 0 in the other rows.
        results: (n,) STEP_DTYPE.
        vehicle_results: (n, K) VEHICLE_STEP_DTYPE.
        action_masks: (n, C) bool, of the coming step; (n, 0) with continuous actions.
        last: With same-step autoreset, in a step in which an episode ended; else None.
    """

    observations: NDArray[np.float32]
    rewards: NDArray[np.float64]
    truncated: NDArray[np.bool_]
    settlement: NDArray[np.float64]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    action_masks: NDArray[np.bool_]
    last: LastRows | None


class RemoteSession:
    """A session of its own on a server.

    Each reset and step carries its index, the number of those before it, and the server takes it
    only once: a request that is sent again because its answer was lost gets the answer that was
    lost. Where repeating failed too, the index stays as it was, so calling with the same again is
    safe as well. A step with another action is then refused (409) if the lost one had happened; a
    reset goes on from there.

    Args:
        client: To the server.
        scenario: A preset's name, which the server looks up; a `Scenario`, or a dict of overrides.
        settings: The rest of what `POST /v1/envs` takes, such as `num_envs`.

    Attributes:
        scenario: As the server reads it.
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
        is_name = isinstance(scenario, str)
        body = {"scenario": scenario if is_name else as_scenario(scenario).to_dict(), **settings}
        try:
            session = client.json("POST", "/v1/envs", body)
        except RemoteError as error:
            raise _as_local(error, ScenarioError) from error
        self._client = client
        self._path = f"/v1/envs/{session['id']}"
        self.scenario = Scenario.from_dict(session["scenario"])
        self.observation_space = space_of(session["observation_space"])
        self.action_space = space_of(session["action_space"])
        start = datetime.fromisoformat(session["series_start"].replace("Z", "+00:00"))
        self.series_start = start.astimezone(timezone.utc)
        self.index: int = session["index"]
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
                self.index = index  # the lost operation had happened; nobody waits for it now
                return self._reset(seed, options)
        except RemoteError as error:
            raise _as_local(error, ResetError) from error

    def _reset(self, seed: int | list[int | None] | None, options: Mapping[str, Any]) -> Answer:
        request = {"seed": seed, "options": dict(options) or None, "index": self.index}
        body = json.dumps(request, default=_json_value).encode()
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
        # Whatever interrupts the request, Ctrl-C included, leaves it unsure.
        was_unsure, self._unsure = self._unsure, True
        try:
            answer = self._client.request("POST", self._path + path, data=body, headers=headers)
        except RemoteError as error:
            self._unsure = was_unsure or error.happened is None
            raise
        rows = self._read(answer.content, f"POST {self._client.url}{self._path}{path}")
        self.index += 1
        self._unsure = False
        return rows

    def _read(self, body: bytes, request: str) -> Answer:
        try:
            arrays = npy.decode(body)
        except ValueError as error:
            raise RemoteError(request, f"the answer is not npy arrays: {error}") from error
        types = [array.dtype for array in arrays[4:6]]
        if len(arrays) not in (7, 11) or types != [STEP_DTYPE, VEHICLE_STEP_DTYPE]:
            failure = f"the answer holds {len(arrays)} arrays, or fields of another version"
            raise RemoteError(request, failure)
        last = LastRows._make(arrays[7:]) if len(arrays) == 11 else None
        return Answer._make([*arrays[:7], last])

    def close(self) -> None:
        """Delete the session; a server that does not answer soon will let it expire."""
        self._client.patience_s, self._client.timeout_s = 0.0, CLOSE_TIMEOUT_S
        with contextlib.suppress(Exception):  # at the end of Python modules may be gone already
            self._client.request("DELETE", self._path)
        self._client.close()


def space_of(description: Mapping[str, Any]) -> spaces.Space[Any]:
    """A space from its description in JSON."""
    if description["type"] == "Discrete":
        return spaces.Discrete(description["n"])
    if description["type"] == "MultiDiscrete":
        return spaces.MultiDiscrete(description["nvec"])
    dtype = np.dtype(description["dtype"]).type
    low, high = (np.array(description[side], dtype) for side in ("low", "high"))
    return spaces.Box(low, high, tuple(description["shape"]), dtype)


def _as_local(error: RemoteError, kind: type[ValueError]) -> Exception:
    """The error that a local env would raise, where the request was impossible."""
    if error.status not in IMPOSSIBLE_STATUSES:
        return error
    return kind((error.problem or {}).get("detail", error.failure))


def _json_value(value: Any) -> Any:
    """A date or an array as JSON knows it."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise ResetError(f"option holds {value!r}; allowed: numbers, dates, and lists of numbers")
