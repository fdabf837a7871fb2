"""The tables of `docs/planners.md`: what planners pay, and where the money of `mpc` goes.

`python -m tests.validation.planners` runs `mpc` on household-months of the suite `month-v1`, which
nothing was fitted to: as it is, with one thing known perfectly at a time, and with one of its parts
taken out at a time. It takes a quarter of an hour on one core. With a folder that
`ev-gym benchmark --suite month-v1` has written it writes the table of that suite instead.
"""

from __future__ import annotations

import contextlib
import csv
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from baselines.comparison import suites, tasks
from baselines.foresight import foresee
from baselines.mpc import follow
from baselines.mpc.own_peaks import FULL_PRICE, PeakRaise
from baselines.mpc.plan import STOP_KWH, Stay, Surplus
from baselines.mpc.policy import Mpc, Planner
from baselines.mpc.reserve import FREE_KW
from baselines.optimal import Optimal, lower_bound
from baselines.policies.base import Future, Policy
from baselines.policies.view import HouseholdView
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.scenario import Scenario
from tests.validation.writing import DOCS, with_table

MONTHS = 48  # of the suite's 144: each month of each of its four worlds once
FINE_KW = 0.115  # levels of a charger that knows no whole amperes, a sixth of one
Make = Callable[[Scenario], Policy]


class LearnedPeak(Planner):
    """Told the load, it goes by what it has seen of the month's peak."""

    def _peak_kw(self, household: HouseholdView) -> float:
        return household.peak_kw

    def _raises(self, household: HouseholdView) -> list[PeakRaise]:
        told, self._forecast = self._forecast, None
        found = super()._raises(household)
        self._forecast = told
        return found


class LearnedLoad(Planner):
    """Told the month's peak, it expects the usual load."""

    def _load_kw(self, household: HouseholdView, first_h: float, hour: list[int]) -> list[float]:
        told, self._forecast = self._forecast, None
        found = super()._load_kw(household, first_h, hour)
        self._forecast = told
        return found


class KnownTrips(Planner):
    """It knows what the next stay will need, and how long that is."""

    def __init__(self, policy: Mpc) -> None:
        super().__init__(policy)
        self.needs: list[tuple[int, float, float]] = []

    def _reserve(self, stay: Stay, worth_per_kwh: float) -> list[Surplus]:
        coming = [need for need in self.needs if need[0] > self.steps]
        if not coming:
            return []
        _, level_kwh, hours = coming[0]
        lack_kwh = level_kwh - FREE_KW * hours - stay.wanted_kwh
        if lack_kwh <= 0.0:
            return []
        per_kwh = self._site.public_per_kwh - worth_per_kwh
        return [Surplus(lack_kwh, per_kwh + self._site.stop_cost / max(lack_kwh, STOP_KWH))]


class EveryStep(Planner):
    """It plans anew in each step."""

    def decide(self, household: HouseholdView) -> list[float]:
        self._planned_for = ()
        return super().decide(household)


class NoPeaks(Planner):
    """It pays the full price of the power charge above the peak so far."""

    def _raises(self, household: HouseholdView) -> list[PeakRaise]:
        return FULL_PRICE


class NoReserve(Planner):
    """A kWh beyond the wanted ones is worth what any kWh is."""

    def _reserve(self, stay: Stay, worth_per_kwh: float) -> list[Surplus]:
        return []


class SharedStops(Planner):
    """Each missing kWh bears its share of a stop, and no plan counts stops; the reserve does."""

    def __init__(self, policy: Mpc) -> None:
        super().__init__(policy)
        self._true_site = self._site
        per_kwh = self._site.public_per_kwh + self._site.stop_cost / STOP_KWH
        self._shared = self._site._replace(public_per_kwh=per_kwh, stop_cost=0.0)
        self._site = self._shared

    def _reserve(self, stay: Stay, worth_per_kwh: float) -> list[Surplus]:
        self._site = self._true_site
        found = super()._reserve(stay, worth_per_kwh)
        self._site = self._shared
        return found


class SeenLoads(Planner):
    """It expects the load that it has seen in the episode, not what is observed as usual."""

    def _load_kw(self, household: HouseholdView, first_h: float, hour: list[int]) -> list[float]:
        return super()._load_kw(household._replace(usual_load_kw=[]), first_h, hour)


def with_planner(planner: type[Planner], **given: Any) -> Make:
    """An `mpc` whose households plan so."""

    class Changed(Mpc):
        def _planner(self, row: int) -> Planner:
            while len(self._planners) <= row:
                self._planners.append(planner(self))
            return self._planners[row]

        def reset(self, rows: NDArray[np.int64] | None = None) -> None:
            self._planners = []

        def foresee(self, futures: list[Future]) -> None:
            super().foresee(futures)
            for row, future in enumerate(futures):
                own = self._planner(row)
                if isinstance(own, KnownTrips):
                    own.needs = needs_of(future)

    return lambda scenario: Changed(scenario, **given)


def needs_of(future: Future) -> list[tuple[int, float, float]]:
    """Of each stay to come: its first step, and what it needs, as `mpc.reserve` counts it."""
    car = future.vehicles[:, 0]
    battery_kwh = float(future.world.tables.cars[0]["battery_kwh"])
    plugged = car["plugged"] != 0
    found = []
    for step in np.flatnonzero(plugged[1:] & ~plugged[:-1]) + 1:
        trip_kwh = float(car["energy_kwh"][step - 1] - car["energy_kwh"][step])
        returns = future.events[(future.events["step"] == step - 1) & (future.events["kind"] == 1)]
        if returns.size:
            trip_kwh = float(returns["trip_kwh"].sum())
        left_min = float(car["departure_min"][step] - future.households["now_min"][step])
        level_kwh = float(car["wanted_soc"][step]) * battery_kwh + trip_kwh
        found.append((int(step), level_kwh, left_min / HOUR_MIN))
    return found


def without_wear(scenario: Scenario) -> Policy:
    """No wear in its plan but by discharging."""
    policy = Mpc(scenario)
    cars = tuple(
        car._replace(holding_wear=0.0, pieces=((car.max_kw, 0.0),)) for car in policy.site.cars
    )
    policy.site = policy.site._replace(cars=cars)
    return policy


def fine_charger(scenario: Scenario) -> Scenario:
    """Its charger with steps of FINE_KW from nothing on instead of whole amperes from 6 A on."""
    most_kw = scenario.vehicles[0].ac_max_kw
    levels_kw = tuple(np.append(np.arange(0.0, most_kw, FINE_KW), most_kw).tolist())
    return replace(scenario, charger=replace(scenario.charger, levels_kw=levels_kw))


def months() -> Iterator[tasks.Task]:
    """Tasks of the suite with the episodes of its first MONTHS households."""
    for task in suites.plan_of("month-v1", ["mpc"], bound=False, steps=False).tasks():
        kept = [i for i, (_, household) in enumerate(task.episodes) if household < MONTHS]
        if kept:
            yield replace(
                task,
                episodes=tuple(task.episodes[i] for i in kept),
                months=tuple(task.months[i] for i in kept),
                worlds=tuple(task.worlds[i] for i in kept),
            )


def costs(pay: Callable[[tasks.Task], Floats]) -> Floats:
    """What is paid in each month, by household."""
    found: dict[int, float] = {}
    for task in months():
        of_task = zip(task.episodes, pay(task), strict=True)
        found |= {household: float(cost) for (_, household), cost in of_task}
    return np.array([found[household] for household in sorted(found)])


def paid(make: Make, fine: bool = False) -> Floats:
    """What a policy pays in each month.

    Args:
        make: Makes it.
        fine: Whether the charger is that of `fine_charger`.
    """

    def pay(task: tasks.Task) -> Floats:
        scenario = fine_charger(task.scenario) if fine else task.scenario
        with contextlib.closing(tasks.make_env(replace(task, scenario=scenario))) as env:
            policy = make(env.scenario)
            observations, infos = tasks.reset_env(task, env)
            policy.reset()
            policy.foresee([foresee(env.simulator, row) for row in range(len(task.episodes))])
            total = np.zeros(len(task.episodes))
            for _ in range(HOUR_MIN // scenario.time_step_min * sum(task.day_hours)):
                observations, rewards, _, _, infos = env.step(policy(observations))
                total -= rewards
            return np.asarray(total - infos["settlement"])

    return costs(pay)


def bounds(task: tasks.Task) -> Floats:
    """The lower bounds of a task's episodes."""
    with contextlib.closing(tasks.make_env(task)) as env:
        tasks.reset_env(task, env)
        futures = [foresee(env.simulator, row) for row in range(len(task.episodes))]
        return np.array([lower_bound(future).cost for future in futures])


def beside(cost: Floats, mpc: Floats) -> list[str]:
    """Mean cost, and how much more it is than that of `mpc`, with a 95 % interval."""
    more = cost - mpc
    spread = 1.96 * more.std(ddof=1) / math.sqrt(more.size)
    return [f"{cost.mean():.1f}", f"{more.mean():+.1f} ± {spread:.1f}"]


def yardstick() -> Floats:
    """What the first `mpc` paid."""
    frame = suites.yardstick("month-v1").set_index("household").sort_index()
    return np.asarray(frame.loc[: MONTHS - 1, "cost"])


def known_rows(mpc: Floats) -> list[list[str]]:
    """`mpc` with one thing known perfectly."""
    known: dict[str, Make] = {
        "load of every hour": with_planner(LearnedPeak, load_error=0.0),
        "month's peak of the house": with_planner(LearnedLoad, load_error=0.0),
        "both": lambda scenario: Mpc(scenario, load_error=0.0),
        "need and hours of the next stay": with_planner(KnownTrips),
        "all of these": with_planner(KnownTrips, load_error=0.0),
    }
    rows = [[what, *beside(paid(make), mpc)] for what, make in known.items()]
    rows.append(["nothing, but planned in every step", *beside(paid(with_planner(EveryStep)), mpc)])
    fine = paid(lambda scenario: Mpc(scenario), fine=True)
    rows.append(["nothing, with a charger without whole amperes", *beside(fine, mpc)])
    rows.append(["everything (`optimal`)", *beside(paid(Optimal), mpc)])
    rows.append(["lower bound", *beside(costs(bounds), mpc)])
    return [["nothing: `mpc-0`, the first one", *beside(yardstick(), mpc)],
            ["nothing: `mpc`", f"{mpc.mean():.1f}", ""], *rows]  # fmt: skip


def part_rows(mpc: Floats) -> list[list[str]]:
    """`mpc` without one of its parts."""
    without: dict[str, Make] = {
        "wear in the plan": without_wear,
        "expected peaks of the house": with_planner(NoPeaks),
        "reserve for short stays": with_planner(NoReserve),
        "stops that are paid once": with_planner(SharedStops),
        "the usual load in the hours to come": with_planner(SeenLoads),
    }
    rows = [[what, *beside(paid(make), mpc)] for what, make in without.items()]
    with mock.patch.object(follow, "MARGIN_KW", 0.0):
        rows.append(["margin for a rising load", *beside(paid(lambda s: Mpc(s)), mpc)])
    return rows


SUITE_HEAD = [
    "policy", "SEK a month", "95 %", "closes, %", "from the grid", "power charge", "wear",
    "missing at departure", "settlement",
]  # fmt: skip


def suite_rows(folder: Path) -> list[list[str]]:
    """Each policy of a benchmark of the suite, the cheapest first, and above them the bound."""
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        found = sorted(csv.DictReader(file), key=lambda row: float(row["cost"]))
    rows = [["lower bound", f"{float(found[0]['bound']):.1f}"] + [""] * (len(SUITE_HEAD) - 2)]
    for row in found:
        low, high = float(row["cost_low"]), float(row["cost_high"])
        terms = [row[name] for name in ("energy", "power", "wear", "missing", "settlement")]
        rows.append(
            [
                f"`{row['policy']}`",
                f"{float(row['cost']):.1f}",
                f"{low:.0f} to {high:.0f}",
                f"{float(row['closed_percent']):.0f}",
                *(f"{float(term):.1f}" for term in terms),
            ]
        )
    return rows


def main(folder: str | None = None) -> None:
    """Measure two tables and write them; or write that of a benchmark's folder."""
    path = DOCS / "planners.md"
    tables: list[tuple[list[str], list[list[str]]]]
    if folder is not None:
        tables = [(SUITE_HEAD, suite_rows(Path(folder)))]
    else:
        mpc = paid(lambda scenario: Mpc(scenario))
        tables = [
            (["what it knows", "SEK a month", "more than `mpc`"], known_rows(mpc)),
            (["without", "SEK a month", "more than `mpc`"], part_rows(mpc)),
        ]
    page = path.read_text(encoding="utf-8")
    for head, rows in tables:
        page = with_table(page, head, rows)
    path.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
