"""The cars of one house as the agents of a PettingZoo parallel env."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.observation import world_fields
from ev_gym.simulation.observation_fields import DECLARATIONS, VEHICLES
from ev_gym.simulation.results import FLAT, VEHICLE_NAMES
from ev_gym.simulation.simulator import ActionError

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError(
        f"the multi-agent envs need PettingZoo ({error}); pip install 'ev-gym[pettingzoo]'"
    ) from error

__all__ = ["CarAgents", "ParallelEnv", "check_actions", "named_options"]

_OF_CARS = frozenset(field.name for field in DECLARATIONS if field.owner is VEHICLES)
# PettingZoo's own `parallel_api_test` passes this option, which means nothing.
MEANINGLESS_OPTION = "options"


class CarAgents(ParallelEnv):  # type: ignore[misc]  # PettingZoo is not everywhere installed
    """One household in which each car is an agent: `car_0`, `car_1` and so on.

    It is `EVChargingEnv`, told apart by car; the same seed and actions give the same episode, bit
    for bit.

    - **Action**: the car's own entry of the household's action: `Box(0, 1, (1,))`, from -1 with a
      bidirectional charger, or `Discrete(L)`.
    - **Observation**: the household's fields and those of the agent's own car, in the order of
      `ev_gym.observation_fields`. `state()` is the whole observation of the household, for a critic
      that sees all cars.
    - **Reward**: the household's reward divided by the number of cars, the same for all, in
      `scenario.currency`. So the rewards of all agents add up to the household's, to rounding. A
      household has one purse: what one car draws decides what the fuse and the month's peak leave
      to the others, so a bill split by who caused what would make agents rivals, and the best
      answer of each would not be the household's best.
    - **Info**: the household's, with the numbers of the agent's own car in place of those of all
      cars, and with discrete actions its own `action_mask` (L,) int8, as PettingZoo has them.
      Terms of the reward and the settlement are the whole household's.

    All agents live until the horizon truncates the episode; then `agents` is empty.

    Args:
        scenario, info, ...: Those of `EVChargingEnv`.

    Attributes:
        env: The household.
    """

    def __init__(
        self,
        scenario: str | Scenario | Mapping[str, Any] = "stockholm",
        *,
        info: str = FLAT,
        **arguments: Any,
    ) -> None:
        self.env = EVChargingEnv(scenario, info=info, **arguments)
        cars = len(self.env.scenario.vehicles)
        self.metadata = {**self.env.metadata, "name": "ev_gym_cars", "is_parallelizable": True}
        self.render_mode = self.env.render_mode
        self.possible_agents = [f"car_{k}" for k in range(cars)]
        self.agents: list[str] = []
        self.state_space = self.env.observation_space
        self._continuous = isinstance(self.env.action_space, spaces.Box)
        levels = [len(of_car) for of_car in ActionMap(self.env.scenario, continuous=False).levels]
        self._choices = np.split(np.arange(sum(levels)), np.cumsum(levels)[:-1])
        self._places = [self._places_of(k) for k in range(cars)]
        whole = self.env.observation_space
        assert isinstance(whole, spaces.Box)
        self._observation_spaces = {
            agent: spaces.Box(whole.low[places], whole.high[places])
            for agent, places in zip(self.possible_agents, self._places, strict=True)
        }
        box = self.env.action_space
        self._action_spaces: dict[str, spaces.Space[Any]] = {
            agent: spaces.Box(box.low[k : k + 1], box.high[k : k + 1])
            if isinstance(box, spaces.Box)
            else spaces.Discrete(levels[k])
            for k, agent in enumerate(self.possible_agents)
        }
        self._state = np.zeros(0, np.float32)

    def _places_of(self, car: int) -> NDArray[np.int64]:
        """Where the fields of the household and of one car stand in the observation."""
        numbers = np.arange(self.env.simulator.width)
        own = [
            numbers[field.slice][car : car + 1] if field.name in _OF_CARS else numbers[field.slice]
            for field in world_fields(self.env.simulator.world)
        ]
        return np.concatenate(own)

    def observation_space(self, agent: str) -> spaces.Box:
        """The observation space of an agent, the same object each time."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The action space of an agent, the same object each time."""
        return self._action_spaces[agent]

    def state(self) -> NDArray[np.float32]:
        """(D,) the household's whole observation, as of the last reset or step."""
        return self._state.copy()

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Begin an episode, as `EVChargingEnv.reset` does.

        Raises:
            ResetError: for an impossible seed or option.
        """
        self._state, info = self.env.reset(seed=seed, options=named_options(options))
        self.agents = list(self.possible_agents)
        return self._observations(), self._infos(info)

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
        self._state, reward, _, truncated, info = self.env.step(self._household_action(actions))
        agents = self.agents
        if truncated:
            self.agents = []
        return (
            self._observations(),
            dict.fromkeys(agents, reward / len(agents)),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, truncated),
            self._infos(info),
        )

    def _household_action(self, actions: dict[str, Any]) -> Any:
        of_cars = [np.reshape(actions[agent], -1) for agent in self.possible_agents]
        if self._continuous:
            return np.concatenate(of_cars).astype(np.float32)
        levels = np.concatenate(of_cars)
        return levels if len(levels) > 1 else levels[0]

    def _observations(self) -> dict[str, NDArray[np.float32]]:
        places = zip(self.possible_agents, self._places, strict=True)
        return {agent: self._state[own] for agent, own in places}

    def _infos(self, info: dict[str, Any]) -> dict[str, dict[str, Any]]:
        infos = {}
        for k, agent in enumerate(self.possible_agents):
            own = {name: info[name][k] for name in VEHICLE_NAMES if name in info}
            if "action_mask" in info:
                own["action_mask"] = info["action_mask"][self._choices[k]].astype(np.int8)
            infos[agent] = {**info, **own}
        return infos

    def render(self) -> NDArray[np.uint8] | None:
        """The picture of the household, as `EVChargingEnv.render` draws it."""
        return self.env.render()

    def close(self) -> None:
        """Close the household's env."""
        self.env.close()


def named_options(options: dict[str, Any] | None) -> dict[str, Any]:
    """The options of a reset without the one that PettingZoo's own test passes."""
    return {name: value for name, value in (options or {}).items() if name != MEANINGLESS_OPTION}


def check_actions(actions: dict[str, Any], agents: list[str]) -> None:
    """Refuse actions that are not one for each agent.

    Raises:
        ActionError: for an agent too many or too few.
        gymnasium.error.ResetNeeded: where no agent lives.
    """
    if not agents:
        raise gym.error.ResetNeeded("no agent lives; call reset() before step()")
    if actions.keys() != set(agents):
        raise ActionError(f"actions are of {sorted(actions)}; allowed: one of each of {agents}")
