"""A model that Stable-Baselines3 trained, as a policy among the others."""

from __future__ import annotations

import contextlib
import importlib
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.wrappers.utils import rescale_box
from numpy.typing import NDArray

from baselines.policies import model_marker
from baselines.policies.base import Policy
from baselines.policies.view import Layout
from ev_gym.drivers.habits import MAX_MINUTES
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.scenario import Scenario
from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.observation import PHYSICAL, SCALED, physical, scaled

LIBRARY, CONTRIB = "stable_baselines3", "sb3_contrib"
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

    Knows what it saw in training, and is shown that here, whatever the env gives: physical or
    scaled observations, normalised by the statistics of a `VecNormalize` or not. An archive that
    `baselines.learning.sb3.save` wrote has a marker that tells (`baselines.policies.model_marker`),
    and what its actions mean. Of another archive only the spaces are known: the bounds of the
    observations tell physical from scaled, those of the actions levels, fractions, and fractions
    behind `gymnasium.wrappers.RescaleAction`. Whether it was normalised they do not tell: that says
    a `vecnormalize.pkl` beside the archive, or `normalized=False`. It fails where the household is
    another than in training: only the fields of the observations and the actions are compared, not
    what stands in the fields.

    Archive and statistics hold pickled code, which runs when they are loaded: open only what you
    trust.

    Args:
        path: Archive that a model's `save` wrote, of PPO, A2C, SAC, TD3, DDPG or DQN; or a folder
            that holds it as `model.zip`.
        scenario: The scenario.
        continuous: Whether actions are fractions, or levels of the charger; the model's may be
            either.
        seed: Not used.
        normalized: Of an archive without a marker, whether `vecnormalize.pkl` beside it belongs to
            it; None: if there is one.

    Raises:
        ValueError: for a file that is no such archive, one that does not tell how the model saw the
            world, a model of other observations or actions, or where Stable-Baselines3 is missing.
    """

    def __init__(
        self,
        path: str,
        scenario: Scenario,
        continuous: bool,
        seed: int,
        normalized: bool | None = None,
    ) -> None:
        super().__init__(scenario, continuous, seed)
        self._path = path
        archive = model_marker.archive_of(path)
        name = _algorithm_of(path, archive)
        marker = model_marker.read(archive)
        statistics = _told_statistics(path, archive, marker, normalized)
        self._model = _load(path, archive, name)
        observed = self._model.observation_space
        if observed.shape not in [(length,) for length in self.layouts]:
            raise ValueError(
                f"policy {path!r} was trained on observations of shape {observed.shape}; allowed "
                f"for scenario {scenario.name!r}: "
                + ", ".join(str((length,)) for length in self.layouts)
            )
        layout = self.layouts[observed.shape[0]]
        self._scales = layout.scales
        self._normalize = None if statistics is None else _normalizer(path, statistics, observed)
        self._box, by_level = (ActionMap(scenario, kind).space for kind in (True, False))
        if marker is None:
            self._trained_on = _observed(path, observed, layout)
            self._by_level, self._rescaled = self._meant(by_level)
        else:
            self._check(marker, layout)
            self._trained_on = marker.observation
            self._by_level = marker.actions == model_marker.LEVELS
            self._rescaled = marker.actions == model_marker.RESCALED

    def _meant(self, by_level: spaces.Space[Any]) -> tuple[bool, bool]:
        """Whether an action space is of levels; if not, whether of fractions from -1 to 1."""
        space = self._model.action_space
        symmetric = model_marker.symmetric(len(self.levels))
        if space not in (by_level, self._box, symmetric):
            raise ValueError(
                f"policy {self._path!r} was trained on actions {space}; allowed for scenario "
                f"{self.scenario.name!r}: {self._box}, {symmetric} or {by_level}"
            )
        return space == by_level, space not in (by_level, self._box)

    def _check(self, marker: model_marker.Marker, layout: Layout) -> None:
        """Refuse a model of other fields or other actions."""
        here, there = model_marker.fields_of(layout.slices), marker.fields
        if here != there:
            names = [[field[0] for field in fields] for fields in (there, here)]
            lacking, more = (sorted({*a} - {*b}) for a, b in (names, names[::-1]))
            raise ValueError(
                f"policy {self._path!r} was trained in scenario {marker.scenario!r}, whose fields "
                f"are not those of {self.scenario.name!r}: missing here {lacking}, new {more}, or "
                "of other lengths; allowed: the same fields"
            )
        if marker.actions != model_marker.LEVELS:
            was, now = f"from {marker.lowest:g} to 1", f"from {self.lowest:g} to 1"
        else:
            levels = model_marker.levels_of(self.levels)
            was, now = f"levels {marker.levels}", f"levels {levels}"
        if was != now:
            raise ValueError(
                f"policy {self._path!r} was trained in scenario {marker.scenario!r} on actions "
                f"{was}; allowed for scenario {self.scenario.name!r}: {now}"
            )

    def __call__(self, observation: NDArray[np.float32]) -> Any:
        """The action for one observation (D,), or the actions for a batch (n, D)."""
        seen = np.atleast_2d(observation)
        if self._trained_on != self.observation:
            convert = scaled if self._trained_on == SCALED else physical
            seen = convert(seen, self._scales)
        if self._normalize is not None:
            seen = self._normalize(seen)
        with one_thread():
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


def _observed(path: str, space: spaces.Box, layout: Layout) -> str:
    """Whether observations of a space are physical or scaled."""
    # The time to departure is at most that of the longest stay, whatever scenario and series.
    places = layout.slices["hours_to_departure"]
    longest_h = np.full(places.stop - places.start, MAX_MINUTES / HOUR_MIN, np.float32)
    most = {PHYSICAL: longest_h, SCALED: scaled(longest_h, layout.scales[:, places])}
    for mode, bound in most.items():
        if np.array_equal(space.high[places], bound):
            return mode
    raise ValueError(
        f"policy {path!r} saw hours_to_departure up to {space.high[places].tolist()}; allowed: "
        + " or ".join(f"{bound.tolist()} ({mode})" for mode, bound in most.items())
        + ". A wrapper changed what it saw, and how is not known. Train it behind VecNormalize and "
        "save it with baselines.learning.sb3.save"
    )


def _told_statistics(
    path: str, archive: Path, marker: model_marker.Marker | None, normalized: bool | None
) -> Path | None:
    """Where the statistics lie by which a model's observations were normalised; None: they were not

    Raises:
        ValueError: where nothing tells, or what tells is wrong.
    """
    if normalized not in (None, False, True):
        raise ValueError(f"policy {path!r}: normalized is {normalized!r}; allowed: True or False")
    statistics = model_marker.statistics_beside(archive, marker, normalized)
    if marker is not None:
        was = marker.statistics_sha256 is not None
        if normalized not in (None, was):
            raise ValueError(
                f"policy {path!r}: normalized is {normalized!r}, but its marker says {was}; "
                "allowed: to leave it out"
            )
    elif statistics is None and normalized is None:
        raise ValueError(
            f"policy {path!r} does not tell whether the model saw normalised observations, and "
            f"scores wrongly if shown others; allowed: {model_marker.STATISTICS} beside it, where "
            f"it was trained behind VecNormalize (env.save writes it); '{path}(normalized=False)', "
            "where it was not; or an archive that baselines.learning.sb3.save wrote"
        )
    if statistics is None:
        return None
    if not statistics.is_file():
        raise ValueError(
            f"policy {path!r} saw normalised observations, and their statistics are missing; "
            f"allowed: the {model_marker.STATISTICS} of its training at {str(statistics)!r}"
        )
    if marker is not None and model_marker.sha256(statistics) != marker.statistics_sha256:
        raise ValueError(
            f"policy {path!r}: {str(statistics)!r} is not the file that was saved with it; "
            "allowed: that one, such as in a folder of its own for each model"
        )
    return statistics


def _normalizer(
    path: str, statistics: Path, observed: spaces.Box
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What `VecNormalize` does to observations, by the statistics in a file."""
    kind = importlib.import_module(f"{LIBRARY}.common.vec_env").VecNormalize
    try:
        saved = pickle.loads(statistics.read_bytes())  # as VecNormalize.load does
    except Exception as error:  # a pickle may raise anything
        raise ValueError(
            f"policy {path!r}: {str(statistics)!r} does not load: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(saved, kind) or saved.observation_space != observed:
        raise ValueError(
            f"policy {path!r}: {str(statistics)!r} holds statistics of other observations; "
            "allowed: what VecNormalize.save wrote of the env that the model was trained in"
        )
    normalize: Callable[[NDArray[np.float32]], NDArray[np.float32]] = saved.normalize_obs
    return normalize


def _algorithm_of(path: str, archive: Path) -> str:
    """The algorithm of the model in an archive."""
    try:
        with zipfile.ZipFile(archive) as opened:
            attributes = json.loads(opened.read("data"))
        name = next(name for name, mark in MARKS.items() if mark in attributes)
    except (zipfile.BadZipFile, KeyError, ValueError, StopIteration, TypeError):
        raise ValueError(
            f"policy {path!r} is no archive of a model; allowed: what Stable-Baselines3 saved of "
            f"{', '.join(MARKS)} or DDPG"
        ) from None
    kind = attributes.get("policy_class")
    if isinstance(kind, dict) and str(kind.get("__module__")).startswith(CONTRIB):
        raise ValueError(
            f"policy {path!r} is a model of {CONTRIB}, which needs more than an observation to "
            f"decide; allowed: {', '.join(MARKS)} or DDPG of Stable-Baselines3 itself"
        )
    return name


def _load(path: str, archive: Path, name: str) -> Any:
    """The model in an archive, on the CPU."""
    try:
        algorithm = getattr(importlib.import_module(LIBRARY), name)
    except ImportError as error:
        raise ValueError(
            f"policy {path!r} needs a package that is missing: pip install stable-baselines3"
        ) from error
    try:
        return algorithm.load(archive, device="cpu", custom_objects=TRAINING_ONLY)
    except Exception as error:  # an archive may hold anything
        raise ValueError(
            f"policy {path!r} does not load as a model of {name}: {type(error).__name__}: {error}"
        ) from error


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch run on one thread: on several it adds in another order, to other last digits."""
    torch = importlib.import_module("torch")  # not by name: it has no types where it is missing
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
