"""What `/v1` refuses, and that nothing has changed then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from ev_gym.env import EVChargingEnv
from tests.support.real_server import serving
from tests.support.v1_session import (
    CLASSIC,
    JSON_TYPE,
    SessionClient,
    check_refusal,
    saved,
    single_text,
    text,
)

LIMITS = {"max_num_envs": 50, "max_days": 3, "max_body_bytes": 100_000}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server"), **LIMITS) as address:
        yield f"{address}/v1/envs"


# What is sent, the status, where it is wrong, and a part of what is said.
CREATIONS: list[tuple[bytes, int, str | None, str]] = [
    (b"{", 400, "/body", "Invalid JSON"),
    (b"\xff", 400, "/body", "Invalid JSON"),
    (b"[]", 400, "/body", "an object"),
    (b'{"num_envs": 0}', 400, "/body/num_envs", "is 0; allowed: greater than or equal to 1"),
    (b'{"num_envs": true}', 400, "/body/num_envs", "is true; allowed: a valid integer"),
    (b'{"num_envs": "2"}', 400, "/body/num_envs", 'is "2"'),
    (b'{"num_envs": 51}', 422, None, "num_envs is 51; allowed on this server: 1 to 50"),
    (b'{"seed": -1}', 400, "/body/seed", "is -1"),
    (b'{"seed": 18446744073709551616}', 400, "/body/seed", "18446744073709551615"),
    (
        b'{"scenario": {"days": 1}, "num_envs": 2, "seed": 18446744073709551615}',
        422,
        None,
        "seed is 18446744073709551615",
    ),
    (b'{"seeds": 1}', 400, "/body/seeds", "is unknown; allowed: scenario, num_envs, seed"),
    (b'{"' + b"k" * 90_000 + b'": 1}', 400, f"/body/{'k' * 57}...", "is unknown"),
    (b'{"continuous": 1}', 400, "/body/continuous", "a valid boolean"),
    (b'{"split": "dev"}', 400, "/body/split", "'train' or 'test'"),
    (b'{"autoreset_mode": "next"}', 400, "/body/autoreset_mode", "'NextStep', 'SameStep'"),
    (b'{"scenario": "oslo"}', 400, "/body/scenario", "'stockholm-villa', 'stockholm-measured'"),
    (b'{"scenario": 3}', 400, "/body/scenario", "is 3; allowed: an object"),
    (b'{"scenario": {"preset": "oslo"}}', 400, "/body/scenario/preset", "'classic'"),
    (b'{"scenario": {"tarif": {}}}', 400, "/body/scenario/tarif", "is unknown; allowed: name"),
    (b'{"scenario": {"tariff": {"vat": 2}}}', 400, "/body/scenario/tariff/vat", "equal to 1"),
    (b'{"scenario": {"tariff": {"vat": NaN}}}', 400, "/body/scenario/tariff/vat", "is NaN"),
    (
        b'{"scenario": {"tariff": "elevio"}}',
        400,
        "/body/scenario/tariff",
        "'ellevio-2025', 'goteborg-2025'",
    ),
    (b'{"scenario": {"tariff": null}}', 400, "/body/scenario/tariff", "is null"),
    (b'{"scenario": {"solar": {"peak_kw": -1}}}', 400, "/body/scenario/solar/peak_kw", "is -1"),
    (
        b'{"scenario": {"vehicles": [{"driving": {"arrival_h": 25}}]}}',
        400,
        "/body/scenario/vehicles/0/driving/arrival_h",
        "less than or equal to 24",
    ),
    (
        b'{"scenario": {"vehicles": [{"chemistry": "lead"}]}}',
        400,
        "/body/scenario/vehicles/0/chemistry",
        "'nca', 'nmc111' or null",
    ),
    (b'{"scenario": {"solar": {"tilt_deg": 9}}}', 422, None, "Solar.tilt_deg is 9.0, which has no"),
    (b'{"scenario": {"tariff": {"a/b": 1}}}', 400, "/body/scenario/tariff/a~1b", "unknown"),
    (b'{"scenario": {"charger": {"phases": true}}}', 400, "/body/scenario/charger/phases", "true"),
    (b'{"scenario": {"household": null}}', 400, "/body/scenario/household", "is null"),
    (b'{"scenario": {"name": ""}}', 400, "/body/scenario/name", "at least 1 character"),
    (b'{"scenario": {"vehicles": []}}', 400, "/body/scenario/vehicles", "at least 1 item"),
    (
        b'{"scenario": {"vehicles": [{}, {"model": "Renault Zoe", "wanted": 1}]}}',
        400,
        "/body/scenario/vehicles/1/wanted",
        "is unknown; allowed: name, battery_kwh",
    ),
    (b'{"scenario": {"vehicles": [{"model": "ID.3"}]}}', 422, None, "is ambiguous; say which"),
    (b'{"scenario": {"currency": "kr"}}', 422, None, "Scenario.currency is 'kr'"),
    (b'{"scenario": {"data": {"zone": "Mars"}}}', 422, None, "Data.zone is 'Mars'"),
    (b'{"scenario": {"name": "' + b"x" * 201 + b'"}}', 400, "/body/scenario/name", "at most 200"),
    (
        b'{"scenario": {"vehicles": [{"model": "' + b"x" * 201 + b'"}]}}',
        400,
        "/body/scenario/vehicles/0/model",
        "at most 200 characters",
    ),
    (
        b'{"scenario": {"tariff": {"fees": [{"months": [' + b"1, " * 20_000 + b"1]}]}}}",
        400,
        "/body/scenario/tariff/fees/0/months",
        "at most 12 items",
    ),
    (b'{"scenario": {"data": {"start": "0001-01-01"}}}', 422, None, "from 1900-01-01 to 2200"),
    (b'{"scenario": {"data": {"start": "9999-12-27", "weeks": 1}}}', 422, None, "'9999-12-27'"),
    (b'{"scenario": {"days": 4}}', 422, None, "days is 4; allowed on this server: 1 to 3"),
    (
        b'{"scenario": {"days": "month", "start_hour": 0}}',
        422,
        None,
        "days is 'month'; allowed on this server: 1 to 3",
    ),
    (b'{"scenario": {"days": 1, "data": {"houses": 101}}}', 422, None, "houses is 101"),
    (
        b'{"scenario": {"days": 1, "data": {"houses": 17}}, "split": "train"}',
        422,
        None,
        "53 x 17 x 8 = 7208; allowed on this server: up to 6800",
    ),
    (
        b'{"scenario": {"days": 1, "data": {"source": "files", "price_file": "/etc/passwd",'
        b' "load_file": "x", "temperature_c": 1}}}',
        422,
        None,
        "data names its own price, load",
    ),
    (b'{"seed": "' + b"x" * 100_001 + b'"}', 413, None, "100,000"),
]


@pytest.mark.parametrize(("body", "status", "where", "told"), CREATIONS)
def test_impossible_sessions_are_refused(
    url: str,
    http: requests.Session,
    body: bytes,
    status: int,
    where: str | None,
    told: str,
) -> None:
    answer = http.post(url, data=body, headers={"Content-Type": JSON_TYPE})
    check_refusal(answer, status, where, told)


# Method, path and query, headers, body, and the same.
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BINARY = {"Content-Type": "application/x-npy"}
MANY_WRONG = b'{"action": [' + b"true, " * 15_000 + b"1]}"
MANY_KEYS = b"{" + b", ".join(b'"%d": 1' % k for k in range(9_000)) + b"}"
REQUESTS: list[tuple[str, str, dict[str, str], bytes, int, str | None, str]] = [
    ("POST", "/step", {}, b"", 400, "/body/action", "is missing"),
    ("POST", "/step", {}, b'{"action": [NaN]}', 400, "/body/action/0", "is NaN"),
    ("POST", "/step", {}, b'{"action": [1e999]}', 400, "/body/action/0", "is Infinity"),
    ("POST", "/step", {}, b'{"action": ["1"]}', 400, "/body/action/0", 'is "1"'),
    ("POST", "/step", {}, b'{"action": [true]}', 400, "/body/action/0", "is true"),
    ("POST", "/step", {}, MANY_WRONG, 400, "/body/action/0", "is true"),
    ("POST", "/step", {}, MANY_KEYS, 400, "/body", "holds 9001 errors"),
    ("POST", "/step", {}, b'{"action": null}', 400, "/body/action", "is null"),
    ("POST", "/step", {}, b'{"action": [1.5]}', 422, None, "is 1.5; allowed: a number from 0"),
    ("POST", "/step", {}, b'{"action": [-0.1]}', 422, None, "action of vehicle 0"),
    ("POST", "/step", {}, b'{"action": 1}', 422, None, "has shape (); allowed: (1,)"),
    ("POST", "/step", {}, b'{"action": [1, 1]}', 422, None, "has shape (2,)"),
    ("POST", "/step", {}, b'{"action": [[1], 1]}', 422, None, "action is [[1], 1]"),
    ("POST", "/step", {}, b'{"action": [%d]}' % 10**40, 422, None, "action is [1000"),
    ("POST", "/step", {}, b'{"action": [1], "index": 1.5}', 400, "/body/index", "is 1.5"),
    ("POST", "/step", {}, b'{"action": [1], "index": -1}', 400, "/body/index", "is -1"),
    ("POST", "/step", {}, b'{"action": [1], "index": 9}', 409, None, "index is 9"),
    ("POST", "/step?index=2", {}, b'{"action": [1], "index": 2}', 422, None, "allowed: one"),
    ("POST", "/step?index=x", {}, b'{"action": [1]}', 400, "/query/index", "valid integer"),
    ("POST", "/step?idx=2", {}, b'{"action": [1]}', 400, "/query/idx", "allowed: index"),
    ("POST", "/step", FORM, b"action=1", 415, None, "application/x-www-form-urlencoded"),
    ("POST", "/step", BINARY, b"[1]", 400, None, "npy"),
    ("POST", "/step", BINARY, saved(np.array([1.5])), 422, None, "is 1.5"),
    ("POST", "/step", BINARY, saved(np.array([np.nan])), 422, None, "nan"),
    ("POST", "/step", {"Accept": "text/html"}, b'{"action": [1]}', 406, None, "text/html"),
    ("POST", "/reset", BINARY, saved(np.array([1])), 415, None, "application/x-npy"),
    ("POST", "/reset", {}, b'{"seed": [1]}', 422, None, "seed is [1]"),
    ("POST", "/reset", {}, b'{"seed": 1.5}', 400, "/body/seed", "is 1.5"),
    ("POST", "/reset", {}, b'{"options": {"son": 1}}', 400, "/body/options/son", "reset_mask"),
    ("POST", "/reset", {}, b'{"options": {"soc": 2}}', 422, None, "option soc is 2"),
    ("POST", "/reset", {}, b'{"options": {"house": -1}}', 422, None, "option house is -1"),
    ("POST", "/reset", {}, b'{"options": {"start": "now"}}', 422, None, "option start is 'now'"),
    ("POST", "/reset", {}, b'{"options": {"start": "0001-01-01"}}', 422, None, "'0001-01-01'"),
    ("POST", "/reset", {}, b'{"options": {"start": "9999-12-31T23:00"}}', 422, None, "'9999-12"),
    ("POST", "/reset", {}, b'{"options": {"reset_mask": [true]}}', 422, None, "reset_mask"),
    ("POST", "/reset?index=2", {}, b"", 400, "/query/index", "allowed: none"),
    ("GET", "?x=1", {}, b"", 400, "/query/x", "allowed: none"),
    ("GET", "/steps?limit=0", {}, b"", 400, "/query/limit", "greater than or equal to 1"),
    ("GET", "/steps?limit=1001", {}, b"", 400, "/query/limit", "less than or equal to 1000"),
    ("GET", "/steps?first=-1", {}, b"", 400, "/query/first", 'is "-1"'),
    ("GET", "/steps?first=1&first=2", {}, b"", 400, None, "'first' stands 2 times"),
    ("GET", "/steps.csv", {"Accept": JSON_TYPE}, b"", 406, None, "offered: text/csv"),
    ("PUT", "", {}, b"", 405, None, "PUT"),
    ("GET", "/reset", {}, b"", 405, None, "GET"),
    ("DELETE", "?force=1", {}, b"", 400, "/query/force", "allowed: none"),
]


@pytest.fixture(scope="module")
def bystander(url: str, http: requests.Session) -> SessionClient:
    """A session that is sent all that is refused."""
    remote = SessionClient(http, url, scenario=CLASSIC, seed=6)
    remote.answer_to("reset")
    remote.answer_to("step", {"action": [1.0]})
    return remote


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "where", "told"), REQUESTS)
def test_bad_requests_are_refused_and_change_nothing(
    bystander: SessionClient,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    where: str | None,
    told: str,
) -> None:
    before = bystander.state()
    sent = {"Content-Type": JSON_TYPE, **headers}
    answer = bystander.http.request(method, bystander.url + path, data=body, headers=sent)
    check_refusal(answer, status, where, told)
    assert bystander.state() == before


@pytest.mark.parametrize(
    ("what", "body", "begin", "end"),
    [
        ("step", {"action": [1.0] * 10_000}, "action has shape (10000,)", "allowed: (1,)"),
        ("step", {"action": [[1.0]] * 9_000 + [1.0]}, "action is [[1.0]", "for each vehicle"),
        ("reset", {"seed": [1] * 9_000}, "seed is [1, 1", "a whole number from 0 to"),
        ("reset", {"options": {"soc": [0.5] * 9_000}}, "option soc is [0.5", "or 1 of them"),
        ("reset", {"options": {"start": "now" * 30_000}}, "option start is 'nownow", "T12:00'"),
    ],
)
def test_long_values_are_told_in_short(
    bystander: SessionClient, what: str, body: object, begin: str, end: str
) -> None:
    answer = bystander.post(what, body)
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert detail.startswith(begin)
    assert end in detail[-120:]
    assert len(answer.content) < 2000


def test_after_all_that_the_session_goes_on_as_if_nothing_had_happened(
    bystander: SessionClient,
) -> None:
    env = EVChargingEnv(CLASSIC)
    env.reset(seed=6)
    env.step(np.ones(1, np.float32))
    local = env.step(np.ones(1, np.float32))
    assert text(bystander.answer_to("step", {"action": [1], "index": 2})) == single_text(3, local)


def test_too_many_sessions_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path, max_sessions=1) as address:
        url = f"{address}/v1/envs"
        made = requests.post(url, json={"scenario": CLASSIC})
        check_refusal(requests.post(url, json={"scenario": CLASSIC}), 429, None, "1 sessions")
        requests.delete(f"{url}/{made.json()['id']}")
        assert requests.post(url, json={"scenario": CLASSIC}).status_code == 201


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, JSON_TYPE),
        ("*/*", JSON_TYPE),
        ("application/*", JSON_TYPE),
        ("text/html, */*;q=0.1", JSON_TYPE),
        ("application/x-npy", "application/x-npy"),
        ("application/json;q=0.5, application/x-npy", "application/x-npy"),
        ("application/x-npy;q=0.5, application/json", JSON_TYPE),
    ],
)
def test_accept_chooses_the_form(
    url: str, http: requests.Session, bystander: SessionClient, accept: str | None, kind: str
) -> None:
    remote = SessionClient(http, url, scenario=CLASSIC)
    answer = remote.post("reset", headers={"Accept": accept})  # None: requests sends none
    assert answer.headers["Content-Type"] == kind


@pytest.mark.parametrize("kind", [None, "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_read_with_parameters_and_where_no_type_is_named(
    bystander: SessionClient, kind: str | None
) -> None:
    sent = {"Content-Type": kind} if kind else {}
    answer = bystander.http.post(bystander.url + "/reset", data=b'{"seed": 3}', headers=sent)
    assert answer.status_code == 200, answer.text
