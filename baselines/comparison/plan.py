"""What is to be compared, and the tasks into which that is divided."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from baselines.comparison.steps_file import step_columns
from baselines.comparison.tasks import LEAST_ROWS, Task
from baselines.policies.specs import POLICY_NAMES, built_in, parse_spec
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.scenario import Scenario
from ev_gym.scenario.scenario import with_horizon
from ev_gym.series.of_scenario import worlds_of
from ev_gym.simulation.observation import PHYSICAL, checked_observation
from ev_gym.world.episode_starts import Month
from ev_gym.world.world import build_world

SPLITS = (None, "train", "test", "both")
Episode = tuple[int, int]  # seed and household
LOWER_BOUND = None  # stands in the place of a policy
# Rows of a task. A rule takes little time for a row, so many rows share the work around a step. A
# policy that plans each row apart gains nothing by that; small tasks spread better over workers and
# lose less when they are interrupted.
RULE_ROWS, OTHER_ROWS = 256, 32
PLANNERS = ("optimal", "mpc")
MOST_STEPS = 10_000_000  # about 300 MB of steps.csv.gz


@dataclass(frozen=True)
class Plan:
    """What to compare on what.

    Attributes:
        scenarios: Scenarios; their horizon is replaced by `days`, where given.
        policies: Specs of policies. One that needs what a scenario lacks is left out there.
        seeds: Seeds; with each of the households one episode.
        households: Number of households drawn for each seed. Where episodes are months, these are
            dealt out in rotation: the first household has the first month of the series.
        days: Length of each episode in days, or "month"; None: the scenario's.
        split: Which part of the series episodes come from: None, "train", "test", or "both" one
            after the other.
        bound: Whether to compute the lower bound of each episode; never with a url.
        steps: Whether to keep every step; None: where there are at most MOST_STEPS.
        observation: `"physical"` or `"scaled"`, as policies are given observations.
        url: Address of a server whose households to drive; None: local ones.
        token: Its token; None: the environment variable EV_GYM_TOKEN, where set.
        suite: Name of the suite whose episodes these are; see `baselines.comparison.suites`.

    Raises:
        ValueError: for a name given twice, an unknown split or kind of observation, or a policy
            that fits no scenario.
    """

    scenarios: tuple[Scenario, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    households: int = 36
    days: int | str | None = None
    split: str | None = None
    bound: bool = True
    steps: bool | None = None
    observation: str = PHYSICAL
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    suite: str | None = None

    def __post_init__(self) -> None:
        names = {"scenario": [scenario.name for scenario in self.scenarios]}
        names |= {"policy": list(self.policies), "seed": [str(seed) for seed in self.seeds]}
        for kind, values in names.items():
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{kind} {', '.join(twice)} is named twice; allowed: once each")
        if self.split not in SPLITS:
            raise ValueError(f"split is {self.split!r}; allowed: None, 'train', 'test' or 'both'")
        checked_observation(self.observation)
        for policy in self.policies if self.scenarios else ():
            if not any(applicable(policy, scenario) for scenario in self.scenarios):
                scenarios = ", ".join(names["scenario"])
                raise ValueError(
                    f"policy {policy} needs sun, which {scenarios} lacks; allowed: scenarios with "
                    "solar.peak_kw above 0, or household.net_load"
                )

    @property
    def episodes(self) -> list[tuple[int, int]]:
        """Seed and household of each episode."""
        return [(seed, household) for seed in self.seeds for household in range(self.households)]

    @property
    def splits(self) -> tuple[str | None, ...]:
        """The splits to run, each with rows of its own."""
        return ("train", "test") if self.split == "both" else (self.split,)

    @property
    def horizons(self) -> tuple[Scenario, ...]:
        """The scenarios with this plan's days."""
        if self.days is None:
            return self.scenarios
        return tuple(with_horizon(scenario, self.days) for scenario in self.scenarios)

    @property
    def total_steps(self) -> int:
        """Steps of all episodes under all policies."""
        return sum(
            self._episode_steps(scenario, split) * len(self.policies_of(scenario))
            for scenario in self.horizons
            for split in self.splits
        )

    @property
    def keeps_steps(self) -> bool:
        """Whether every step is kept."""
        return self.total_steps <= MOST_STEPS if self.steps is None else self.steps

    def policies_of(self, scenario: Scenario) -> list[str]:
        """The policies that can drive a scenario, in the plan's order."""
        return [policy for policy in self.policies if applicable(policy, scenario)]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without the token."""
        simple = {name: getattr(self, name) for name in _SIMPLE}
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        return {"scenarios": [scenario.to_dict() for scenario in self.scenarios], **lists, **simple}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """The plan of `to_dict`.

        Raises:
            ValueError: for a key that is unknown or missing, or an impossible scenario.
        """
        needed = {"scenarios", *_LISTS, *_SIMPLE}
        if set(values) != needed:
            wrong = ", ".join(sorted(needed ^ set(values)))
            raise ValueError(f"a plan has other keys ({wrong}); allowed: just {sorted(needed)}")
        arguments: dict[str, Any] = {name: values[name] for name in _SIMPLE}
        arguments |= {name: tuple(values[name]) for name in _LISTS}
        scenarios = tuple(Scenario.from_dict(scenario) for scenario in values["scenarios"])
        return cls(scenarios=scenarios, **arguments)

    def tasks(self, code: str = "") -> list[Task]:
        """The work in pieces that depend on nothing but the plan, the longest first.

        Args:
            code: A digest of the code, for parts that outlive the process.
        """
        tasks = []
        for place, scenario in enumerate(self.horizons):
            policies: list[str | None] = list(self.policies_of(scenario))
            policies += [LOWER_BOUND] if self.bound and self.url is None else []
            for split in self.splits:
                week = place == 0 and split == self.splits[0]
                for policy in policies:
                    tasks += self._batches(scenario, split, policy, week)
        tasks.sort(key=lambda task: _rows(task.policy))
        return [replace(task, code=code) for task in tasks]

    def _batches(
        self, scenario: Scenario, split: str | None, policy: str | None, week: bool
    ) -> list[Task]:
        """One policy (or the bound) on one scenario, in batches; `week`: whether to keep a week."""
        rows = _rows(policy)
        keeps = self.keeps_steps and policy is not LOWER_BOUND
        parts = [
            (months, episodes[first : first + rows], month_hours)
            for month_hours, months, episodes in self._alike(scenario, split)
            for first in range(0, len(episodes), rows)
        ]
        return [
            Task(
                scenario=scenario,
                policy=policy,
                split=split,
                episodes=tuple(episodes),
                months=tuple(months[episode] for episode in episodes) if months else (),
                month_hours=month_hours,
                worlds=tuple(self._world(scenario, split, episode) for episode in episodes),
                seed=batch_seed(self.seeds[0], batch),
                columns=step_columns(self.horizons) if keeps else (),
                week=week and batch == 0 and policy is not LOWER_BOUND,
                observation=self.observation,
                url=self.url,
                token=self.token,
            )
            for batch, (months, episodes, month_hours) in enumerate(parts)
        ]

    def _world(self, scenario: Scenario, split: str | None, episode: Episode) -> int:
        """The world of an episode: dealt to the households in rotation, as months are.

        With each round of the months it moves on by one, so that each month meets all worlds.
        """
        numbers = worlds_of(scenario, split)
        rounds = len(months_of(scenario, split)) if scenario.by_month else len(numbers)
        _, household = episode
        return numbers[(household + household // rounds) % len(numbers)]

    def _episode_steps(self, scenario: Scenario, split: str | None) -> int:
        """Steps of all episodes under one policy."""
        if not scenario.by_month:
            return scenario.horizon_steps * len(self.episodes)
        hours = (sum(hours) * len(own) for hours, _, own in self._alike(scenario, split))
        return sum(hours) * HOUR_MIN // scenario.time_step_min

    def _alike(
        self, scenario: Scenario, split: str | None
    ) -> Iterator[tuple[tuple[int, ...], dict[Episode, str], list[Episode]]]:
        """Of months with days of the same lengths: these lengths, first days, and episodes.

        Where episodes are no months, all of them, without lengths and first days.
        """
        if not scenario.by_month:
            yield (), {}, self.episodes
            return
        months = months_of(scenario, split)
        of_episode = {(seed, h): months[h % len(months)] for seed, h in self.episodes}
        firsts = {episode: month.first for episode, month in of_episode.items()}
        for hours in dict.fromkeys(month.day_hours for month in of_episode.values()):
            alike = [episode for episode, month in of_episode.items() if month.day_hours == hours]
            yield hours, firsts, alike


_LISTS = ("policies", "seeds")
_SIMPLE = ("households", "days", "split", "bound", "steps", "observation", "url", "suite")


@functools.lru_cache(maxsize=16)
def months_of(scenario: Scenario, split: str | None) -> list[Month]:
    """The months of a scenario's series, or of a split, in which episodes may take place."""
    return build_world(scenario, None, split).months()


def _rows(policy: str | None) -> int:
    """How many episodes share a task: the fewer, the longer a policy takes for one."""
    name = "" if policy is None else parse_spec(policy).target
    if name in PLANNERS:
        return LEAST_ROWS
    return RULE_ROWS if name in POLICY_NAMES else OTHER_ROWS


def applicable(policy: str, scenario: Scenario) -> bool:
    """Whether a policy can drive a scenario: those of this package that need sun need PV."""
    name = parse_spec(policy).target
    return name not in POLICY_NAMES or scenario.has_sun or not built_in(name).needs_sun


def batch_seed(seed: int, batch: int) -> int:
    """The seed of the policy of a batch: of the first one the plan's own."""
    if batch == 0:
        return seed
    return int(np.random.SeedSequence((seed, batch)).generate_state(1, np.uint64)[0])


def default_policies(scenarios: tuple[Scenario, ...], remote: bool = False) -> tuple[str, ...]:
    """All policies of this package that can drive one of the scenarios, on a server or here."""
    return tuple(
        name
        for name in POLICY_NAMES
        if any(applicable(name, scenario) for scenario in scenarios)
        and not (remote and built_in(name).clairvoyant)
    )
