"""What observation fields are worth: `python -m tests.validation.fields` writes it, in minutes.

A field is admitted by what a policy or a learner gains by it. Two measures, both on test worlds
that nothing was fitted to:

- what a rule pays that fills the cheapest slots below the month's peak, with the load expected in
  the coming hours as `usual_load_kw_h00` and so on say, or as the present one;
- what a critic cannot explain of the cost to come. A critic is what a learner judges its actions
  by: gradient-boosted trees, fitted on training worlds (scikit-learn, in no extra of ours).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from baselines.policies.base import Policy
from baselines.policies.simple_rules import PriceBased
from baselines.policies.view import View
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_H
from ev_gym.scenario import Scenario
from ev_gym.simulation.observation import observation_slices
from ev_gym.vector_env import EVChargingVectorEnv
from tests.validation.writing import DOCS, with_table

HOURLY: dict[str, Any] = {"preset": "stockholm", "price_window": "hourly"}
DISCOUNT = 0.998
RAISE_KW = 0.25
MONTHS = 96
EVERY = 17  # of the steps every so many is an example for the critic
LOAD = [f"usual_load_kw_h{h:02d}" for h in range(DAY_H)]
DAYS_LEFT = "month_days_left"


class BelowThePeak(Policy):
    """The cheapest slots in which the car fits below the month's peak, which is raised if it must.

    Args:
        expects: Whether later hours have their usual load, or the present one.
    """

    name = "below_the_peak"

    def __init__(self, scenario: Scenario, expects: bool) -> None:
        super().__init__(scenario)
        self._expects = expects

    def decide(self, view: View) -> Floats:
        """Full power below the peak in the chosen slots."""
        hours = np.stack([view.of_house(name) for name in LOAD], axis=1)
        factor, passed_h = view.of_house("hour_factor"), view.hour_of_day % 1.0
        peak_kw, charging = view.of_house("peak_kw"), np.zeros(view.plugged.shape, np.bool_)
        for i, k in np.argwhere(view.wanting).tolist():
            load_kw = hours[i] if self._expects else np.full(DAY_H, view.load_kw[i])
            load_kw[0] = view.load_kw[i]
            charging[i, k], needed_kw = self._slots(view, i, k, load_kw, factor[i], peak_kw[i])
            peak_kw[i] = max(peak_kw[i], needed_kw)
        left_kwh = (peak_kw - view.of_house("hour_kwh")) / factor
        room_kw = left_kwh / (1.0 - passed_h) - view.load_kw
        return self.within_headroom(
            view, charging, headroom_kw=np.minimum(room_kw, view.headroom_kw)
        )

    def _slots(
        self, view: View, i: int, k: int, load_kw: Floats, factor: float, peak_kw: float
    ) -> tuple[bool, float]:
        """Whether the running slot is one of the cheapest that are needed, below which peak."""
        into_h, left_h, slot_h = view.into_slot_h[i], view.hours_to_departure[i, k], view.slot_h
        limit = self.limits[k]
        needed_kwh = view.energy_to_wanted_kwh[i, k] * limit.max_kw / self.battery_kw[k]
        begins_h = np.maximum(np.arange(view.price_window.shape[1]) * slot_h - into_h, 0.0)
        begins_h = begins_h[begins_h < left_h]
        ends_h = np.minimum((np.arange(len(begins_h)) + 1.0) * slot_h - into_h, left_h)
        hour = np.minimum((begins_h + view.hour_of_day[i] % 1.0).astype(np.int64), DAY_H - 1)
        factors = np.where(hour == 0, factor, 1.0)
        while True:
            room_kw = np.minimum(peak_kw / factors - load_kw[hour], limit.max_kw)
            room_kw[room_kw < 6 * limit.kw_per_a] = 0.0
            fits_kwh = room_kw * (ends_h - begins_h)
            if fits_kwh.sum() >= needed_kwh or peak_kw > self.scenario.household.limit_kw:
                break
            peak_kw += RAISE_KW
        prices = view.price_window[i, : len(begins_h)]
        cheaper_kwh = fits_kwh[prices < prices[0] - 1e-6].sum()
        return bool(cheaper_kwh < needed_kwh and fits_kwh[0] > 0.0), peak_kw


def months(policy: Policy, split: str, households: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Observations (steps, n, D), costs (steps, n), NaN after a month's end, and settlements."""
    env = EVChargingVectorEnv(households, HOURLY, split=split)
    observation, _ = env.reset(seed=seed)
    seen, costs, settlement = [], [], np.zeros(households)
    over = np.zeros(households, np.bool_)
    while not over.all():
        seen.append(observation.copy())
        observation, reward, _, truncated, info = env.step(policy(observation))
        costs.append(np.where(over, np.nan, -reward))
        settlement += np.where(truncated & ~over, info["settlement"], 0.0)
        over |= truncated
    return np.array(seen), np.array(costs), settlement


def to_come(costs: Floats, discount: float) -> Floats:
    """(steps, n) cost from each step to the month's end."""
    found = np.zeros_like(costs)
    later = np.zeros(costs.shape[1])
    for step in range(len(costs) - 1, -1, -1):
        later = np.nan_to_num(costs[step]) + discount * later
        found[step] = later
    return found


def unexplained(policy: Policy, discount: float) -> tuple[float, float]:
    """Share of the variance of the cost to come that a critic leaves, without DAYS_LEFT and with.

    It is not shown the other new field, the usual load.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # type: ignore[import-not-found]

    parts = []
    for split, seed in (("train", 1), ("test", 2)):
        seen, costs, _ = months(policy, split, 64, seed)
        kept = ~np.isnan(costs[::EVERY])
        parts.append((seen[::EVERY][kept], to_come(costs, discount)[::EVERY][kept]))
    (seen, cost), (other_seen, other_cost) = parts
    slices = observation_slices(policy.scenario, 60)
    new = {DAYS_LEFT, *LOAD}
    base = [i for name, at in slices.items() if name not in new for i in range(at.start, at.stop)]
    shares = []
    for columns in (base, [*base, slices[DAYS_LEFT].start]):
        critic = HistGradientBoostingRegressor(
            max_iter=80, learning_rate=0.15, min_samples_leaf=100, random_state=0
        ).fit(seen[:, columns], cost)
        errors = other_cost - critic.predict(other_seen[:, columns])
        shares.append(float(errors.var() / other_cost.var()))
    return shares[0], shares[1]


def usual_load_row() -> list[str]:
    """What the rule gains by the usual load."""
    scenario = Scenario.from_dict(HOURLY)
    paid = {}
    for expects in (False, True):
        _, costs, settlement = months(BelowThePeak(scenario, expects), "test", MONTHS, 5)
        paid[expects] = np.nansum(costs, axis=0) - settlement
    gain = paid[False] - paid[True]
    spread = 1.96 * gain.std(ddof=1) / math.sqrt(gain.size)
    return [
        "`usual_load_kw_h00` to `h23`, with a power charge",
        "a rule that fills the cheapest slots below the month's peak pays "
        f"{paid[True].mean():.0f} SEK a month instead of {paid[False].mean():.0f} "
        f"({gain.mean():.0f} ± {spread:.0f} less, {MONTHS} months)",
    ]


def days_left_row() -> list[str]:
    """What a critic gains by the days left in the month."""
    scenario = Scenario.from_dict(HOURLY)
    left = []
    for policy in (BelowThePeak(scenario, True), PriceBased(scenario)):
        for discount in (1.0, DISCOUNT):
            more, less = unexplained(policy, discount)
            left.append(f"{100 * less:.0f} % instead of {100 * more:.0f}")
    rule, rule_soon, price, price_soon = left
    return [
        "`month_days_left`, with a power charge",
        f"of the cost to come until the month's end a learner's critic leaves {rule} unexplained "
        f"under that rule, {price} under `price_based`; discounted by {DISCOUNT} a step "
        f"{rule_soon}, and {price_soon}",
    ]


def main() -> None:
    """Measure, and write the table of `docs/world.md`."""
    path = DOCS / "world.md"
    rows = [usual_load_row(), days_left_row()]
    page = with_table(path.read_text(encoding="utf-8"), ["field", "gain"], rows, left=2)
    path.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
