"""What a comparison is to be made of, and the tasks into which it falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from baselines.comparison.steps_file import step_columns
from baselines.comparison.tasks import FEWEST_ROWS, Task
from baselines.policies.specs import POLICY_NAMES, built_in, parse_spec
from ev_gym.scenario import Scenario

SPLITS = (None, "train", "test", "both")
BOUND = None  # in the place of a policy: the lower bound
# Rows of a task. Rules cost little a row, so many share the work around a step; what plans each
# row apart gains nothing by that, and small tasks spread better and lose less when interrupted.
RULE_ROWS, OTHER_ROWS = 256, 32
PLANNERS = ("optimal", "mpc")
# About 300 MB of steps.csv.gz.
MOST_STEPS = 10_000_000


@dataclass(frozen=True)
class Plan:
    """What to compare on what.

    Attributes:
        scenarios: Scenarios; their horizon is replaced by `days`.
        policies: Specs of policies. One that needs what a scenario lacks is left out there.
        seeds: Seeds; with each of the households one episode.
        households: Number of households drawn for each seed.
        days: Length of each episode in days.
        split: Which weeks episodes come from: None, "train", "test", or "both" one after the other.
        bound: Whether to compute the lower bound of each episode; never with a url.
        steps: Whether to keep every step; None: up to MOST_STEPS.
        url: Address of a server whose households to drive; None: local ones.
        token: Its token; None: the environment variable EV_GYM_TOKEN, where set.

    Raises:
        ValueError: for a name given twice, an unknown split, or a policy that fits no scenario.
    """

    scenarios: tuple[Scenario, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    households: int = 32
    days: int = 28
    split: str | None = None
    bound: bool = True
    steps: bool | None = None
    url: str | None = None
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        names = {"scenario": [scenario.name for scenario in self.scenarios]}
        names |= {"policy": list(self.policies), "seed": [str(seed) for seed in self.seeds]}
        for kind, given in names.items():
            twice = sorted({name for name in given if given.count(name) > 1})
            if twice:
                raise ValueError(f"{kind} {', '.join(twice)} is named twice; allowed: once each")
        if self.split not in SPLITS:
            raise ValueError(f"split is {self.split!r}; allowed: None, 'train', 'test' or 'both'")
        for policy in self.policies if self.scenarios else ():
            if not any(applicable(policy, scenario) for scenario in self.scenarios):
                scenarios = ", ".join(names["scenario"])
                raise ValueError(
                    f"policy {policy} needs sun, which {scenarios} lacks; allowed: scenarios with "
                    "solar.peak_kw above 0"
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
        return tuple(replace(scenario, days=self.days) for scenario in self.scenarios)

    @property
    def total_steps(self) -> int:
        """Steps of all episodes under all policies."""
        each = [s.horizon_steps * len(self.policies_of(s)) for s in self.horizons]
        return sum(each) * len(self.episodes) * len(self.splits)

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
    def from_dict(cls, given: Mapping[str, Any]) -> Plan:
        """The plan of `to_dict`.

        Raises:
            ValueError: for a key that is unknown or missing, or an impossible scenario.
        """
        needed = {"scenarios", *_LISTS, *_SIMPLE}
        if set(given) != needed:
            wrong = ", ".join(sorted(needed ^ set(given)))
            raise ValueError(f"a plan has other keys ({wrong}); allowed: just {sorted(needed)}")
        values: dict[str, Any] = {name: given[name] for name in _SIMPLE}
        values |= {name: tuple(given[name]) for name in _LISTS}
        values["scenarios"] = tuple(Scenario.from_dict(own) for own in given["scenarios"])
        return cls(**values)

    def tasks(self, code: str = "") -> list[Task]:
        """The work in pieces that depend on nothing but the plan, the longest first.

        Args:
            code: A digest of the code, for parts that outlive the process.
        """
        tasks = []
        for place, scenario in enumerate(self.horizons):
            entrants: list[str | None] = list(self.policies_of(scenario))
            entrants += [BOUND] if self.bound and self.url is None else []
            for split in self.splits:
                shown = place == 0 and split == self.splits[0]
                for policy in entrants:
                    tasks += self._batches(scenario, split, policy, shown)
        tasks.sort(key=lambda task: _rows(task.policy))
        return [replace(task, code=code) for task in tasks]

    def _batches(
        self, scenario: Scenario, split: str | None, policy: str | None, shown: bool
    ) -> list[Task]:
        """One policy (or the bound) on one scenario, in batches."""
        rows = _rows(policy)
        keeps = self.keeps_steps and policy is not BOUND
        return [
            Task(
                scenario=scenario,
                policy=policy,
                split=split,
                episodes=tuple(self.episodes[first : first + rows]),
                seed=batch_seed(self.seeds[0], batch),
                columns=step_columns(self.horizons) if keeps else (),
                week=shown and batch == 0 and policy is not BOUND,
                url=self.url,
                token=self.token,
            )
            for batch, first in enumerate(range(0, len(self.episodes), rows))
        ]


_LISTS = ("policies", "seeds")
_SIMPLE = ("households", "days", "split", "bound", "steps", "url")


def _rows(policy: str | None) -> int:
    """How many episodes share a task, by what a policy costs."""
    name = "" if policy is None else parse_spec(policy).target
    if name in PLANNERS:
        return FEWEST_ROWS
    return RULE_ROWS if name in POLICY_NAMES else OTHER_ROWS


def applicable(policy: str, scenario: Scenario) -> bool:
    """Whether a policy can drive a scenario: those of this package that need sun need PV."""
    name = parse_spec(policy).target
    return name not in POLICY_NAMES or scenario.solar.peak_kw > 0 or not built_in(name).needs_sun


def batch_seed(seed: int, batch: int) -> int:
    """The seed of the policy of a batch: the plan's own for the first, then others."""
    if batch == 0:
        return seed
    return int(np.random.SeedSequence((seed, batch)).generate_state(1, np.uint64)[0])


def default_policies(scenarios: tuple[Scenario, ...], remote: bool = False) -> tuple[str, ...]:
    """All policies of this package that can drive one of the scenarios, there or here."""
    return tuple(
        name
        for name in POLICY_NAMES
        if any(applicable(name, scenario) for scenario in scenarios)
        and not (remote and built_in(name).clairvoyant)
    )
