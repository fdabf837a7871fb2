"""`python -m ev_gym.reference` prints the tables of every declared number as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ev_gym import scenario
from ev_gym.scenario.parameters import table_of
from ev_gym.simulation.observation import observation_fields
from ev_gym.simulation.state_fields import (
    REWARD_TERMS,
    STEP_FIELDS,
    VEHICLE_STATE,
    VEHICLE_STEP_FIELDS,
    Field,
    household_state,
)

PARTS = (
    ("household", scenario.Household),
    ("solar", scenario.Solar),
    ("charger", scenario.Charger),
    ("vehicles", scenario.Vehicle),
    ("driving", scenario.Driving),
    ("tariff", scenario.Tariff),
    ("data", scenario.Data),
    ("data.load", scenario.SeriesFile),
    ("data.price", scenario.PriceSource),
    ("data.carbon", scenario.CarbonSource),
    ("reward_weights", scenario.RewardWeights),
)


# What a tariff's lists hold, and which lists hold it; below, the same of all parts with lists.
OF_TARIFF = (
    (scenario.Price, "`energy`, `transfer`, `taxes`, `credits`, `export`"),
    (scenario.Fee, "`fees`"),
    (scenario.Share, "`vat`, `levy`"),
    (scenario.PeakRule, "`peaks`"),
    (scenario.PeakPrice, "`prices` of a peak rule"),
    (scenario.Weight, "`weights` of a peak rule"),
    (scenario.ContractedPower, "`contracts`"),
    (scenario.CalledDays, "`called_days`"),
)
ROWS: dict[type, Sequence[tuple[type, str]]] = {
    scenario.Tariff: OF_TARIFF,
    scenario.Charger: ((scenario.Dimming, "`dimming`"),),
}


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def _fields(fields: Iterable[Field]) -> str:
    rows = [(f"`{field.name}`", field.unit, field.meaning) for field in fields]
    return _table(("name", "unit", "meaning"), rows)


def _parameters(kind: type) -> str:
    rows = [
        (f"`{row['name']}`", row["default"], row["unit"], row["meaning"], row["allowed"])
        for row in table_of(kind)
    ]
    return _table(("name", "default", "unit", "meaning", "allowed"), rows)


def markdown() -> str:
    """The whole reference page."""
    fields = observation_fields("stockholm")
    middle = [field.name for field in fields if re.fullmatch(r"price_[hm]\d+", field.name)][1:-1]
    observation = [
        (
            f"`{field.name}`",
            field.unit,
            field.meaning,
            f"{field.slice.start}",
            f"{field.low:.4g}",
            f"{field.high:.4g}",
            f"{field.offset:g}",
            f"{field.factor:g}",
        )
        for field in fields
        if field.name not in middle
    ]
    terms = [field for field in STEP_FIELDS if field.name.endswith("_term")]
    results = [field for field in STEP_FIELDS if field not in terms]
    parts = [
        "# Reference",
        "Written by `python -m ev_gym.reference`; the code reads the same tables.",
        "## Observation",
        "On the preset `stockholm`; the bounds are those of its series. Fields from `plugged` on "
        "have one entry for each car. Of the price window only the first and the last are shown. "
        '`observation="scaled"` shows (number - offset) / factor.',
        _table(
            ("name", "unit", "meaning", "first", "low", "high", "offset", "factor"), observation
        ),
        "## Results of a step (`info`, logs)",
        "Currency is the scenario's. Of the house:",
        _fields(results),
        "Of each car, arrays (K,):",
        _fields(VEHICLE_STEP_FIELDS),
        f'Terms of the reward, in `info["reward_terms"]` as {", ".join(REWARD_TERMS)}:',
        _fields(terms),
        "## Scenario parameters",
        _parameters(scenario.Scenario),
    ]
    for name, kind in PARTS:
        parts += [f"### `{name}`", _parameters(kind)]
        for row, lists in ROWS.get(kind, ()):
            parts += [f"#### `{row.__name__}`, a row of {lists}", _parameters(row)]
    parts += ["## State", "Of the household:", _fields(household_state(1, 3))]
    parts += ["Of each car:", _fields(VEHICLE_STATE)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
