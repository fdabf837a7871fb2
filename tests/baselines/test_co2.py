"""CO2 by policy, where a scenario knows its carbon intensity: in words, tables and files."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from baselines.bill import words, year
from baselines.comparison import benchmark
from baselines.comparison.plan import Plan
from baselines.one_run import money
from baselines.one_run.run import run_episode
from ev_gym.emissions import history_co2_g
from ev_gym.scenario import Scenario

# The hours in which `night` charges, and the others, g/kWh.
LOW, HIGH = 50.0, 400.0
NIGHT = "night(power_charge=False)"
SEPTEMBER: dict[str, Any] = {"start": "2025-09-01", "weeks": 6}


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Six weeks of summer time in which electricity is clean from 22 to 06."""
    hours = pd.date_range("2025-09-01", periods=6 * 168, freq="h", tz="Europe/Stockholm")
    is_night = (hours.hour >= 22) | (hours.hour < 6)
    carbon = pd.Series(np.where(is_night, LOW, HIGH), hours.tz_convert("UTC"))
    path = tmp_path_factory.mktemp("carbon") / "co2.csv"
    carbon.rename("carbon_g_per_kwh").to_csv(path, index_label="timestamp_utc")
    data = {**SEPTEMBER, "carbon": {"path": str(path)}}
    return Scenario.from_dict({"name": "green", "days": 3, "data": data})


def test_a_run_tells_the_grams_of_charging(green: Scenario) -> None:
    """The house has no sun, so all that a car draws comes from the grid."""
    grams = {}
    for policy in ("uncontrolled", NIGHT):
        outcome = run_episode(green, policy, 2, 14)
        history = outcome.history
        night = (history.index.hour >= 22) | (history.index.hour < 6)
        kwh = history["charge_kw"] * 0.25
        assert kwh.sum() > 5.0
        expected = LOW * kwh[night].sum() + HIGH * kwh[~night].sum()
        found = money.co2_g(history, green)
        assert found == pytest.approx(expected, rel=1e-12)
        told = money.bill(history, outcome.total_reward, green)
        assert told.endswith(f" %; CO2 of charging {expected:.0f} g")
        grams[policy] = expected / kwh.sum()
    assert grams[NIGHT] == pytest.approx(LOW)
    assert grams["uncontrolled"] > 2 * LOW


def test_nothing_else_changes(green: Scenario) -> None:
    plain = replace(green, data=replace(green.data, carbon=None))
    told = run_episode(green, "price_based", 2, 14)
    bare = run_episode(plain, "price_based", 2, 14)
    pd.testing.assert_frame_equal(told.history, bare.history)
    assert money.co2_g(bare.history, plain) is None
    assert "CO2" not in money.bill(bare.history, bare.total_reward, plain)


def test_the_benchmark_has_it_by_policy(green: Scenario, tmp_path: Path, monkeypatch: Any) -> None:
    plain = replace(green, name="plain", data=replace(green.data, carbon=None))
    plan = Plan((plain, green), ("uncontrolled", NIGHT), households=3, bound=False)
    comparison = benchmark.compare(plan)
    episodes, days, summary = comparison.episodes, comparison.days, comparison.summary
    for _, row in episodes[episodes["scenario"] == "green"].iterrows():
        steps = comparison.steps("green", None, row["policy"], row["seed"], row["household"])
        of_steps = history_co2_g(green, steps)
        assert row["co2_g"] == pytest.approx(math.fsum(of_steps) / 3, rel=1e-6)  # steps are rounded
        names = ["scenario", "policy", "seed", "household"]
        own = days[(days[names] == row[names]).all(axis=1)]
        assert own["co2_g"].sum() / 3 == pytest.approx(row["co2_g"], rel=1e-12)
        assert own["co2_g"].iloc[0] == pytest.approx(math.fsum(of_steps[:96]), rel=1e-6)
    for frame in (episodes, days, summary):
        assert frame.loc[frame["scenario"] == "plain", "co2_g"].isna().all()
    means = summary[summary["scenario"] == "green"].set_index("policy")
    assert 0.0 < means.loc[NIGHT, "co2_g"] < 0.5 * means.loc["uncontrolled", "co2_g"]
    assert (means["co2_g_low"] <= means["co2_g"]).all()
    of_plain, of_green = benchmark.table(summary).split("green:")
    assert "CO2 g" in of_green
    assert "CO2" not in of_plain
    monkeypatch.setattr(benchmark, "_write_pictures", lambda *_: [])
    benchmark.write(comparison, tmp_path)
    for name in ("summary.csv", "episodes.csv", "days.csv"):
        assert "co2_g" in pd.read_csv(tmp_path / name).columns
    alone = benchmark.compare(replace(plan, scenarios=(plain,)))
    for frame in (alone.episodes, alone.days, alone.summary):
        assert "co2_g" not in frame


def test_a_bill_compares_kilograms(green: Scenario) -> None:
    months = pd.period_range("2025-09", periods=1, freq="M")
    outcomes = [year.live(green, "", policy, months, 0) for policy in ("uncontrolled", NIGHT)]
    table = words.comparison_table(outcomes)
    for outcome, kg in zip(outcomes, table["CO2 kg"], strict=True):
        assert kg == round(outcome.co2_kg, 2)
    night = outcomes[1]
    assert night.co2_kg == pytest.approx(night.charged_kwh * LOW / 1000, rel=1e-9)
    assert outcomes[0].co2_kg > 2 * night.co2_kg
    bare = [outcome._replace(co2_kg=None) for outcome in outcomes]
    assert "CO2 kg" not in words.comparison_table(bare)
