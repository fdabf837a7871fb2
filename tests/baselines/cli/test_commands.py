"""The commands: `benchmark` writes the same bytes again, `run` its files, errors are one line."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from baselines.cli.commands import main
from baselines.comparison import benchmark, manifest, tasks
from ev_gym.scenario import Vehicle, preset
from ev_gym.scenario.known_cars import known_cars
from ev_gym.series.of_scenario import dataset_of

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
    assert set(outputs[0]) == FILES == {*manifest.RESULTS, manifest.NAME} - {manifest.REPORT}
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


def weeks_of_classic(tmp_path: Path, weeks: int) -> str:
    """A file with the scenario `weeks`: `classic` of so many weeks, whose series is one world."""
    own = {"preset": "classic", "name": "weeks", "data": {"weeks": weeks}}
    path = tmp_path / "weeks.json"
    path.write_text(json.dumps(own))
    return str(path)


@pytest.mark.usefixtures("no_pictures")
def test_train_and_test_stand_apart(tmp_path: Path) -> None:
    """Rows of their own: of built-in series from worlds, of one world from weeks of their own."""
    arguments = ["benchmark", "--split", "both", "--households", "2", "--no-bound", "--days", "7"]
    arguments += ["--scenario", "stockholm", "--scenario", weeks_of_classic(tmp_path, 16)]
    arguments += ["--policy", "load_based", "--policy", "uncontrolled"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    for scenario in ("stockholm", "weeks"):
        assert f"{scenario}, train: SEK a day" in result.output
        assert f"{scenario}, test: SEK a day" in result.output
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert list(summary["split"]) == ["train", "train", "test", "test"] * 2
    steps = pd.read_csv(tmp_path / "steps.csv.gz")
    assert len(steps) == 2 * 2 * 2 * 2 * 7 * 96
    weeks = steps["now_min"] // (7 * 24 * 60) % 8
    of_classic = steps["scenario"] == "weeks"
    assert set(weeks[of_classic & (steps["split"] == "test")]) <= {6, 7}
    assert set(weeks[of_classic & (steps["split"] == "train")]) <= set(range(6))
    temperature_c = {
        world: dataset_of(preset("stockholm"), world).temperature_c
        for world in (0, *range(1, 9), *range(101, 105))
    }
    lived: dict[str, list[list[int]]] = {"train": [], "test": []}
    for (split, _, _), episode in steps[~of_classic].groupby(["split", "policy", "household"]):
        hours = episode["now_min"].to_numpy() // 60
        lived[str(split)].append(
            [world for world, of_world in temperature_c.items()
             if np.allclose(of_world[hours], episode["temperature_c"], atol=1e-5)]
        )  # fmt: skip
    assert [len(worlds) for worlds in lived["train"] + lived["test"]] == [1] * 8
    assert {worlds[0] for worlds in lived["train"]} <= set(range(1, 9))
    assert {worlds[0] for worlds in lived["test"]} <= set(range(101, 105))


@pytest.mark.usefixtures("no_pictures")
def test_quiet_says_nothing_and_steps_can_be_left_out(tmp_path: Path) -> None:
    arguments = [*ARGUMENTS, "--quiet", "--no-steps", "--no-bound", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == FILES - PICTURES - {"steps.csv.gz"}
    assert "regret" not in pd.read_csv(tmp_path / "summary.csv")


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
                  "Citroën e-Berlingo M (46.3 kWh, wants 80%)", "tariff       ellevio-2025, in SEK",
                  "65 SEK/kW a month, mean of the 3 highest hours",
                  "10 kW of PV, inverter 8 kW", "3 x 16 A, switches phases, bidirectional",
                  "Nissan Leaf 40 kWh"):  # fmt: skip
        assert words in result.output
    as_json = CliRunner().invoke(main, ["scenarios", "--json", "classic"])
    assert '"connection_kw": 11.0' in as_json.output


def test_cars_lists_all_known_ones_and_says_how_to_add_one() -> None:
    """A line for each, with its values; as JSON what makes the same cars."""
    lines = CliRunner().invoke(main, ["cars"]).output.splitlines()
    rows = {name: line for line in lines for name in known_cars() if line.startswith(name + "  ")}
    assert list(rows) == list(known_cars())
    zoe = rows["Renault Zoe R135 ZE50"].split()
    assert zoe[-7:] == ["52.0", "3", "22.0", "17.4", "0.941", "0.422", "2022"]
    assert any("add a row to ev_gym/scenario/known_cars.csv" in line for line in lines)
    as_json = json.loads(CliRunner().invoke(main, ["cars", "--json"]).output)
    assert list(as_json) == list(known_cars())
    for name, values in as_json.items():
        assert values.pop("listed") in (2022, 2025)
        assert Vehicle(name=name, **values) == Vehicle.model(name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--scenario", "stokholm"], "did you mean 'stockholm'"),
        (["run", "--policy", "greedy"], "unknown policy 'greedy'; allowed: uncontrolled"),
        (["benchmark", "--scenario", "classic", "--split", "test"], "do not fit"),
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
def test_a_split_has_months_by_default(tmp_path: Path) -> None:
    """January, February and March 2025, whose last Sunday has 23 hours."""
    arguments = ["benchmark", "--split", "test", "--households", "3", "--policy", "uncontrolled"]
    result = CliRunner().invoke(main, [*arguments, "--quiet", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    steps = pd.read_csv(tmp_path / "steps.csv.gz")
    assert len(steps) == (744 + 28 * 24 + 743) * 4
    assert steps["time"].iloc[0] == "2025-01-01T00:00:00+01:00"
    assert steps["time"].iloc[-1] == "2025-03-31T23:45:00+02:00"
    episodes = pd.read_csv(tmp_path / "episodes.csv")
    assert list(episodes["month"]) == ["2025-01", "2025-02", "2025-03"]
    assert set(episodes["per"]) == {"month"}
    # Of one world days have to fit in two weeks.
    one_world = ["benchmark", "--scenario", weeks_of_classic(tmp_path, 8), "--split", "test"]
    result = CliRunner().invoke(main, [*one_world, "--days", "13"])
    assert "allowed: at most 11 days" in result.output
    for days in ("week", "0", "367", "1.5"):
        result = CliRunner().invoke(main, ["benchmark", "--days", days])
        assert result.exit_code == 2
        assert f"'{days}' is no number from 1 to 366, nor 'month'" in result.output
