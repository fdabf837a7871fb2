"""Contracted power and dimming hour by hour: tables of limits, and households that keep them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.invoice import invoices
from ev_gym.scenario import (
    CalledDays,
    Charger,
    ContractedPower,
    Dimming,
    Household,
    Scenario,
    ScenarioError,
    Tariff,
)
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.scenario.when import WORKDAYS
from ev_gym.simulation.observation import observation_slices
from ev_gym.world.limit_tables import cars_limits, contract_limits
from tests.support.small_series import local_times, series

SPAIN = TARIFFS["spain-2.0td-2025"]
# By day on workdays 3.45 kW, else 5.75.
P1, P2, P2_WEEKEND = SPAIN.contracts
BY_PERIOD = replace(
    SPAIN,
    contracts=(replace(P1, kw=3.45), replace(P2, kw=5.75), replace(P2_WEEKEND, kw=5.75)),
)
# A week with Friday, 15 August, a national holiday of a fixed date.
AUGUST = datetime(2025, 8, 11)
EVENING = Dimming(from_time="17:30", to_time="19:00")


def scenario(tariff: Tariff = BY_PERIOD, *dimming: Dimming, **changes: Any) -> Scenario:
    charger = changes.pop("charger", Charger(dimming=dimming))
    return Scenario(tariff=tariff, currency=tariff.currency, charger=charger, **changes)


def dataset() -> Any:
    return replace(series(1, monday=AUGUST), currency="EUR")


def test_contracted_power_by_period() -> None:
    """P1 from 8 to 24 on workdays; on the weekend and on the holiday P2, as at night."""
    found = contract_limits(scenario(), dataset(), 15, 1)
    days = found.reshape(7, 96)
    assert set(days[:, :32].ravel()) == {5.75}
    assert [set(day) for day in days[:, 32:]] == [{3.45}] * 4 + [{5.75}] * 3
    assert contract_limits(scenario(), dataset(), 15, 2).tolist() == [*found, *found]


def test_the_least_of_several_names_and_nothing_where_none_holds() -> None:
    rows = (
        ContractedPower(name="a", kw=6.0, to_time="12:00"),
        ContractedPower(name="a", kw=9.0, from_time="06:00", to_time="08:00"),
        ContractedPower(name="b", kw=7.0, from_time="07:00", to_time="13:00"),
    )
    found = contract_limits(scenario(replace(SPAIN, contracts=rows)), dataset(), 60, 1)[:24]
    free = np.inf
    assert found.tolist() == [6.0] * 6 + [9.0, 7.0] + [6.0] * 4 + [7.0] + [free] * 11


def test_the_lowest_limit_within_a_longer_step_holds_in_it() -> None:
    """From 17:30 to 19:00: two steps of an hour, three of half an hour."""
    own = scenario(BY_PERIOD, EVENING)
    for slot_min, dimmed in ((60, [17, 18]), (30, [35, 36, 37]), (15, list(range(70, 76)))):
        found = cars_limits(own, dataset(), slot_min, 1)[: 24 * 60 // slot_min]
        assert np.flatnonzero(found == 4.2).tolist() == dimmed
        assert np.isinf(np.delete(found, dimmed)).all()


def test_dimmed_on_called_days_and_on_holidays() -> None:
    """Called days and holidays are those of the tariff; a later row is the exception."""
    called = replace(
        BY_PERIOD, called_days=(*SPAIN.called_days, CalledDays(name="cold", days="2025-08-12"))
    )
    own = scenario(
        called, Dimming(kw=6.0, weekdays=WORKDAYS), Dimming(kw=1.5, called="cold", to_time="01:00")
    )
    found = cars_limits(own, dataset(), 60, 1).reshape(7, 24)
    assert found[1].tolist() == [1.5] + [6.0] * 23
    assert set(found[[0, 2, 3]].ravel()) == {6.0}
    assert np.isinf(found[4:]).all()


def test_without_limits_there_are_no_tables() -> None:
    own = replace(scenario(), tariff=replace(SPAIN, contracts=()))
    assert contract_limits(own, dataset(), 15, 1).size == 0
    assert cars_limits(own, dataset(), 15, 1).size == 0


@pytest.mark.parametrize(
    ("charger", "message"),
    [
        ({"dimming": [{"called": "cold"}]}, "Dimming.called is 'cold'; allowed: a list of Tariff"),
        ({"dimming": [{"kw": -1}]}, "Dimming.kw is -1; allowed: a number from 0 to 500 kW"),
        ({"dimming": [{"from_time": "7"}]}, "Dimming.from_time is '7'; allowed: a quarter-hour"),
        ({"dimming": "4.2"}, "Charger.dimming is '4.2'; allowed: a list of at most 200 Dimming"),
    ],
)
def test_impossible_dimming_is_refused(charger: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        Scenario.from_dict({"charger": charger})
    assert message in str(error.value)


def test_a_number_is_dimming_at_all_times() -> None:
    own = Scenario.from_dict({"charger": {"dimming": 4.2}})
    assert own.charger.dimming == (Dimming(),)
    assert Scenario.from_dict(own.to_dict()) == own


# --- households ---

# One phase of 40 A, 9.2 kW; the car takes up to 7.36 kW.
SPANISH: dict[str, Any] = {
    "household": Household(phases=1, fuse_a=40.0, annual_kwh=10_000.0),
    "vehicles": Scenario.from_dict(
        {"vehicles": [{"phases": 1, "ac_max_kw": 7.36, "wanted_soc": 1.0, "limit_soc": 1.0}]}
    ).vehicles,
    "days": 4,
    "start_hour": 0,
}


def week(own: Scenario) -> tuple[EVChargingEnv, Any]:
    """Four days from Thursday on, always asking for full power."""
    env = EVChargingEnv(own, dataset=dataset())
    env.reset(seed=0, options={"start": "2025-08-13T22:00+00:00", "soc": 0.0})
    while env.step(np.ones(1, np.float32))[3] is False:
        pass
    return env, env.history


def test_load_management_keeps_the_contract_of_each_period() -> None:
    """In whole amperes, so the last one is missing at most; the fuse would carry 9.2 kW."""
    charger = Charger(phases=1, max_current_a=32)
    env, steps = week(scenario(charger=charger, **SPANISH))
    quarter = steps["now_min"].to_numpy() // 15 % 672
    limit_kw = contract_limits(env.scenario, env.simulator.world.dataset, 15, 1)[quarter]
    assert set(limit_kw) == {3.45, 5.75}
    total_kw, load_kw = (steps[name].to_numpy() for name in ("grid_kw", "load_kw"))
    assert (total_kw <= np.maximum(limit_kw, load_kw) + 1e-9).all()
    assert (steps["overload_term"] == 0.0).all()
    cut = (steps["current_a"] > 0.0) & (total_kw > limit_kw - 0.23)
    assert {3.45, 5.75} == set(limit_kw[cut])


def test_without_load_management_the_excess_over_the_contract_is_overload() -> None:
    """And costs the overload's price; of a house above its contract only what the car adds."""
    charger = Charger(phases=1, max_current_a=32, load_management=False)
    env, steps = week(scenario(charger=charger, **SPANISH))
    quarter = steps["now_min"].to_numpy() // 15 % 672
    limit_kw = contract_limits(env.scenario, env.simulator.world.dataset, 15, 1)[quarter]
    over_kw = np.maximum(0.0, steps["grid_kw"] - limit_kw)
    alone_kw = np.maximum(0.0, steps["load_kw"] - limit_kw)
    assert steps["overload_kw"].to_numpy() == pytest.approx(over_kw.to_numpy(), abs=1e-12)
    price = env.scenario.tariff.overload_price
    wanted = -price * (over_kw - alone_kw).to_numpy() / 4
    assert steps["overload_term"].to_numpy() == pytest.approx(wanted, abs=1e-12)
    assert wanted.min() < 0.0


def test_the_fixed_fee_stays_what_it_was() -> None:
    """It is that of the contracted power, limits or not, and dimming costs nothing."""
    plain = scenario(charger=Charger(phases=1, max_current_a=32), **SPANISH)
    dimmed = replace(plain, charger=replace(plain.charger, dimming=(EVENING,)))
    month = [invoices(own, week(own)[1])["contracts"].iloc[0] for own in (plain, dimmed)]
    fee = (P1.per_kw_year * 3.45 + P2.per_kw_year * 5.75) * 31 / 365
    assert month == pytest.approx([fee, fee], abs=1e-9)


def test_headroom_is_what_contract_and_dimming_leave_now() -> None:
    """Of 3.45 kW by day less the load, at most what is dimmed; of 5.75 kW in the night."""
    evening = Dimming(kw=1.5, from_time="17:00", to_time="20:00")
    own = scenario(charger=Charger(phases=1, dimming=(evening,)), **SPANISH)
    env = EVChargingEnv(own, dataset=dataset())
    seen, _ = env.reset(seed=0, options={"start": "2025-08-11T22:00+00:00"})
    place = observation_slices(own)["headroom_kw"].start
    hours = [local.hour for local in local_times(dataset(), 168)][24:48]
    assert hours[0] == 0
    for quarter in range(96):
        load_kw = float(env.simulator.households["load_kw"][0])
        limit_kw = 5.75 if quarter < 32 else 3.45
        dimmed_kw = 1.5 if 68 <= quarter < 80 else np.inf
        assert seen[place] == pytest.approx(min(limit_kw - load_kw, dimmed_kw), abs=1e-5)
        assert env.observation_space.contains(seen)
        seen, *_ = env.step(np.zeros(1, np.float32))
