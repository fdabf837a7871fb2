"""Why sessions refuse what a client asks, as problems."""

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
def refusals_as_problems() -> Iterator[None]:
    """Raise a problem with status 422 for what the env refuses."""
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


def wrong_index(requested: int | None, index: int) -> Problem:
    """A session has another index than a request believed."""
    reason = "other requests went first" if requested is None else f"index is {requested}"
    return Problem(
        409,
        f"{reason}; the session's index is {index}, the number of its resets and steps so far; "
        "allowed: that, or the one before it with the same content as then",
        index=index,
    )


def too_many_sessions(most: int) -> Problem:
    """There is no room for another session."""
    return Problem(
        429,
        f"there are {most} sessions, as many as this server takes; delete one, or wait until one "
        "that is not used expires",
    )
