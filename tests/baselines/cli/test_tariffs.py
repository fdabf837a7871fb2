"""`ev-gym tariffs`: the list, each tariff's rows in words, and all of it as JSON."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from baselines.cli.commands import main
from baselines.cli.tariffs import description, year_of
from ev_gym.scenario import Scenario
from ev_gym.scenario.known_tariffs import TARIFFS


def output_of(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["tariffs", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_has_a_line_for_each_tariff() -> None:
    """Name, country, currency, year and power charge, in columns."""
    head, *lines = output_of().splitlines()
    assert head.split() == ["name", "country", "currency", "year", "power", "charge"]
    assert [line.split()[0] for line in lines] == list(TARIFFS)
    by_name = {line.split()[0]: line for line in lines}
    for name, words in {
        "goteborg-2026": "Sweden SEK 2026 39.2 SEK/kW a month, mean of the 3 highest hours",
        "ellevio-2026-06": "Sweden SEK 2026-06 none",
        "bkk-2025": "Norway NOK 2025 124 to 1440 NOK in steps a month, mean of the 3 highest hours",
        "fluvius-west-2026": "Belgium (Flanders) EUR 2026 4.75833 EUR/kW a month, highest 15",
        "octopus-go-2026": "United Kingdom GBP 2026 none",
    }.items():
        assert " ".join(by_name[name].split()).startswith(f"{name} {words}")


def test_a_tariff_in_words() -> None:
    """Every kind of row: what it asks for, and when."""
    told = output_of("elvia-2026", "spain-2.0td-2025", "fluvius-antwerpen-2026", "edf-tempo-2025")
    for words in (
        "elvia-2026: Norway, in NOK, all without VAT",
        "holidays     NO, which are Sundays in all that follows",
        "energy       spot\n",
        "0.2899 NOK/kWh, 06:00-22:00, Mon-Fri, from 2026-07-01 on",
        "taxes        consumption tax: 0.0979 NOK/kWh\n",
        "credits      support: -0.9 x spot + 0.675 NOK/kWh, at most 0, up to 5000 kWh a month",
        "steps, from 2026-07-01 on: 120 from 0 kW, 200 from 2 kW, 336 from 5 kW",
        "levy         5.1127 % of energy, transfer, power and contracts",
        "10 %, from 2026-08-01 on",
        "fees         meter: 0.81 EUR a month",
        "P2: 4.6 kW at 0.697762 EUR/kW a year, Sat, Sun",
        "called days  national holidays: 90 days, each from 00:00",
        "each peak counts as 2.5 kW at least",
        "the invoice shows the mean of 12 months",
        "ceiling      0.327617 EUR/kWh of transfer and power",
        "export       spot - 0.013135 EUR/kWh",
        "called days  red: to be given, each from 06:00",
        "0.539 EUR/kWh, 06:00-22:00, on days called 'red'",
        "export       earns nothing",
    ):
        assert words in told, words
    seom = "\n".join(description(TARIFFS["seom-2020"]))
    for words in ("peaks may be of one day", "89.2 SEK/kW, Nov-Mar", "counts 0 times\n"):
        assert words in seom
    assert "netting      year" in output_of("tibber-nl-2026")


def test_json_is_what_a_scenario_takes() -> None:
    """With the country beside it; the rest makes the same tariff again."""
    (plain,) = json.loads(output_of("--json", "bkk-2025")).values()
    assert plain.pop("country") == "Norway"
    assert Scenario.from_dict({"tariff": plain}).tariff == TARIFFS["bkk-2025"]
    assert list(json.loads(output_of("--json"))) == list(TARIFFS)


@pytest.mark.parametrize(("name", "year"), [("bkk-2025", "2025"), ("ellevio-2026-06", "2026-06")])
def test_the_year_of_a_name(name: str, year: str) -> None:
    assert year_of(name) == year


def test_an_unknown_name_is_one_line() -> None:
    result = CliRunner().invoke(main, ["tariffs", "bkk-2024"])
    assert result.exit_code == 1
    assert "unknown tariff 'bkk-2024' (did you mean 'bkk-2025'?); tariffs: " in result.output
    assert "Traceback" not in result.output
