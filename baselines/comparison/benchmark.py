"""The comparison: every policy on the same episodes, scored in money beside a proven bound."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.comparison import manifest, statistics, suites
from baselines.comparison.plan import Plan
from baselines.comparison.steps_file import EPISODE, header, read_member, step_columns
from baselines.comparison.sums import ChargedEnergy
from baselines.comparison.tasks import ALL_WEEKS, Part, Task, episode_steps, run_task
from ev_gym.runtime.durations import DAY_H
from ev_gym.simulation.state_fields import REWARD_TERMS

if TYPE_CHECKING:
    import pandas as pd

    Runner = Callable[[Callable[[Task], Part], list[Task]], Iterable[Part]]

# Columns of the printed table: heading, column of the summary, its sign in the table, format.
COLUMNS = (
    ("cost", "cost", 1, ".2f"),
    ("from", "cost_low", 1, ".2f"),
    ("to", "cost_high", 1, ".2f"),
    ("a year", "cost_per_year", 1, ".0f"),
    ("regret", "regret", 1, ".2f"),
    ("in %", "regret_percent", 1, ".1f"),
    ("closes", "closed_percent", 1, ".1f"),
    *((term, term, 1, ".2f") for term in REWARD_TERMS),
    ("stored", "settlement", -1, ".2f"),
    ("miss", "missing_kwh", 1, ".2f"),
    ("V2G", "discharge_kwh", 1, ".2f"),
    ("sold", "exported_kwh", 1, ".2f"),
    ("peak", "peak_kw", 1, ".1f"),
    ("cheap", "cheap_share", 1, ".0%"),
    ("CO2 g", "co2_g", 1, ".0f"),
)
# Columns that are left out where they are zero under every policy.
ONLY_WHERE_ANY = {*REWARD_TERMS, "stored", "V2G", "sold"}


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a benchmark found.

    Attributes:
        plan: What was compared.
        episodes: One row a scenario, split, policy, seed and household: `month`, `world`, money by
            term, energies, the peak; with a bound, `bound` and `regret`; with carbon intensity,
            `co2_g`. Money, energies and CO2 are those of a day or, where episodes are months, of a
            month, as `per` says.
        days: One row for each of their days: `day` from 0 on, `date` on which it begins, `first_h`
            and `hours` (when it begins in the episode, and its length), `cost`, and with carbon
            intensity `co2_g`.
        summary: One row a scenario, split and policy: means and intervals, see `statistics`.
        paired: One row a scenario, split and pair of policies.
        ranks: One row a scenario, split and policy: how firm its rank is.
        charged: Where the energy went, for each scenario, split and policy.
        week: A week's steps of one household under each policy.
        batches: Tasks and parts by scenario, split and policy.
    """

    plan: Plan
    episodes: pd.DataFrame
    days: pd.DataFrame
    summary: pd.DataFrame
    paired: pd.DataFrame
    ranks: pd.DataFrame
    charged: list[ChargedEnergy]
    week: pd.DataFrame
    batches: dict[tuple[str, str, str], list[tuple[Task, Part]]]

    def steps(
        self, scenario: str, split: str | None, policy: str, seed: int, household: int
    ) -> pd.DataFrame:
        """Every step of one episode; where steps were not kept, by running its batch again."""
        for task, part in self.batches[scenario, split or ALL_WEEKS, policy]:
            if (seed, household) in task.episodes:
                row = task.episodes.index((seed, household))
                if part.steps:
                    zone = task.scenario.data.zone
                    return read_member(part.steps[row], task.columns, zone)
                return episode_steps(task, row)
        raise ValueError(f"seed {seed}, household {household} was not run")


def one_after_another(work: Callable[[Task], Part], tasks: list[Task]) -> list[Part]:
    """Compute all tasks in this process."""
    return [work(task) for task in tasks]


def compare(plan: Plan, run: Runner = one_after_another, code: str = "") -> Comparison:
    """Run the whole plan.

    Args:
        plan: What to compare.
        run: Computes the tasks wherever it likes and returns their parts in the same order, such
            as `workers.run_all` with its options.
        code: A digest of the code, for parts that outlive the process.
    """
    import pandas as pd

    tasks = plan.tasks(code)
    done: dict[tuple[str, str, str | None], list[tuple[Task, Part]]] = {}
    for task, part in zip(tasks, run(run_task, tasks), strict=True):
        split = task.split or ALL_WEEKS
        done.setdefault((task.scenario.name, split, task.policy), []).append((task, part))
    batches = {
        (scenario.name, split or ALL_WEEKS, policy): done[scenario.name, split or ALL_WEEKS, policy]
        for scenario in plan.horizons
        for split in plan.splits
        for policy in plan.policies_of(scenario)
    }
    bounds = {key[:2]: pairs for key, pairs in done.items() if key[2] is None}
    episodes = pd.concat(
        [_episodes(pairs, bounds.get(key[:2])) for key, pairs in batches.items()],
        ignore_index=True,
    )
    if plan.suite is not None:
        episodes = suites.with_yardstick(episodes, plan.suite)
    parts = [part for pairs in batches.values() for _, part in pairs]
    weeks = [part.week for part in parts if part.week is not None]
    seed = plan.seeds[0]
    return Comparison(
        plan=plan,
        episodes=episodes,
        days=pd.concat(map(_days, batches.values()), ignore_index=True),
        summary=statistics.summarise(episodes, seed),
        paired=statistics.paired(episodes, seed),
        ranks=statistics.rank_stability(episodes, seed),
        charged=[_charged_energy(pairs) for pairs in batches.values()],
        week=pd.concat(weeks, ignore_index=True),
        batches=batches,
    )


def episode_figures(task: Task, part: Part) -> pd.DataFrame:
    """One row an episode of a task: names, currency, month, and figures."""
    import pandas as pd

    frame = pd.DataFrame(task.names, columns=list(EPISODE))
    months = [first[:7] for first in task.months] or ""
    worlds = list(task.worlds) or ""
    named = frame.assign(currency=task.scenario.currency, per=task.per, month=months, world=worlds)
    return named.assign(**part.figures)


def _episodes(pairs: list[tuple[Task, Part]], bounds: list[tuple[Task, Part]] | None) -> Any:
    """One row an episode of one policy on one scenario, with its regret where there is a bound."""
    import pandas as pd

    frame = pd.concat([episode_figures(*pair) for pair in pairs], ignore_index=True)
    if bounds is None:
        return frame
    bound = np.concatenate([part.figures["bound"] for _, part in bounds])
    return frame.assign(bound=bound, regret=frame["cost"] - bound)


def _days(pairs: list[tuple[Task, Part]]) -> pd.DataFrame:
    """One row a day of one policy on one scenario."""
    import pandas as pd

    frames = []
    for task, part in pairs:
        assert part.day_costs is not None
        assert part.dates is not None
        days, count = part.day_costs.shape
        names = pd.DataFrame(task.names, columns=list(EPISODE))
        frame = names.loc[np.repeat(np.arange(count), days)].reset_index(drop=True)
        frame["day"] = np.tile(np.arange(days), count)
        frame["date"] = part.dates.T.ravel().astype(str)
        frame["first_h"] = np.tile(np.cumsum(task.day_hours) - task.day_hours, count)
        frame["hours"] = np.tile(task.day_hours, count)
        frame["cost"] = part.day_costs.T.ravel()
        if part.day_co2_g is not None:
            frame["co2_g"] = part.day_co2_g.T.ravel()
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _charged_energy(pairs: list[tuple[Task, Part]]) -> ChargedEnergy:
    """Where the energy of one policy on one scenario went."""
    total_kwh = np.zeros((DAY_H, DAY_H))
    for _, part in pairs:
        assert part.charged_kwh is not None
        total_kwh += part.charged_kwh
    task, first = pairs[0]
    name = panel(task.scenario.name, task.split)
    return ChargedEnergy(name, str(task.policy), first.first_hour, total_kwh)


def panel(scenario: Any, split: Any) -> str:
    """What a scenario and split are called in pictures."""
    return str(scenario) if split in (None, ALL_WEEKS) else f"{scenario}, {split}"


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the tables, the steps where they were kept, and the pictures; the paths written.

    Files that a manifest in the folder names are of an earlier run; they are removed first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest.clear(folder)
    paths = []
    for name in manifest.TABLES:
        paths.append(folder / name)
        frame = getattr(comparison, paths[-1].stem)
        frame.to_csv(paths[-1], index=False, lineterminator="\n", float_format=_twelve_digits)
    if comparison.plan.keeps_steps:
        paths.append(folder / manifest.STEPS)
        with paths[-1].open("wb") as file:
            file.write(header(step_columns(comparison.plan.horizons)))
            for pairs in comparison.batches.values():
                for _, part in pairs:
                    file.writelines(part.steps)
    return [*paths, *_write_pictures(comparison, folder)]


def _twelve_digits(value: float) -> str:
    """Twelve: more are noise, fewer would hide what `--check` compares on another machine."""
    return repr(float(f"{value:.12g}") + 0.0)  # no -0.0


def _write_pictures(comparison: Comparison, folder: Path) -> list[Path]:
    from baselines.comparison import pictures

    summary = comparison.summary
    names = [panel(*name) for name in zip(summary["scenario"], summary["split"], strict=True)]
    panels = summary.assign(scenario=names)
    *paths, regret = (folder / name for name in manifest.PICTURES)
    bills, cost_against_missing, week, heat_map = paths
    pictures.bills(panels, bills)
    pictures.cost_against_missing(panels, cost_against_missing)
    pictures.week(comparison.week, week, currency=summary["currency"].iloc[0])
    pictures.heat_map(comparison.charged, heat_map)
    if "regret" in summary:
        pictures.regret(panels, regret)
        paths.append(regret)
    return paths


def table(summary: pd.DataFrame) -> str:
    """The summary as a table for a terminal, without what a scenario does not have."""
    lines = []
    keys = ["scenario", "split", "currency"]
    for (scenario, split, currency), group in summary.groupby(keys, sort=False):
        rows = group.sort_values("cost", kind="stable")
        lines.append(f"{panel(scenario, split)}: {_caption(rows, currency)}")
        columns = [["policy", *rows["policy"]]]
        for heading, column, sign, form in COLUMNS:
            if column not in rows or rows[column].isna().all():
                continue
            if heading not in ONLY_WHERE_ANY or rows[column].any():
                columns.append(
                    [heading, *(cell_text(sign * value, form) for value in rows[column])]
                )
        names, *others = (
            [text.rjust(max(map(len, column))) for text in column] for column in columns
        )
        left = [name.strip().ljust(len(name)) for name in names]
        lines += [" ".join(line) for line in zip(left, *others, strict=True)]
        lines += textwrap.wrap(" ".join(statistics.caveats(rows)), 118)
    return "\n".join(lines)


def _caption(rows: pd.DataFrame, currency: Any) -> str:
    """What the numbers of the table mean, in a line or two."""
    per = rows["per"].iloc[0]
    caption = (
        f"{currency} a {per} for charging, mean of {rows['episodes'].iloc[0]} episodes, from and "
        f"to with 95 %; energies in kWh a {per}"
    )

    def has(column: str) -> bool:
        return column in rows and bool(rows[column].notna().any())

    shown = []
    if has("regret"):
        bound = cell_text(rows["bound"].iloc[0], ".2f")
        shown.append(f"regret: above the proven bound of {bound}")
    if has("regret_percent"):
        shown.append("in %: of what is avoidable, uncontrolled less the bound")
    if has("co2_g"):
        shown.append(f"CO2 g: grams a {per} by the grid's average, exports earn none")
    if has("closed_percent"):
        shown.append("closes: % of what mpc-0 pays above optimal")
    return f"{caption}\n({'; '.join(shown)})" if shown else caption


def cell_text(value: float, form: str, missing: str = "-") -> str:
    """A number as tables show it, without the sign of a zero; `missing` for NaN."""
    if np.isnan(value):
        return missing
    text = f"{value:{form}}"
    return text if text.strip("-0.%") else text.removeprefix("-")
