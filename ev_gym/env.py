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
from ev_gym.simulation import saved_state
from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.observation import PHYSICAL, checked_observation, observation_space
from ev_gym.simulation.reset_options import NOTHING_FIXED, checked_seed, fixed_draws
from ev_gym.simulation.results import FULL, NONE, History, checked_info, history_frame
from ev_gym.simulation.simulator import Outputs, Simulator
from ev_gym.world.world import build_world

if TYPE_CHECKING:
    import pandas as pd

_ONLY_ROW = np.zeros(1, np.int64)
_NO_REWARD = np.zeros(1)
_NOT_OVER = np.zeros(1, np.bool_)


class EVChargingEnv(gym.Env[NDArray[Any], Any]):
    """A household with K electric cars: base load, prices, main fuse, wallbox, driving.

    ## Action
    `Box(0, 1, (K,), float32)`: for each car a fraction of the largest current that it takes at this
    charger. With a bidirectional charger it is `Box(-1, 1, (K,), float32)`, and a number below 0
    asks to discharge the car. The current is `floor(|action| * max_current_a + 1e-3)` amperes, or
    0 where that is less than 6 A. Load management then lowers the currents until the connection
    carries them. While a car is away, its action has no effect. With `continuous=False` the space
    is `Discrete(L)` for one car and `MultiDiscrete` for several; an action is then the number of a
    level of the charger (0, 6 A, 7 A and so on, or its power levels).

    ## Observation
    A flat float32 `Box` in physical units, with bounds that no value exceeds. It holds what is
    known before the coming step: the clock, the base load, the headroom (what the base load leaves
    of the connection), the temperature, the all-in price of the step and those of the coming hours.
    Hours whose price is not published yet take that of the same hour of the last published day. For
    each car it holds whether the car is plugged in, its state of charge (SoC), the hours until its
    departure, the SoC wanted then, the energy that it still lacks, and the power that it could
    take. Where the scenario has solar panels, a power charge, or a charger that discharges cars or
    switches phases, further fields describe these. `ev_gym.observation_fields(scenario)` lists all.

    With `observation="scaled"` each field is (number - offset) / factor, with the offset and factor
    of that list, and so are the bounds. Fields then vary by about 1, as learning wants them.

    ## Reward
    Minus the money that charging cost in the step, in `scenario.currency`. It is the sum of the
    terms in `info["reward_terms"]`:

    - `energy` and `power`: what the cars add to the house's energy bill and to its power charge;
    - `wear`: the capacity that the batteries lost;
    - `missing`: the energy that a car lacks when it departs, bought at a public charger's price;
    - `public`: the energy that a car bought on the road, counted when it returns;
    - `overload`: the energy drawn above the connection's limit.

    ## Episode
    An episode begins at the scenario's start hour; its day, its house and its drivers are drawn at
    random. With `days="month"` it is a calendar month, from its first midnight to the next one's,
    so its length differs from month to month. It is truncated when the scenario's horizon is
    reached and is never terminated. Its `settlement` is the change of the energy in all batteries
    since the start, at the mean price of the cheapest quarter of the episode's hours. The score of
    an episode is its return plus its settlement.

    ## Info
    Keys, types and shapes are the same at a reset and at every step. At a reset nothing has flowed
    yet, so energies, money and terms are 0. `settlement` is 0 until the last step of an episode.

    - `info="full"`: each declared field of a step, as a Python number or, of the cars, as an array
      (K,) float64; the dict `reward_terms`; and `settlement`.
    - `"flat"`: the same without a dict in it: a term is `reward_energy`, `reward_power` and so on.
      Numbers are NumPy's, with a dtype, as TorchRL asks for.
    - `"terms"`: of these `reward_energy` and so on, and `settlement`.
    - `"none"`: nothing; the fastest.

    With discrete actions all but `"none"` hold `action_mask`, a bool array of all choices of all
    cars, those of the first car first. It tells of the coming step which choices can do anything
    else than the one that asks for nothing, which is True itself. False are all others of a car
    that is away, those that charge a full car, and those that discharge a car at its floor. What
    the connection leaves is not looked at, since it depends on what the other cars do.

    ## Reset options
    `{"start": <date or time>, "soc": ..., "house": ..., "world": ...}`: each one that is given
    replaces what the seed would draw.

    Args:
        scenario: A preset's name, a `Scenario`, or a dict of overrides on `"preset"`.
        split: None, `"train"` or `"test"`: which worlds of the built-in series episodes come
            from, or which weeks or months of others.
        continuous: False for discrete actions.
        dataset: Series to use instead of those that the scenario names.
        render_mode: None, `"rgb_array"` or `"human"`.
        info: `"full"`, `"flat"`, `"terms"` or `"none"`: how much an `info` holds.
        observation: `"physical"` or `"scaled"`.

    Raises:
        ScenarioError: for an impossible scenario or split.
        ValueError: for another `render_mode`, `info` or `observation`.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 8}  # noqa: RUF012  # gymnasium.Env declares no ClassVar

    def __init__(
        self,
        scenario: str | Scenario | Mapping[str, Any] = "stockholm",
        split: str | None = None,
        continuous: bool = True,
        dataset: Dataset | None = None,
        render_mode: str | None = None,
        info: str = FULL,
        observation: str = PHYSICAL,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(
                f"render_mode is {render_mode!r}; allowed: None, 'rgb_array' or 'human'"
            )
        self._info_mode = checked_info(info)
        self.observation = checked_observation(observation)
        self.scenario = as_scenario(scenario)
        self.split = split
        self.render_mode = render_mode
        world = build_world(self.scenario, dataset, split)
        self.simulator = Simulator(world, 1, self.observation)
        self._actions = ActionMap(self.scenario, continuous)
        self.observation_space = observation_space(world, self.observation)
        self.action_space = self._actions.space
        self._masks = not continuous and info != NONE
        self._history = History(len(self.scenario.vehicles), self.scenario.horizon_steps)
        self._start_history = History(len(self.scenario.vehicles), 1)
        self._seeded = False
        self._window: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the first episode of a seed or, without a seed, the next one of the same stream.

        Raises:
            ResetError: for an impossible seed or option; nothing has changed then.
        """
        fixed = fixed_draws(options, self.simulator.world) if options else NOTHING_FIXED
        if seed is not None:
            seed = checked_seed(seed)
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**63))
        if seed is not None:
            self.simulator.seed(np.array([seed], np.uint64), _ONLY_ROW)
            self._seeded = True
        self.simulator.begin(_ONLY_ROW, *fixed)
        self._history.length = 0
        observation, info = self._observation_and_info()
        if self.render_mode == "human":
            self.render()
        return observation, info

    def _observation_and_info(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The observation before a step, and the info of a step in which no energy flowed."""
        start = self._start_history
        observation = np.empty((1, self.simulator.width), np.float32)
        out = Outputs(observation, start.results, start.vehicle_results, _NO_REWARD, _NOT_OVER)
        self.simulator.report(_ONLY_ROW, out)
        return observation[0], self._info(start, 0, 0.0)

    def _info(self, history: History, place: int, settlement: float) -> dict[str, Any]:
        info = history.info(place, settlement, self._info_mode)
        if self._masks:
            info["action_mask"] = self.simulator.action_masks(*self._actions.choices)[0]
        return info

    def action_masks(self) -> NDArray[np.bool_]:
        """`info["action_mask"]` of the coming step, in any info mode, as MaskablePPO asks for it.

        Raises:
            AttributeError: with continuous actions, which have no mask.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._actions.continuous:
            raise AttributeError("action_masks() needs discrete actions: pass continuous=False")
        if not self._seeded:
            raise gym.error.ResetNeeded("call reset() before action_masks()")
        masks: NDArray[np.bool_] = self.simulator.action_masks(*self._actions.choices)[0]
        return masks

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
            self._actions.fractions_of_one(action),
            observation,
            history.results,
            history.vehicle_results,
            place,
        )
        settlement = float(self.simulator.settlements()[0]) if truncated else 0.0
        info = self._info(history, place, settlement)
        history.length = place + 1
        if self.render_mode == "human":
            self.render()
        return observation, reward, False, truncated, info

    @property
    def series_start(self) -> datetime:
        """UTC time of minute 0 of `now_min`."""
        return self.simulator.world.dataset.start

    @property
    def history(self) -> pd.DataFrame:
        """The episode so far: a row for each step, a column for each field, by local time."""
        return history_frame(self.series_start, self.scenario.data.zone, self._history)

    def get_state(self) -> bytes:
        """The whole state as bytes.

        After `set_state` with them, everything goes on bit for bit, random draws included.
        """
        return saved_state.save(self.simulator)

    def set_state(self, saved: bytes) -> None:
        """Continue from a saved state; from then on `history` holds only the steps after it.

        Raises:
            StateError: if the bytes are not a state of this scenario; nothing has changed then.
        """
        saved_state.restore(self.simulator, saved)
        self._seeded = True
        self._history.length = 0

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the steps so far and what is known of those to come, as an array or in a window."""
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
