"""`EVCharging-v0`: one household that charges electric cars, as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ev_gym.scenario import Scenario, as_scenario
from ev_gym.series.dataset import Dataset
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation import saved_state
from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.observation import observation_space
from ev_gym.simulation.reset_options import NOTHING_FIXED, checked_seed, fixed_by
from ev_gym.simulation.results import History, history_frame
from ev_gym.simulation.simulator import Outputs, Simulator
from ev_gym.world.world import build_world

if TYPE_CHECKING:
    import pandas as pd

_ROW = np.zeros(1, np.int64)
_NO_REWARD = np.zeros(1)
_NOT_OVER = np.zeros(1, np.bool_)


class EVChargingEnv(gym.Env[NDArray[Any], Any]):
    """A household with K electric cars: base load, prices, main fuse, wallbox, driving.

    ## Action
    `Box(0, 1, (K,), float32)`: for each car the fraction of its maximum current at this charger;
    `Box(-1, 1, (K,))` with a bidirectional one, below 0 to discharge. The current is
    `floor(|action| * max_current_a + 1e-3)` amperes and 0 below 6 A; load management then shares
    what the connection leaves. The action of a car that is away is ignored. With
    `continuous=False`: `Discrete(L)` for one car, `MultiDiscrete` for several, over the charger's
    levels (0, 6 A, 7 A and so on, or its power levels).

    ## Observation
    A flat float32 `Box` in physical units with true bounds, all that is known before the coming
    step: clock, base load, headroom, temperature, all-in price now and of the window's hours (what
    is not published yet is filled with the same hour of the last known day), and for each car
    whether it is plugged in, its SoC, hours to departure, wanted SoC, energy to it, and the power
    it could take. Sun, export price, the month's peaks, phases and what a car could give stand
    there where the scenario has them. `ev_gym.observation_fields(scenario)` is the table.

    ## Reward
    Minus the money that charging cost in the step, in `scenario.currency`: the sum of the terms in
    `info["reward_terms"]`: `energy` and `power` (bill and power charge of the house with its cars
    less those of the house alone), `wear` (capacity that the batteries lost), `missing` (energy
    missing to the wanted SoC at a departure, bought at the public charger's price), `public`
    (energy bought on the road, booked when the car returns), `overload`.

    ## Episode
    Begins at the scenario's start hour of a drawn day with a drawn house and drivers; the horizon
    truncates it and nothing terminates it. The last `info` carries `settlement`: the change in
    stored energy at the mean price of the cheapest quarter of the episode's hours. A score is
    return plus settlement.

    ## Reset options
    `{"start": <date or time>, "soc": ..., "house": ...}` fix what the seed would draw.

    Args:
        scenario: A preset's name, a `Scenario`, or a dict of overrides on `"preset"`.
        split: None, `"train"` or `"test"`: which weeks of the series episodes come from.
        continuous: False for discrete actions.
        dataset: Series to use instead of those that the scenario names.
        render_mode: None, `"rgb_array"` or `"human"`.

    Raises:
        ScenarioError: for an impossible scenario or split.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 8}  # noqa: RUF012  # gymnasium.Env declares it so

    def __init__(
        self,
        scenario: str | Scenario | Mapping[str, Any] = "stockholm",
        split: str | None = None,
        continuous: bool = True,
        dataset: Dataset | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(
                f"render_mode is {render_mode!r}; allowed: None, 'rgb_array' or 'human'"
            )
        self.scenario = as_scenario(scenario)
        self.split = split
        self.render_mode = render_mode
        world = build_world(self.scenario, dataset or dataset_of(self.scenario), split)
        self.simulator = Simulator(world, 1)
        self._actions = ActionMap(self.scenario, continuous)
        self.observation_space = observation_space(world)
        self.action_space = self._actions.space
        self._history = History(len(self.scenario.vehicles), self.scenario.horizon_steps)
        self._start = History(len(self.scenario.vehicles), 1)
        self._seeded = False
        self._window: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode: of the seed, or without one the next of the same stream.

        Raises:
            ResetError: for an impossible seed or option; nothing has changed then.
        """
        fixed = fixed_by(options, self.simulator.world) if options else NOTHING_FIXED
        if seed is not None:
            seed = checked_seed(seed)
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**63))
        if seed is not None:
            self.simulator.seed(np.array([seed], np.uint64), _ROW)
            self._seeded = True
        self.simulator.begin(_ROW, *fixed)
        self._history.length = 0
        observation, info = self._look()
        if self.render_mode == "human":
            self.render()
        return observation, info

    def _look(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """What the household shows before a step: an observation, and results without any flow."""
        start = self._start
        observation = np.empty((1, self.simulator.width), np.float32)
        out = Outputs(observation, start.results, start.vehicle_results, _NO_REWARD, _NOT_OVER)
        self.simulator.report(_ROW, out)
        return observation[0], start.info(0)

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take one step.

        Raises:
            ActionError: for a NaN or an action outside the space; nothing has changed then.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if not self._seeded:
            raise gym.error.ResetNeeded("call reset() before step()")
        history = self._history
        place = history.next_place()
        observation = np.empty(self.simulator.width, np.float32)
        truncated, reward = self.simulator.step_one(
            self._actions.own_fractions(action),
            observation,
            history.results,
            history.vehicle_results,
            place,
        )
        info = history.info(place)
        history.length = place + 1
        if truncated:
            info["settlement"] = float(self.simulator.settlements()[0])
        if self.render_mode == "human":
            self.render()
        return observation, reward, False, truncated, info

    @property
    def series_start(self) -> datetime:
        """UTC time of minute 0 of `now_min`."""
        return self.simulator.world.dataset.start

    @property
    def history(self) -> pd.DataFrame:
        """The episode so far: one row a step, the declared step fields, indexed by local time."""
        return history_frame(self.series_start, self.scenario.data.zone, self._history)

    def get_state(self) -> bytes:
        """The whole state; `set_state` continues from it bit for bit, random draws included."""
        return saved_state.save(self.simulator)

    def set_state(self, saved: bytes) -> None:
        """Continue from a saved state; `history` begins anew there.

        Raises:
            StateError: if the bytes are not a state of this scenario; nothing has changed then.
        """
        saved_state.restore(self.simulator, saved)
        self._seeded = True
        self._history.length = 0

    def render(self) -> NDArray[np.uint8] | None:
        """The day so far and what is known of what comes, as an RGB array or in a window."""
        from ev_gym.rendering import picture

        if self.render_mode is None:
            gym.logger.warn("render() without a render_mode; pass render_mode='rgb_array' to make")
            return None
        if self.render_mode == "human":
            self._window = picture.show(self.simulator, self.history, self._window)
            return None
        return picture.rgb_array(self.simulator, self.history)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None
