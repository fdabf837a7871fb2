"""The native vector env as Tianshou 2 takes envs: `VectorEnv(EVChargingVectorEnv(...))`.

Tianshou has an interface of its own for many envs: its collector steps and resets those rows that
it names, and never takes Gymnasium's vector envs, which step all rows at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ev_gym.vector_env import EVChargingVectorEnv

try:
    from tianshou.env import BaseVectorEnv
except ImportError as error:
    raise ImportError("Tianshou is not installed: pip install 'ev-gym[tianshou]'") from error


class VectorEnv(BaseVectorEnv):  # type: ignore[misc]  # not everywhere installed
    """The n households of a vector env, for Tianshou's `Collector`.

    A seed s gives row i the seed s + i, also in `Collector.reset(gym_reset_kwargs={"seed": s})`.
    Each row gets the observation that its last step led to, and begins anew when it is told to, so
    Tianshou bootstraps at a truncation from the right one.

    Args:
        envs: With `autoreset_mode="Disabled"`. With `info="none"` it is fastest: Tianshou wants a
            dict for each row.

    Raises:
        ValueError: for another autoreset mode.
    """

    def __init__(self, envs: EVChargingVectorEnv) -> None:
        if envs.autoreset_mode is not AutoresetMode.DISABLED:
            raise ValueError(
                f"autoreset_mode is {envs.autoreset_mode.value!r}; allowed for Tianshou, which "
                f"resets rows itself: {AutoresetMode.DISABLED.value!r}"
            )
        # The base class's constructor would make a worker for each row.
        self.envs = envs
        self.env_num = self.wait_num = envs.num_envs
        self.workers: list[Any] = []
        self.waiting_id: list[int] = []
        self.ready_id = list(range(envs.num_envs))
        self.is_async = self.is_closed = False
        self._actions = np.zeros_like(envs.action_space.sample())

    def _rows(self, rows: int | Sequence[int] | NDArray[Any] | None) -> NDArray[np.int64]:
        """(m,) numbers of the rows that are named, all for None."""
        return np.arange(self.env_num) if rows is None else np.atleast_1d(np.asarray(rows))

    def reset(
        self, env_id: int | Sequence[int] | NDArray[Any] | None = None, **kwargs: Any
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Begin an episode in some rows: observations (m, D) and infos (m,) of dicts.

        Args:
            env_id: Numbers of the rows; None: all.
            kwargs: `seed` and `options` of `EVChargingVectorEnv.reset`.

        Raises:
            ResetError: for an impossible seed or option; nothing has changed then.
        """
        rows = self._rows(env_id)
        mask = np.isin(np.arange(self.env_num), rows)
        options = {**(kwargs.pop("options", None) or {}), "reset_mask": mask}
        observations, infos = self.envs.reset(options=options, **kwargs)
        return observations[rows], _row_infos(infos, rows)

    def step(
        self, action: Any, id: int | Sequence[int] | NDArray[Any] | None = None
    ) -> tuple[Any, ...]:
        """Step some rows; the others stay exactly as they are.

        Args:
            action: (m, ...) actions of these rows.
            id: Numbers of the rows; None: all.

        Returns:
            Observations (m, D), rewards (m,), terminated (m,), truncated (m,), and infos (m,) of
            dicts, each with the number of its row in `env_id`.

        Raises:
            ActionError: for an action outside the space; nothing has changed then.
        """
        rows = self._rows(id)
        actions = self._actions.copy()
        actions[rows] = np.asarray(action)
        simulator = self.envs.simulator
        idle = np.setdiff1d(np.arange(self.env_num), rows)
        households, vehicles = simulator.households[idle], simulator.vehicles[idle]
        observations, rewards, terminated, truncated, infos = self.envs.step(actions)
        # A step takes all rows on; those that were not asked for go back.
        simulator.households[idle], simulator.vehicles[idle] = households, vehicles
        columns = (observations, rewards, terminated, truncated)
        return (*(column[rows] for column in columns), _row_infos(infos, rows))

    def seed(self, seed: int | Sequence[int | None] | None = None) -> list[int | None]:
        """Begin all rows anew with a seed, as Tianshou's own envs do; the seeds of the rows.

        Args:
            seed: A number s, which gives row i the seed s + i, a list with one for each row, or
                None: no seeds.
        """
        seeds: list[int | None] = [None] * self.env_num
        if isinstance(seed, int):
            seeds = list(range(seed, seed + self.env_num))
        elif seed is not None:
            seeds = list(seed)
        self.envs.reset(seed=seeds)
        self.envs.single_action_space.seed(seeds[0])
        return seeds

    def get_env_attr(self, key: str, id: Any = None) -> list[Any]:
        """An attribute of the env, once for each of some rows; spaces are those of one row."""
        single = {"action_space", "observation_space"}
        value = getattr(self.envs, f"single_{key}" if key in single else key)
        return [value] * len(self._rows(id))

    def set_env_attr(self, key: str, value: Any, id: Any = None) -> None:
        """Refused: rows are no envs of their own.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"{key!r} of a row cannot be set: rows share one env, `.envs`")

    def close(self) -> None:
        """Close the vector env."""
        self.envs.close()
        self.is_closed = True


def _row_infos(infos: dict[str, Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """(m,) dicts, each with the infos of one row and its number in `env_id`."""
    described = np.empty(len(rows), object)
    described[:] = [{**_of_row(infos, row), "env_id": row} for row in rows.tolist()]
    return described


def _of_row(infos: dict[str, Any], row: int) -> dict[str, Any]:
    return {
        name: _of_row(value, row) if isinstance(value, dict) else value[row]
        for name, value in infos.items()
    }
