"""HTTP to the public sources: time-outs, repeats with back-off, and answers kept on disk.

An answer on disk is used without a request while it is fresh, and after that asked for anew on the
condition that it has changed (ETag, Last-Modified), where the source takes part in that. What has
turned out wrong or partial is not kept, nor is anything but status 200, so tomorrow's prices are
looked for until they are there.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ev_gym.markets.errors import MarketError, NotSetUp, Unreachable, WrongAnswerError
from ev_gym.markets.records import Record, today

if TYPE_CHECKING:
    import requests
    import tenacity
    from requests_cache import CachedSession

LOG = logging.getLogger("ev_gym.markets")

CONNECT_S = 10.0
READ_S = 60.0  # without a byte
ATTEMPTS = 4
FIRST_WAIT_S = 1.0
# Longer than a source that takes one request a minute asks for; who asks for more is not waited on.
LONGEST_WAIT_S = 90.0
# After 429 without such a wish: some sources take a request a minute and do not say so.
LIMIT_WAIT_S = 20.0
TOLD_WAIT_S = 5.0  # waits from here on are told as warnings
REPEATED_STATUSES = (429, 500, 502, 503, 504)
# Past days hardly change; of those that are still being published, an answer is old soon.
FRESH_S = 30 * 86_400
FRESH_RECENT_S = 600
# The statuses by which a source says that it has nothing for these days.
NOTHING = (204, 404)


class _NoAnswerError(Exception):
    """An attempt that is worth another one, and for how long the server asks to wait."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


def address_of(source: str, base_url: str) -> str:
    """Where a source is: at the address in its environment variable, for mirrors and tests.

    The variable is `EV_GYM_ENERGY_CHARTS_URL` for `energy-charts`, and so on.
    """
    variable = f"EV_GYM_{source.upper().replace('-', '_')}_URL"
    return os.environ.get(variable, base_url).rstrip("/")


class Fetcher:
    """Requests to one source for one area.

    Args:
        source: Name of the source, for messages and for `address_of`.
        area: The area, for messages.
        base_url: The source's own address.
        zone: The time zone of its days, which says which of them are past.
    """

    def __init__(self, source: str, area: str, base_url: str, zone: str) -> None:
        self.source, self.area, self.zone = source, area, zone
        self.base_url = address_of(source, base_url)
        self._session = _session()
        self._kept: list[str] = []

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and self._kept:  # what led to an error is asked for anew next time
            self._session.cache.delete(*self._kept)
        self._session.close()  # type: ignore[no-untyped-call]  # requests-cache types no close

    def error(self, first_day: date, last_day: date, problem: object) -> MarketError:
        """An error that names source, area and days."""
        return MarketError(f"{self._what(first_day, last_day)}: {problem}")

    def not_set_up(self, first_day: date, last_day: date, missing: str) -> NotSetUp:
        """An error that says what is missing to use the source."""
        return NotSetUp(f"{self._what(first_day, last_day)}: {missing}")

    def records(
        self,
        path: str,
        params: Mapping[str, Any],
        parse: Callable[[Any], list[Record]],
        first_day: date,
        last_day: date,
    ) -> list[Record]:
        """The records of one answer in JSON; none where the source has nothing for these days.

        Raises:
            Unreachable: if there is no answer.
            MarketError: if it is not what `parse` reads.
        """
        response = self.get(path, params, first_day, last_day, (200, *NOTHING))
        if response.status_code in NOTHING:
            return []
        return self.parsed(lambda: parse(self.json(response)), first_day, last_day)

    def parsed(
        self, parse: Callable[[], list[Record]], first_day: date, last_day: date
    ) -> list[Record]:
        """What a parser returns; an error of its own names source, area and days.

        Raises:
            MarketError: if the answer is not what the parser reads.
        """
        try:
            return parse()
        except MarketError:  # of a request within, as those that a client package makes
            raise
        except WrongAnswerError as error:
            raise self.error(first_day, last_day, error) from None
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__} {error}"
            problem = f"the answer is not of the documented shape ({what})"
            raise self.error(first_day, last_day, problem) from error

    @staticmethod
    def json(response: requests.Response) -> Any:
        """The JSON of an answer.

        Raises:
            WrongAnswerError: if it is none, as a maintenance page in HTML is not.
        """
        try:
            return response.json()
        except ValueError:
            kind = response.headers.get("Content-Type", "no type")
            raise WrongAnswerError(
                f"the answer is no JSON but {kind}: {response.text[:60]!r}"
            ) from None

    def get(
        self,
        path: str,
        params: Mapping[str, Any],
        first_day: date,
        last_day: date,
        allowed: tuple[int, ...],
    ) -> requests.Response:
        """An answer with one of the allowed statuses, of the source or from disk.

        Raises:
            Unreachable: if there is none after several attempts.
            MarketError: for another status.
        """
        import requests
        import tenacity

        fresh_s = FRESH_S if last_day < today(self.zone) else FRESH_RECENT_S
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_repeat),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=_wait_s,
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            response = retrying(self._attempt, self.base_url + path, params, fresh_s)
        except _NoAnswerError as error:
            raise Unreachable(f"{self._what(first_day, last_day)}: {error}") from None
        except requests.RequestException as error:
            # Its text would show the whole address, with a token where there is one.
            problem = f"the request to {self.base_url} failed ({type(error).__name__})"
            raise self.error(first_day, last_day, problem) from None
        except sqlite3.Error as error:  # a full disk, or a file that something else has damaged
            problem = f"answers cannot be kept ({error}); allowed: delete {_cache_file()}"
            raise self.error(first_day, last_day, problem) from None
        if response.status_code not in allowed:
            said = " ".join(response.text[:200].split())
            problem = f"{self._host} answered with HTTP status {response.status_code}: {said}"
            raise self.error(first_day, last_day, problem)
        return response

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).netloc

    def _what(self, first_day: date, last_day: date) -> str:
        days = f"{first_day}" if first_day == last_day else f"{first_day} to {last_day}"
        return f"{self.source}, {self.area}, {days}"

    def _attempt(self, url: str, params: Mapping[str, Any], fresh_s: float) -> requests.Response:
        import requests
        from requests.exceptions import ChunkedEncodingError, ContentDecodingError
        from urllib3.exceptions import InvalidHeader
        from urllib3.util import Retry

        try:
            response = self._session.get(
                url, params=params, timeout=(CONNECT_S, READ_S), expire_after=fresh_s
            )
        except requests.Timeout:
            raise _NoAnswerError(f"no answer from {self._host} in {READ_S:g} s") from None
        except (ChunkedEncodingError, ContentDecodingError):
            raise _NoAnswerError(f"the answer of {self._host} was cut short") from None
        except requests.ConnectionError:
            raise _NoAnswerError(f"no connection to {self._host}") from None
        if response.status_code in REPEATED_STATUSES:
            wait_s = LIMIT_WAIT_S if response.status_code == 429 else 0.0
            with suppress(KeyError, InvalidHeader):  # an unreadable wish is none
                # In seconds, or a date.
                wait_s = float(Retry().parse_retry_after(response.headers["Retry-After"]))
            asks = f", and asks to wait {wait_s:.0f} s" if wait_s > LONGEST_WAIT_S else ""
            why = f"{self._host} answered with HTTP status {response.status_code}{asks}"
            raise _NoAnswerError(why, wait_s)
        key = getattr(response, "cache_key", None)
        if key is not None:
            self._kept.append(key)
        return response

    def _tell(self, state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None
        assert state.next_action is not None
        sleep_s = state.next_action.sleep
        LOG.log(
            logging.WARNING if sleep_s >= TOLD_WAIT_S else logging.INFO,
            "%s, %s: %s; trying again in %.0f s",
            *(self.source, self.area, state.outcome.exception(), sleep_s),
        )


def _may_repeat(error: BaseException) -> bool:
    return isinstance(error, _NoAnswerError) and error.wait_s <= LONGEST_WAIT_S


def _wait_s(state: tenacity.RetryCallState) -> float:
    """Twice as long from attempt to attempt, and no less than the server asks for."""
    assert state.outcome is not None
    error = state.outcome.exception()
    asked_s = error.wait_s if isinstance(error, _NoAnswerError) else 0.0
    doubled: float = FIRST_WAIT_S * 2.0 ** (state.attempt_number - 1)
    return max(asked_s, doubled)


def _cache_file() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("ev_gym", appauthor=False) / "markets.sqlite"


def _session() -> CachedSession:
    """A session that keeps answers in the user's cache folder, or in memory where that fails."""
    from requests_cache import CachedSession

    settings: dict[str, Any] = {
        "serializer": "json",
        "allowable_methods": ("GET",),
        "ignored_parameters": ["securityToken"],  # ENTSO-E's, which is not to lie on disk
    }
    file = _cache_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return CachedSession(str(file), backend="sqlite", **settings)
    except (OSError, sqlite3.Error) as error:
        LOG.warning("answers are not kept in %s: %s", file, error)
        return CachedSession(backend="memory", **settings)
