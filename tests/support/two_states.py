"""A two-state household whose value is known by hand, to see how a learner treats truncation.

`EVCharging-v0` only ever truncates, so a learner must go on beyond an episode's end with its own
estimate of what would follow. Whoever does not learns the value of a household that ends at noon.

*The household* is a scenario of the env like any other. One car is always at a charger that knows
two levels, nothing and 0.19 kW. Power is free in one hour and costs -1 SEK/kWh in the next, so an
hour of charging earns 0, then 0.19, and so on for ever. Nothing else costs anything: no losses, no
ageing, no power charge, no VAT. A step is an hour, an episode a day of 24 from noon. At noon the
car drives away what it charged in the day and is back in the same minute, so it begins every day
with the same SoC, and the observation after a day's last step differs from that before its first
only in weekday and date.

*The policy* is to charge always, whatever the learner chooses: the envs here take any action for
`CHARGE`, so that there is nothing to learn but the value. It is the best policy, too.

*The value*, discounted by `GAMMA` = 0.9 for ever, of an hour that is free and of one that earns:

    V_free = 0 + 0.9 V_earns,  V_earns = 0.19 + 0.9 V_free
    V_earns = 0.19 / (1 - 0.9^2) = 1.0,  V_free = 0.9

On the mean of a day that is 0.95. `value(observations)` is the one or the other.

*The wrong value*, of who takes the truncation for the end, is what is left of the day alone: with k
hours to go V - 0.9^k V', V' being that of the hour after these. On the mean of a day that is
0.64 (`MEAN_VALUE_IF_CUT`), in its last hour 0.19 instead of 1.0.

What it cannot show: a learner that goes on with the observation after the reset instead of the one
before it, since both are worth the same here. That takes a look at what the learner is handed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ev_gym import observation_fields
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.series.dataset import Dataset
from ev_gym.vector_env import EVChargingVectorEnv

GAMMA = 0.9
STEPS = 24
EARNED = 0.19  # in every other hour, in the first of an episode nothing
V_FREE, V_EARNS = 0.9, 1.0
MEAN_VALUE = (V_FREE + V_EARNS) / 2.0
CHARGE = 1  # the level that every action is taken for

ZONE = "UTC"
WEEKS = 2
SCENARIO = Scenario.from_dict(
    {
        "name": "two states",
        "days": 1,
        "start_hour": 12,
        "time_step_min": 60,
        "price_window_h": 1,
        "household": {"annual_kwh": None},
        "charger": {"levels_kw": [0.0, EARNED]},
        "vehicles": [
            {
                "battery_kwh": 50.0,
                "eta": 1.0,
                "aux_kw": 0.0,
                "min_soc": 0.0,
                "wanted_soc": 0.0,
                "chemistry": None,
            }
        ],
        "driving": {
            "pattern": "daily",
            "arrival_h": 12.0,
            "departure_h": 12.0,
            "trip_kwh": STEPS * EARNED,
        },
        "tariff": {
            "energy": [{"spot_factor": 1.0}],
            "transfer": [],
            "taxes": [],
            "vat": [],
            "fees": [],
            "peaks": [],
        },
        "data": {"zone": ZONE, "holidays": None},
    }
)


def dataset() -> Dataset:
    """Prices of 0 in even hours and of -1 SEK/kWh in odd ones, over two weeks of winter."""
    hours = WEEKS * 168
    return Dataset(
        start=datetime(2024, 1, 8, tzinfo=ZoneInfo(ZONE)),
        zone=ZONE,
        load_kw=np.ones((1, 4 * hours)),
        price_per_kwh=np.tile([0.0, -1.0], hours // 2),
        temperature_c=np.full(hours, 10.0),
    )


def arguments() -> dict[str, Any]:
    """Scenario, series and kind of actions, as any env of ours takes them."""
    return {"scenario": SCENARIO, "dataset": dataset(), "continuous": False}


class TwoStatesEnv(EVChargingEnv):
    """The household as a single env; keyword arguments such as `info` and `observation` go on."""

    def __init__(self, **others: Any) -> None:
        super().__init__(**arguments(), **others)

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Charge, whatever the action."""
        return super().step(CHARGE)


class TwoStatesVectorEnv(EVChargingVectorEnv):
    """Many of them side by side; `autoreset_mode`, `info`, `observation` and so on go on."""

    def __init__(self, num_envs: int = 8, **others: Any) -> None:
        super().__init__(num_envs, **arguments(), **others)

    def step(self, actions: Any) -> Any:
        """Charge in every row, whatever the actions."""
        return super().step(np.full(self.num_envs, CHARGE))


def value(observations: NDArray[np.float32], observation: str = "physical") -> NDArray[np.float64]:
    """(...) the value of observations (..., D), which are "physical" or "scaled"."""
    fields = {field.name: field for field in observation_fields(SCENARIO, dataset())}
    price = fields["price_per_kwh"]
    shown = observations[..., price.slice.start].astype(np.float64)
    per_kwh = shown * price.factor + price.offset if observation == "scaled" else shown
    return np.where(per_kwh < -0.5, V_EARNS, V_FREE)


def value_if_cut() -> NDArray[np.float64]:
    """(24,) what each hour of a day is worth to who takes the truncation for the end."""
    values = np.zeros(STEPS + 1)
    for hour in range(STEPS - 1, -1, -1):
        values[hour] = (EARNED if hour % 2 else 0.0) + GAMMA * values[hour + 1]
    return values[:STEPS]


MEAN_VALUE_IF_CUT = float(value_if_cut().mean())
