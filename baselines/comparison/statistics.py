"""What a comparison says and how surely: means, intervals, regret, paired differences, ranks.

All intervals are 95 % percentile bootstrap intervals (Efron 1979, doi:10.1214/aos/1176344552) over
episodes, each of which has a driver and a time of its own. Houses and weather are those of the data
set, which episodes share (16 houses and one year in the built-in one): for other houses and years
the uncertainty is larger than these intervals say. The same episodes are drawn for every policy, so
differences between policies are paired (common random numbers), and what episodes have in common
cancels.

Where episodes are months, the bootstrap is stratified: of each calendar month it draws as many
episodes as there are, for the months of a year are no sample. Where a month has but one, all are
drawn from together, which says too much rather than too little.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from baselines.comparison.steps_file import EPISODE
from ev_gym.runtime.arrays import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

Strata = list[Ints]

MONTHS_A_YEAR = 12
BOOTSTRAP_SAMPLES = 2000
DRAWN_AT_ONCE = 2_000_000  # so many episodes, which bounds the memory
FEW_EPISODES = 10
REFERENCE = "uncontrolled"  # what it pays above the bound is what can be avoided
# In a suite: of what the one pays above the other, how much does a policy save?
YARDSTICK, BEST = "mpc-0", "optimal"
SAME_MONEY = 1e-9  # costs closer than this are equal
NAMES = (*EPISODE, "currency", "per", "month", "world")


def resampled_means(values: Floats, seed: int, strata: Strata | None = None) -> Floats:
    """Means (samples,) of values (n,) drawn with replacement: for equal n from the same places.

    Args:
        values: (n,) of the episodes.
        seed: Of the bootstrap.
        strata: Places of the episodes of each calendar month; None: all are drawn from together.
    """
    if strata is None:
        return _resampled(values, np.random.SeedSequence((seed, len(values))))
    total = np.zeros(BOOTSTRAP_SAMPLES)
    for number, places in enumerate(strata):
        of_month = _resampled(values[places], np.random.SeedSequence((seed, len(values), number)))
        total += of_month * len(places)
    return total / len(values)


def _resampled(values: Floats, seeds: np.random.SeedSequence) -> Floats:
    rng = np.random.default_rng(seeds)
    at_once = max(1, DRAWN_AT_ONCE // len(values))
    means = []
    for first in range(0, BOOTSTRAP_SAMPLES, at_once):
        count = min(at_once, BOOTSTRAP_SAMPLES - first)
        means.append(values[rng.integers(len(values), size=(count, len(values)))].mean(axis=1))
    return np.concatenate(means)


def interval(resampled: Floats) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of the values that are numbers; nan where none is."""
    numbers = resampled[~np.isnan(resampled)]
    if not numbers.size:
        return np.nan, np.nan
    low, high = np.quantile(numbers, (0.025, 0.975))
    return float(low), float(high)


def calendar_months(frame: pd.DataFrame) -> dict[str, Ints]:
    """Places of the episodes of each calendar month, "01" to "12"; {} where they are no months."""
    months = frame["month"].str[5:].to_numpy()
    return {month: np.flatnonzero(months == month) for month in sorted(set(months) - {""})}


class Group(NamedTuple):
    """The episodes of one scenario and split, by policy."""

    scenario: str
    split: str
    currency: str
    episodes: dict[str, pd.DataFrame]

    @property
    def names(self) -> dict[str, Any]:
        """The first columns of its rows."""
        return {"scenario": self.scenario, "split": self.split}

    @property
    def per(self) -> str:
        """What its figures are of: a day or a month."""
        return str(next(iter(self.episodes.values()))["per"].iloc[0])

    @property
    def strata(self) -> Strata | None:
        """What a bootstrap draws from, each by itself; None: from all episodes together."""
        months = list(calendar_months(next(iter(self.episodes.values()))).values())
        return months if months and min(map(len, months)) > 1 else None

    def costs(self) -> Floats:
        """(policies, n) money a day or a month."""
        return np.stack([frame["cost"].to_numpy() for frame in self.episodes.values()])

    def resampled_costs(self, seed: int) -> Floats:
        """(policies, samples) mean money a day or a month."""
        return np.stack([resampled_means(costs, seed, self.strata) for costs in self.costs()])


def groups(episodes: pd.DataFrame) -> Iterator[Group]:
    """The scenarios and splits of a comparison, in their order."""
    for (scenario, split), rows in episodes.groupby(["scenario", "split"], sort=False):
        by_policy = {str(name): part for name, part in rows.groupby("policy", sort=False)}
        yield Group(str(scenario), str(split), str(rows["currency"].iloc[0]), by_policy)


def summarise(episodes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row a scenario, split and policy: means over episodes, each with its 95 % interval.

    `cost_per_year` is the sum over the twelve calendar months of each month's mean; nan where not
    all twelve occur, and left out if it is nowhere. `regret_percent` is regret in percent of what
    is avoidable, a ratio of two means: of cost minus bound, and of the cost of `uncontrolled` minus
    bound; nan where that is not above zero. In a suite `closed_percent` is how much of the distance
    from `mpc-0` to `optimal` a policy closes.

    Args:
        episodes: One row a scenario, split, policy, seed and household.
        seed: Of the bootstrap.
    """
    import pandas as pd

    rows = []
    for group in groups(episodes):
        place = ranks_of(group.costs().mean(axis=1))
        for number, (policy, frame) in enumerate(group.episodes.items()):
            row = group.names | {"policy": policy, "currency": group.currency}
            row |= {"per": group.per, "episodes": len(frame), **_figures(frame, group, seed)}
            rows.append(row | {"rank": place[number]})
    summary = pd.DataFrame(rows)
    if summary["cost_per_year"].isna().all():
        summary = summary.drop(columns=list(summary.filter(like="cost_per_year")))
    return summary


def _figures(frame: pd.DataFrame, group: Group, seed: int) -> dict[str, float]:
    """The means of one policy on one scenario, then the ends of their intervals."""
    figures = {str(n): frame[n].to_numpy(np.float64) for n in frame.columns if n not in NAMES}
    means = {name: float(values.mean()) for name, values in figures.items()}
    strata = group.strata
    resampled = {name: resampled_means(values, seed, strata) for name, values in figures.items()}
    cheap_kwh, charge_kwh = means.pop("cheap_kwh"), means["charge_kwh"]
    means["cheap_share"] = cheap_kwh / charge_kwh if charge_kwh else np.nan
    with np.errstate(invalid="ignore"):
        resampled["cheap_share"] = resampled["cheap_kwh"] / resampled["charge_kwh"]
    year = _year(figures["cost"], frame, seed, strata)
    means["cost_per_year"], resampled["cost_per_year"] = year
    if "regret" in figures and REFERENCE in group.episodes:
        most = group.episodes[REFERENCE]["regret"].to_numpy()
        means["regret_percent"] = float(share(means["regret"], most.mean()))
        most_resampled = resampled_means(most, seed, strata)
        resampled["regret_percent"] = share(resampled["regret"], most_resampled)
    if {YARDSTICK, BEST} <= set(group.episodes):
        most, least = (group.episodes[name]["cost"].to_numpy() for name in (YARDSTICK, BEST))
        saved, distance = most - figures["cost"], most - least
        means["closed_percent"] = float(share(saved.mean(), distance.mean()))
        saved, distance = (resampled_means(each, seed, strata) for each in (saved, distance))
        resampled["closed_percent"] = share(saved, distance)
    row = dict(means)
    for name in means:
        row[f"{name}_low"], row[f"{name}_high"] = interval(resampled[name])
    return row


def _year(
    costs: Floats, frame: pd.DataFrame, seed: int, strata: Strata | None
) -> tuple[float, Floats]:
    """The cost of a year, and (samples,) such costs resampled; nan without all twelve months."""
    months = calendar_months(frame)
    if len(months) < MONTHS_A_YEAR:
        return np.nan, np.full(1, np.nan)
    # So weighted, the mean over all episodes is the sum of the months' means.
    weighted = costs * len(costs)
    for places in months.values():
        weighted[places] /= len(places)
    return float(weighted.mean()), resampled_means(weighted, seed, strata)


def share(regret: Any, avoidable: Any) -> Floats:
    """Percent of the avoidable; nan where nothing is."""
    avoidable = np.asarray(avoidable, np.float64)
    positive = np.where(avoidable > SAME_MONEY, avoidable, np.nan)
    percent: Floats = 100.0 * np.asarray(regret, np.float64) / positive
    return percent


def paired(episodes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row a scenario, split and pair: what `policy` pays more than `other`, as `per` says."""
    import pandas as pd

    rows = []
    for group in groups(episodes):
        means, resampled = group.costs().mean(axis=1), group.resampled_costs(seed)
        for (i, policy), (j, other) in itertools.combinations(enumerate(group.episodes), 2):
            low, high = interval(resampled[i] - resampled[j])
            row: dict[str, Any] = {"policy": policy, "other": other, "currency": group.currency}
            row["per"] = group.per
            row |= {"difference": float(means[i] - means[j])}
            row |= {"difference_low": low, "difference_high": high}
            rows.append(group.names | row)
    ends = ["difference", "difference_low", "difference_high"]
    columns = ["scenario", "split", "policy", "other", "currency", "per", *ends]
    return pd.DataFrame(rows, columns=columns)


def ranks_of(costs: Floats) -> Ints:
    """Ranks (policies, ...) of costs (policies, ...), the cheapest 1; equal costs share a rank."""
    cheaper = costs[np.newaxis] < costs[:, np.newaxis] - SAME_MONEY
    ranks: Ints = 1 + cheaper.sum(axis=1)
    return ranks


def kendall_tau(one: Floats, other: Floats) -> float:
    """Kendall's tau-b of two sets of costs (policies,): 1 the same order, -1 the opposite one.

    Concordant less discordant pairs, over the geometric mean of the numbers of pairs that are not
    tied in either (Kendall 1945, doi:10.1093/biomet/33.3.239); nan where all are tied in one.
    """
    signs = []
    for costs in (one, other):
        apart = costs[:, np.newaxis] - costs
        signs.append(np.where(np.abs(apart) > SAME_MONEY, np.sign(apart), 0.0))
    untied = [float((sign**2).sum()) for sign in signs]
    if not all(untied):
        return float("nan")
    return float((signs[0] * signs[1]).sum() / np.sqrt(untied[0] * untied[1]))


def rank_stability(episodes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row a scenario, split and policy: its rank by mean cost, and how firm that is.

    `rank_low` and `rank_high` are the ends of the rank's 95 % interval and `same_share` the share
    of resamples in which it is the same; `same_seeds` the share of seeds in which it is. `tau` is
    the mean of Kendall's tau over all pairs of seeds, and `tau_low` the lowest; both are of the
    whole ranking. These three are nan with one seed.
    """
    import pandas as pd

    rows = []
    for group in groups(episodes):
        rank = ranks_of(group.costs().mean(axis=1))
        resampled = ranks_of(group.resampled_costs(seed))
        by_seed = np.stack(
            [frame.groupby("seed")["cost"].mean() for frame in group.episodes.values()]
        )
        in_seeds, pairs = ranks_of(by_seed), itertools.combinations(by_seed.T, 2)
        taus = [kendall_tau(one, other) for one, other in pairs]
        numbers = [tau for tau in taus if not np.isnan(tau)] or [np.nan]
        for number, policy in enumerate(group.episodes):
            low, high = np.quantile(resampled[number], (0.025, 0.975), method="nearest")
            row = {"policy": policy, "rank": rank[number], "rank_low": low, "rank_high": high}
            row["same_share"] = float((resampled[number] == rank[number]).mean())
            row["seeds"] = by_seed.shape[1]
            same = float((in_seeds[number] == rank[number]).mean())
            row["same_seeds"] = same if by_seed.shape[1] > 1 else np.nan
            rows.append(
                group.names | row | {"tau": float(np.mean(numbers)), "tau_low": min(numbers)}
            )
    return pd.DataFrame(rows)


def unknown_width(rows: pd.DataFrame) -> float | None:
    """Money between bound and `optimal` in one scenario's rows of the summary; None without both.

    What the true optimum pays lies between the two, so of all regrets so much is not known.
    """
    if "regret" not in rows:
        return None
    widths = rows.loc[rows["policy"] == BEST, "regret"].dropna()
    return float(widths.iloc[0]) if len(widths) else None


def caveats(rows: pd.DataFrame) -> list[str]:
    """What a reader of one scenario's rows of the summary must know, in sentences."""
    sentences, episodes = [], int(rows["episodes"].iloc[0])
    if episodes < FEW_EPISODES:
        sentences.append(f"Intervals and ranks of {episodes} episode(s) say little.")
    if rows["power"].any() and rows["per"].iloc[0] == "day":
        sentences.append(
            "The power charge of every calendar month that an episode touches is counted in full: "
            "a day of these costs more than a day of a whole month (--days month)."
        )
    if rows["missing"].any():
        sentences.append("What misses at a departure is paid at a public charger's price.")
    width = unknown_width(rows)
    if width is not None:
        sentences.append(
            f"The regret of {BEST} itself, {width:.2f} {rows['currency'].iloc[0]} a "
            f"{rows['per'].iloc[0]}, is the width of what is not known: the true optimum lies "
            f"between the bound and {BEST}."
        )
    return sentences
