"""`ev-gym data`: files of series, looked at before a simulation reads them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from baselines.cli.options import named_scenario
from ev_gym.scenario import CarbonSource, PriceSource, Scenario, SeriesFile
from ev_gym.scenario.series_source import CARBON

if TYPE_CHECKING:
    from ev_gym.series.file_report import Report

ROLES = ("price", "load", "temperature", "irradiance", "carbon")
PARTS = dict(zip(("price", "load", "temperature", "sun", "carbon"), ROLES, strict=True))
WIDTH_IN, HEIGHT_IN = 8.0, 1.8


@click.group()
def data() -> None:
    """Look at series before a simulation reads them."""


def _reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each declared parameter of a file, but its path and its pairing."""
    declared = [f for f in dataclasses.fields(SeriesFile) if f.name not in ("path", "pair")]
    for field in reversed(declared):
        rule = field.metadata
        kind: dict[str, Any] = {"type": str}
        if rule.get("many"):
            kind["multiple"] = True
        elif rule.get("allowed") == (False, True):
            kind = {"is_flag": True}
        elif "allowed" in rule:
            kind["type"] = click.Choice([word for word in rule["allowed"] if word is not None])
        elif rule.get("whole"):
            kind["type"] = click.IntRange(int(rule["low"]), int(rule["high"]))
        name = f"--{field.name.replace('_', '-')}"
        more = " May be repeated." if rule.get("many") else ""
        help_text = f"{rule['meaning'][0].upper()}{rule['meaning'][1:]}.{more}"
        command = click.option(name, default=field.default, help=help_text, **kind)(command)
    return command


@data.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--role", type=click.Choice(ROLES), help="What to read; default: all that is there.")
@click.option("--zone", default="Europe/Stockholm", show_default=True,
              help="Time zone in which days are counted.")  # fmt: skip
@click.option("--place", type=(float, float), default=None,
              help="Latitude and longitude, to check irradiance against the sun.")  # fmt: skip
@click.option("--net-load", is_flag=True, help="A load is import less export, and may be below 0.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the series to this .png file.")
@_reading_options
def check(
    files: tuple[Path, ...],
    role: str | None,
    zone: str,
    place: tuple[float, float] | None,
    net_load: bool,
    plot: Path | None,
    **options: Any,
) -> None:
    """Tell what files of series are understood to hold: units, stamps, resolution, extremes.

    A file that a simulation would refuse is refused here with the same words. Of a scenario's .json
    file, all files that it names are read as it says; options and zone are then its own.
    """
    from ev_gym.series.file_report import report, roles_of

    reports: list[Report] = []
    calendars = []
    for path in files:
        if path.suffix == ".json":
            scenario = named_scenario(str(path))
            sun = scenario.solar
            there = (sun.latitude_deg, sun.longitude_deg) if sun.peak_kw else None
            is_net = scenario.household.net_load
            read: dict[str, Report] = {}
            for part, of_part in PARTS.items():
                origin = scenario.data.origin(part)
                if isinstance(origin, SeriesFile) and origin.path is not None:
                    folder = os.environ.get("EV_GYM_DATA", "")
                    file = dataclasses.replace(origin, path=os.path.join(folder, origin.path))
                    read[part] = report(file, of_part, scenario.data.zone, there, is_net)
            reports += read.values()
            calendars.append(_calendar(scenario, read))
        else:
            file = SeriesFile(path=str(path), **options)
            roles = [role] if role else roles_of(file)
            if not roles:
                raise click.ClickException(
                    f"{path}: no column has a known unit; allowed: --unit, such as kwh, or names "
                    "that end in _sek_per_kwh, _kw, _kwh, _c, ghi_w_per_m2 or _g_per_kwh"
                )
            reports += [report(file, each, zone, place, net_load) for each in roles]
    click.echo("\n\n".join(["\n".join(each.lines) for each in reports] + calendars))
    if plot is not None:
        _draw(reports, zone, plot)
        click.echo(f"wrote {plot}")


def _calendar(scenario: Scenario, read: dict[str, Report]) -> str:
    """The calendar of a scenario's series, and how its files are paired with it."""
    from ev_gym.series.of_scenario import dataset_of

    dataset = dataset_of(scenario)
    local = dataset.start.astimezone(ZoneInfo(dataset.zone))
    start_s = dataset.start.timestamp()
    end_s = start_s + dataset.weeks * 7 * 86400
    lines = [
        f"{scenario.name}: {dataset.weeks} weeks from {local:%a %Y-%m-%d}, houses "
        f"{dataset.houses}, prices in {dataset.currency} of {dataset.price_minutes} minutes"
    ]
    for part in PARTS:
        if part == CARBON and scenario.data.carbon is None:
            continue  # most scenarios have none, and nothing is missing then
        if part not in read:
            how = _without_file(scenario, part)
        else:
            last_s = read[part].start_s + read[part].step_s * _length(read[part])
            covers = read[part].start_s <= start_s and end_s <= last_s
            how = "by time" if covers else "by position: ISO week, weekday and time of day"
        lines.append(f"  {part:<12} {how}")
    return "\n".join(lines)


def _without_file(scenario: Scenario, part: str) -> str:
    """Where a part comes from that no file holds."""
    origin = scenario.data.origin(part)
    if isinstance(origin, (PriceSource, CarbonSource)):
        return f"as published for {origin.market}"
    if origin is None:
        return f"{scenario.data.temperature_c:g} deg C" if part == "temperature" else "none"
    return "built in"


def _length(report: Report) -> int:
    return int(next(iter(report.columns.values())).size)


def _draw(reports: list[Report], zone: str, path: Path) -> None:
    """A row for each report: the means of its days, and the mean day on the local clock."""
    import pandas as pd

    from baselines.plot_style import png

    with png(path, WIDTH_IN, HEIGHT_IN * len(reports)) as figure:
        panels = figure.subplots(len(reports), 2, squeeze=False, width_ratios=[3, 1])
        for (left, right), each in zip(panels, reports, strict=True):
            for name, values in each.columns.items():
                seconds = each.start_s + each.step_s * pd.RangeIndex(values.size).to_numpy()
                local = pd.to_datetime(seconds, unit="s", utc=True).tz_convert(zone)
                series = pd.Series(values, index=local)
                by_day = series.groupby(local.date).mean()
                left.plot(by_day.index, by_day.to_numpy(), lw=0.8, label=name)
                hours = local.hour + local.minute / 60
                by_hour = series.groupby(hours).mean()
                right.plot(by_hour.index, by_hour.to_numpy(), lw=0.8)
            left.set_ylabel(each.unit)
            left.set_title(", ".join(each.columns))
            right.set_title("mean day")
            right.set_xticks([0, 6, 12, 18, 24])
