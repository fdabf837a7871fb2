"""`EVCharging-v0` as a vector env: one call into compiled code steps n households."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ev_gym.scenario import Scenario, as_scenario
from ev_gym.series.dataset import Dataset
from ev_gym.simulation import saved_state
from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.observation import PHYSICAL, checked_observation, observation_space
from ev_gym.simulation.reset_options import checked_mask, fixed_draws, row_seeds
from ev_gym.simulation.results import FULL, NONE, checked_info, rows_info
from ev_gym.simulation.simulator import Outputs, Simulator
from ev_gym.world.world import build_world


class EVChargingVectorEnv(VectorEnv[NDArray[np.float32], Any, NDArray[Any]]):
    """n households; with seed `s`, row i does exactly what a single env does with seed `s + i`.

    `gymnasium.make_vec("EVCharging-v0", num_envs=n, vectorization_mode="vector_entry_point")`.
    Spaces, rewards and fields are those of `EVChargingEnv`. `infos` hold its names, here as arrays
    (n,), (n, K) or (n, C), and `reward_terms` as a dict of arrays (n,). With same-step autoreset,
    `final_obs` and `final_info` hold the last observation and info of the episodes that ended, the
    settlement included; they are valid in the rows where `_final_obs` is True. All else then
    belongs to the episode that begins.

    Args:
        num_envs: Number of households n.
        scenario: A preset's name, a `Scenario`, or a dict of overrides on `"preset"`.
        split: None, `"train"` or `"test"`: which worlds of the built-in series episodes come
            from, or which weeks or months of others.
        continuous: False for discrete actions.
        dataset: Series to use instead of those that the scenario names.
        autoreset_mode: An `AutoresetMode`: next-step (the default), same-step or disabled.
        copy: True: every call returns fresh arrays. False: views of one set of buffers, which the
            next call overwrites.
        render_mode: None is the only one; there is no picture of many households.
        info: `"full"`, `"flat"`, `"terms"` or `"none"`: how much `infos` hold.
        observation: `"physical"` or `"scaled"`.

    Attributes:
        outputs: The arrays behind what the last `reset` or `step` returned, for callers that want
            whole records rather than a dict of fields. They are valid from the first reset on;
            after a reset, `rewards` and `truncated` mean nothing.

    Raises:
        ScenarioError: for an impossible scenario or split.
        ValueError: for an impossible number of envs, autoreset mode, render mode, `info` or
            `observation`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario | Mapping[str, Any] = "stockholm",
        split: str | None = None,
        continuous: bool = True,
        dataset: Dataset | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: str | None = None,
        info: str = FULL,
        observation: str = PHYSICAL,
    ) -> None:
        whole = isinstance(num_envs, numbers.Integral) and not isinstance(num_envs, bool)
        if not whole or num_envs < 1:
            raise ValueError(f"num_envs is {num_envs!r}; allowed: a whole number from 1")
        if render_mode is not None:
            raise ValueError(f"render_mode is {render_mode!r}; allowed: None for a vector env")
        modes = {mode.value: mode for mode in AutoresetMode}
        if autoreset_mode not in (*modes, *modes.values()):
            raise ValueError(
                f"autoreset_mode is {autoreset_mode!r}; allowed: an AutoresetMode, or one of "
                + ", ".join(map(repr, modes))
            )
        self._info_mode = checked_info(info)
        self.observation = checked_observation(observation)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.num_envs = int(num_envs)
        self.render_mode = None
        self.scenario = as_scenario(scenario)
        self.split = split
        self.copy = copy
        world = build_world(self.scenario, dataset, split)
        self.simulator = Simulator(world, num_envs, self.observation)
        self._actions = ActionMap(self.scenario, continuous)
        self.single_observation_space = observation_space(world, self.observation)
        self.single_action_space = self._actions.space
        self._masks = not continuous and info != NONE
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._all_rows = np.arange(num_envs)
        self._buffer = self.simulator.outputs()
        self._settlement_buffer = np.zeros(num_envs)
        self.outputs = self._buffer
        self._seeded = False

    @property
    def series_start(self) -> datetime:
        """UTC time of minute 0 of `now_min`."""
        return self.simulator.world.dataset.start

    def _outputs(self) -> Outputs:
        return self.simulator.outputs() if self.copy else self._buffer

    def _no_settlements(self) -> NDArray[np.float64]:
        """(n,) zeros, the settlement where no episode has ended."""
        if self.copy:
            return np.zeros(self.num_envs)
        self._settlement_buffer.fill(0.0)
        return self._settlement_buffer

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode in every row, or in those of `options["reset_mask"]` ((n,) bool).

        Args:
            seed: A number s, which gives row i the seed s + i, or a list with a number or None for
                each row. A row without a seed begins the next episode of its random stream.
            options: Those of the single env, the same for all rows, and `reset_mask`.

        Raises:
            ResetError: for an impossible seed, option or mask; nothing has changed then.
        """
        options = dict(options or {})
        mask = checked_mask(options.pop("reset_mask", None), self.num_envs, self._seeded)
        fixed = fixed_draws(options, self.simulator.world)
        seeds, rows = row_seeds(seed, self.num_envs), np.flatnonzero(mask)
        super().reset(seed=seed if isinstance(seed, int) else None)
        if not self._seeded:
            drawn_seeds = self.np_random.integers(2**63, size=self.num_envs, dtype=np.uint64)
            self.simulator.seed(drawn_seeds, self._all_rows)
            self._seeded = True
        seeded = np.array([row for row in rows if seeds[row] is not None], np.int64)
        self.simulator.seed(np.array([seeds[row] for row in seeded], np.uint64), seeded)
        self.simulator.begin(rows, *fixed)
        self.outputs = out = self._outputs()
        self.simulator.report(self._all_rows, out)
        return out.observations, self._infos(out, self._no_settlements())

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
        """
        if not self._seeded:
            raise gym.error.ResetNeeded("call reset() before step()")
        out = self._outputs()
        fractions = self._actions.fractions(actions, self.num_envs)
        next_step = self.autoreset_mode is AutoresetMode.NEXT_STEP
        ended = self.simulator.step(fractions, out, next_step)
        self.outputs = out
        infos = self._end_episodes(out) if ended else self._infos(out, self._no_settlements())
        return (
            out.observations,
            out.rewards,
            np.zeros(self.num_envs, np.bool_),
            out.truncated,
            infos,
        )

    def _infos(self, out: Outputs, settlement: NDArray[np.float64]) -> dict[str, Any]:
        infos = rows_info(out.results, out.vehicle_results, settlement, self._info_mode)
        if self._masks:
            infos["action_mask"] = self.simulator.action_masks(*self._actions.choices)
        return infos

    def _end_episodes(self, out: Outputs) -> dict[str, Any]:
        """Infos where episodes ended; with same-step autoreset their rows begin new ones."""
        settlement = self.simulator.settlements()
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            return self._infos(out, settlement)
        rows, ended = np.flatnonzero(out.truncated), out.truncated.copy()
        last = out._replace(results=out.results.copy(), vehicle_results=out.vehicle_results.copy())
        final_info = self._infos(last, settlement)
        final_obs = np.zeros_like(out.observations)
        final_obs[rows] = out.observations[rows]
        self.simulator.begin(rows)
        self.simulator.report(rows, out)
        return {
            **self._infos(out, self._no_settlements()),
            "final_obs": final_obs,
            "_final_obs": ended,
            "final_info": final_info,
            "_final_info": ended.copy(),
        }

    def get_state(self) -> bytes:
        """The state of all rows as bytes; after `set_state` with them all goes on bit for bit."""
        return saved_state.save(self.simulator)

    def set_state(self, saved: bytes) -> None:
        """Continue from a saved state.

        Raises:
            StateError: if the bytes are not a state of as many rows of this scenario; nothing has
                changed then.
        """
        saved_state.restore(self.simulator, saved)
        self._seeded = True
