"""`ev-gym prices`: the table in local time, the file, the picture, errors in one line."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from click.testing import CliRunner, Result

from baselines.cli.commands import main
from ev_gym.markets import fetching, records
from ev_gym.scenario import SeriesFile
from ev_gym.series.column_units import price_series
from ev_gym.series.files_and_frames import read_csv
from tests.ev_gym.markets import played
from tests.support.scripted_server import answer

NOW = datetime(2025, 11, 20, 23, 30, tzinfo=timezone.utc)  # the 21st in Sweden
CREDIT = "Prices: elprisetjustnu.se (free to use with a link to elprisetjustnu.se)"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(records, "now", lambda: NOW)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["prices", *arguments])


def swedish(path: str, _: dict[str, str]) -> Any:
    """A day of elprisetjustnu.se; of the 23rd on there is none yet."""
    year, rest = path.rsplit("/", 2)[1:]
    day = date.fromisoformat(f"{year}-{rest[:5]}")
    if day > date(2025, 11, 22):
        return answer(404, {})
    return played.elpris(day, 15 if day >= date(2025, 10, 1) else 60)


def test_a_day_of_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    with played.source(monkeypatch, "elprisetjustnu", played.telling(swedish)):
        result = call("SE3", "--day", "2025-06-03")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "SE3, Tuesday 2025-06-03, SEK/kWh without VAT, Europe/Stockholm"
    assert lines[1].split() == [":00"]
    assert [line.split() for line in lines[2:26]] == [
        [f"{hour:02}", f"{played.value(hour) / 10:.4f}"] for hour in range(24)
    ]
    assert lines[26] == "mean 1.9250, lowest -0.5000 at 00:00, highest 4.4000 at 07:00"
    assert lines[27:] == [CREDIT]


def test_a_day_of_25_hours_in_quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    with played.source(monkeypatch, "elprisetjustnu", played.telling(swedish)):
        result = call("SE3", "--day", "2025-10-26")
    lines = result.output.splitlines()
    assert lines[1].split() == [":00", ":15", ":30", ":45"]
    rows = [line.split() for line in lines[2:27]]
    assert [row[:2] for row in rows[1:4]] == [["01", "+0200"], ["02", "+0200"], ["02", "+0100"]]
    cells = [float(cell) for row in rows for cell in row[2:]]
    assert cells == pytest.approx([played.value(n) / 10 for n in range(100)])


def test_today_and_tomorrow_by_the_clock_of_the_area(monkeypatch: pytest.MonkeyPatch) -> None:
    with played.source(monkeypatch, "elprisetjustnu", played.telling(swedish)) as requests:
        today, tomorrow = call("SE3"), call("SE4", "--day", "tomorrow")
        later = call("SE3", "--day", "2025-11-23")
    assert [request.path[-14:] for request in requests] == [
        "11-21_SE3.json", "11-22_SE4.json", "11-23_SE3.json",
    ]  # fmt: skip
    assert today.output.startswith("SE3, Friday 2025-11-21, ")
    assert tomorrow.output.startswith("SE4, Saturday 2025-11-22, ")
    assert later.exit_code == 1
    assert later.output == "Error: elprisetjustnu, SE3: 2025-11-23 is not published yet\n"


def test_prices_per_mwh_of_another_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of the market begins at one o'clock in Finland."""
    told = played.charts([date(2025, 6, 3)], 60)
    with played.source(monkeypatch, "energy-charts", answer(200, told)):
        lines = call("FI", "--day", "2025-06-03", "--source", "energy-charts").output.splitlines()
    assert lines[0] == "FI, Tuesday 2025-06-03, EUR/MWh without VAT, Europe/Helsinki"
    assert lines[2].split() == ["01", "-5.00"]
    assert lines[25].split() == ["00", f"{played.value(23):.2f}"]
    assert lines[-1].endswith("(CC BY 4.0 from nobody)")


def test_file_and_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file is one that a scenario reads; the picture without a name has one."""
    monkeypatch.chdir(tmp_path)
    with played.source(monkeypatch, "elprisetjustnu", played.telling(swedish)):
        result = call("SE3", "--day", "2025-10-26", "--csv", "day.csv", "--plot")
        named = call("SE3", "--day", "2025-10-26", "--plot", "day.png")
    assert result.output.endswith(f"{CREDIT}\nwrote day.csv\nwrote prices.png\n")
    assert named.output.endswith("wrote day.png\n")
    series = price_series(read_csv(SeriesFile(path="day.csv"), "price"), "SEK", None)
    assert (series.step_s, series.values.shape) == (900, (1, 100))
    assert series.values[0] == pytest.approx([played.value(n) / 10 for n in range(100)])
    first = datetime.fromtimestamp(series.start_s, timezone.utc)
    assert first == datetime(2025, 10, 25, 22, tzinfo=timezone.utc)
    assert Path("prices.png").read_bytes()[:4] == b"\x89PNG"
    assert Path("prices.png").read_bytes() == Path("day.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("SE9",), "Error: area is 'SE9'; allowed: SE1, SE2"),
        (("SE3", "--day", "monday"), "Error: --day is 'monday'; allowed: today, tomorrow, or"),
        (("SE1", "--source", "octopus"), "Error: source is 'octopus'; allowed for SE1: elpris"),
        (("SE1", "--source", "carbonintensity"), "Error: Invalid value for '--source'"),
    ],
)  # fmt: skip
def test_errors_are_one_line(arguments: tuple[str, ...], said: str) -> None:
    result = call(*arguments)
    assert result.exit_code in (1, 2)
    assert result.output.splitlines()[-1].startswith(said)


def test_a_source_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with played.source(monkeypatch, "elprisetjustnu", answer(200, b"<html>", "text/html")):
        result = call("SE1", "--day", "2025-06-03")
    assert result.output == (
        "Error: elprisetjustnu, SE1, 2025-06-03: the answer is no JSON but text/html: '<html>'\n"
    )
