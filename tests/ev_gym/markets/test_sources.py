"""Each source over a socket: what is asked, and that its answer becomes the right values."""

from __future__ import annotations

import json
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from ev_gym.markets import AREAS, SOURCES, carbon_g_per_kwh, prices
from ev_gym.markets.awattar import parse as awattar_records
from ev_gym.markets.elprisetjustnu import parse as elpris_records
from ev_gym.markets.energidataservice import parser as energinet_parser
from ev_gym.markets.energy_charts import parse_prices as charts_records
from ev_gym.markets.entsoe import parse_document
from ev_gym.series.dataset import Dataset
from tests.ev_gym.markets import played
from tests.support.scripted_server import answer

SPRING, AUTUMN, PLAIN = date(2025, 3, 30), date(2025, 10, 26), date(2025, 6, 3)
LONDON = ZoneInfo("Europe/London")


def expected(days: list[date], minutes: int, factor: float = 1.0) -> pd.Series[float]:
    """The invented values at their times."""
    items = {
        start: factor * played.value(n)
        for day in days
        for n, start in enumerate(played.starts(day, minutes))
    }
    return pd.Series(items)


def same(found: pd.Series[float], wanted: pd.Series[float]) -> None:
    assert isinstance(found.index, pd.DatetimeIndex)
    assert str(found.index.tz) == "UTC"
    pd.testing.assert_series_equal(
        found, wanted, check_names=False, check_freq=False, check_index_type=False
    )


def test_the_table_of_areas() -> None:
    for name, area in AREAS.items():
        ZoneInfo(area.zone)
        assert len(area.country) == 2
        assert all(SOURCES[source].prices for source in area.price_sources), name
        assert all(SOURCES[source].carbon for source in area.carbon_sources), name
    assert AREAS["SE3"].price_sources[:3] == (
        "elprisetjustnu", "energidataservice", "energy-charts",
    )  # fmt: skip
    assert (AREAS["NO5"].currency, AREAS["NO5"].zone) == ("NOK", "Europe/Oslo")
    assert len([name for name in AREAS if name.startswith("GB-")]) == 14


@pytest.mark.parametrize(
    ("day", "minutes", "count"),
    [(PLAIN, 60, 24), (SPRING, 60, 23), (AUTUMN, 15, 100), (date(2024, 10, 27), 60, 25)],
)
def test_elprisetjustnu(
    monkeypatch: pytest.MonkeyPatch, day: date, minutes: int, count: int
) -> None:
    tell = played.telling(lambda *_: played.elpris(day, minutes))
    with played.source(monkeypatch, "elprisetjustnu", tell) as requests:
        found = prices("SE3", day, day)
    assert [request.path for request in requests] == [f"/api/v1/prices/{day:%Y/%m-%d}_SE3.json"]
    assert len(found) == count
    same(found, expected([day], minutes, 0.1))
    assert found.name == "price_sek_per_kwh"
    assert found.attrs == {
        "source": "elprisetjustnu",
        "attribution": "Prices: elprisetjustnu.se",
        "licence": "free to use with a link to elprisetjustnu.se",
    }


def energinet_server(path: str, params: dict[str, str]) -> Any:
    if path == "/dataset/Elspotprices":
        return played.energinet(params, "HourUTC", 60, SpotPriceEUR=1.0, SpotPriceDKK=7.5)
    assert path == "/dataset/DayAheadPrices"
    return played.energinet(params, "TimeUTC", 15, DayAheadPriceEUR=1.0, DayAheadPriceDKK=7.5)


def test_energidataservice_from_hours_to_quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two data sets, all rows instead of a hundred, the newest first; Danish areas in DKK."""
    days = [date(2025, 9, 29) + timedelta(days=n) for n in range(4)]
    tell = played.telling(energinet_server)
    with played.source(monkeypatch, "energidataservice", tell) as requests:
        east = prices("SE3", days[0], days[-1], source="energidataservice")
        home = prices("DK1", days[1], days[1])
        german = prices("DE-LU", AUTUMN, AUTUMN, source="energidataservice")
    wanted = pd.concat([expected(days[:2], 60), expected(days[2:], 15)])
    same(east, wanted)
    assert (east.name, len(east)) == ("price_eur_per_mwh", 2 * 24 + 2 * 96)
    same(home, expected(days[1:2], 60, 7.5))
    assert home.name == "price_dkk_per_mwh"
    same(german, expected([AUTUMN], 15))
    asked = [played.asked(request) for request in requests]
    assert [path for path, _ in asked] == [
        "/dataset/Elspotprices", "/dataset/DayAheadPrices",
        "/dataset/Elspotprices", "/dataset/DayAheadPrices",
    ]  # fmt: skip
    assert asked[0][1] == {
        "filter": '{"PriceArea": ["SE3"]}',
        "start": "2025-09-29T00:00",
        "end": "2025-10-01T00:00",
        "sort": "HourUTC ASC",
        "limit": "0",
    }
    assert (asked[1][1]["start"], asked[1][1]["end"]) == ("2025-10-01T00:00", "2025-10-03T00:00")
    assert asked[3][1]["filter"] == '{"PriceArea": ["DE"]}'


def test_a_data_set_takes_the_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit in the name is one that it knows; in quarter-hours, too."""
    monday = date(2025, 11, 3)
    days = [monday + timedelta(days=n) for n in range(7)]
    with played.source(monkeypatch, "energidataservice", played.telling(energinet_server)):
        price = prices("DK1", days[0], days[-1])
    dataset = Dataset.from_frame(
        price=price,
        load=pd.Series(1.0, price.index, name="load_kw"),
        temperature=5.0,
        zone=AREAS["DK1"].zone,
        currency=AREAS["DK1"].currency,
    )
    assert dataset.price_minutes == 15
    np.testing.assert_allclose(dataset.price_per_kwh, expected(days, 15, 7.5) / 1000)


def test_energidataservice_that_keeps_rows_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(path: str, params: dict[str, str]) -> Any:
        return energinet_server(path, {**params, "limit": "100"})

    with played.source(monkeypatch, "energidataservice", played.telling(tell)):
        said = played.refusal(lambda: prices("DK1", PLAIN, PLAIN + timedelta(days=6)))
    assert said == "energidataservice, DK1, 2025-06-03 to 2025-06-09: 100 of 168 rows"


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (AUTUMN, 100)])
def test_energy_charts(monkeypatch: pytest.MonkeyPatch, day: date, count: int) -> None:
    """Its licence is the answer's own."""
    tell = played.telling(lambda *_: played.charts([day]))
    with played.source(monkeypatch, "energy-charts", tell) as requests:
        found = prices("DE-LU", day, day)
    path, params = played.asked(requests[0])
    assert (path, params) == ("/price", {"bzn": "DE-LU", "start": f"{day}", "end": f"{day}"})
    assert len(found) == count
    same(found, expected([day], 15))
    assert (found.name, found.attrs["licence"]) == ("price_eur_per_mwh", "CC BY 4.0 from nobody")


def test_energy_charts_where_the_market_changes_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = date(2025, 9, 30), date(2025, 10, 1)
    told = played.charts([before], 60)
    quarters = played.charts([after], 15)
    for key in ("unix_seconds", "price"):
        told[key] += quarters[key]
    with played.source(monkeypatch, "energy-charts", answer(200, told)):
        found = prices("FR", before, after)
    same(found, pd.concat([expected([before], 60), expected([after], 15)]))


def test_energy_charts_in_another_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    with played.source(
        monkeypatch, "energy-charts", answer(200, played.charts([PLAIN], unit="ct/kWh"))
    ):
        said = played.refusal(lambda: prices("FR", PLAIN, PLAIN))
    assert said == "energy-charts, FR, 2025-06-03: prices in 'ct/kWh'; allowed: EUR/MWh"


@pytest.mark.parametrize(("area", "source"), [("AT", "awattar-at"), ("DE-LU", "awattar-de")])
def test_awattar(monkeypatch: pytest.MonkeyPatch, area: str, source: str) -> None:
    """Milliseconds both ways; what it sends beyond the day is left out."""

    def tell(path: str, params: dict[str, str]) -> Any:
        assert path == "/v1/marketdata"
        stamps = played.starts(SPRING, 60) + played.starts(SPRING + timedelta(days=1), 60)
        assert int(params["start"]) == 1000 * stamps[0].timestamp()
        assert int(params["end"]) == 1000 * stamps[23].timestamp()
        data = [
            {
                "start_timestamp": int(1000 * start.timestamp()),
                "end_timestamp": int(1000 * start.timestamp()) + 3_600_000,
                "marketprice": played.value(n),
                "unit": "Eur/MWh",
            }
            for n, start in enumerate(stamps)
        ]
        return {"object": "list", "data": data}

    with played.source(monkeypatch, source, played.telling(tell)):
        found = prices(area, SPRING, SPRING, source=source)
    assert len(found) == 23
    same(found, expected([SPRING], 60))


def octopus_server(page_rows: int, open_end: bool = False) -> Any:
    """Rates of 2025 from midnight to midnight in London, in pages, the newest first."""

    def tell(path: str, params: dict[str, str]) -> Any:
        assert path == (
            "/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C"
            "/standard-unit-rates/"
        )
        first, end = (pd.Timestamp(params[f"period_{name}"]) for name in ("from", "to"))
        stamps = pd.date_range(first, end, freq="30min", inclusive="left")
        rows = [
            {
                "value_exc_vat": played.value(n),
                "value_inc_vat": 1.05 * played.value(n),
                "valid_from": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "valid_to": f"{start + pd.Timedelta('30min'):%Y-%m-%dT%H:%M:%SZ}",
                "payment_method": None,
            }
            for n, start in enumerate(stamps)
        ][::-1]
        if open_end:
            rows = rows[2:]
            rows[0]["valid_to"] = None
        page = int(params["page"])
        more = len(rows) > page * page_rows
        return {
            "count": len(rows),
            "next": "https://elsewhere.example/?page=2" if more else None,
            "previous": None,
            "results": rows[(page - 1) * page_rows : page * page_rows],
        }

    return played.telling(tell)


@pytest.mark.parametrize(("day", "count"), [(PLAIN, 48), (SPRING, 46), (AUTUMN, 50)])
def test_octopus_in_pages(monkeypatch: pytest.MonkeyPatch, day: date, count: int) -> None:
    """A day from 23:00 to 23:00 in London, also when both clocks change; pounds without VAT."""
    with played.source(monkeypatch, "octopus", octopus_server(20)) as requests:
        found = prices("GB-C", day, day)
    assert len(requests) == 3
    assert len(found) == count
    same(found, expected([day], 30, 0.01))
    assert found.name == "price_gbp_per_kwh"
    local = found.index.tz_convert(LONDON)  # type: ignore[attr-defined]
    assert (local[0].hour, local[-1].hour, local[-1].minute) == (23, 22, 30)
    assert local[-1].date() == day


def test_octopus_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last rate holds on; what began before its product is refused."""
    with played.source(monkeypatch, "octopus", octopus_server(1500, open_end=True)):
        found = prices("GB-C", PLAIN, PLAIN)
    assert found.tolist()[:46] == [played.value(n) / 100 for n in range(46)]
    assert found.tolist()[45:] == [played.value(45) / 100] * 3
    said = played.refusal(lambda: prices("GB-C", date(2024, 9, 30), PLAIN))
    assert said == "first_day is 2024-09-30; allowed for GB-C: octopus since 2024-10-01"


def nordpool_day(day: date, currency: str, area: str) -> dict[str, Any]:
    return {
        "deliveryDateCET": f"{day}",
        "updatedAt": "2025-11-19T12:00:00Z",
        "currency": currency,
        "exchangeRate": 11.0,
        "blockPriceAggregates": [],
        "areaAverages": [{"areaCode": area, "price": 1.0}],
        "areaStates": [{"state": "Final", "areas": [area]}],
        "multiAreaEntries": [
            {
                "deliveryStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "deliveryEnd": f"{start + timedelta(minutes=15):%Y-%m-%dT%H:%M:%SZ}",
                "entryPerArea": {area: played.value(n)},
            }
            for n, start in enumerate(played.starts(day, 15))
        ],
    }


@pytest.mark.parametrize(
    ("area", "name", "currency"), [("SE3", "SE3", "SEK"), ("DE-LU", "GER", "EUR")]
)
def test_nordpool(monkeypatch: pytest.MonkeyPatch, area: str, name: str, currency: str) -> None:
    pytest.importorskip("pynordpool", reason="the extra `markets` brings it, from Python 3.11 on")

    def tell(path: str, params: dict[str, str]) -> Any:
        assert path == "/DayAheadPrices"
        assert params == {
            "date": f"{AUTUMN}",
            "market": "DayAhead",
            "deliveryArea": name,
            "currency": currency,
        }
        return nordpool_day(AUTUMN, currency, name)

    with played.source(monkeypatch, "nordpool", played.telling(tell)):
        found = prices(area, AUTUMN, AUTUMN, source="nordpool")
    same(found, expected([AUTUMN], 15))
    assert found.name == f"price_{currency.lower()}_per_mwh"


def test_carbon_of_energy_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    told = played.charts([PLAIN])
    told = {"unix_seconds": told["unix_seconds"], "co2eq": told["price"], "co2eq_forecast": []}
    with played.source(monkeypatch, "energy-charts", answer(200, told)) as requests:
        found = carbon_g_per_kwh("SE3", PLAIN, PLAIN)
    assert played.asked(requests[0]) == (
        "/co2eq", {"country": "se", "start": "2025-06-03", "end": "2025-06-03"},
    )  # fmt: skip
    same(found, expected([PLAIN], 15))
    assert found.name == "carbon_g_per_kwh"


def test_carbon_of_denmark_in_means_of_quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(path: str, params: dict[str, str]) -> Any:
        assert path == "/dataset/CO2Emis"
        return played.energinet(params, "Minutes5UTC", 5, CO2Emission=1.0)

    with played.source(monkeypatch, "energidataservice", played.telling(tell)):
        found = carbon_g_per_kwh("DK2", PLAIN, PLAIN)
    fives = [played.value(n) for n in range(288)]
    assert found.tolist() == pytest.approx([sum(fives[n : n + 3]) / 3 for n in range(0, 288, 3)])
    assert found.attrs["attribution"] == "Source: Energinet (energidataservice.dk)"


def britain(day: date, missing: int | None = None) -> dict[str, Any]:
    """Half-hours as carbonintensity.org.uk tells them, with the one before, which nobody asked."""
    stamps = played.starts(day, 30)
    half = timedelta(minutes=30)
    return {
        "data": [
            {
                "from": f"{start:%Y-%m-%dT%H:%MZ}",
                "to": f"{start + half:%Y-%m-%dT%H:%MZ}",
                "intensity": {
                    "forecast": 1,
                    "actual": None if n == missing else 100 + n,
                    "index": "low",
                },
            }
            for n, start in enumerate([stamps[0] - half, *stamps])
        ]
    }


def test_carbon_of_britain(monkeypatch: pytest.MonkeyPatch) -> None:
    with played.source(monkeypatch, "carbonintensity", answer(200, britain(PLAIN))) as requests:
        found = carbon_g_per_kwh("GB-C", PLAIN, PLAIN)
    assert requests[0].path == "/intensity/2025-06-02T22:00Z/2025-06-03T22:00Z"
    assert found.tolist() == [101.0 + n for n in range(48)]
    with played.source(monkeypatch, "carbonintensity", answer(200, britain(PLAIN, 3))):
        said = played.refusal(lambda: carbon_g_per_kwh("GB-P", PLAIN, PLAIN))
    assert said == (
        "carbonintensity, GB-P, 2025-06-03: no value from 2025-06-03 01:00+0200 to "
        "2025-06-03 01:30+0200"
    )


def test_what_is_not_served_is_refused() -> None:
    said = played.refusal(lambda: prices("SE5", PLAIN, PLAIN))
    assert said.startswith("area is 'SE5'; allowed: SE1, SE2, SE3, SE4, DK1")
    said = played.refusal(lambda: prices("SE1", PLAIN, PLAIN, source="octopus"))
    assert said.startswith("source is 'octopus'; allowed for SE1: elprisetjustnu, energy-charts")
    said = played.refusal(lambda: prices("SE1", PLAIN, SPRING))
    assert said == "last_day is 2025-03-30; allowed: from first_day, 2025-06-03, on"
    at_noon = datetime(2025, 6, 3, 12)
    said = played.refusal(lambda: prices("SE1", at_noon, PLAIN))
    assert said == f"first_day is {at_noon!r}; allowed: a datetime.date"


def test_long_spans_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Britain's carbon is told for two weeks at most."""

    def tell(path: str, _: dict[str, str]) -> Any:
        first, end = (pd.Timestamp(text) for text in path.split("/")[2:])
        days = (end - first).round("D").days
        told = [
            britain((first + timedelta(hours=12)).date() + timedelta(days=n)) for n in range(days)
        ]
        return {"data": [item for day in told for item in day["data"][1:]]}

    with played.source(monkeypatch, "carbonintensity", played.telling(tell)) as requests:
        found = carbon_g_per_kwh("GB-A", date(2025, 10, 1), date(2025, 10, 31))
    assert len(requests) == 3
    assert len(found) == 31 * 48 + 2  # the clock goes back on the 26th


# The recorded answers, where there are some.


@pytest.fixture
def recorded() -> Path:
    folder = Path(os.environ.get("EV_GYM_DATA", "")) / "fixtures"
    if "EV_GYM_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("needs recorded answers: EV_GYM_DATA with a folder `fixtures`")
    return folder


def test_recorded_answers_in_json(recorded: Path) -> None:
    def told(name: str) -> Any:
        return json.loads((recorded / name).read_text(encoding="utf-8"))

    swedish = elpris_records(told("elprisetjustnu_2023-03-08_SE3.json"))
    danish = energinet_parser("HourUTC", "SpotPriceEUR", 60)(
        told("energidataservice_Elspotprices_2023-03-08_SE3.json")
    )
    assert (len(swedish), len(danish)) == (24, 24)
    for sek, eur in zip(swedish, danish, strict=True):  # both of the same hours
        assert sek.start_s == eur.start_s
        assert sek.value == pytest.approx(eur.value * 11.210032 / 1000, abs=2e-5)
    (quarter,) = energinet_parser("TimeUTC", "DayAheadPriceDKK", 15)(
        told("energidataservice_DayAheadPrices_shape.json")
    )
    assert quarter.value == pytest.approx(740.951258)
    german = charts_records(told("energycharts_price_DE-LU.json"))
    assert [(r.minutes, r.value) for r in german[:2]] == [(60, 92.85), (60, 89.33)]
    assert len(german) == 48
    hours = awattar_records(told("awattar_DE_2024-06-14.json"))
    assert (len(hours), hours[0].value, hours[0].minutes) == (48, 83.13, 60)


def test_recorded_answers_in_xml(recorded: Path) -> None:
    def told(name: str) -> Any:
        return parse_document((recorded / name).read_text(encoding="utf-8"))

    hours, currency = told("entsoe_A44_BE_60M.xml")
    assert currency == "EUR"
    assert [r.value for r in hours[:2]] == [64.98, 57.86]
    assert {r.minutes for r in hours} == {60}
    mixed, _ = told("entsoe_A44_BE_60M_15M_mix.xml")
    quarters = [r for r in mixed if r.minutes == 15]
    assert len(quarters) == 2 * 96
    # Quarter-hours repeat the hour before them: positions 1 and 5 alone are told.
    assert [r.value for r in sorted(quarters)[:8]] == [55.35] * 4 + [44.22] * 4
    assert len([r for r in mixed if r.minutes == 60]) == 24
