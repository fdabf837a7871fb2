"""The lower bound and the optimum at tariffs of every kind: balances, support, rules, steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.foresight import Future, foresee
from baselines.optimal import achieve
from baselines.optimum import metering, relaxation
from baselines.optimum.accounts import UNSURE
from baselines.optimum.dynamic_program import replay
from baselines.optimum.metering import meter_of
from baselines.optimum.peak_calendar import Rises, hull_of
from baselines.optimum.policy_plans import policy_plans
from baselines.optimum.reach import reach_of
from baselines.optimum.relaxation import lower_bound
from baselines.optimum.trials import PAYS, TRIAL_DTYPE, plan_of, try_all
from baselines.policies.base import Policy
from ev_gym.env import EVChargingEnv
from ev_gym.runtime.compiling import as_records
from ev_gym.scenario import (
    Charger,
    PeakPrice,
    PeakRule,
    Price,
    Scenario,
    Share,
    Solar,
    Tariff,
    Weight,
)
from ev_gym.series.dataset import Dataset
from tests.baselines.optimum import test_bound
from tests.baselines.optimum.test_bound import DRAWN, MONEY, Followed, as_flows, costs, followed
from tests.baselines.optimum.test_hill_climber import climbed
from tests.baselines.optimum.test_overstated import Case, Patch, of_result, wanting
from tests.support.foreseen_households import (
    AT_HOME,
    CAR,
    FREE,
    HOUSE,
    ONE_HOUR,
    future_of,
    scenario,
)
from tests.support.scenario_strategies import SERIES, examples
from tests.support.tariff_strategies import any_tariffs, exact_tariffs

Drawn = tuple[Scenario, Dataset, int, dict[str, Any]]


@st.composite
def cases(draw: st.DrawFn, tariffs: Any = any_tariffs) -> Drawn:
    """As those of `test_bound`, at tariffs of every kind; half of them begin as March ends."""
    household, dataset, seed, options = draw(test_bound.cases())
    if draw(st.booleans()):
        step_min = household.time_step_min
        minute = step_min * draw(st.integers(0, 1440 // step_min - 1))
        start = datetime(dataset.start.year, 3, 31) + timedelta(minutes=minute)
        options = {**options, "start": start.isoformat()}
    tariff = draw(tariffs(household.time_step_min))
    # A balance decides what an exported kWh earns, so nothing is cut off below a price then.
    solar = household.solar
    if tariff.netting in ("hour", "month", "year"):
        solar = replace(solar, curtail_below_price=None)
    return replace(household, tariff=tariff, solar=solar), dataset, seed, options


@settings(max_examples=examples(200))
@given(cases())
def test_no_cost_is_below_the_bound(case: Drawn) -> None:
    """That of five policies, of drawn actions, and of what follows the bound's own plan."""
    cost, bound, levels = costs(*case)
    scale = 1.0 + np.abs(cost).max()
    assert bound.cost <= cost.min() + MONEY * scale
    assert levels.cost <= cost.min() + MONEY * scale
    assert bound.steps_gap >= 0.0


@settings(max_examples=examples(100))
@given(cases())
def test_every_episode_fits_into_the_relaxation(case: Drawn) -> None:
    """With an episode's flows the programme costs what it did, or less by what is relaxed."""
    episode = followed(*case)
    for row in range(DRAWN):
        assert least_of(episode, row) <= episode.cost[row] + MONEY * (1.0 + abs(episode.cost[row]))


@settings(max_examples=examples(100))
@given(cases(exact_tariffs))
def test_what_is_claimed_to_be_exact_is(case: Drawn) -> None:
    """With an episode's flows the programme costs what it did: no term is forgotten.

    Where no price rises within a period of peaks, nor a spread changes where a balance is netted.
    """
    household, dataset, seed, options = case
    plain = test_bound.plain(household)
    # Overload beside sun that is cut off is relaxed.
    tariff = replace(plain.tariff, overload_price_per_kwh=0.0)
    sunny = replace(plain, tariff=tariff, solar=household.solar)
    episode = followed(sunny, dataset, seed, options)
    for row in range(DRAWN):
        scale = 1.0 + abs(episode.cost[row])
        assert least_of(episode, row) == pytest.approx(episode.cost[row], abs=1e-3 * scale)


def least_of(episode: test_bound.Episode, row: int) -> float:
    """What the programme makes of an episode's flows."""
    program = mock.Mock(return_value=Followed(*as_flows(episode, row)))
    with mock.patch.object(relaxation, "Program", program):
        return lower_bound(episode.future).cost


@settings(max_examples=examples(40))
@given(cases())
def test_the_optimum_is_between_the_bound_and_the_rules(case: Drawn) -> None:
    """And no climber gets below the bound from any of four plans."""
    household, dataset, seed, options = case
    bound, found = climbed(case, 30)
    scale = 1.0 + max(map(abs, found))
    assert bound <= min(found) + MONEY * scale
    env = EVChargingEnv(household, dataset=dataset)
    env.reset(seed=seed, options=options)
    future = foresee(env.simulator)
    rules = [replay(future, plan).cost for plan in policy_plans(future)]
    assert found[0] <= min(rules) + 1e-9 * scale


def unsure_steps(future: Future) -> int:
    """In how many steps it is not sure on which side of 0 the account is."""
    account = meter_of(future, reach_of(future)).account
    return 0 if account is None else int((account.side == UNSURE).sum())


# --- by hand ---

# 6.9 kWh in the only hour, with a house that takes 1 kWh: its mean is 7.9 kW.
DEAR_ELSEWHERE = replace(FREE, public_price_per_kwh=100.0)


def with_rules(*rules: PeakRule, step_min: int = 60) -> Scenario:
    tariff = replace(DEAR_ELSEWHERE, peaks=rules)
    return scenario(
        vehicles=(wanting(6.9),), driving=ONE_HOUR, tariff=tariff, time_step_min=step_min
    )


def line(per_kw: float, **rule: Any) -> PeakRule:
    return PeakRule(**{"count": 1, "prices": (PeakPrice(per_kw=per_kw),), **rule})


def steps(*prices: float, limits_kw: tuple[float, ...], **rule: Any) -> PeakRule:
    price = PeakPrice(steps_kw=limits_kw, steps_price=prices)
    return PeakRule(**{"count": 1, "prices": (price,), **rule})


ALWAYS_ON = dict.fromkeys(range(4), 1.0)
HALF = Weight(factor=0.5, from_time="00:15", to_time="00:45")
# Half of the hour counts half: 7.9 kW come to 5.925; in later hours the house alone has 1 kW.
WEIGHTED = 10.0 * (5.925 - 1.0)


@pytest.mark.parametrize(
    ("rules", "step_min", "power_cost"),
    [
        ((line(10.0), line(3.0)), 60, 13.0 * 6.9),
        ((line(10.0), line(3.0, count=2, interval_min=15)), 15, 10.0 * 6.9 + 3.0 * 6.9 / 2),
        ((line(10.0, interval_min=30),), 15, 10.0 * 6.9),
        ((line(10.0, count=10, different_days=False, interval_min=30),), 15, 10.0 * 2 * 6.9 / 10),
        ((line(10.0, over="year"),), 60, 10.0 * 6.9),
        ((line(10.0, floor_kw=2.5),), 60, 10.0 * (7.9 - 2.5)),
        ((line(10.0, weights=(HALF,)),), 15, WEIGHTED),
        ((steps(5.0, 20.0, 50.0, limits_kw=(0.0, 5.0, 10.0)),), 60, 15.0),
        ((steps(5.0, 20.0, 50.0, limits_kw=(0.0, 5.0, 7.0)),), 60, 45.0),
        ((steps(5.0, 20.0, 50.0, limits_kw=(0.0, 5.0, 7.0), floor_kw=6.0),), 60, 30.0),
        ((steps(5.0, 20.0, limits_kw=(0.0, 8.0)), line(1.0)), 60, 6.9),
    ],
)
def test_rules_by_hand(rules: tuple[PeakRule, ...], step_min: int, power_cost: float) -> None:
    """The car charges all the hour, as elsewhere a kWh costs 100: the bound is what it pays."""
    future = future_of(with_rules(*rules, step_min=step_min), [0.8])
    actions = np.zeros((future.steps, 1), np.float32)
    actions[: 60 // step_min] = 1.0
    paid = replay(future, actions).cost
    assert paid == pytest.approx(power_cost)
    bound = lower_bound(future)
    # A hull ends in the largest mean there can be, which is widened by so much for rounding.
    assert bound.cost == pytest.approx(paid, abs=1e-3)
    assert bound.steps_gap == pytest.approx(0.0, abs=1e-3)
    assert achieve_of(future) == pytest.approx(paid)


@pytest.mark.parametrize(
    ("shares", "power_cost"),
    [
        # Both days' peaks at the price of their day.
        ((0.25, 0.0), (12.5 + 10.0) / 2 * 6.9),
        # Of a price that rises the least so far counts: 1.25 / 2 of each kW less than is paid.
        ((0.0, 0.25), (10.0 + 10.0) / 2 * 6.9),
    ],
)
def test_a_price_that_changes_within_a_month(
    shares: tuple[float, float], power_cost: float
) -> None:
    """VAT changes on the tenth. On two days the car takes 6.9 kWh in an hour, as it must."""
    vat = (Share(share=shares[0]), Share(share=shares[1], valid_from="2024-01-10"))
    case = with_rules(line(10.0, count=2))
    case = replace(
        case,
        tariff=replace(case.tariff, vat=vat, energy=(Price(),)),
        driving=replace(ONE_HOUR, trip_kwh=6.9),
        days=2,
    )
    future = future_of(case, [0.8], 1.0, "2024-01-09")
    actions = np.zeros((future.steps, 1), np.float32)
    actions[[0, 24]] = 1.0
    paid = (10.0 * (1.0 + shares[0]) + 10.0 * (1.0 + shares[1])) / 2 * 6.9
    assert replay(future, actions).cost == pytest.approx(paid)
    assert lower_bound(future).cost == pytest.approx(power_cost, abs=1e-5)


def achieve_of(future: Future) -> float:
    return achieve(future, lower_bound(future)).cost


GIVING = scenario(
    charger=Charger(bidirectional=True),
    vehicles=(replace(CAR, wanted_soc=0.0, limit_soc=0.5),),
    driving=replace(AT_HOME, start_soc=0.5),
)


def test_the_gap_of_a_hull_is_said() -> None:
    """6.9 kWh in two hours: whatever is done the mean passes 2 kW, which costs 10.

    The hull between 1 kW and 7.9 kW is 0 up to 2 kW, and reaches 10 in the end: at the least peak,
    1 + 6.9 / 2 kW, it is only a part of that. By brute force no plan costs less than 10.
    """
    tariff = replace(DEAR_ELSEWHERE, peaks=(steps(0.0, 10.0, limits_kw=(0.0, 2.0)),))
    car = wanting(6.9)
    case = scenario(
        vehicles=(car,), driving=replace(ONE_HOUR, departure_h=2.0), tariff=tariff, days=1
    )
    future = future_of(case, [0.8])
    bound = lower_bound(future)
    hull = 10.0 * (1.0 + 6.9 / 2 - 2.0) / (7.9 - 2.0)
    assert bound.cost == pytest.approx(hull, abs=1e-4)
    assert bound.steps_gap == pytest.approx(10.0 - hull, abs=1e-4)
    shares = np.arange(0, 11) / 10
    least = np.inf
    for one in shares:
        for other in shares:
            actions = np.zeros((future.steps, 1), np.float32)
            actions[:2, 0] = one, other
            least = min(least, replay(future, actions).cost)
    assert least == pytest.approx(10.0)
    assert bound.cost + bound.steps_gap == pytest.approx(least, abs=1e-4)


@given(
    st.lists(st.tuples(st.floats(0.1, 9.0), st.floats(0.0, 50.0)), min_size=1, max_size=5),
    st.floats(0.0, 4.0),
    st.floats(0.01, 8.0),
)
def test_the_hull_is_the_largest_convex_function_below_the_steps(
    rises: list[tuple[float, float]], low_kw: float, width_kw: float
) -> None:
    """By brute force: the least of all chords between points of the steps, on both sides."""
    limits, money = zip(
        *sorted({round(limit, 2): rise for limit, rise in rises}.items()), strict=True
    )
    charge = Rises(np.array(limits), np.array(money))
    high_kw = low_kw + width_kw
    hull = hull_of(charge, low_kw, high_kw)
    grid = np.linspace(low_kw, high_kw, 41)
    inside = [limit - 2e-9 for limit in limits if low_kw < limit - 2e-9 <= high_kw]
    points = np.sort(np.append(grid, inside))
    values = np.array([charge.up_to(point) for point in points])
    for point in grid[1:-1]:
        left, right = points <= point, points >= point
        x, y = points[left, None], values[left, None]
        run = points[right] - x
        share = np.divide(point - x, run, out=np.zeros_like(run), where=run > 0.0)
        chords = y + share * (values[right] - y)
        assert hull.value(point) == pytest.approx(chords.min(), abs=1e-6 * (1.0 + values.max()))


# Prices fall at noon of the fifteenth, and the house has imported 336 kWh in the month.
FIFTEENTH, HOURS = "2024-01-15", 14 * 24
FALLS = [1.0] * (HOURS + 12) + [0.4]


def netted(netting: str, **parts: Any) -> Scenario:
    """The car may give 15 kWh at 1.0 and take them back at 0.4; what is exported earns 0.1."""
    tariff = replace(FREE, export=(Price(per_kwh=0.1),), netting=netting)
    return replace(GIVING, tariff=tariff, **parts)


def supported(limit_kwh: float) -> Scenario:
    """6.9 kWh in an hour, of which 0.3 of 0.8 a kWh are paid up to a month's limit."""
    tariff = replace(DEAR_ELSEWHERE, credits=(Price(per_kwh=-0.3),), credits_up_to_kwh=limit_kwh)
    return scenario(vehicles=(wanting(6.9),), driving=ONE_HOUR, tariff=tariff)


GIVES = {0: -1.0, 1: -1.0, 2: -1.0}
# A quarter-hour of full power is what the house takes in an hour.
QUARTERS = {4 * hour: -1.0 for hour in range(9)}
BY_HAND: dict[str, tuple[Case, float, int]] = {
    # The balance is above 0 all day: all that is given earns 1.0.
    "month": (Case(netted("month"), FALLS, [GIVES], 1.0, FIFTEENTH), 15.0 * (0.4 - 1.0), 0),
    "year": (Case(netted("year"), FALLS, [GIVES], 1.0, FIFTEENTH), 15.0 * (0.4 - 1.0), 0),
    "hour": (
        Case(netted("hour", time_step_min=15), FALLS, [QUARTERS], 1.725, FIFTEENTH),
        15.0 * (0.4 - 1.0),
        96,
    ),
    # The month begins: what is given at once is more than the house has used, and at the month's
    # end so far, the day's, it has used more. After 16 hours even 15 kWh do not change that.
    "month's begin": (
        Case(netted("month"), [1.0] * 24, [{0: -1.0}], 1.0, "2024-01-01"),
        0.0,
        16,
    ),
    # Of the month's import house and car reach the limit with 3 kWh of the hour, and the house
    # alone three hours later.
    "limit": (Case(supported(340.0), [0.8], [{0: 1.0}], 1.0, FIFTEENTH), 6.9 * 0.3, 4),
    "limit passed": (Case(supported(300.0), [0.8], [{0: 1.0}], 1.0, FIFTEENTH), 6.9 * 0.3, 0),
    "limit not reached": (Case(supported(400.0), [0.8], [{0: 1.0}], 1.0, FIFTEENTH), 0.0, 0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_accounts_by_hand(name: str) -> None:
    """The bound is what a plan pays, which is known; so it is exact."""
    case, cost, unsure = BY_HAND[name]
    future = case.future()
    assert unsure_steps(future) == unsure
    assert case.paid(future) == pytest.approx(cost, abs=1e-6)
    assert lower_bound(future).cost == pytest.approx(cost, abs=1e-5)


def of_account(**factors: float) -> Patch:
    """Overstate what the account holds, or how much dearer it makes a kWh."""

    def change(account: Any) -> Any:
        return account._replace(
            **{name: getattr(account, name) * share for name, share in factors.items()}
        )

    return of_result(metering, "account_of", change)


OVERSTATED: dict[str, tuple[str, Patch]] = {
    "spread above 0": ("month", of_account(spread=1.01)),
    "spread, not sure": ("hour", of_account(spread=1.01)),
    "spread beyond the limit": ("limit", of_account(spread=1.01)),
    "where the month began": ("limit", of_account(begins_kwh=0.9)),
}


@pytest.mark.parametrize("piece", OVERSTATED)
def test_a_little_more_is_too_much(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, overstate = OVERSTATED[piece]
    case, cost, _ = BY_HAND[name]
    future = case.future()
    overstate(monkeypatch)
    assert lower_bound(future).cost > cost + 1e-3


# --- plans ---


def lying_car(tariff: Tariff, *, gives: bool) -> Scenario:
    """A car that is always at home, with so large a battery that nothing limits it for days."""
    car = replace(
        CAR, battery_kwh=500.0, wanted_soc=0.0, limit_soc=1.0, floor_soc=0.0, ac_max_kw=11.0
    )
    return Scenario(
        name="lying",
        household=replace(HOUSE, annual_kwh=None),
        solar=Solar(peak_kw=8.0),
        charger=Charger(bidirectional=gives, load_management=False),
        vehicles=(car,),
        driving=replace(AT_HOME, start_soc=0.5),
        tariff=tariff,
        time_step_min=15,
        start_hour=0,
        days=6,
    )


@settings(max_examples=examples(60))
@given(any_tariffs(15), st.booleans(), st.integers(0, 2**32))
def test_what_a_change_leaves_is_priced_as_it_comes(tariff: Tariff, gives: bool, seed: int) -> None:
    """Of two settings of a day that are exchanged the rest of the episode differs in bills only.

    So what the change costs up to the day's end, with the peaks and accounts that it leaves, is
    what it costs in all, over the month's end that follows.
    """
    env = EVChargingEnv(lying_car(tariff, gives=gives), dataset=SERIES["hourly"])
    env.reset(seed=0, options={"start": "2023-03-28"})
    future, generator = foresee(env.simulator), np.random.default_rng(seed)
    levels = Policy(future.world.scenario).levels
    actions = generator.choice(levels[0], (future.steps, 1)).astype(np.float32)
    plan = plan_of(future, replay(future, actions), levels)
    for _ in range(6):
        before = plan.actions.copy()
        one, other = generator.choice(96, 2, replace=False)
        trial = as_records(np.zeros(1, TRIAL_DTYPE))
        trial["length"], trial["other_length"] = 1, 1
        trial["step"], trial["other_step"] = one, other
        trial["level"], trial["other_level"] = before[other, 0], before[one, 0]
        try_all(plan, trial, 96, np.zeros((1, 2)), 10**9, np.zeros((1, 1)))
        after = before.copy()
        after[[one, other]] = before[[other, one]]
        costs = [replay(future, tried).cost for tried in (before, after)]
        if not np.isnan(trial["cost"][0]):
            scale = 1.0 + max(map(abs, costs))
            assert trial["cost"][0] == pytest.approx(costs[1] - costs[0], abs=1e-7 * scale)
        assert trial["kept"][0] == (costs[1] < costs[0] - PAYS) or abs(costs[1] - costs[0]) < 1e-6
