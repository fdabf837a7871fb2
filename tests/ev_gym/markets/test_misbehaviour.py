"""Servers that misbehave, answers that are wrong or partial, and what is kept on disk."""

from __future__ import annotations

import json
import logging
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from requests_cache.backends.sqlite import SQLiteDict

from ev_gym.markets import (
    MarketError,
    NotPublished,
    Unreachable,
    carbon_g_per_kwh,
    fetching,
    prices,
    records,
)
from tests.ev_gym.markets import played
from tests.support.scripted_server import Act, Request, answer, cut, drop, hang

DAY = date(2025, 6, 3)
TODAY, TOMORROW = date(2025, 11, 20), date(2025, 11, 21)  # by the clock that stands
WHAT = "elprisetjustnu, SE1, 2025-06-03: "


def ask(day: date = DAY) -> list[float]:
    return prices("SE1", day, day, source="elprisetjustnu").tolist()


def good(day: date = DAY, minutes: int = 60) -> Act:
    return answer(200, played.elpris(day, minutes))


WANTED = [played.value(n) / 10 for n in range(24)]
HTML = b"<!DOCTYPE html><html><body>Back soon</body></html>"


@pytest.mark.parametrize(
    "first",
    [
        answer(500, {}), answer(502, {}), answer(503, {}), answer(504, {}), answer(429, {}),
        drop, cut, hang,
        answer(429, {}, **{"Retry-After": "not a number"}),
    ],
)  # fmt: skip
def test_what_fails_once_is_repeated(monkeypatch: pytest.MonkeyPatch, first: Act) -> None:
    with played.source(monkeypatch, "elprisetjustnu", first, good()) as requests:
        assert ask() == WANTED
    assert len(requests) == 2


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (answer(500, {}), "127.0.0.1:N answered with HTTP status 500"),
        (drop, "no connection to 127.0.0.1:N"),
        (cut, "the answer of 127.0.0.1:N was cut short"),
        (hang, "no answer from 127.0.0.1:N in 0.2 s"),
    ],
)
def test_what_goes_on_failing(monkeypatch: pytest.MonkeyPatch, act: Act, problem: str) -> None:
    with played.source(monkeypatch, "elprisetjustnu", act) as requests:
        port = os.environ["EV_GYM_ELPRISETJUSTNU_URL"].rsplit(":", 1)[1]
        said = played.refusal(ask, Unreachable)
    assert said == WHAT + problem.replace(":N", f":{port}")
    assert len(requests) == fetching.ATTEMPTS


def test_a_server_that_asks_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """In seconds or until a time; too long a wait is said instead of waited."""

    def in_two_seconds() -> str:
        return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=2), usegmt=True)

    for wish, at_least_s in ((lambda: "1", 1.0), (in_two_seconds, 0.9)):
        act = answer(429, {}, **{"Retry-After": wish()})
        began = time.monotonic()
        with played.source(monkeypatch, "elprisetjustnu", act, good()):
            assert ask(DAY) == WANTED
        assert time.monotonic() - began >= at_least_s
        for kept in platformdirs.user_cache_path().iterdir():
            kept.unlink()
    act = answer(503, {}, **{"Retry-After": "3600"})
    with played.source(monkeypatch, "elprisetjustnu", act, good()) as requests:
        said = played.refusal(ask, Unreachable)
    assert said.endswith("answered with HTTP status 503, and asks to wait 3600 s")
    assert len(requests) == 1


def test_a_limit_of_requests(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After 429 without a wish it waits, too; long waits are told."""
    monkeypatch.setattr(fetching, "LIMIT_WAIT_S", 0.3)
    monkeypatch.setattr(fetching, "TOLD_WAIT_S", 0.3)
    began = time.monotonic()
    with played.source(monkeypatch, "elprisetjustnu", answer(500, {}), answer(429, {}), good()):
        assert ask() == WANTED
    assert time.monotonic() - began >= 0.3
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "answered with HTTP status 429; trying again in 0 s" in record.getMessage()


def test_back_off_doubles() -> None:
    class State:
        outcome = type("Outcome", (), {"exception": staticmethod(lambda: None)})()

        def __init__(self, attempt: int) -> None:
            self.attempt_number = attempt

    waits: list[float] = []
    for attempt in range(1, 5):
        state: Any = State(attempt)
        waits.append(fetching._wait_s(state) / fetching.FIRST_WAIT_S)
    assert waits == [1.0, 2.0, 4.0, 8.0]


def edited(edit: Callable[[list[dict[str, Any]]], Any]) -> Act:
    """A day of elprisetjustnu.se after an edit."""
    told = played.elpris(DAY)
    return answer(200, edit(told) or told)


def test_shuffled_and_repeated_records_are_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def shuffle(told: list[dict[str, Any]]) -> None:
        told += told[3:6]
        random.Random(1).shuffle(told)

    with played.source(monkeypatch, "elprisetjustnu", edited(shuffle)):
        assert ask() == WANTED


def double(told: list[dict[str, Any]]) -> None:
    told.append({**told[2], "SEK_per_kWh": 3.25})


def halve(told: list[dict[str, Any]]) -> None:
    told[4]["time_end"] = told[4]["time_start"].replace("04:00", "04:30")


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (answer(200, HTML, "text/html"), "the answer is no JSON but text/html: '<!DOCTYPE html>"),
        (answer(200, json.dumps(played.elpris(DAY)).encode()[:900]), "the answer is no JSON but "),
        (answer(403, HTML, "text/html"), "127.0.0.1:N answered with HTTP status 403: <!DOCTYPE"),
        (answer(404, {}), "no value from 2025-06-03 00:00+0200 to 2025-06-04 00:00+0200"),
        (answer(200, []), "no value from 2025-06-03 00:00+0200 to 2025-06-04 00:00+0200"),
        (answer(200, {"error": "x"}), "the answer is not of the documented shape (TypeError"),
        (answer(200, [{"time_end": 1}]), "the answer is not of the documented shape (KeyError"),
        (edited(lambda told: told[:20]), "no value from 2025-06-03 20:00+0200 to 2025-06-04 00:00"),
        (edited(lambda told: told[1:]), "no value from 2025-06-03 00:00+0200 to 2025-06-03 01:00"),
        (edited(lambda told: told[:7] + told[9:]), "no value from 2025-06-03 07:00+0200 to "),
        (edited(double), "two values for 2025-06-03 02:00+0200: 0.9 (60 min) and 3.25 (60 min)"),
        (edited(halve), "no value from 2025-06-03 04:30+0200 to 2025-06-03 05:00+0200"),
        (edited(lambda told: told[0].update(SEK_per_kWh=None)), "None is not a finite number"),
        (edited(lambda told: told[0].update(SEK_per_kWh="1")), "'1' is not a finite number"),
        (edited(lambda told: told[0].update(SEK_per_kWh=True)), "True is not a finite number"),
        (edited(lambda told: told[0].update(SEK_per_kWh=float("nan"))), "nan is not a finite"),
        (edited(lambda told: told[0].update(time_start="noon")), "'noon' is not a time"),
        (edited(lambda told: told[0].update(time_start="2025-06-03T00:00:00")),
         "'2025-06-03T00:00:00' has no offset from UTC"),
        (edited(lambda told: told[0].update(time_end=told[1]["time_end"])),
         "an interval of 120 minutes; allowed: 5, 15, 30, 60"),
        (edited(lambda told: told + played.elpris(DAY, 15)[1:2]),
         "intervals overlap at 2025-06-03 00:15+0200"),
    ],
)  # fmt: skip
def test_wrong_and_partial_answers(monkeypatch: pytest.MonkeyPatch, act: Act, problem: str) -> None:
    """An error names source, area and day; the answer is not kept, so the next one counts."""
    with played.source(monkeypatch, "elprisetjustnu", act, good()) as requests:
        port = os.environ["EV_GYM_ELPRISETJUSTNU_URL"].rsplit(":", 1)[1]
        said = played.refusal(ask)
        assert said.startswith(WHAT + problem.replace(":N", f":{port}"))
        assert ask() == WANTED
    assert len(requests) == 2


def test_nulls_are_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    told = played.charts([DAY])
    told["price"][40] = None
    with played.source(monkeypatch, "energy-charts", answer(200, told)):
        said = played.refusal(lambda: prices("FR", DAY, DAY))
    assert said == (
        "energy-charts, FR, 2025-06-03: no value from 2025-06-03 10:00+0200 to "
        "2025-06-03 10:15+0200"
    )
    for key in ("unix_seconds", "price"):  # the same where the time is missing, too
        del told[key][40]
    with played.source(monkeypatch, "energy-charts", answer(200, told)):
        assert played.refusal(lambda: prices("FR", DAY, DAY)) == said
    told["price"].append(1.0)
    with played.source(monkeypatch, "energy-charts", answer(200, told)):
        said = played.refusal(lambda: prices("FR", DAY, DAY))
    assert said == "energy-charts, FR, 2025-06-03: 95 times with 96 values"


# What is not there yet.


@pytest.mark.parametrize("missing", [answer(404, {}), answer(204, b""), answer(200, [])])
def test_tomorrow_before_it_is_published(monkeypatch: pytest.MonkeyPatch, missing: Act) -> None:
    """An error of its own, at once, and never kept: the next request finds it."""
    tomorrow = good(TOMORROW, 15)
    with played.source(monkeypatch, "elprisetjustnu", missing, tomorrow) as requests:
        said = played.refusal(lambda: ask(TOMORROW), NotPublished)
        assert len(ask(TOMORROW)) == 96
    assert said == "elprisetjustnu, SE1: 2025-11-21 is not published yet"
    assert len(requests) == 2


def test_today_and_a_part_of_tomorrow_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with played.source(monkeypatch, "elprisetjustnu", answer(404, {})):
        said = played.refusal(lambda: ask(TODAY))
    assert said.startswith("elprisetjustnu, SE1, 2025-11-20: no value from 2025-11-20 00:00+0100")
    part = played.elpris(TOMORROW, 15)[:40]
    with played.source(monkeypatch, "elprisetjustnu", answer(200, part)):
        said = played.refusal(lambda: ask(TOMORROW))
    assert "no value from 2025-11-21 10:00+0100 to 2025-11-22 00:00+0100" in said


def test_the_first_missing_day_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(path: str, params: dict[str, str]) -> Any:
        return played.elpris(TODAY, 15) if "11-20" in path else answer(404, {})

    with played.source(monkeypatch, "elprisetjustnu", played.telling(tell)):
        said = played.refusal(lambda: prices("SE1", TODAY, TOMORROW), NotPublished)
    assert said == "elprisetjustnu, SE1: 2025-11-21 is not published yet"


def test_carbon_of_today_comes_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    told = played.charts([TODAY])
    told["co2eq"] = told["price"][:40] + [None] * 56
    with played.source(monkeypatch, "energy-charts", answer(200, told)):
        said = played.refusal(lambda: carbon_g_per_kwh("FR", TODAY, TODAY), NotPublished)
    assert said == (
        "energy-charts, FR: 2025-11-20 is not published yet beyond 2025-11-20 10:00+0100"
    )


@pytest.mark.parametrize(
    ("day", "act", "kind", "problem"),
    [
        (TOMORROW, answer(204, b""), NotPublished, "2025-11-21 is not published yet"),
        (TODAY, answer(204, b""), MarketError, "no value from 2025-11-20 00:00+0100 to"),
        (TODAY, drop, Unreachable, "no connection to 127.0.0.1:"),
        (TODAY, answer(503, {}), Unreachable, "127.0.0.1:"),
        (TODAY, answer(200, HTML, "text/html"), MarketError, "the answer is no JSON but text/html"),
        (TODAY, answer(401, {}), MarketError, "127.0.0.1:"),
        (TODAY, answer(200, {"multiAreaEntries": []}), MarketError, "the answer is not of the doc"),
    ],
)
def test_nordpool(
    monkeypatch: pytest.MonkeyPatch, day: date, act: Act, kind: type[MarketError], problem: str
) -> None:
    """Its client's own repeats, seven seconds apart, never come into play."""
    pytest.importorskip("pynordpool", reason="the extra `markets` brings it, from Python 3.11 on")
    began = time.monotonic()
    with played.source(monkeypatch, "nordpool", act):
        said = played.refusal(lambda: prices("NO1", day, day, source="nordpool"), kind)
    what = "nordpool, NO1: " if kind is NotPublished else f"nordpool, NO1, {day}: "
    assert said.startswith(what + problem)
    assert time.monotonic() - began < 5


# The next source.


def test_the_next_source_where_the_first_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        played.source(monkeypatch, "elprisetjustnu", drop) as first,
        played.source(monkeypatch, "energy-charts", answer(200, played.charts([DAY], 60))),
    ):
        found = prices("SE1", DAY, DAY)
    assert len(first) == fetching.ATTEMPTS
    assert found.attrs["source"] == "energy-charts"
    assert (found.name, found.tolist()) == ("price_eur_per_mwh", [10 * v for v in WANTED])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(WHAT + "no connection to 127.0.0.1:")
    assert record.getMessage().endswith("; trying energy-charts")


def test_the_next_source_is_not_asked_for_a_better_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        played.source(monkeypatch, "elprisetjustnu", answer(200, [])),
        played.source(monkeypatch, "energy-charts", answer(500, {})) as second,
    ):
        played.refusal(lambda: prices("SE1", DAY, DAY))
    assert second == []


def test_a_wrong_answer_of_the_next_source_ends_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        played.source(monkeypatch, "elprisetjustnu", drop),
        played.source(monkeypatch, "energidataservice", answer(200, {"total": 1, "records": []})),
        played.source(monkeypatch, "energy-charts", answer(200, played.charts([DAY]))) as third,
    ):
        said = played.refusal(lambda: prices("SE3", DAY, DAY))
    assert said == "energidataservice, SE3, 2025-06-03: 0 of 1 rows"
    assert third == []


def test_sources_that_are_not_set_up_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: Any = None  # what makes an import fail
    monkeypatch.setitem(sys.modules, "pynordpool", absent)
    monkeypatch.setitem(sys.modules, "entsoe", absent)
    with played.source(monkeypatch, "energy-charts", drop):
        said = played.refusal(lambda: prices("FI", DAY, DAY), Unreachable)
    parts = said.split("; ")
    assert parts[0].startswith("energy-charts, FI, 2025-06-03: no connection to 127.0.0.1:")
    assert "pynordpool is missing: pip install 'ev-gym[markets]'" in said
    assert "entsoe-py is missing" in said


def test_all_sources_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        played.source(monkeypatch, "energidataservice", drop),
        played.source(monkeypatch, "energy-charts", drop),
    ):
        said = played.refusal(lambda: carbon_g_per_kwh("DK1", DAY, DAY), Unreachable)
    assert said.count("DK1, 2025-06-03: no connection to") == 2


def test_a_source_that_does_not_reach_so_far_back_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = date(2020, 3, 29)

    def tell(path: str, params: dict[str, str]) -> Any:
        return played.energinet(params, "HourUTC", 60, SpotPriceEUR=1.0)

    with played.source(monkeypatch, "energidataservice", played.telling(tell)):
        found = prices("SE3", old, old)
    assert (found.attrs["source"], len(found)) == ("energidataservice", 23)


# On disk.


def test_a_second_call_makes_no_request(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    with played.source(monkeypatch, "elprisetjustnu", good()) as requests:
        assert ask() == ask() == WANTED
    assert len(requests) == 1
    assert [path.name for path in quick.glob("*.sqlite")] == ["markets.sqlite"]


def test_recent_days_are_asked_for_anew_if_they_have_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A conditional request, answered by 304 without a body, or by a new answer."""
    changed = [{**item, "SEK_per_kWh": 2.0} for item in played.elpris(TODAY, 15)]

    def act(handler: BaseHTTPRequestHandler, request: Request) -> None:
        seen.append(request.headers.get("If-None-Match"))
        if seen[-1] == '"v1"' and len(seen) < 3:
            handler.send_response(304)
            handler.send_header("ETag", '"v1"')
            handler.end_headers()
        elif len(seen) == 1:
            answer(200, played.elpris(TODAY, 15), ETag='"v1"')(handler, request)
        else:
            answer(200, changed, ETag='"v2"')(handler, request)

    seen: list[str | None] = []
    monkeypatch.setattr(fetching, "FRESH_RECENT_S", 0.01)
    with played.source(monkeypatch, "elprisetjustnu", act):
        first = ask(TODAY)
        time.sleep(0.05)
        again = ask(TODAY)
        time.sleep(0.05)
        other = ask(TODAY)
    assert seen == [None, '"v1"', '"v1"']
    assert first == again == [played.value(n) / 10 for n in range(96)]
    assert other == [2.0] * 96


def test_how_long_answers_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Today's are asked for anew after minutes, those of past days after a month."""
    with played.source(
        monkeypatch, "elprisetjustnu", good(), good(TODAY, 15), good(TODAY, 15)
    ) as requests:
        ask()
        ask(TODAY)
        ask(TODAY)
    assert [request.headers["Cache-Control"] for request in requests] == [
        f"max-age={30 * 86_400}", "max-age=600",
    ]  # fmt: skip
    assert records.today("Europe/Stockholm") == TODAY


def test_a_cache_folder_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(
        platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "file" / "cache"
    )
    with played.source(monkeypatch, "elprisetjustnu", good()):
        assert ask() == WANTED
    file = tmp_path / "file" / "cache" / "markets.sqlite"
    assert caplog.messages[0].startswith(f"answers are not kept in {file}: ")


def test_a_cache_that_is_damaged(
    monkeypatch: pytest.MonkeyPatch, quick: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quick.mkdir()
    (quick / "markets.sqlite").write_bytes(b"no database" * 1000)
    with played.source(monkeypatch, "elprisetjustnu", good()):
        assert ask() == WANTED
    assert caplog.messages[0].endswith("markets.sqlite: file is not a database")


def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with played.source(monkeypatch, "elprisetjustnu", good()):
        monkeypatch.setattr(SQLiteDict, "__setitem__", full)
        said = played.refusal(ask)
    assert said == (
        f"{WHAT}answers cannot be kept (database or disk is full); allowed: delete "
        f"{quick / 'markets.sqlite'}"
    )
