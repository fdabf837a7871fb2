"""The comparison: common episodes, sums that add up, the same bytes again."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from baselines import benchmark, make_policy, running
from baselines.cli import main
from ev_gym.scenario import Scenario

PLAN = benchmark.Plan(
    scenarios=(Scenario.from_dict({}), Scenario.from_dict({"preset": "classic"})),
    policies=("uncontrolled", "price_based", "random"),
    seeds=(3, 4),
    households=3,
    days=2,
)


class SilentBar:
    def update(self, steps: int) -> None: ...

    def set_postfix_str(self, words: str, refresh: bool) -> None: ...


@contextmanager
def silent(**_: Any) -> Iterator[SilentBar]:
    yield SilentBar()


@pytest.fixture(scope="module")
def compared() -> tuple[pd.DataFrame, pd.DataFrame]:
    return benchmark.compare(PLAN, silent)


def test_every_policy_meets_the_same_episodes(
    compared: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    """Common random numbers: base load, prices and comings and goings are equal for all."""
    _, steps = compared
    keys = ["scenario", "seed", "household", "time"]
    common = ["load_kw", "price_per_kwh", "temperature_c", "plugged", "trip_kwh"]
    by_policy = [own.sort_values(keys)[keys + common].reset_index(drop=True)
                 for _, own in steps.groupby("policy")]  # fmt: skip
    assert len(by_policy) == 3
    for own in by_policy[1:]:
        pd.testing.assert_frame_equal(own, by_policy[0])
    assert len(by_policy[0]) == 2 * 2 * 3 * 2 * 96


def test_an_episode_of_the_comparison_is_the_single_env_with_its_seed(
    compared: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    """Seed 4, household 1 of `stockholm` under price_based, stepped by hand."""
    _, steps = compared
    env = gym.make("EVCharging-v0", scenario={"days": 2})
    seed = int(np.random.SeedSequence((4, 1)).generate_state(1, np.uint64)[0])
    policy = make_policy("price_based", env)
    observation, _ = env.reset(seed=seed)
    over = False
    while not over:
        observation, _, _, over, _ = env.step(policy(observation))
    own = steps.query(
        "scenario == 'stockholm' and policy == 'price_based' and seed == 4 and household == 1"
    )
    history: pd.DataFrame = env.unwrapped.history  # type: ignore[attr-defined]
    assert list(own["time"]) == list(history.index)
    pd.testing.assert_frame_equal(
        own[history.columns].reset_index(drop=True), history.reset_index(drop=True)
    )


def test_summary_is_the_mean_of_the_episodes(
    compared: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    """Worked again from the steps, with `math.fsum` and an independent notion of cheap hours."""
    summary, steps = compared
    for (scenario, policy), own in steps.groupby(["scenario", "policy"]):
        row = summary.query(f"scenario == '{scenario}' and policy == '{policy}'").iloc[0]
        episodes, days = 6, 2
        assert row["episodes"] == episodes
        for term in ("energy", "power", "wear", "missing", "public", "overload"):
            money = -math.fsum(own[f"{term}_term"]) / episodes / days
            assert row[f"{term}_per_day"] == pytest.approx(money, abs=1e-9)
        charged = math.fsum(own["charge_kw"]) * 0.25 / episodes / days
        assert row["charge_kwh_per_day"] == pytest.approx(charged, abs=1e-9)
        peaks = own.groupby(["seed", "household"])["grid_kw"].max()
        assert row["peak_kw"] == pytest.approx(peaks.mean(), abs=1e-9)
        spent = -math.fsum(own["reward"]) / episodes / days
        assert row["cost_per_day"] == pytest.approx(spent - row["settlement_per_day"], abs=1e-9)
        assert row["cost_per_year"] == pytest.approx(365 * row["cost_per_day"], abs=1e-9)
        for name in ("cost_per_day", "cost_per_year", "missing_kwh_per_day", "peak_kw"):
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]


VILLA = Scenario.from_dict({"preset": "stockholm-villa"})


def test_a_villa_has_its_energies_and_terms_in_the_summary_and_the_table() -> None:
    """What cars give and what is sold, worked again from the steps; columns only where needed."""
    classic = Scenario.from_dict({"preset": "classic"})
    plan = benchmark.Plan((VILLA, classic), ("random", "uncontrolled"), (5,), 3, 2)
    summary, steps = benchmark.compare(plan, silent)
    for (scenario, policy), own in steps.groupby(["scenario", "policy"]):
        row = summary.query(f"scenario == '{scenario}' and policy == '{policy}'").iloc[0]
        cars = [own[c].dropna() for c in ("charge_kw", "charge_kw_0", "charge_kw_1") if c in own]
        powers = {
            "charge": [kw for car in cars for kw in car if kw > 0],
            "discharge": [-kw for car in cars for kw in car if kw < 0],
            "exported": [-kw for kw in own["grid_kw"] if kw < 0],
            "pv": list(own["pv_kw"]),
        }
        for name, values in powers.items():
            daily_kwh = math.fsum(values) * 0.25 / 3 / 2
            assert row[f"{name}_kwh_per_day"] == pytest.approx(daily_kwh, abs=1e-9)
            if policy == "random":
                assert (daily_kwh > 0) == (name == "charge" or scenario == "stockholm-villa")
    villa, small = benchmark.table(summary).split("classic: ")
    head = villa.splitlines()[1].split()
    assert head[:5] == ["policy", "a", "day", "95", "%"]
    for column in ("power", "wear", "V2G", "sold"):
        assert column in head
        assert column not in small
    line = next(line for line in villa.splitlines() if line.startswith("random"))
    row = summary.query("scenario == 'stockholm-villa' and policy == 'random'").iloc[0]
    shown = [float(cell) for cell in line.replace("%", "").split()[1:]]
    names = ("cost_per_day", "cost_per_day_low", "cost_per_day_high", "cost_per_year",
             "energy_per_day", "power_per_day", "wear_per_day", "missing_per_day")  # fmt: skip
    np.testing.assert_allclose(shown[:8], row[list(names)].to_numpy(float), atol=0.5)
    np.testing.assert_allclose(shown[4:8], row[list(names[4:])].to_numpy(float), atol=0.005)
    assert row["wear_per_day"] > 0
    assert row["power_per_day"] > 0


def test_cheap_share_counts_energy_in_the_cheapest_third_of_hours() -> None:
    """On classic the eight cheapest hours are 1, 2, 3, 4, 20, 21, 22, 23."""
    plan = benchmark.Plan(
        scenarios=(Scenario.from_dict({"preset": "classic"}),),
        policies=("load_based", "price_based", "uncontrolled"),
        households=1,
        days=1,
    )
    summary, _ = benchmark.compare(plan, silent)
    shares = summary.set_index("policy")["cheap_share"]
    # load_based charges in hours 0 to 3, uncontrolled 37.04 kWh from hour 0 on at 7.4 kW.
    assert shares["load_based"] == pytest.approx(0.75)
    assert shares["price_based"] == pytest.approx(1.0)
    assert shares["uncontrolled"] == pytest.approx(4 * 7.4 / 37.04)


def test_bootstrap_interval_has_the_width_theory_gives() -> None:
    """Of the mean of 400 normal numbers: 2 * 1.96 * sd / 20, within a tenth."""
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    means = values[benchmark.bootstrap_picks(400, seed=0)].mean(axis=1)
    low, high = benchmark.interval(means)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert low < values.mean() < high


def test_neighbouring_seeds_share_no_episode() -> None:
    seeds = {benchmark.episode_seed(s, h) for s in range(50) for h in range(50)}
    assert len(seeds) == 2500


ARGUMENTS = ["benchmark", "--days", "2", "--households", "2", "--seed", "1", "--seed", "2",
             "--policy", "price_based", "--policy", "random"]  # fmt: skip


def test_the_command_writes_the_same_bytes_again(tmp_path: Path) -> None:
    """Table, summary.csv, steps.csv.gz and four pictures; twice the same."""
    outputs = []
    for name in ("one", "two"):
        out = tmp_path / name
        result = CliRunner().invoke(main, [*ARGUMENTS, "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert "price_based" in result.output
        outputs.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert set(outputs[0]) == {
        "summary.csv", "steps.csv.gz", "bills.png", "cost_against_missing.png", "week.png",
        "heat_map.png",
    }  # fmt: skip
    assert outputs[0] == outputs[1]
    steps = gzip.decompress(outputs[0]["steps.csv.gz"]).decode().splitlines()
    assert len(steps) == 1 + 2 * 2 * 2 * 2 * 96
    assert steps[0].startswith("scenario,policy,seed,household,time,now_min,load_kw")


def test_quiet_says_nothing(tmp_path: Path) -> None:
    arguments = [*ARGUMENTS, "--quiet", "--split", "test", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output) == (0, "")
    steps = pd.read_csv(tmp_path / "steps.csv.gz")
    weeks = steps["now_min"] // (7 * 24 * 60) % 8
    assert set(weeks) <= {6, 7}


def test_run_writes_the_three_files_of_the_teaching_program(tmp_path: Path) -> None:
    arguments = ["run", "--scenario", "classic", "--policy", "cheapest_hours"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "charging cost 20.3374 SEK" in result.output
    assert "final SoC 83.93 %" in result.output
    log = pd.read_csv(tmp_path / "battery_log.csv")
    assert len(log) == 96
    assert (log["energy_cost"] - log["house_cost"]).sum() == pytest.approx(20.33742, abs=1e-9)
    words = (tmp_path / "charging_log.txt").read_text(encoding="utf-8").splitlines()
    moments = [line.split("  ")[0][-5:] for line in words[1:-1]]
    # Off at midnight, on from 01:00, off when 80 % is passed at 05:00.
    assert moments == ["00:00", "01:00", "05:00"]
    assert "charging on" in words[2]
    assert "price 0.7086 SEK/kWh, house 0.77 kW, SoC 20.00 %" in words[2]
    assert (tmp_path / "battery_plot.png").read_bytes().startswith(b"\x89PNG")


def test_run_tells_of_power_charge_wear_and_discharging(tmp_path: Path) -> None:
    arguments = ["run", "--scenario", "stockholm-villa", "--policy", "random", "--seed", "3"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    log = pd.read_csv(tmp_path / "battery_log.csv")
    grid = (log["energy_cost"] - log["house_cost"]).sum()
    power, wear = -log["power_term"].sum(), -log["wear_term"].sum()
    assert power > 1.0
    assert wear > 1.0
    money = (
        f"{grid:.4f} SEK from the grid, power charge {power:.4f} SEK, battery wear {wear:.4f} SEK"
    )
    assert f"charging cost {money}, with all terms {-log['reward'].sum():.4f} SEK" in result.output
    words = (tmp_path / "charging_log.txt").read_text(encoding="utf-8")
    number, first = next(
        (k, row) for row in log.to_dict("records") for k in (0, 1) if row[f"current_a_{k}"] < 0
    )
    phase = " on one phase" if first[f"phases_{number}"] == 1 else ""
    flow = f"{-first[f'current_a_{number}']:.3g} A{phase}, {-first[f'charge_kw_{number}']:.2f} kW"
    stamp = first["time"][:16].replace("T", " ")
    assert re.search(rf"^{stamp}  car {number}: .*discharging, {flow}", words, re.MULTILINE)
    assert "A on one phase, " in words


def test_the_parts_of_a_bill_are_money_whatever_the_weights() -> None:
    """Over a month: the power charge less that of the house alone, the wear at its price."""
    weights = {"power": 0.0, "wear": 2.0}
    parts = []
    for changes in ({}, {"reward_weights": weights}):
        scenario = Scenario.from_dict({"days": 31, **changes})
        history = running.drive(scenario, "uncontrolled", 0, None).history
        parts.append(running.money_parts(history, scenario))
    assert parts[0] == parts[1]
    assert history["house_power_cost"].sum() > 50.0
    added = math.fsum(history["power_cost"]) - math.fsum(history["house_power_cost"])
    assert parts[0]["power charge"] == pytest.approx(added)
    assert parts[0]["battery wear"] == pytest.approx(-0.5 * history["wear_term"].sum())
    assert set(parts[0]) == {"from the grid", "power charge", "battery wear"}
    classic = Scenario.from_dict({"preset": "classic"})
    ride = running.drive(classic, "uncontrolled", 0, None)
    assert list(running.money_parts(ride.history, classic)) == ["from the grid"]


def test_run_takes_a_scenario_from_a_json_file(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"preset": "classic", "name": "mine", "tariff": {"vat": 0.25}}')
    arguments = ["run", "--scenario", str(own), "--policy", "load_based", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "charging cost 27.0193 SEK" in result.output  # 21.6154 with 25 % VAT


def test_scenarios_lists_what_the_presets_hold() -> None:
    result = CliRunner().invoke(main, ["scenarios"])
    for words in ("stockholm:", "stockholm-measured:", "classic:", "13.8 kW", "0, 7.4 kW",
                  "Citroën e-Berlingo M (46.3 kWh, wants 80%)", "spot + tax by year",
                  "65 SEK/kW a month, mean of the 3 highest hours",
                  "10 kW of PV, inverter 8 kW", "3 x 16 A, switches phases, bidirectional",
                  "Nissan Leaf 40 kWh"):  # fmt: skip
        assert words in result.output
    as_json = CliRunner().invoke(main, ["scenarios", "--json", "classic"])
    assert '"connection_kw": 11.0' in as_json.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--scenario", "stokholm"], "did you mean 'stockholm'"),
        (["run", "--policy", "greedy"], "'greedy' is not one of"),
        (["benchmark", "--split", "test", "--days", "20"], "do not fit"),
        (["run", "--scenario", "missing.json"], "missing.json"),
    ],
)
def test_errors_are_one_line_and_say_what_is_allowed(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output


def test_scenarios_from_files_are_called_by_their_files(tmp_path: Path) -> None:
    """Two files of overrides without a name do not run into one another."""
    for fuse_a in (16, 25):
        (tmp_path / f"fuse{fuse_a}.json").write_text(f'{{"household": {{"fuse_a": {fuse_a}}}}}')
    arguments = ["benchmark", "--days", "1", "--households", "2", "--policy", "uncontrolled",
                 "--scenario", str(tmp_path / "fuse16.json"),
                 "--scenario", str(tmp_path / "fuse25.json"), "--out", str(tmp_path)]  # fmt: skip
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert list(summary["scenario"]) == ["fuse16", "fuse25"]
    assert list(summary["episodes"]) == [2, 2]


@pytest.mark.parametrize(
    ("twice", "said"),
    [
        (["--seed", "3", "--seed", "3"], "seed 3 is named twice"),
        (["--policy", "random", "--policy", "random"], "policy random is named twice"),
        (["--scenario", "classic", "--scenario", "classic"], "scenario classic is named twice"),
    ],
)
def test_nothing_counts_twice(twice: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["benchmark", *twice])
    assert result.exit_code != 0
    assert said in result.output


def test_a_split_has_days_that_fit_by_default(tmp_path: Path) -> None:
    arguments = ["benchmark", "--split", "test", "--households", "1", "--policy", "uncontrolled"]
    result = CliRunner().invoke(main, [*arguments, "--quiet", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(pd.read_csv(tmp_path / "steps.csv.gz")) == 7 * 96
    result = CliRunner().invoke(main, ["benchmark", "--split", "test", "--days", "13"])
    assert "allowed: at most 11 days" in result.output
