"""Hypothesis strategies: random valid scenarios on small series, and an episode of one.

The series are two weeks long and hold a change to summer time, a change of month, negative prices,
clear and dark hours, and base loads up to beyond most of the connections drawn, so an example costs
milliseconds and meets the rare cases.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ev_gym.env import EVChargingEnv
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import (
    Charger,
    ContractedPower,
    Dimming,
    Driving,
    Household,
    Price,
    RewardWeights,
    Scenario,
    Share,
    Solar,
    Tariff,
    Vehicle,
)
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.scenario.vehicle import TRIPS
from ev_gym.scenario.when import WORKDAYS
from ev_gym.series.dataset import Dataset
from ev_gym.simulation.state_fields import REWARD_TERMS
from tests.support.tariffs import peak_rule

WEEKS = 2
# Mondays 00:00 in Stockholm; summer time begins, or ends, on the Sunday of the first week.
SPRING = datetime(2023, 3, 19, 23, tzinfo=timezone.utc)
AUTUMN = datetime(2023, 10, 22, 22, tzinfo=timezone.utc)


def series(price_minutes: int, constant: bool = False, start: datetime = SPRING) -> Dataset:
    """Two weeks of two houses; with `constant` no price and no load ever changes."""
    generator = np.random.default_rng(7)
    load_kw = generator.gamma(1.0, 2.0, (2, WEEKS * 672))
    price = generator.normal(0.5, 0.6, WEEKS * 168 * 60 // price_minutes)
    if constant:
        load_kw, price = np.full_like(load_kw, 0.5), np.full_like(price, 0.8)
    return Dataset(
        start=start,
        zone="Europe/Stockholm",
        load_kw=load_kw,
        price_per_kwh=price,
        temperature_c=generator.normal(5.0, 8.0, WEEKS * 168),
        price_minutes=price_minutes,
        clearness=generator.uniform(0.0, 1.0, WEEKS * 168),
    )


SERIES = {
    "hourly": series(60),
    "quarters": series(15),
    "constant": series(60, constant=True),
    "autumn": series(60, start=AUTUMN),
}


def examples(count: int) -> int:
    """Number of examples to try: half of `count` in a plain run; fewer where code is interpreted.

    All of them with the environment variable EV_GYM_ALL_EXAMPLES.
    """
    if INTERPRETED:
        return max(3, count // 8)
    return count if "EV_GYM_ALL_EXAMPLES" in os.environ else (count + 1) // 2


@st.composite
def vehicles(draw: st.DrawFn) -> Vehicle:
    """A car that any of the chargers below can charge; what its owner sets is the default."""
    phases = draw(st.sampled_from((1, 2, 3)))
    wanted_soc = draw(st.floats(0.0, 1.0))
    return Vehicle(
        battery_kwh=draw(st.floats(1.0, 100.0)),
        phases=phases,
        ac_max_kw=draw(st.floats(1.4 * phases, 22.0)),
        eta=draw(st.sampled_from((0.8, 0.921, 0.94, 1.0))),
        aux_kw=draw(st.sampled_from((0.0, 0.108, 0.2, 0.422))),
        taper_from_soc=draw(st.sampled_from((0.5, 0.9, 0.975, 1.0))),
        wanted_soc=wanted_soc,
        min_soc=wanted_soc * draw(st.floats(0.0, 1.0)),
    )


@st.composite
def owners_cars(draw: st.DrawFn, lines: int = 3) -> Vehicle:
    """Such a car with what its owner sets: limits, line, priority, battery and, often, driving."""
    car = draw(vehicles())
    limit_soc = car.wanted_soc + (1.0 - car.wanted_soc) * draw(st.sampled_from((0.0, 0.5, 1.0)))
    chemistry = draw(st.sampled_from(("nmc622", "lfp", "nca", "nmc111", None)))
    battery = {}
    if chemistry is not None:
        battery["battery_age_years"] = draw(st.sampled_from((0.0, 2.0, 12.0)))
        battery["wear_price_per_kwh"] = draw(st.sampled_from((0.0, 1200.0)))
    return replace(
        car,
        one_phase_max_a=draw(st.integers(6, 32)),
        line=draw(st.integers(1, lines)),
        wanted_soc=draw(st.sampled_from((car.wanted_soc, TRIPS))),
        limit_soc=limit_soc,
        floor_soc=draw(st.sampled_from((0.0, 0.3, 1.0))),
        priority=draw(st.integers(0, 1)),
        kwh_per_100km=draw(st.sampled_from((10.0, 25.0))),
        chemistry=chemistry,
        driving=draw(st.one_of(st.none(), drivings())),
        **battery,
    )


def without_unread(cars: Iterable[Vehicle], charger: Charger) -> tuple[Vehicle, ...]:
    """The cars with the default of `one_phase_max_a` where this charger never switches them."""
    default = Vehicle().one_phase_max_a
    return tuple(
        car if charger.phase_switching and car.phases > 1 else replace(car, one_phase_max_a=default)
        for car in cars
    )


@st.composite
def households(draw: st.DrawFn) -> Household:
    """A house on one or three phases, with fuses, one limit or both, unevenly loaded or not."""
    phases = draw(st.sampled_from((1, 3)))
    uneven = st.sampled_from((None, (0.5, 0.3, 0.2), (0.0, 0.0, 1.0)))
    # A fuse on each line, a limit in all, or both.
    connection_kw = draw(st.sampled_from((None, None, 5.0, 11.0)))
    fuses_a = st.sampled_from((6.0, 10.0, 16.0, 25.0, 63.0))
    house = Household(
        fuse_a=draw(fuses_a if connection_kw is None else st.one_of(st.none(), fuses_a)),
        phases=phases,
        annual_kwh=draw(st.sampled_from((None, 12_000.0))),
        connection_kw=connection_kw,
        line_shares=draw(uneven) if phases == 3 else None,
    )
    exported = draw(st.sampled_from((None, 0.0, 0.3, 1.0)))
    return house if exported is None else replace(house, export_limit_kw=exported * house.limit_kw)


def solars() -> st.SearchStrategy[Solar]:
    """No modules, or some to the south, or many to the east; at times cut off at low prices."""
    return st.sampled_from(
        (
            Solar(),
            Solar(peak_kw=6.0, inverter_kw=4.0),
            Solar(peak_kw=10.0, curtail_below_price=0.0),
            Solar(peak_kw=6.0, curtail_below_price=0.6),
            Solar(peak_kw=20.0, azimuth_deg=90.0, tilt_deg=10.0),
        )
    )


@st.composite
def chargers(draw: st.DrawFn, phases: int, cars: int) -> Charger:
    """Chargers in amperes or with power levels, on at most as many phases as the house has."""
    levels = ((0.0, 7.4), (0.0, 3.7, 11.0), (0.0, 1.4, 4.0, 7.4, 22.0))
    count = draw(st.sampled_from((None, *range(1, cars + 1))))
    own_phases = draw(st.sampled_from((1, phases)))
    plain = {
        "count": count,
        "phases": own_phases,
        "load_management": draw(st.booleans()),
        "dimming": draw(st.sampled_from(DIMMING)),
    }
    if draw(st.integers(0, 3)) == 0:
        return Charger(levels_kw=draw(st.sampled_from(levels)), **plain)
    switching = own_phases == 3 and draw(st.booleans())
    times = {}
    if switching:
        times["switch_pause_min"] = draw(st.sampled_from((0.0, 1.0, 7.0)))
        times["switch_hold_min"] = draw(st.sampled_from((0, 30)))
    return Charger(
        max_current_a=draw(st.integers(6, 32)),
        bidirectional=draw(st.booleans()),
        phase_switching=switching,
        **times,
        **plain,
    )


def drivings() -> st.SearchStrategy[Driving]:
    """Drawn routines, or one pattern every day; hours down to the minute."""
    hour = st.integers(0, 24 * 60).map(lambda minute: minute / 60)
    pattern = {"pattern": st.just("daily"), "arrival_h": hour, "departure_h": hour}
    pattern["start_soc"] = st.floats(0.0, 1.0)
    daily = st.builds(Driving, trip_kwh=st.floats(0.0, 60.0), **pattern)
    by_distance = st.builds(Driving, trip_km=st.floats(0.0, 300.0), **pattern)
    return st.one_of(st.just(Driving()), daily, by_distance)


DEAR_HOURS = Price(
    per_kwh=0.67, from_time="06:00", to_time="22:00", weekdays=WORKDAYS, months=(3, 4)
)


# None, in one window, over midnight, or all the time, on workdays less than 6 A on three phases.
DIMMING: tuple[tuple[Dimming, ...], ...] = (
    (),
    (),
    (Dimming(from_time="17:15", to_time="20:45"),),
    (Dimming(kw=7.56, from_time="22:00", to_time="06:00"),),
    (Dimming(kw=6.0), Dimming(kw=2.0, weekdays=WORKDAYS)),
)
# None, or with different power by day and by night; a second name may hold at the same time.
DAY_AND_NIGHT = (
    ContractedPower(name="P1", kw=3.45, from_time="08:00", weekdays=WORKDAYS),
    ContractedPower(name="P2", kw=6.9, to_time="08:00"),
    ContractedPower(name="P2", kw=6.9, weekdays=(5, 6)),
)
CONTRACTS: tuple[tuple[ContractedPower, ...], ...] = (
    (),
    (),
    DAY_AND_NIGHT,
    (*DAY_AND_NIGHT, ContractedPower(kw=5.0, from_time="12:15", to_time="13:00")),
)


def tariffs() -> st.SearchStrategy[Tariff]:
    """Flat transfer, high hours, or a power charge; import and export netted or each in full."""
    prices = {
        "contracts": st.sampled_from(CONTRACTS),
        "netting": st.sampled_from(("step", "none")),
        "export": st.sampled_from(
            [(Price(spot_factor=1.0, per_kwh=-fee),) for fee in (0.0, 0.1, -0.6)]
        ),
        "vat": st.sampled_from([(), (Share(share=0.25),)]),
        "public_price_per_kwh": st.sampled_from((0.0, 5.0)),
        "overload_price_per_kwh": st.sampled_from((0.0, 10.0)),
    }
    taxed = {
        "taxes": st.just((Price(per_kwh=0.439),)),
        "transfer": st.sampled_from([(Price(per_kwh=0.05),), (Price(per_kwh=0.05), DEAR_HOURS)]),
    }
    known = st.sampled_from(
        [
            tariff
            for tariff in TARIFFS.values()
            if tariff.currency == "SEK" and tariff.name.endswith(("-2025", "-2020"))
        ]
    )
    power = {"peaks": st.integers(1, 3).map(lambda days: (peak_rule(40.0, days),))}
    return st.one_of(
        st.builds(Tariff, **prices, **taxed),
        st.builds(Tariff, **prices, **taxed, **power),
        st.builds(replace, known, **prices),
    )


WEIGHTS = st.one_of(
    st.just(RewardWeights()),
    st.builds(RewardWeights, *(st.sampled_from((0.0, 0.5, 1.0, 3.0)) for _ in REWARD_TERMS)),
)


@st.composite
def scenarios(draw: st.DrawFn, **fixed: Any) -> Scenario:
    """A scenario of some days; `fixed` sets fields instead of drawing them."""
    step_min = draw(st.sampled_from((1, 5, 15, 30, 60)))
    household = fixed.get("household") or draw(households())
    cars = draw(st.lists(owners_cars(household.phases), min_size=1, max_size=3))
    charger = fixed.get("charger") or draw(chargers(phases=household.phases, cars=len(cars)))
    drawn = {
        "name": "drawn",
        "household": household,
        "solar": draw(solars()),
        "charger": charger,
        "vehicles": without_unread(cars, charger),
        "driving": draw(drivings()),
        "tariff": draw(tariffs()),
        "reward_weights": draw(WEIGHTS),
        "time_step_min": step_min,
        "start_hour": draw(st.integers(0, 23)),
        # A day has 1440 or 288 of the short steps; with the long ones an episode has several days.
        "days": 1 if step_min < 15 else draw(st.integers(2, 6)),
        "price_window_h": draw(st.sampled_from((1, 36, 48))),
    }
    return Scenario(**{**drawn, **fixed})


SEEDS = st.integers(0, 2**63)


def some_actions(seed: int, shape: tuple[int, ...], lowest: float = 0.0) -> NDArray[np.float32]:
    """Actions for steps, rows and cars: a quarter of them 0, a quarter 1, the others any number.

    Where `lowest` is -1, half of all are below 0.
    """
    generator = np.random.default_rng(seed)
    actions = generator.random(shape, np.float32)
    kind = generator.integers(4, size=shape)
    actions[kind == 0] = 0.0
    actions[kind == 1] = 1.0
    if lowest < 0.0:
        actions *= generator.choice(np.array([-1.0, 1.0], np.float32), shape)
    return actions


def lowest_of(scenario: Scenario) -> float:
    """The lowest action of a scenario."""
    return -1.0 if scenario.charger.bidirectional else 0.0


class Episode(NamedTuple):
    """An episode of T steps with K cars, as the env shows it.

    Attributes:
        env: The env, at its horizon.
        observations: (T + 1, D), of the reset and after each step.
        infos: One for each step.
        before_kwh: (T, K) energy in the batteries before each step.
        home: (T + 1, K) whether cars are at home, of the reset and after each step.
        wanted_soc: (T + 1, K) SoC wanted at the next departure, of the reset and after each step.
        rewards: (T,).
        truncated: (T,).
    """

    env: EVChargingEnv
    observations: NDArray[np.float32]
    infos: list[dict[str, Any]]
    before_kwh: NDArray[np.float64]
    home: NDArray[np.bool_]
    wanted_soc: NDArray[np.float64]
    rewards: NDArray[np.float64]
    truncated: NDArray[np.bool_]

    def of(self, name: str) -> NDArray[Any]:
        """A field of the infos: (T,), or (T, K) of the vehicles."""
        return np.array([info[name] for info in self.infos])

    def term(self, name: str) -> NDArray[np.float64]:
        """A term of the reward, (T,)."""
        return np.array([info["reward_terms"][name] for info in self.infos])

    def sun_kw(self) -> NDArray[np.float64]:
        """(T,) what the sun gave, before the export limit."""
        tables = self.env.simulator.world.tables
        if tables.pv_kw.size == 0:
            return np.zeros(len(self.infos))
        slot_min = WEEKS * 10080 // tables.pv_kw.size
        return tables.pv_kw[self.of("now_min") % (WEEKS * 10080) // slot_min]


def run_case(scenario: Scenario, name: str, seed: int, actions: Any = None) -> Episode:
    """Run one episode on a named series; `actions` (T, K) are drawn from the seed by default."""
    env = EVChargingEnv(scenario, dataset=SERIES[name])
    if actions is None:
        shape = (scenario.horizon_steps, len(scenario.vehicles))
        actions = some_actions(seed, shape, lowest_of(scenario))
    observation, info = env.reset(seed=seed)
    observations, infos, rewards, over = [observation], [info], [], []
    home, wanted_soc = [], []

    def note_plans() -> None:
        home.append(env.simulator.vehicles["home"][0] != 0)
        wanted_soc.append(env.simulator.vehicles["wanted_soc"][0].copy())

    note_plans()
    for action in actions:
        observation, reward, _, truncated, info = env.step(action)
        observations.append(observation)
        infos.append(info)
        rewards.append(reward)
        over.append(truncated)
        note_plans()
    before_kwh = np.array([info["energy_kwh"] for info in infos[:-1]])
    return Episode(
        env,
        np.array(observations),
        infos[1:],
        before_kwh,
        np.array(home),
        np.array(wanted_soc),
        np.array(rewards),
        np.array(over),
    )


def cases(**fixed: Any) -> st.SearchStrategy[tuple[Scenario, str, int]]:
    """What `run_case` takes: a scenario, the name of a series, and a seed."""
    return st.tuples(scenarios(**fixed), st.sampled_from(("hourly", "quarters")), SEEDS)


def managed_cases() -> st.SearchStrategy[tuple[Scenario, str, int]]:
    """What `run_case` takes, with load management in each scenario."""
    return cases().map(
        lambda case: (
            replace(case[0], charger=replace(case[0].charger, load_management=True)),
            *case[1:],
        )
    )
