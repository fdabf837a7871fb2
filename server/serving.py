"""The production WSGI server: waitress, set up for this app, and stopped without losing answers.

Measured on two cores, in requests per second with 1 and with 32 clients: on the left a route that
parses and returns 2 KB of JSON, on the right one that returns 420 KB of bytes.

    waitress as it comes       2,900  2,300-2,600     2,300-2,700  2,000
    waitress as set up here    2,800  3,700           2,800        2,200
    gunicorn, gthread          2,400  2,700           2,500        2,500
    cheroot                    2,700  3,100           2,500        3,600   (most clients wait)
    granian                    3,200  4,700           3,700        6,000

Granian is faster, but runs the app in processes of its own: another program, in Rust, would bind
the port, say that all is ready, and end the app. waitress does so here, on every system. With 4 or
16 threads instead of 8 it is as fast on JSON, and a sixth slower on the large answer.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import signal
import socket
import time
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.server import create_server
from waitress.task import ErrorTask
from waitress.utilities import RequestEntityTooLarge

from server.config import MIB, THREADS
from server.http import observing, problems

# Answers below this size leave in one piece with their headers, sent by the thread that polls: half
# again as many requests a second at 32 clients, and half the 99th percentile.
SEND_BYTES = 18_000
HEADER_BYTES = 64 * 1024
CONNECTIONS = 500
LARGEST_SKIPPED_BYTES = 1024 * MIB  # of a body that is too large, but read past
DRAIN_S = 10.0
THREADS_END_S = 1.0  # how long the app's threads are waited for once connections are drained
READER_S = 20.0  # a client that reads nothing for so long, while a thread waits, is cut off


class _Refusal(ErrorTask):  # type: ignore[misc]  # untyped
    """Answers what never reaches the app with a problem, as the app would."""

    def execute(self) -> None:
        request, error = self.request, self.request.error
        most = self.channel.adj.max_request_body_size - 1
        details = {
            413: f"the body is too large; allowed: at most {most} bytes",
            431: f"the headers are too large; allowed: less than {HEADER_BYTES} bytes",
        }
        body = problems.body(error.code, details.get(error.code, error.body))
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", problems.MEDIA_TYPE))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
        method, path = getattr(request, "command", None), getattr(request, "path", None)
        observing.log(method, path, error.code, 0.0, len(body), self.channel.addr[0])


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # untyped
    """Reads past a body that is too large: who sends all of it first then reads the refusal.

    Refuses with a 400 what waitress answers with a 501 (Transfer-Encoding: gzip) or breaks on: half
    an IPv6 address as the target, a content length of 5,000 digits.
    """

    to_skip = 0  # bytes of such a body that are still to come

    def received(self, data: bytes) -> int:
        if self.to_skip:
            consumed = min(len(data), self.to_skip)
            self.to_skip -= consumed
            self.completed = self.to_skip == 0
            return consumed
        consumed = int(super().received(data))
        too_large = isinstance(self.error, RequestEntityTooLarge)
        if too_large and self.content_length <= LARGEST_SKIPPED_BYTES:
            self.to_skip = self.content_length
            self.completed = self.to_skip == 0  # a body in chunks does not say how long it is
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except (ValueError, TransferEncodingNotImplemented) as error:
            raise ParsingError(str(error)) from error
        # A program on a bare socket may read until the connection ends. Libraries, which know
        # better, name themselves.
        if not self.headers.keys() & {"CONNECTION", "USER_AGENT"}:
            self.headers["CONNECTION"] = "close"


class _Channel(HTTPChannel):  # type: ignore[misc]  # untyped
    error_task_class = _Refusal
    parser_class = _Parser
    connected: bool

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait until the client has read enough for more to be written, or cut it off.

        The app's threads wait here. waitress lets them wait for ever, so a few clients that do not
        read would stop the server; it has no setting for that, hence this private method of
        another library. `test_waitress` fails where waitress changes it.
        """
        with self.outbuf_lock:
            while self.connected and self.total_outbufs_len > self.adj.outbuf_high_watermark:
                before = self.total_outbufs_len
                self.server.pull_trigger()
                self.outbuf_lock.wait(READER_S)
                if self.total_outbufs_len == before:
                    self.connected = False  # what is written next raises ClientDisconnected
                    self.server.trigger.pull_trigger(self.handle_close)


def _sockets(server: Any) -> Any:
    """The sockets that a server polls, by their file numbers, as `wasyncore.loop` takes them.

    waitress keeps them in a private attribute, and the public `run()` polls until the process ends,
    which loses what is in flight. `test_waitress` fails where waitress changes it.
    """
    return server._map


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0: any that is free. Clients that connect wait for the app.

    Raises:
        OSError: for a port in use or forbidden, or a host that is not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "the port is in use; another with --port, any free one with --port 0"
        raise OSError(f"cannot serve on {host}, port {port}: {reason}") from error


def is_loopback(listening: socket.socket) -> bool:
    """Whether only programs of this machine can connect to a bound socket."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def make_server(app: Flask, host: str, port: int, threads: int = THREADS) -> Any:
    """The server of an app on a socket of its own, as `server_on`."""
    return server_on(app, bind(host, port), threads)


def server_on(app: Flask, listening: socket.socket, threads: int = THREADS) -> Any:
    """The server of an app; it has `effective_port` and `run()`, which does not end by itself."""
    server = create_server(
        app,
        sockets=[listening],
        threads=threads,
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,  # where there is poll(): select() takes no file number above 1023
        max_request_header_size=HEADER_BYTES,
        # waitress refuses a body of just this size, the app one that is larger than its limit.
        max_request_body_size=(app.config["MAX_CONTENT_LENGTH"] or 16 * MIB) + 1,
        outbuf_overflow=32 * MIB,  # answers stay in memory, not in temporary files
        server_name=listening.getsockname()[0],  # the host of a request that names none
        ident="ev-gym-server",
    )
    server.adj.send_bytes = SEND_BYTES  # as an argument it is deprecated
    server.channel_class = _Channel
    # With more clients than threads requests queue all the time; that is no warning.
    server.task_dispatcher.queue_logger = logging.Logger("queue", logging.ERROR)
    return server


def run_until_stopped(server: Any) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in flight; a second one ends it at once.

    Called from the main thread, since only there Python handles signals.
    """
    stopped = False

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True
        for each, handler in handlers.items():
            signal.signal(each, handler)
        server.pull_trigger()

    names = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last on Windows alone
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    handlers = {number: signal.signal(number, stop) for number in numbers}
    while not stopped:
        poll_once(server, 1.0)
    drain(server)


def poll_once(server: Any, most_s: float) -> None:
    """Serve what comes next; wait for it up to `most_s`, or until the trigger is pulled."""
    wasyncore.loop(timeout=most_s, use_poll=True, map=_sockets(server), count=1)


def drain(server: Any, most_s: float = DRAIN_S) -> None:
    """Take no more connections, answer the requests there are, and close, within `most_s`.

    Called by the thread that polls, or once none does any more. Who asks it to stop pulls the
    trigger only to wake it, and never with `server.close` as what is then run: an earlier pull may
    run that first, and `pull_trigger` would write to a file number that is closed or another's.
    """
    wasyncore.dispatcher.close(server)
    until = time.monotonic() + most_s
    while server.active_channels and time.monotonic() < until:
        for channel in list(server.active_channels.values()):
            if not channel.requests:
                channel.close_when_flushed = True
        poll_once(server, 0.05)
    server.task_dispatcher.shutdown(timeout=THREADS_END_S)
    if server.task_dispatcher.threads:
        # One is still at work and may pull the trigger, which writes to a bare file number. If that
        # were closed, it could by then be another's: a database's. It stays open until the end.
        server.trigger.del_channel()
    wasyncore.close_all(_sockets(server), ignore_all=True)
