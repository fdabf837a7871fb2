"""The comparison: every policy on the same episodes, scored in money."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import ev_gym  # noqa: F401  # registers the env
from baselines.policy import make_policy
from ev_gym.fields import REWARD_TERMS, STEP_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.infos import TERM_FIELDS, record_infos, steps_frame
from ev_gym.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

DAYS_A_YEAR = 365
BOOTSTRAP_SAMPLES = 2000
CHEAP_HOURS = 8  # a third of a day
# Columns of the printed table: heading, column of the summary, its sign in the table, format.
COLUMNS = (
    ("a day", "cost_per_day", 1, ".2f"),
    ("95 % from", "cost_per_day_low", 1, ".2f"),
    ("to", "cost_per_day_high", 1, ".2f"),
    ("a year", "cost_per_year", 1, ".0f"),
    *((term, f"{term}_per_day", 1, ".2f") for term in REWARD_TERMS),
    ("stored", "settlement_per_day", -1, ".2f"),
    ("miss kWh", "missing_kwh_per_day", 1, ".2f"),
    ("V2G kWh", "discharge_kwh_per_day", 1, ".2f"),
    ("sold kWh", "exported_kwh_per_day", 1, ".2f"),
    ("peak kW", "peak_kw", 1, ".2f"),
    ("cheap", "cheap_share", 1, ".0%"),
)
# Left out where they are zero under every policy.
WHERE_ANY = {"power", "wear", "public", "overload", "V2G kWh", "sold kWh"}


@dataclass(frozen=True)
class Plan:
    """What to compare on what.

    Attributes:
        scenarios: Scenarios; their horizon is replaced by `days`.
        policies: Names of policies.
        seeds: Seeds; with each of the households one episode.
        households: Number of households drawn for each seed.
        days: Length of each episode in days.
        split: Which weeks episodes come from.
        url: Address of a server whose households to drive; None: local ones.
        token: Its token; None: the environment variable EV_GYM_TOKEN, where set.
    """

    scenarios: tuple[Scenario, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    households: int = 32
    days: int = 28
    split: str | None = None
    url: str | None = None
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        names = {"scenario": [scenario.name for scenario in self.scenarios]}
        names |= {"policy": list(self.policies), "seed": [str(seed) for seed in self.seeds]}
        for kind, given in names.items():
            twice = sorted({name for name in given if given.count(name) > 1})
            if twice:
                raise ValueError(f"{kind} {', '.join(twice)} is named twice; allowed: once each")

    @property
    def episodes(self) -> list[tuple[int, int]]:
        """Seed and household of each episode."""
        return [(seed, household) for seed in self.seeds for household in range(self.households)]


@dataclass(frozen=True, eq=False)
class Run:
    """One policy on all episodes of one scenario: records (steps, n) and (steps, n, K)."""

    scenario: Scenario
    policy: str
    env: Any
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    settlement: NDArray[np.float64]


def episode_seed(seed: int, household: int) -> int:
    """The env's seed for a household of a benchmark; neighbouring seeds share nothing."""
    return int(np.random.SeedSequence((seed, household)).generate_state(1, np.uint64)[0])


def make_env(scenario: Scenario, plan: Plan) -> Any:
    """A vector env with a row for each episode of the plan: a local one, or on a server."""
    place: dict[str, Any] = {"id": "EVCharging-v0", "copy": False}
    if plan.url is not None:
        place = {"id": "EVChargingRemote-v0", "url": plan.url, "token": plan.token}
    return gym.make_vec(
        num_envs=len(plan.episodes),
        vectorization_mode="vector_entry_point",
        scenario=scenario,
        split=plan.split,
        autoreset_mode=AutoresetMode.DISABLED,
        **place,
    ).unwrapped


def run_policy(
    scenario: Scenario, policy_name: str, plan: Plan, tick: Callable[[int], object]
) -> Run:
    """Let a policy drive every episode of the plan on one scenario, all side by side.

    Args:
        scenario: The scenario, with the plan's horizon.
        policy_name: The policy.
        plan: Seeds, households and split.
        tick: Called with the number of steps taken since the last call.
    """
    seeds = [episode_seed(seed, household) for seed, household in plan.episodes]
    env = make_env(scenario, plan)
    policy = make_policy(policy_name, env, seed=plan.seeds[0])
    steps, cars = scenario.horizon_steps, len(scenario.vehicles)
    results = np.empty((steps, len(seeds)), STEP_DTYPE)
    vehicle_results = np.empty((steps, len(seeds), cars), VEHICLE_STEP_DTYPE)
    infos: dict[str, Any] = {}
    with contextlib.closing(env):
        observations, _ = env.reset(seed=seeds)
        policy.reset(np.arange(len(seeds)))
        for step in range(steps):
            observations, _, _, _, infos = env.step(policy(observations))
            record_infos(infos, results[step], vehicle_results[step])
            tick(1)
    return Run(scenario, policy_name, env, results, vehicle_results, infos["settlement"])


def charged_kw(run: Run) -> NDArray[np.float64]:
    """Power that the cars draw, (steps, n); what others give back is not deducted."""
    drawn: NDArray[np.float64] = run.vehicle_results["charge_kw"].clip(min=0.0).sum(axis=2)
    return drawn


def cheap_kwh(run: Run) -> NDArray[np.float64]:
    """Energy (kWh) charged in the cheapest third of the hours of each episode's days, (n,).

    Days are the episode's own 24 hours from its start; of equal hours the earlier is cheaper.
    """
    per_hour = 60 // run.scenario.time_step_min
    shape = (run.scenario.days, 24, per_hour, -1)
    price = run.results["price_per_kwh"].reshape(shape).mean(axis=2)
    energy_kwh = charged_kw(run).reshape(shape).sum(axis=2) * run.scenario.step_h
    rank = price.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    cheap: NDArray[np.float64] = np.where(rank < CHEAP_HOURS, energy_kwh, 0.0).sum(axis=(0, 1))
    return cheap


def episode_figures(run: Run, plan: Plan) -> pd.DataFrame:
    """One row an episode: money per day by term, energies per day, and the peak."""
    import pandas as pd

    days = run.scenario.days
    pairs = plan.episodes
    figures: dict[str, Any] = {
        "scenario": run.scenario.name,
        "policy": run.policy,
        "seed": [seed for seed, _ in pairs],
        "household": [household for _, household in pairs],
        "currency": run.scenario.currency,
    }
    cost = np.zeros(len(pairs))
    for term, column in zip(REWARD_TERMS, TERM_FIELDS, strict=True):
        figures[f"{term}_per_day"] = -run.results[column].sum(axis=0) / days + 0.0
        cost += figures[f"{term}_per_day"]
    figures["settlement_per_day"] = run.settlement / days
    figures["cost_per_day"] = cost - figures["settlement_per_day"]
    grid_kw, charge_kw = run.results["grid_kw"], charged_kw(run)
    powers_kw = {
        "charge": charge_kw,
        "discharge": charge_kw - run.vehicle_results["charge_kw"].sum(axis=2),
        "pv": run.results["pv_kw"],
        "exported": (-grid_kw).clip(min=0.0),
    }
    for name, power_kw in powers_kw.items():
        figures[f"{name}_kwh_per_day"] = power_kw.sum(axis=0) * run.scenario.step_h / days
    figures["missing_kwh_per_day"] = run.results["missing_kwh"].sum(axis=0) / days
    figures["peak_kw"] = grid_kw.max(axis=0)
    figures["cheap_kwh_per_day"] = cheap_kwh(run) / days
    return pd.DataFrame(figures)


def bootstrap_picks(count: int, seed: int) -> NDArray[np.int64]:
    """Episodes drawn anew with replacement, (samples, count): the same for every policy."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, count)))
    return rng.integers(count, size=(BOOTSTRAP_SAMPLES, count))


def interval(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """95 % percentile bootstrap interval (Efron 1979, doi:10.1214/aos/1176344552)."""
    known = resampled[~np.isnan(resampled)]
    if not known.size:
        return np.nan, np.nan
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def summarise(episodes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row a scenario and policy: means over episodes, each with its 95 % interval."""
    import pandas as pd

    rows = []
    for (scenario, policy), group in episodes.groupby(["scenario", "policy"], sort=False):
        picks = bootstrap_picks(len(group), seed)
        row: dict[str, Any] = {"scenario": scenario, "policy": policy}
        row |= {"currency": group["currency"].iloc[0], "episodes": len(group)}
        figures = group.drop(columns=["scenario", "policy", "seed", "household", "currency"])
        resampled = {name: own.to_numpy()[picks].mean(axis=1) for name, own in figures.items()}
        means = {str(name): own.mean() for name, own in figures.items()}
        charged, cheap = means["charge_kwh_per_day"], means.pop("cheap_kwh_per_day")
        means["cheap_share"] = cheap / charged if charged else np.nan
        with np.errstate(invalid="ignore"):
            resampled["cheap_share"] = (
                resampled["cheap_kwh_per_day"] / resampled["charge_kwh_per_day"]
            )
        means["cost_per_year"] = means["cost_per_day"] * DAYS_A_YEAR
        resampled["cost_per_year"] = resampled["cost_per_day"] * DAYS_A_YEAR
        row |= means
        for name in means:
            row[f"{name}_low"], row[f"{name}_high"] = interval(resampled[name])
        rows.append(row)
    return pd.DataFrame(rows)


def all_steps(run: Run, plan: Plan) -> pd.DataFrame:
    """Every step of every episode of a run, with scenario, policy, seed and household."""
    import pandas as pd

    frames = []
    pairs = plan.episodes
    for row, (seed, household) in enumerate(pairs):
        frame = steps_frame(
            run.env.series_start,
            run.scenario.data.zone,
            run.results[:, row],
            run.vehicle_results[:, row],
        ).reset_index()
        names = {"scenario": run.scenario.name, "policy": run.policy}
        for place, (name, value) in enumerate(
            (names | {"seed": seed, "household": household}).items()
        ):
            frame.insert(place, name, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def compare(plan: Plan, progress: Callable[..., Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the whole plan: the summary, and every step.

    Args:
        plan: What to compare.
        progress: Makes a progress bar from `total=`, `desc=`; tqdm or a stand-in.
    """
    import pandas as pd

    scenarios = [replace(scenario, days=plan.days) for scenario in plan.scenarios]
    total = sum(s.horizon_steps for s in scenarios) * len(plan.policies)
    episodes, steps = [], []
    with progress(total=total, desc="benchmark", unit="step") as bar:
        for scenario in scenarios:
            for policy in plan.policies:
                bar.set_postfix_str(f"{scenario.name} {policy}", refresh=False)
                run = run_policy(scenario, policy, plan, bar.update)
                episodes.append(episode_figures(run, plan))
                steps.append(all_steps(run, plan))
    summary = summarise(pd.concat(episodes, ignore_index=True), plan.seeds[0])
    return summary, pd.concat(steps, ignore_index=True)


def liveliest_household(steps: pd.DataFrame) -> pd.DataFrame:
    """The steps of the household of the first scenario that drives most in its first week."""
    first = steps[steps["scenario"] == steps["scenario"].iloc[0]]
    own = first[first["policy"] == first["policy"].iloc[0]]
    begins = own.groupby(["seed", "household"])["now_min"].transform("min")
    week = own[own["now_min"] < begins + 7 * 24 * 60]
    trips_kwh = week.filter(like="trip_kwh").sum(axis=1)
    seed, household = trips_kwh.groupby([week["seed"], week["household"]]).sum().idxmax()
    liveliest: pd.DataFrame = first[(first["seed"] == seed) & (first["household"] == household)]
    return liveliest


def write_steps(steps: pd.DataFrame, path: Path) -> None:
    """Write every step as gzipped CSV, one policy after the other to spare memory.

    Neither a time stamp nor a file name goes into the archive, so equal steps give equal bytes.
    """
    with path.open("wb") as file, gzip.GzipFile("", "wb", 5, file, mtime=0) as archive:
        parts = steps.groupby(["scenario", "policy"], sort=False)
        for number, (_, part) in enumerate(parts):
            stamps = [stamp.isoformat() for stamp in part["time"]]
            text = part.assign(time=stamps).round(6)
            text.to_csv(archive, index=False, header=number == 0, lineterminator="\n")


def write(summary: pd.DataFrame, steps: pd.DataFrame, folder: Path) -> list[Path]:
    """Write `summary.csv`, `steps.csv.gz` and the plots; the paths written."""
    from baselines import plots

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "summary.csv", folder / "steps.csv.gz"]
    summary.round(6).to_csv(paths[0], index=False, lineterminator="\n")
    write_steps(steps, paths[1])
    names = ("bills.png", "cost_against_missing.png", "week.png", "heat_map.png")
    bills, against, week, heat = (folder / name for name in names)
    plots.bills(summary, bills)
    plots.cost_against_missing(summary, against)
    plots.week(liveliest_household(steps), week, currency=summary["currency"].iloc[0])
    plots.heat_map(steps, heat)
    return [*paths, bills, against, week, heat]


def table(summary: pd.DataFrame) -> str:
    """The summary as a table for a terminal, without what a scenario does not have."""
    lines = []
    for (scenario, currency), group in summary.groupby(["scenario", "currency"], sort=False):
        rows = group.sort_values("cost_per_day")
        lines.append(
            f"{scenario}: {currency} for charging, mean of {rows['episodes'].iloc[0]} episodes"
        )
        columns = [["policy", *rows["policy"]]]
        for heading, column, sign, form in COLUMNS:
            if heading not in WHERE_ANY or rows[column].any():
                columns.append([heading, *(f"{sign * value:{form}}" for value in rows[column])])
        names, *others = (
            [text.rjust(max(map(len, column))) for text in column] for column in columns
        )
        left = [name.strip().ljust(len(name)) for name in names]
        lines += ["  ".join(line) for line in zip(left, *others, strict=True)]
    return "\n".join(lines)


__all__: Sequence[str] = ["Plan", "compare", "episode_seed", "table", "write"]
