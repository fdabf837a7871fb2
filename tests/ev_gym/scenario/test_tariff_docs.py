"""docs/tariffs.md: each example is a tariff, and each known tariff is in the table."""

from __future__ import annotations

import json
import re

import pytest

from ev_gym.scenario import Scenario
from ev_gym.scenario.known_tariffs import TARIFFS
from tests.support.repository import ROOT

PAGE = (ROOT / "docs" / "tariffs.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_a_tariff_and_changes_what_it_says(text: str) -> None:
    """Laid over a preset as a user would; every key that it gives is in the result."""
    given = json.loads(text)
    tariff = Scenario.from_dict({"preset": "goteborg-2026", "tariff": given}).tariff
    assert tariff.name == "own"
    if "like" in given:
        like = TARIFFS[given.pop("like")]
        assert all(getattr(tariff, name) != getattr(like, name) for name in given)
        assert tariff.vat == like.vat
    else:
        assert given


def test_there_is_an_example_of_each_part() -> None:
    """Of all lists of rows, and of both kinds of peak prices."""
    for name in ("energy", "transfer", "taxes", "credits", "export", "levy", "vat", "fees",
                 "contracts", "peaks", "called_days", "netting", "network_ceiling_per_kwh",
                 "steps_kw", "weights", "floor_kw", "invoice_months", "holidays",
                 "like"):  # fmt: skip
        assert any(f'"{name}"' in text for text in EXAMPLES), name


@pytest.mark.parametrize("name", TARIFFS)
def test_a_known_tariff_is_in_the_table(name: str) -> None:
    """The areas of Flanders by their own part of the name."""
    short = re.sub(r"^fluvius(-.*-)2026$", r"`\1`", name)
    assert f"`{name}`" in PAGE or short in PAGE
