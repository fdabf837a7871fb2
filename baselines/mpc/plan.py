"""The plan of `mpc`: a small linear programme over the hours until departure.

Over the slots h (the rest of the running hour, then whole hours) and the plugged-in cars k, with AC
energies c drawn and g given, energies e in the batteries, imports i, exports x, daily excesses z
over the peak, m missing at departure and f left over then (all kWh, z in kW), it minimises

    sum_h (p_h i_h - q_h x_h)  +  r sum_d z_d  +  sum_k (P m_k - w f_k + wear * beta sum_h g_kh)

subject to

    e_kh = e_k,h-1 + alpha c_kh - beta g_kh,      e_k,last + m_k - f_k = wanted_k
    i_h - x_h = load_h - sun_h + sum_k (c_kh - g_kh),     sum_k c_kh <= limit - load_h + sun_h
    factor_h (imported so far + i_h) <= peak + z_day(h)

- p and q: the prices of imported and exported energy. r: of a kW above the peak, P: the public
  charger's. alpha and beta: energy into and out of the battery for an AC kWh at full power; slower
  it is some per cent less, which the plan of the next hour makes up for.
- A car draws or gives no less than 6 A, say a kW. Where the sun leaves s < a, only s / a of what is
  charged comes from it; where the house takes l < a, only l / a of what is discharged stays there.
- What is left over at departure saves the next stay from buying it: w is what a stored kWh has been
  worth (see `mpc`), and no more than P. The price of m and the worth of f make the terminal value,
  a concave function of the energy, so the programme stays linear.
- A car that stays beyond the last slot need hold there only what it cannot charge later.

Not in it: whole amperes, the taper near full, unequally loaded lines, ageing by anything but what
is taken out, energy wasted on purpose at negative prices.

The programme is solved from scratch each time, in 0.1 to 1 ms. To begin from the basis of an
earlier plan was measured to save 10 to 25 % of that; so nothing is kept between plans, and a plan
depends on the arguments of `make_plan` alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from baselines.optimum.linear_program import Program
from ev_gym.physics.charger import FLOOR_A, LINE_KW_PER_A
from ev_gym.scenario import Scenario, Vehicle
from ev_gym.scenario.charger import AtCharger, at_charger

NOTHING_KWH = 1e-6

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
    wanted_kwh: float
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
    produces: bool
    netted: bool
    public_per_kwh: float
    different_days: bool
    peaks: int


class Stay(NamedTuple):
    """A car that is plugged in: which one, its energy, and how long it stays."""

    k: int
    energy_kwh: float
    hours: float


class Outlook(NamedTuple):
    """What is known or expected of H slots.

    Attributes:
        hours: Length of each.
        price: Of an imported kWh.
        export_price: Of an exported kWh.
        load_kw: Mean base load.
        sun_kw: Mean power of the sun.
        factor: By which the hour counts in the power charge; 0: not at all.
        day: The local day in which it lies, from 0.
        peak_kw: The power charge grows with hours above it.
        hour_kwh: What the running hour has counted so far.
        power_price: Of a kW above that peak; 0 without a power charge.
        worth_per_kwh: Of a kWh in a battery beyond what is wanted.
    """

    hours: list[float]
    price: list[float]
    export_price: list[float]
    load_kw: list[float]
    sun_kw: list[float]
    factor: list[float]
    day: list[int]
    peak_kw: float
    hour_kwh: float
    power_price: float
    worth_per_kwh: float


class Plan(NamedTuple):
    """What the running hour is to bring; of lists, an entry for each stay.

    Attributes:
        energy_kwh: What the battery is to hold at its end.
        more: Whether the plan charges later too.
        value_per_kwh: What another kWh in the battery would have been worth now.
        peak_kw: What the hour may count.
    """

    energy_kwh: list[float]
    more: list[bool]
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
        public_per_kwh=scenario.reward_weights.missing * tariff.public_price_per_kwh,
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
        wanted_kwh=car.wanted_soc * car.battery_kwh,
        limit_kwh=car.limit_soc * car.battery_kwh,
        floor_kwh=car.floor_soc * car.battery_kwh,
        wear_per_kwh=scenario.reward_weights.wear * car.wear_price_per_kwh * wear,
        line_share=1.0 if house.connection_kw is not None else limit.phases / house.phases,
    )


class _Use(NamedTuple):
    """Columns of one car in one slot; `give` is -1 where it cannot."""

    car: Car
    charge: int
    give: int
    energy: int


def make_plan(site: Site, outlook: Outlook, stays: list[Stay]) -> Plan:
    """The cheapest plan for the plugged-in cars, at least one; see the docstring of the module."""
    lp = Program()
    # Where the N peaks may share a day, one excess stands for all of them, and costs N times.
    days = sorted(set(outlook.day)) if site.different_days else [0]
    price = outlook.power_price * (1 if site.different_days else site.peaks)
    excess = {day: lp.column(price) for day in days} if price > 0.0 else {}
    uses = [_uses(lp, site, outlook, stay) for stay in stays]
    first = [_battery(lp, site, outlook, stay, own) for stay, own in zip(stays, uses, strict=True)]
    for h in range(len(outlook.hours)):
        here = [own[h] for own in uses if h < len(own)]
        peak = excess.get(outlook.day[h] if site.different_days else 0, -1)
        _meter(lp, site, outlook, h, here, peak)
    value, price_of_row = lp.solve()
    return Plan(
        energy_kwh=[value[own[0].energy] for own in uses],
        more=[any(value[use.charge] > NOTHING_KWH for use in own[1:]) for own in uses],
        value_per_kwh=[-price_of_row[row] for row in first],
        peak_kw=outlook.peak_kw + (value[excess[0]] if excess else 0.0),
    )


def _uses(lp: Program, site: Site, outlook: Outlook, stay: Stay) -> list[_Use]:
    """The columns of a stay, slot by slot until it ends."""
    car, left_h = site.cars[stay.k], stay.hours
    lowest_kwh = min(car.floor_kwh, stay.energy_kwh) if site.bidirectional else 0.0
    highest_kwh = max(car.limit_kwh, stay.energy_kwh)
    uses: list[_Use] = []
    for h, slot_h in enumerate(outlook.hours):
        here_h = min(slot_h, left_h)
        if here_h <= 0.0 and uses:
            break
        room_kw = car.line_share * (site.limit_kw - outlook.load_kw[h] + outlook.sun_kw[h])
        charge = lp.column(0.0, upper=max(0.0, min(car.max_kw, room_kw)) * here_h)
        energy = lp.column(0.0, lowest_kwh, highest_kwh)
        give = -1
        if site.bidirectional:
            give = lp.column(car.wear_per_kwh * car.taken_per_kwh, upper=car.max_kw * here_h)
        uses.append(_Use(car, charge, give, energy))
        left_h -= slot_h
    return uses


def _battery(lp: Program, site: Site, outlook: Outlook, stay: Stay, uses: list[_Use]) -> int:
    """The rows of a battery, and what its energy at departure is worth; the first row's number."""
    car, rows, before = site.cars[stay.k], [], -1
    for use in uses:
        entries = [(use.energy, 1.0), (use.charge, -car.stored_per_kwh)]
        if use.give >= 0:
            entries.append((use.give, car.taken_per_kwh))
        start_kwh = stay.energy_kwh if before < 0 else 0.0
        if before >= 0:
            entries.append((before, -1.0))
        rows.append(lp.row(start_kwh, entries, start_kwh))
        before = use.energy
    after_h = max(0.0, stay.hours - math.fsum(outlook.hours))
    wanted_kwh = car.wanted_kwh - after_h * car.max_kw * car.stored_per_kwh
    missing = lp.column(site.public_per_kwh)
    beyond = lp.column(-min(outlook.worth_per_kwh, site.public_per_kwh))
    lp.row(wanted_kwh, [(before, 1.0), (missing, 1.0), (beyond, -1.0)], wanted_kwh)
    return rows[0]


def _meter(
    lp: Program, site: Site, outlook: Outlook, h: int, here: list[_Use], excess: int
) -> None:
    """The rows of a slot: connection, meter, and power charge with its column `excess` or -1."""
    slot_h, load_kw, sun_kw = outlook.hours[h], outlook.load_kw[h], outlook.sun_kw[h]
    if len(here) > 1:
        room_kwh = max(0.0, site.limit_kw - load_kw + sun_kw) * slot_h
        lp.row(-math.inf, [(use.charge, 1.0) for use in here], room_kwh)
    if site.produces and site.netted:
        imports, base_kwh = _netted(lp, site, outlook, h, here), 0.0
    else:
        imports, base_kwh = [(use.charge, 1.0) for use in here], load_kw * slot_h
        for use in here:
            lp.cost[use.charge] += outlook.price[h]
            if use.give >= 0:
                lp.cost[use.give] -= outlook.export_price[h]
    if excess >= 0 and outlook.factor[h] > 0.0:
        so_far_kwh = outlook.hour_kwh if h == 0 else 0.0
        most_kwh = (outlook.peak_kw - so_far_kwh) / outlook.factor[h] - base_kwh
        lp.row(-math.inf, [*imports, (excess, -1.0 / outlook.factor[h])], most_kwh)


def _netted(
    lp: Program, site: Site, outlook: Outlook, h: int, here: list[_Use]
) -> list[tuple[int, float]]:
    """A meter that nets within a step: its columns and row; what is imported."""
    net_kw, slot_h = outlook.load_kw[h] - outlook.sun_kw[h], outlook.hours[h]
    price, earned = outlook.price[h], outlook.export_price[h]
    bought = lp.column(price)
    # Sun beyond the export limit is cut off; that this is a loss, the plan does not see.
    sold = lp.column(-earned, upper=max(site.export_limit_kw, -net_kw) * slot_h)
    balance, imports = [(bought, 1.0), (sold, -1.0)], [(bought, 1.0)]
    for car, charge, give, _ in here:
        from_sun = min(1.0, -net_kw / car.least_kw) if net_kw < 0.0 else 1.0
        balance.append((charge, -from_sun))
        if from_sun < 1.0:
            lp.cost[charge] += (1.0 - from_sun) * price
            imports.append((charge, 1.0 - from_sun))
        if give >= 0:
            at_home = min(1.0, net_kw / car.least_kw) if net_kw > 0.0 else 1.0
            balance.append((give, at_home))
            lp.cost[give] -= (1.0 - at_home) * earned
    lp.row(net_kw * slot_h, balance, net_kw * slot_h)
    return imports
