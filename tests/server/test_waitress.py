"""The private parts of waitress that `server.serving` replaces or reads are as they were tried."""

from __future__ import annotations

import hashlib
import inspect

from flask import Flask
from waitress.channel import HTTPChannel

from server import serving

# Of the method that is replaced, in waitress 3.0.0 to 3.0.2.
FLUSH_SHA256 = "27a2b75117abd0d76e9827f26b39f4554c15968ba878eb716a2f0c7ef943caed"
CHANGED = "waitress has changed: compare it with server/serving.py, then renew this test"


def test_the_method_that_waits_for_a_slow_reader() -> None:
    source = inspect.getsource(HTTPChannel._flush_outbufs_below_high_watermark)
    assert hashlib.sha256(source.encode()).hexdigest() == FLUSH_SHA256, CHANGED
    call = "with self.outbuf_lock:\n                self._flush_outbufs_below_high_watermark()"
    assert call in inspect.getsource(HTTPChannel.write_soon), CHANGED


def test_the_sockets_that_are_polled() -> None:
    listening = serving.bind("127.0.0.1", 0)
    server = serving.server_on(Flask(__name__), listening)
    try:
        polled = serving._sockets(server)
        assert polled[listening.fileno()] is server, CHANGED
        assert server.trigger in polled.values(), CHANGED
    finally:
        serving.drain(server)
    assert not polled
