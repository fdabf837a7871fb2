"""A model that Stable-Baselines3 trained, as a policy among the others."""

from __future__ import annotations

import contextlib
import importlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.wrappers.utils import rescale_box
from numpy.typing import NDArray

from baselines.policies.base import Policy
from ev_gym.drivers.habits import MAX_MINUTES
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.scenario import Scenario
from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.observation import PHYSICAL, SCALED, physical, scaled

# Algorithms, in this order, by an attribute that their archives hold: A2C has one that PPO has too.
# DDPG is saved as the TD3 that it is.
MARKS = {
    "DQN": "exploration_fraction",
    "TD3": "policy_delay",
    "SAC": "target_entropy",
    "PPO": "clip_range",
    "A2C": "gae_lambda",
}
# Attributes that only training uses and that may fail to load: functions saved by another Python, a
# replay buffer of a million observations. These values replace them.
TRAINING_ONLY = {
    "learning_rate": 0.0,
    "lr_schedule": lambda _: 0.0,
    "clip_range": lambda _: 0.0,
    "buffer_size": 1,
}


class TrainedModel(Policy):
    """A trained neural network, without exploration: `predict(deterministic=True)`.

    Knows what it saw in training. It fails where the household is another than there: only the
    number of observation fields and the actions are compared, not what stands in the fields. A
    model that was trained on scaled observations is given these, another one physical ones,
    whichever the env gives; the bounds in the archive tell. Otherwise it sees them raw, so a model
    that was trained behind a wrapper which changes them (such as one that normalises) gets numbers
    of a kind that it does not know. Actions from -1 to 1, as `gymnasium.wrappers.RescaleAction`
    gives them in training, are brought to the env's own range.

    An archive holds pickled code, which runs when it is loaded: open only what you trust.

    Args:
        path: Archive that a model's `save` wrote, of PPO, A2C, SAC, TD3, DDPG or DQN.
        scenario: The scenario.
        continuous: Whether actions are fractions, or levels of the charger; the model's may be
            either.
        seed: Not used.

    Raises:
        ValueError: for a file that is no such archive, a model of other observations or actions,
            or where Stable-Baselines3 is missing.
    """

    def __init__(self, path: str, scenario: Scenario, continuous: bool, seed: int) -> None:
        super().__init__(scenario, continuous, seed)
        self._model = _load(path)
        observed = self._model.observation_space
        if observed.shape not in [(length,) for length in self.layouts]:
            raise ValueError(
                f"policy {path!r} was trained on observations of shape {observed.shape}; allowed "
                f"for scenario {scenario.name!r}: "
                + ", ".join(str((length,)) for length in self.layouts)
            )
        self._scales = self.layouts[observed.shape[0]].scales
        self._trained_on = _observed(observed, self._scales, self.layouts[observed.shape[0]].slices)
        self._box, by_level = (ActionMap(scenario, kind).space for kind in (True, False))
        space = self._model.action_space
        self._by_level = space == by_level
        self._rescaled = not self._by_level and space != self._box
        symmetric = spaces.Box(-1.0, 1.0, self._box.shape or (), np.float32)
        if self._rescaled and space != symmetric:
            raise ValueError(
                f"policy {path!r} was trained on actions {space}; allowed for scenario "
                f"{scenario.name!r}: {self._box}, {symmetric} or {by_level}"
            )

    def __call__(self, observation: NDArray[np.float32]) -> Any:
        """The action for one observation (D,), or the actions for a batch (n, D)."""
        seen = np.atleast_2d(observation)
        if self._trained_on != self.observation:
            convert = scaled if self._trained_on == SCALED else physical
            seen = convert(seen, self._scales)
        with _one_thread():
            answer, _ = self._model.predict(seen, deterministic=True)
        return self.act(self._fractions(answer), single=observation.ndim == 1)

    def _fractions(self, answer: NDArray[Any]) -> NDArray[np.float64]:
        if self._by_level:
            level = answer.reshape(len(answer), len(self.levels))
            fractions = [of_car[level[:, k]] for k, of_car in enumerate(self.levels)]
            return np.stack(fractions, axis=1).astype(np.float64)
        if self._rescaled:
            assert isinstance(self._box, spaces.Box)
            *_, back = rescale_box(self._box, np.float32(-1), np.float32(1))
            answer = back(answer)
        return answer.astype(np.float64)


def _observed(space: spaces.Box, scales: NDArray[np.float32], slices: Mapping[str, slice]) -> str:
    """Whether observations of a space are physical or scaled."""
    # The time to departure is at most that of the longest stay, whatever the scenario.
    places = slices["hours_to_departure"]
    longest_h = np.full(places.stop - places.start, MAX_MINUTES / HOUR_MIN, np.float32)
    is_scaled = np.array_equal(space.high[places], scaled(longest_h, scales[:, places]))
    return SCALED if is_scaled else PHYSICAL


def _load(path: str) -> Any:
    """The model in an archive, on the CPU."""
    try:
        with zipfile.ZipFile(path) as archive:
            attributes = json.loads(archive.read("data"))
        name = next(name for name, mark in MARKS.items() if mark in attributes)
    except (zipfile.BadZipFile, KeyError, ValueError, StopIteration, TypeError):
        raise ValueError(
            f"policy {path!r} is no archive of a model; allowed: what Stable-Baselines3 saved of "
            f"{', '.join(MARKS)} or DDPG"
        ) from None
    try:
        algorithm = getattr(importlib.import_module("stable_baselines3"), name)
    except ImportError as error:
        raise ValueError(
            f"policy {path!r} needs a package that is missing: pip install stable-baselines3"
        ) from error
    try:
        return algorithm.load(path, device="cpu", custom_objects=TRAINING_ONLY)
    except Exception as error:  # an archive may hold anything
        raise ValueError(
            f"policy {path!r} does not load as a model of {name}: {type(error).__name__}: {error}"
        ) from error


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch run on one thread: on several it adds in another order, to other last digits."""
    torch = importlib.import_module("torch")  # not by name: it has no types where it is missing
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
