"""A piece of a comparison: one policy, or the lower bound, on a batch of episodes.

Tasks and parts are picklable and hold no env, so workers of any kind can compute them; a part
depends on its task alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import ev_gym  # noqa: F401  # registers the env
from baselines.comparison.steps_file import EPISODE, StepsWriter
from baselines.comparison.sums import LocalHours, Sums
from baselines.foresight import foresee, tell_future
from baselines.policies.specs import make_policy
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario
from ev_gym.series.dataset import Dataset
from ev_gym.series.of_scenario import dataset_of, worlds_of
from ev_gym.simulation.observation import PHYSICAL
from ev_gym.simulation.results import TERMS, record_infos, steps_frame
from ev_gym.simulation.state_fields import STEP_DTYPE, VEHICLE_STEP_DTYPE

if TYPE_CHECKING:
    import pandas as pd


WEEK_DAYS = 7
# Every policy's first task has at least so many rows, unless the plan has fewer episodes.
LEAST_ROWS = 8
# Up to this product of days, cars and levels of power, levels are on or off in the bound. That is
# tighter and takes up to a second for an episode; four at twice the product, ten at six times.
MOST_WHOLE_LEVELS = 2
ALL_WEEKS = "all"  # in tables, where there is no split
PER_DAY, PER_MONTH = "day", "month"  # what figures are of


@dataclass(frozen=True)
class Task:
    """One policy on a batch of episodes, all side by side.

    Attributes:
        scenario: With its horizon.
        policy: Spec of the policy; None: the lower bound of each episode.
        split: Which part of the series episodes come from.
        episodes: Seed and household of each.
        seed: Of the policy, where it draws.
        columns: Of the file of all steps; empty: steps are not kept.
        week: Whether to return a household's first week: of those in the first `LEAST_ROWS` rows
            the one that drives most in it.
        code: A digest of the code that computes it: tasks of other code are other tasks.
        months: Where episodes are months, the first day of each; else empty: drawn by the seed.
        month_hours: Of such months, the length of each day, the same for all episodes of a task.
        worlds: Number of the world of each episode; empty: drawn by the seed.
        observation: `"physical"` or `"scaled"`, as the policy is given observations.
        url: Address of a server; None: local.
        token: Its token.
    """

    scenario: Scenario
    policy: str | None
    split: str | None
    episodes: tuple[tuple[int, int], ...]
    seed: int = 0
    columns: tuple[str, ...] = ()
    week: bool = False
    code: str = ""
    months: tuple[str, ...] = ()
    month_hours: tuple[int, ...] = ()
    worlds: tuple[int, ...] = ()
    observation: str = PHYSICAL
    url: str | None = None
    token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        what = "the lower bound" if self.policy is None else self.policy
        (seed, first), (_, last) = self.episodes[0], self.episodes[-1]
        part = "" if self.split is None else f", {self.split}"
        months = f", {self.months[0][:7]} to {self.months[-1][:7]}" if self.months else ""
        return (
            f"{what} on {self.scenario.name}{part}{months}, seed {seed}, households {first} to "
            f"{last}"
        )

    @property
    def day_hours(self) -> tuple[int, ...]:
        """Length of each day of an episode."""
        return self.month_hours or (DAY_H,) * self.scenario.longest_days

    @property
    def per(self) -> str:
        """What its figures are of: a day, or where episodes are months, a month."""
        return PER_MONTH if self.months else PER_DAY

    @property
    def parts(self) -> int:
        """By how much its sums are divided: the days of an episode; a month is not divided."""
        return 1 if self.months else len(self.day_hours)

    @property
    def names(self) -> list[tuple[Any, ...]]:
        """The cells of EPISODE for each episode."""
        split = self.split or ALL_WEEKS
        return [(self.scenario.name, split, self.policy, *pair) for pair in self.episodes]


@dataclass(frozen=True, eq=False)
class Part:
    """What a task found out about its n episodes; of the bound only `figures`.

    Attributes:
        figures: By column, (n,): as of `Sums.figures`, or `bound`.
        day_costs: (days, n), as of `Sums`.
        day_co2_g: (days, n), as of `Sums`.
        dates: (days, n), as of `Sums`.
        charged_kwh: (24, 24), as of `Sums`, from `first_hour` on.
        steps: A gzip member for each episode, where steps are kept.
        week: A week's steps of one household, where asked for.
    """

    figures: dict[str, Floats]
    day_costs: Floats | None = None
    day_co2_g: Floats | None = None
    dates: NDArray[Any] | None = None
    charged_kwh: Floats | None = None
    first_hour: int = 0
    steps: tuple[bytes, ...] = ()
    week: pd.DataFrame | None = None


class Day(NamedTuple):
    """A day of a batch: records (steps, n) and (steps, n, K), and the infos of its last step."""

    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    infos: dict[str, Any]


def episode_seed(seed: int, household: int) -> int:
    """The env's seed for a household of a benchmark; no two pairs share random numbers."""
    return int(np.random.SeedSequence((seed, household)).generate_state(1, np.uint64)[0])


def make_env(task: Task) -> Any:
    """A vector env with a row for each episode of the task: a local one, or on a server."""
    arguments: dict[str, Any] = {"id": "EVCharging-v0", "copy": False, "info": TERMS}
    if task.url is not None:
        arguments = {"id": "EVChargingRemote-v0", "url": task.url, "token": task.token}
    return gym.make_vec(
        num_envs=len(task.episodes),
        vectorization_mode="vector_entry_point",
        scenario=task.scenario,
        split=task.split,
        autoreset_mode=AutoresetMode.DISABLED,
        observation=task.observation,
        **arguments,
    ).unwrapped


def reset_env(task: Task, env: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Reset every row of the task's env to its episode."""
    seeds = [episode_seed(seed, household) for seed, household in task.episodes]
    observations, infos = env.reset(seed=seeds)
    for fixed in dict.fromkeys(_fixed_of(task)):
        rows = np.array([own == fixed for own in _fixed_of(task)])
        of_rows = [seed if row else None for seed, row in zip(seeds, rows, strict=True)]
        options = {**dict(fixed), "reset_mask": rows}
        observations, infos = env.reset(seed=of_rows, options=options)
    return observations, infos


def _fixed_of(task: Task) -> list[tuple[tuple[str, Any], ...]]:
    """The reset options of each episode that its seed does not draw; [] where there are none."""
    fixed = [("start", task.months), ("world", task.worlds)]
    named = [[(name, value) for value in values] for name, values in fixed if values]
    return list(zip(*named, strict=True))


def run_days(task: Task, env: Any) -> Iterator[Day]:
    """Let the policy act in all episodes; each day overwrites the records of the one before."""
    policy = make_policy(str(task.policy), env, seed=task.seed)
    rows, cars = len(task.episodes), len(task.scenario.vehicles)
    steps_an_hour = HOUR_MIN // task.scenario.time_step_min
    longest = steps_an_hour * max(task.day_hours)
    all_results = np.empty((longest, rows), STEP_DTYPE)
    all_vehicle_results = np.empty((longest, rows, cars), VEHICLE_STEP_DTYPE)
    observations, infos = reset_env(task, env)
    policy.reset(np.arange(rows))
    tell_future(policy, env)
    for hours in task.day_hours:
        steps = steps_an_hour * hours
        results, vehicle_results = all_results[:steps], all_vehicle_results[:steps]
        for step in range(steps):
            observations, _, _, _, infos = env.step(policy(observations))
            if task.url is None:
                results[step] = env.outputs.results
                vehicle_results[step] = env.outputs.vehicle_results
            else:
                record_infos(infos, results[step], vehicle_results[step])
        yield Day(results, vehicle_results, infos)


def run_task(task: Task) -> Part:
    """Compute a task."""
    with contextlib.closing(make_env(task)) as env:
        if task.policy is None:
            return _bounds(task, env)
        return _run(task, env)


def _run(task: Task, env: Any) -> Part:
    scenario, zone, start = task.scenario, task.scenario.data.zone, env.series_start
    writer = StepsWriter(task.names, task.columns, start, zone) if task.columns else None
    sums, week, settlement = None, [], np.zeros(0)
    for number, day in enumerate(run_days(task, env)):
        if sums is None:
            last_h = int(day.results["now_min"].max()) // HOUR_MIN + sum(task.day_hours)
            clock = LocalHours(start, zone, last_h + 1)
            carbon = _carbon_of(task)
            sums = Sums(scenario, len(task.episodes), clock, len(task.day_hours), carbon)
        sums.add(day.results, day.vehicle_results)
        if writer is not None:
            writer.add(day.results, day.vehicle_results)
        if task.week and number < WEEK_DAYS:
            week.append(Day(day.results.copy(), day.vehicle_results.copy(), {}))
        settlement = day.infos["settlement"]
    assert sums is not None  # a horizon has a day
    return Part(
        figures=sums.figures(np.array(settlement), task.parts),
        day_costs=sums.day_costs,
        day_co2_g=sums.day_co2_g,
        dates=sums.dates,
        charged_kwh=sums.charged_kwh,
        first_hour=sums.first_hour,
        steps=tuple(writer.close()) if writer is not None else (),
        week=_most_driven_week(task, week, start) if task.week else None,
    )


def _carbon_of(task: Task) -> Dataset | None:
    """Series with the carbon intensity, which all worlds share; None where it is not known here.

    A server's series are its own, and steps do not tell their carbon intensity.
    """
    if task.scenario.data.carbon is None or task.url is not None:
        return None
    return dataset_of(task.scenario, worlds_of(task.scenario, task.split)[0])


def _has_few_levels(scenario: Scenario) -> bool:
    levels = np.count_nonzero(scenario.charger.levels_kw or ())
    return bool(0 < scenario.longest_days * len(scenario.vehicles) * levels <= MOST_WHOLE_LEVELS)


def _bounds(task: Task, env: Any) -> Part:
    """The lower bound of each episode."""
    from baselines.optimum.relaxation import lower_bound

    reset_env(task, env)
    whole = _has_few_levels(task.scenario)
    futures = (foresee(env.simulator, row) for row in range(len(task.episodes)))
    costs = [lower_bound(future, whole_levels=whole).cost for future in futures]
    return Part({"bound": np.array(costs) / task.parts})


def _most_driven_week(task: Task, week: list[Day], start: Any) -> pd.DataFrame:
    """The week in which a household drives most, of those in the first task of every policy."""
    results = np.concatenate([day.results for day in week])
    vehicle_results = np.concatenate([day.vehicle_results for day in week])
    row = int(vehicle_results["trip_kwh"][:, :LEAST_ROWS].sum(axis=(0, 2)).argmax())
    return _named_steps(task, row, start, results[:, row], vehicle_results[:, row])


def _named_steps(
    task: Task, row: int, start: Any, results: NDArray[Any], vehicle_results: NDArray[Any]
) -> pd.DataFrame:
    """Records (steps,) and (steps, K) of one episode as a table that names it."""
    frame = steps_frame(start, task.scenario.data.zone, results, vehicle_results).reset_index()
    for place, (name, cell) in enumerate(zip(EPISODE, task.names[row], strict=True)):
        frame.insert(place, name, cell)
    return frame


def episode_steps(task: Task, row: int) -> pd.DataFrame:
    """Run a task again for all steps of one of its episodes.

    The whole batch is run, since what a policy does in a row may depend on the others.
    """
    with contextlib.closing(make_env(task)) as env:
        days = [
            (day.results[:, row].copy(), day.vehicle_results[:, row].copy())
            for day in run_days(task, env)
        ]
        results, vehicle_results = (np.concatenate(parts) for parts in zip(*days, strict=True))
        return _named_steps(task, row, env.series_start, results, vehicle_results)
