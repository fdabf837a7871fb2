"""Energies that run on beyond a step: a meter that nets for longer, and support up to a limit.

*Netting* over an hour, a month or a year sets export off against import (the Netherlands: a year,
until 2027). With b the balance of imports less exports since that time began, the bill of the time
is

    price * max(0, b) - export_price * max(0, -b),

and a step that brings b from `before` to `after` adds what this grows by at its own prices: its
exports earn the import price as long as b is above 0, and the export price below; its imports cost
as much. Where prices do not change in the time, the steps add up to that bill.

*Credits* (Norway's support above a price) go by the kWh of import, up to so many a month; the price
tables hold them, and imports beyond the limit pay them back.

Each account is kept with the cars and for the house alone. Where an episode begins, both are those
of the house alone since the time began.
"""

from __future__ import annotations

from typing import NamedTuple

from ev_gym.physics.power_charge import DAY, MONTH, opens_at
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN
from ev_gym.runtime.records import HourRecord, HouseholdState, Records, Settings, StepResult


class AccountTables(NamedTuple):
    """What the accounts read; nothing has a size where a scenario has none.

    Attributes:
        alone_net_kw: (houses, slots) import less export of the houses without cars, in the slots
            of base load.
        day_rows: (H,) row of the next two of the day in which each hour lies.
        house_balance_kwh: (houses, days) balance of each house alone as each local day begins.
        house_month_kwh: (houses, days) its import since the month began.
    """

    alone_net_kw: Floats
    day_rows: Ints
    house_balance_kwh: Floats
    house_month_kwh: Floats


@compiled
def netted_cost(
    balance_kwh: float, net_kwh: float, price_per_kwh: float, export_price_per_kwh: float
) -> float:
    """What a step adds to the bill that nets `net_kwh` more, from a balance (kWh) on."""
    after_kwh = balance_kwh + net_kwh
    bought_kwh = max(0.0, after_kwh) - max(0.0, balance_kwh)
    sold_kwh = max(0.0, -after_kwh) - max(0.0, -balance_kwh)
    return bought_kwh * price_per_kwh - sold_kwh * export_price_per_kwh


@compiled
def beyond_kwh(month_kwh: float, import_kwh: float, limit_kwh: float) -> float:
    """What of an import lies beyond the month's limit, of which `month_kwh` is used."""
    return max(0.0, month_kwh + import_kwh - limit_kwh) - max(0.0, month_kwh - limit_kwh)


@compiled_apart
def bill_accounts(
    household: HouseholdState,
    result: StepResult,
    settings: Settings,
    import_kwh: float,
    alone_import_kwh: float,
    alone_net_kwh: float,
) -> None:
    """Add a step to the accounts, and bring both energy bills to what they say.

    Args:
        household: The state's record; prices are read, the accounts grow.
        result: The step's record; grid_kw is read, the bills of `meter.bill` are corrected.
        settings: The scenario's parameters.
        import_kwh: What the meter counts as import, with the cars,
        alone_import_kwh: and without them.
        alone_net_kwh: Import less export without them.
    """
    # The household's prices, not the result's, which are those of the next kWh in these accounts.
    price, export_price = household.price_per_kwh, household.export_price_per_kwh
    net_kwh = result.grid_kw * settings.step_h
    if settings.balance_opens >= 0:
        result.energy_cost = netted_cost(household.balance_kwh, net_kwh, price, export_price)
        result.house_cost = netted_cost(
            household.house_balance_kwh, alone_net_kwh, price, export_price
        )
        household.balance_kwh += net_kwh
        household.house_balance_kwh += alone_net_kwh
    if settings.credit_limit_kwh > 0.0:
        limit_kwh, credit = settings.credit_limit_kwh, household.credit_per_kwh
        own_kwh = beyond_kwh(household.month_kwh, import_kwh, limit_kwh)
        alone_kwh = beyond_kwh(household.house_month_kwh, alone_import_kwh, limit_kwh)
        result.energy_cost = import_kwh * price - (import_kwh - net_kwh) * export_price
        result.energy_cost -= credit * own_kwh
        result.house_cost = alone_import_kwh * price
        result.house_cost -= (alone_import_kwh - alone_net_kwh) * export_price
        result.house_cost -= credit * alone_kwh
        household.month_kwh += import_kwh
        household.house_month_kwh += alone_import_kwh
    result.energy_term = -settings.energy_weight * (result.energy_cost - result.house_cost)


@compiled
def marginal_prices(household: HouseholdState, settings: Settings) -> tuple[float, float]:
    """What one more imported kWh costs now, and what one more exported kWh earns."""
    price, export_price = household.price_per_kwh, household.export_price_per_kwh
    if settings.balance_opens >= 0:
        if household.balance_kwh < 0.0:
            price = export_price
        elif household.balance_kwh > 0.0:
            export_price = price
    if settings.credit_limit_kwh > 0.0 and household.month_kwh >= settings.credit_limit_kwh:
        price -= household.credit_per_kwh
    return price, export_price


@compiled
def open_accounts(household: HouseholdState, settings: Settings, opens: int) -> None:
    """Begin the accounts anew whose time begins with an hour.

    Args:
        household: The state's record, written.
        settings: The scenario's parameters; `balance_opens` are the bits of what begins with which
            the balance begins anew, 0 for every hour.
        opens: What begins with the hour (`ev_gym.physics.power_charge`).
    """
    if settings.balance_opens == 0 or (opens & settings.balance_opens) != 0:
        household.balance_kwh = 0.0
        household.house_balance_kwh = 0.0
    if opens & MONTH != 0:
        household.month_kwh = 0.0
        household.house_month_kwh = 0.0


@compiled_apart
def pass_alone(
    household: HouseholdState,
    settings: Settings,
    hours: Records[HourRecord],
    accounts: AccountTables,
    first_min: int,
    end_min: int,
) -> None:
    """Let a house without its cars pass some time, step by step.

    Args:
        household: The state's record; `house` is read, its accounts as of `first_min` are written.
        settings: The scenario's parameters.
        hours: (H,) records of the hours of the series.
        accounts: The tables of the accounts.
        first_min: From this minute of the series, whose own opening is done.
        end_min: Up to this one, whose opening is not done.
    """
    for minute in range(first_min, end_min, settings.step_min):
        if minute > first_min and minute % HOUR_MIN == 0:
            open_accounts(household, settings, opens_at(hours, minute))
        slot = (minute // QUARTER_MIN) >> settings.load_shift
        net_kwh = accounts.alone_net_kw[household.house, slot] * settings.step_h
        household.house_balance_kwh += net_kwh
        household.house_month_kwh += max(0.0, net_kwh)


@compiled_apart
def begin_accounts(
    household: HouseholdState,
    settings: Settings,
    hours: Records[HourRecord],
    accounts: AccountTables,
) -> None:
    """All accounts at an episode's start: those of the house alone since their time began."""
    first = household.place_min // HOUR_MIN
    while hours[first].opens & DAY == 0:
        first -= 1
    row = accounts.day_rows[first]
    household.house_balance_kwh = accounts.house_balance_kwh[household.house, row]
    household.house_month_kwh = accounts.house_month_kwh[household.house, row]
    pass_alone(household, settings, hours, accounts, first * HOUR_MIN, household.place_min)
    household.balance_kwh = household.house_balance_kwh
    household.month_kwh = household.house_month_kwh
