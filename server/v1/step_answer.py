"""What a session answers to a reset or a step, before it becomes JSON or arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class LastStep(NamedTuple):
    """The last step of the episodes that ended in it, with same-step autoreset.

    Attributes:
        observations: (n, D) float32; 0 in the rows that did not end, as the vector env's
            `final_obs`.
        results: (n,) STEP_DTYPE, valid in the rows that ended.
        vehicle_results: (n, K) VEHICLE_STEP_DTYPE, valid in the rows that ended.
        action_masks: (n, C) bool, valid in the rows that ended.
    """

    observations: NDArray[np.float32]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    action_masks: NDArray[np.bool_]


class Answer(NamedTuple):
    """The rows of a session after a reset or a step.

    Attributes:
        index: Resets and steps of the session so far: the index of the next one.
        is_step: Whether it was a step; after a reset rewards are 0 and nothing is truncated.
        observations: (n, D) float32.
        rewards: (n,) float64.
        truncated: (n,) bool.
        settlement: (n,) float64, of the episodes that ended; 0 in the other rows.
        results: (n,) STEP_DTYPE.
        vehicle_results: (n, K) VEHICLE_STEP_DTYPE.
        action_masks: (n, C) bool, of the coming step; (n, 0) with continuous actions.
        last_step: With same-step autoreset, in a step in which an episode ended; else None. The
            other arrays then show the new episode in those rows.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples
    is_step: bool
    observations: NDArray[np.float32]
    rewards: NDArray[np.float64]
    truncated: NDArray[np.bool_]
    settlement: NDArray[np.float64]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    action_masks: NDArray[np.bool_]
    last_step: LastStep | None


class StepResults(NamedTuple):
    """The results of one step of a session.

    Attributes:
        index: Number of the operation.
        rows: (m,) the rows that stepped. With next-step autoreset those are missing that began a
            new episode instead.
        results: (m,) STEP_DTYPE, of the step even where a new episode began at its end.
        vehicle_results: (m, K) VEHICLE_STEP_DTYPE, of the step even where one began.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples
    rows: NDArray[np.int64]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]


def step_results(answer: Answer, rows: NDArray[np.int64]) -> StepResults:
    """The results that a step gave the rows that took it."""
    results, vehicle_results = answer.results, answer.vehicle_results
    if answer.last_step is not None:
        over = answer.truncated
        results = np.where(over, answer.last_step.results, results)
        vehicle_results = np.where(
            over[:, np.newaxis], answer.last_step.vehicle_results, vehicle_results
        )
    return StepResults(answer.index - 1, rows, results[rows], vehicle_results[rows])
