"""ENTSO-E: curve type A03, two resolutions, two auctions, the token, and its refusals."""

from __future__ import annotations

import logging
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ev_gym.markets import NotPublished, NotSetUp, entsoe, prices
from ev_gym.markets.errors import WrongAnswerError
from tests.ev_gym.markets import played
from tests.support.scripted_server import Act, answer, drop

DAY = date(2025, 10, 26)  # 100 quarter-hours
TOKEN = "11111111-secret-token"
NAMESPACE = "urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTSOE_API_KEY", TOKEN)


@pytest.fixture
def package() -> None:
    pytest.importorskip("entsoe", reason="the extra `markets` brings it")


def period(day: date, minutes: int, positions: dict[int, float]) -> str:
    first, end = (played.starts(d, 60)[0] for d in (day, day + timedelta(days=1)))
    points = "".join(
        f"<Point><position>{n}</position><price.amount>{value}</price.amount></Point>"
        for n, value in positions.items()
    )
    return (
        f"<Period><timeInterval><start>{first:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}"
        f"</end></timeInterval><resolution>PT{minutes}M</resolution>{points}</Period>"
    )


def series(
    *periods: str,
    sequence: int | None = None,
    contract: str = "A01",
    curve: str = "A03",
    unit: str = "EUR",
) -> str:
    name = "classificationSequence_AttributeInstanceComponent.position"
    order = "" if sequence is None else f"<{name}>{sequence}</{name}>"
    return (
        f"<TimeSeries><contract_MarketAgreement.type>{contract}</contract_MarketAgreement.type>"
        f"<currency_Unit.name>{unit}</currency_Unit.name><price_Measure_Unit.name>MWH"
        f"</price_Measure_Unit.name>{order}<curveType>{curve}</curveType>{''.join(periods)}"
        "</TimeSeries>"
    )


def document(*parts: str) -> str:
    name = "Publication_MarketDocument"
    return f'<{name} xmlns="{NAMESPACE}"><type>A44</type>{"".join(parts)}</{name}>'


def refused(text: str, status: int = 400) -> Act:
    body = (
        '<Acknowledgement_MarketDocument xmlns="urn:x"><Reason><code>999</code>'
        f"<text>{text}</text></Reason></Acknowledgement_MarketDocument>"
    )
    return answer(status, body.encode(), "text/xml")


def xml(*parts: str) -> Act:
    return answer(200, document(*parts).encode(), "text/xml")


@pytest.mark.usefixtures("package")
def test_a_day_of_quarters_with_repeats(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    """Positions left out repeat the one before, to the end of the day; 100 of them."""
    act = xml(series(period(DAY, 15, {1: 10.0, 2: -3.5, 9: 40.25}), sequence=1))
    with played.source(monkeypatch, "entsoe", act) as requests:
        found = prices("SE3", DAY, DAY, source="entsoe")
    assert found.tolist() == [10.0] + 7 * [-3.5] + 92 * [40.25]
    assert (found.name, found.attrs["source"]) == ("price_eur_per_mwh", "entsoe")
    _, asked = played.asked(requests[0])
    assert asked["documentType"] == "A44"
    assert asked["in_Domain"] == asked["out_Domain"] == "10Y1001A1001A46L"
    assert (asked["periodStart"], asked["periodEnd"]) == ("202510252200", "202510262300")
    assert asked["securityToken"] == TOKEN
    # It is kept on disk without the token, and found there without it.
    (kept,) = quick.glob("*.sqlite")
    assert TOKEN.encode() not in kept.read_bytes()


@pytest.mark.usefixtures("package")
def test_two_auctions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of DE-LU, the coupled auction is asked for, and taken if the other comes, too."""
    coupled = series(period(DAY, 15, {1: 10.0}), sequence=1)
    other = series(period(DAY, 15, {1: 99.0}), sequence=2)
    intraday = series(period(DAY, 15, {1: 98.0}), contract="A07")
    with played.source(monkeypatch, "entsoe", xml(other, coupled, intraday)) as requests:
        found = prices("DE-LU", DAY, DAY, source="entsoe")
    assert found.tolist() == 100 * [10.0]
    key = "classificationSequence_AttributeInstanceComponent.position"
    assert played.asked(requests[0])[1][key] == "1"


def test_two_resolutions_of_one_day() -> None:
    """The market's own: hours until 2025-09-30, quarter-hours after that."""
    for day, minutes, value in ((date(2025, 9, 30), 60, 1.0), (date(2025, 10, 1), 15, 2.0)):
        both = series(period(day, 60, {1: 1.0})), series(period(day, 15, {1: 2.0}))
        for parts in (both, both[::-1]):
            found, _ = entsoe.parse_document(document(*parts))
            assert {(r.minutes, r.value) for r in found} == {(minutes, value)}
    quarters, _ = entsoe.parse_document(document(series(period(date(2025, 9, 30), 15, {1: 3.0}))))
    assert len(quarters) == 96  # alone, it is taken as it was published


@pytest.mark.usefixtures("package")
def test_without_repeats_every_position_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curve type A01, and the first position of A03, leave gaps, which are errors."""
    quarters = {n: float(n) for n in range(1, 101)}
    whole = xml(series(period(DAY, 15, quarters), curve="A01"))
    with played.source(monkeypatch, "entsoe", whole):
        assert prices("BE", DAY, DAY, source="entsoe").tolist() == list(quarters.values())
    del quarters[50]
    day = DAY - timedelta(days=7)
    begun = period(day, 15, dict.fromkeys(range(2, 97), 1.0))
    with played.source(monkeypatch, "entsoe", xml(series(begun, curve="A03"))):
        said = played.refusal(lambda: prices("BE", day, day, source="entsoe"))
    assert said == (
        "entsoe, BE, 2025-10-19: no value from 2025-10-19 00:00+0200 to 2025-10-19 00:15+0200"
    )
    with played.source(monkeypatch, "entsoe", xml(series(period(DAY, 15, quarters), curve="A01"))):
        said = played.refusal(lambda: prices("NL", DAY, DAY, source="entsoe"))
    # Position 50 begins 49 quarters after midnight, one hour of which passed twice.
    assert said == (
        "entsoe, NL, 2025-10-26: no value from 2025-10-26 11:15+0100 to 2025-10-26 11:30+0100"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (document(series(period(DAY, 15, {1: 1.0})))[:-40], "no whole XML document"),
        ("<html><body>down</body></html>", "the document is a html, not one of prices"),
        (document(series(period(DAY, 15, {101: 1.0}))), "position 101 in a period of 100"),
        (document(series(period(DAY, 20, {1: 1.0}))), "a resolution of PT20M; allowed"),
        (document(series(unit="EUR"), series(unit="PLN")), "prices in PLN per MWH; allowed"),
        (document("<TimeSeries/>"), "the document lacks currency_Unit.name"),
    ],
)
def test_documents_that_are_wrong(text: str, said: str) -> None:
    with pytest.raises(WrongAnswerError, match=said):
        entsoe.parse_document(text)


def test_a_document_that_says_no() -> None:
    """It may come with status 200."""

    def saying(text: str) -> str:
        name = "Acknowledgement_MarketDocument"
        return f"<{name}><Reason><text>{text}</text></Reason></{name}>"

    assert entsoe.parse_document(saying("No matching data found for A44")) == ([], "")
    with pytest.raises(WrongAnswerError, match="it refuses: too much"):
        entsoe.parse_document(saying("too much"))


def test_two_values_of_one_position() -> None:
    point = "<Point><position>1</position><price.amount>7.5</price.amount></Point>"
    text = document(series(period(DAY, 15, {1: 7.0}).replace("</Period>", point + "</Period>")))
    with pytest.raises(WrongAnswerError, match=r"two values of position 1: 7\.0 and 7\.5"):
        entsoe.parse_document(text)


@pytest.mark.usefixtures("package")
def test_what_it_refuses(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """None of it shows the token."""
    caplog.set_level(logging.DEBUG, "ev_gym")
    nothing = refused("No matching data found for Data item [12.1.D]")
    for day, kind in ((date(2025, 11, 21), NotPublished), (DAY, played.MarketError)):
        with played.source(monkeypatch, "entsoe", nothing):
            said = played.refusal(lambda day=day: prices("FI", day, day, source="entsoe"), kind)
        assert f"{day}" in said
    cases: list[tuple[Act, str]] = [
        (refused("Unauthorized", 401), "the token in ENTSOE_API_KEY was refused"),
        (refused("strange", 400), "the request was refused"),
        (drop, "no connection to 127.0.0.1:"),
    ]
    for act, problem in cases:
        with played.source(monkeypatch, "entsoe", act), pytest.raises(played.MarketError) as caught:
            prices("FI", DAY, DAY, source="entsoe")
        assert str(caught.value).startswith(f"entsoe, FI, 2025-10-26: {problem}")
        assert TOKEN not in str(caught.value)
        # Another error in the traceback would show the address, with the token in it.
        assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert TOKEN not in caplog.text


@pytest.mark.usefixtures("package")
def test_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENTSOE_API_KEY")
    said = played.refusal(lambda: prices("FI", DAY, DAY, source="entsoe"), NotSetUp)
    assert said.startswith("entsoe, FI, 2025-10-26: ENTSOE_API_KEY is not set; allowed: a token")
    assert "https://transparency.entsoe.eu" in said


@pytest.mark.parametrize(("source", "package"), [("entsoe", "entsoe"), ("nordpool", "pynordpool")])
def test_an_extra_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, source: str, package: str
) -> None:
    absent: Any = None  # what makes an import of it fail
    monkeypatch.setitem(sys.modules, package, absent)
    said = played.refusal(lambda: prices("FI", DAY, DAY, source=source), NotSetUp)
    assert "is missing: pip install 'ev-gym[markets]', or '.[markets]' in a checkout" in said
