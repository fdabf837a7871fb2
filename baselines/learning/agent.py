"""Agents from files as policies: what training leaves, run on NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.learning.archive import read_archive
from baselines.learning.features import Features
from baselines.learning.network import Network
from baselines.learning.tuned_rule import TunedFilling
from baselines.policies.base import Policy
from baselines.policies.model_marker import levels_of
from baselines.policies.view import Layout, View
from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import Scenario

NETWORK, RULE = "network", "rule"


def described_layout(layout: Layout) -> dict[str, Any]:
    """An observation's layout as JSON: each field's first and last place and its scale."""
    offset, factor = layout.scales.tolist()
    return {
        name: [place.start, place.stop, offset[place.start], factor[place.start]]
        for name, place in layout.slices.items()
    }


class NetworkAgent(Policy):
    """A network that `ev-gym train` trained; in each step the choice with the highest score.

    Knows what is observed, and what it remembers of past days. It fails where the household is
    another than in training: other prices, houses, tariffs or cars of the same layout are accepted,
    and answered as well as what was learned carries over.

    Args:
        path: Of the agent's file, for messages.
        arrays: What the file holds: see `network.Network`.
        manifest: And what it says of itself.
        scenario: The scenario.
        continuous: Whether actions are fractions, or levels of the charger.

    Raises:
        ValueError: for a file that holds no such agent, or one of another layout of observations or
            other levels of the charger.
    """

    remembers = True

    def __init__(
        self,
        path: str,
        arrays: Mapping[str, NDArray[Any]],
        manifest: Mapping[str, Any],
        scenario: Scenario,
        continuous: bool,
    ) -> None:
        super().__init__(scenario, continuous)
        self._path = path
        self.trained_on = _trained_on(manifest)
        self._length = self._fitting(manifest)
        self._features = Features(scenario)
        if manifest.get("features") != list(self._features.names):
            raise ValueError(
                f"agent {self._path!r} sees other features than this version of ev_gym works out: "
                f"it is of version {manifest.get('versions', {}).get('ev_gym', 'unknown')}"
            )
        try:
            self._network = Network.of(arrays)
        except ValueError as error:
            raise ValueError(f"agent {self._path!r} cannot be read: {error}") from None
        choices = sum(len(levels) for levels in self.levels)
        found = self._network.weights_1.shape[0], self._network.biases_3.size
        if found != (len(self._features.names), choices):
            raise ValueError(
                f"agent {self._path!r} is of {found[0]} features and {found[1]} choices; allowed: "
                f"{len(self._features.names)} and {choices}"
            )

    def _fitting(self, manifest: Mapping[str, Any]) -> int:
        """The length of the observations that the agent was trained on."""
        levels = levels_of(self.levels)
        if manifest.get("levels") != levels:
            raise ValueError(
                f"agent {self._path!r} was trained with the charger's levels "
                f"{_in_words(manifest.get('levels'))}; scenario {self.scenario.name!r} has "
                f"{_in_words(levels)}"
            )
        trained = manifest.get("layout")
        for length, layout in self.layouts.items():
            if trained == described_layout(layout):
                return length
        own = described_layout(next(iter(self.layouts.values())))
        fields = trained if isinstance(trained, dict) else {}
        other = [name for name in {**fields, **own} if fields.get(name) != own.get(name)]
        raise ValueError(
            f"agent {self._path!r} was trained on other observations than scenario "
            f"{self.scenario.name!r} gives: other are {', '.join(other[:5])}"
            f"{' and others' if len(other) > 5 else ''}; allowed: the fields, scales, resolution "
            f"and number of cars of {self.trained_on}"
        )

    def reset(self, rows: NDArray[np.int64] | None = None) -> None:
        """Begin new episodes in these rows; None: in all."""
        self._features.reset(rows)

    def view(self, observation: NDArray[np.float32]) -> View:
        """A batch (n, D) by name.

        Raises:
            ValueError: for observations of another length than in training.
        """
        if observation.shape[1] != self._length:
            raise ValueError(
                f"agent {self._path!r} was trained on observations of length {self._length}; it is "
                f"given {observation.shape[1]}: the market's prices are of other slots"
            )
        return super().view(observation)

    def decide(self, view: View) -> Floats:
        """The fraction of the best level of each car."""
        scores, place = self._network.scores(self._features(view)), 0
        fractions = np.zeros((len(scores), len(self.levels)))
        for k, levels in enumerate(self.levels):
            best = scores[:, place : place + len(levels)].argmax(axis=1)
            fractions[:, k] = levels[best]
            place += len(levels)
        # What a car that is away is told has no effect; 0 reads better in a log.
        return np.where(view.plugged, fractions, 0.0)


def _trained_on(manifest: Mapping[str, Any]) -> str:
    scenario = manifest.get("scenario")
    name = scenario.get("name", "?") if isinstance(scenario, dict) else "?"
    return f"{name}, seed {manifest.get('seed', '?')}, {manifest.get('steps', 0):,} steps"


def _in_words(levels: Any) -> str:
    try:
        ends = [(len(of_car), float(of_car[0]), float(of_car[-1])) for of_car in levels]
    except (TypeError, ValueError, IndexError, KeyError):  # a file may hold anything
        return f"{levels!r}"
    return " and ".join(f"{count} from {first:g} to {last:g}" for count, first, last in ends)


def tuned_rule(
    path: str,
    arrays: Mapping[str, NDArray[Any]],
    manifest: Mapping[str, Any],
    scenario: Scenario,
    continuous: bool,
) -> TunedFilling:
    """The rule whose parameters stand in a file; it runs on any scenario, as it reads by name.

    Raises:
        ValueError: for a file without parameters, or with such as the rule does not have.
    """
    names, values = manifest.get("parameters"), arrays.get("parameters")
    if not isinstance(names, list) or values is None or values.shape != (len(names),):
        raise ValueError(f"agent {path!r} cannot be read: it holds no parameters by name")
    parameters = dict(zip(map(str, names), values.tolist(), strict=True))
    try:
        return TunedFilling(scenario, continuous, **parameters)
    except ValueError as error:
        raise ValueError(f"agent {path!r} cannot be used: {error}") from None


KINDS: dict[str, Callable[..., Policy]] = {NETWORK: NetworkAgent, RULE: tuned_rule}


def agent_from(path: str | Path, scenario: Scenario, continuous: bool) -> Policy:
    """The policy in an agent's file.

    Raises:
        ValueError: for a file that holds no agent for this scenario.
    """
    arrays, manifest = read_archive(path)
    kind = str(manifest.get("kind"))
    if kind not in KINDS:
        raise ValueError(
            f"agent {str(path)!r} is of the kind {kind!r}; allowed: {', '.join(KINDS)}"
        )
    return KINDS[kind](str(path), arrays, manifest, scenario, continuous)
