"""Bills as tables that add up in every row and column, and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.bill.household import CHANGED
from baselines.bill.year import CENTS, ITEMS, Outcome
from ev_gym.invoice import Invoice

if TYPE_CHECKING:
    import pandas as pd

AS_IT_IS = "as it is"
ITEM_NAMES = {
    "spot": "energy at spot",
    "markup": "supplier",
    "transfer": "transfer",
    "taxes": "taxes",
    "power": "peaks",
    "contracts": "contracted power",
    "levy": "levy",
    "fees": "fixed fees",
    "credits": "support",
    "vat": "VAT",
    "export": "export",
    "ceiling": "ceiling",
    "total": "total",
}


def invoice_table(outcome: Outcome) -> pd.DataFrame:
    """A row for each month and their sum, a column for each item that is not 0, and the total.

    Items are rounded to cents; totals are sums of these, so every row and every column adds up.
    """
    import pandas as pd

    shown = outcome.months[list(ITEMS)].round(CENTS)
    shown = shown.loc[:, (shown != 0.0).any(axis=0)].copy()
    shown.index = pd.Index([str(month) for month in shown.index], name="month")
    if outcome.ceiling:
        shown["ceiling"] = 0.0
        shown.loc[shown.index[-1], "ceiling"] = round(outcome.ceiling, CENTS)
    shown["total"] = shown.sum(axis=1).round(CENTS)
    shown.loc["sum"] = shown.sum(axis=0).round(CENTS)
    shown.columns = pd.Index([ITEM_NAMES[name] for name in shown.columns])
    return shown + 0.0  # no -0.00


def comparison_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each tariff and policy: what a year costs, and what of it is for the cars.

    "CO2 kg" is that of charging at home, and is there only where the carbon intensity is known.
    """
    import pandas as pd

    rows = [
        {
            "tariff": outcome.scenario.tariff.name,
            "household": outcome.household or AS_IT_IS,
            "policy": outcome.policy,
            "invoices": outcome.invoiced,
            "public chargers": outcome.public_cost,
            "paid in all": outcome.paid,
            "of it for cars": outcome.cars,
            "battery wear": outcome.wear_cost,
            "stored more kWh": outcome.stored_kwh,
            "imported kWh": outcome.import_kwh,
            "exported kWh": outcome.export_kwh,
            "charged kWh": outcome.charged_kwh,
            "highest hour kW": outcome.highest_kw,
            "above the limit kWh": outcome.overload_kwh,
            "CO2 kg": outcome.co2_kg,
        }
        for outcome in outcomes
    ]
    keys = ["tariff", "household", "policy"]
    if not any(outcome.household for outcome in outcomes):
        keys.remove("household")
        rows = [{key: row[key] for key in row if key != "household"} for row in rows]
    frame = pd.DataFrame(rows).set_index(keys)
    seldom = ["public chargers", "exported kWh", "above the limit kWh"]
    dropped = [name for name in seldom if (frame[name].round(CENTS) == 0.0).all()]
    if all(outcome.co2_kg is None for outcome in outcomes):
        dropped.append("CO2 kg")
    frame = frame.drop(columns=dropped)
    return frame.round(CENTS) + 0.0


def switching(outcomes: Sequence[Outcome]) -> list[str]:
    """What another tariff, household or policy would bring, one of them at a time.

    Each is held against the first tariff, household or policy that was named, beside each of the
    other two: whether a policy saves can depend on the tariff.
    """
    grid: dict[tuple[str, ...], Outcome] = {
        (
            outcome.scenario.tariff.name.removesuffix(CHANGED),
            outcome.household or AS_IT_IS,
            outcome.policy,
        ): outcome
        for outcome in outcomes
    }
    first, lines = next(iter(grid)), []
    currency = outcomes[0].scenario.currency
    has_variants = any(outcome.household for outcome in outcomes)
    for part in range(len(first)):
        for names, outcome in grid.items():
            usual = grid.get((*names[:part], first[part], *names[part + 1 :]))
            if usual is None or usual is outcome:
                continue
            change = outcome.paid - usual.paid
            shown = [n for n in range(len(first)) if n != part and (n != 1 or has_variants)]
            where = ", ".join(names[n] for n in shown)
            kind = "more" if change > 0.0 else "less"
            lines.append(
                f"{names[part]} instead of {first[part]} ({where}): "
                f"{abs(change):,.2f} {currency} {kind}"
            )
    return lines


def explanation(outcomes: Sequence[Outcome]) -> str:
    """Where the money went, in three sentences: of the first tariff and policy, and the best."""
    first = outcomes[0]
    currency, tariff = first.scenario.currency, first.label
    items = {ITEM_NAMES[name]: float(first.months[name].sum()) for name in Invoice._fields[:-1]}
    largest = sorted(items.items(), key=lambda item: -item[1])[:3]
    shares = ", ".join(f"{name} {amount:,.0f}" for name, amount in largest)
    house = first.house
    where = (
        f"Of the {first.invoiced:,.0f} {currency} that {tariff} asks for {len(first.months)} "
        f"months under {first.policy}, the largest items are {shares}; without cars it would have "
        f"been {house:,.0f}."
    )
    at_home = first.cars - first.public_cost
    per_kwh = ""
    if first.charged_kwh > 0.0:
        per_kwh = f" ({at_home / first.charged_kwh:.2f} {currency} a kWh)"
    cars = (
        f"The cars took {first.charged_kwh:,.0f} kWh at home for {at_home:,.0f} {currency}"
        f"{per_kwh} and {first.public_kwh:,.0f} kWh at public chargers for "
        f"{first.public_cost:,.0f}, and the highest hour of all was {first.highest_kw:.1f} kW, on "
        f"{first.highest_at:%a %d %b at %H:%M}."
    )
    best = min(outcomes, key=lambda outcome: outcome.paid)
    saved = first.paid - best.paid
    if best is first:
        last = f"Nothing that was compared is cheaper than {first.policy} under {tariff}."
    else:
        last = (
            f"Cheapest of what was compared is {best.policy} under {best.label}, "
            f"{saved:,.0f} {currency} less."
        )
    return " ".join((where, cars, last))


def booking_notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Where an invoice on paper looks different: peaks that it shows as means over months."""
    notes = []
    for outcome in outcomes:
        tariff = outcome.scenario.tariff
        months = max((rule.invoice_months for rule in tariff.peaks), default=1)
        note = (
            f"peaks of {tariff.name} are booked in full in their own month; on paper each invoice "
            f"shows their mean over the last {months} months (shown_power in invoices.csv, with "
            "the least charge for those before the first)"
        )
        if months > 1 and note not in notes:
            notes.append(note)
    return notes


def in_columns(table: pd.DataFrame) -> str:
    """A table of money as text."""
    return table.to_string(float_format=lambda amount: f"{amount:,.2f}")


def invoices_csv(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write every invoice, one below the other."""
    import pandas as pd

    frames = [
        outcome.months.assign(
            tariff=outcome.scenario.tariff.name,
            household=outcome.household or AS_IT_IS,
            policy=outcome.policy,
        )
        for outcome in outcomes
    ]
    keys = ["tariff", "household", "policy", "month"]
    frame = pd.concat(frames).reset_index().set_index(keys)
    frame.to_csv(path, lineterminator="\n")
