"""`ev-gym data fetch` against servers that play its sources; the preset finds what it brought."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import platformdirs
import pytest
from click.testing import CliRunner, Result

from baselines.cli.commands import main
from baselines.measured_data import build, house, prices, weather
from baselines.measured_data.download import download
from ev_gym.markets import MarketError, Unreachable, fetching
from ev_gym.markets.errors import WrongAnswerError
from ev_gym.scenario import preset
from ev_gym.series.fetched import FETCHED_FILES, LOAD_FILE, PRICE_FILE, WEATHER_FILE, fetched_folder
from ev_gym.series.of_scenario import dataset_of
from tests.ev_gym.markets import played
from tests.support.refusals import refusal
from tests.support.scripted_server import Act, Request, answer, drop, scripted

GAP = (1000, 40)  # first minute of 2008 that was not measured, and how many
REFERENCE = os.environ.get("EV_GYM_DATA") or None
STRUCTURE = "Date;Time;Global_active_power;Global_reactive_power\n"


def load_kw(minute: np.ndarray) -> np.ndarray:
    """An invented load."""
    return np.round(0.3 + (minute % 60) / 100, 3)


def archive(text: str | None = None, begin: datetime = datetime(2007, 12, 31, 23, 0)) -> bytes:
    """The archive of UCI: an hour of 2007, all of 2008, a minute of 2009."""
    if text is None:
        end = datetime(2009, 1, 1, 0, 1)
        stamps = pd.date_range(begin, end, freq="min", inclusive="left")
        values = load_kw(np.arange(len(stamps)) - 60).astype(str).astype(object)
        values[60 + GAP[0] : 60 + sum(GAP)] = "?"
        text = STRUCTURE + "".join(
            f"{day};{value};0.1\n"
            for day, value in zip(stamps.strftime("%d/%m/%Y;%H:%M:%S"), values, strict=True)
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(house.MEMBER, text)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def uci_bytes() -> bytes:
    return archive()


def rates(params: dict[str, str]) -> Act:
    """Rates of the European Central Bank: of working days, 10 and a thousandth of the ordinal."""
    first, last = (date.fromisoformat(params[f"{name}Period"]) for name in ("start", "end"))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    lines = [f"EXR.D.SEK.EUR.SP00.A,{day},{rate(day)}" for day in days if day.weekday() < 5]
    body = "\n".join(["KEY,TIME_PERIOD,OBS_VALUE", *lines]).encode()
    return answer(200, body, "text/csv")


def rate(day: date) -> float:
    return 10 + day.toordinal() % 1000 / 1000


def open_meteo(params: dict[str, str]) -> Any:
    assert (params["latitude"], params["longitude"]) == ("59.33", "18.07")
    assert params["timezone"] == "GMT"
    first, last = (datetime.fromisoformat(params[f"{name}_date"]) for name in ("start", "end"))
    hours = int((last - first) / timedelta(hours=1)) + 24
    return {
        "hourly_units": {
            "time": "iso8601",
            "temperature_2m": "°C",
            "cloud_cover": "%",
            "wind_speed_10m": "km/h",
            "precipitation": "mm",
        },
        "hourly": {
            "time": [f"{first + timedelta(hours=n):%Y-%m-%dT%H:%M}" for n in range(hours)],
            "temperature_2m": [n % 30 - 5.5 for n in range(hours)],
            "cloud_cover": [n % 100 for n in range(hours)],
            "wind_speed_10m": [10.0] * hours,
            "precipitation": [0.0] * hours,
        },
    }


class Sources(NamedTuple):
    """The requests that arrived, by source."""

    energidataservice: list[Request]
    ecb: list[Request]
    open_meteo: list[Request]
    uci: list[Request]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EV_GYM_DATA", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path / "own")
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.001)


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, uci_bytes: bytes) -> Iterator[Sources]:
    def energinet(path: str, params: dict[str, str]) -> Any:
        assert path == "/dataset/Elspotprices"
        return played.energinet(params, "HourUTC", 60, SpotPriceEUR=1.005)

    def weather_of(path: str, params: dict[str, str]) -> Any:
        assert path == "/v1/archive"
        return open_meteo(params)

    with (
        played.source(monkeypatch, "energidataservice", played.telling(energinet)) as first,
        played.source(monkeypatch, "ecb", played.telling(lambda _, q: rates(q))) as second,
        played.source(monkeypatch, "open-meteo", played.telling(weather_of)) as third,
        played.source(monkeypatch, "uci", answer(200, uci_bytes, "application/zip")) as fourth,
    ):  # fmt: skip
        yield Sources(first, second, third, fourth)


def fetch(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", "fetch", *arguments])


def test_the_preset_runs_on_what_was_fetched(sources: Sources) -> None:
    said = refusal(lambda: dataset_of(preset("stockholm-measured")))
    assert said.endswith(f"{WEATHER_FILE}; `ev-gym data fetch` downloads them")
    result = fetch()
    assert result.exit_code == 0, result.output
    folder = fetched_folder()
    assert {path.name for path in folder.iterdir()} == {
        *FETCHED_FILES, build.GAPS_FILE, build.SUMS,
    }  # fmt: skip
    assert f"{folder} holds all that stockholm-measured needs\n" in result.output
    assert "40 minutes were not measured and repeat the one before" in result.output
    assert "CC BY 4.0" in result.output
    dataset = dataset_of(preset("stockholm-measured"))
    # Monday, 2 January 2023, 00:00 local: the rate is that of Friday, 30 December.
    ore = [round(1.005 * played.value(n) * rate(date(2022, 12, 30)) / 10, 2) for n in range(24)]
    assert dataset.price_per_kwh[:24] == pytest.approx([cell / 100 for cell in ore])
    # The year's weather begins an hour before that of UTC, 24 hours before the data set.
    temperatures = [(23 + 24 + n) % 30 - 5.5 for n in range(24)]
    assert dataset.temperature_c[:24] == pytest.approx(temperatures)


def test_the_files(sources: Sources) -> None:
    assert fetch().exit_code == 0
    folder = fetched_folder()
    price = pd.read_csv(folder / PRICE_FILE)
    assert list(price) == ["timestamp_utc", "price_eur_per_mwh", "price_ore_per_kwh"]
    assert len(price) == 731 * 24
    assert price["timestamp_utc"].iloc[[0, -1]].tolist() == [
        "2022-12-31T23:00Z", "2024-12-31T22:00Z",
    ]  # fmt: skip
    sky = pd.read_csv(folder / WEATHER_FILE)
    assert ",".join(sky) + "\n" == weather.HEADER
    assert sky["timestamp_utc"].tolist() == price["timestamp_utc"].tolist()
    load = pd.read_csv(folder / LOAD_FILE)
    assert len(load) == 366 * 96
    assert load["timestamp_utc"].iloc[[0, -1]].tolist() == [
        "2007-12-31T23:00Z", "2008-12-31T22:45Z",
    ]  # fmt: skip
    minutes = load_kw(np.arange(366 * 1440))
    minutes[GAP[0] : sum(GAP)] = minutes[GAP[0] - 1]
    assert load["load_kw"].to_numpy() == pytest.approx(
        minutes.reshape(-1, 15).mean(axis=1), abs=5e-5
    )
    gaps = (folder / build.GAPS_FILE).read_text(encoding="utf-8")
    assert gaps == "first_minute_utc,minutes\n2008-01-01T15:40Z,40\n"


def test_columns_as_in_the_reference_files(sources: Sources) -> None:
    """Headers, stamps and digits are those of the files with which the project measures."""
    if REFERENCE is None:
        pytest.skip("needs the measured series: set EV_GYM_DATA to their folder")
    assert fetch().exit_code == 0
    for name in FETCHED_FILES:
        ours, theirs = (
            (folder / name).read_text(encoding="utf-8").splitlines()
            for folder in (fetched_folder(), Path(REFERENCE))
        )
        assert ours[0] == theirs[0]
        stamps = {line.split(",")[0] for line in theirs}
        assert {line.split(",")[0] for line in ours} <= stamps


def test_a_second_run_asks_for_nothing_and_compares(sources: Sources) -> None:
    assert fetch().exit_code == 0
    counts = [len(requests) for requests in sources]
    assert fetch().exit_code == 0
    assert [len(requests) for requests in sources] == counts
    path = fetched_folder() / WEATHER_FILE
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace("-5.5", "-6.5", 1), encoding="utf-8")
    result = fetch()
    assert result.exit_code == 1
    assert f"Error: {path} is not what its first download gave: its SHA-256 is " in result.output
    path.unlink()
    assert fetch().exit_code == 0
    assert path.read_text(encoding="utf-8") == whole


def test_what_differs_from_the_first_download_is_put_aside(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetch().exit_code == 0
    path = fetched_folder() / PRICE_FILE
    path.unlink()
    (fetched_folder() / f"{PRICE_FILE}.2023").write_text("other\n", encoding="utf-8")
    result = fetch()
    assert "is not what its first download gave" in result.output
    assert not path.exists()
    assert path.with_name(PRICE_FILE + ".differs").exists()


def test_an_interrupted_run_goes_on(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    """Years that are there are not asked for again."""
    good = os.environ["EV_GYM_OPEN_METEO_URL"]
    with scripted(drop) as (url, _):
        monkeypatch.setenv("EV_GYM_OPEN_METEO_URL", url)
        result = fetch()
    assert result.exit_code == 1
    assert "Error: open-meteo, Stockholm, 2022-12-31 to 2023-12-31: no connection" in result.output
    assert (fetched_folder() / PRICE_FILE).exists()
    counts = len(sources.energidataservice), len(sources.ecb)
    assert counts == (2, 2)
    monkeypatch.setenv("EV_GYM_OPEN_METEO_URL", good)
    assert fetch().exit_code == 0
    assert (len(sources.energidataservice), len(sources.ecb)) == counts
    assert len(sources.open_meteo) == 2


def test_an_archive_that_is_wrong_is_fetched_again(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = os.environ["EV_GYM_UCI_URL"]
    with scripted(answer(200, b"<html>Back soon</html>", "text/html")) as (url, _):
        monkeypatch.setenv("EV_GYM_UCI_URL", url)
        result = fetch()
    assert result.exit_code == 1
    assert "uci_235.zip is not the archive of data set 235" in result.output
    monkeypatch.setenv("EV_GYM_UCI_URL", good)
    assert fetch().exit_code == 0


def test_into_another_folder(sources: Sources, tmp_path: Path, monkeypatch: Any) -> None:
    out = tmp_path / "there"
    result = fetch("--out", str(out))
    assert f"scenarios read it with EV_GYM_DATA={out}" in result.output
    assert not fetched_folder().exists()
    monkeypatch.setenv("EV_GYM_DATA", str(tmp_path))
    assert f"EV_GYM_DATA names another folder, {tmp_path}" in fetch("--out", str(out)).output
    monkeypatch.setenv("EV_GYM_DATA", str(out))
    assert "another folder" not in fetch("--out", str(out)).output
    assert dataset_of(preset("stockholm-measured")).price_minutes == 60


# The large download.

BODY = bytes(range(256)) * 4000


def in_parts(broken: int, name: str | None = '"v1"', heed: bool = True) -> Act:
    """A server that breaks off after so many bytes of its first answer, and knows ranges."""
    seen: list[int] = []

    def act(handler: BaseHTTPRequestHandler, request: Request) -> None:
        wish = request.headers.get("Range")
        begin = int(wish.removeprefix("bytes=").rstrip("-")) if wish and heed else 0
        if request.headers.get("If-Range") not in (None, name):
            begin = 0
        seen.append(begin)
        body = BODY[begin:]
        handler.send_response(206 if begin else 200)
        handler.send_header("Content-Length", str(len(body)))
        if name is not None:
            handler.send_header("ETag", name)
        handler.end_headers()
        handler.wfile.write(body[:broken] if len(seen) == 1 else body)
        handler.close_connection = True

    return act


@pytest.mark.parametrize(
    ("act", "ranges"),
    [
        (in_parts(300_000), 1),  # goes on
        (in_parts(300_000, name=None), 0),  # cannot know that it would be the same file
        (in_parts(300_000, name='W/"v1"'), 0),
        (in_parts(300_000, heed=False), 1),  # the server sends all of it again
    ],
)
def test_a_download_that_breaks_off(tmp_path: Path, act: Act, ranges: int) -> None:
    told: list[tuple[int, int | None]] = []
    with scripted(act) as (url, requests):
        download(f"{url}/x.zip", tmp_path / "x.zip", "uci", lambda *now: told.append(now))
    assert (tmp_path / "x.zip").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]
    assert len(requests) == 2
    wishes = [request.headers["Range"] for request in requests if "Range" in request.headers]
    assert len(wishes) == ranges
    if ranges:
        assert 200_000 < int(wishes[0].removeprefix("bytes=").rstrip("-")) <= 300_000
    assert told[-1] == (len(BODY), len(BODY))


def test_a_later_call_goes_on_and_a_changed_file_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.zip"
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    for second in ('"v1"', '"v2"'):
        with scripted(in_parts(300_000)) as (url, _), pytest.raises(Unreachable) as caught:
            download(f"{url}/x.zip", path, "uci", lambda *_: None)
        assert str(caught.value).startswith(f"uci, {url}/x.zip: broke off (ChunkedEncodingError)")
        with scripted(in_parts(10**9, name=second)) as (url, requests):
            download(f"{url}/x.zip", path, "uci", lambda *_: None)
        assert requests[0].headers["Range"].startswith("bytes=2")
        assert requests[0].headers["If-Range"] == '"v1"'
        assert path.read_bytes() == BODY
        path.unlink()


def test_a_server_without_the_file(tmp_path: Path) -> None:
    with scripted(answer(404, {})) as (url, _), pytest.raises(Unreachable, match="HTTP status 404"):
        download(f"{url}/x.zip", tmp_path / "x.zip", "uci", lambda *_: None)
    assert list(tmp_path.iterdir()) == []


# What is wrong with a source.


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "is not the archive of data set 235: File is not a zip file"),
        (archive(STRUCTURE.replace("Time", "Clock")), "columns ['Date', 'Clock',"),
        (archive(begin=datetime(2008, 1, 1, 0, 5)), "lacks minutes of 2008, or repeats some, from "
         "2008-01-01 00:00:00 on"),
        (archive(STRUCTURE + "1/1/2008;00:00:00;?;?\n"), "lacks minutes of 2008, or repeats some, "
         "from its end on"),
    ],
)  # fmt: skip
def test_an_archive_that_is_wrong(tmp_path: Path, body: bytes, said: str) -> None:
    (tmp_path / "x.zip").write_bytes(body)
    with pytest.raises(MarketError) as caught:
        house.read(tmp_path / "x.zip")
    assert said in str(caught.value)


def test_weather_that_is_wrong() -> None:
    day = date(2023, 1, 1)
    params = {
        "latitude": "59.33", "longitude": "18.07", "timezone": "GMT",
        "start_date": f"{day}", "end_date": f"{day}",
    }  # fmt: skip

    def said(edit: Any) -> str:
        told = open_meteo(params)
        edit(told)
        with pytest.raises(WrongAnswerError) as caught:
            weather.parse(told, day, day)
        return str(caught.value)

    fahrenheit = said(lambda told: told["hourly_units"].update(temperature_2m="°F"))
    assert fahrenheit == "temperature_2m is in '°F'; allowed: '°C'"
    null = said(lambda told: told["hourly"]["precipitation"].__setitem__(5, None))
    assert null == "no precipitation at 2023-01-01T05:00Z"
    lost = said(lambda told: told["hourly"]["time"].pop(7))
    assert lost == "hours are missing or out of order, the first is ['2023-01-01T07:00']"


def test_rates_that_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = date(2023, 1, 1), date(2023, 3, 31)
    whole = b"KEY,TIME_PERIOD,OBS_VALUE\nx,2023-01-02,11.1\nx,2023-03-30,11.2\n"
    for body, said in (
        (b"<html></html>", "ecb, SEK per EUR, 2023-01-01 to 2023-03-31: no rate between"),
        (whole, "no rate between 2023-01-02 and 2023-03-30"),
        (whole.replace(b"11.1", b"eleven"), "the answer is no table of rates (ValueError"),
    ):
        with played.source(monkeypatch, "ecb", answer(200, body, "text/csv")):
            with pytest.raises(MarketError) as caught:
                prices.sek_per_eur(first, last)
            assert said in str(caught.value)
