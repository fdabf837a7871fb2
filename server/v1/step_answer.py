"""What a reset or a step of a session answers, before it becomes JSON or arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Ended(NamedTuple):
    """With same-step autoreset: what all rows showed last, valid where `truncated`.

    Observations of the other rows are 0, as in the vector env's `final_obs`.
    """

    observations: NDArray[np.float32]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]


class Answer(NamedTuple):
    """The rows of a session after a reset or a step.

    Attributes:
        index: Resets and steps of the session so far: the index of the next one.
        is_step: Whether it was a step; after a reset rewards are 0 and nothing is truncated.
        observations: (n, D) float32.
        rewards: (n,) float64.
        truncated: (n,) bool.
        settlement: (n,) float64, valid where `truncated`.
        results: (n,) STEP_DTYPE.
        vehicle_results: (n, K) VEHICLE_STEP_DTYPE.
        ended: With same-step autoreset, in a step in which an episode ended; else None.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples
    is_step: bool
    observations: NDArray[np.float32]
    rewards: NDArray[np.float64]
    truncated: NDArray[np.bool_]
    settlement: NDArray[np.float64]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    ended: Ended | None


class Stepped(NamedTuple):
    """The results of one step of a session.

    Attributes:
        index: Number of the operation.
        rows: (m,) the rows that stepped. With next-step autoreset those are missing that began a
            new episode instead.
        results: (m,) STEP_DTYPE; with same-step autoreset of the step, not of the new episode.
        vehicle_results: (m, K) VEHICLE_STEP_DTYPE, likewise.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples
    rows: NDArray[np.int64]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]


def stepped(answer: Answer, rows: NDArray[np.int64]) -> Stepped:
    """The results that a step gave the rows that took it."""
    results, vehicle_results = answer.results, answer.vehicle_results
    if answer.ended is not None:
        over = answer.truncated
        results = np.where(over, answer.ended.results, results)
        own = answer.ended.vehicle_results
        vehicle_results = np.where(over[:, np.newaxis], own, vehicle_results)
    return Stepped(answer.index - 1, rows, results[rows], vehicle_results[rows])
