"""Invoices of calendar months, item by item, from the steps of an episode.

The reward counts what each step adds to the bill; an invoice shows the same money as a household
sees it at the end of a month. It holds on one page what the supplier asks for (the spot price, less
what exports earn) and what the grid company asks for (everything else).

*Booked and shown.* Where a rule is paid by the mean of several months' peaks (Flanders: twelve), a
month's own peak is booked in full when it is set, for it will be paid in twelve twelfths. `power`
and `total` of an invoice are what is booked, and add up with the rewards. `shown_power` and
`shown_total` are what the printed invoice says: the mean over that month and those before it. In a
year that repeats for ever both sums of the year are equal. Without such a rule both are the same.

*A ceiling* on what the network costs a kWh (Flanders) is known only when the year is over. It is in
no reward and in no month's invoice; `year_bill` takes it off the year's sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics.power_charge import NOTHING, step_of
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN
from ev_gym.scenario import ContractedPower, Fee, PeakPrice, PeakRule, Scenario, Share, Tariff
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation.results import vehicle_columns
from ev_gym.world.parameter_records import BALANCE_OPENS
from ev_gym.world.peak_means import Imports, house_imports, peak_mean_kw, trailing_means
from ev_gym.world.tariff_tables import (
    Prices,
    credit_prices,
    import_prices,
    local_months,
    quarter_prices,
    quarters_of,
    share,
)

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R", ContractedPower, Fee)
SAME_PRICE = 1e-9  # per kWh; of prices so alike, it does not matter which one is paid
YEAR_MONTHS = 12

BESIDES = ("house_total", "import_kwh", "export_kwh", "shown_power", "shown_total")
COLUMNS = (
    *("now_min", "load_kw", "grid_kw", "energy_cost", "power_cost"),
    *("house_cost", "house_power_cost"),
)


class Invoice(NamedTuple):
    """Items of one invoice in the scenario's currency; those before `vat` without VAT.

    Attributes:
        spot: Imported energy at the spot price, times the supplier's factor.
        markup: What the supplier asks beside that.
        transfer: The grid company's fee on the imported energy.
        taxes: Taxes on the imported energy.
        power: The power charges.
        contracts: Contracted power.
        levy: The tax on all of the above but the taxes.
        fees: Fixed fees.
        credits: Support, below 0.
        vat: Value added tax on all of the above.
        export: Exported energy, below 0 where it earned money; there is no VAT on it.
        total: The sum of all items.
    """

    spot: float
    markup: float
    transfer: float
    taxes: float
    power: float
    contracts: float
    levy: float
    fees: float
    credits: float
    vat: float
    export: float
    total: float


class Metered(NamedTuple):
    """What the meter counts in each step of a month, arrays (T,).

    Attributes:
        import_kwh: Energy that is paid for; what a balance sets off is not.
        export_kwh: Energy that is paid out.
        beyond_kwh: Import beyond the limit of the month up to which there are credits.
        power_cost: What each step added to the power charge, with levy and VAT.
        grid_import_kwh: Energy drawn from the grid, as the power charge counts it.
    """

    import_kwh: Floats
    export_kwh: Floats
    beyond_kwh: Floats
    power_cost: Floats
    grid_import_kwh: Floats


class YearBill(NamedTuple):
    """What up to twelve months cost, in the scenario's currency, as booked and as shown.

    Attributes:
        months: How many invoices it sums up.
        import_kwh: The energy that is paid for in them.
        booked_total: The sum of their `total`, each month's own peaks in full, less the ceiling's.
        booked_ceiling: What the ceiling takes off that sum, with levy and VAT, 0 or below.
        shown_total: The same of their `shown_total`: peaks as means over several months.
        shown_ceiling: What the ceiling takes off that.
    """

    months: int
    import_kwh: float
    booked_total: float
    booked_ceiling: float
    shown_total: float
    shown_ceiling: float


class MonthlyDues(NamedTuple):
    """What a calendar month costs whatever is used, without levy and VAT."""

    power: float
    contracts: float
    fees: float


def month_invoice(
    prices: Prices, metered: Metered, dues: MonthlyDues, levy_share: Floats
) -> Invoice:
    """The invoice for the steps of one month.

    Args:
        prices: Parts of each step's price.
        metered: What the meter counted.
        dues: What the month costs whatever is used.
        levy_share: (T,) the levy's share in each step.

    Sums are taken by `math.fsum`. Nothing is rounded. Dues have the levy and the VAT of the first
    step.
    """
    import_kwh = metered.import_kwh
    spot = math.fsum(import_kwh * prices.spot)
    markup = math.fsum(import_kwh * prices.markup)
    taxes = math.fsum(import_kwh * prices.taxes)
    transfer = math.fsum(import_kwh * prices.transfer)
    credits = math.fsum((import_kwh - metered.beyond_kwh) * prices.credits)
    with_levy = 1.0 + levy_share
    power = metered.power_cost / (with_levy * (1.0 + prices.vat))
    first_levy, first_vat = float(levy_share[0]), float(prices.vat[0])
    levy = math.fsum(import_kwh * prices.levy) + math.fsum(power * levy_share)
    levy += first_levy * (dues.power + dues.contracts)
    taxed = prices.spot + prices.markup + prices.taxes + prices.transfer + prices.levy
    per_step = import_kwh * taxed + (import_kwh - metered.beyond_kwh) * prices.credits
    vat = math.fsum(prices.vat * (per_step + power * with_levy))
    vat += first_vat * ((1.0 + first_levy) * (dues.power + dues.contracts) + dues.fees)
    items = (
        *(spot, markup, transfer, taxes, math.fsum(power) + dues.power, dues.contracts),
        *(levy, dues.fees, credits, vat, -math.fsum(metered.export_kwh * prices.export)),
    )
    return Invoice(*items, math.fsum(items))


def invoices(
    scenario: Scenario,
    history: pd.DataFrame,
    dataset: Dataset | None = None,
    earlier_peaks_kw: Sequence[float] | None = None,
) -> pd.DataFrame:
    """The invoices of an episode, one for each local calendar month that it touches.

    A row's `total` is the month's sum of `energy_cost` and `power_cost` in `history`, plus what the
    month costs whatever is used (fees, contracted power, peaks at their floor or on the lowest
    step), with levy and VAT; that is of a whole month also where the episode covers only a part.
    Where an episode begins within a month, the peaks count that the house without its cars has set
    in that month before, and `power` is only what the episode adds to the power charge. Where the
    series reach their end and go on from their beginning, a new invoice begins.

    Args:
        scenario: The scenario that was simulated.
        history: The steps of the episode, such as `env.unwrapped.history`.
        dataset: The series that were simulated, where they are not those that the scenario names.
        earlier_peaks_kw: For a rule whose invoice shows the mean of several months: the means of
            the peaks of the months before the episode's first, kW, the latest last. None: those of
            the house without its cars, as far back as the series go. What is missing counts as the
            rule's floor.

    Returns:
        A row for each `month` (a `PeriodIndex`), in order, with the items of `Invoice`;
        `house_total`, what the house alone would have paid; `import_kwh` and `export_kwh`, the
        energy that is paid for and out; `shown_power` and `shown_total`, `power` and `total` with
        the mean of several months' peaks where the tariff is paid by it.

    Raises:
        DataError: if a column that is needed is missing, or the history is of no house of the
            series.

    Example:
        >>> import gymnasium, ev_gym, ev_gym.invoice
        >>> env = gymnasium.make("EVCharging-v0")
        >>> _ = env.reset(seed=0, options={"start": "2025-11-01"})
        >>> for _ in range(30 * 96):
        ...     _ = env.step(env.action_space.high)
        >>> bills = ev_gym.invoice.invoices(env.unwrapped.scenario, env.unwrapped.history)
        >>> charging = bills["total"] - bills["house_total"]  # what the car added
    """
    import pandas as pd

    dataset = dataset_of(scenario) if dataset is None else dataset
    _check_columns(scenario, history)
    tariff, months, step_min = scenario.tariff, local_months(dataset), scenario.time_step_min
    round_number, place_min = np.divmod(history["now_min"].to_numpy(), HOUR_MIN * months.size)
    quarters = quarters_of(tariff, dataset)
    by_quarter = quarter_prices(tariff, dataset)
    prices = Prices(*(_of_steps(part, place_min, step_min) for part in by_quarter))
    levy_share = _of_steps(share(tariff.levy, quarters, "Tariff.levy"), place_min, step_min)
    metered = _metered(scenario, history, prices, place_min, by_quarter)
    house_total = (history["house_cost"] + history["house_power_cost"]).to_numpy()
    number = _numbers(months, round_number, place_min // HOUR_MIN)
    rows, firsts = [], np.flatnonzero(np.diff(number, prepend=-1))
    shown_above = _shown_above(
        scenario, dataset, history, place_min, metered.grid_import_kwh, number, earlier_peaks_kw
    )
    for first, above in zip(firsts.tolist(), shown_above, strict=True):
        steps = number == number[first]  # those of this invoice
        dues = monthly_dues(tariff, months[place_min[first] // HOUR_MIN])
        items = month_invoice(
            Prices(*(part[steps] for part in prices)),
            Metered(*(part[steps] for part in metered)),
            dues,
            levy_share[steps],
        )
        with_levy, with_vat = 1.0 + levy_share[first], 1.0 + prices.vat[first]
        same = with_vat * (with_levy * (dues.power + dues.contracts) + dues.fees)
        rows.append(
            (
                *items,
                math.fsum(house_total[steps]) + same,
                math.fsum(metered.import_kwh[steps]),
                math.fsum(metered.export_kwh[steps]),
                items.power + above,
                items.total + with_levy * with_vat * above,
            )
        )
    names = months[place_min[firsts] // HOUR_MIN].astype(str)
    index = pd.PeriodIndex(names, freq="M", name="month")
    return pd.DataFrame(rows, index, [*Invoice._fields, *BESIDES])


def year_bill(tariff: Tariff, bills: pd.DataFrame) -> YearBill:
    """What the months of a year cost together, the tariff's ceiling settled.

    Args:
        tariff: The tariff by which they were billed.
        bills: Rows of `invoices`, of at most twelve months.

    Where a tariff has a ceiling, transfer and peaks of these months together cost at most
    `network_ceiling_per_kwh` for each imported kWh, but never less than their peaks at the floor.
    What is above it is taken off with the levy and VAT of the last month.

    Raises:
        DataError: for more than twelve months, or none.
    """
    if not 1 <= len(bills) <= YEAR_MONTHS:
        raise DataError(f"bills hold {len(bills)} months; allowed: 1 to {YEAR_MONTHS}")
    import_kwh = math.fsum(bills["import_kwh"])
    ceilings = [
        _ceiling(tariff, bills, import_kwh, math.fsum(bills[power]))
        for power in ("power", "shown_power")
    ]
    booked, shown = math.fsum(bills["total"]), math.fsum(bills["shown_total"])
    return YearBill(
        months=len(bills),
        import_kwh=import_kwh,
        booked_total=booked + ceilings[0],
        booked_ceiling=ceilings[0],
        shown_total=shown + ceilings[1],
        shown_ceiling=ceilings[1],
    )


def _ceiling(tariff: Tariff, bills: pd.DataFrame, import_kwh: float, power: float) -> float:
    """What the ceiling takes off, with levy and VAT, 0 or below."""
    if tariff.network_ceiling_per_kwh is None:
        return 0.0
    months = [np.datetime64(str(month), "M") for month in bills.index]
    least = math.fsum(monthly_dues(tariff, month).power for month in months)
    most = max(tariff.network_ceiling_per_kwh * import_kwh, least)
    above = power + math.fsum(bills["transfer"]) - most
    last = months[-1].astype("datetime64[D]")
    with_levy = 1.0 + _share_on(tariff.levy, last)
    return -max(0.0, above) * with_levy * (1.0 + _share_on(tariff.vat, last))


def _share_on(rows: Sequence[Share], day: np.datetime64) -> float:
    """A share such as VAT on a day."""
    share = 0.0
    for row in rows:
        if row.valid_from is None or np.datetime64(row.valid_from) <= day:
            share = row.share
    return share


def _shown_above(
    scenario: Scenario,
    dataset: Dataset,
    history: pd.DataFrame,
    place_min: NDArray[np.int64],
    import_kwh: Floats,
    number: NDArray[np.int64],
    earlier_peaks_kw: Sequence[float] | None,
) -> list[float]:
    """By how much what each invoice shows of its peaks is above what is booked, without VAT."""
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    rule = next((rule for rule in scenario.tariff.peaks if rule.invoice_months > 1), None)
    if rule is None or not firsts.size or not scenario.tariff.has_power_charge:
        return [0.0] * firsts.size
    quarters, step_min = quarters_of(scenario.tariff, dataset), scenario.time_step_min
    alone = house_imports(scenario, dataset, place_min, history["load_kw"].to_numpy())
    series_months = local_months(dataset)
    month_number = np.cumsum(np.diff(series_months.astype(np.int64), prepend=0) != 0)
    alone_number = month_number[alone.minute // HOUR_MIN]

    def mean_kw(imports: Imports) -> float:
        return peak_mean_kw(rule, quarters, imports, step_min)

    own_kw = []
    for first in firsts.tolist():
        steps = number == number[first]
        imports = Imports(place_min[steps], import_kwh[steps])
        if first == 0:  # the house alone has set the peaks of the month so far
            same = alone_number == month_number[place_min[0] // HOUR_MIN]
            before = same & (alone.minute < place_min[0])
            imports = Imports(
                np.concatenate([alone.minute[before], imports.minute]),
                np.concatenate([alone.kwh[before], imports.kwh]),
            )
        own_kw.append(mean_kw(imports))
    if earlier_peaks_kw is None:
        first_number = month_number[place_min[0] // HOUR_MIN]
        earlier_peaks_kw = [
            mean_kw(Imports(alone.minute[steps], alone.kwh[steps]))
            for steps in (alone_number == n for n in range(1, first_number))
        ]
    means_kw = trailing_means(own_kw, list(earlier_peaks_kw), rule.invoice_months, rule.floor_kw)
    prices = [
        _price_per_kw(rule, series_months[place_min[first] // HOUR_MIN].astype("datetime64[D]"))
        for first in firsts
    ]
    return [price * (mean - own) for price, mean, own in zip(prices, means_kw, own_kw, strict=True)]


def monthly_dues(tariff: Tariff, month: np.datetime64) -> MonthlyDues:
    """What a calendar month costs whatever is used, by the prices in force on its first day.

    What a rule of a year's peaks costs at their floor, or on the lowest step, is due in January.

    Args:
        tariff: The tariff.
        month: The month, as datetime64[M].
    """
    first = month.astype("datetime64[D]")
    days = int(((month + np.timedelta64(1, "M")).astype("datetime64[D]") - first).astype(np.int64))
    year = month.astype("datetime64[Y]")
    next_year = year + np.timedelta64(1, "Y")
    year_days = int((next_year.astype("datetime64[D]") - year.astype("datetime64[D]")).astype(int))
    part = {"day": float(days), "month": 1.0, "year": days / year_days}
    begins_year = int(month.astype(np.int64)) % 12 == 0
    power = math.fsum(
        _least_charge(rule, first) for rule in tariff.peaks if rule.over == "month" or begins_year
    )
    contracts = math.fsum(
        row.kw * row.per_kw_year * part["year"] for row in in_force(tariff.contracts, first)
    )
    fees = math.fsum(row.amount * part[row.per] for row in in_force(tariff.fees, first))
    return MonthlyDues(power, contracts, fees)


def in_force(rows: Sequence[R], day: np.datetime64) -> list[R]:
    """Of the rows of each name the last one that is in force on a day."""
    month = int(day.astype("datetime64[M]").astype(np.int64)) % 12 + 1
    chosen: dict[str | None, R] = {}
    for row in rows:
        begun = row.valid_from is None or np.datetime64(row.valid_from) <= day
        if begun and month in row.months:
            chosen[row.name] = row
    return list(chosen.values())


def _price_on(rule: PeakRule, day: np.datetime64) -> PeakPrice | None:
    """The price of a rule's peaks that is in force on a day."""
    month = int(day.astype("datetime64[M]").astype(np.int64)) % 12 + 1
    in_force = None
    for price in rule.prices:
        begun = price.valid_from is None or np.datetime64(price.valid_from) <= day
        if begun and month in price.months:
            in_force = price
    return in_force


def _price_per_kw(rule: PeakRule, day: np.datetime64) -> float:
    price = _price_on(rule, day)
    return 0.0 if price is None else price.per_kw


def _least_charge(rule: PeakRule, day: np.datetime64) -> float:
    """What a rule charges where all its peaks are at their floor, without levy and VAT."""
    price = _price_on(rule, day)
    if price is None:
        return 0.0
    if price.steps_kw is not None and price.steps_price is not None:
        return price.steps_price[step_of(np.array(price.steps_kw), rule.floor_kw)]
    return price.per_kw * rule.floor_kw


def _numbers(months: Any, round_number: Any, hour: Any) -> Any:
    """Number of each step's invoice, counted since the series began."""
    month = months.astype(np.int64)
    count = np.cumsum(np.diff(month, prepend=month[0] - 1) != 0)
    return round_number * count[-1] + count[hour]


def _check_columns(scenario: Scenario, history: pd.DataFrame) -> None:
    charge_columns = vehicle_columns("charge_kw", len(scenario.vehicles))
    missing = [name for name in (*COLUMNS, *charge_columns) if name not in history]
    if missing:
        raise DataError(f"history has no column {', '.join(missing)}; allowed: an env's history")


def _metered(
    scenario: Scenario,
    history: pd.DataFrame,
    prices: Prices,
    place_min: NDArray[np.int64],
    by_quarter: Prices,
) -> Metered:
    """What the meter of `ev_gym.physics.meter` and its accounts count in each step."""
    step_h, step_min = scenario.step_h, scenario.time_step_min
    grid_kw, cost = history["grid_kw"].to_numpy(), history["energy_cost"].to_numpy()
    power_cost = history["power_cost"].to_numpy()
    beyond_kwh = np.zeros(grid_kw.size)
    grid_import_kwh = np.maximum(0.0, grid_kw) * step_h
    if scenario.tariff.netting == "none":
        columns = vehicle_columns("charge_kw", len(scenario.vehicles))
        charged_kw = history[columns].clip(lower=0.0).sum(axis=1)
        import_kwh = (history["load_kw"] + charged_kw).to_numpy() * step_h
        grid_import_kwh = import_kwh
    elif BALANCE_OPENS[scenario.tariff.netting] < NOTHING:
        import_kwh = grid_import_kwh
    else:
        # bought - sold = net, and bought * price - sold * export_price = cost.
        net_kwh = grid_kw * step_h
        price = _of_steps(import_prices(by_quarter), place_min, step_min)
        apart = price - prices.export
        excess = cost - net_kwh * prices.export
        bought = np.divide(excess, apart, out=net_kwh.copy(), where=np.abs(apart) > SAME_PRICE)
        import_kwh = np.clip(bought, np.minimum(0.0, net_kwh), np.maximum(0.0, net_kwh))
    if scenario.tariff.credits_up_to_kwh is not None:
        price = _of_steps(import_prices(by_quarter), place_min, step_min)
        credit = _of_steps(credit_prices(by_quarter), place_min, step_min)
        full = import_kwh * price + np.minimum(0.0, grid_kw) * step_h * prices.export
        # Norgespris is a credit with either sign.
        priced = np.abs(credit) > SAME_PRICE
        beyond = np.divide(full - cost, credit, out=beyond_kwh, where=priced)
        beyond_kwh = np.clip(beyond, 0.0, import_kwh)
    export_kwh = import_kwh - grid_kw * step_h
    return Metered(import_kwh, export_kwh, beyond_kwh, power_cost, grid_import_kwh)


def _of_steps(quarters: Floats, place_min: NDArray[np.int64], step_min: int) -> Floats:
    """A price of quarter-hours in each step.

    A step of 30 or 60 minutes has their mean, a shorter one has that of its quarter-hour.
    """
    slot_min = max(step_min, QUARTER_MIN)
    slots = quarters.reshape(-1, slot_min // QUARTER_MIN).mean(axis=1)
    of_steps: Floats = slots[place_min // slot_min]
    return of_steps
