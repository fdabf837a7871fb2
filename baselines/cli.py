"""The console script `ev-gym`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from baselines.policy import POLICY_NAMES
from ev_gym.presets import preset, preset_names, preset_summary
from ev_gym.scenario import Scenario


def _scenario(name: str) -> Scenario:
    """A preset's name, or a JSON file of overrides, called by the file unless it has a name."""
    import json

    path = Path(name)
    try:
        if path.suffix != ".json":
            return preset(name)
        given = json.loads(path.read_text(encoding="utf-8"))
        named = {"name": path.stem, **given} if isinstance(given, dict) else given
        return Scenario.from_dict(named)
    except (ValueError, OSError) as error:
        raise click.BadParameter(f"{name}: {error}") from error


SCENARIO_HELP = f"{', '.join(preset_names())}, or a .json file of overrides."
POLICY = click.Choice(POLICY_NAMES)


class _Errors(click.Group):
    """Turns errors about input into one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Errors, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Simulate a household that charges electric cars, and compare charging policies."""


@main.command()
@click.option("--scenario", default="stockholm", show_default=True, help=SCENARIO_HELP)
@click.option("--policy", type=POLICY, default="price_based", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--days", type=click.IntRange(1, 366), help="Default: the scenario's horizon.")
@click.option("--out", type=click.Path(path_type=Path), default="run", show_default=True)
def run(scenario: str, policy: str, seed: int, days: int | None, out: Path) -> None:
    """Drive one household and write battery_log.csv, charging_log.txt and battery_plot.png."""
    from baselines import running

    chosen = _scenario(scenario)
    ride = running.drive(chosen, policy, seed, days)
    paths = running.write(ride, chosen, policy, out)
    click.echo(running.bill(ride, chosen))
    click.echo("wrote " + ", ".join(str(path) for path in paths))


@main.command()
@click.option("--scenario", "scenarios", multiple=True, default=["stockholm"], show_default=True,
              help=SCENARIO_HELP + " May be repeated.")  # fmt: skip
@click.option(
    "--policy", "policies", type=POLICY, multiple=True, help="Default: all. May be repeated."
)
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, default=[0],
              show_default=True, help="May be repeated.")  # fmt: skip
@click.option("--households", type=click.IntRange(min=1), default=32, show_default=True,
              help="Households drawn for each seed.")  # fmt: skip
@click.option("--days", type=click.IntRange(1, 366), help="Default: 28; 7 with --split test.")
@click.option("--split", type=click.Choice(["train", "test"]), help="Default: all weeks.")
@click.option("--out", type=click.Path(path_type=Path), default="results", show_default=True)
@click.option("--quiet", is_flag=True, help="No progress bar and no table.")
def benchmark(
    scenarios: tuple[str, ...],
    policies: tuple[str, ...],
    seeds: tuple[int, ...],
    households: int,
    days: int | None,
    split: str | None,
    out: Path,
    quiet: bool,
) -> None:
    """Compare policies on the same episodes: a table, CSV files and pictures."""
    from functools import partial

    from tqdm import tqdm

    from baselines import benchmark as bench

    plan = bench.Plan(
        scenarios=tuple(_scenario(name) for name in scenarios),
        policies=policies or POLICY_NAMES,
        seeds=seeds,
        households=households,
        days=days or (7 if split == "test" else 28),
        split=split,
    )
    progress = partial(tqdm, file=sys.stderr, disable=quiet, leave=False)
    summary, steps = bench.compare(plan, progress)
    paths = bench.write(summary, steps, out)
    if not quiet:
        click.echo(bench.table(summary))
        click.echo("wrote " + ", ".join(str(path) for path in paths))


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


def _describe(name: str, scenario: Scenario) -> list[str]:
    house, charger, tariff, data = (
        scenario.household,
        scenario.charger,
        scenario.tariff,
        scenario.data,
    )
    levels = charger.levels_kw
    power = f"{charger.phases} x {charger.max_current_a} A"
    if levels is not None:
        power = "levels " + ", ".join(f"{level:g}" for level in levels) + " kW"
    managed = "on" if charger.load_management else "off"
    cars = "; ".join(
        f"{car.name} ({car.battery_kwh:g} kWh, wants {car.wanted_soc:.0%})"
        for car in scenario.vehicles
    )
    return [
        f"{name}: {preset_summary(name)}",
        f"  connection   {house.limit_kw:.1f} kW, load management {managed}",
        f"  charger      {power}",
        f"  vehicles     {cars}",
        f"  driving      {scenario.driving.pattern}",
        f"  price        spot + tax {tariff.energy_tax_per_kwh:g} + transfer "
        f"{tariff.transfer_per_kwh:g} {scenario.currency}/kWh, VAT {tariff.vat:.0%}",
        f"  series       {data.source}, {data.weeks} weeks from {data.start}, {data.zone}",
        f"  step         {scenario.time_step_min} min, {scenario.days} day(s) from "
        f"{scenario.start_hour}:00",
    ]
