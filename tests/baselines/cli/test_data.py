"""`ev-gym data check`: what it says of files, and that it refuses what a simulation would."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from baselines.cli.commands import main

STOCKHOLM = ZoneInfo("Europe/Stockholm")
MONDAY = datetime(2024, 10, 21, tzinfo=STOCKHOLM).astimezone(timezone.utc)


def check(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["data", "check", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def refusal(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["data", "check", *map(str, arguments)])
    assert result.exit_code == 1
    return result.output


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    """A fortnight of hours with decimal commas, local stamps and the end of summer time."""
    lines = ["Meter 735999", "Datum;Förbrukning (kWh);Status"]
    for k in range(15 * 24 + 1):
        local = (MONDAY - timedelta(days=1) + timedelta(hours=k)).astimezone(STOCKHOLM)
        lines.append(f"{local:%d.%m.%Y %H:%M};{1 + k % 7 / 10:.2f};OK".replace(".", ",", 0))
    text = "\n".join([*lines[:2], *(row[:16] + row[16:].replace(".", ",") for row in lines[2:])])
    path = tmp_path / "meter.csv"
    path.write_text(text + "\n", encoding="cp1252")
    return path


def test_what_is_said_of_a_meter(meter: Path) -> None:
    said = check(meter, "--skip-rows", 1, "--stamp-zone", "Europe/Stockholm")
    assert said == (
        f"{meter}: load\n"
        "  read as      cp1252, semicolons between cells, as the header shows; header in row 2\n"
        "  read as      stamps in 'Datum', the day first, on the clock of Europe/Stockholm; they "
        "mark the start of the intervals\n"
        "  intervals    361 of 60 minutes\n"
        "  from         Sun 2024-10-20 00:00 to Mon 2024-11-04 00:00 in Europe/Stockholm\n"
        "  whole weeks  2 from 2024-10-21\n"
        "  gaps         none\n"
        "  clock        2024-10-27 has 25 hours\n"
        "  column       Förbrukning (kWh), with a decimal comma, as its numbers show\n"
        "    mean       1.298 kW, 11381 kWh a year\n"
        "    least      1 kW, Sun 2024-10-20 00:00\n"
        "    most       1.6 kW, Sun 2024-10-20 06:00\n"
        "  not read     Status\n"
    )


def test_what_a_simulation_would_refuse(meter: Path) -> None:
    assert "row 2: 3 cells where the header in row 1 has 1" in refusal(meter)
    assert "has no offset from UTC" in refusal(meter, "--skip-rows", 1)
    lines = meter.read_text(encoding="cp1252").splitlines()
    meter.write_text("\n".join([*lines[:9], *lines[10:]]), encoding="cp1252")
    said = refusal(meter, "--skip-rows", 1, "--stamp-zone", "Europe/Stockholm")
    assert "row 10 (2024-10-20T06:00Z): gap, 1 intervals of 60 minutes missing" in said
    meter.write_text("when,what\n2024-01-01T00:00Z,1\n2024-01-01T01:00Z,1\n")
    assert "no column has a known unit; allowed: --unit, such as kwh, or names" in refusal(meter)


def quarters(path: Path) -> Path:
    """Prices in hours for two days and in quarter-hours for a week."""
    lines, moment = ["timestamp_utc,price_eur_per_mwh"], MONDAY
    for minutes, count in ((60, 48), (15, 672)):
        for k in range(count):
            lines.append(f"{moment:%Y-%m-%dT%H:%MZ},{40 + k % 10}")
            moment += timedelta(minutes=minutes)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_prices_whose_resolution_changes(tmp_path: Path) -> None:
    said = check(quarters(tmp_path / "p.csv"))
    assert "720 of 60 minutes, from row 50 on 15 minutes\n" in said
    assert "price_eur_per_mwh, with a decimal point, as its numbers show\n" in said
    assert "0.04445 EUR/kWh; 0.0% of the time below zero\n" in said


def test_registers_and_counters(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    rows = [f"{MONDAY + timedelta(hours=k):%Y-%m-%dT%H:%MZ},{k},{2 * k}" for k in range(200)]
    path.write_text("\n".join(["when,day_kwh,night_kwh", *rows]) + "\n")
    assert "several load columns, ['day_kwh', 'night_kwh']; choose with " in refusal(path)
    both = ("--sum-columns", "day_kwh", "--sum-columns", "night_kwh")
    assert "day_kwh rises 199 times and falls 0 times, as a running counter" in refusal(path, *both)
    said = check(path, *both, "--counter")
    assert "  column       day_kwh + night_kwh\n    mean       3 kW, 26298 kWh a year\n" in said


def test_the_files_of_a_scenario(meter: Path, tmp_path: Path) -> None:
    """Its options, zone and place are read; what is built in is not shown."""
    quarters(tmp_path / "p.csv")
    load = {"path": meter.name, "skip_rows": 1, "stamp_zone": "Europe/Stockholm"}
    data = {"price": {"path": "p.csv"}, "load": load, "start": None, "weeks": None}
    scenario = tmp_path / "mine.json"
    scenario.write_text(json.dumps({"data": {**data, "eur_rate": 11.5}}))
    said = check(scenario)
    assert said.count("read as      stamps in") == 2
    assert f"{meter}: load\n" in said
    assert f"{tmp_path / 'p.csv'}: price\n" in said
    assert said.endswith(
        "mine: 1 weeks from Mon 2024-10-21, houses 1, prices in SEK of 15 minutes\n"
        "  price        by time\n"
        "  load         by time\n"
        "  temperature  built in\n"
        "  sun          built in\n"
    )
    rows = [f"{MONDAY + timedelta(hours=k):%Y-%m-%dT%H:%MZ},{k % 24}" for k in range(-48, 400)]
    (tmp_path / "co2.csv").write_text("\n".join(["when,carbon_g_per_kwh", *rows]) + "\n")
    green = {**data, "carbon": {"path": "co2.csv"}}
    scenario.write_text(json.dumps({"data": {**green, "eur_rate": 11.5}}))
    said = check(scenario)
    assert "co2.csv: carbon\n" in said
    assert "  column       carbon_g_per_kwh, with a decimal point, as its numbers show\n" in said
    assert "    most       23 g/kWh, " in said
    assert said.endswith("  sun          built in\n  carbon       by time\n")
    late = {**data, "start": "2024-10-21", "weeks": 1, "price": "builtin"}
    scenario.write_text(json.dumps({"data": {**late, "weeks": 3}}))
    assert "lacks 167 hours from 2024-11-03T23:00Z to 2024-11-10T22:00Z of" in refusal(scenario)


def test_irradiance_against_the_sun(tmp_path: Path) -> None:
    """The sun shines from 6 to 18 h local time, though it rises at 7 and sets at 17 h there."""
    path = tmp_path / "sun.csv"
    light = [200 if 6 <= (k + 2) % 24 < 18 else 0 for k in range(96)]
    rows = [f"{MONDAY + timedelta(hours=k):%Y-%m-%dT%H:%MZ},{v}" for k, v in enumerate(light)]
    path.write_text("\n".join(["when,ghi_w_per_m2", *rows]) + "\n")
    assert "  column       ghi_w_per_m2" in check(path)
    said = refusal(path, "--place", 59.33, 18.07)
    assert "of ghi_w_per_m2 is more than the sun sends" in said
    assert "at latitude 59.33, longitude 18.07" in said


def test_a_picture(meter: Path, tmp_path: Path) -> None:
    options = ["--skip-rows", 1, "--stamp-zone", "Europe/Stockholm"]
    written = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in written:
        assert f"wrote {path}\n" in check(meter, *options, "--plot", path)
    assert written[0].read_bytes() == written[1].read_bytes()
    assert written[0].read_bytes().startswith(b"\x89PNG")
