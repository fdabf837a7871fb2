"""Contracted power and dimmed hours as policies know them, and what they make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baselines import make_policy
from baselines.foresight import foresee
from baselines.optimum.relaxation import lower_bound
from baselines.policies.known_limits import known_limits
from baselines.policies.peak_rules import WaterFilling
from baselines.policies.peaks import rules_and_hours
from baselines.policies.solar_rules import MinPv, PvSurplus
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Charger, ContractedPower, Dimming, Household, Scenario, Tariff
from ev_gym.scenario.when import WORKDAYS
from ev_gym.simulation.observation import observation_slices
from tests.support.observations_by_hand import observation_with
from tests.support.scenario_strategies import SERIES

FREE = np.inf
DAY_AND_NIGHT = (
    ContractedPower(name="P1", kw=3.0, from_time="08:00", weekdays=WORKDAYS),
    ContractedPower(name="P2", kw=9.0, to_time="08:00"),
    ContractedPower(name="P2", kw=9.0, weekdays=(5, 6)),
    ContractedPower(name="winter", kw=2.0, months=(1,)),
)
# The last row that holds counts.
DIMMING = (
    Dimming(kw=4.2, from_time="17:30", to_time="19:00"),
    Dimming(kw=1.0, from_time="18:45", to_time="19:00", weekdays=(0,)),
)


def scenario(**changes: Any) -> Scenario:
    parts: dict[str, Any] = {
        "household": Household(fuse_a=None, connection_kw=8.0, annual_kwh=None),
        "tariff": Tariff(contracts=DAY_AND_NIGHT),
        "charger": Charger(dimming=DIMMING),
    }
    return Scenario(**{**parts, **changes})


def test_limits_by_month_kind_of_day_and_quarter() -> None:
    """8 kW of the connection where no contract is lower; of workdays the strictest, Monday."""
    known = known_limits(scenario())
    assert known is not None
    june, january = known.in_all_kw[5], known.in_all_kw[0]
    assert june[0].tolist() == [8.0] * 32 + [3.0] * 64
    assert june[1].tolist() == [8.0] * 96
    assert set(january.ravel()) == {2.0}
    workday, day_off = known.cars_kw[5]
    assert day_off[70:76].tolist() == [4.2] * 6
    assert workday[70:76].tolist() == [4.2] * 5 + [1.0]
    assert np.isinf(np.delete(known.cars_kw, range(70, 76), axis=2)).all()
    plain = scenario(tariff=Tariff(), charger=Charger())
    assert known_limits(plain) is None


def test_means_over_hours_and_parts_of_them() -> None:
    """Half an hour at 4.2 kW, before it what the limit in all lets the cars draw."""
    known = known_limits(scenario())
    assert known is not None
    hours = known.means(60)
    assert hours.in_all_kw[5, 0].tolist() == [8.0] * 8 + [3.0] * 16
    assert hours.cars_kw[5, 1, 16:20] == pytest.approx([FREE, (8.0 + 4.2) / 2, 4.2, FREE])
    assert hours.cars_kw[5, 0, 18] == pytest.approx((3 * 4.2 + 1.0) / 4)
    assert known.between(6, True, 17.5, 18.0) == pytest.approx((8.0, 4.2))
    assert known.between(6, False, 17.25, 18.0) == pytest.approx((3.0, (3.0 + 2 * 4.2) / 3))
    # A time within a quarter-hour has that quarter's limit.
    assert known.between(6, True, 17.9, 17.95) == pytest.approx((8.0, 4.2))


@pytest.mark.parametrize(("weekend", "left_kw"), [(0.0, 3.0), (1.0, 8.0)])
def test_the_rooms_of_budget_rules(weekend: float, left_kw: float) -> None:
    """At 16:00 of a day in June; now what is observed, then what is known beside a load of 0."""
    policy = WaterFilling(scenario())
    june = {"day_sin": np.sin(np.pi * 0.9), "day_cos": np.cos(np.pi * 0.9)}
    seen = observation_with(policy, 16.0, headroom_kw=1.7, weekend=weekend, **june)
    view = policy.view(seen[np.newaxis])
    assert view.month[0] == 6
    room_kwh = rules_and_hours(policy.scenario, view)[1].room_kwh[0, :5]
    dimmed_kw = 4.2 if weekend else (3 * 4.2 + 1.0) / 4
    half = (left_kw + 4.2) / 2  # in the first half the limit in all
    wanted = [1.7, min(left_kw, half), min(left_kw, dimmed_kw), left_kw, left_kw]
    assert room_kwh == pytest.approx(wanted, abs=1e-6)


def test_water_filling_leaves_what_a_dimmed_hour_cannot_take() -> None:
    """6.9 kWh: the hour at 1 takes 4.2 of them, so 2.7 are left, of which that at 2 takes all.

    Of 12 kWh, 7.8 are left for the hour at 2, and nothing for that at 3; of 16 kWh some.
    """
    car = {"battery_kwh": 60.0, "ac_max_kw": 11.04, "eta": 1.0, "aux_kw": 0.0, "chemistry": None}
    dimmed = {"dimming": [{"from_time": "11:00", "to_time": "12:00"}]}
    plain = {"vehicles": [{**car, "taper_from_soc": 1.0}], "household": {"fuse_a": 35}}
    plain = {**plain, "time_step_min": 60, "tariff": {"peaks": []}}
    free, own = (Scenario.from_dict({**plain, "charger": charger}) for charger in ({}, dimmed))
    for need_kwh, now_a, undimmed_a in ((12.0, 0, 0), (16.0, 6, 0), (22.0, 10, 0)):
        for case, wanted_a in ((own, now_a), (free, undimmed_a)):
            policy = WaterFilling(case, reserve_soc=0.0)
            seen = observation_with(
                policy, 10.0, prices=[3.0, 1.0, 2.0], plugged=1, available_kw=11.04,
                hours_to_departure=3.0, energy_to_wanted_kwh=need_kwh, load_kw=1.0,
            )  # fmt: skip
            assert round(16 * float(policy(seen)[0])) == wanted_a


@pytest.mark.parametrize(("headroom_kw", "surplus_a"), [(20.0, 16.0), (4.2, 6.0), (2.0, 8 / 3)])
def test_sun_beyond_what_cars_may_draw_is_not_asked_for(
    headroom_kw: float, surplus_a: float
) -> None:
    """Of 12 kW of sun in a dimmed hour: one phase, 8 A, where 2 kW are left."""
    own = Scenario.from_dict(
        {
            "solar": {"peak_kw": 10.0},
            "vehicles": [{"ac_max_kw": 11.04}],
            "charger": {"phase_switching": True},
        }
    )
    for kind in (PvSurplus, MinPv):
        policy = kind(own)
        seen = observation_with(
            policy, 12.0, plugged=1, available_kw=11.04, energy_to_wanted_kwh=20.0,
            hours_to_departure=5.0, load_kw=1.0, pv_kw=13.0, headroom_kw=headroom_kw,
        )  # fmt: skip
        assert 16 * float(policy(seen)[0]) == pytest.approx(surplus_a, abs=1e-4)


# A single-phase house that its contract limits to 3.45 kW by day, and an evening in which the cars
# may draw 2 kW. Nothing manages the load: who asks for too much pays.
UNMANAGED = Scenario.from_dict(
    {
        "household": {"phases": 1, "fuse_a": 40, "annual_kwh": 5000},
        "vehicles": [{"phases": 1, "ac_max_kw": 7.36}],
        "charger": {
            "phases": 1,
            "max_current_a": 32,
            "load_management": False,
            "dimming": [{"kw": 2.0, "from_time": "17:00", "to_time": "20:30"}],
        },
        "tariff": {
            "like": "goteborg-2026",
            "contracts": [
                {"name": "P1", "kw": 3.45, "from_time": "08:00", "weekdays": [0, 1, 2, 3, 4]},
                {"name": "P2", "kw": 5.75, "to_time": "08:00"},
                {"name": "P2", "kw": 5.75, "weekdays": [5, 6]},
            ],
        },
        "days": 7,
    }
)


@pytest.mark.parametrize(
    "spec", ["load_based", "price_based", "cheapest_hours", "water_filling", "delayed", "mpc"]
)
def test_rules_keep_contract_and_dimming_by_themselves(spec: str) -> None:
    """They heed the headroom that they observe; the bound is below what each of them pays."""
    env = EVChargingEnv(UNMANAGED, dataset=SERIES["hourly"])
    policy = make_policy(spec, env)
    seen, _ = env.reset(seed=3)
    bound = lower_bound(foresee(env.simulator)).cost
    place, reward, over = observation_slices(UNMANAGED)["headroom_kw"].start, 0.0, False
    while not over:
        headroom_kw = float(seen[place])
        action = policy(seen)
        assert float(action[0]) * 7.36 <= max(0.0, headroom_kw) + 1e-3
        seen, gained, _, over, info = env.step(action)
        reward += gained
        assert info["reward_terms"]["overload"] == 0.0
    assert env.history["charge_kw"].sum() > 0.0
    cost = -reward - float(env.simulator.settlements()[0])
    assert bound <= cost + 1e-6


def test_without_heeding_them_overload_is_paid() -> None:
    """`uncontrolled` asks for 7.36 kW: in dimmed hours it gets 8 A of 230 V at most, else all."""
    env = EVChargingEnv(UNMANAGED, dataset=SERIES["hourly"])
    policy = make_policy("uncontrolled", env)
    seen, _ = env.reset(seed=3)
    over = False
    while not over:
        seen, _, _, over, _ = env.step(policy(seen))
    steps = env.history
    clock = steps.index.strftime("%H:%M")
    dimmed = (clock >= "17:00") & (clock < "20:30")
    assert steps["charge_kw"][dimmed].max() == pytest.approx(1.84, abs=1e-9)
    assert steps["charge_kw"].max() == pytest.approx(7.36, abs=1e-9)
    assert steps["overload_term"].sum() < 0.0
