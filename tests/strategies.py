"""Hypothesis strategies: random valid scenarios on small series, and what an episode of one shows.

The series are two weeks long and hold a change to summer time, negative prices, and base loads up
to beyond most of the connections drawn, so an example costs milliseconds and meets the rare cases.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ev_gym.compiling import INTERPRETED
from ev_gym.dataset import Dataset
from ev_gym.env import EVChargingEnv
from ev_gym.fields import REWARD_TERMS
from ev_gym.scenario import (
    Charger,
    Driving,
    Household,
    RewardWeights,
    Scenario,
    Tariff,
    Vehicle,
)

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
    )


SERIES = {
    "hourly": series(60),
    "quarters": series(15),
    "constant": series(60, constant=True),
    "autumn": series(60, start=AUTUMN),
}


def examples(count: int) -> int:
    """Number of examples to try; fewer where the compiled code runs interpreted."""
    return max(3, count // 8) if INTERPRETED else count


@st.composite
def vehicles(draw: st.DrawFn) -> Vehicle:
    """A car that any of the chargers below can charge."""
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
def chargers(draw: st.DrawFn, load_management: bool | None = None, phases: int = 3) -> Charger:
    """A charger in amperes or with power levels, on at most as many phases as the house has."""
    levels = ((0.0, 7.4), (0.0, 3.7, 11.0), (0.0, 1.4, 4.0, 7.4, 22.0))
    if load_management is None:
        load_management = draw(st.booleans())
    levels_kw = draw(st.one_of(st.none(), st.sampled_from(levels)))
    return Charger(
        phases=draw(st.sampled_from((1, phases))),
        max_current_a=draw(st.integers(6, 32)) if levels_kw is None else 16,
        levels_kw=levels_kw,
        load_management=load_management,
    )


def drivings() -> st.SearchStrategy[Driving]:
    """Drawn routines, or one pattern every day; hours down to the minute."""
    hour = st.integers(0, 24 * 60).map(lambda minute: minute / 60)
    daily = st.builds(
        Driving,
        pattern=st.just("daily"),
        arrival_h=hour,
        departure_h=hour,
        trip_kwh=st.floats(0.0, 60.0),
        start_soc=st.floats(0.0, 1.0),
    )
    return st.one_of(st.just(Driving()), daily)


def tariffs() -> st.SearchStrategy[Tariff]:
    """Flat transfer, or one with high hours; prices that differ from each other."""
    prices = {
        "vat": st.sampled_from((0.0, 0.25)),
        "public_price_per_kwh": st.sampled_from((0.0, 5.0)),
        "overload_price_per_kwh": st.sampled_from((0.0, 10.0)),
    }
    high = {"transfer_high_per_kwh": st.just(0.67), "high_months": st.just((3, 4))}
    return st.one_of(st.builds(Tariff, **prices), st.builds(Tariff, **prices, **high))


WEIGHTS = st.one_of(
    st.just(RewardWeights()),
    st.builds(RewardWeights, *(st.sampled_from((0.0, 0.5, 1.0, 3.0)) for _ in REWARD_TERMS)),
)


@st.composite
def scenarios(draw: st.DrawFn, **fixed: Any) -> Scenario:
    """A scenario of some days; `fixed` sets fields instead of drawing them."""
    step_min = draw(st.sampled_from((1, 5, 15, 30, 60)))
    fuse_a = st.sampled_from((6.0, 10.0, 16.0, 25.0, 63.0))
    household = draw(
        st.builds(
            Household,
            fuse_a=fuse_a,
            phases=st.sampled_from((1, 3)),
            annual_kwh=st.sampled_from((None, 12_000.0)),
        )
    )
    drawn = {
        "name": "drawn",
        "household": household,
        "charger": draw(chargers(phases=household.phases)),
        "vehicles": tuple(draw(st.lists(vehicles(), min_size=1, max_size=3))),
        "driving": draw(drivings()),
        "tariff": draw(tariffs()),
        "reward_weights": draw(WEIGHTS),
        "time_step_min": step_min,
        "start_hour": draw(st.integers(0, 23)),
        # A day has 1440 or 288 of the short steps; of the long ones several days are lived.
        "days": 1 if step_min < 15 else draw(st.integers(2, 6)),
        "price_window_h": draw(st.sampled_from((1, 36, 48))),
    }
    return Scenario(**{**drawn, **fixed})


SEEDS = st.integers(0, 2**63)


def some_actions(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Actions for steps, rows and cars: a quarter of them 0, a quarter 1, the others any number."""
    generator = np.random.default_rng(seed)
    actions = generator.random(shape, np.float32)
    kind = generator.integers(4, size=shape)
    actions[kind == 0] = 0.0
    actions[kind == 1] = 1.0
    return actions


class Life(NamedTuple):
    """An episode of T steps and K cars; before a step, after it, or of it.

    Attributes:
        env: The env, at its horizon.
        observations: (T + 1, D), of the reset and after each step.
        infos: One for each step.
        before_kwh: (T, K) energy in the batteries before each step.
        rewards: (T,).
        truncated: (T,).
    """

    env: EVChargingEnv
    observations: NDArray[np.float32]
    infos: list[dict[str, Any]]
    before_kwh: NDArray[np.float64]
    rewards: NDArray[np.float64]
    truncated: NDArray[np.bool_]

    def of(self, name: str) -> NDArray[Any]:
        """A field of the infos: (T,), or (T, K) of the vehicles."""
        return np.array([info[name] for info in self.infos])

    def term(self, name: str) -> NDArray[np.float64]:
        """A term of the reward, (T,)."""
        return np.array([info["reward_terms"][name] for info in self.infos])


def lived(scenario: Scenario, name: str, seed: int, actions: Any = None) -> Life:
    """Live one episode on a named series; `actions` (T, K) are by default drawn from the seed."""
    env = EVChargingEnv(scenario, dataset=SERIES[name])
    if actions is None:
        actions = some_actions(seed, (scenario.horizon_steps, len(scenario.vehicles)))
    observation, info = env.reset(seed=seed)
    observations, infos, rewards, over = [observation], [info], [], []
    for action in actions:
        observation, reward, _, truncated, info = env.step(action)
        observations.append(observation)
        infos.append(info)
        rewards.append(reward)
        over.append(truncated)
    before_kwh = np.array([info["energy_kwh"] for info in infos[:-1]])
    return Life(
        env, np.array(observations), infos[1:], before_kwh, np.array(rewards), np.array(over)
    )


def cases(**fixed: Any) -> st.SearchStrategy[tuple[Scenario, str, int]]:
    """What `lived` takes: a scenario, the name of a series, and a seed."""
    return st.tuples(scenarios(**fixed), st.sampled_from(("hourly", "quarters")), SEEDS)
