"""Files as customers download them, made here after public descriptions and reports.

Every file begins at Monday 2024-10-21 00:00 local time and holds two weeks; in between, on Sunday
2024-10-27, summer time ends. No two intervals use the same power, so that a wrong one shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError

UTC = timezone.utc
ZONE = ZoneInfo("Europe/Stockholm")
START = datetime(2024, 10, 21, tzinfo=ZONE).astimezone(UTC)
HOURS = 2 * 168


def instants(minutes: int, count: int | None = None) -> list[datetime]:
    """Starts of intervals, in UTC."""
    count = HOURS * 60 // minutes if count is None else count
    return [START + timedelta(minutes=minutes * k) for k in range(count)]


def local(moment: datetime, form: str = "%d.%m.%Y %H:%M") -> str:
    return moment.astimezone(ZONE).strftime(form)


def comma(number: float) -> str:
    return f"{number:.3f}".replace(".", ",")


def written(path: Path, lines: Iterable[str], encoding: str = "utf-8") -> Path:
    path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return path


PRICE = pd.Series(
    0.5, index=pd.date_range(START, periods=HOURS, freq="h"), name="price_sek_per_kwh"
)


def load_of(tmp_path: Path, path: Path, **options: Any) -> Any:
    """The load in kW that a file gives on the calendar of sound prices."""
    price = tmp_path / "sound.csv"
    PRICE.to_csv(price, date_format="%Y-%m-%dT%H:%MZ", index_label="timestamp_utc")
    return Dataset.from_csv(price, {"path": str(path), **options}, 5.0).load_kw


W = np.random.default_rng(1).permutation(HOURS)  # of each hour
QUARTER_W = np.random.default_rng(2).permutation(HOURS * 4)
HOURLY_KW = np.repeat(W, 4)[np.newaxis] / 1000
QUARTER_KW = QUARTER_W[np.newaxis] / 1000


def test_swedish_meter(tmp_path: Path) -> None:
    """Ellevio's way: preamble, Windows letters, "Förbrukning (kWh)", decimal commas, local."""
    rows = [
        f"{local(t, '%Y-%m-%d %H:%M')};{comma(w / 1000)}"
        for w, t in zip(W, instants(60), strict=True)
    ]
    lines = ["Anläggning: 735999", "", "Datum;Förbrukning (kWh)", *rows]
    path = written(tmp_path / "elleviö.csv", lines, "cp1252")
    options = {"skip_rows": 2, "stamp_zone": "Europe/Stockholm"}
    np.testing.assert_allclose(load_of(tmp_path, path, **options), HOURLY_KW, atol=1e-12)
    with pytest.raises(DataError, match=r"row 2: .*; if row 3 is the header: skip_rows=2"):
        load_of(tmp_path, path, stamp_zone="Europe/Stockholm")


def test_swedish_prices(tmp_path: Path) -> None:
    """elprisetjustnu.se's fields, in quarter-hours with offsets; the euro column is not chosen."""
    times = instants(15)
    rows = [
        f"{0.3 + k / 10000:.5f},{0.03:.5f},11.5,{local(t, '%Y-%m-%dT%H:%M:%S')}"
        f"{local(t, '%z')[:3]}:00"
        for k, t in enumerate(times)
    ]
    path = written(tmp_path / "p.csv", ["SEK_per_kWh,EUR_per_kWh,EXR,time_start", *rows])
    price = {"path": str(path), "stamp_column": "time_start", "columns": ["SEK_per_kWh"]}
    load = pd.Series(1.0, index=PRICE.index, name="load_kw")
    load.to_csv(tmp_path / "load.csv", date_format="%Y-%m-%dT%H:%MZ")
    data = Dataset.from_csv(price, tmp_path / "load.csv", 5.0)
    assert data.price_minutes == 15
    np.testing.assert_allclose(data.price_per_kwh, 0.3 + np.arange(HOURS * 4) / 10000, atol=1e-9)
    with pytest.raises(DataError, match=r"several price columns, \['SEK_per_kWh', 'EUR_per_kWh'"):
        Dataset.from_csv({**price, "columns": []}, tmp_path / "load.csv", 5.0)


def test_norwegian_meter(tmp_path: Path) -> None:
    """Elhub's way: "Fra", "Til", "KWH 60 Forbruk", dd.mm.yyyy, decimal commas, local."""
    rows = [
        f"{local(t)};{local(t + timedelta(hours=1))};{comma(w / 1000)}"
        for w, t in zip(W, instants(60), strict=True)
    ]
    path = written(tmp_path / "elhub.csv", ["Fra;Til;KWH 60 Forbruk", *rows], "utf-8-sig")
    options = {"columns": ["KWH 60 Forbruk"], "unit": "kwh", "stamp_zone": "Europe/Oslo"}
    np.testing.assert_allclose(load_of(tmp_path, path, **options), HOURLY_KW, atol=1e-12)
    with pytest.raises(DataError, match=r"no known load unit in \['KWH 60 Forbruk'\]; .* unit='k"):
        load_of(tmp_path, path, **{**options, "unit": None})


def test_german_meter(tmp_path: Path) -> None:
    """von/bis in quarter-hours, also by "bis", where the last of a day is 24:00."""
    rows = []
    for w, moment in zip(QUARTER_W, instants(15), strict=True):
        end = local(moment + timedelta(minutes=15), "%d.%m.%Y %H:%M:%S")
        if end.endswith("00:00:00"):
            end = local(moment, "%d.%m.%Y") + " 24:00:00"
        rows.append(f"{local(moment, '%d.%m.%Y %H:%M:%S')};{end};{comma(w / 4)};")
    path = written(tmp_path / "l.csv", ["von;bis;Verbrauch [Wh];", *rows])
    for marks, column in (("start", "von"), ("end", "bis")):
        options = {"stamp_column": column, "stamp_marks": marks, "stamp_zone": "Europe/Berlin"}
        np.testing.assert_allclose(load_of(tmp_path, path, **options), QUARTER_KW, atol=1e-5)
    with pytest.raises(DataError, match=r"'bis' names the end of an interval; needed is stamp_ma"):
        load_of(tmp_path, path, stamp_column="bis", stamp_zone="Europe/Berlin")


def fluvius(tmp_path: Path, order: Callable[[Any], Any] = lambda row: 0) -> Path:
    """A row a register: night until 07:00 and from 22:00, injection 1 W at noon."""
    rows = []
    for w, moment in zip(QUARTER_W, instants(15), strict=True):
        hour, end = moment.astimezone(ZONE).hour, moment + timedelta(minutes=15)
        stamps = ";".join(local(t, "%d-%m-%Y;%H:%M:%S") for t in (moment, end))
        which = "Dag" if 7 <= hour < 22 else "Nacht"
        for kind, kwh in (("Afname", w / 4000), ("Injectie", 0.00025 if hour == 12 else 0.0)):
            rows.append((f"{kind} {which}", f"{stamps};'5414;SAG1;Digitaal", f"{kwh:.6f}"))
    rows.sort(key=order)
    head = (
        "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Meter;Metertype;Register;"
        "Volume;Eenheid;Validatiestatus"
    )
    lines = [f"{a};{name};{kwh.replace('.', ',')};kWh;Gevalideerd" for name, a, kwh in rows]
    return written(tmp_path / "fluvius.csv", [head, *lines], "utf-8-sig")


@pytest.mark.parametrize("order", [lambda row: 0, lambda row: row[0]], ids=["by time", "by name"])
def test_belgian_meter(tmp_path: Path, order: Callable[[Any], Any]) -> None:
    path = fluvius(tmp_path, order)
    taken = {"dialect": "fluvius", "sum_columns": ["Afname Dag", "Afname Nacht"]}
    np.testing.assert_allclose(load_of(tmp_path, path, **taken), QUARTER_KW, atol=1e-5)
    noon = np.array([t.astimezone(ZONE).hour == 12 for t in instants(15)])
    less = {"less_columns": ["Injectie Dag", "Injectie Nacht"]}
    net = load_of(tmp_path, path, **less, **taken)
    np.testing.assert_allclose(net[0], QUARTER_KW[0] - 0.001 * noon, atol=1e-5)
    with pytest.raises(
        DataError, match=r"names the registers \['Afname .*choose with sum_columns= those that add"
    ):
        load_of(tmp_path, path, dialect="fluvius")
    with pytest.raises(DataError, match=r"gap, 60 intervals of 15 minutes missing"):
        load_of(tmp_path, path, dialect="fluvius", sum_columns=["Afname Nacht"])
    with pytest.raises(DataError, match=r"less_columns= those to take off, not \['Retour'\]"):
        load_of(tmp_path, path, less_columns=["Retour"], **taken)


OPEN_METEO = [
    "latitude,longitude,elevation,utc_offset_seconds,timezone,timezone_abbreviation",
    "59.33,18.07,24.0,0,GMT,GMT",
    "",
    "time,temperature_2m (°C),shortwave_radiation (W/m²),diffuse_radiation (W/m²)",
]


def weather_of(tmp_path: Path, path: Path, **options: Any) -> Dataset:
    """A data set whose temperature and sun are those of one file."""
    price, load = tmp_path / "sound.csv", tmp_path / "load.csv"
    PRICE.to_csv(price, date_format="%Y-%m-%dT%H:%MZ", index_label="timestamp_utc")
    PRICE.rename("load_kw").to_csv(load, date_format="%Y-%m-%dT%H:%MZ")
    file = {"path": str(path), **options}
    return Dataset.from_csv(price, load, file, irradiance=file)


def test_open_meteo(tmp_path: Path) -> None:
    """Radiation is the mean of the hour before its stamp, so it is an hour earlier."""
    times = [START + timedelta(hours=k - 2) for k in range(HOURS + 5)]
    rows = [f"{t:%Y-%m-%dT%H:%M},{k / 100:.2f},{k},{k / 2}" for k, t in enumerate(times)]
    path = written(tmp_path / "om.csv", [*OPEN_METEO, *rows])
    data = weather_of(tmp_path, path, dialect="open-meteo")
    np.testing.assert_allclose(data.temperature_c, (2 + np.arange(HOURS)) / 100)
    np.testing.assert_array_equal(data.ghi_w_per_m2, 3 + np.arange(HOURS))
    np.testing.assert_array_equal(data.dhi_w_per_m2, (3 + np.arange(HOURS)) / 2)
    lines = [*OPEN_METEO, *rows]
    lines[1] = "59.33,18.07,24.0,7200,Europe/Stockholm,GMT+2"
    with pytest.raises(DataError, match=r"om.csv, row 2: .*utc_offset_seconds 0; needed is a down"):
        weather_of(tmp_path, written(path, lines), dialect="open-meteo")


@pytest.mark.parametrize("parts", [False, True], ids=["global", "components"])
def test_pvgis(tmp_path: Path, parts: bool) -> None:
    """Ten minutes past the hour stands for the hour; a footer explains the columns."""
    times = [START + timedelta(hours=k - 2, minutes=10) for k in range(HOURS + 5)]
    light = [f"{k},{k / 2},0.0" if parts else f"{1.5 * k}" for k in range(len(times))]
    rows = [f"{t:%Y%m%d:%H%M},{light[k]},0.0,{k / 100:.2f},1.2,0.0" for k, t in enumerate(times)]
    head = [
        "Latitude (decimal degrees):\t59.330",
        "Radiation database:\tPVGIS-SARAH3",
        "",
        "Slope: 0 deg. ",
        f"time,{'Gb(i),Gd(i),Gr(i)' if parts else 'G(i)'},H_sun,T2m,WS10m,Int",
    ]
    foot = ["", "T2m: 2-m air temperature (degree Celsius)", "PVGIS (c) European Union, 2001-2024"]
    path = written(tmp_path / "pvgis.csv", [*head, *rows, *foot])
    data = weather_of(tmp_path, path, dialect="pvgis")
    np.testing.assert_allclose(data.temperature_c, (2 + np.arange(HOURS)) / 100)
    np.testing.assert_array_equal(data.ghi_w_per_m2, 1.5 * (2 + np.arange(HOURS)))
    assert (data.dhi_w_per_m2 is None) is not parts
    head[3] = "Slope: 35 deg. (optimum)"
    with pytest.raises(DataError, match="on the horizontal, a download with slope 0"):
        weather_of(tmp_path, written(path, [*head, *rows, *foot]), dialect="pvgis")
    typical = ["month,year", "1,2010", "", "time(UTC),T2m,G(h)", "20100101:0000,5.0,0.0"]
    with pytest.raises(DataError, match=r"row 4 \(header\): a typical year of PVGIS"):
        weather_of(tmp_path, written(path, typical), dialect="pvgis")


STAMPS: dict[str, tuple[str, Callable[[datetime], str]]] = {
    "seconds": ("1729461600", lambda t: f"{t.timestamp():.0f}"),
    "milliseconds": ("1729461600000", lambda t: f"{t.timestamp() * 1000:.0f}"),
    "month first": ("10/20/2024 22:00 +00:00", lambda t: f"{t:%m/%d/%Y %H:%M +00:00}"),
    "day first": ("20-10-2024 22:00Z", lambda t: f"{t:%d-%m-%Y %H:%MZ}"),
    "points in times": ("20.10.2024 22.00Z", lambda t: f"{t:%d.%m.%Y %H.%MZ}"),
    "short": ("2024/10/20 22:00Z", lambda t: f"{t:%Y/%m/%d %H:%MZ}"),
}


@pytest.mark.parametrize(("first", "form"), STAMPS.values(), ids=list(STAMPS))
def test_forms_of_stamps(tmp_path: Path, first: str, form: Callable[[datetime], str]) -> None:
    rows = [f"a house;{form(t)};{w / 1000}" for w, t in zip(W, instants(60), strict=True)]
    path = written(tmp_path / "l.csv", ["who;when;load_kw", *rows])
    assert rows[0].split(";")[1] == first
    np.testing.assert_array_equal(load_of(tmp_path, path, stamp_column="when"), HOURLY_KW)
    if len(first) > 13:  # dates, not numbers
        with pytest.raises(
            DataError,
            match=r"'who' holds no stamps but 'a house'; .* stamp_column=, perhaps 'when'",
        ):
            load_of(tmp_path, path)


UNCLEAR = {
    "days below 13": (["01/02/2024 00:00", "02/02/2024 00:00"], "neither above 12 shows which"),
    "days and months": (["13/02/2024 00:00", "02/14/2024 00:00"], "both day and month above 12"),
    "date and hour": (["2024102100", "2024102101"], "stamp '2024102100' is not an ISO 8601 time"),
}


@pytest.mark.parametrize(("stamps", "message"), UNCLEAR.values(), ids=list(UNCLEAR))
def test_unclear_stamps_are_refused(tmp_path: Path, stamps: list[str], message: str) -> None:
    path = written(tmp_path / "l.csv", ["when,load_kw", *(f"{stamp},1" for stamp in stamps)])
    with pytest.raises(DataError, match=re.escape("l.csv, row 2: ") + f".*{message}"):
        load_of(tmp_path, path, stamp_zone="UTC")


def test_a_named_form_of_stamps(tmp_path: Path) -> None:
    times = instants(60)
    rows = [
        f"{local(t, '%y%m%d')}\t{local(t, '%Hh')}\t{w / 1000}"
        for w, t in zip(W, times, strict=True)
    ]
    path = written(tmp_path / "l.csv", ["day\tclock\tload_kw", *rows])
    options = {"time_column": "clock", "stamp_zone": "Europe/Stockholm"}
    found = load_of(tmp_path, path, stamp_format="%y%m%d %Hh", **options)
    np.testing.assert_array_equal(found, HOURLY_KW)
    with pytest.raises(DataError, match=r"row 2: stamp '241021 00h' is not of the form '%Y'"):
        load_of(tmp_path, path, stamp_format="%Y", **options)
    with pytest.raises(DataError, match=r"l.csv: stamp_format = '%Q': 'Q' is a bad directive"):
        load_of(tmp_path, path, stamp_format="%Q", **options)
    with pytest.raises(DataError, match=r"stamp '241021 00h' is no whole number, as stamp_format="):
        load_of(tmp_path, path, stamp_format="epoch_s", **options)


NUMBERS = {
    "commas": (["0,5", "1,25", "3"], None, 0.5),
    "three digits, below 1": (["0,500", "1,250", "3"], None, 0.5),
    "three digits, named": (["1,250", "1,250", "3"], ",", 1.25),
    "points": (["0.5", "1.25", "3"], None, 0.5),
    "minus of typographers": (["\u22120,0", "1,25", "3"], None, 0.0),
}


@pytest.mark.parametrize(("cells", "decimal", "first"), NUMBERS.values(), ids=list(NUMBERS))
def test_decimal_signs(tmp_path: Path, cells: list[str], decimal: str | None, first: float) -> None:
    rows = [f"{t:%Y-%m-%dT%H:%MZ};{cells[k % 3]}" for k, t in enumerate(instants(60))]
    path = written(tmp_path / "l.csv", ["when;load_kw", *rows])
    assert load_of(tmp_path, path, decimal=decimal)[0, 0] == first


def test_unclear_decimal_signs_are_refused(tmp_path: Path) -> None:
    rows = [f"{t:%Y-%m-%dT%H:%MZ};1,250" for t in instants(60)]
    path = written(tmp_path / "l.csv", ["when;load_kw", *rows])
    with pytest.raises(
        DataError, match=r"row 2 .*'1,250' may hold a decimal comma or a comma betw"
    ):
        load_of(tmp_path, path)
    path = written(
        path, ["when;load_kw", *rows[:3], rows[3].replace("1,250", "1.234,5"), *rows[4:]]
    )
    with pytest.raises(DataError, match=r"row 5 .*load_kw = 1.234,5 is 1234.5 kW; allowed is 0 "):
        load_of(tmp_path, path, decimal=",")


THOUSANDS = {"comma": ("1.234,5", "234,25"), "point": ("1,234.5", "234.25")}


@pytest.mark.parametrize(("grouped", "plain"), THOUSANDS.values(), ids=list(THOUSANDS))
def test_thousands_that_are_certain(tmp_path: Path, grouped: str, plain: str) -> None:
    """As SMARD writes prices above 1000 EUR/MWh: both signs in one number leave no doubt."""
    cells = [grouped if k % 10 == 3 else plain for k in range(HOURS)]
    rows = [f"{t:%Y-%m-%dT%H:%MZ};{c}" for t, c in zip(instants(60), cells, strict=True)]
    path = written(tmp_path / "l.csv", ["when;load_w", *rows])
    expected = [1.2345 if k % 10 == 3 else 0.23425 for k in range(HOURS)]
    np.testing.assert_allclose(load_of(tmp_path, path), [np.repeat(expected, 4)])


def test_stamps_from_to(tmp_path: Path) -> None:
    """ENTSO-E's "MTU (CET/CEST)": both ends of the interval in one cell, the zone beside some."""
    times = instants(60)

    def stamp(moment: datetime) -> str:
        there = moment.astimezone(ZONE)
        twice = there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()
        return f"{there:%d/%m/%Y %H:%M:%S}" + (f" ({there:%Z})" if twice else "")

    rows = [
        f'"{stamp(t)} - {stamp(t + timedelta(hours=1))}","{w / 1000}"'
        for w, t in zip(W, times, strict=True)
    ]
    assert sum("(CEST) - 27/10/2024 02:00:00 (CET)" in row for row in rows) == 1
    path = written(tmp_path / "l.csv", ["MTU (CET/CEST),load (kW)", *rows])
    for marks in ("start", "end"):
        found = load_of(tmp_path, path, stamp_zone="Europe/Brussels", stamp_marks=marks)
        np.testing.assert_array_equal(found, HOURLY_KW)
    path.write_text(path.read_text(encoding="utf-8").replace("(CEST)", "(CET)"), encoding="utf-8")
    with pytest.raises(DataError, match=r"'27/10/2024 02:00:00' is said to be in CET, and is in C"):
        load_of(tmp_path, path, stamp_zone="Europe/Brussels")


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M"])
def test_the_newest_row_first(tmp_path: Path, form: str) -> None:
    """As Energi Data Service sorts, through the hour that autumn repeats; rows keep numbers."""
    rows = [f"{local(t, form)};{comma(w / 1000)}" for w, t in zip(W, instants(60), strict=True)]
    path = written(tmp_path / "l.csv", ["when;load_kw", *rows[::-1]])
    options = {"stamp_zone": "Europe/Stockholm"}
    np.testing.assert_array_equal(load_of(tmp_path, path, **options), HOURLY_KW)
    rows[7] = rows[7].partition(";")[0] + ";"
    written(path, ["when;load_kw", *rows[::-1]])
    with pytest.raises(
        DataError, match=rf"row {HOURS + 1 - 7} \(2024-10-21T05:00Z\): load_kw is em"
    ):
        load_of(tmp_path, path, **options)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separators_and_encodings(tmp_path: Path, separator: str, encoding: str) -> None:
    """Also with a separator after the last cell, and as Excel saves Unicode text."""
    rows = [
        separator.join([f"{t:%Y-%m-%dT%H:%MZ}", f"{w / 1000}", "Förråd", ""])
        for w, t in zip(W, instants(60), strict=True)
    ]
    head = separator.join(["när", "load_kw", "plats", ""])
    path = written(tmp_path / "l.csv", [head, *rows], encoding)
    for named in (None, separator):
        np.testing.assert_array_equal(load_of(tmp_path, path, separator=named), HOURLY_KW)
    wrong = "," if separator != "," else ";"
    with pytest.raises(DataError, match=r"l.csv"):
        load_of(tmp_path, path, separator=wrong)
