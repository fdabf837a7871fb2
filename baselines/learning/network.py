"""A trained network in plain arithmetic: the same scores on any machine, whatever the batch.

Sums are taken in one order, row by row, in float64, and no function is used whose last bits a
library decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled

# A feature further from its mean is taken to be so many standard deviations away.
MOST_DEVIATIONS = 5.0


class Network(NamedTuple):
    """Two layers of H rectified units between F features and C choices.

    Attributes:
        mean: (F,) of the features in training.
        deviation: (F,) their standard deviation.
        weights_1: (F, H).
        biases_1: (H,).
        weights_2: (H, H).
        biases_2: (H,).
        weights_3: (H, C).
        biases_3: (C,).
    """

    mean: Floats
    deviation: Floats
    weights_1: Floats
    biases_1: Floats
    weights_2: Floats
    biases_2: Floats
    weights_3: Floats
    biases_3: Floats

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Network:
        """The network in the arrays of an archive.

        Raises:
            ValueError: where arrays are missing or do not fit together.
        """
        missing = [name for name in cls._fields if name not in arrays]
        if missing:
            raise ValueError(f"arrays {', '.join(missing)} are missing")
        network = cls(*(np.ascontiguousarray(arrays[name], np.float64) for name in cls._fields))
        if network.weights_1.ndim != 2 or network.weights_3.ndim != 2:
            raise ValueError("weights are no matrices")
        (features, units), choices = network.weights_1.shape, network.weights_3.shape[1]
        shapes = [(features,), (features,), (features, units), (units,), (units, units), (units,),
                  (units, choices), (choices,)]  # fmt: skip
        for name, array, shape in zip(cls._fields, network, shapes, strict=True):
            if array.shape != shape:
                raise ValueError(f"{name} has the shape {array.shape}; allowed: {shape}")
        return network

    def scores(self, features: NDArray[np.float32]) -> Floats:
        """(n, C) the score of each choice, for features (n, F)."""
        scores = np.empty((len(features), self.biases_3.size))
        units = self.biases_1.size
        work = np.empty(self.mean.size), np.empty(units), np.empty(units)
        _score(features.astype(np.float64), self, *work, scores)
        return scores


@compiled
def _layer(inputs: Floats, weights: Floats, biases: Floats, outputs: Floats) -> None:
    """One row through one layer, without rectifying."""
    for unit in range(outputs.shape[0]):
        outputs[unit] = biases[unit]
    for i in range(inputs.shape[0]):
        for unit in range(outputs.shape[0]):
            outputs[unit] += inputs[i] * weights[i, unit]


@compiled
def _score(
    features: Floats,
    network: Network,
    seen: Floats,
    first: Floats,
    second: Floats,
    scores: Floats,
) -> None:
    """Write the scores (n, C) of features (n, F); the layers (F,), (H,), (H,) are to work in."""
    units = first.shape[0]
    for row in range(features.shape[0]):
        for i in range(seen.shape[0]):
            deviations = (features[row, i] - network.mean[i]) / network.deviation[i]
            seen[i] = min(MOST_DEVIATIONS, max(-MOST_DEVIATIONS, deviations))
        _layer(seen, network.weights_1, network.biases_1, first)
        for unit in range(units):
            first[unit] = max(0.0, first[unit])
        _layer(first, network.weights_2, network.biases_2, second)
        for unit in range(units):
            second[unit] = max(0.0, second[unit])
        _layer(second, network.weights_3, network.biases_3, scores[row])
