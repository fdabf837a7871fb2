"""What sessions refuse, as problems."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from ev_gym.scenario import ScenarioError
from ev_gym.series.limits import DataError
from ev_gym.simulation.reset_options import ResetError
from ev_gym.simulation.simulator import ActionError
from server.http.problems import Problem

LOG = logging.getLogger("server.v1.sessions")


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Have what the env refuses told as a problem with status 422."""
    try:
        yield
    except (ActionError, ResetError, ScenarioError) as error:
        raise Problem(422, str(error)) from error
    except (DataError, FileNotFoundError) as error:
        LOG.warning("a scenario's series cannot be read: %s", error)
        raise Problem(422, "the scenario's series cannot be read on this server") from error


def unknown_session() -> Problem:
    """There is no such session."""
    return Problem(404, "there is no such session: it was never made, deleted, or has expired")


def other_index(asked: int | None, index: int) -> Problem:
    """A session is not where a request believed it to be."""
    said = "other requests went first" if asked is None else f"index is {asked}"
    return Problem(
        409,
        f"{said}; the session's index is {index}, the number of its resets and steps so far; "
        "allowed: that, or the one before it with the same content as then",
        index=index,
    )


def too_many(most: int) -> Problem:
    """There is no room for another session."""
    return Problem(
        429,
        f"there are {most} sessions, as many as this server takes; delete one, or wait until one "
        "that is not used expires",
    )
