"""No secret stands in the manifest of results, and no harmless word is spoilt for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baselines.comparison import manifest
from baselines.comparison.plan import Plan
from ev_gym.scenario import preset


def plan(**changes: Any) -> Plan:
    return Plan((preset("classic"),), ("price_based",), (3,), 2, 5, **changes)


def test_no_secret_stands_in_it() -> None:
    """Neither the token, however it is given, nor user and password of an address."""
    asked = plan(url="http://me:pass@house:5000/x?key=t0ken", token="t0ken")
    command = ["ev-gym", "benchmark", "--token", "t0ken", "--token=0ther", "--url",
               "http://me:pass@house:5000/x", "--ray-address", "ray://u:pass@host:1", "t0ken",
               "--policy", "a:B(url='http://me:pass@h', key='t0ken', at='x@y')"]  # fmt: skip
    found = manifest.describe({**asked.to_dict(), "token": "t0ken"}, command, "t0ken")
    text = json.dumps(found)
    for secret in ("t0ken", "pass", "0ther", "me:"):
        assert secret not in text
    without = plan(token="t0ken").to_dict()
    assert "t0ken" not in json.dumps(manifest.describe({**without, "token": "t0ken"}, []))
    assert found["plan"]["url"] == "http://house:5000/x?key=***"
    assert found["command"][2:] == [
        "--token", "***", "--token=***", "--url", "http://house:5000/x", "--ray-address",
        "ray://host:1", "***", "--policy", "a:B(url='http://h', key='***', at='x@y')",
    ]  # fmt: skip


def test_a_token_within_a_word_is_a_part_of_that_word() -> None:
    """Token `a` spoils no address, no path and no policy; what was run can be run again."""
    command = ["ev-gym", "--url", "http://a", "--out", "data/a", "--days=7", "--x=a"]
    asked = plan(url="http://a/a", split="train")
    found = manifest.describe(asked.to_dict(), [*command, "a"], "a")
    assert found["command"] == [*command[:-1], "--x=***", "***"]
    assert Plan.from_dict(found["plan"]) == asked
    assert manifest.describe(asked.to_dict(), [], "train")["plan"] == asked.to_dict()
    assert manifest.without_secrets("night(from_h=22, to_h=6)", "22") == "night(from_h=22, to_h=6)"


def test_no_secret_stands_in_the_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the plan's nor in the names of policies with files."""
    monkeypatch.setattr(manifest, "digest_of", lambda spec: "0" if spec.startswith("own") else None)
    given = ["price_based", "own:A(key='t0ken')", 'own:B(at="http://me:pass@h",key="t0ken")']
    found = manifest.describe({"policies": given}, [], "t0ken")
    clean = ["own:A(key='***')", 'own:B(at="http://h",key="***")']
    assert found["plan"]["policies"] == ["price_based", *clean]
    assert found["policy_sha256"] == dict.fromkeys(clean, "0")
