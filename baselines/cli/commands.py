"""The console script `ev-gym`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from baselines.cli.benchmark import benchmark
from baselines.cli.bill import bill
from baselines.cli.data import data
from baselines.cli.data_fetch import fetch
from baselines.cli.dataset import dataset
from baselines.cli.options import (
    HORIZON,
    HORIZON_HELP,
    POLICY,
    POLICY_HELP,
    SCENARIO_HELP,
    named_scenario,
)
from baselines.cli.prices import show_prices
from baselines.cli.tariffs import rule_in_words, tariffs
from baselines.cli.train import train
from ev_gym import __version__
from ev_gym.scenario import Scenario, Vehicle, preset, preset_names
from ev_gym.scenario.known_cars import known_cars, listed_in
from ev_gym.scenario.scenario import preset_summary

HOW_TO_ADD_A_CAR = """
A scenario names them by words of the name, with changes beside: {"model": "VW ID.3 58"}. Any other
car is the numbers of its data sheet: {"vehicles": [{"name": "Ours", "battery_kwh": 60, "phases": 3,
"ac_max_kw": 11, "kwh_per_100km": 17}]}, battery_kwh as usable. To have one by name for everybody,
add a row to ev_gym/scenario/known_cars.csv with where its numbers are from (CONTRIBUTING.md)."""


class _Errors(click.Group):
    """Shows errors about input as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, RuntimeError) as error:
            from baselines.remote.http_client import RemoteError

            if isinstance(error, (ValueError, OSError, RemoteError)):
                raise click.ClickException(str(error)) from error
            raise


@click.group(cls=_Errors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Simulate a household that charges electric cars, and compare charging policies."""


@main.command()
@click.option("--scenario", default="stockholm", show_default=True, help=SCENARIO_HELP)
@click.option("--policy", type=POLICY, default="price_based", show_default=True, help=POLICY_HELP)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--days", type=HORIZON, help=f"{HORIZON_HELP} Default: the scenario's.")
@click.option("--out", type=click.Path(path_type=Path), default="run", show_default=True)
def run(scenario: str, policy: str, seed: int, days: int | str | None, out: Path) -> None:
    """Drive one household and write battery_log.csv, charging_log.txt and battery_plot.png."""
    from baselines.one_run import money, run

    chosen = named_scenario(scenario)
    outcome = run.run_episode(chosen, policy, seed, days)
    paths = run.write(outcome, chosen, policy, out)
    click.echo(money.bill(outcome.history, outcome.total_reward, chosen))
    click.echo("wrote " + ", ".join(str(path) for path in paths))


@main.command()
@click.option("--url", default="http://127.0.0.1:5000", show_default=True,
              help="Address of the station.")  # fmt: skip
@click.option("--policy", type=POLICY, default="price_based", show_default=True, help=POLICY_HELP)
@click.option("--token", envvar="EV_GYM_TOKEN", show_envvar=True, help="The station's token.")
@click.option("--poll", "poll_s", type=click.FloatRange(min=0.001), default=0.1, show_default=True,
              help="Seconds between two looks; a third of its quarter-hour or less.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default="run", show_default=True)
def drive(url: str, policy: str, token: str | None, poll_s: float, out: Path) -> None:
    """Drive a charging station through one day and write the files of `run`.

    The station speaks the classic protocol, as ev-gym-server does. Its day begins anew. Where the
    day breaks off, the files hold what there was of it.
    """
    from baselines.one_run import money, run
    from baselines.remote import station_drive as driving
    from baselines.remote.http_client import Client, RemoteError
    from baselines.remote.station_client import ClassicClient, StationError

    out.mkdir(parents=True, exist_ok=True)  # fails before the day, not after it
    client = Client(url, token, patience_s=driving.STATION_PATIENCE_S, notify=click.echo)
    day = driving.Drive(ClassicClient(client), policy, click.echo, poll_s)
    stopped: BaseException | None = None
    try:
        day.run()
    except (RemoteError, StationError, KeyboardInterrupt) as error:
        stopped = error
    finally:
        client.close()
    mirror = day.mirror
    written = f"nothing written to {out}"
    if mirror.tick:
        outcome = mirror.outcome
        paths = run.write(outcome, mirror.scenario, policy, out)
        click.echo(money.bill(outcome.history, outcome.total_reward, mirror.scenario))
        written = "wrote " + ", ".join(str(path) for path in paths)
    if stopped is None:
        click.echo(written)
        return
    message = f"stopped at {driving.clock(mirror.tick)} of the day; {written}"
    if isinstance(stopped, KeyboardInterrupt):
        click.echo(message, err=True)
        sys.exit(130)  # what shells know as the end by Ctrl-C
    raise click.ClickException(f"{stopped}\n{message}") from stopped


main.add_command(benchmark)
main.add_command(bill)
main.add_command(tariffs)
main.add_command(show_prices)
main.add_command(data)
main.add_command(train)
data.add_command(fetch)
main.add_command(dataset)


@main.command("warm-up")
def warm_up() -> None:
    """Compile ahead what a first env or a first benchmark would have to wait for.

    For containers and class rooms. The machine code is for this kind of processor.
    """
    from baselines.cli import warm_up as warming
    from ev_gym.runtime.compiling import cache_folder

    warming.warm_up(click.echo)
    folder = cache_folder()
    if folder is None:
        raise click.ClickException(
            "nothing is kept: no folder is writable; allowed: NUMBA_CACHE_DIR set to one that is"
        )
    click.echo(f"the machine code is kept below {folder}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Every parameter, as JSON.")
@click.argument("names", nargs=-1)
def scenarios(names: tuple[str, ...], as_json: bool) -> None:
    """List the presets and what they hold."""
    import json

    chosen = names or preset_names()
    if as_json:
        click.echo(json.dumps({name: preset(name).to_dict() for name in chosen}, indent=2))
        return
    for name in chosen:
        click.echo("\n".join(_describe(name, preset(name))))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Their parameters by name, as JSON.")
def cars(as_json: bool) -> None:
    """List the cars that a scenario can name, and say how to add one."""
    import json

    known = {name: Vehicle.model(name) for name in known_cars()}
    if as_json:
        columns = ("battery_kwh", "phases", "ac_max_kw", "kwh_per_100km", "eta", "aux_kw")
        values = {
            name: {
                **{column: getattr(car, column) for column in columns},
                "listed": listed_in(name),
            }
            for name, car in known.items()
        }
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    width = max(map(len, known))
    click.echo(f"{'':{width}}  usable  phases    AC  use, kWh  losses            listed")
    click.echo(f"{'car':{width}}     kWh             kW  per 100 km  eta    aux kW     in")
    for name, car in known.items():
        click.echo(
            f"{name:{width}}  {car.battery_kwh:6.1f}  {car.phases:6d}  {car.ac_max_kw:4.1f}"
            f"  {car.kwh_per_100km:10.1f}  {car.eta:5.3f}  {car.aux_kw:6.3f}  {listed_in(name):5d}"
        )
    click.echo(HOW_TO_ADD_A_CAR)


def _describe_wish(car: Vehicle) -> str:
    soc = car.wanted_soc
    return "what its trips need" if isinstance(soc, str) else f"{soc:.0%}"


def _describe(name: str, scenario: Scenario) -> list[str]:
    house, data, tariff = scenario.household, scenario.data, scenario.tariff
    managed = "on" if scenario.charger.load_management else "off"
    cars = "; ".join(
        f"{car.name} ({car.battery_kwh:g} kWh, wants {_describe_wish(car)})"
        for car in scenario.vehicles
    )
    return [
        f"{name}: {preset_summary(name)}",
        f"  connection   {house.limit_kw:.1f} kW, load management {managed}",
        *_describe_sun(scenario),
        f"  charger      {_describe_charger(scenario)}",
        f"  vehicles     {cars}",
        f"  driving      {scenario.driving.pattern}",
        f"  tariff       {tariff.name}, in {tariff.currency}",
        *_describe_power_charge(scenario),
        f"  series       {data.source}, {data.weeks} weeks from {data.start}, {data.zone}",
        f"  step         {scenario.time_step_min} min, {_describe_horizon(scenario)} from "
        f"{scenario.start_hour}:00",
    ]


def _describe_horizon(scenario: Scenario) -> str:
    return "a calendar month" if scenario.by_month else f"{scenario.days} day(s)"


def _describe_sun(scenario: Scenario) -> list[str]:
    sun = scenario.solar
    if scenario.household.net_load:
        return ["  sun          in the net load"]
    if sun.peak_kw == 0.0:
        return []
    return [
        f"  sun          {sun.peak_kw:g} kW of PV, inverter {sun.limit_kw:g} kW, "
        f"tilt {sun.tilt_deg:g} deg, azimuth {sun.azimuth_deg:g} deg"
    ]


def _describe_charger(scenario: Scenario) -> str:
    charger = scenario.charger
    words = [f"{charger.phases} x {charger.max_current_a} A"]
    if charger.levels_kw is not None:
        words = ["levels " + ", ".join(f"{level:g}" for level in charger.levels_kw) + " kW"]
    if charger.count is not None:
        words.append(f"{charger.count} for {len(scenario.vehicles)} cars")
    words += ["switches phases"] if charger.phase_switching else []
    words += ["bidirectional"] if charger.bidirectional else []
    return ", ".join(words)


def _describe_power_charge(scenario: Scenario) -> list[str]:
    return [
        f"  power charge {rule_in_words(rule, scenario.currency)}" for rule in scenario.tariff.peaks
    ]
