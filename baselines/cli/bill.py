"""`ev-gym bill`: what a household's months would cost, under tariffs and policies side by side."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from baselines.bill.household import Setting
from baselines.cli.options import POLICY, POLICY_HELP, SCENARIO_HELP, named_scenario
from ev_gym.scenario import Scenario, SeriesFile
from ev_gym.scenario.parameters import to_plain

DEFAULT_POLICIES = ("uncontrolled", "price_based", "water_filling")


def setting(text: str) -> Setting:
    """`household.fuse_a=16` as the place of a parameter and its value, JSON or else text.

    Raises:
        click.BadParameter: for text that is not of this form.
    """
    name, sign, value = text.partition("=")
    if not sign or not all(name.split(".")):
        raise click.BadParameter(
            f"{text!r} is no parameter with a value, such as household.fuse_a=16"
        )
    at = tuple(name.split("."))
    if len(at) == 1 and at[0] in {field.name for field in fields(SeriesFile)}:
        raise click.BadParameter(
            f"{name} is an option of a file; allowed: data.price.{name}, data.load.{name} and so on"
        )
    known = to_plain(Scenario())
    parts = [key for key, part in known.items() if isinstance(part, dict) and name in part]
    if parts and name not in known:
        raise click.BadParameter(f"{name} is a part of {parts[0]}; allowed: {parts[0]}.{name}")
    try:
        return at, json.loads(value.lower() if value in ("True", "False", "None") else value)
    except ValueError:
        return at, value


@click.command()
@click.option("--scenario", help=f"{SCENARIO_HELP} Default: goteborg-2026.")
@click.option("--tariff", "tariffs", multiple=True,
              help="A known tariff (`ev-gym tariffs`); several are compared. Default: the "
              "scenario's.")  # fmt: skip
@click.option("--policy", "policies", type=POLICY, multiple=True,
              help=f"{POLICY_HELP} Several are compared. Default: "
              f"{', '.join(DEFAULT_POLICIES)}.")  # fmt: skip
@click.option("--car", "cars", multiple=True,
              help="A known car (`ev-gym cars`). May be repeated. Default: the "
              "scenario's.")  # fmt: skip
@click.option("--km", "km_a_year", type=click.FloatRange(min=0),
              help="What each car drives a year, alike every day, at home from 17 to 7. Default: "
              "as the scenario's drivers do.")  # fmt: skip
@click.option("--price", help="File of spot prices, or a market's area such as SE3 or DE-LU.")
@click.option("--load", help="File of the house's base load.")
@click.option("--temperature", help="File of outdoor temperatures.")
@click.option("--sun", help="File of irradiance.")
@click.option("--set", "settings", type=setting, multiple=True, metavar="NAME=VALUE",
              help="Any parameter of the scenario, such as solar.peak_kw=8 or "
              "data.load.stamp_zone=Europe/Oslo; lists as JSON in quotes. "
              "May be repeated.")  # fmt: skip
@click.option("--what-if", "what_ifs", multiple=True, metavar="NAME=VALUE ...",
              help="The same household with other parameters beside it, a space between them, in "
              "quotes. May be repeated.")  # fmt: skip
@click.option("--from", "first_month", help="First month, as YYYY-MM. Default: so that the months "
              "are the last ones of the series.")  # fmt: skip
@click.option(
    "--months", type=click.IntRange(1, 12), help="How many. Default: 12, or what there is."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of the drivers.")  # fmt: skip
@click.option("--explain", is_flag=True, help="Say in three sentences where the money went.")
@click.option("--out", type=click.Path(path_type=Path), default="bill", show_default=True)
def bill(
    scenario: str | None,
    tariffs: tuple[str, ...],
    policies: tuple[str, ...],
    cars: tuple[str, ...],
    km_a_year: float | None,
    price: str | None,
    load: str | None,
    temperature: str | None,
    sun: str | None,
    settings: tuple[Setting, ...],
    what_ifs: tuple[str, ...],
    first_month: str | None,
    months: int | None,
    seed: int,
    explain: bool,
    out: Path,
) -> None:
    """What would my bill be? Invoices month by month, and other tariffs and policies beside them.

    Writes invoices.csv (every month and item of each tariff and policy), years.csv and bill.png.
    """
    from baselines.bill import household, picture, words, year

    own_series = {"price": price, "load": load, "temperature": temperature, "sun": sun}
    changes = _changes(cars, km_a_year, own_series)
    base = named_scenario(scenario) if scenario else household.usual_household(tariffs)
    variants = {"": settings} | {
        text: (*settings, *map(setting, text.split())) for text in what_ifs
    }
    found = [
        (each, text)
        for text, own_settings in variants.items()
        for each in household.scenarios(base, tariffs, changes, own_settings, first_month, months)
    ]
    chosen = year.chosen_months(found[0][0], first_month, months)
    click.echo(f"Household: {household.in_words(found[0][0])}.", err=True)
    outcomes = []
    for each, text in found:
        for policy in policies or DEFAULT_POLICIES:
            what = ", ".join(word for word in (each.tariff.name, text, policy) if word)
            click.echo(f"{what}: {chosen[0]} to {chosen[-1]} ...", err=True)
            outcomes.append(year.live(each, text, policy, chosen, seed))
    first = outcomes[0]
    currency = first.scenario.currency
    click.echo(f"\nInvoices, {first.scenario.tariff.name}, {first.policy}, {currency}:\n")
    click.echo(words.in_columns(words.invoice_table(first)))
    plural = "s" if len(chosen) > 1 else ""
    click.echo(f"\n{len(chosen)} month{plural}, {currency}:\n")
    click.echo(words.in_columns(words.comparison_table(outcomes)))
    for line in words.switching(outcomes):
        click.echo(line)
    for note in household.notes(first.scenario):
        click.echo(f"Note: {note}.")
    for note in words.booking_notes(outcomes):
        click.echo(f"Note: {note}.")
    if explain:
        click.echo(f"\n{words.explanation(outcomes)}")
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in ("invoices.csv", "years.csv", "bill.png")]
    words.invoices_csv(outcomes, paths[0])
    words.comparison_table(outcomes).to_csv(paths[1], lineterminator="\n")
    picture.draw(outcomes, paths[2])
    click.echo("\nwrote " + ", ".join(str(path) for path in paths))


def _changes(
    cars: tuple[str, ...],
    km_a_year: float | None,
    own_series: dict[str, str | None],
) -> dict[str, Any]:
    """The options as overrides of a scenario."""
    from baselines.bill.household import YEAR_DAYS
    from ev_gym.markets import AREAS

    changes: dict[str, Any] = {}
    if cars:
        changes["vehicles"] = [{"model": car} for car in cars]
    if km_a_year is not None:
        changes["driving"] = {"pattern": "daily", "trip_km": km_a_year / YEAR_DAYS}
    for part, given in own_series.items():
        if given is None:
            continue
        is_area = part == "price" and given in AREAS
        if part == "price" and not is_area and not Path(given).exists():
            raise click.BadParameter(
                f"{given!r} is neither a file nor a market's area; allowed: "
                f"a file, {', '.join(AREAS)}",
                param_hint="--price",
            )
        where = {"market": given} if is_area else {"path": str(Path(given).resolve())}
        changes.setdefault("data", {})[part] = where
    return changes
