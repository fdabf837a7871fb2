"""Why a policy loses: its worst day beside the same day under the optimum, and what differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from baselines.plot_style import names_in, per_car
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.simulation.state_fields import REWARD_TERMS

if TYPE_CHECKING:
    import pandas as pd

WORTH_A_WORD = 0.005  # less money, or energy (kWh), is not spoken of
WORDS = {
    "energy": "energy from the grid",
    "power": "power charge",
    "wear": "battery wear",
    "missing": "energy missing at departure",
    "public": "energy bought on the road",
    "overload": "overload of the connection",
}


class WorstDay(NamedTuple):
    """The day on which a policy paid most beyond what another one paid in the same household."""

    policy: str
    other: str
    seed: int
    household: int
    date: str
    first_h: int
    hours: int
    cost: float
    other_cost: float


class Account(NamedTuple):
    """What a day's steps add up to: money by term (cost is positive), energies, the highest hour.

    Attributes:
        money: By term.
        charged_kwh: Energy that the cars drew at home.
        returned_kwh: Energy that they fed back.
        top_hour_kw: Highest mean over a clock hour of the power at the meter.
        kwh: Energy or capacity (kWh) by term: `missing`, `public`, `overload`, `wear`.
        stored_kwh: Energy in all batteries at the end.
    """

    money: dict[str, float]
    charged_kwh: float
    returned_kwh: float
    top_hour_kw: float
    kwh: dict[str, float]
    stored_kwh: float

    @property
    def cost(self) -> float:
        """What charging cost."""
        return sum(self.money.values())


def is_optimal(policy: str) -> bool:
    """Whether a policy's spec names the optimum, with arguments or without."""
    return policy.split("(")[0].strip() == "optimal"


def yardstick(policies: Iterable[str]) -> str:
    """The policy to compare the others with: the optimum, or the first where that did not run.

    Args:
        policies: Policies of one scenario, the cheapest first.
    """
    ranked = list(policies)
    return next((name for name in ranked if is_optimal(name)), ranked[0])


def worst_days(days: pd.DataFrame, other: str) -> list[WorstDay]:
    """The worst day of every policy but `other`; of equally bad ones the first.

    Args:
        days: Of one scenario: `policy`, `seed`, `household`, `day` (from 0 on), `date`, `first_h`
            and `hours` (when it begins in the episode, and its length), `cost` (of the day; the
            settlement is not in it).
        other: The policy to compare with.

    Returns:
        One a policy, in the order in which they come.
    """
    same = ["seed", "household", "day"]
    other_costs = days[days["policy"] == other].set_index(same)["cost"].rename("other_cost")
    worst_days = []
    for policy in names_in(days["policy"]):
        of_policy = days[days["policy"] == policy]
        rows = of_policy.join(other_costs, on=same, how="inner").sort_values(same)
        if policy == other or rows.empty:
            continue
        worst = rows.iloc[(rows["cost"] - rows["other_cost"]).to_numpy().argmax()]
        worst_days.append(
            WorstDay(
                policy=policy,
                other=other,
                seed=int(worst["seed"]),
                household=int(worst["household"]),
                date=str(worst["date"]),
                first_h=int(worst["first_h"]),
                hours=int(worst["hours"]),
                cost=float(worst["cost"]),
                other_cost=float(worst["other_cost"]),
            )
        )
    return worst_days


def day_steps(steps: pd.DataFrame, first_h: int, hours: int) -> pd.DataFrame:
    """The steps of one day of an episode, which begins so many hours after the episode."""
    elapsed_min = steps["now_min"] - steps["now_min"].iloc[0] - HOUR_MIN * first_h
    rows: pd.DataFrame = steps[(elapsed_min >= 0) & (elapsed_min < HOUR_MIN * hours)]
    return rows if "time" in rows else rows.reset_index()


def hourly_kw(steps: pd.DataFrame) -> pd.Series[float]:
    """Mean power at the meter over each clock hour, by that hour's first minute."""
    hour_min = (steps["now_min"] // HOUR_MIN * HOUR_MIN).to_numpy()
    mean: pd.Series[float] = steps["grid_kw"].groupby(hour_min).mean()
    return mean


def step_hours(steps: pd.DataFrame) -> float:
    """Length of a step (h)."""
    return float(steps["now_min"].iloc[1] - steps["now_min"].iloc[0]) / HOUR_MIN


def account(steps: pd.DataFrame) -> Account:
    """What the steps of a day add up to.

    Args:
        steps: Two or more, with the columns of an env's history.
    """
    step_h, charge_kw = step_hours(steps), per_car(steps, "charge_kw")
    return Account(
        money={term: 0.0 - float(steps[f"{term}_term"].sum()) for term in REWARD_TERMS},
        charged_kwh=float(charge_kw.clip(min=0.0).sum()) * step_h,
        returned_kwh=0.0 - float(charge_kw.clip(max=0.0).sum()) * step_h,
        top_hour_kw=float(hourly_kw(steps).max()),
        kwh={
            "missing": float(steps["missing_kwh"].sum()),
            "public": float(steps["public_kwh"].sum()),
            "overload": float(steps["overload_kw"].sum()) * step_h,
            "wear": float(per_car(steps, "wear_kwh").sum()),
        },
        stored_kwh=float(per_car(steps, "energy_kwh")[-1].sum()),
    )


def _energy_words(account: Account, currency: str) -> str:
    if account.charged_kwh < WORTH_A_WORD and account.returned_kwh < WORTH_A_WORD:
        return "nothing charged"
    words = f"{account.charged_kwh:.1f} kWh charged"
    if account.returned_kwh >= WORTH_A_WORD:
        return f"{words}, {account.returned_kwh:.1f} kWh fed back"
    return f"{words} at {account.money['energy'] / account.charged_kwh:.2f} {currency}/kWh"


def _term_words(term: str, account: Account, currency: str) -> str:
    if term == "energy":
        return _energy_words(account, currency)
    if term == "power":
        return f"{account.money[term]:.2f}, highest hour {account.top_hour_kw:.1f} kW"
    kwh = account.kwh[term]
    return f"{kwh:.3f} kWh of capacity" if term == "wear" else f"{kwh:.1f} kWh"


def reasons(account: Account, other_account: Account, other: str, currency: str) -> tuple[str, str]:
    """Where the money went: terms that were dearer than under `other`, and those cheaper.

    Each with its difference in money and the energies or powers behind it, the largest first.
    """
    sides: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
    for term in REWARD_TERMS:
        more = account.money[term] - other_account.money[term]
        if abs(more) < WORTH_A_WORD:
            continue
        ours, theirs = (_term_words(term, one, currency) for one in (account, other_account))
        words = f"{WORDS[term]} by {abs(more):.2f} ({ours}; {other}: {theirs})"
        sides[more > 0].append((abs(more), words))
    dearer, cheaper = (
        ", ".join(words for _, words in sorted(side, key=lambda reason: -reason[0]))
        for side in (sides[True], sides[False])
    )
    return dearer, cheaper


def why(worst: WorstDay, account: Account, other_account: Account, currency: str) -> str:
    """One paragraph on the day, made from its numbers.

    Args:
        worst: The day.
        account: The policy's account of it.
        other_account: That of `worst.other`.
        currency: Of the money.
    """
    dearer, cheaper = reasons(account, other_account, worst.other, currency)
    more = account.cost - other_account.cost
    sentences = [
        f"It paid {account.cost:.2f} {currency}, {worst.other} {other_account.cost:.2f}: "
        f"{abs(more):.2f} {'more' if more >= 0.0 else 'less, as on no day it paid more'}"
    ]
    if dearer:
        sentences.append(f"Dearer: {dearer}")
    if cheaper:
        sentences.append(f"Cheaper: {cheaper}")
    stored_kwh = account.stored_kwh - other_account.stored_kwh
    if abs(stored_kwh) >= 0.05:
        sentences.append(
            f"It ended the day with {abs(stored_kwh):.1f} kWh "
            f"{'more' if stored_kwh > 0 else 'less'} in the battery, which the day's bill does not "
            "value"
        )
    return ". ".join(sentences) + "."
