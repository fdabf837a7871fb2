"""Stable-Baselines3 on the native vector env, and its models saved so that they can be policies.

    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecNormalize

    from baselines.learning.sb3 import VecEnv, save

    env = VecNormalize(VecEnv(256, "stockholm", split="train", continuous=False), gamma=0.999)
    model = PPO("MlpPolicy", env, n_steps=128, batch_size=1024, gamma=0.999)
    save(model.learn(1_000_000), "trained")  # then: ev-gym benchmark --policy ./trained

`docs/libraries.md` has what to know of the library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from baselines.policies import model_marker
from baselines.policies.stable_baselines3 import LIBRARY, MARKS
from baselines.policies.view import layouts
from ev_gym import __version__
from ev_gym.scenario import Scenario
from ev_gym.series.dataset import Dataset
from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.observation import PHYSICAL
from ev_gym.simulation.results import TERMS
from ev_gym.vector_env import EVChargingVectorEnv

try:
    from stable_baselines3.common.vec_env import VecEnv as Interface
except ImportError as error:
    raise ImportError(
        "baselines.learning.sb3 needs Stable-Baselines3, which is missing: pip install "
        "'ev-gym[sb3]', or pip install stable-baselines3"
    ) from error

ROW_METHODS = ("action_masks",)
Rows = int | Iterable[int] | None


class NothingToSay(dict[str, Any]):
    """The info of a row whose episode goes on: empty, one for all of them, so never written to."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "an info of a row whose episode goes on is shared and cannot be changed; allowed: "
            "infos[row] = {**infos[row], ...}, which replaces it for this row and step"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse


NOTHING = NothingToSay()


class VecEnv(Interface):  # type: ignore[misc]  # not everywhere installed, so of no known type
    """n households for Stable-Baselines3; row i does what row i of `EVChargingVectorEnv` does.

    An episode that ends begins anew in the same step. The info of its row then holds
    `terminal_observation` (D,), the last observation; `TimeLimit.truncated`, which is always True,
    for nothing terminates, and which makes the library bootstrap from that observation; and of the
    last step the reward's terms and the `settlement`, by the names of `info="terms"`. The infos of
    all other rows are one and the same empty dict, which refuses to be written to. Rewards are
    float64.

    Seeds: `seed(s)`, or the `seed` of an algorithm, gives row i the seed s + i at the next reset.
    Options: `set_options({...})` goes to the next reset; all rows have the same. With discrete
    actions `env_method("action_masks")` is what MaskablePPO of sb3-contrib asks for.

    Args:
        num_envs: Number of households n.
        scenario: A preset's name, a `Scenario`, or a dict of overrides on `"preset"`.
        split: None, `"train"` or `"test"`, as of the vector env.
        continuous: False for discrete actions.
        dataset: Series to use instead of those that the scenario names.
        observation: `"physical"` or `"scaled"`.

    Attributes:
        native: The vector env behind it.

    Raises:
        ScenarioError: for an impossible scenario or split.
        ValueError: for an impossible number of envs or `observation`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario | Mapping[str, Any] = "stockholm",
        split: str | None = None,
        continuous: bool = True,
        dataset: Dataset | None = None,
        observation: str = PHYSICAL,
    ) -> None:
        self.native = EVChargingVectorEnv(
            num_envs,
            scenario,
            split,
            continuous,
            dataset,
            autoreset_mode=AutoresetMode.SAME_STEP,
            info=TERMS,
            observation=observation,
        )
        self._map = ActionMap(self.native.scenario, continuous)
        self._actions: Any = None
        self._begun = False
        super().__init__(
            self.native.num_envs,
            self.native.single_observation_space,
            self.native.single_action_space,
        )

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in every row, with the seeds and options given since the last reset.

        Raises:
            ResetError: for an impossible seed or option.
            ValueError: for options that differ between rows.
        """
        if any(options != self._options[0] for options in self._options):
            raise ValueError(
                "the options of a reset differ between rows; allowed: the same for all, as "
                "set_options({...}) gives them"
            )
        observations, _ = self.native.reset(seed=self._seeds, options=self._options[0])
        self._begun = True
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: Any) -> None:
        """Keep the actions (n, ...) for `step_wait`."""
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step every row: observations (n, D), rewards (n,), which episodes ended (n,), infos.

        Raises:
            ActionError: for an action outside the space; nothing has changed then.
        """
        observations, rewards, _, truncated, told = self.native.step(self._actions)
        infos: list[dict[str, Any]] = [NOTHING] * self.num_envs
        if "final_obs" in told:
            last, terms = told["final_obs"], told["final_info"]
            terms.pop("action_mask", None)  # of a step that nobody takes
            for row in np.flatnonzero(truncated):
                info = {name: float(values[row]) for name, values in terms.items()}
                info["terminal_observation"] = last[row]
                info["TimeLimit.truncated"] = True
                infos[row] = info
        return observations, rewards, truncated, infos

    def action_masks(self) -> NDArray[np.bool_]:
        """(n, C) `info["action_mask"]` of the coming step.

        Raises:
            AttributeError: with continuous actions, which have no mask.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        self._check_discrete()
        if not self._begun:
            raise ResetNeeded("call reset() before action_masks()")
        return self.native.simulator.action_masks(*self._map.choices)

    def _check_discrete(self) -> None:
        if self._map.continuous:
            raise AttributeError("action_masks needs discrete actions: pass continuous=False")

    def close(self) -> None:
        """Close the vector env."""
        self.native.close()

    def get_attr(self, attr_name: str, indices: Rows = None) -> list[Any]:
        """An attribute of the vector env, once for each of the rows, which share it.

        Raises:
            AttributeError: where it has none of that name.
        """
        rows = list(self._get_indices(indices))
        if attr_name in ROW_METHODS:
            self._check_discrete()
            return [partial(self._mask_of, row) for row in rows]
        return [getattr(self.native, attr_name)] * len(rows)

    def _mask_of(self, row: int) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = self.action_masks()[row]
        return mask

    def set_attr(self, attr_name: str, value: Any, indices: Rows = None) -> None:
        """Set an attribute of the vector env, which all rows share.

        Raises:
            ValueError: for some of the rows only.
        """
        if sorted(self._get_indices(indices)) != list(range(self.num_envs)):
            raise ValueError(
                f"set_attr({attr_name!r}) is asked for rows {indices!r}; allowed: all rows, which "
                "share one vector env"
            )
        setattr(self.native, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Rows = None, **method_kwargs: Any
    ) -> list[Any]:
        """What a method answers for each of the rows; `action_masks` is the only one.

        Raises:
            AttributeError: for another one, or with continuous actions.
        """
        if method_name not in ROW_METHODS:
            raise AttributeError(
                f"rows have no method {method_name!r}; allowed: {', '.join(ROW_METHODS)}, or a "
                "method of the vector env that holds all rows, env.unwrapped.native"
            )
        masks = self.action_masks(*method_args, **method_kwargs)
        return [masks[row] for row in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Rows = None) -> list[bool]:
        """False for each of the rows: no Gymnasium wrapper is around one."""
        return [False for _ in self._get_indices(indices)]


def save(model: Any, folder: str | Path) -> Path:
    """Save a model so that `--policy` can take it: with how it saw the world.

    The folder, made if need be, then holds `model.zip`, with the marker of
    `baselines.policies.model_marker` in it, and `vecnormalize.pkl` where the env is wrapped in
    `VecNormalize`. `ev-gym benchmark --policy ./folder` uses both.

    Args:
        model: One of Stable-Baselines3's algorithms, with the env that it was trained in: `VecEnv`,
            or any of the library's own around `EVCharging-v0`.
        folder: Where to.

    Returns:
        The path of the archive.

    Raises:
        ValueError: for a model of another kind or without such an env, or one that saw observations
            or actions which a wrapper other than `VecNormalize` and `RescaleAction` has changed.
    """
    seen = _how_it_saw(model)
    archive = Path(folder) / model_marker.ARCHIVE
    archive.parent.mkdir(parents=True, exist_ok=True)
    statistics = model.get_vec_normalize_env()
    if statistics is not None:
        beside = archive.with_name(model_marker.STATISTICS)
        statistics.save(str(beside))
        if statistics.norm_obs:
            seen = seen._replace(statistics_sha256=model_marker.sha256(beside))
    model.save(archive)
    model_marker.write(archive, seen)
    return archive


def _how_it_saw(model: Any) -> model_marker.Marker:
    """The marker of a model, but for its statistics."""
    kinds = {kind.__name__ for kind in type(model).__mro__ if kind.__module__.startswith(LIBRARY)}
    if not kinds & {*MARKS}:
        raise ValueError(
            f"the model is a {type(model).__name__}; allowed: {', '.join(MARKS)} or DDPG of "
            "Stable-Baselines3, which --policy takes"
        )
    env = model.get_env()
    if env is None:
        raise ValueError("the model has no env; allowed: one with the env that it was trained in")
    base = env.get_attr("unwrapped")[0]
    scenario = getattr(base, "scenario", None)
    if not isinstance(scenario, Scenario):
        raise ValueError(f"the model's env is {base}; allowed: EVCharging-v0, wrapped or not")
    observed = getattr(base, "single_observation_space", None) or base.observation_space
    if model.observation_space != observed:
        raise ValueError(
            f"the model saw observations {model.observation_space}, and its env shows {observed}: "
            "a wrapper changed them; allowed: VecNormalize, whose statistics are saved too"
        )
    fractions, levels = (ActionMap(scenario, continuous) for continuous in (True, False))
    by_level = model.action_space == levels.space
    rescaled = not by_level and model.action_space != fractions.space
    if rescaled and model.action_space != model_marker.symmetric(len(scenario.vehicles)):
        raise ValueError(
            f"the model gives actions {model.action_space}; allowed: {fractions.space}, from -1 to "
            f"1 behind RescaleAction, or {levels.space}"
        )
    layout = layouts(scenario)[observed.shape[0]]
    return model_marker.Marker(
        ev_gym=__version__,
        scenario=scenario.name,
        observation=getattr(base, "observation", PHYSICAL),
        fields=model_marker.fields_of(layout.slices),
        statistics_sha256=None,
        actions=model_marker.actions_of(by_level, rescaled),
        lowest=-1.0 if scenario.charger.bidirectional else 0.0,
        levels=model_marker.levels_of(levels.levels),
    )
