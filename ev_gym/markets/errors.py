"""What can go wrong between a market and its user; every message names source, area and day."""

from __future__ import annotations


class MarketError(ValueError):
    """A source cannot be used, or its answer is wrong or partial."""


class NotPublished(MarketError):  # noqa: N818  # it is no error of anybody's
    """The day is complete only later: nothing is wrong, it is too early to ask."""


class Unreachable(MarketError):  # noqa: N818  # named after what the source is
    """No answer after several attempts: no connection, time-outs, or a server that fails."""


class NotSetUp(MarketError):  # noqa: N818  # named after what the source is
    """The source needs a package or a token that is missing; the message says where to get it."""


class WrongAnswerError(Exception):
    """What a parser finds wrong; `Fetcher.records` adds source, area and day to it."""
