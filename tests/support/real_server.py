"""A real server for tests: the production WSGI server on port 0, over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server import create_app
from server.serving import drain, make_server, poll_once


class FakeClock:
    """A clock that tests push on by hand; seconds."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@contextmanager
def polled(server: Any) -> Iterator[None]:
    """Run a server in a thread of its own; afterwards it is closed.

    Only once nobody polls it any more: a server that closes itself while this thread still pulls
    its trigger would have it write to a file number that is closed, or another's by then.
    """
    ended = threading.Event()

    def poll() -> None:
        while not ended.is_set():
            poll_once(server, 1.0)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.task_dispatcher.shutdown()  # while answers under way still leave
        ended.set()
        server.pull_trigger()
        thread.join(10)
        assert not thread.is_alive(), "the server's thread does not end"
        drain(server, most_s=0.0)


@contextmanager
def serving(folder: Path, port: int = 0, **settings: Any) -> Iterator[str]:
    """Serve an app whose database lies in `folder`; the address, such as http://127.0.0.1:40123."""
    settings = {"store": f"sqlite:///{folder / 'server.db'}", **settings}
    app = create_app(settings)
    try:
        server = make_server(app, "127.0.0.1", port)
        with polled(server):
            yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        app.extensions["ev_gym.store"].close()
