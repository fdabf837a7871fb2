"""A household at the other end of a network, with the interface and the numbers of a local one.

`gymnasium.make("EVChargingRemote-v0", url="http://127.0.0.1:5000", scenario="stockholm")` after
`import ev_gym`. Observations, rewards, flags, infos and errors about actions and resets equal those
of `EVCharging-v0` bit for bit, so policies run on it unchanged. Requests without an answer are
repeated, with back-off, so a server may be restarted meanwhile; no step is taken twice. Where that
fails too, a `RemoteError` says whether anything happened on the server.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from baselines.remote.http_client import READ_S, Client, RemoteError
from baselines.remote.session import Answer, LastRows, RemoteSession
from ev_gym.scenario import Scenario
from ev_gym.simulation.observation import PHYSICAL, checked_observation
from ev_gym.simulation.reset_options import checked_mask, checked_seed, given_options, row_seeds
from ev_gym.simulation.results import (
    FULL,
    NONE,
    History,
    checked_info,
    history_frame,
    rows_info,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RemoteEnv", "RemoteError", "RemoteVectorEnv"]


class RemoteEnv(gym.Env[NDArray[Any], Any]):
    """`EVChargingEnv` on a server; see there for actions, observations, rewards and options.

    Args:
        url: Address of the server, such as `http://127.0.0.1:5000`.
        scenario: A preset's name, a `Scenario`, or a dict of overrides on `"preset"`.
        split: None, `"train"` or `"test"`: the weeks that episodes come from.
        continuous: False for discrete actions.
        token: The server's token; None: the environment variable EV_GYM_TOKEN, where set.
        timeout_s: Longest wait for an answer before the request is repeated.
        render_mode: Only None.
        info: `"full"`, `"flat"`, `"terms"` or `"none"`: how much infos hold here; the server sends
            the same for all.
        observation: `"physical"` or `"scaled"`.

    Raises:
        ScenarioError: for an impossible scenario or split.
        ValueError: for another `render_mode`, `info` or `observation`.
        RemoteError: if the server cannot be reached, or refuses.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # gymnasium.Env declares it so

    def __init__(
        self,
        url: str,
        scenario: str | Scenario | Mapping[str, Any] = "stockholm",
        split: str | None = None,
        continuous: bool = True,
        token: str | None = None,
        timeout_s: float = READ_S,
        render_mode: str | None = None,
        info: str = FULL,
        observation: str = PHYSICAL,
    ) -> None:
        _check_render_mode(render_mode)
        self._info_mode = checked_info(info)
        self.observation = checked_observation(observation)
        self.render_mode = None
        client = Client(url, token, timeout_s)
        settings = {"split": split, "continuous": continuous, "observation": self.observation}
        session = RemoteSession(client, scenario, **settings)
        self._session = session
        self.scenario = session.scenario
        self.split = split
        self.series_start: datetime = session.series_start
        self.observation_space = session.observation_space
        self.action_space = session.action_space
        cars = len(self.scenario.vehicles)
        self._history = History(cars, self.scenario.horizon_steps)
        self._start = History(cars, 1)
        self._seeded = False
        self._first_seed: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode: of the seed, or without one the next of the same stream.

        Raises:
            ResetError: for an impossible seed or option; nothing has changed then.
            RemoteError: where there was no answer; calling again is safe.
        """
        checked_options = given_options(options) if options else {}
        seed = server_seed = None if seed is None else checked_seed(seed)
        if server_seed is None and not self._seeded:
            if self._first_seed is None:
                self._first_seed = int(self.np_random.integers(2**63))
            server_seed = self._first_seed
        answer = self._session.reset(server_seed, checked_options)
        super().reset(seed=seed)
        self._seeded = True
        self._history.length = 0
        _record(self._start, 0, answer)
        return answer.observations[0], self._info(self._start, 0, answer)

    def _info(self, history: History, place: int, answer: Answer) -> dict[str, Any]:
        info = history.info(place, float(answer.settlement[0]), self._info_mode)
        if answer.action_masks.size and self._info_mode != NONE:
            info["action_mask"] = answer.action_masks[0]
        return info

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take one step.

        Raises:
            ActionError: for a NaN or an action outside the space; nothing has changed then.
            gymnasium.error.ResetNeeded: before the first reset.
            RemoteError: where there was no answer; calling with the same action again is safe.
        """
        if not self._seeded:
            raise gym.error.ResetNeeded("call reset() before step()")
        answer = self._session.step(action)
        place = self._history.next_place()
        _record(self._history, place, answer)
        info = self._info(self._history, place, answer)
        self._history.length = place + 1
        truncated = bool(answer.truncated[0])
        return answer.observations[0], float(answer.rewards[0]), False, truncated, info

    @property
    def history(self) -> pd.DataFrame:
        """The episode so far: one row a step, the declared step fields, indexed by local time."""
        return history_frame(self.series_start, self.scenario.data.zone, self._history)

    def close(self) -> None:
        """Delete the session on the server."""
        self._session.close()


class RemoteVectorEnv(VectorEnv[NDArray[np.float32], Any, NDArray[Any]]):
    """`EVChargingVectorEnv` on a server: one request steps all rows; every call's arrays are new.

    Args:
        num_envs: Number of households n.
        url: Address of the server, such as `http://127.0.0.1:5000`.
        scenario: A preset's name, a `Scenario`, or a dict of overrides on `"preset"`.
        split: None, `"train"` or `"test"`.
        continuous: False for discrete actions.
        autoreset_mode: An `AutoresetMode`: next-step (the default), same-step or disabled.
        token: The server's token; None: the environment variable EV_GYM_TOKEN, where set.
        timeout_s: Longest wait for an answer before the request is repeated.
        render_mode: Only None.
        info: `"full"`, `"flat"`, `"terms"` or `"none"`: how much infos hold here; the server sends
            the same for all.
        observation: `"physical"` or `"scaled"`.

    Raises:
        ScenarioError: for an impossible scenario, split or number of envs.
        ValueError: for an impossible autoreset mode, render mode, `info` or `observation`.
        RemoteError: if the server cannot be reached, or refuses.
    """

    def __init__(
        self,
        num_envs: int = 1,
        url: str = "http://127.0.0.1:5000",
        scenario: str | Scenario | Mapping[str, Any] = "stockholm",
        split: str | None = None,
        continuous: bool = True,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        token: str | None = None,
        timeout_s: float = READ_S,
        render_mode: str | None = None,
        info: str = FULL,
        observation: str = PHYSICAL,
    ) -> None:
        self.closed = True  # so far there is nothing to close
        _check_render_mode(render_mode)
        self._info_mode = checked_info(info)
        self.observation = checked_observation(observation)
        self.render_mode = None
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.num_envs = operator.index(num_envs)
        session = RemoteSession(
            Client(url, token, timeout_s),
            scenario,
            num_envs=self.num_envs,
            split=split,
            continuous=continuous,
            autoreset_mode=self.autoreset_mode.value,
            observation=self.observation,
        )
        self._session = session
        self.closed = False
        self.scenario = session.scenario
        self.split = split
        self.series_start: datetime = session.series_start
        self.single_observation_space = session.observation_space
        self.single_action_space = session.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._seeded = False
        self._first_seeds: list[int] | None = None

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode in every row, or in those of `options["reset_mask"]` ((n,) bool).

        Args:
            seed: A number s, for row i s + i; or one number (or None) for each row; None: the next
                episode of each row's stream.
            options: As those of the single env, for all rows alike; and `reset_mask`.

        Raises:
            ResetError: for an impossible seed, option or mask; nothing has changed then.
            RemoteError: where there was no answer; calling again is safe.
        """
        options = dict(options or {})
        mask_option = options.pop("reset_mask", None)
        mask = checked_mask(mask_option, self.num_envs, self._seeded)
        checked_options = given_options(options)
        seeds = row_seeds(seed, self.num_envs)
        if not self._seeded:
            if self._first_seeds is None:
                drawn = self.np_random.integers(2**63, size=self.num_envs, dtype=np.uint64)
                self._first_seeds = drawn.tolist()
            pairs = zip(seeds, self._first_seeds, strict=True)
            seeds = [first if row_seed is None else row_seed for row_seed, first in pairs]
        if mask_option is not None:
            checked_options["reset_mask"] = mask
        answer = self._session.reset(seeds, checked_options)
        super().reset(seed=seed if isinstance(seed, int) else None)
        self._seeded = True
        return answer.observations, _infos(answer, self._info_mode)

    def step(
        self, actions: Any
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.float64],
        NDArray[np.bool_],
        NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Step every row: observations (n, D), rewards (n,), terminated, truncated, infos.

        Raises:
            ActionError: for a wrong shape, a NaN, or an action outside the space; nothing has
                changed then.
            gymnasium.error.ResetNeeded: before the first reset.
            RemoteError: where there was no answer; calling with the same actions again is safe.
        """
        if not self._seeded:
            raise gym.error.ResetNeeded("call reset() before step()")
        answer = self._session.step(actions)
        infos, terminated = _infos(answer, self._info_mode), np.zeros(self.num_envs, np.bool_)
        return answer.observations, answer.rewards, terminated, answer.truncated, infos

    def close_extras(self, **_: Any) -> None:
        """Delete the session on the server."""
        self._session.close()


def _check_render_mode(render_mode: str | None) -> None:
    if render_mode is not None:
        raise ValueError(f"render_mode is {render_mode!r}; allowed: None for a remote env")


def _record(history: History, place: int, answer: Answer) -> None:
    """Write what the first row did into a history."""
    history.results[place] = answer.results[0]
    history.vehicle_results[place] = answer.vehicle_results[0]


def _infos(answer: Answer, mode: str) -> dict[str, Any]:
    """The infos of the local vector env."""
    last, ended = answer.last, answer.truncated
    if last is None:
        return _rows_info(answer, answer.settlement, mode)
    final_obs, running = np.zeros_like(last.observations), np.zeros(len(ended))
    final_obs[ended] = last.observations[ended]
    return {
        **_rows_info(answer, running, mode),
        "final_obs": final_obs,
        "_final_obs": ended.copy(),
        "final_info": _rows_info(last, answer.settlement, mode),
        "_final_info": ended.copy(),
    }


def _rows_info(
    rows: Answer | LastRows, settlement: NDArray[np.float64], mode: str
) -> dict[str, Any]:
    info = rows_info(rows.results, rows.vehicle_results, settlement, mode)
    if rows.action_masks.size and mode != NONE:
        info["action_mask"] = rows.action_masks
    return info
