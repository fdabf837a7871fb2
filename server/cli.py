"""The console script `ev-gym-server`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import socket
from typing import Any

import click

from baselines.cli.options import POLICY, SCENARIO_HELP, named_scenario
from server.config import MIB, THREADS, Config


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True,
              help="0: any that is free.")  # fmt: skip
@click.option("--scenario", default="classic", show_default=True,
              help="Household of the station, with one vehicle: " + SCENARIO_HELP)  # fmt: skip
@click.option("--policy", type=POLICY, help="The station charges by it, until a client commands. "
              "One without foresight or memory, such as price_based.")  # fmt: skip
@click.option("--seconds-per-hour", type=click.FloatRange(1, 3600), default=4.0, show_default=True,
              help="Real seconds of the station's hour.")  # fmt: skip
@click.option("--store", help="Database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME. "
              "Default: SQLite in the user's data folder.")  # fmt: skip
@click.option("--synchronous", type=click.Choice(["NORMAL", "FULL"]), default="NORMAL",
              show_default=True, help="SQLite: FULL also survives a loss of power.")  # fmt: skip
@click.option("--token", envvar="EV_GYM_TOKEN", show_envvar=True,
              help="Secret that every request but /health carries. On the command line other users "
              "of the machine can read it.")  # fmt: skip
@click.option("--token-file", type=click.Path(path_type=Path), help="File that holds it instead.")
@click.option("--no-token", is_flag=True,
              help="Open to all who reach it: needed beyond loopback without a token.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 256), default=THREADS, show_default=True,
              help="Requests answered at a time.")  # fmt: skip
@click.option("--cors-origin", "cors_origins", multiple=True, default=["*"], show_default=True,
              help="Origin whose pages may call the classic protocol; none: no pages. "
              "May be repeated.")  # fmt: skip
@click.option("--max-body-mb", type=click.FloatRange(0, min_open=True), default=16.0,
              show_default=True, help="Largest body of a request, MiB.")  # fmt: skip
@click.option("--max-num-envs", type=click.IntRange(1), default=Config.max_num_envs,
              show_default=True, help="Most households in one session.")  # fmt: skip
@click.option("--max-days", type=click.IntRange(1), default=Config.max_days, show_default=True,
              help="Longest horizon of a session.")  # fmt: skip
@click.option("--max-sessions", type=click.IntRange(1), default=Config.max_sessions,
              show_default=True, help="Most sessions at a time.")  # fmt: skip
@click.option("--idle-hours", type=click.FloatRange(0, min_open=True), default=168.0,
              show_default=True, help="Until an unused session expires.")  # fmt: skip
def main(host: str, port: int, threads: int, **options: Any) -> None:
    """Serve a charging station (the classic protocol) and sessions of the env (/v1) over HTTP.

    Stops at Ctrl-C or SIGTERM, when what is in flight has been answered.
    """
    began = time.monotonic()
    from server import serving

    with _in_one_line(), serving.bind(host, port) as listening:
        config = _config(options)
        if config.secret is None and not (config.no_token or serving.is_loopback(listening)):
            raise click.UsageError(
                f"--host {host} lets other machines in; allowed with --token, --token-file or"
                " EV_GYM_TOKEN, which say who may, or with --no-token, which lets all"
            )
        _serve(listening, threads, config, began)


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    """Show errors about settings, port or database in one line instead of a traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _config(options: dict[str, Any]) -> Config:
    """The server's settings from the command's options."""
    settings = dict(options)
    settings["scenario"] = named_scenario(settings["scenario"])
    settings["max_body_bytes"] = int(settings.pop("max_body_mb") * MIB)
    settings["idle_s"] = 3600 * settings.pop("idle_hours")
    if settings["cors_origins"] == ("none",):
        settings["cors_origins"] = ()
    return Config(**settings)


def _serve(listening: socket, threads: int, config: Config, began: float) -> None:
    """Serve on a bound socket until told to stop, then close everything."""
    from server import serving
    from server.app import create_app
    from server.http import observing

    host, port = listening.getsockname()[:2]
    observing.log_to(sys.stderr)
    # Servers on one machine share the default database, but not their stations.
    app = create_app(replace(config, station=f"{host}:{port}"))
    _warm_up()
    store = app.extensions["ev_gym.store"]
    try:
        server = serving.server_on(app, listening, threads)
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        for name, value in {
            "station": f"{url}/",
            "sessions": f"{url}/v1/envs",
            "documents": f"{url}/docs",
            "database": store.url.render_as_string(hide_password=True),
        }.items():
            click.echo(f"{name:<10}{value}")
        click.echo(f"ready in {time.monotonic() - began:.1f} s; Ctrl-C stops it")
        serving.run_until_stopped(server)
        click.echo("stopped")
    finally:
        store.close()


def _warm_up() -> None:
    """Compile what a first request of `/v1` would otherwise wait for."""
    from ev_gym.vector_env import EVChargingVectorEnv

    env = EVChargingVectorEnv(1, "classic")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()


if __name__ == "__main__":
    main()
