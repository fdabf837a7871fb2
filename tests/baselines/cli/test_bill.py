"""`ev-gym bill`, and the ten questions of docs/bill.md with the commands that answer them."""

from __future__ import annotations

import re
import shlex
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from baselines.cli.bill import setting
from baselines.cli.commands import main
from tests.support.repository import ROOT

PAGE = (ROOT / "docs" / "bill.md").read_text(encoding="utf-8")
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S)
    for line in block.splitlines()
    if line.strip()
]


def market_prices(
    area: str, first: date, last: date, *, source: str | None = None
) -> pd.Series[float]:
    """Invented prices of a market, SEK/kWh, hour by hour."""
    begin = pd.Timestamp(first, tz="Europe/Stockholm")
    end = pd.Timestamp(last + timedelta(days=1), tz="Europe/Stockholm")
    hours = pd.date_range(begin, end, freq="h", inclusive="left").tz_convert("UTC")
    return pd.Series(
        0.6 + 0.3 * np.sin(np.arange(len(hours)) / 4.0), index=hours, name="price_sek_per_kwh"
    )


def write_downloads(folder: Path, hours: pd.DatetimeIndex) -> None:
    """Files in the shapes of a Swedish, a Norwegian, a German and a Belgian customer's."""
    use = [f"{0.8 + 0.5 * np.sin(n / 5.0):.3f}".replace(".", ",") for n in range(len(hours))]
    ends = hours + pd.Timedelta(hours=1)
    day, clock = "%d.%m.%Y", "%H:%M"
    files = {
        "timvarden.csv": ["Anläggnings-ID: 1", "Period: 2025", "Datum;Förbrukning (kWh)"]
        + [f"{a:%Y-%m-%d %H:%M};{kwh}" for a, kwh in zip(hours, use, strict=True)],
        "elhub.csv": ["Fra;Til;KWH 60 Forbruk"],
        "verbrauch.csv": ["von;bis;Verbrauch [kWh];Status"],
        "elpris.csv": ["SEK_per_kWh,NOK_per_kWh,EXR,time_start,time_end"],
        "entsoe.csv": ['"MTU (CET/CEST)","Day-ahead Price (EUR/MWh)"'],
        "fluvius.csv": ["Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);Register;Volume"],
    }
    for n, (a, b, kwh) in enumerate(zip(hours, ends, use, strict=True)):
        price = 60.0 + 30.0 * np.cos(n / 4.0)
        from_to = f"{a:{day} {clock}};{b:{day} {clock}};{kwh}"
        files["elhub.csv"].append(from_to)
        files["verbrauch.csv"].append(f"{from_to};W")
        own = f"{price / 100:.3f},{price / 100:.3f},11.3"
        files["elpris.csv"].append(f"{own},{a.isoformat()},{b.isoformat()}")
        mtu = f"{a:%d/%m/%Y %H:%M:%S} - {b:%d/%m/%Y %H:%M:%S}"
        files["entsoe.csv"].append(f'"{mtu}","{price:.2f}"')
        for register in ("Afname", "Injectie"):
            name = f"{register} {'Dag' if 7 <= a.hour < 22 else 'Nacht'}"
            volume = kwh if register == "Afname" else f"{max(0.0, np.cos(n / 4.0)):.3f}"
            files["fluvius.csv"].append(
                f"{a:%d-%m-%Y;%H:%M:%S};{b:%d-%m-%Y;%H:%M:%S};{name};{volume.replace('.', ',')}"
            )
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page's commands name, of December 2024 to March 2025."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ev_gym.markets.prices", market_prices)
    hours = pd.date_range("2024-12-30", "2025-03-10", freq="h", tz="Europe/Stockholm")[:-1]
    numbers = np.arange(len(hours))
    load = [
        f"{stamp:%Y-%m-%d %H:%M};{0.8 + 0.5 * np.sin(n / 5.0):.3f}".replace(".", ",")
        for stamp, n in zip(hours, numbers, strict=True)
    ]
    meter = "\n".join(["Datum;Förbrukning (kWh)", *load])
    (tmp_path / "meter.csv").write_text(meter + "\n", encoding="utf-8")
    write_downloads(tmp_path, hours)
    prices = [f"{stamp.isoformat()},{50.0 + 30.0 * np.cos(n / 4.0):.2f}"
              for stamp, n in zip(hours, numbers, strict=True)]  # fmt: skip
    text = "\n".join(["timestamp,price_eur_per_mwh", *prices])
    (tmp_path / "prices.csv").write_text(text + "\n", encoding="utf-8")
    return tmp_path


def test_the_page_asks_ten_questions() -> None:
    assert len(COMMANDS) == 15  # with a first command, and four whole ones
    assert len(re.findall(r"^\d+\. \*", PAGE, re.M)) == 10
    assert all(command.startswith("ev-gym bill ") for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_question_is_answered(command: str, own_files: Path) -> None:
    """The commands as they stand, for one month instead of twelve."""
    arguments = [*shlex.split(command)[1:], "--months", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "Invoices, " in result.output
    assert "1 month, " in result.output
    assert {path.name for path in (own_files / "bill").iterdir()} == {
        "invoices.csv", "years.csv", "bill.png",
    }  # fmt: skip
    years = pd.read_csv(own_files / "bill" / "years.csv")
    policies = len(re.findall("--policy", command)) or 3
    households = 1 + len(re.findall("--what-if", command))
    assert len(years) == policies * households * len(re.findall("--tariff", command))
    assert (years["paid in all"] > 0.0).all()


def test_a_setting_is_json_or_text() -> None:
    assert setting("household.fuse_a=16") == (("household", "fuse_a"), 16)
    assert setting("data.load.stamp_zone=Europe/Oslo") == (
        ("data", "load", "stamp_zone"), "Europe/Oslo",
    )  # fmt: skip
    assert setting("charger.bidirectional=true") == (("charger", "bidirectional"), True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tariff", "elvia-25"], "unknown tariff 'elvia-25' (did you mean 'elvia-2025'?)"),
        (["--what-if", "fuse_a=16"], "fuse_a is a part of household; allowed: household.fuse_a"),
        (["--set", "fuse"], "'fuse' is no parameter with a value, such as household.fuse_a=16"),
        (["--set", "household.fuse=16"], "unknown key 'fuse' in the scenario.household (did you"),
        (["--car", "Tesla Model Z"], "unknown vehicle model 'Tesla Model Z'"),
        (["--from", "2031-01"], "first month is 2031-01; allowed: the series hold 2026-01 to"),
        (["--load", "nowhere.csv"], "nowhere.csv"),
        (["--price", "DE"], "'DE' is neither a file nor a market's area; allowed: a file, "),
        (
            ["--from", "01.2025"],
            "first month is '01.2025'; allowed: as YYYY-MM, 2026-01 to 2026-12",
        ),
        (["--from", "2026-11", "--months", "12"], "12 months are asked for; allowed: up to 2, as"),
        (["--set", "stamp_zone=UTC"], "stamp_zone is an option of a file; allowed: data.price.st"),
        (["--price", "SE3"], "no first month is given; allowed: a month as YYYY-MM"),
    ],
)
def test_what_is_refused_says_what_is_allowed(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["bill", *arguments])
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_year_of_own_load_is_billed_beside_built_in_prices(own_files: Path) -> None:
    """A meter's file sets the calendar, whatever year the tariff's name says."""
    arguments = ["--load", "meter.csv", "--set", "data.load.stamp_zone=Europe/Stockholm"]
    result = CliRunner().invoke(main, ["bill", *arguments, "--policy", "never"])
    assert result.exit_code == 0, result.output
    years = pd.read_csv(own_files / "bill" / "invoices.csv")
    assert years["month"].tolist() == ["2025-01", "2025-02"]
    said = " ".join(result.output.split())
    assert "spot prices are built in" in said
    assert "the load is built in" not in said


def test_a_file_of_registers_is_named_by_its_dialect(own_files: Path) -> None:
    """What it would be read as else: a stamp that comes twice, or a house for each register."""
    result = CliRunner().invoke(main, ["bill", "--load", "fluvius.csv"])
    assert result.exit_code == 1
    said = (
        "row 1 (header): a file of Fluvius, a row for each register; needed are dialect='fluvius'"
    )
    assert said in result.output
