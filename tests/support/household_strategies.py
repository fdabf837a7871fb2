"""Hypothesis strategies: households with every feature at once, and their episodes.

They go further than `tests.support.scenario_strategies`: up to eight cars, known models among them,
every company's tariff, and several households side by side in the vector env.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import Charger, Driving, Household, Price, Scenario, Solar, Tariff, Vehicle
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.scenario.vehicle import TRIPS
from ev_gym.series.dataset import Dataset
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.scenario_strategies import without_unread

WEEKS = 2
# A Monday 00:00 in Stockholm; summer time begins on the Sunday, a month on the Monday after it.
START = datetime(2024, 3, 24, 23, tzinfo=timezone.utc)
SWEDISH = [
    tariff
    for tariff in TARIFFS.values()
    if tariff.name.endswith(("-2025", "-2020")) and tariff.currency == "SEK"
]
EXPORTS = [(Price(spot_factor=1.0, per_kwh=-fee),) for fee in (0.0, 0.1, -0.1)]
ROWS = 3  # households that run_episodes side by side in an example


def series(price_minutes: int = 60, price: float | None = None, load_kw: float = 2.0) -> Dataset:
    """Two weeks of two houses under changing clouds.

    Args:
        price_minutes: Length of a price interval.
        price: A spot price that never changes; None: one that changes, and is below 0 at times.
        load_kw: Mean base load, of which single quarter-hours take several times as much.
    """
    generator = np.random.default_rng(11)
    prices = generator.normal(0.5, 0.6, WEEKS * 168 * 60 // price_minutes)
    return Dataset(
        start=START,
        zone="Europe/Stockholm",
        load_kw=generator.gamma(1.0, load_kw, (2, WEEKS * 672)),
        price_per_kwh=prices if price is None else np.full_like(prices, price),
        temperature_c=generator.normal(5.0, 8.0, WEEKS * 168),
        price_minutes=price_minutes,
        clearness=generator.uniform(0.1, 1.1, WEEKS * 168),
    )


SERIES = {"hourly": series(), "quarters": series(15)}


@st.composite
def vehicles(draw: st.DrawFn) -> Vehicle:
    """A car with its own battery, losses, limits, line, priority, chemistry and driving."""
    phases = draw(st.sampled_from((1, 2, 3)))
    wanted_soc = draw(st.sampled_from((0.0, 0.5, 0.8, 1.0)))
    chemistry = draw(st.sampled_from((None, "nmc622", "lfp", "nca")))
    age = {} if chemistry is None else {"battery_age_years": draw(st.sampled_from((0.0, 3.0)))}
    return Vehicle(
        battery_kwh=draw(st.floats(1.0, 100.0)),
        phases=phases,
        ac_max_kw=draw(st.floats(1.4 * phases, 22.0)),
        one_phase_max_a=draw(st.sampled_from((6, 16, 32))),
        line=draw(st.sampled_from((1, 2, 3))),
        eta=draw(st.sampled_from((0.8, 0.921, 0.94, 1.0))),
        aux_kw=draw(st.sampled_from((0.0, 0.108, 0.422))),
        taper_from_soc=draw(st.sampled_from((0.5, 0.975, 1.0))),
        wanted_soc=draw(st.sampled_from((wanted_soc, TRIPS))),
        min_soc=wanted_soc * draw(st.sampled_from((0.0, 0.1, 1.0))),
        limit_soc=max(wanted_soc, draw(st.sampled_from((0.3, 0.8, 1.0)))),
        floor_soc=draw(st.sampled_from((0.0, 0.3, 0.9))),
        priority=draw(st.integers(0, 2)),
        chemistry=chemistry,
        driving=draw(st.one_of(st.none(), drivings())),
        **age,
    )


def models() -> st.SearchStrategy[Vehicle]:
    """A known car."""
    names = ("Renault Zoe", "Fiat 500e", "Volkswagen ID.3 58 kWh", "Nissan Leaf 40 kWh")
    return st.builds(
        lambda name, line: Vehicle.model(name, line=line), st.sampled_from(names), LINES
    )


LINES = st.sampled_from((1, 2, 3))


def drivings() -> st.SearchStrategy[Driving]:
    """Drawn routines, or a daily pattern with hours down to the minute and far trips."""
    hour = st.integers(0, 24 * 60).map(lambda minute: minute / 60)
    daily = st.builds(
        Driving,
        pattern=st.just("daily"),
        arrival_h=hour,
        departure_h=hour,
        trip_km=st.sampled_from((0.0, 40.0, 400.0)),
        start_soc=st.floats(0.0, 1.0),
    )
    return st.one_of(st.just(Driving()), daily)


@st.composite
def chargers(draw: st.DrawFn, phases: int, cars: int, **fixed: Any) -> Charger:
    """A charger in amperes, with discharging and switching of phases or without, or with levels."""
    count = draw(st.sampled_from((None, 1, cars)))
    drawn: dict[str, Any] = {
        "count": count,
        "phases": draw(st.sampled_from((1, phases, phases))),
        "load_management": draw(st.booleans()),
    }
    if not fixed.get("bidirectional") and draw(st.integers(0, 4)) == 4:
        levels = st.sampled_from(((0.0, 7.4), (0.0, 1.4, 4.0, 7.4, 22.0)))
        return Charger(**{**drawn, "levels_kw": draw(levels), **fixed})
    drawn["max_current_a"] = draw(st.sampled_from((6, 10, 16, 32)))
    drawn["bidirectional"] = draw(st.booleans())
    if drawn["phases"] == 3 and draw(st.booleans()):
        drawn["phase_switching"] = True
        drawn["switch_pause_min"] = draw(st.sampled_from((0.0, 1.0, 20.0)))
        drawn["switch_hold_min"] = draw(st.sampled_from((0, 30, 120)))
    return Charger(**{**drawn, **fixed})


@st.composite
def tariffs(draw: st.DrawFn, **fixed: Any) -> Tariff:
    """One of the five companies' tariffs, with either meter and other prices."""
    base = draw(st.sampled_from(SWEDISH))
    drawn = {
        "netting": draw(st.sampled_from(("step", "none"))),
        "export": draw(st.sampled_from(EXPORTS)),
        "public_price_per_kwh": draw(st.sampled_from((0.0, 5.0))),
        "overload_price_per_kwh": draw(st.sampled_from((0.0, 10.0))),
    }
    return replace(base, **{**drawn, **fixed})


@st.composite
def houses(draw: st.DrawFn) -> Household:
    """A house on one phase or on three, which its load may fill unequally."""
    phases = draw(st.sampled_from((1, 3, 3, 3)))
    shares = st.sampled_from((None, (0.6, 0.3, 0.1), (1.0, 0.0, 0.0)))
    # A fuse on each line, a limit in all, or both.
    connection_kw = draw(st.sampled_from((None, None, 5.0, 11.0)))
    fuses_a = st.sampled_from((6.0, 16.0, 25.0, 63.0))
    house = Household(
        fuse_a=draw(fuses_a if connection_kw is None else st.one_of(st.none(), fuses_a)),
        phases=phases,
        annual_kwh=draw(st.sampled_from((None, 12_000.0))),
        connection_kw=connection_kw,
        line_shares=draw(shares) if phases == 3 else None,
    )
    export_limit_kw = draw(st.sampled_from((None, None, 0.0, min(3.0, house.limit_kw))))
    return replace(house, export_limit_kw=export_limit_kw)


SOLAR = st.sampled_from(
    (
        Solar(),
        Solar(peak_kw=5.0),
        Solar(peak_kw=30.0, inverter_kw=20.0),
        Solar(peak_kw=15.0, curtail_below_price=0.0),
    )
)
SEEDS = st.integers(0, 2**62)


@st.composite
def households(draw: st.DrawFn, **fixed: Any) -> Scenario:
    """A scenario of some days with up to 8 cars; `fixed` sets fields instead of drawing them."""
    step_min = draw(st.sampled_from((5, 15, 30, 60)))
    house = draw(houses())
    most = draw(st.sampled_from((1, 2, 8)))
    cars = draw(st.lists(st.one_of(vehicles(), models()), min_size=1, max_size=most))
    if house.phases == 1:
        cars = [replace(car, line=1) for car in cars]
    charger = fixed.get("charger") or draw(chargers(house.phases, len(cars)))
    drawn = {
        "name": "drawn",
        "household": house,
        "solar": draw(SOLAR),
        "charger": charger,
        "vehicles": without_unread(cars, charger),
        "driving": draw(drivings()),
        "tariff": draw(tariffs()),
        "time_step_min": step_min,
        "start_hour": draw(st.sampled_from((0, 12, 17))),
        # Of short steps a day has many; with long ones an episode has several days.
        "days": 1 if step_min < 15 else draw(st.integers(2, 5)),
        "price_window_h": 24,
    }
    return Scenario(**{**drawn, **fixed})


def random_actions(scenario: Scenario, seed: int, steps: int, rows: int = ROWS) -> Any:
    """Actions (steps, rows, K) in the action space: a part of them 0, full or fully back."""
    generator = np.random.default_rng(seed)
    low = -1.0 if scenario.charger.bidirectional else 0.0
    actions = generator.uniform(low, 1.0, (steps, rows, len(scenario.vehicles)))
    kind = generator.integers(5, size=actions.shape)
    actions[kind == 0] = 0.0
    actions[kind == 1] = 1.0
    actions[kind == 2] = low
    return actions.astype(np.float32)


class Episodes(NamedTuple):
    """Episodes of T steps of n households with K cars, as the vector env shows them.

    Attributes:
        env: The env, at its horizon.
        observations: (T + 1, n, D), of the reset and after each step.
        infos: T + 1, of the reset and of each step.
        rewards: (T, n).
    """

    env: EVChargingVectorEnv
    observations: NDArray[np.float32]
    infos: list[dict[str, Any]]
    rewards: Floats

    @property
    def scenario(self) -> Scenario:
        return self.env.scenario

    def of(self, name: str) -> Floats:
        """A field of the steps: (T, n), or (T, n, K) of the vehicles."""
        return np.array([info[name] for info in self.infos[1:]])

    def before(self, name: str) -> Floats:
        """The field before each step: (T, n), or (T, n, K) of the vehicles."""
        return np.array([info[name] for info in self.infos[:-1]])

    def term(self, name: str) -> Floats:
        """A term of the reward, (T, n)."""
        return np.array([info["reward_terms"][name] for info in self.infos[1:]])


def run_episodes(
    scenario: Scenario,
    dataset: Dataset,
    seed: int,
    actions: Any,
    options: dict[str, Any] | None = None,
) -> Episodes:
    """Run the first steps of episodes with these actions (T, n, K)."""
    env = EVChargingVectorEnv(actions.shape[1], scenario, dataset=dataset)
    observation, info = env.reset(seed=seed, options=options)
    observations, infos, rewards = [observation], [info], []
    for action in actions:
        observation, reward, _, _, info = env.step(action)
        observations.append(observation)
        infos.append(info)
        rewards.append(reward)
    return Episodes(env, np.array(observations), infos, np.array(rewards))


def run_case(scenario: Scenario, name: str, seed: int) -> Episodes:
    """Run whole episodes on a named series with actions drawn from the seed."""
    actions = random_actions(scenario, seed, scenario.horizon_steps)
    return run_episodes(scenario, SERIES[name], seed, actions)


def cases(**fixed: Any) -> st.SearchStrategy[tuple[Scenario, str, int]]:
    """What `run_case` takes: a scenario, the name of a series, and a seed."""
    return st.tuples(households(**fixed), st.sampled_from(sorted(SERIES)), SEEDS)
