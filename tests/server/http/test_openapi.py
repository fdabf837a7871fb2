"""The OpenAPI document: complete, self-contained, and kept by the server in all that is tried."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from pydantic.json_schema import models_json_schema

from ev_gym.scenario import (
    CarbonSource,
    Charger,
    Data,
    Driving,
    Household,
    PriceSource,
    RewardWeights,
    Scenario,
    SeriesFile,
    Solar,
    Tariff,
    Vehicle,
)
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.simulation.results import NAMES
from ev_gym.simulation.state_fields import (
    REWARD_TERMS,
    STEP_FIELDS,
    VEHICLE_STATE,
    VEHICLE_STEP_FIELDS,
    Field,
    household_state,
)
from server import create_app
from server.v1 import limits
from server.v1.request_schemas import NewEnv, Reset, Step
from tests.support.one_day import VILLA_DAY
from tests.support.real_server import serving
from tests.support.repository import ROOT

TOKEN = {"Authorization": "Bearer secret"}
# A well-formed request may still be impossible (422: cars that do not fit the charger, an action
# outside the space), come to a session that is gone (404), at another index (409), be one too
# many (429). Otherwise it has to be accepted; in particular never a 400, which is for what the
# schema forbids.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "429"]
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Series of other sizes than the presets' take long to generate, and prove nothing more here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MAX_HOUSE_WEEKS", 53 * 16)
        folder = tmp_path_factory.mktemp("server")
        with serving(folder, token="secret", max_num_envs=8, max_days=3) as address:
            yield address


@pytest.fixture(scope="module")
def document(url: str) -> dict[str, Any]:
    answer = requests.get(f"{url}/docs/openapi.json", headers=TOKEN)
    assert answer.headers["Content-Type"] == "application/json"
    told: dict[str, Any] = answer.json()
    return told


def test_schemathesis_finds_nothing_with_all_checks(url: str, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    command += ["run", f"{url}/docs/openapi.json", "--checks", "all", "--max-examples", "10"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"]
    command += ["--seed", "1", "--no-shrink", "--generation-database", "none", "--no-color"]
    command += ["--header", f"Authorization: {TOKEN['Authorization']}"]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.support.openapi_hooks", "PYTHONPATH": str(ROOT)}
    hooks["TRIED_SESSION"] = session_that_was_reset(url)
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | hooks, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 23" in done.stdout
    assert steps_taken(url) >= 1  # so that what was tried is not all refused


def session_that_was_reset(url: str) -> str:
    """With one car and everything on, so that all that is answered meets its schema."""
    scenario = {**VILLA_DAY, "vehicles": [{}]}
    made = requests.post(f"{url}/v1/envs", json={"scenario": scenario}, headers=TOKEN)
    requests.post(f"{url}{made.headers['Location']}/reset", headers=TOKEN)
    return str(made.json()["id"])


def steps_taken(url: str) -> float:
    shown = requests.get(f"{url}/metrics", headers=TOKEN).text
    (line,) = re.findall(r'^ev_gym_steps_total{protocol="v1"} (.*)$', shown, re.MULTILINE)
    return float(line)


def test_every_route_is_documented_and_nothing_else(
    document: dict[str, Any], tmp_path: Path
) -> None:
    app = create_app({"store": f"sqlite:///{tmp_path / 'server.db'}"})
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in ("classic", "envs", "observing")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {(path, method) for path, own in document["paths"].items() for method in own}
    assert routes == documented
    assert len(routes) == 7 + 14 + 2
    assert "security" not in app.api_doc  # no token, none asked for
    app.extensions["ev_gym.store"].close()


def test_the_document_is_openapi_3_1_with_schemas_as_they_validate(
    document: dict[str, Any],
) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["security"] == [{"bearer": []}]
    models = [(model, "validation") for model in (NewEnv, Reset, Step)]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas = document["components"]["schemas"]
    assert {name: schemas[name] for name in made["$defs"]} == made["$defs"]
    referred = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert referred <= set(schemas)
    operations = [own for path in document["paths"].values() for own in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        for status, told in operation["responses"].items():
            if status >= "4":
                assert list(told["content"]) == ["application/problem+json"]


@pytest.mark.parametrize(
    "part",
    [
        *(Household, Solar, Charger, Vehicle, Driving, Tariff, Data, SeriesFile, PriceSource),
        *(CarbonSource, RewardWeights, Scenario),
    ],
)
def test_the_document_shows_each_parameters_unit_meaning_and_range(
    document: dict[str, Any], part: type
) -> None:
    shown = document["components"]["schemas"][f"{part.__name__}Overrides"]
    assert shown["additionalProperties"] is False
    assert "required" not in shown
    for field in dataclasses.fields(part):
        own = shown["properties"][field.name]
        if not field.metadata:
            continue
        rule = field.metadata
        assert rule["meaning"] in own["description"]
        assert rule["unit"] in own["description"]
        if "low" in rule:
            text = json.dumps(own)
            assert float(re.findall(r'"minimum": ([^,}]+)', text)[0]) == rule["low"]
            assert float(re.findall(r'"maximum": ([^,}]+)', text)[0]) == rule["high"]
            assert ('"type": "integer"' in text) == bool(rule.get("whole"))
        for kind, name in (("text", "maxLength"), ("many", "maxItems")):
            if kind in rule:
                assert f'"{name}": {rule[kind]}' in json.dumps(own)
        if "allowed" in rule and not isinstance(rule["allowed"][0], bool):
            assert own["enum"] == list(rule["allowed"])
        assert ("null" in json.dumps(own.get("anyOf", ""))) == bool(rule.get("optional"))
        if "section" in rule:
            name = f"{rule['section'].__name__}Overrides"
            wanted: Any = {"$ref": f"#/components/schemas/{name}"}
            if rule["word"]:
                wanted = {"oneOf": [{"const": rule["word"], "type": "string"}, wanted]}
            shown_word = own["anyOf"][0].get("oneOf", [{}])[0]
            shown_word.pop("enum", None)  # older versions of Pydantic say it twice
            assert own["anyOf"][0] == wanted
        assert "default" not in own


def test_a_tariff_is_a_known_one_or_overrides(document: dict[str, Any]) -> None:
    known, overrides = document["components"]["schemas"]["ScenarioOverrides"]["properties"][
        "tariff"
    ]["oneOf"]
    assert known["enum"] == list(TARIFFS)
    assert overrides == {"$ref": "#/components/schemas/TariffOverrides"}


def test_the_document_shows_each_answered_fields_unit_and_meaning(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]

    def check(shown: dict[str, Any], fields: Sequence[Field]) -> None:
        for field in fields:
            assert field.meaning in shown[field.name]["description"]
            assert f"({field.unit})" in shown[field.name]["description"] or not field.unit

    of_house = [field for field in STEP_FIELDS if field.name in NAMES]
    for name in ("StepInfo", "StepInfos", "LastStepInfos"):
        shown = schemas[name]["properties"]
        check(shown, [*of_house, *VEHICLE_STEP_FIELDS])
        assert set(shown["reward_terms"]["properties"]) == set(REWARD_TERMS)
    check(schemas["Steps"]["properties"]["steps"]["items"]["properties"], STEP_FIELDS)
    state = schemas["SessionLook"]["properties"]["state"]["properties"]
    of_household = state["households"]["items"]["properties"]
    check(of_household, household_state(1, 3))
    row = {"type": "array", "items": {"type": "number"}}
    assert of_household["peaks_kw"]["items"] == row
    assert of_household["house_interval_kw"]["items"] == row["items"]
    check(state["vehicles"]["items"]["items"]["properties"], VEHICLE_STATE)


def test_the_swagger_page_fetches_nothing_from_elsewhere(url: str) -> None:
    page = f"{url}/docs/swagger"
    text = requests.get(page, headers=TOKEN).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(loaded) == 4
    for address in loaded:
        found = urljoin(page, address)
        assert found.startswith(url)
        answer = requests.get(found, headers=TOKEN)
        assert answer.status_code == 200
        if "css" in answer.headers["Content-Type"]:
            assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", answer.text)
    # The one address that its script would call by itself.
    assert '{"validatorUrl": null}' in text
    assert urljoin(page, "openapi.json") == f"{url}/docs/openapi.json"
    assert '"openapi.json"' in text
