"""Who gets in: the token, pages of other origins, and how much a request may carry.

A server without a token trusts whoever reaches it. Bound to loopback these are the programs of
this machine, and, through a browser, every page that its user opens. So, unless told that it is
open (`no_token`), such a server refuses what only a page could send: a `Host` that is a name
other than localhost (an attacker's name that was made to point here, "DNS rebinding"), and
outside of the classic protocol, whose pages come from anywhere by design, an `Origin` other than
its own. With a token neither matters: such a page does not know it.

CORS alone would only keep answers from a page; its commands would still be obeyed.
"""

from __future__ import annotations

import hmac
import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_cors.core import get_cors_options, set_cors_headers

from server.config import Config
from server.http.problems import Problem

OPEN_ENDPOINTS = frozenset(("observing.health",))
CLASSIC_METHODS = ("GET", "HEAD", "POST")


def install(app: Flask, classic: str, config: Config) -> None:
    """Refuse requests that carry too much, come from where they may not, or lack the token.

    Pages of the configured origins may call the classic protocol, and nothing else.

    Args:
        app: The app.
        classic: Name of the blueprint of the classic protocol.
        config: The settings.

    Raises:
        ConfigError: for a token that cannot be read or sent.
    """
    app.config["MAX_CONTENT_LENGTH"] = config.max_body_bytes
    if config.cors_origins:
        _let_pages_call(app, classic, list(config.cors_origins))
    secret = config.secret
    if secret is not None:
        app.before_request(lambda: _check_token(secret.encode()))
    elif not config.no_token:
        app.before_request(lambda: _check_page(classic, config.cors_origins))


def _check_token(secret: bytes) -> None:
    """Refuse a request without the server's token, but for those that need none."""
    if request.endpoint in OPEN_ENDPOINTS or _is_preflight():
        return
    scheme, _, token = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    right = hmac.compare_digest(token.strip().encode(), secret)
    if scheme.lower() != "bearer" or not right:
        what = "a wrong token" if scheme else "no token"
        raise Problem(
            401, f"{what}; allowed: the header 'Authorization: Bearer ...' with this server's"
        )


def _check_page(classic: str, cors_origins: tuple[str, ...]) -> None:
    """Refuse what only a page of another origin could send."""
    host, origin = map(request.environ.get, ("HTTP_HOST", "HTTP_ORIGIN"))
    if host is not None and not _is_own_name(host):  # browsers always name one
        raise Problem(
            421,
            f"Host is {host!r}; allowed on a server without a token: localhost or an IP"
            " address (--token, or --no-token, lets it serve any name)",
        )
    if origin is None or origin.partition("://")[2] == request.host:
        return
    if request.url_rule is None:
        return  # a mistyped path is a 404, whoever asks
    welcome = cors_origins if request.blueprint == classic else ()
    if origin not in welcome and "*" not in welcome:
        allowed = ", ".join((request.host_url.rstrip("/"), *welcome))
        raise Problem(403, f"Origin is {origin!r}; allowed here: {allowed}")


def _let_pages_call(app: Flask, classic: str, origins: list[str]) -> None:
    """Answer the pages of these origins with the headers for which their browsers wait."""
    everyone = origins == ["*"]
    options = get_cors_options(
        app, {"origins": origins, "methods": CLASSIC_METHODS, "send_wildcard": everyone}
    )

    def add_headers(response: Response) -> Response:
        # Only a page names its origin, so no other client waits for a look at all the options.
        if "HTTP_ORIGIN" in request.environ and request.blueprint == classic:
            set_cors_headers(response, options)
        return response

    app.after_request(add_headers)


def _is_preflight() -> bool:
    """Whether a browser asks if a page may call; that question never carries a token."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


@lru_cache(maxsize=64)
def _is_own_name(host: str) -> bool:
    """Whether a Host header's name, port and all, is localhost or an IP address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False
