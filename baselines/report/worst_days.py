"""Why a policy loses: its worst day beside the same day under the optimum, and what differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from baselines.plot_style import names_in, per_car
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.simulation.state_fields import REWARD_TERMS

if TYPE_CHECKING:
    import pandas as pd

NOTHING = 0.005  # less than half a hundredth of money, or of a kWh, is not worth a word
WORDS = {
    "energy": "energy from the grid",
    "power": "power charge",
    "wear": "battery wear",
    "missing": "energy missing at departure",
    "public": "energy bought on the road",
    "overload": "overload of the connection",
}


class WorstDay(NamedTuple):
    """The day on which a policy paid most more than another one on the same day and household."""

    policy: str
    other: str
    seed: int
    household: int
    day: int
    date: str
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
    """Whom to hold the others against: the optimum, or where it did not run the first named.

    Args:
        policies: Policies of one scenario, the cheapest first.
    """
    ranked = list(policies)
    return next((name for name in ranked if is_optimal(name)), ranked[0])


def worst_days(days: pd.DataFrame, other: str) -> list[WorstDay]:
    """The worst day of every policy but `other`; of equal ones the first.

    Args:
        days: Of one scenario: `policy`, `seed`, `household`, `day` (24 hours each, from the
            episode's start on), `date`, `cost` (of the day; the settlement is not in it).
        other: The policy to compare with.

    Returns:
        One a policy, in the order in which they come.
    """
    same = ["seed", "household", "day"]
    theirs = days[days["policy"] == other].set_index(same)["cost"].rename("other_cost")
    found = []
    for policy in names_in(days["policy"]):
        own = days[days["policy"] == policy].join(theirs, on=same, how="inner").sort_values(same)
        if policy == other or own.empty:
            continue
        worst = own.iloc[(own["cost"] - own["other_cost"]).to_numpy().argmax()]
        found.append(
            WorstDay(
                policy=policy,
                other=other,
                seed=int(worst["seed"]),
                household=int(worst["household"]),
                day=int(worst["day"]),
                date=str(worst["date"]),
                cost=float(worst["cost"]),
                other_cost=float(worst["other_cost"]),
            )
        )
    return found


def day_steps(steps: pd.DataFrame, day: int) -> pd.DataFrame:
    """The steps of one day of an episode, counted from 0 in 24 hours from its start."""
    elapsed_min = steps["now_min"] - steps["now_min"].iloc[0]
    own: pd.DataFrame = steps[elapsed_min // DAY_MIN == day]
    return own if "time" in own else own.reset_index()


def hourly_kw(steps: pd.DataFrame) -> pd.Series[float]:
    """Mean power at the meter over each clock hour, by that hour's first minute."""
    hour_min = (steps["now_min"] // 60 * 60).to_numpy()
    mean: pd.Series[float] = steps["grid_kw"].groupby(hour_min).mean()
    return mean


def step_hours(steps: pd.DataFrame) -> float:
    """Length of a step (h)."""
    return float(steps["now_min"].iloc[1] - steps["now_min"].iloc[0]) / 60


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


def _energy_words(own: Account, currency: str) -> str:
    if own.charged_kwh < NOTHING and own.returned_kwh < NOTHING:
        return "nothing charged"
    words = f"{own.charged_kwh:.1f} kWh charged"
    if own.returned_kwh >= NOTHING:
        return f"{words}, {own.returned_kwh:.1f} kWh fed back"
    return f"{words} at {own.money['energy'] / own.charged_kwh:.2f} {currency}/kWh"


def _term_words(term: str, own: Account, currency: str) -> str:
    if term == "energy":
        return _energy_words(own, currency)
    if term == "power":
        return f"{own.money[term]:.2f}, highest hour {own.top_hour_kw:.1f} kW"
    return f"{own.kwh[term]:.3f} kWh of capacity" if term == "wear" else f"{own.kwh[term]:.1f} kWh"


def reasons(own: Account, others: Account, other: str, currency: str) -> tuple[str, str]:
    """Where the money went: terms that were dearer than under `other`, and those cheaper.

    Each with its difference in money and the energies or powers behind it, the largest first.
    """
    sides: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
    for term in REWARD_TERMS:
        more = own.money[term] - others.money[term]
        if abs(more) < NOTHING:
            continue
        ours, theirs = (_term_words(term, one, currency) for one in (own, others))
        words = f"{WORDS[term]} by {abs(more):.2f} ({ours}; {other}: {theirs})"
        sides[more > 0].append((abs(more), words))
    dearer, cheaper = (
        ", ".join(words for _, words in sorted(side, key=lambda one: -one[0]))
        for side in (sides[True], sides[False])
    )
    return dearer, cheaper


def why(worst: WorstDay, own: Account, others: Account, currency: str) -> str:
    """One paragraph on the day, made from its numbers.

    Args:
        worst: The day.
        own: The policy's account of it.
        others: That of `worst.other`.
        currency: Of the money.
    """
    dearer, cheaper = reasons(own, others, worst.other, currency)
    more = own.cost - others.cost
    sentences = [
        f"It paid {own.cost:.2f} {currency}, {worst.other} {others.cost:.2f}: "
        f"{abs(more):.2f} {'more' if more >= 0.0 else 'less, as on no day it paid more'}"
    ]
    if dearer:
        sentences.append(f"Dearer: {dearer}")
    if cheaper:
        sentences.append(f"Cheaper: {cheaper}")
    kept_kwh = own.stored_kwh - others.stored_kwh
    if abs(kept_kwh) >= 0.05:
        sentences.append(
            f"It ended the day with {abs(kept_kwh):.1f} kWh {'more' if kept_kwh > 0 else 'less'} in"
            " the battery, which the day's bill does not value"
        )
    return ". ".join(sentences) + "."
