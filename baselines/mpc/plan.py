"""The plan of `mpc`: a small linear programme over the hours until departure.

Over the hours h (the rest of the running one, then whole ones) and the plugged-in cars k, with AC
energies c of charging and g of discharging, energies e in the batteries, imports i, exports x,
daily excesses z over the peak, m missing at departure and f left over then (all kWh, z in kW), it
minimises

    sum_h (p_h i_h - q_h x_h)  +  r sum_d z_d  +  sum_k (P m_k - w f_k + wear * beta sum_h g_kh)
    +  sum_s (p_s - p_h) (c_ks - g_ks)

subject to

    e_kh = e_k,h-1 + alpha c_kh - beta g_kh,      e_k,last + m_k - f_k = wanted_k
    i_h - x_h = load_h - sun_h + sum_k (c_kh - g_kh),     sum_k c_kh <= limit - load_h + sun_h
    factor_h (imported so far + i_h) <= peak + z_day(h)

- Where prices change within the hour, c_kh and g_kh are the sums over its slots s, each limited by
  what the slot can take, and the last term is what their prices differ from the hour's mean. Power
  charge, house and battery count by the hour.
- p and q: the prices of imported and exported energy. r: of a kW above the peak, P: the public
  charger's. alpha and beta: energy into and out of the battery for an AC kWh at full power; at less
  power it is some per cent worse, which the plan of the next hour makes up for.
- A car charges or discharges with at least a kW, the power of 6 A. Where the sun leaves s < a over,
  only s / a of what is charged comes from it; where the house takes l < a, only l / a of what is
  discharged stays there.
- What is left over at departure saves the next stay from buying it: w is what a stored kWh has been
  worth (see `mpc`), and no more than P. The price of m and the worth of f make the terminal value,
  a concave function of the energy, so the programme stays linear.
- A car that stays beyond the last hour need hold there only what it cannot charge later.

Not in it: whole amperes, the taper near full, unequally loaded lines, ageing by anything but what
is taken out, energy wasted on purpose at negative prices.

The programme is solved from scratch each time, in 0.1 to 1 ms. To begin from the basis of an
earlier plan was measured to save 10 to 25 % of that; so nothing is kept between plans, and a plan
depends on the arguments of `make_plan` alone.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

from baselines.optimum.linear_program import Program
from ev_gym.physics.charger import FLOOR_A, LINE_KW_PER_A
from ev_gym.scenario import Scenario, Vehicle
from ev_gym.scenario.charger import AtCharger, at_charger

# What a solution calls charging, but for the solver's rounding, is nothing below this.
SOLVER_ZERO_KWH = 1e-6
# A linear programme knows no fixed cost: a stop at a public charger is shared out to so many kWh.
# With 2 or 5 of them a month of `stockholm` costs the same within 2 %.
STOP_KWH = 3.0

# Capacity (kWh) lost for each kWh taken out of a battery: what a year of daily cycles .2-.8 costs
# more than one of .5-.8, mean of 10 and 25 deg C, over 110 batteries taken out more. From the
# remaining capacities that NREL's BLAST-Lite 1.1.1 gives for a new cell.
WEAR_KWH_PER_KWH = {"nmc622": 2.8e-4, "lfp": 4.1e-5, "nca": 2.3e-5, "nmc111": 5.3e-4}


class Car(NamedTuple):
    """A car at its charger, as plans see it."""

    max_kw: float
    least_kw: float  # 6 A on the fewest phases, or the lowest level
    stored_per_kwh: float  # alpha
    taken_per_kwh: float  # beta
    limit_kwh: float
    floor_kwh: float
    wear_per_kwh: float  # money for a kWh taken out
    line_share: float  # of the connection: the lines that it can use


class Site(NamedTuple):
    """What does not change: connection, cars, and the tariff's rules."""

    cars: tuple[Car, ...]
    limit_kw: float
    export_limit_kw: float
    bidirectional: bool
    produces: bool  # whether anything can be exported
    netted: bool  # whether the meter nets import and export within a step
    public_per_kwh: float  # price of a kWh at a public charger, with its share of a stop
    stop_cost: float  # of a stop there, besides its energy
    different_days: bool  # whether each peak is of another day
    peaks: int  # how many count in the power charge, N

    def headroom_kw(self, load_kw: float, pv_kw: float) -> float:
        """What the connection leaves to the cars; sun that is cut off without them is no room."""
        return self.limit_kw - load_kw + min(pv_kw, self.export_limit_kw + load_kw)


class Stay(NamedTuple):
    """A car that is plugged in: its number, its energy, how long it stays, what it wants then."""

    k: int
    energy_kwh: float
    hours: float
    wanted_kwh: float


class Outlook(NamedTuple):
    """What is known or expected of H hours; of lists, an entry for each hour.

    Attributes:
        slots_h: Lengths of the slots of one price in the hour, together the hour, or its rest.
        slot_prices_per_kwh: Of an imported kWh in each of these slots.
        export_price_per_kwh: Of an exported kWh, the hour's mean.
        load_kw: Mean base load.
        pv_kw: Mean power of the sun.
        hour_factor: By which the hour counts in the power charge; 0: not at all.
        day: The local day in which it lies, from 0.
        peak_kw: The power charge grows with hours above it.
        hour_kwh: Import of the running hour so far, as it counts.
        power_price_per_kw: Of a kW above that peak; 0 without a power charge.
        worth_per_kwh: Of a kWh in a battery beyond what is wanted.
    """

    slots_h: list[list[float]]
    slot_prices_per_kwh: list[list[float]]
    export_price_per_kwh: list[float]
    load_kw: list[float]
    pv_kw: list[float]
    hour_factor: list[float]
    day: list[int]
    peak_kw: float
    hour_kwh: float
    power_price_per_kw: float
    worth_per_kwh: float

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
        peak_kw: Power-charge peak that the hour may reach, as it counts.
    """

    energy_kwh: list[list[float]]
    charges_later: list[list[bool]]
    value_per_kwh: list[float]
    peak_kw: float


def site_of(scenario: Scenario) -> Site:
    """What the plans of a scenario need of it."""
    house, tariff = scenario.household, scenario.tariff
    export_limit_kw = house.export_limit_kw
    return Site(
        cars=tuple(
            _car(scenario, car, at_charger(car, scenario.charger)) for car in scenario.vehicles
        ),
        limit_kw=house.limit_kw,
        export_limit_kw=house.limit_kw if export_limit_kw is None else export_limit_kw,
        bidirectional=scenario.charger.bidirectional,
        produces=scenario.solar.peak_kw > 0.0 or scenario.charger.bidirectional,
        netted=tariff.netting == "step",
        public_per_kwh=scenario.reward_weights.missing
        * (tariff.public_price_per_kwh + tariff.public_stop_cost / STOP_KWH),
        stop_cost=scenario.reward_weights.missing * tariff.public_stop_cost,
        different_days=tariff.power_different_days,
        peaks=tariff.power_days,
    )


def _car(scenario: Scenario, car: Vehicle, limit: AtCharger) -> Car:
    least_kw = FLOOR_A * (LINE_KW_PER_A if limit.one_phase_a else limit.kw_per_a)
    if scenario.charger.levels_kw is not None:
        least_kw = scenario.charger.levels_kw[1]
    house, aux = scenario.household, car.aux_kw / limit.max_kw
    wear = WEAR_KWH_PER_KWH[car.chemistry] if car.chemistry is not None else 0.0
    return Car(
        max_kw=limit.max_kw,
        least_kw=min(least_kw, limit.max_kw),
        stored_per_kwh=car.eta - aux,
        taken_per_kwh=(1.0 + aux) / car.eta,
        limit_kwh=car.limit_soc * car.battery_kwh,
        floor_kwh=car.floor_soc * car.battery_kwh,
        wear_per_kwh=scenario.reward_weights.wear * car.wear_price_per_kwh * wear,
        line_share=1.0 if house.connection_kw is not None else limit.phases / house.phases,
    )


class _HourColumns(NamedTuple):
    """Columns of one car in one hour: for each of its slots, and its energy at the hour's end.

    `discharge` is empty where it cannot be discharged.
    """

    car: Car
    charge: list[int]
    discharge: list[int]
    energy: int


def make_plan(site: Site, outlook: Outlook, stays: list[Stay]) -> Plan:
    """The cheapest plan for the plugged-in cars, at least one; see the docstring of the module."""
    program = Program()
    # Where the N peaks may share a day, one excess stands for all of them, and costs N times.
    days = sorted(set(outlook.day)) if site.different_days else [0]
    price = outlook.power_price_per_kw * (1 if site.different_days else site.peaks)
    excess = {day: program.column(price) for day in days} if price > 0.0 else {}
    prices_per_kwh = [outlook.price_per_kwh(h) for h in range(len(outlook.slots_h))]
    columns = [_stay_columns(program, site, outlook, prices_per_kwh, stay) for stay in stays]
    first_rows = [
        _battery(program, site, outlook, stay, of_stay)
        for stay, of_stay in zip(stays, columns, strict=True)
    ]
    for h, price_per_kwh in enumerate(prices_per_kwh):
        in_hour = [of_stay[h] for of_stay in columns if h < len(of_stay)]
        peak = excess.get(outlook.day[h] if site.different_days else 0, -1)
        _meter(program, site, outlook, h, price_per_kwh, in_hour, peak)
    values, row_prices = program.solve()
    return Plan(
        energy_kwh=[
            _energies(stay, of_stay[0], values)
            for stay, of_stay in zip(stays, columns, strict=True)
        ],
        charges_later=[_charges_later(of_stay, values) for of_stay in columns],
        value_per_kwh=[-row_prices[row] for row in first_rows],
        peak_kw=outlook.peak_kw + (values[excess[0]] if excess else 0.0),
    )


def _energies(stay: Stay, first: _HourColumns, values: list[float]) -> list[float]:
    """What a battery holds at the end of each slot of the running hour."""
    energy_kwh, energies_kwh = stay.energy_kwh, []
    for slot, charge in enumerate(first.charge):
        energy_kwh += first.car.stored_per_kwh * values[charge]
        if first.discharge:
            energy_kwh -= first.car.taken_per_kwh * values[first.discharge[slot]]
        energies_kwh.append(energy_kwh)
    return energies_kwh


def _charges_later(columns: list[_HourColumns], values: list[float]) -> list[bool]:
    """For each slot of the running hour, whether a stay is charged after it."""
    later_kwh = math.fsum(values[charge] for hour in columns[1:] for charge in hour.charge)
    found = []
    for charge in reversed(columns[0].charge):
        found.append(later_kwh > SOLVER_ZERO_KWH)
        later_kwh += values[charge]
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
        headroom_kw = car.line_share * site.headroom_kw(outlook.load_kw[h], outlook.pv_kw[h])
        most_kw = max(0.0, min(car.max_kw, headroom_kw))
        slots = zip(outlook.slots_h[h], outlook.slot_prices_per_kwh[h], strict=True)
        charge, discharge = [], []
        for slot_h, slot_price in slots:
            at_charger_h, dearer = max(0.0, min(slot_h, left_h)), slot_price - price_per_kwh
            charge.append(program.column(dearer, upper=most_kw * at_charger_h))
            if site.bidirectional:
                cost = car.wear_per_kwh * car.taken_per_kwh - dearer
                discharge.append(program.column(cost, upper=car.max_kw * at_charger_h))
            left_h -= slot_h
        energy = program.column(0.0, lowest_kwh, highest_kwh)
        columns.append(_HourColumns(car, charge, discharge, energy))
    return columns


def _battery(
    program: Program, site: Site, outlook: Outlook, stay: Stay, columns: list[_HourColumns]
) -> int:
    """The rows of a battery, and what its energy at departure is worth; the first row's number."""
    car, rows, before = site.cars[stay.k], [], -1
    for hour in columns:
        entries = [(hour.energy, 1.0)]
        entries += [(charge, -car.stored_per_kwh) for charge in hour.charge]
        entries += [(discharge, car.taken_per_kwh) for discharge in hour.discharge]
        start_kwh = stay.energy_kwh if before < 0 else 0.0
        if before >= 0:
            entries.append((before, -1.0))
        rows.append(program.row(start_kwh, entries, start_kwh))
        before = hour.energy
    after_h = max(0.0, stay.hours - math.fsum(map(outlook.hour_h, range(len(outlook.slots_h)))))
    wanted_kwh = stay.wanted_kwh - after_h * car.max_kw * car.stored_per_kwh
    missing = program.column(site.public_per_kwh)
    beyond = program.column(-min(outlook.worth_per_kwh, site.public_per_kwh))
    program.row(wanted_kwh, [(before, 1.0), (missing, 1.0), (beyond, -1.0)], wanted_kwh)
    return rows[0]


def _meter(
    program: Program,
    site: Site,
    outlook: Outlook,
    h: int,
    price_per_kwh: float,
    in_hour: list[_HourColumns],
    excess: int,
) -> None:
    """The rows of an hour: connection, meter, and power charge with its column `excess` or -1."""
    hour_h, load_kw, pv_kw = outlook.hour_h(h), outlook.load_kw[h], outlook.pv_kw[h]
    charged = [(charge, 1.0) for car in in_hour for charge in car.charge]
    if len(in_hour) > 1:
        for slot, slot_h in enumerate(outlook.slots_h[h]):
            headroom_kwh = max(0.0, site.headroom_kw(load_kw, pv_kw)) * slot_h
            program.row(-math.inf, [(car.charge[slot], 1.0) for car in in_hour], headroom_kwh)
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
    factor = outlook.hour_factor[h]
    if excess >= 0 and factor > 0.0:
        so_far_kwh = outlook.hour_kwh if h == 0 else 0.0
        most_kwh = (outlook.peak_kw - so_far_kwh) / factor - base_kwh
        program.row(-math.inf, [*imports, (excess, -1.0 / factor)], most_kwh)


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
    export_price = outlook.export_price_per_kwh[h]
    bought = program.column(price)
    # Sun beyond the export limit is cut off; that this is a loss, the plan does not see.
    sold = program.column(-export_price, upper=max(site.export_limit_kw, -net_kw) * hour_h)
    balance, imports = [(bought, 1.0), (sold, -1.0)], [(bought, 1.0)]
    for car, charge, discharge, _ in in_hour:
        from_sun = min(1.0, -net_kw / car.least_kw) if net_kw < 0.0 else 1.0
        for column in charge:
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
