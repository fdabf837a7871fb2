"""What a comparison says: regret, shares, pairs and ranks against numbers worked by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from baselines.comparison import statistics

COSTS = {  # by policy and household; the bound is 1, 2, 3
    "uncontrolled": (5.0, 10.0, 9.0),
    "middle": (4.0, 6.0, 5.0),
    "best": (1.0, 3.0, 3.5),
}
BOUNDS = (1.0, 2.0, 3.0)


def episodes(costs: dict[str, tuple[float, ...]] | None = None, seeds: int = 1) -> pd.DataFrame:
    """Rows as the benchmark makes them; the households are shared out among the seeds."""
    rows: list[dict[str, Any]] = []
    for policy, own in (costs or COSTS).items():
        each = len(own) // seeds
        for place, cost in enumerate(own):
            row = {"scenario": "one", "split": "all", "policy": policy, "seed": place // each}
            row |= {"household": place % each, "currency": "SEK", "cost": cost}
            row |= {"charge_kwh": 4.0, "cheap_kwh": 1.0, "per": "day", "month": ""}
            rows.append(row | {"bound": BOUNDS[place % 3]})
    frame = pd.DataFrame(rows)
    return frame.assign(regret=frame["cost"] - frame["bound"])


def all_means(values: tuple[float, ...]) -> list[float]:
    """The mean of each of the 27 samples of three that are equally likely."""
    return [sum(sample) / 3 for sample in itertools.product(values, repeat=3)]


def test_bootstrap_interval_has_the_width_theory_gives() -> None:
    """Of the mean of 400 normal numbers: 2 * 1.96 * sd / 20, within a tenth."""
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    low, high = statistics.interval(statistics.resampled_means(values, seed=0))
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert low < values.mean() < high


def test_resampled_means_are_those_of_all_samples() -> None:
    """Of three numbers: only means that a sample can have, each as often as chance gives it."""
    values = (0.0, 1.0, 5.0)
    drawn = statistics.resampled_means(np.array(values), seed=3)
    assert len(drawn) == 2000
    possible, likely = np.unique(np.round(all_means(values), 9), return_counts=True)
    found, times = np.unique(np.round(drawn, 9), return_counts=True)
    np.testing.assert_array_equal(found, possible)
    share = likely / 27
    spread = np.sqrt(share * (1 - share) / 2000)
    assert np.all(np.abs(times / 2000 - share) < 4 * spread)


def test_what_is_drawn_does_not_depend_on_the_memory_at_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(1).normal(size=37)
    whole = statistics.resampled_means(values, seed=5)
    monkeypatch.setattr(statistics, "DRAWN_AT_ONCE", 100)  # two samples at a time
    np.testing.assert_array_equal(statistics.resampled_means(values, seed=5), whole)


def test_an_interval_of_nothing_is_unknown() -> None:
    assert np.isnan(statistics.interval(np.full(5, np.nan))).all()
    assert statistics.interval(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0)


def test_regret_in_money_and_in_percent_of_the_avoidable() -> None:
    """Uncontrolled pays 8 a day, the bound is 2: 6 can be avoided."""
    summary = statistics.summarise(episodes(), 0).set_index("policy")
    assert list(summary["cost"]) == pytest.approx([8.0, 5.0, 2.5])
    assert list(summary["regret"]) == pytest.approx([6.0, 3.0, 0.5])
    assert list(summary["regret_percent"]) == pytest.approx([100.0, 50.0, 100 * 0.5 / 6])
    assert list(summary["bound"]) == [2.0] * 3
    assert list(summary["rank"]) == [3, 2, 1]
    assert list(summary["cheap_share"]) == [0.25] * 3
    assert list(summary["episodes"]) == [3] * 3
    # The share's interval is that of a ratio of sums over the same households.
    ends = summary.loc["uncontrolled", ["regret_percent_low", "regret_percent_high"]]
    assert list(ends) == pytest.approx([100.0, 100.0])
    ratios = [
        100 * sum(own) / sum(most)
        for own, most in zip(
            itertools.product((3.0, 4.0, 2.0), repeat=3),
            itertools.product((4.0, 8.0, 6.0), repeat=3),
            strict=True,
        )
    ]
    # One of 27 samples is 3.7 % of them: the ends are the lowest and the highest.
    ends = summary.loc["middle", ["regret_percent_low", "regret_percent_high"]]
    assert list(ends) == pytest.approx([min(ratios), max(ratios)])
    assert (min(ratios), max(ratios)) == pytest.approx((100 / 3, 75.0))


def test_without_a_reference_there_is_regret_and_no_share() -> None:
    own = episodes().query("policy != 'uncontrolled'")
    summary = statistics.summarise(own, 0)
    assert list(summary["regret"]) == pytest.approx([3.0, 0.5])
    assert "regret_percent" not in summary
    bare = own.drop(columns=["bound", "regret"])
    assert "regret" not in statistics.summarise(bare, 0)


def test_where_nothing_can_be_avoided_there_is_no_share() -> None:
    assert np.isnan(statistics.share(1.0, 0.0))
    assert np.isnan(statistics.share(1.0, -2.0))
    np.testing.assert_array_equal(statistics.share([1.0, 2.0], [4.0, 0.0]), [25.0, np.nan])


def test_pairs_are_compared_household_by_household() -> None:
    """Their costs differ much from house to house, their difference little."""
    costs = {"a": (1.0, 50.0, 100.0), "b": (2.0, 51.5, 101.0)}
    (row,) = statistics.paired(episodes(costs), 0).to_dict("records")
    assert (row["policy"], row["other"]) == ("a", "b")
    assert row["difference"] == pytest.approx(-3.5 / 3)
    means = all_means((-1.0, -1.5, -1.0))
    assert row["difference_low"] == pytest.approx(min(means))
    assert row["difference_high"] == pytest.approx(max(means))
    pairs = statistics.paired(episodes(), 0)
    assert list(zip(pairs["policy"], pairs["other"], strict=True)) == [
        ("uncontrolled", "middle"), ("uncontrolled", "best"), ("middle", "best"),
    ]  # fmt: skip
    assert statistics.paired(episodes({"a": (1.0, 2.0, 3.0)}), 0).empty


def test_ranks_share_a_place_where_costs_are_equal() -> None:
    costs = np.array([3.0, 1.0, 1.0 + 1e-12, 2.0])
    np.testing.assert_array_equal(statistics.ranks_of(costs), [4, 1, 1, 3])
    both = np.stack([costs, -costs], axis=1)
    np.testing.assert_array_equal(statistics.ranks_of(both)[:, 1], [1, 3, 3, 2])


@pytest.mark.parametrize(
    ("one", "other", "tau"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [2, 1, 3, 4], 4 / 6),  # one of six pairs in the other order
        ([1, 1, 2, 3], [1, 2, 3, 4], 5 / np.sqrt(5 * 6)),  # five pairs agree, one is tied
        ([1, 1, 1], [1, 2, 3], np.nan),
    ],
)
def test_kendalls_tau(one: list[float], other: list[float], tau: float) -> None:
    found = statistics.kendall_tau(np.array(one, float), np.array(other, float))
    assert found == pytest.approx(tau, nan_ok=True)


def test_rank_stability_over_seeds_and_resamples() -> None:
    """Three seeds of two households; `a` and `b` change places in the last."""
    costs = {
        "a": (1.0, 1.0, 1.0, 1.0, 5.0, 5.0),
        "b": (2.0, 2.0, 2.0, 2.0, 4.0, 4.0),
        "c": (9.0, 9.0, 9.0, 9.0, 9.0, 9.0),
    }
    ranks = statistics.rank_stability(episodes(costs, seeds=3), 0).set_index("policy")
    assert list(ranks["rank"]) == [1, 2, 3]
    assert list(ranks["same_seeds"]) == pytest.approx([2 / 3, 2 / 3, 1.0])
    # Seeds one and two agree; with the third one of three pairs is turned: 1, 1/3, 1/3.
    assert list(ranks["tau"]) == pytest.approx([5 / 9] * 3)
    assert list(ranks["tau_low"]) == pytest.approx([1 / 3] * 3)
    assert list(ranks["seeds"]) == [3] * 3
    # b is cheaper where more than half of six draws fall into the third seed's two households;
    # with just half the two are equal and share the first place.
    draws = [k for sample in itertools.product(range(3), repeat=6) for k in [sample.count(2)]]
    shared, turned = (np.mean([k == 3 for k in draws]), np.mean([k > 3 for k in draws]))
    spread = 4 * np.sqrt(0.25 / 2000)
    assert ranks.loc["a", "same_share"] == pytest.approx(1 - turned, abs=spread)
    assert ranks.loc["b", "same_share"] == pytest.approx(1 - turned - shared, abs=spread)
    assert list(ranks.loc["c", ["rank_low", "rank_high", "same_share"]]) == [3, 3, 1.0]
    assert list(ranks.loc["a", ["rank_low", "rank_high"]]) == [1, 2]


def test_one_seed_says_nothing_about_seeds() -> None:
    ranks = statistics.rank_stability(episodes(), 0)
    assert ranks[["same_seeds", "tau", "tau_low"]].isna().all(axis=None)
    assert list(ranks["same_share"]) == [1.0, 1.0, 1.0]  # best in every house


def by_month(costs: dict[str, tuple[float, ...]], first: int = 1) -> pd.DataFrame:
    """Such rows of months, dealt out in rotation from a month of 2025 on."""
    frame = episodes(costs)
    months = [f"2025-{(first - 1 + place) % 12 + 1:02d}" for place in frame["household"]]
    return frame.assign(per="month", month=months)


def test_a_year_is_the_sum_of_its_months() -> None:
    """Of each month's mean: two households have each month, and January has a third."""
    costs = tuple(100.0 * (place % 12) + place for place in range(25))
    summary = statistics.summarise(by_month({"a": costs}), 0)
    by_hand = sum((costs[k] + costs[k + 12]) / 2 for k in range(1, 12))
    by_hand += (costs[0] + costs[12] + costs[24]) / 3
    assert summary["cost_per_year"][0] == pytest.approx(by_hand, rel=1e-12)
    assert summary["cost"][0] == pytest.approx(sum(costs) / 25, rel=1e-12)
    # Drawn within each month, only what differs there spreads: 12 or 0 from month to month.
    spread = summary["cost_per_year_high"][0] - summary["cost_per_year_low"][0]
    theory = 2 * 1.96 * np.sqrt(11 * 12.0**2 / 4 / 2 + (24.0**2 / 6) / 3)
    assert spread == pytest.approx(theory, rel=0.1)
    assert summary["cost_high"][0] - summary["cost_low"][0] < theory / 12 * 1.15
    # The same costs without months spread far more.
    together = statistics.summarise(episodes({"a": costs}), 0)
    assert together["cost_high"][0] - together["cost_low"][0] > 200.0


def test_a_year_is_told_only_of_all_twelve_months() -> None:
    """Neither of eleven months, nor of days, which times 365 are no year."""
    for frame in (by_month({"a": (5.0,) * 11}), episodes()):
        assert not list(statistics.summarise(frame, 0).filter(like="cost_per_year"))
    whole = statistics.summarise(by_month({"a": tuple(range(12))}), 0)
    assert whole["cost_per_year"][0] == 66.0
    # With one household a month there is nothing to draw within it; all are drawn from together.
    low, high = (12 * whole[f"cost_{end}"][0] for end in ("low", "high"))
    ends = whole["cost_per_year_low"][0], whole["cost_per_year_high"][0]
    assert ends == pytest.approx((low, high), rel=1e-12)
    assert high > low
    # A thirteenth household weighs down January; the interval lies around the sum of the months.
    more = statistics.summarise(by_month({"a": (*range(12), 240.0)}), 0)
    assert more["cost_per_year"][0] == 66.0 + 120.0
    assert more["cost_per_year_low"][0] < 186.0 < more["cost_per_year_high"][0]


def test_train_and_test_weeks_are_never_mixed() -> None:
    both = pd.concat(
        [episodes().assign(split="train"), episodes({"a": (1.0,) * 3}).assign(split="test")]
    )
    summary = statistics.summarise(both, 0)
    assert list(zip(summary["split"], summary["policy"], strict=True)) == [
        ("train", "uncontrolled"), ("train", "middle"), ("train", "best"), ("test", "a"),
    ]  # fmt: skip
    assert list(summary["rank"]) == [3, 2, 1, 1]
    assert set(statistics.paired(both, 0)["split"]) == {"train"}


def test_what_is_not_known_is_what_the_optimum_pays_above_the_bound() -> None:
    """Between the bound and `optimal`, where both are there; said below the table with its unit."""
    costs = COSTS | {"optimal": (3.0, 4.0, 2.0)}
    rows = statistics.summarise(episodes(costs), 0)
    width = float(np.mean((3.0, 4.0, 2.0)) - np.mean(BOUNDS))
    assert statistics.unknown_width(rows) == pytest.approx(width)
    said = " ".join(statistics.caveats(rows.assign(power=0.0, missing=0.0)))
    assert f"The regret of optimal itself, {width:.2f} SEK a day, is the width" in said
    without_bound = rows.drop(columns=["bound", "regret"])
    for other in (without_bound, rows[rows["policy"] != "optimal"]):
        assert statistics.unknown_width(other) is None
        assert "not known" not in " ".join(statistics.caveats(other.assign(power=0.0, missing=0.0)))
