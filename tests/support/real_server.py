"""A real server for tests: the production WSGI server on port 0, over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server import create_app
from server.serving import make_server


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
def serving(folder: Path, port: int = 0, **settings: Any) -> Iterator[str]:
    """Serve an app whose database lies in `folder`; the address, such as http://127.0.0.1:40123."""
    settings = {"store": f"sqlite:///{folder / 'server.db'}", **settings}
    app = create_app(settings)
    server = make_server(app, "127.0.0.1", port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.task_dispatcher.shutdown()

        def stop() -> None:
            """In the server's own thread; connections that clients keep open would hold it."""
            server.close()
            for channel in list(server.active_channels.values()):
                channel.handle_close()

        server.trigger.pull_trigger(stop)
        thread.join(10)
        app.extensions["ev_gym.store"].close()
