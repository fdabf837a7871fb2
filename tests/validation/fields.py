"""What observation fields are worth: `python -m tests.validation.fields` writes it, in minutes.

A field is admitted by what a policy or a learner gains by it. Two measures, both on test worlds
that nothing was fitted to:

- what `water_filling` pays with the load expected in the coming hours as `usual_load_kw_h00` and so
  on say, or as the present one;
- what a critic cannot explain of the cost to come. A critic is what a learner judges its actions
  by: gradient-boosted trees, fitted on training worlds (scikit-learn, in no extra of ours).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import Policy
from baselines.policies.peak_rules import WaterFilling
from baselines.policies.simple_rules import PriceBased
from baselines.policies.view import USUAL_LOAD, View
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_H
from ev_gym.scenario import Scenario
from ev_gym.simulation.observation import observation_slices
from ev_gym.vector_env import EVChargingVectorEnv
from tests.validation.writing import DOCS, with_table

HOURLY: dict[str, Any] = {"preset": "stockholm", "price_window": "hourly"}
DISCOUNT = 0.998
MONTHS = 96
EVERY = 17  # of the steps every so many is an example for the critic
DAYS_LEFT = "month_days_left"


class _PresentLoad(View):
    """Observations in which every hour usually has the present load."""

    @property
    def usual_load_kw(self) -> Floats:
        return np.repeat(self.load_kw[:, np.newaxis], DAY_H, axis=1)


class ByPresentLoad(WaterFilling):
    """`water_filling` that expects of later hours what the house draws now."""

    def view(self, observation: NDArray[np.float32]) -> View:
        return _PresentLoad(observation, self.layouts[observation.shape[1]])


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
    new = {DAYS_LEFT, *USUAL_LOAD}
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
    paid: dict[type[WaterFilling], Floats] = {}
    for rule in (ByPresentLoad, WaterFilling):
        _, costs, settlement = months(rule(scenario), "test", MONTHS, 5)
        paid[rule] = np.nansum(costs, axis=0) - settlement
    gain = paid[ByPresentLoad] - paid[WaterFilling]
    spread = 1.96 * gain.std(ddof=1) / math.sqrt(gain.size)
    return [
        "`usual_load_kw_h00` to `h23`, with a power charge",
        f"`water_filling` pays {paid[WaterFilling].mean():.0f} SEK a month instead of "
        f"{paid[ByPresentLoad].mean():.0f} "
        f"({gain.mean():.0f} ± {spread:.0f} less, {MONTHS} months)",
    ]


def days_left_row() -> list[str]:
    """What a critic gains by the days left in the month."""
    scenario = Scenario.from_dict(HOURLY)
    left = []
    for policy in (WaterFilling(scenario), PriceBased(scenario)):
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
