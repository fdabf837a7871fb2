"""`peak_shaving`: the least power that is enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baselines import POLICY_NAMES, make_policy
from ev_gym.env import EVChargingEnv
from tests.support.observations_by_hand import names_for


def night(soc: float, **changes: Any) -> dict[str, Any]:
    """Ten hours at the charger, 50 kWh, from `soc` to 90 %."""
    car = {"battery_kwh": 50.0, "eta": 0.94, "aux_kw": 0.2, "wanted_soc": 0.9, "chemistry": None}
    driving = {"pattern": "daily", "arrival_h": 20.0, "departure_h": 6.0, "start_soc": soc}
    return {
        "household": {"fuse_a": 63},
        "vehicles": [car],
        "driving": {**driving, "trip_kwh": 20.0},
        "days": 1,
        "start_hour": 20,
        **changes,
    }


@pytest.mark.parametrize(
    ("soc", "charger", "current_a", "phases"),
    [
        # 40 kWh in 10 h: (4 + 0.2) / 0.94 = 4.47 kW at the wall, of 0.69 kW an ampere 6.48.
        (0.1, {}, 7.0, 3.0),
        # 30 kWh: 3.40 kW, less than the 4.14 kW of 6 A.
        (0.3, {}, 6.0, 3.0),
        # The same where phases are switched: 14.8 A of 0.23 kW on one.
        (0.3, {"phase_switching": True}, 15.0, 1.0),
    ],
)
def test_the_least_current_that_is_enough(
    soc: float, charger: dict[str, Any], current_a: float, phases: float
) -> None:
    env = EVChargingEnv(night(soc, charger=charger))
    policy = make_policy("peak_shaving", env)
    observation, _ = env.reset(seed=0)
    infos = []
    for _ in range(40):
        observation, _, _, _, info = env.step(policy(observation))
        infos.append(info)
    assert infos[0]["current_a"].tolist() == [current_a]
    assert infos[0]["phases"].tolist() == [phases]
    assert sum(info["missing_kwh"] for info in infos) == pytest.approx(0.0, abs=0.01)
    # A whole ampere more than needed ends early, and what is left needs less: it never grows.
    assert max(float(info["current_a"][0]) for info in infos) == current_a


def test_no_other_policy_that_charges_enough_has_a_lower_peak() -> None:
    """On a classic charger of three powers, a constant price and thirty days."""
    levels = {"levels_kw": [0.0, 3.0, 5.0, 11.0], "load_management": False}
    scenario = night(0.3, charger=levels, days=30)
    peaks = {}
    env = EVChargingEnv(scenario)
    for name in names_for(POLICY_NAMES, env.scenario):
        policy = make_policy(name, env, seed=1)
        observation, _ = env.reset(seed=3)
        over = False
        while not over:
            observation, _, _, over, _ = env.step(policy(observation))
        history = env.history
        if history["missing_kwh"].sum() < 0.01:
            peaks[name] = float(history["charge_kw"].max())
    # 30 kWh the first night, then 20: (2 + 0.2) / 0.94 = 2.34 kW, for which 3 kW are enough.
    assert peaks.pop("peak_shaving") == pytest.approx(5.0, rel=1e-12)
    assert np.all(np.array(list(peaks.values())) > 5.1), peaks
    assert {"uncontrolled", "load_based", "price_based", "plan", "delayed"} <= set(peaks)
