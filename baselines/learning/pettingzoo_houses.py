"""Houses behind one transformer as the agents of a PettingZoo parallel env."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from baselines.learning.pettingzoo_cars import ParallelEnv, check_actions, named_options
from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import Scenario
from ev_gym.simulation.results import FLAT
from ev_gym.vector_env import EVChargingVectorEnv


class HouseAgents(ParallelEnv):  # type: ignore[misc]  # PettingZoo is not everywhere installed
    """Households behind one transformer, each an agent: `house_0`, `house_1` and so on.

    The houses are the rows of `EVChargingVectorEnv`, in one world and at the same time. A reset
    draws where the episode begins, the same for all; each house draws its own base load (of the
    world's houses, so two of many may be alike), cars and drivers. With seed s, house i lives
    exactly what a single env lives with seed s + i and the reset options `start` and `world`. Only
    the transformer joins them:

        above = max(0, sum of grid_kw - transformer_kw)
        above_alone = the same of the houses without what their cars draw or feed back
        cost = overload price * max(0, above - above_alone) * hours of the step

    This is how the physics prices what is drawn above a house's own connection, by the same
    `tariff.overload_price_per_kwh` and weight. A house pays of it in proportion to what its
    cars draw in the step; one whose cars draw nothing, or feed back, pays nothing. Nothing is
    cut off: charging of one house does not change that of another.

    - **Action**, **observation**, **info**: those of `EVChargingEnv`, so that a policy made for a
      household drives any agent. A house does not see the transformer. Its info tells what flowed:
      `transformer_kw` (all houses; below 0 it is fed back), `transformer_overload_kw` (above the
      limit, cars or not), and `reward_transformer` (this house's part of the cost, at most 0).
      `state()` is the observations of all houses (n * D,).
    - **Reward**: the household's, and `reward_transformer`, in `scenario.currency`. The rewards of
      all agents add up to those of the plain envs less the cost, to rounding.

    All houses live until the horizon truncates the episode; then `agents` is empty.

    Args:
        num_houses: Number of houses n.
        transformer_kw: The transformer's limit, above 0.
        scenario, info, ...: Those of `EVChargingVectorEnv`, but for its autoreset mode.

    Attributes:
        envs: The households.

    Raises:
        ValueError: for an impossible number of houses or limit.
    """

    def __init__(
        self,
        num_houses: int,
        transformer_kw: float,
        scenario: str | Scenario | Mapping[str, Any] = "stockholm",
        *,
        info: str = FLAT,
        **arguments: Any,
    ) -> None:
        if not transformer_kw > 0.0:
            raise ValueError(f"transformer_kw is {transformer_kw!r}; allowed: a number above 0")
        self.transformer_kw = float(transformer_kw)
        self.envs = EVChargingVectorEnv(
            num_houses,
            scenario,
            autoreset_mode=AutoresetMode.DISABLED,
            info=info,
            **arguments,
        )
        self.metadata = {"render_modes": [], "name": "ev_gym_houses", "is_parallelizable": True}
        self.render_mode = None
        self.possible_agents = [f"house_{i}" for i in range(num_houses)]
        self.agents: list[str] = []
        single = self.envs.single_observation_space
        assert isinstance(single, spaces.Box)
        low, high = np.tile(single.low, num_houses), np.tile(single.high, num_houses)
        self.state_space = spaces.Box(low, high)
        # Copies, because each agent's space draws samples of its own.
        self._observation_spaces = {agent: deepcopy(single) for agent in self.possible_agents}
        action_space = self.envs.single_action_space
        self._action_spaces = {agent: deepcopy(action_space) for agent in self.possible_agents}
        self._start_draws, _ = np_random(None)
        self._observed = np.zeros((0, 0), np.float32)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The observation space of an agent, the same object each time."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The action space of an agent, the same object each time."""
        return self._action_spaces[agent]

    def state(self) -> NDArray[np.float32]:
        """(n * D,) the observations of all houses, as of the last reset or step."""
        return self._observed.flatten()

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Begin an episode in all houses, at one time in one world.

        Options are those of `EVChargingEnv`, the same for all houses.

        Raises:
            ResetError: for an impossible seed or option.
        """
        if seed is not None:
            self._start_draws, _ = np_random(seed)
        starts = self.envs.simulator.world.starts
        start = starts[self._start_draws.integers(len(starts))]
        drawn = {
            "start": self.envs.series_start + timedelta(minutes=int(start["minute"])),
            "world": int(start["world"]),
        }
        self._observed, infos = self.envs.reset(
            seed=seed, options={**drawn, **named_options(options)}
        )
        self.agents = list(self.possible_agents)
        return self._observations(), self._infos(infos, 0.0, np.zeros(len(self.agents)))

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, NDArray[np.float32]],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Take one step: observations, rewards, terminations, truncations and infos by agent.

        Raises:
            ActionError: unless there is an action of each agent, in its space.
            gymnasium.error.ResetNeeded: before the first reset, and after an episode's end.
        """
        check_actions(actions, self.agents)
        of_rows = np.stack([np.asarray(actions[agent]) for agent in self.possible_agents])
        self._observed, rewards, _, truncated, infos = self.envs.step(of_rows)
        out = self.envs.outputs
        grid_kw = float(out.results["grid_kw"].sum())
        charge_kw = out.vehicle_results["charge_kw"].sum(axis=1)
        costs = self._costs(grid_kw, charge_kw)
        agents = self.agents
        if truncated.all():
            self.agents = []
        return (
            self._observations(),
            dict(zip(agents, (rewards - costs).tolist(), strict=True)),
            dict.fromkeys(agents, False),
            dict(zip(agents, truncated.tolist(), strict=True)),
            self._infos(infos, grid_kw, costs),
        )

    def _costs(self, grid_kw: float, charge_kw: Floats) -> Floats:
        """(n,) what each house pays for the transformer's overload in a step.

        Args:
            grid_kw: Power at the meters of all houses together.
            charge_kw: (n,) what the cars of each house draw.
        """
        above_kw = max(0.0, grid_kw - self.transformer_kw)
        alone_kw = max(0.0, grid_kw - float(charge_kw.sum()) - self.transformer_kw)
        if above_kw <= alone_kw:
            return np.zeros(len(charge_kw))
        settings = self.envs.simulator.tables.settings[0]
        price_per_kwh = settings["overload_weight"] * settings["overload_price_per_kwh"]
        drawn_kw = np.maximum(charge_kw, 0.0)  # not all 0, since with the cars it is more
        cost = price_per_kwh * (above_kw - alone_kw) * settings["step_h"]
        costs: Floats = cost * drawn_kw / drawn_kw.sum()
        return costs

    def _observations(self) -> dict[str, NDArray[np.float32]]:
        return dict(zip(self.possible_agents, self._observed, strict=True))

    def _infos(
        self, infos: dict[str, Any], grid_kw: float, costs: Floats
    ) -> dict[str, dict[str, Any]]:
        of_all = {
            "transformer_kw": grid_kw,
            "transformer_overload_kw": max(0.0, grid_kw - self.transformer_kw),
        }
        return {
            agent: {**_row(infos, i), **of_all, "reward_transformer": 0.0 - float(costs[i])}
            for i, agent in enumerate(self.possible_agents)
        }

    def close(self) -> None:
        """Close the households' env."""
        self.envs.close()


def _row(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """The infos of one row, with masks as PettingZoo has them."""
    own: dict[str, Any] = {
        name: _row(value, row) if isinstance(value, dict) else value[row]
        for name, value in infos.items()
    }
    if "action_mask" in own:
        own["action_mask"] = own["action_mask"].astype(np.int8)
    return own
