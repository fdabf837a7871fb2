"""Invoices of calendar months, item by item, from the steps of an episode.

The reward counts what each step adds to the bill; an invoice shows the same money as a household
sees it at the end of a month. It holds on one page what the supplier asks for (the spot price, less
what exports earn) and what the grid company asks for (everything else).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.scenario import Scenario, Tariff
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation.results import vehicle_columns
from ev_gym.world.tariff_tables import Prices, local_months, quarter_prices

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = ("now_min", "load_kw", "grid_kw", "power_cost", "house_cost", "house_power_cost")


class Invoice(NamedTuple):
    """Items of one invoice in the scenario's currency; those from `spot` to `fixed` without VAT.

    Attributes:
        spot: Imported energy at the spot price.
        energy_tax: Energy tax on the imported energy.
        transfer: The grid company's transfer fee on the imported energy.
        power: The power charge.
        fixed: The fixed fee of a month.
        vat: Value added tax on all of the above.
        export: Exported energy, below 0 where it earned money; there is no VAT on it.
        total: The sum of all items.
    """

    spot: float
    energy_tax: float
    transfer: float
    power: float
    fixed: float
    vat: float
    export: float
    total: float


def month_invoice(
    tariff: Tariff, prices: Prices, import_kwh: Floats, export_kwh: Floats, power_cost: Floats
) -> Invoice:
    """The invoice for the steps of one month.

    Args:
        tariff: The tariff.
        prices: Parts of each step's price.
        import_kwh: Energy that each step imported.
        export_kwh: Energy that each step exported.
        power_cost: What each step added to the power charge, with VAT, as in a step's results.

    Sums are taken by `math.fsum`. Nothing is rounded.
    """
    spot = math.fsum(import_kwh * prices.spot_per_kwh)
    tax = math.fsum(import_kwh * prices.tax_per_kwh)
    transfer = math.fsum(import_kwh * prices.transfer_per_kwh)
    power = math.fsum(power_cost) / (1.0 + tariff.vat)
    fixed = tariff.fixed_per_month
    vat = tariff.vat * (spot + tax + transfer + power + fixed)
    export = -math.fsum(export_kwh * (prices.spot_per_kwh - tariff.export_fee_per_kwh))
    total = spot + tax + transfer + power + fixed + vat + export
    return Invoice(spot, tax, transfer, power, fixed, vat, export, total)


def invoices(
    scenario: Scenario, history: pd.DataFrame, dataset: Dataset | None = None
) -> pd.DataFrame:
    """The invoices of an episode, one for each local calendar month that it touches.

    A row's `total` is the month's sum of `energy_cost` and `power_cost` in `history`, plus the
    fixed fee with VAT, which is that of a whole month also where the episode covers only a part.
    Where an episode begins within a month, the peaks count that the house without its cars has set
    in that month before, and `power` is only what the episode adds to the power charge. Where the
    series reach their end and go on from their beginning, a new invoice begins.

    Args:
        scenario: The scenario that was simulated.
        history: The steps of the episode, such as `env.unwrapped.history`.
        dataset: The series that were simulated, where they are not those that the scenario names.

    Returns:
        A row for each `month` (a `PeriodIndex`), in order, with the items of `Invoice` and
        `house_total`, what the house alone would have paid.

    Raises:
        DataError: if a column that is needed is missing.

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
    import_kwh, export_kwh = _energies(scenario, history)
    tariff, months = scenario.tariff, local_months(dataset)
    round_number, place_min = np.divmod(history["now_min"].to_numpy(), HOUR_MIN * months.size)
    prices = _prices_of_steps(quarter_prices(tariff, dataset), place_min, scenario.time_step_min)
    power_cost = history["power_cost"].to_numpy()
    house_total = (history["house_cost"] + history["house_power_cost"]).to_numpy()
    number = _numbers(months, round_number, place_min // HOUR_MIN)
    rows, firsts = [], np.flatnonzero(np.diff(number, prepend=-1))
    for first in firsts.tolist():
        steps = number == number[first]  # those of this invoice
        items = month_invoice(
            tariff,
            Prices(*(part[steps] for part in prices)),
            import_kwh[steps],
            export_kwh[steps],
            power_cost[steps],
        )
        rows.append((*items, math.fsum(house_total[steps]) + (1.0 + tariff.vat) * items.fixed))
    names = months[place_min[firsts] // HOUR_MIN].astype(str)
    index = pd.PeriodIndex(names, freq="M", name="month")
    return pd.DataFrame(rows, index, [*Invoice._fields, "house_total"])


def _numbers(months: Any, round_number: Any, hour: Any) -> Any:
    """Number of each step's invoice, counted since the series began."""
    month = months.astype(np.int64)
    count = np.cumsum(np.diff(month, prepend=month[0] - 1) != 0)
    return round_number * count[-1] + count[hour]


def _energies(scenario: Scenario, history: pd.DataFrame) -> tuple[Floats, Floats]:
    """Import and export of each step, kWh, as the meter of `ev_gym.physics.meter` counts them."""
    charge_columns = vehicle_columns("charge_kw", len(scenario.vehicles))
    missing = [name for name in (*COLUMNS, *charge_columns) if name not in history]
    if missing:
        raise DataError(f"history has no column {', '.join(missing)}; allowed: an env's history")
    grid_kw = history["grid_kw"].to_numpy()
    if scenario.tariff.netting == "step":
        import_kw = np.maximum(0.0, grid_kw)
    else:
        charged_kw = history[charge_columns].clip(lower=0.0).sum(axis=1)
        import_kw = (history["load_kw"] + charged_kw).to_numpy()
    return import_kw * scenario.step_h, (import_kw - grid_kw) * scenario.step_h


def _prices_of_steps(quarters: Prices, place_min: NDArray[np.int64], step_min: int) -> Prices:
    """Parts of the price in each step, per kWh.

    A step of 30 or 60 minutes has their means, a shorter one has those of its quarter-hour.
    """
    slot_min = max(step_min, 15)
    slots = (part.reshape(-1, slot_min // 15).mean(axis=1) for part in quarters)
    return Prices(*(part[place_min // slot_min] for part in slots))
