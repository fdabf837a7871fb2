"""The command `ev-gym prices`: a day's prices as a table, a picture, a file."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ev_gym.markets import AREAS, SOURCES, MarketError, prices
from ev_gym.markets.records import today

if TYPE_CHECKING:
    import pandas as pd

PICTURE = "prices.png"
_STAMP = "%Y-%m-%dT%H:%MZ"  # as `Dataset.from_csv` reads it


@click.command("prices")
@click.argument("area")
@click.option("--day", default="today", show_default=True, help="today, tomorrow or YYYY-MM-DD.")
@click.option("--source", type=click.Choice([name for name, s in SOURCES.items() if s.prices]),
              help="Default: the area's first that can be reached.")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), is_flag=False, flag_value=Path(PICTURE),
              help=f"Draw the day. Default file: {PICTURE}.")  # fmt: skip
@click.option(
    "--csv", type=click.Path(path_type=Path), help="Write the day as a scenario reads it."
)
def show_prices(
    area: str, day: str, source: str | None, plot: Path | None, csv: Path | None
) -> None:
    """Show the day-ahead prices of AREA, such as SE3, DE-LU or GB-C, in local time.

    They are without VAT, tax and grid fees. Those of tomorrow are published at about 13:00 in
    continental Europe, at about 16:00 in Great Britain.
    """
    if area not in AREAS:
        raise MarketError(f"area is {area!r}; allowed: {', '.join(AREAS)}")
    chosen = _day(day, AREAS[area].market_zone)
    series = prices(area, chosen, chosen, source=source)
    click.echo(table(series, area, chosen))
    if csv is not None:
        series.to_csv(csv, date_format=_STAMP, lineterminator="\n")
        click.echo(f"wrote {csv}")
    if plot is not None:
        draw(series, area, chosen, plot)
        click.echo(f"wrote {plot}")


def _day(text: str, zone: str) -> date:
    """The day that an option names.

    Raises:
        click.UsageError: if it names none.
    """
    words = {"today": 0, "tomorrow": 1}
    if text in words:
        return today(zone) + timedelta(days=words[text])
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--day is {text!r}; allowed: today, tomorrow, or a day as YYYY-MM-DD"
        ) from None


def unit_of(series: pd.Series[float]) -> str:
    """The unit of a price series as people write it, such as SEK/kWh."""
    _, currency, _, energy = str(series.name).split("_")
    return f"{currency.upper()}/{ {'kwh': 'kWh', 'mwh': 'MWh'}[energy] }"


def table(series: pd.Series[float], area: str, day: date) -> str:
    """A day's prices: a row an hour of the local clock, a column for each part of the hour.

    Args:
        series: Prices (intervals,), as `ev_gym.markets.prices` returns them for one day.
        area: The area's name.
        day: The day.
    """
    import pandas as pd

    local = _local(series, area)
    unit, digits = unit_of(series), 4 if unit_of(series).endswith("kWh") else 2
    stamps: Any = local.index
    minutes = sorted(set(stamps.minute))
    # The hour that occurs twice has two rows, which their offsets tell apart.
    clock = "%H %z" if stamps[0].utcoffset() != stamps[-1].utcoffset() else "%H"
    rows: dict[Any, list[str]] = {}
    for stamp, value in zip(stamps, local.to_numpy(), strict=True):
        hour = stamp - pd.Timedelta(minutes=stamp.minute)  # `floor` asks which of two hours it is
        rows.setdefault(hour, []).append(f"{value:9.{digits}f}")
    lines = [
        f"{area}, {day:%A} {day}, {unit} without VAT, {AREAS[area].zone}",
        " " * len(f"{stamps[0]:{clock}}") + "".join(f"{f':{minute:02}':>9}" for minute in minutes),
        *(f"{hour:{clock}}" + "".join(cells) for hour, cells in rows.items()),
        f"mean {series.mean():.{digits}f}, lowest {series.min():.{digits}f} at "
        f"{local.idxmin():%H:%M}, highest {series.max():.{digits}f} at {local.idxmax():%H:%M}",
        f"{series.attrs['attribution']} ({series.attrs['licence']})",
    ]
    return "\n".join(lines)


def draw(series: pd.Series[float], area: str, day: date, path: Path) -> None:
    """Draw a day's prices as PNG, with the source below."""
    import matplotlib.dates

    from baselines import plot_style
    from ev_gym.rendering.picture import GREY, INK

    local = _local(series, area)
    frame = local.rename("price").rename_axis("time").reset_index()
    with plot_style.png(path, 6.4, 2.8) as figure:
        axes = figure.add_subplot()
        edges = plot_style.edge_days(frame)
        axes.stairs(series.to_numpy(), edges, baseline=None, color=INK, lw=1.4, gid="price")
        axes.axhline(series.mean(), color=GREY, lw=0.8, ls="--")
        axes.set_title(f"{area}, {day}: day-ahead price, dashed: mean")
        axes.set_ylabel(f"{unit_of(series)} without VAT")
        axes.grid(axis="y")
        plot_style.local_days(axes, frame)
        dates: Any = matplotlib.dates  # its functions are not typed
        clock = dates.DateFormatter("%H:%M", tz=AREAS[area].zone)
        axes.xaxis.set_major_formatter(clock)  # the title holds the day
        figure.supxlabel(series.attrs["attribution"], fontsize=7, color=GREY, x=0.99, ha="right")


def _local(series: pd.Series[float], area: str) -> pd.Series[float]:
    """The series on the area's own clock."""
    return series.tz_convert(AREAS[area].zone)
