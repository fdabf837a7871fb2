"""The comparison: common episodes, sums that add up, the same bytes again."""

from __future__ import annotations

import gzip
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from baselines import benchmark, make_policy, running
from baselines.benchmark import Comparison
from baselines.cli import main
from baselines.comparison import manifest, tasks
from baselines.comparison.plan import Plan
from baselines.comparison.tasks import episode_steps
from baselines.foresight import foresee
from baselines.optimum.relaxation import lower_bound
from ev_gym.scenario import Scenario

PLAN = Plan(
    scenarios=(Scenario.from_dict({}), Scenario.from_dict({"preset": "classic"})),
    policies=("uncontrolled", "price_based", "random"),
    seeds=(3, 4),
    households=3,
    days=2,
)


@pytest.fixture(scope="module")
def compared() -> tuple[Comparison, pd.DataFrame]:
    comparison = benchmark.compare(PLAN)
    return comparison, all_steps(comparison)


def all_steps(comparison: Comparison) -> pd.DataFrame:
    """Every step of every episode as computed: not rounded."""
    frames = [
        episode_steps(task, row)
        for batches in comparison.batches.values()
        for task, _ in batches
        for row in range(len(task.episodes))
    ]
    return pd.concat(frames, ignore_index=True)


def test_every_policy_meets_the_same_episodes(compared: tuple[Comparison, pd.DataFrame]) -> None:
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
    compared: tuple[Comparison, pd.DataFrame],
) -> None:
    """Seed 4, household 1 of `stockholm` under price_based, stepped by hand."""
    comparison, steps = compared
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
    kept = comparison.steps("stockholm", "all", "price_based", 4, 1)
    assert list(kept["time"]) == list(history.index)
    np.testing.assert_array_equal(kept[history.columns], history.round(6))


def test_steps_come_again_where_they_were_not_kept(
    compared: tuple[Comparison, pd.DataFrame],
) -> None:
    comparison, steps = compared
    bare = {
        key: [(task, replace(part, steps=())) for task, part in own]
        for key, own in comparison.batches.items()
    }
    again = replace(comparison, batches=bare).steps("classic", None, "random", 3, 2)
    own = steps.query("scenario == 'classic' and policy == 'random' and seed == 3")
    own = own[own["household"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, own.astype({"time": again["time"].dtype}))
    with pytest.raises(ValueError, match="seed 3, household 9 was not run"):
        comparison.steps("classic", None, "random", 3, 9)


def test_summary_is_the_mean_of_the_episodes(compared: tuple[Comparison, pd.DataFrame]) -> None:
    """Worked again from the steps, with `math.fsum` and an independent notion of cheap hours."""
    comparison, steps = compared
    summary = comparison.summary
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
        for name in ("cost_per_day", "missing_kwh_per_day", "peak_kw", "regret_per_day"):
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
        known = scenario == "classic"  # it has no power charge
        year = 365 * row["cost_per_day"] if known else np.nan
        assert row["cost_per_year"] == pytest.approx(year, nan_ok=True)


def test_each_episode_has_its_bound_whatever_the_policy(
    compared: tuple[Comparison, pd.DataFrame],
) -> None:
    """The same for all policies, below what each pays, and that of the env's own future."""
    episodes = compared[0].episodes
    keys = ["scenario", "seed", "household"]
    assert (episodes.groupby(keys)["bound_per_day"].nunique() == 1).all()
    assert (episodes["regret_per_day"] >= -1e-9).all()
    paid = episodes["cost_per_day"] - episodes["bound_per_day"]
    pd.testing.assert_series_equal(episodes["regret_per_day"], paid, check_names=False)
    env = gym.make_vec("EVCharging-v0", 1, "vector_entry_point", scenario={"days": 2})
    env.reset(seed=[tasks.episode_seed(3, 1)])
    future = foresee(env.unwrapped.simulator)  # type: ignore[attr-defined]
    own = episodes.query("scenario == 'stockholm' and seed == 3 and household == 1")
    assert own["bound_per_day"].iloc[0] == pytest.approx(lower_bound(future).cost / 2, rel=1e-9)


def test_days_add_up_to_the_episode(compared: tuple[Comparison, pd.DataFrame]) -> None:
    """All days' costs less the settlement are the episode's; in the order of the episodes."""
    comparison = compared[0]
    keys = ["scenario", "split", "policy", "seed", "household"]
    spent = comparison.days.groupby(keys, sort=False)["cost"].sum().reset_index()
    episodes = comparison.episodes
    pd.testing.assert_frame_equal(spent[keys], episodes[keys])
    expected = 2 * (episodes["cost_per_day"] + episodes["settlement_per_day"])
    np.testing.assert_allclose(spent["cost"], expected, atol=1e-9)
    assert list(comparison.days["day"]) == [0, 1] * len(episodes)


VILLA = Scenario.from_dict({"preset": "stockholm-villa"})


def test_a_villa_has_its_energies_and_terms_in_the_summary_and_the_table() -> None:
    """What cars give and what is sold, worked again from the steps; columns only where needed."""
    classic = Scenario.from_dict({"preset": "classic"})
    plan = Plan((VILLA, classic), ("random", "uncontrolled"), (5,), 3, 2, bound=False)
    comparison = benchmark.compare(plan)
    summary, steps = comparison.summary, all_steps(comparison)
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
    assert head[:5] == ["policy", "a", "day", "from", "to"]
    assert "a year" in small
    assert "a year" not in villa
    for column in ("power", "wear", "V2G", "sold"):
        assert column in head
        assert column not in small
    line = next(line for line in villa.splitlines() if line.startswith("random"))
    row = summary.query("scenario == 'stockholm-villa' and policy == 'random'").iloc[0]
    shown = [float(cell) for cell in line.replace("%", "").split()[1:]]
    names = ("cost_per_day", "cost_per_day_low", "cost_per_day_high",
             "energy_per_day", "power_per_day", "wear_per_day")  # fmt: skip
    np.testing.assert_allclose(shown[:6], row[list(names)].to_numpy(float), atol=0.005)
    assert row["wear_per_day"] > 0
    assert row["power_per_day"] > 0


def test_the_table_says_what_is_lost_and_fits_a_terminal(
    compared: tuple[Comparison, pd.DataFrame],
) -> None:
    summary = compared[0].summary
    stockholm, classic = benchmark.table(summary).split("classic: ")
    lines = classic.splitlines()
    rows = summary.query("scenario == 'classic'").sort_values("cost_per_day")
    assert f"the proven bound of {rows['bound_per_day'].iloc[0]:.2f}" in lines[1]
    assert [line.split()[0] for line in lines[3:]] == list(rows["policy"])
    for line, (_, row) in zip(lines[3:], rows.iterrows(), strict=True):
        cells = line.split()
        assert cells[5] == f"{row['regret_per_day']:.2f}"
        assert cells[6] == f"{row['regret_percent']:.1f}"
    assert max(map(len, stockholm.splitlines())) <= 120
    assert max(map(len, lines)) <= 120


def test_cheap_share_counts_energy_in_the_cheapest_third_of_hours() -> None:
    """On classic the eight cheapest hours are 1, 2, 3, 4, 20, 21, 22, 23."""
    plan = Plan(
        scenarios=(Scenario.from_dict({"preset": "classic"}),),
        policies=("load_based", "price_based", "uncontrolled"),
        households=1,
        days=1,
        bound=False,
    )
    summary = benchmark.compare(plan).summary
    shares = summary.set_index("policy")["cheap_share"]
    # load_based charges in hours 0 to 3, uncontrolled 37.04 kWh from hour 0 on at 7.4 kW.
    assert shares["load_based"] == pytest.approx(0.75)
    assert shares["price_based"] == pytest.approx(1.0)
    assert shares["uncontrolled"] == pytest.approx(4 * 7.4 / 37.04)


def test_neighbouring_seeds_share_no_episode() -> None:
    seeds = {tasks.episode_seed(s, h) for s in range(50) for h in range(50)}
    assert len(seeds) == 2500


ARGUMENTS = ["benchmark", "--days", "2", "--households", "2", "--seed", "1", "--seed", "2",
             "--policy", "price_based", "--policy", "random"]  # fmt: skip


PICTURES = {"bills.png", "cost_against_missing.png", "regret.png", "week.png", "heat_map.png"}
FILES = {
    "summary.csv", "episodes.csv", "paired.csv", "ranks.csv", "days.csv", "steps.csv.gz",
    "manifest.json", *PICTURES,
}  # fmt: skip


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a second and more."""
    monkeypatch.setattr(benchmark, "_write_pictures", lambda *_: [])


def test_the_command_writes_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of workers, and however the episodes are shared out among tasks."""
    monkeypatch.setattr("baselines.comparison.plan.RULE_ROWS", 2)
    outputs = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        result = CliRunner().invoke(main, [*ARGUMENTS, "--jobs", jobs, "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert "price_based" in result.output
        outputs.append({path.name: path.read_bytes() for path in out.iterdir()})
        monkeypatch.setattr(benchmark, "_write_pictures", lambda *_: [])  # once is enough
    assert set(outputs[0]) == FILES
    assert set(outputs[1]) == FILES - PICTURES
    plans = [json.loads(output.pop("manifest.json"))["plan"] for output in outputs]
    assert plans[0] == plans[1]
    for name, written in outputs[1].items():
        assert outputs[0][name] == written, name
    steps = gzip.decompress(outputs[0]["steps.csv.gz"]).decode().splitlines()
    assert len(steps) == 1 + 2 * 2 * 2 * 2 * 96
    assert steps[0].startswith("scenario,split,policy,seed,household,time,now_min,load_kw")
    lines = {
        name: outputs[0][name].decode().splitlines() for name in FILES if name.endswith(".csv")
    }
    counts = {"summary": 2, "episodes": 8, "paired": 1, "ranks": 2, "days": 16}
    assert {name: len(own) - 1 for name, own in lines.items()} == {
        f"{name}.csv": count for name, count in counts.items()
    }


@pytest.mark.usefixtures("no_pictures")
def test_an_interrupted_command_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is missing is run, all of it where the code is another; no parts stay behind."""
    arguments = ["benchmark", "--scenario", "classic", "--days", "1", "--households", "2",
                 "--no-bound", "--quiet", "--out", str(tmp_path)]  # fmt: skip
    arguments += ["--policy", "uncontrolled", "--policy", "load_based", "--policy", "price_based"]
    begun: list[str | None] = []
    broken: list[str | None] = []

    def work(task: tasks.Task) -> tasks.Part:
        begun.append(task.policy)
        if task.policy in broken:
            raise KeyboardInterrupt
        return tasks.run_task(task)

    work.__module__, work.__qualname__ = __name__, "work"
    monkeypatch.setitem(globals(), "work", work)  # where pickle finds it
    monkeypatch.setattr(benchmark, "run_task", work)
    for code, stops, expected in (
        ("a", ["price_based"], ["uncontrolled", "load_based", "price_based"]),
        ("a", [], ["price_based"]),
        ("a", ["price_based"], ["uncontrolled", "load_based", "price_based"]),
        ("b", [], ["uncontrolled", "load_based", "price_based"]),
    ):
        monkeypatch.setattr(manifest, "source_digest", lambda code=code: code)
        begun.clear()
        broken[:] = stops
        result = CliRunner().invoke(main, [*arguments, "--resume"])
        assert (result.exit_code == 0) == (not stops), result.output
        assert begun == expected
        assert (tmp_path / "parts").exists() == bool(stops)
    assert len(pd.read_csv(tmp_path / "summary.csv")) == 3


@pytest.mark.usefixtures("no_pictures")
def test_results_are_checked_by_running_them_again(tmp_path: Path) -> None:
    """Every number repeats; one that was changed is named, and the command fails."""
    out = str(tmp_path / "there")
    arguments = ["benchmark", "--scenario", "classic", "--days", "1", "--households", "2",
                 "--no-bound", "--policy", "load_based", "--out", out]  # fmt: skip
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    before = {path.name: path.read_bytes() for path in Path(out).iterdir()}
    result = CliRunner().invoke(main, ["benchmark", "--check", out, "--quiet"])
    assert result.exit_code == 0, result.output
    assert result.output.endswith("every number repeats\n")
    assert {path.name: path.read_bytes() for path in Path(out).iterdir()} == before
    summary = Path(out) / "summary.csv"
    summary.write_text(summary.read_text().replace("load_based", "loan_based"))
    result = CliRunner().invoke(main, ["benchmark", "--check", out, "--quiet"])
    assert result.exit_code == 1
    assert "summary.csv" in result.output
    assert "NOT every number repeats" in result.output
    result = CliRunner().invoke(main, ["benchmark", "--check", out, "--days", "2"])
    assert result.exit_code == 2
    assert "--check runs what the manifest says" in result.output


@pytest.mark.usefixtures("no_pictures")
def test_train_and_test_weeks_stand_apart(tmp_path: Path) -> None:
    """Rows of their own, from weeks of their own; a week long where nothing else is said."""
    arguments = ["benchmark", "--split", "both", "--households", "2", "--no-bound"]
    arguments += ["--policy", "load_based", "--policy", "uncontrolled", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "stockholm, train weeks: SEK a day" in result.output
    assert "stockholm, test weeks: SEK a day" in result.output
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert list(summary["split"]) == ["train", "train", "test", "test"]
    steps = pd.read_csv(tmp_path / "steps.csv.gz")
    weeks = steps["now_min"] // (7 * 24 * 60) % 8
    assert set(weeks[steps["split"] == "test"]) <= {6, 7}
    assert set(weeks[steps["split"] == "train"]) <= set(range(6))
    assert len(steps) == 2 * 2 * 2 * 7 * 96


@pytest.mark.usefixtures("no_pictures")
def test_quiet_says_nothing_and_steps_can_be_left_out(tmp_path: Path) -> None:
    arguments = [*ARGUMENTS, "--quiet", "--no-steps", "--no-bound", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == FILES - PICTURES - {"steps.csv.gz"}
    assert "regret_per_day" not in pd.read_csv(tmp_path / "summary.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scheduler", "tcp://there:8786"], "--scheduler is dask's; allowed: with --backend"),
        (["--ray-address", "auto", "--backend", "dask"], "--ray-address is ray's"),
        (["--backend", "dask"], "scheduler"),
        (["--policy", "min_pv"], "policy min_pv needs sun, which stockholm lacks"),
        (["--check", "nowhere"], "does not exist"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(main, ["benchmark", *arguments])
    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output


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
        (["run", "--policy", "greedy"], "unknown policy 'greedy'; allowed: uncontrolled"),
        (["benchmark", "--split", "test", "--days", "20"], "do not fit"),
        (["run", "--scenario", "missing.json"], "missing.json"),
    ],
)
def test_errors_are_one_line_and_say_what_is_allowed(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("no_pictures")
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


@pytest.mark.usefixtures("no_pictures")
def test_a_split_has_days_that_fit_by_default(tmp_path: Path) -> None:
    arguments = ["benchmark", "--split", "test", "--households", "1", "--policy", "uncontrolled"]
    result = CliRunner().invoke(main, [*arguments, "--quiet", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(pd.read_csv(tmp_path / "steps.csv.gz")) == 7 * 96
    result = CliRunner().invoke(main, ["benchmark", "--split", "test", "--days", "13"])
    assert "allowed: at most 11 days" in result.output
