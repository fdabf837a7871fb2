"""`ev-gym tariffs`: the known tariffs, and what each of them holds, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from ev_gym.scenario import (
    ContractedPower,
    Fee,
    PeakPrice,
    PeakRule,
    Price,
    Share,
    Tariff,
)
from ev_gym.scenario.known_tariffs import COUNTRY_OF, TARIFFS, known_tariff
from ev_gym.scenario.parameters import to_plain
from ev_gym.scenario.when import ALL_WEEK, ALL_YEAR, When

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NO_CHARGE = "none"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Every parameter, as JSON.")
@click.argument("names", nargs=-1)
def tariffs(names: tuple[str, ...], as_json: bool) -> None:
    """List the known tariffs, or what each of NAMES holds. All prices are without VAT."""
    chosen = [known_tariff(name) for name in names] or list(TARIFFS.values())
    if as_json:
        plain = {row.name: {"country": COUNTRY_OF[row.name], **to_plain(row)} for row in chosen}
        click.echo(json.dumps(plain, indent=2))
    elif names:
        click.echo("\n".join("\n".join(description(row)) for row in chosen))
    else:
        click.echo("\n".join(table(chosen)))


def table(rows: Iterable[Tariff]) -> list[str]:
    """A line for each tariff: name, country, currency, year, and what peaks cost."""
    cells = [("name", "country", "currency", "year", "power charge")]
    for row in rows:
        charges = "; ".join(rule_in_words(rule, row.currency) for rule in row.peaks)
        cells.append(
            (row.name, COUNTRY_OF[row.name], row.currency, year_of(row.name), charges or NO_CHARGE)
        )
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def year_of(name: str) -> str:
    """What a name says of its price list's time: a year, or a year and a month."""
    first = next(place for place, part in enumerate(name.split("-")) if part[:2] == "20")
    return "-".join(name.split("-")[first:])


def description(tariff: Tariff) -> list[str]:
    """What a tariff holds, a line for each row."""
    money = tariff.currency
    lines = [f"{tariff.name}: {COUNTRY_OF[tariff.name]}, in {money}, all without VAT"]

    def add(label: str, rows: Iterable[str]) -> None:
        for row in rows:
            lines.append(f"  {label:<13}{row}")
            label = ""

    add("source", [tariff.source or "not given"])
    if tariff.holidays is not None:
        add("holidays", [f"{tariff.holidays}, which are Sundays in all that follows"])
    for days in tariff.called_days:
        known = f"{len(days.dates)} days" if days.dates else "to be given"
        add("called days", [f"{days.name}: {known}, each from {days.begins}"])
    for label in ("energy", "transfer", "taxes"):
        add(label, [_price(row, money) for row in getattr(tariff, label)])
    add("levy", [f"{_share(row)} of energy, transfer, power and contracts" for row in tariff.levy])
    upto = tariff.credits_up_to_kwh
    up_to = "" if upto is None else f", up to {upto:g} kWh a month"
    add("credits", [_price(row, money) + up_to for row in tariff.credits])
    add("VAT", map(_share, tariff.vat))
    add("fees", [_fee(row, money) for row in tariff.fees])
    add("contracts", [_contract(row, money) for row in tariff.contracts])
    for rule in tariff.peaks:
        add("power charge", _rule(rule, money))
    if tariff.network_ceiling_per_kwh is not None:
        add("ceiling", [f"{tariff.network_ceiling_per_kwh:g} {money}/kWh of transfer and power"])
    add("export", [_price(row, money) for row in tariff.export] or ["earns nothing"])
    add("netting", [tariff.netting])
    return lines


def rule_in_words(rule: PeakRule, currency: str) -> str:
    """What a power charge asks for, in one line."""
    kind = "highest hour" if rule.interval_min == 60 else f"highest {rule.interval_min} minutes"
    peaks = f"mean of the {rule.count} {kind}s" if rule.count > 1 else kind
    prices = [_peak_price(price, currency) for price in rule.prices]
    weighted = ", weighted by hours" if rule.weights else ""
    return f"{', '.join(prices)} a {rule.over}, {peaks}{weighted}"


def _rule(rule: PeakRule, currency: str) -> list[str]:
    lines = [rule_in_words(rule, currency)]
    if rule.count > 1 and not rule.different_days:
        lines.append("peaks may be of one day")
    if rule.floor_kw:
        lines.append(f"each peak counts as {rule.floor_kw:g} kW at least")
    if rule.invoice_months > 1:
        lines.append(f"the invoice shows the mean of {rule.invoice_months} months")
    for price in rule.prices:
        if price.steps_kw is not None and price.steps_price is not None:
            steps = zip(price.steps_kw, price.steps_price, strict=True)
            words = ", ".join(f"{cost:.6g} from {kw:g} kW" for kw, cost in steps)
            lines.append(f"steps{_season(price)}: {words}")
        elif _season(price):
            lines.append(f"{_peak_price(price, currency)}{_season(price)}")
    lines += [f"counts {row.factor:g} times{_when(row)}" for row in rule.weights]
    return lines


def _peak_price(price: PeakPrice, currency: str) -> str:
    if price.steps_price is None:
        return f"{price.per_kw:.6g} {currency}/kW"
    return f"{price.steps_price[0]:.6g} to {price.steps_price[-1]:.6g} {currency} in steps"


def _price(row: Price, currency: str) -> str:
    words = f"{row.per_kwh:.6g} {currency}/kWh"
    if row.spot_factor:
        spot = "spot" if row.spot_factor == 1.0 else f"{row.spot_factor:g} x spot"
        sign = "-" if row.per_kwh < 0.0 else "+"
        words = spot if row.per_kwh == 0.0 else f"{spot} {sign} {abs(row.per_kwh):.6g}"
        words += f" {currency}/kWh" if row.per_kwh else ""
    if row.floor_per_kwh is not None:
        words += f", at least {row.floor_per_kwh:.6g}"
    if row.cap_per_kwh is not None:
        words += f", at most {row.cap_per_kwh:.6g}"
    return _named(row) + words + _when(row)


def _fee(row: Fee, currency: str) -> str:
    return f"{_named(row)}{row.amount:.6g} {currency} a {row.per}{_season(row)}"


def _contract(row: ContractedPower, currency: str) -> str:
    return f"{_named(row)}{row.kw:g} kW at {row.per_kw_year:.6g} {currency}/kW a year{_when(row)}"


def _share(row: Share) -> str:
    since = "" if row.valid_from is None else f", from {row.valid_from} on"
    return f"{100.0 * row.share:.6g} %{since}"


def _named(row: Any) -> str:
    return "" if row.name is None else f"{row.name}: "


def _when(row: When) -> str:
    """When a row holds, in words that follow what it holds."""
    words = ""
    if (row.from_time, row.to_time) != ("00:00", "24:00"):
        words += f", {row.from_time}-{row.to_time}"
    if row.weekdays != ALL_WEEK:
        words += ", " + _spans([WEEKDAYS[day] for day in row.weekdays], WEEKDAYS)
    if row.called is not None:
        words += f", on days called {row.called!r}"
    return words + _season(row)


def _season(row: Any) -> str:
    words = ""
    if row.months != ALL_YEAR:
        words += ", " + _spans([MONTHS[month - 1] for month in row.months], MONTHS)
    return words + ("" if row.valid_from is None else f", from {row.valid_from} on")


def _spans(names: list[str], order: tuple[str, ...]) -> str:
    """Names of days or months, runs of three or more as "Nov-Mar"."""
    places = {order.index(name) for name in names}
    starts = sorted(place for place in places if (place - 1) % len(order) not in places)
    spans = []
    for start in starts:
        run = [start]
        while (run[-1] + 1) % len(order) in places:
            run.append((run[-1] + 1) % len(order))
        ends = [order[run[0]], order[run[-1]]]
        spans.append("-".join(ends) if len(run) > 2 else ", ".join(order[p] for p in run))
    return ", ".join(spans)
