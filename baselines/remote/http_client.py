"""HTTP to a server of ours, or to a classic one: it repeats, times out, and tells what failed.

Every request that goes through here may be sent twice: it reads, or sets a state (`charging` on),
or carries the index of its step, which the server takes only once; a second `POST /v1/envs` leaves
a session that expires. So a request without an answer is repeated, with back-off, for as long as a
server takes to restart. urllib3's own `Retry` does the same until the headers have come, but gives
up on an answer that breaks off within its body, and does not say whether anything was sent.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.exceptions import ChunkedEncodingError
from requests.utils import get_environ_proxies
from urllib3.exceptions import MaxRetryError, NewConnectionError

LOG = logging.getLogger("baselines.remote.http_client")

CONNECT_S = 5.0
READ_S = 30.0
PATIENCE_S = 40.0
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
# Repeated: no answer, or that of a proxy in front of a server that restarts.
REPEATED_STATUSES = (None, 502, 503, 504)
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class RemoteError(RuntimeError):
    """A request failed for good.

    Attributes:
        request: Method and URL.
        failure: What came instead of a good answer.
        status: HTTP status of the answer; None where there was none.
        problem: The answer's `application/problem+json`, such as `detail` and `index`; or None.
        happened: False: nothing happened on the server. None: it may have.
    """

    def __init__(
        self,
        request: str,
        failure: str,
        status: int | None = None,
        problem: dict[str, Any] | None = None,
        happened: bool | None = None,
    ) -> None:
        super().__init__(request, failure, status, problem, happened)
        self.request = request
        self.failure = failure
        self.status = status
        self.problem = problem
        self.happened = happened

    def __str__(self) -> str:
        if self.happened is False:
            return f"{self.request}: {self.failure}; nothing happened on the server"
        return f"{self.request}: {self.failure}; whether it happened on the server is unknown"


class Client:
    """Requests to one server.

    Proxies and certificates of the environment (`HTTPS_PROXY`, `REQUESTS_CA_BUNDLE` and so on) are
    heeded, but no proxy ever stands between a program and its own machine; `.netrc` is not read.

    Args:
        url: Address of the server, such as `http://127.0.0.1:5000`.
        token: Its token; None: the environment variable EV_GYM_TOKEN, where set.
        timeout_s: Longest wait for an answer.
        patience_s: How long to go on trying where there is none, or 502, 503, 504. The last attempt
            may begin just before that, and last one time-out more.
        notify: Called with a sentence when a request is about to be repeated for the first time.

    Raises:
        ValueError: for an impossible address, token or time.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout_s: float = READ_S,
        patience_s: float = PATIENCE_S,
        notify: Callable[[str], object] = LOG.warning,
    ) -> None:
        self.url = _checked_url(url)
        if not timeout_s > 0:
            raise ValueError(f"timeout_s is {timeout_s!r}; allowed: above 0")
        self.timeout_s = timeout_s
        self.patience_s = patience_s
        self.notify = notify
        self._session = requests.Session()
        self._session.trust_env = False  # the environment is read once, here, not in every request
        if urlsplit(self.url).hostname not in LOOPBACK:
            self._session.proxies = get_environ_proxies(self.url)
            bundles = map(os.environ.get, ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
            self._session.verify = next(filter(None, bundles), True)
        token = os.environ.get("EV_GYM_TOKEN") if token is None else token
        if token:
            if not token.isprintable():
                raise ValueError("the token holds an unprintable character, perhaps a line's end")
            self._session.headers["Authorization"] = f"Bearer {token}".encode()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request until it is answered; the answer, of status 2xx.

        Raises:
            RemoteError: for any other answer, or none in the client's patience.
        """
        request = requests.Request(
            method, self.url + path, headers=headers, params=params, json=json, data=data
        )
        prepared = self._session.prepare_request(request)
        start_s, wait_s, may_have_happened = monotonic(), FIRST_WAIT_S, False
        while True:
            try:
                return self._attempt(prepared)
            except RemoteError as error:
                may_have_happened = may_have_happened or error.happened is None
                error.happened = None if may_have_happened else False
                left_s = start_s + self.patience_s - monotonic()
                if error.status not in REPEATED_STATUSES or left_s <= 0:
                    raise
                if wait_s == FIRST_WAIT_S:
                    failure = f"{error.request}: {error.failure}"
                    self.notify(f"{failure}; trying again for up to {self.patience_s:.0f} s")
            sleep(min(wait_s, left_s))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _attempt(self, prepared: requests.PreparedRequest) -> requests.Response:
        """Send once; the answer, of status 2xx."""
        name = f"{prepared.method} {prepared.url}"
        timeout_s = (min(CONNECT_S, self.timeout_s), self.timeout_s)
        try:
            answer = self._session.send(prepared, timeout=timeout_s, allow_redirects=False)
        except requests.ConnectTimeout as error:
            failure = f"no connection within {timeout_s[0]:g} s"
            raise RemoteError(name, failure, happened=False) from error
        except requests.ReadTimeout as error:
            raise RemoteError(name, f"no answer within {timeout_s[1]:g} s") from error
        except (requests.ConnectionError, ChunkedEncodingError) as error:
            reason = _no_connection(error)
            if reason is not None:
                failure = f"no connection ({reason})"
                raise RemoteError(name, failure, happened=False) from error
            raise RemoteError(name, f"the answer was lost ({error})") from error
        if answer.status_code // 100 == 2:
            return answer
        raise _refusal(name, answer)

    def json(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Send a request, with a body as JSON where given; the answer's JSON.

        Raises:
            RemoteError: as `request`, or where the answer is not JSON.
        """
        answer = self.request(method, path, json=body, **more)
        try:
            return answer.json()
        except requests.exceptions.JSONDecodeError as error:
            kind = answer.headers.get("Content-Type", "nothing")
            failure = f"the answer is not JSON but {kind}: {answer.text[:80]!r}"
            raise RemoteError(f"{method} {self.url}{path}", failure, answer.status_code) from error

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url is {url!r}; allowed: such as 'http://127.0.0.1:5000'")
    return url.rstrip("/")


def _no_connection(error: requests.RequestException) -> str | None:
    """Why no connection was made; None where there was one."""
    outer = error.args[0] if error.args else None
    if isinstance(outer, MaxRetryError) and isinstance(outer.reason, NewConnectionError):
        cause = outer.reason.__cause__
        return str(getattr(cause, "strerror", None) or outer.reason)
    return None


def _refusal(name: str, answer: requests.Response) -> RemoteError:
    """An answer other than 2xx as an error; with a 3xx or 4xx nothing happened."""
    problem = None
    with contextlib.suppress(requests.exceptions.JSONDecodeError):
        problem = answer.json()
    problem = problem if isinstance(problem, dict) else None
    failure = f"{answer.status_code} {_PHRASES.get(answer.status_code, answer.reason)}"
    if answer.is_redirect:
        failure += f", for it has moved to {answer.headers['Location']}"
    elif problem is not None and "detail" in problem:
        failure += f": {problem['detail']}"
    unchanged = 300 <= answer.status_code < 500
    return RemoteError(
        name, failure, answer.status_code, problem, happened=False if unchanged else None
    )
