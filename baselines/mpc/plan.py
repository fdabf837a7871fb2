"""The plan of `mpc`: a small linear programme over the hours until departure.

Over the hours h (the rest of the running one, then whole ones) and the plugged-in cars k, with AC
energies c of charging and g of discharging, energies e in the batteries, imports i, exports x,
daily excesses z over the peaks of the rules r of the power charge, m missing at departure and f
left over then (all kWh, z in kW), it minimises

    sum_h (p_h i_h - q_h x_h)  +  sum_r,d a_r z_rd  +  sum_k (P m_k - w f_k)
    +  sum_s (p_s - p_h) (c_ks - g_ks)  +  wear

subject to

    e_kh = e_k,h-1 + alpha c_kh - beta g_kh,      e_k,last + m_k - f_k = wanted_k
    i_h - x_h = load_h - sun_h + sum_k (c_kh - g_kh)
    sum_k c_kh <= min(limit_h - load_h + sun_h, dimmed_h)
    factor_rh (imported so far + i_h) <= peak_r + z_r,day(h)

- Where prices change within the hour, c_kh and g_kh are the sums over its slots s, each limited by
  what the slot can take, and the last term is what their prices differ from the hour's mean. Power
  charge, house and battery count by the hour.
- limit: the lower of connection and contracted power; dimmed: what all cars together may draw. A
  car that this leaves less than its 6 A is not charged then. Both are known by the clock
  (`policies.known_limits`), as means of the slots.
- p and q: the prices of imported and exported energy; where an export earns more than an import
  costs, it is taken to earn as much, since no meter counts both at once. P: the public charger's.
  a: of a kW above the peak, times the chance that the house alone will not set it (`own_peaks`):
  z is cut into pieces; the higher a piece, the more a kW of it costs. Where a single peak counts,
  or several may be of one day, one z stands for all days.
- A rule of quarter- or half-hours has the same rows by the hour where an hour is one slot, since
  the load is known by the hour and energy is spread evenly (`follow` keeps its intervals); and rows
  for each slot where an hour is cut into slots, or by a departure, so that a cheap one or a short
  one is not planned to take what its intervals cannot.
- Steps of a power charge are no line. Two programmes are solved, one that stays on the step that is
  kept (`peak_rule`) and one that pays the next one and may use it; the cheaper plan is taken.
- An interval of a step or two cannot be shared by charging and a pause: where what its peak leaves
  is less than 6 A, no car is planned to charge. So more programmes are solved, each of which pays
  for a higher peak at once: one with which 6 A fit beside the least, the middle or the highest of
  the expected loads. Without them plans counted on powers that no car can be set to: with quarter-
  hours at 48 a kW a month of `stockholm` cost 387 instead of 293.
- alpha and beta: energy into and out of the battery for an AC kWh at full power; at less power it
  is some per cent worse, which the plan of the next hour makes up for.
- A car charges or discharges with at least a kW, the power of 6 A. Where the sun leaves s < a over,
  only s / a of what is charged comes from it; where the house takes l < a, only l / a of what is
  discharged stays there.
- What is left over at departure saves the next stay from buying it: w is what a stored kWh has been
  worth (see `mpc`), of the first ones more, as a reserve (`reserve`), and no more than P. The price
  of m and the worth of f make the terminal value, a concave function of the energy, so the
  programme stays linear.
- A stop at a public charger costs a fixed amount, which no linear programme knows. Where a stored
  kWh is worth more than the public charger takes for it, two are solved: in one P holds the stop
  shared out to STOP_KWH, in the other nothing of it; of their plans the one is taken that is
  cheaper with the stop as it is.
- Wear. Charging a kWh with power c costs POWER_WEAR c of capacity, cut at the least power and
  between it and the most; holding one for an hour HOLDING_WEAR; taking one out TAKEN_WEAR.
- A car that stays beyond the last hour need hold there only what it cannot charge later.

Not in it: whole amperes, the taper near full, unequally loaded lines, how wear grows with the
energy of a day and with heat or cold, energy wasted on purpose at negative prices.

A programme is solved from scratch, in some 1 ms. To begin from the basis of an earlier plan was
measured to save 10 to 25 % of that; so nothing is kept between plans, and a plan depends on the
arguments of `make_plan` alone.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

from baselines.mpc.own_peaks import PeakRaise, after
from baselines.optimum.linear_program import Program
from baselines.policies.headroom import ROUNDING_KW
from baselines.policies.known_limits import known_limits
from baselines.policies.peak_rule import known_rules
from ev_gym.drivers.calendar import WORTH_A_STOP_KWH
from ev_gym.physics.charger import FLOOR_A, LINE_KW_PER_A
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.scenario import Scenario, Vehicle
from ev_gym.scenario.charger import AtCharger, at_charger

# What a solution calls charging, but for the solver's rounding, is nothing below this.
SOLVER_ZERO_KWH = 1e-6
# To so many kWh a stop at a public charger is shared out. With 2 or 5 of them a month of
# `stockholm` costs the same within 2 %.
STOP_KWH = 3.0

# Capacity (kWh) lost for each kWh taken out of a battery: what a year of daily cycles .2-.8 costs
# more than one of .5-.8, mean of 10 and 25 deg C, over 110 batteries taken out more. From the
# remaining capacities that NREL's BLAST-Lite 1.1.1 gives for a new cell.
TAKEN_WEAR = {"nmc622": 2.8e-4, "lfp": 4.1e-5, "nca": 2.3e-5, "nmc111": 5.3e-4}

# Capacity (kWh) lost for each kWh held for an hour: what a day at a SoC of 0.8 costs more than one
# at 0.2, mean of 5, 15 and 25 deg C and of batteries of 0.5, 2 and 6 years, by the models of
# `ev_gym.physics.ageing_models`.
HOLDING_WEAR = {"nmc622": 3.9e-7, "lfp": 1.5e-6, "nca": 3.9e-6, "nmc111": 2.1e-6}

# Capacity (kWh) lost for each kWh charged, and kW with which it is. Only NMC622 ages faster so; its
# loss grows with the square of a day's energy, so this is a value found by trying on training
# worlds of `stockholm`: with two thirds of it or half as much again months cost the same.
POWER_WEAR = {"nmc622": 3e-5, "lfp": 0.0, "nca": 0.0, "nmc111": 0.0}
POWER_PIECES = 2  # from the least power to the most; with one, months cost as much


class Car(NamedTuple):
    """A car at its charger, as plans see it."""

    max_kw: float
    least_kw: float  # 6 A on the fewest phases, or the lowest level
    stored_per_kwh: float  # alpha
    taken_per_kwh: float  # beta
    limit_kwh: float
    floor_kwh: float
    taken_wear: float  # money for a kWh taken out
    holding_wear: float  # money for a kWh held for an hour
    pieces: tuple[tuple[float, float], ...]  # of the power: kW, and the wear of a kWh at it
    line_share: float  # of all lines, those that it can use


class Limits(NamedTuple):
    """What house and cars may draw, and what all cars together may."""

    in_all_kw: float
    cars_kw: float

    def headroom_kw(self, load_kw: float, pv_kw: float, export_kw: float) -> float:
        """What is left to the cars; sun that is cut off without them is no room."""
        return min(self.in_all_kw - load_kw + min(pv_kw, export_kw + load_kw), self.cars_kw)


class Site(NamedTuple):
    """What does not change: connection, cars, and the tariff's rules."""

    cars: tuple[Car, ...]
    limit_kw: float
    fuses_kw: float  # what the fuses of all lines carry; infinite without a fuse
    export_limit_kw: float
    energy_weight: float  # of the reward: money for energy counts so much in plans
    curtail_below_price: float  # of an exported kWh, weighted, below which nothing is exported
    bidirectional: bool
    produces: bool  # whether anything can be exported
    netted: bool  # whether the meter nets import and export within a step
    public_per_kwh: float  # price of a kWh at a public charger
    stop_cost: float  # of a stop there, besides its energy
    # Of each rule of the power charge: length of its intervals, whether each of several peaks is of
    # another day, and how many count, N.
    interval_h: tuple[float, ...]
    daily: tuple[bool, ...]
    peaks: tuple[int, ...]
    step_h: float  # length of a step
    limits_change: bool  # whether contracted power or dimming limit the cars at some times

    def export_kw(self, export_price_per_kwh: float) -> float:
        """What may be exported while an exported kWh earns so much, weighted."""
        return self.export_limit_kw if export_price_per_kwh >= self.curtail_below_price else 0.0

    @property
    def limits(self) -> Limits:
        """Those of the connection alone."""
        return Limits(self.limit_kw, math.inf)

    def headroom_of_kw(
        self, car: Car, limits: Limits, load_kw: float, pv_kw: float, export_kw: float
    ) -> float:
        """What a car alone may take: no more than the fuses of the lines that it can use."""
        of_fuses_kw = self.fuses_kw - load_kw + min(pv_kw, export_kw + load_kw)
        return min(limits.headroom_kw(load_kw, pv_kw, export_kw), car.line_share * of_fuses_kw)


class Stay(NamedTuple):
    """A car that is plugged in: its number, its energy, how long it stays, what it wants then."""

    k: int
    energy_kwh: float
    hours: float
    wanted_kwh: float


class Surplus(NamedTuple):
    """The next kWh beyond what is wanted, and what each is worth more than any kWh."""

    width_kwh: float
    more_per_kwh: float


class Level(NamedTuple):
    """A peak so far above the one that costs nothing, and what it adds to the power charge."""

    more_kw: float
    cost: float


class PeakOutlook(NamedTuple):
    """What is known or expected of a rule of the power charge.

    Attributes:
        factor: For each hour by how much it counts; 0: not at all.
        peak_kw: The charge grows with intervals above it, or above this end of a step.
        interval_kw: Import of the running interval so far over its length, as it counts.
        price_per_kw: Of a kW above that peak; 0 where it costs nothing.
        raises: What share of that price the kW above the peak cost, the next ones first.
        levels: Higher peaks that are tried too, paid for whether they are used or not.
    """

    factor: list[float]
    peak_kw: float
    interval_kw: float
    price_per_kw: float
    raises: list[PeakRaise]
    levels: tuple[Level, ...] = ()

    def on_level(self, number: int) -> tuple[PeakOutlook, float]:
        """The same where a level is paid, the last one beyond it, and what that costs."""
        if not self.levels:
            return self, 0.0
        level = self.levels[min(number, len(self.levels) - 1)]
        higher = self._replace(
            peak_kw=self.peak_kw + level.more_kw, raises=after(self.raises, level.more_kw)
        )
        return higher, level.cost


class Outlook(NamedTuple):
    """What is known or expected of H hours; of lists, an entry for each hour.

    Attributes:
        slots_h: Lengths of the slots of one price in the hour, together the hour, or its rest.
        slot_prices_per_kwh: Of an imported kWh in each of these slots.
        export_price_per_kwh: Of an exported kWh, the hour's mean.
        export_kw: What may be exported; 0 where sun is cut off because a kWh earns too little.
        load_kw: Mean base load.
        pv_kw: Mean power of the sun.
        day: The local day in which it lies, from 0.
        rules: Of the power charge; as many as `Site` has.
        worth_per_kwh: Of a kWh in a battery beyond what is wanted.
        reserves: For each stay, of which kWh beyond it is worth more.
        limits: Of each slot of the hour; None: those of the connection alone.
    """

    slots_h: list[list[float]]
    slot_prices_per_kwh: list[list[float]]
    export_price_per_kwh: list[float]
    export_kw: list[float]
    load_kw: list[float]
    pv_kw: list[float]
    day: list[int]
    rules: list[PeakOutlook]
    worth_per_kwh: float
    reserves: list[list[Surplus]]
    limits: list[list[Limits]] | None = None

    def hour_h(self, h: int) -> float:
        """Length of an hour, of the running one what is left."""
        return math.fsum(self.slots_h[h])

    def price_per_kwh(self, h: int) -> float:
        """Of an imported kWh, the hour's mean."""
        costs = map(operator.mul, self.slots_h[h], self.slot_prices_per_kwh[h])
        return math.fsum(costs) / self.hour_h(h)


class Plan(NamedTuple):
    """What the running hour is to bring; of lists, an entry for each stay.

    Attributes:
        energy_kwh: What the battery is to hold at the end of each of its slots.
        charges_later: Whether the plan charges after each of these slots too.
        value_per_kwh: What another kWh in the battery would have been worth now.
        peak_kw: For each rule of the power charge the peak that the hour's intervals are planned to
            reach at most, as it counts, though a higher one may cost nothing; inf where peaks cost
            nothing.
    """

    energy_kwh: list[list[float]]
    charges_later: list[list[bool]]
    value_per_kwh: list[float]
    peak_kw: list[float]


def site_of(scenario: Scenario) -> Site:
    """What the plans of a scenario need of it."""
    house, tariff = scenario.household, scenario.tariff
    rules = known_rules(tariff)
    export_limit_kw = house.export_limit_kw
    curtail_below, weight = scenario.solar.curtail_below_price, scenario.reward_weights.energy
    return Site(
        cars=tuple(
            _car(scenario, car, at_charger(car, scenario.charger)) for car in scenario.vehicles
        ),
        limit_kw=house.limit_kw,
        fuses_kw=house.fuses_kw,
        export_limit_kw=house.limit_kw if export_limit_kw is None else export_limit_kw,
        energy_weight=weight,
        curtail_below_price=-math.inf if curtail_below is None else weight * curtail_below,
        bidirectional=scenario.charger.bidirectional,
        produces=scenario.has_sun or scenario.charger.bidirectional,
        netted=tariff.netting != "none",
        public_per_kwh=scenario.reward_weights.missing * tariff.public_energy_price,
        stop_cost=scenario.reward_weights.missing * tariff.public_stop_price,
        interval_h=tuple(known.rule.interval_min / HOUR_MIN for known in rules),
        daily=tuple(known.daily for known in rules),
        peaks=tuple(known.rule.count for known in rules),
        step_h=scenario.step_h,
        limits_change=known_limits(scenario) is not None,
    )


def _car(scenario: Scenario, car: Vehicle, limit: AtCharger) -> Car:
    least_kw = FLOOR_A * (LINE_KW_PER_A if limit.one_phase_a else limit.kw_per_a)
    if scenario.charger.levels_kw is not None:
        least_kw = scenario.charger.levels_kw[1]
    house, aux = scenario.household, car.aux_kw / limit.max_kw
    price = scenario.reward_weights.wear * car.wear_price_in(scenario.currency)
    taken, holding, power = (
        price * of_chemistry.get(car.chemistry or "", 0.0)
        for of_chemistry in (TAKEN_WEAR, HOLDING_WEAR, POWER_WEAR)
    )
    least_kw = min(least_kw, limit.max_kw)
    return Car(
        max_kw=limit.max_kw,
        least_kw=least_kw,
        stored_per_kwh=car.eta - aux,
        taken_per_kwh=(1.0 + aux) / car.eta,
        limit_kwh=car.limit_soc * car.battery_kwh,
        floor_kwh=car.floor_soc * car.battery_kwh,
        taken_wear=taken,
        holding_wear=holding,
        pieces=_pieces(least_kw, limit.max_kw, power),
        line_share=limit.phases / house.phases,
    )


def _pieces(least_kw: float, max_kw: float, wear: float) -> tuple[tuple[float, float], ...]:
    """Pieces of a car's power, and what a kWh at each wears off, if `wear` is that of a kWh and kW.

    It is what the square of the power grows by, for a kW of the piece.
    """
    if wear == 0.0:
        return ((max_kw, 0.0),)
    found, low_kw = [], 0.0
    for piece in range(POWER_PIECES + 1):
        high_kw = least_kw + (max_kw - least_kw) * piece / POWER_PIECES
        found.append((high_kw - low_kw, wear * (low_kw + high_kw)))
        low_kw = high_kw
    return tuple(found)


class _HourColumns(NamedTuple):
    """Columns of one car in one hour.

    Attributes:
        car: The car.
        charge: For each of the hour's slots those that charge, slow ones first.
        discharge: For each slot; empty where the car cannot be discharged.
        present_h: For each slot how long the car is at the charger.
        energy: What the battery holds at the hour's end.
    """

    car: Car
    charge: list[list[int]]
    discharge: list[int]
    present_h: list[float]
    energy: int

    def charging(self) -> list[int]:
        """All columns that charge it."""
        return [column for of_slot in self.charge for column in of_slot]


def make_plan(site: Site, outlook: Outlook, stays: list[Stay]) -> Plan:
    """The cheapest plan for the plugged-in cars, at least one; see the docstring of the module."""
    plan, bill = _plan_with_stops(site, outlook, stays)
    for number in range(max((len(rule.levels) for rule in outlook.rules), default=0)):
        rules, costs = zip(*(rule.on_level(number) for rule in outlook.rules), strict=True)
        higher = outlook._replace(rules=list(rules))
        other, other_bill = _plan_with_stops(site, higher, stays)
        if other_bill + math.fsum(costs) < bill:
            plan, bill = other, other_bill + math.fsum(costs)
    return plan


def _plan_with_stops(site: Site, outlook: Outlook, stays: list[Stay]) -> tuple[Plan, float]:
    """The cheapest plan and its bill, the levels of a power charge being given."""
    plan, bill = _plan(site, outlook, stays, site.stop_cost / STOP_KWH)
    if max(plan.value_per_kwh) > site.public_per_kwh and site.stop_cost > 0.0:
        other, other_bill = _plan(site, outlook, stays, 0.0)
        if other_bill < bill:
            return other, other_bill
    return plan, bill


Excess = list[dict[int, list[int]]]  # of each rule the columns that raise its peak, by day


def _excess_columns(program: Program, site: Site, outlook: Outlook) -> Excess:
    """The columns by which days exceed the peaks; none where a rule's peaks cost nothing."""
    found: Excess = []
    for rule, daily, count in zip(outlook.rules, site.daily, site.peaks, strict=True):
        # Where the N peaks may share a day, one excess stands for all of them, and costs N times.
        days = sorted(set(outlook.day)) if daily else [0]
        price = rule.price_per_kw * (1 if daily else count)
        columns = {
            day: [program.column(price * share, upper=width) for width, share in rule.raises]
            for day in days
            if price > 0.0
        }
        found.append(columns)
    return found


def _plan(
    site: Site, outlook: Outlook, stays: list[Stay], stop_per_kwh: float
) -> tuple[Plan, float]:
    """The cheapest plan where each missing kWh bears so much of a stop, and its bill with stops."""
    program = Program()
    excess = _excess_columns(program, site, outlook)
    prices_per_kwh = [outlook.price_per_kwh(h) for h in range(len(outlook.slots_h))]
    columns = [_stay_columns(program, site, outlook, prices_per_kwh, stay) for stay in stays]
    missing_per_kwh = site.public_per_kwh + stop_per_kwh
    batteries = [
        _battery(program, outlook, stay, reserve, of_stay, missing_per_kwh)
        for stay, reserve, of_stay in zip(stays, outlook.reserves, columns, strict=True)
    ]
    for h, price_per_kwh in enumerate(prices_per_kwh):
        in_hour = [of_stay[h] for of_stay in columns if h < len(of_stay)]
        imports, base_kwh = _meter(program, site, outlook, h, price_per_kwh, in_hour)
        for r, rule in enumerate(outlook.rules):
            columns_of = excess[r].get(outlook.day[h] if site.daily[r] else 0, [])
            if columns_of and rule.factor[h] > 0.0:
                _keep_peak(program, site, outlook, h, r, imports, base_kwh, columns_of)
                _keep_slots(program, site, outlook, h, r, in_hour, columns_of)
    values, row_prices = program.solve()
    missing_kwh = [values[battery.missing] for battery in batteries]
    stops = sum(kwh > WORTH_A_STOP_KWH for kwh in missing_kwh)
    bill = math.fsum(map(operator.mul, program.cost, values))
    bill += stops * site.stop_cost - stop_per_kwh * math.fsum(missing_kwh)
    plan = Plan(
        energy_kwh=[
            _energies(stay, of_stay[0], values)
            for stay, of_stay in zip(stays, columns, strict=True)
        ],
        charges_later=[_charges_later(of_stay, values) for of_stay in columns],
        value_per_kwh=[-row_prices[battery.first_row] for battery in batteries],
        peak_kw=[
            rule.peak_kw + math.fsum(values[column] for column in columns_of.get(0, []))
            if columns_of
            else math.inf
            for rule, columns_of in zip(outlook.rules, excess, strict=True)
        ],
    )
    return plan, bill


def _energies(stay: Stay, first: _HourColumns, values: list[float]) -> list[float]:
    """What a battery holds at the end of each slot of the running hour."""
    energy_kwh, energies_kwh = stay.energy_kwh, []
    for slot, charge in enumerate(first.charge):
        energy_kwh += first.car.stored_per_kwh * math.fsum(values[column] for column in charge)
        if first.discharge:
            energy_kwh -= first.car.taken_per_kwh * values[first.discharge[slot]]
        energies_kwh.append(energy_kwh)
    return energies_kwh


def _charges_later(columns: list[_HourColumns], values: list[float]) -> list[bool]:
    """For each slot of the running hour, whether a stay is charged after it."""
    later_kwh = math.fsum(values[column] for hour in columns[1:] for column in hour.charging())
    found = []
    for charge in reversed(columns[0].charge):
        found.append(later_kwh > SOLVER_ZERO_KWH)
        later_kwh += math.fsum(values[column] for column in charge)
    return found[::-1]


def _stay_columns(
    program: Program, site: Site, outlook: Outlook, prices_per_kwh: list[float], stay: Stay
) -> list[_HourColumns]:
    """The columns of a stay, hour by hour until it ends."""
    car, left_h = site.cars[stay.k], stay.hours
    lowest_kwh = min(car.floor_kwh, stay.energy_kwh) if site.bidirectional else 0.0
    highest_kwh = max(car.limit_kwh, stay.energy_kwh)
    columns: list[_HourColumns] = []
    for h, price_per_kwh in enumerate(prices_per_kwh):
        if left_h <= 0.0 and columns:
            break
        load_kw, pv_kw, export_kw = outlook.load_kw[h], outlook.pv_kw[h], outlook.export_kw[h]
        reaches_least = _reaches_least(site, outlook, car, h)
        slots = zip(outlook.slots_h[h], outlook.slot_prices_per_kwh[h], strict=True)
        charge, discharge, present_h = [], [], []
        for slot, (slot_h, slot_price) in enumerate(slots):
            limits = site.limits if outlook.limits is None else outlook.limits[h][slot]
            headroom_kw = site.headroom_of_kw(car, limits, load_kw, pv_kw, export_kw)
            most_kw = max(0.0, min(car.max_kw, headroom_kw))
            if not reaches_least or limits.cars_kw < car.least_kw - ROUNDING_KW:
                most_kw = 0.0
            at_charger_h, dearer = max(0.0, min(slot_h, left_h)), slot_price - price_per_kwh
            present_h.append(at_charger_h)
            charge.append(_charge_columns(program, car, most_kw, at_charger_h, dearer))
            if site.bidirectional:
                cost = car.taken_wear * car.taken_per_kwh - dearer
                discharge.append(program.column(cost, upper=car.max_kw * at_charger_h))
            left_h -= slot_h
        holding = car.holding_wear * outlook.hour_h(h)
        energy = program.column(holding, lowest_kwh, highest_kwh)
        columns.append(_HourColumns(car, charge, discharge, present_h, energy))
    return columns


def _reaches_least(site: Site, outlook: Outlook, car: Car, h: int) -> bool:
    """Whether an hour's short intervals leave a car the least that it takes in one of their steps.

    In an interval of a single step, or two, no pause makes up for it.
    """
    net_kw = outlook.load_kw[h] - (outlook.pv_kw[h] if site.netted else 0.0)
    for rule, interval_h in zip(outlook.rules, site.interval_h, strict=True):
        factor = rule.factor[h]
        if interval_h < 1.0 and rule.price_per_kw > 0.0 and factor > 0.0:
            least_kw = car.least_kw * site.step_h / interval_h
            if rule.peak_kw / factor - net_kw < least_kw - ROUNDING_KW:
                return False
    return True


def _charge_columns(
    program: Program, car: Car, most_kw: float, long_h: float, price_per_kwh: float
) -> list[int]:
    """Columns that charge a car in a slot, each for the power above the one before."""
    found, left_kw = [], most_kw
    for width_kw, wear_per_kwh in car.pieces:
        upper_kwh = min(width_kw, left_kw) * long_h
        found.append(program.column(price_per_kwh + wear_per_kwh, upper=upper_kwh))
        left_kw -= width_kw
        if left_kw <= 0.0:
            break
    return found


class _BatteryParts(NamedTuple):
    """The number of a battery's first row, and of the column of what misses at departure."""

    first_row: int
    missing: int


def _battery(
    program: Program,
    outlook: Outlook,
    stay: Stay,
    reserve: list[Surplus],
    columns: list[_HourColumns],
    missing_per_kwh: float,
) -> _BatteryParts:
    """The rows of a battery, and what its energy at departure is worth."""
    car, rows, before = columns[0].car, [], -1
    for hour in columns:
        entries = [(hour.energy, 1.0)]
        entries += [(charge, -car.stored_per_kwh) for charge in hour.charging()]
        entries += [(discharge, car.taken_per_kwh) for discharge in hour.discharge]
        start_kwh = stay.energy_kwh if before < 0 else 0.0
        if before >= 0:
            entries.append((before, -1.0))
        rows.append(program.row(start_kwh, entries, start_kwh))
        before = hour.energy
    after_h = max(0.0, stay.hours - math.fsum(map(outlook.hour_h, range(len(outlook.slots_h)))))
    wanted_kwh = stay.wanted_kwh - after_h * car.max_kw * car.stored_per_kwh
    missing = program.column(missing_per_kwh)
    entries = [(before, 1.0), (missing, 1.0)]
    # No more than fits in: where a kWh is worth what a missing one costs, a solver would buy and
    # sell without end.
    room_kwh = max(0.0, max(car.limit_kwh, stay.energy_kwh) - wanted_kwh)
    for width_kwh, more_per_kwh in [*reserve, Surplus(room_kwh, 0.0)]:
        worth_per_kwh = min(outlook.worth_per_kwh + more_per_kwh, missing_per_kwh)
        entries.append((program.column(-worth_per_kwh, upper=width_kwh), -1.0))
    program.row(wanted_kwh, entries, wanted_kwh)
    return _BatteryParts(rows[0], missing)


def _meter(
    program: Program,
    site: Site,
    outlook: Outlook,
    h: int,
    price_per_kwh: float,
    in_hour: list[_HourColumns],
) -> tuple[list[tuple[int, float]], float]:
    """The rows of an hour: connection and meter; entries of what is imported, and what besides."""
    hour_h, load_kw, pv_kw = outlook.hour_h(h), outlook.load_kw[h], outlook.pv_kw[h]
    charged = [(charge, 1.0) for car in in_hour for charge in car.charging()]
    if len(in_hour) > 1:
        for slot, slot_h in enumerate(outlook.slots_h[h]):
            limits = site.limits if outlook.limits is None else outlook.limits[h][slot]
            headroom_kw = limits.headroom_kw(load_kw, pv_kw, outlook.export_kw[h])
            headroom_kwh = max(0.0, headroom_kw) * slot_h
            entries = [(charge, 1.0) for car in in_hour for charge in car.charge[slot]]
            program.row(-math.inf, entries, headroom_kwh)
    if site.produces and site.netted:
        imports = _netted(program, site, outlook, h, price_per_kwh, in_hour)
        base_kwh = 0.0
    else:
        imports, base_kwh = charged, load_kw * hour_h
        for column, _ in charged:
            program.cost[column] += price_per_kwh
        for car in in_hour:
            for column in car.discharge:
                program.cost[column] -= outlook.export_price_per_kwh[h]
    return imports, base_kwh


def _keep_peak(
    program: Program,
    site: Site,
    outlook: Outlook,
    h: int,
    r: int,
    imports: list[tuple[int, float]],
    base_kwh: float,
    excess: list[int],
) -> None:
    """The row by which an hour keeps the peak of a rule, but for its columns `excess`."""
    rule, interval_h = outlook.rules[r], site.interval_h[r]
    # Energy that shorter intervals have taken so far is in `follow` alone: it says little of those
    # to come in the hour.
    so_far_kw = rule.interval_kw if h == 0 and interval_h == 1.0 else 0.0
    # Of an hour what is left, in which shorter intervals may reach the peak as before.
    long_h = 1.0 if interval_h == 1.0 else outlook.hour_h(h)
    most_kwh = long_h * (rule.peak_kw - so_far_kw) / rule.factor[h] - base_kwh
    raised = [(column, -long_h / rule.factor[h]) for column in excess]
    program.row(-math.inf, [*imports, *raised], most_kwh)


def _keep_slots(
    program: Program,
    site: Site,
    outlook: Outlook,
    h: int,
    r: int,
    in_hour: list[_HourColumns],
    excess: list[int],
) -> None:
    """The rows by which the slots of an hour keep the peak of a rule of shorter intervals.

    In what a departure leaves of a slot cars charge no faster than before.
    """
    rule, lengths_h = outlook.rules[r], outlook.slots_h[h]
    if site.interval_h[r] == 1.0:
        return
    net_kw = outlook.load_kw[h] - (outlook.pv_kw[h] if site.netted else 0.0)
    for slot, slot_h in enumerate(lengths_h):
        long_h = max((car.present_h[slot] for car in in_hour), default=0.0)
        if len(lengths_h) == 1 and long_h == slot_h:
            continue  # what the hour keeps
        entries = [(charge, 1.0) for car in in_hour for charge in car.charge[slot]]
        if site.netted:
            entries += [(car.discharge[slot], -1.0) for car in in_hour if car.discharge]
        entries += [(column, -long_h / rule.factor[h]) for column in excess]
        program.row(-math.inf, entries, long_h * (rule.peak_kw / rule.factor[h] - net_kw))


def _netted(
    program: Program,
    site: Site,
    outlook: Outlook,
    h: int,
    price: float,
    in_hour: list[_HourColumns],
) -> list[tuple[int, float]]:
    """A meter that nets within a step: its columns and row; the entries of what is imported."""
    net_kw, hour_h = outlook.load_kw[h] - outlook.pv_kw[h], outlook.hour_h(h)
    export_price, export_kw = min(price, outlook.export_price_per_kwh[h]), outlook.export_kw[h]
    if export_kw == 0.0:
        export_price = 0.0  # what would be sold is cut off, and costs nothing
    bought = program.column(price)
    # Sun beyond the export limit is cut off; that this is a loss, the plan does not see.
    sold = program.column(-export_price, upper=max(export_kw, -net_kw) * hour_h)
    balance, imports = [(bought, 1.0), (sold, -1.0)], [(bought, 1.0)]
    for of_car in in_hour:
        car, discharge = of_car.car, of_car.discharge
        from_sun = min(1.0, -net_kw / car.least_kw) if net_kw < 0.0 else 1.0
        for column in of_car.charging():
            balance.append((column, -from_sun))
            if from_sun < 1.0:
                program.cost[column] += (1.0 - from_sun) * price
                imports.append((column, 1.0 - from_sun))
        at_home = min(1.0, net_kw / car.least_kw) if net_kw > 0.0 else 1.0
        for column in discharge:
            balance.append((column, at_home))
            program.cost[column] -= (1.0 - at_home) * export_price
    program.row(net_kw * hour_h, balance, net_kw * hour_h)
    return imports
