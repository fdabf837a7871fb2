"""What changes of a plan cost, found by the compiled dynamics from the first changed step on.

A `Plan` holds the household's records before every step, and what every step costs. So a change is
tried from its first step, and followed until the household is as it was without the change, or to
the end: that is its real price, and only a change that really saves is kept.

To the end it is up to a month, for a battery that ages is never as it was. So a change can be
looked at first up to the end of a window only. What differs there is priced: energy by what some
more or less of it costs the plan from there on, which is tried as well (`Trial.probe_kwh`); peaks
of the power charge, and the accounts of `ev_gym.physics.accounts`, by going through the later hours
with them. That leaves out what a car's energy changes beyond its price, and decides only what is
followed to the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.optimum.dynamic_program import Run
from ev_gym.physics import accounts, power_charge
from ev_gym.physics.power_charge import PowerTables
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import as_records, compiled, compiled_apart
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.runtime.records import (
    HouseholdState,
    Record,
    Records,
    Settings,
    StepResult,
    VehicleResult,
    VehicleState,
)
from ev_gym.simulation.state_fields import STEP_DTYPE, VEHICLE_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.simulation.step import read_series, step_household
from ev_gym.world.tables import Tables

SAME = 1e-11  # states closer than this, in kWh or kW or as a share, are equal
PAYS = 1e-7  # money: what saves less is rounding
LESS, MORE = 0, 1  # columns of the prices of energy
IN_WINDOW, TO_END, KEEP = 0, 1, 2  # stages of a trial

# A change of a plan: in each half, so many steps of a car from one on get the setting so many above
# their own (`by`) or, where that is 0, a level. Where the car is away nothing changes; a half of 0
# steps is none. With `probe_kwh` it is a look at what so much more energy would cost from there on.
HALVES = (
    ("step", "length", "car", "by", "level"),
    ("other_step", "other_length", "other_car", "other_by", "other_level"),
)
TRIAL_DTYPE = np.dtype(
    [
        *((name, "f4" if name.endswith("level") else "i8") for half in HALVES for name in half),
        ("probe_kwh", "f8"),
        ("cost", "f8"),
        ("kept", "i8"),
    ],
    align=True,
)


class Trial(Record):
    """A change to try: `TRIAL_DTYPE`."""


class Plan(NamedTuple):
    """A plan of T steps and K cars that is being changed; for compiled code, which writes it.

    Attributes:
        tables: Of the real world.
        levels: (K, L) each car's settings as actions, rising.
        level_count: (K,) how many it has.
        actions: (T, K) fractions of each car's maximum current.
        households: (T + 1,) the household's record before each step and at the end.
        vehicles: (T + 1, K) the cars' records at the same times.
        cost: (T,) what each step costs; of the last one, less the settlement.
        interval_kw: (T, R) what each peak rule's running interval counts at each step's end.
        net_kwh: (T,) import less export at the meter.
        simulated: (1,) steps simulated so far.
        household: (1,) a record on which changes are tried.
        cars: (K,) likewise.
        fractions: (K,) likewise, the actions of a step.
        result: (1,) likewise.
        results: (K,) likewise.
        later: (2,) likewise: the household with and without a change.
        before: (2, T) actions before a change, in each of its halves.
    """

    tables: Tables
    levels: NDArray[np.float32]
    level_count: Ints
    actions: NDArray[np.float32]
    households: Records[HouseholdState]
    vehicles: Records[Records[VehicleState]]
    cost: Floats
    interval_kw: Floats
    net_kwh: Floats
    simulated: Ints
    household: Records[HouseholdState]
    cars: Records[VehicleState]
    fractions: NDArray[np.float32]
    result: Records[StepResult]
    results: Records[VehicleResult]
    later: Records[HouseholdState]
    before: NDArray[np.float32]


def plan_of(future: Future, run: Run, levels: Sequence[NDArray[np.float32]]) -> Plan:
    """A copy of a run's plan, to be changed; with each car's settings as actions, rising."""
    steps, cars = run.actions.shape
    most = max(map(len, levels))
    plan = Plan(
        future.world.tables,
        np.stack([np.pad(of_car, (0, most - len(of_car))) for of_car in levels]),
        np.array([len(of_car) for of_car in levels]),
        run.actions.copy(),
        as_records(run.households.copy()),
        as_records(run.vehicles.copy()),
        np.full(steps, math.inf),
        np.zeros((steps, run.households["interval_kw"].shape[1])),
        np.zeros(steps),
        np.zeros(1, np.int64),
        as_records(np.zeros(1, run.households.dtype)),
        as_records(np.zeros(cars, VEHICLE_DTYPE)),
        np.zeros(cars, np.float32),
        as_records(np.zeros(1, STEP_DTYPE)),
        as_records(np.zeros(cars, VEHICLE_STEP_DTYPE)),
        as_records(np.zeros(2, run.households.dtype)),
        np.zeros((2, steps), np.float32),
    )
    # What it costs is found by keeping the change of its first action to itself: so far that counts
    # as infinitely much.
    itself = as_records(np.zeros(1, TRIAL_DTYPE))
    itself["length"], itself["level"] = 1, plan.actions[0, 0]
    try_all(plan, itself, steps, np.zeros((cars, 2)), 1, np.zeros((1, cars)))
    plan.simulated[0] = 0
    return plan


@compiled
def _differ(one: float, other: float) -> bool:
    return abs(one - other) > SAME


@compiled
def _same_peaks(one: HouseholdState, other: HouseholdState) -> bool:
    """Whether both have the same power charge to come, if they use the same."""
    for rule in range(one.peaks_kw.shape[0]):
        if _differ(one.interval_kw[rule], other.interval_kw[rule]):
            return False
        for place in range(one.peaks_kw.shape[1]):
            if _differ(one.peaks_kw[rule, place], other.peaks_kw[rule, place]):
                return False
    return True


@compiled
def _same_accounts(one: HouseholdState, other: HouseholdState) -> bool:
    """Whether both have the same accounts."""
    balance_differs = _differ(one.balance_kwh, other.balance_kwh)
    return not (balance_differs or _differ(one.month_kwh, other.month_kwh))


@compiled
def _same_car(one: VehicleState, other: VehicleState, ageing: int) -> bool:
    """Whether both cars do the same from here on, if the same is asked of them."""
    if _differ(one.energy_kwh, other.energy_kwh):
        return False
    charger_differs = (
        one.phases != other.phases
        or one.held_until_min != other.held_until_min
        or one.pause_h != other.pause_h
        or (one.current_a != 0.0) != (other.current_a != 0.0)
    )
    if charger_differs:
        return False
    return ageing == 0 or not (
        _differ(one.pack_c, other.pack_c)
        or _differ(one.calendar_loss, other.calendar_loss)
        or _differ(one.cycle_loss, other.cycle_loss)
        or _differ(one.swing, other.swing)
        or _differ(one.soc_low, other.soc_low)
        or _differ(one.soc_high, other.soc_high)
        or _differ(one.rise, other.rise)
        or _differ(one.rise_rate, other.rise_rate)
        or _differ(one.stress_a, other.stress_a)
        or _differ(one.stress_b, other.stress_b)
    )


@compiled
def _same(plan: Plan, step: int) -> bool:
    """Whether the household on trial is as it was before a step without the change."""
    ageing = plan.tables.settings[0].ageing
    for k in range(plan.cars.shape[0]):
        if not _same_car(plan.cars[k], plan.vehicles[step][k], ageing):
            return False
    one, other = plan.household[0], plan.households[step]
    return _same_accounts(one, other) and _same_peaks(one, other)


@compiled
def _follow(plan: Plan, first: int, until: int, changed_to: int, accepted: bool) -> float:
    """Take the steps from `first` to `until` with the plan's actions; what they cost more.

    Args:
        plan: Its records to try on hold the state before the first step.
        first: The first step.
        until: The first that is not taken.
        changed_to: The last step with another action; after it nothing may differ any more, where
            nothing is left to follow.
        accepted: Whether the plan is to hold what comes out; then all steps are taken.
    """
    household, cars, fractions = plan.household[0], plan.cars, plan.fractions
    more = 0.0
    for step in range(first, until):
        for k in range(cars.shape[0]):
            fractions[k] = plan.actions[step, k]
        cost = -step_household(
            household, cars, plan.tables, fractions, plan.result[0], plan.results
        )
        if accepted:
            plan.net_kwh[step] = plan.result[0].grid_kw * plan.tables.settings[0].step_h
            for rule in range(plan.interval_kw.shape[1]):
                plan.interval_kw[step, rule] = household.interval_kw[rule]
        read_series(household, plan.tables)
        if step + 1 == plan.cost.shape[0]:
            cost -= household.settlement
        more += cost - plan.cost[step]
        plan.simulated[0] += 1
        if accepted:
            plan.cost[step] = cost
            plan.households[step + 1] = household
            for k in range(cars.shape[0]):
                plan.vehicles[step + 1][k] = cars[k]
        elif step >= changed_to and _same(plan, step + 1):
            break
    return float(more)


@compiled
def _interval_cost(
    household: HouseholdState, power: PowerTables, rule: int, more_kw: float
) -> float:
    """What a peak rule grows by in the rest of a time in which its interval counts `more_kw`."""
    peaks_kw, interval_kw = household.peaks_kw, household.interval_kw
    lowest_kw = peaks_kw[rule, power_charge.LOWEST]
    before_kw = max(lowest_kw, interval_kw[rule])
    interval_kw[rule] += more_kw
    after_kw = max(lowest_kw, interval_kw[rule])
    return power_charge.grown_cost(
        peaks_kw, rule, power.rules, power, household.power_class, before_kw, after_kw
    )


@compiled
def _later_power(plan: Plan, step: int) -> float:
    """What the power charge costs more from a step on, as the household on trial comes to it.

    Gone through by the shortest interval of all rules; the others are as long, or twice or four
    times.
    """
    tables, settings = plan.tables, plan.tables.settings[0]
    if settings.power_charge == 0:
        return 0.0
    plan.later[0], plan.later[1] = plan.households[step], plan.household[0]
    one, other, rules = plan.later[0], plan.later[1], tables.power.rules
    more, steps, shortest_min = 0.0, plan.cost.shape[0], HOUR_MIN
    for rule in range(rules.shape[0]):
        shortest_min = min(shortest_min, rules[rule].interval_min)
    while step < steps and not _same_peaks(one, other):
        left_min = shortest_min - plan.households[step].place_min % shortest_min
        last = step + left_min // settings.step_min - 1
        if last >= steps:
            last = steps - 1
        one.power_class = plan.households[step].power_class
        other.power_class = one.power_class
        for rule in range(rules.shape[0]):
            more_kw = plan.interval_kw[last, rule] - one.interval_kw[rule]
            more += _interval_cost(other, tables.power, rule, more_kw)
            more -= _interval_cost(one, tables.power, rule, more_kw)
        step = last + 1
        minute = plan.households[step].place_min
        opens = power_charge.opens_at(tables.hours, minute)
        power_charge.open_intervals(one.peaks_kw, one.interval_kw, rules, minute, opens)
        power_charge.open_intervals(other.peaks_kw, other.interval_kw, rules, minute, opens)
        plan.simulated[0] += 1
    return float(settings.power_weight * more)


@compiled
def _later_accounts(plan: Plan, step: int) -> float:
    """What the accounts make dearer from a step on, as the household on trial comes to it."""
    tables, settings = plan.tables, plan.tables.settings[0]
    if settings.accounts == 0:
        return 0.0
    plan.later[0], plan.later[1] = plan.households[step], plan.household[0]
    one, other = plan.later[0], plan.later[1]
    more, steps = 0.0, plan.cost.shape[0]
    while step < steps and not _same_accounts(one, other):
        now = plan.households[step]
        more += _account_cost(other, now, settings, plan.net_kwh[step])
        more -= _account_cost(one, now, settings, plan.net_kwh[step])
        step += 1
        minute = plan.households[step].place_min
        if minute % HOUR_MIN == 0:
            opens = power_charge.opens_at(tables.hours, minute)
            accounts.open_accounts(one, settings, opens)
            accounts.open_accounts(other, settings, opens)
            plan.simulated[0] += 1
    return float(settings.energy_weight * more)


@compiled
def _account_cost(
    household: HouseholdState, now: HouseholdState, settings: Settings, net_kwh: float
) -> float:
    """What a step costs a household's accounts, which grow, at the prices of another's record."""
    cost, price, export_price = 0.0, now.price_per_kwh, now.export_price_per_kwh
    if settings.balance_opens >= 0:
        cost = accounts.netted_cost(household.balance_kwh, net_kwh, price, export_price)
        household.balance_kwh += net_kwh
    if settings.credit_limit_kwh > 0.0:
        import_kwh, limit_kwh = max(0.0, net_kwh), settings.credit_limit_kwh
        beyond_kwh = accounts.beyond_kwh(household.month_kwh, import_kwh, limit_kwh)
        cost -= now.credit_per_kwh * beyond_kwh
        household.month_kwh += import_kwh
    return cost


@compiled
def priced(change_kwh: float, prices: Floats) -> float:
    """What a change of a car's energy costs at its prices (2,)."""
    return float(change_kwh * (prices[LESS] if change_kwh < 0.0 else prices[MORE]))


@compiled
def _at_end(plan: Plan, end: int, prices: Floats, changes_kwh: Floats) -> tuple[float, float]:
    """What a change leaves at a window's end: in peaks and accounts; in energy, written too."""
    if plan.household[0].steps < plan.households[end].steps:  # all the same before
        return 0.0, 0.0
    in_energy = 0.0
    for k in range(plan.cars.shape[0]):
        changes_kwh[k] = plan.cars[k].energy_kwh - plan.vehicles[end][k].energy_kwh
        in_energy += priced(changes_kwh[k], prices[k])
    return _later_power(plan, end) + _later_accounts(plan, end), in_energy


@compiled
def _shifted(plan: Plan, car: int, action: float, by: int) -> float:
    """A car's setting so many above the one nearest to an action; its lowest or highest at most."""
    levels, near = plan.levels[car], 0
    for place in range(1, plan.level_count[car]):
        if abs(levels[place] - action) < abs(levels[near] - action):
            near = place
    return float(levels[max(0, min(plan.level_count[car] - 1, near + by))])


@compiled
def _change(
    plan: Plan, step: int, length: int, car: int, by: int, level: float, before: NDArray[np.float32]
) -> bool:
    """Change one half of a trial in the actions, noting those before; whether any differs."""
    differs = False
    for place in range(length):
        was = plan.actions[step + place, car]
        before[place] = was
        if plan.vehicles[step + place][car].plugged != 0:
            to = level if by == 0 else _shifted(plan, car, was, by)
            plan.actions[step + place, car] = to
            differs |= plan.actions[step + place, car] != was
    return differs


@compiled
def _change_back(plan: Plan, step: int, length: int, car: int, before: NDArray[np.float32]) -> None:
    for place in range(length):
        plan.actions[step + place, car] = before[place]


@compiled_apart
def try_all(
    plan: Plan, trials: Records[Trial], end: int, prices: Floats, most: int, changes_kwh: Floats
) -> int:
    """Try changes one after the other, and keep each that really saves.

    Args:
        plan: The plan.
        trials: The changes; what each costs up to the window's end, with what it leaves in peaks
            and accounts, is written, NaN where it was not tried, and whether it is kept.
        end: Step before which the window ends.
        prices: (K, 2) of energy there.
        most: No change is tried any more once so many steps have been simulated.
        changes_kwh: (trials, K) zeros; by how much the energy differs at the window's end, written.

    Returns:
        How many are kept.
    """
    steps, kept = plan.cost.shape[0], 0
    for place in range(trials.shape[0]):
        trial = trials[place]
        first, last = trial.step, trial.step + trial.length - 1
        if trial.other_length > 0:
            first = min(first, trial.other_step)
            last = max(last, trial.other_step + trial.other_length - 1)
        trial.cost, trial.kept = math.nan, 0
        differs = _change(
            plan, trial.step, trial.length, trial.car, trial.by, trial.level, plan.before[0]
        )
        differs |= _change(
            plan,
            trial.other_step,
            trial.other_length,
            trial.other_car,
            trial.other_by,
            trial.other_level,
            plan.before[1],
        )
        going_on = plan.simulated[0] < most and (
            differs or trial.probe_kwh != 0.0 or math.isinf(plan.cost[0])
        )
        stage = IN_WINDOW if end < steps else TO_END
        while going_on:
            plan.household[0] = plan.households[first]
            for k in range(plan.cars.shape[0]):
                plan.cars[k] = plan.vehicles[first][k]
            plan.cars[trial.car].energy_kwh += trial.probe_kwh
            until = end if stage == IN_WINDOW else steps
            more, in_energy = _follow(plan, first, until, last, stage == KEEP), 0.0
            if stage == IN_WINDOW:
                in_bills, in_energy = _at_end(plan, end, prices, changes_kwh[place])
                more += in_bills
            if math.isnan(trial.cost):
                trial.cost = more
            if stage == KEEP:
                trial.kept = 1
            saves = more + in_energy < -PAYS and trial.probe_kwh == 0.0
            going_on = saves and stage != KEEP
            stage += 1
        if trial.kept == 0:
            other = trial.other_step, trial.other_length, trial.other_car
            _change_back(plan, other[0], other[1], other[2], plan.before[1])
            _change_back(plan, trial.step, trial.length, trial.car, plan.before[0])
        kept += trial.kept
    return kept
