"""The energy bill of a foreseen household as convex functions of what flows to its cars.

Numbers for `baselines.optimum.relaxation`, without its programme: arrays over T steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baselines.foresight import Future
from baselines.optimum.accounts import ABOVE, Account, account_of
from baselines.optimum.reach import Reach, export_limit_kw, steps_of, sun_kw
from ev_gym.runtime.arrays import Bools, Floats


class Meter(NamedTuple):
    """The energy bill of each step as a convex function that nowhere exceeds it.

    It is `base + slope x + sum_i bend_i max(0, x - at_i)`, where x is the kWh at the meter that
    flow to the cars, less (where import and export are `netted`) those that flow from them.

    Attributes:
        netted: Whether the meter sees only the difference within a step.
        low: (T,) least x,
        high: (T,) and largest x.
        base: (T,) as above, before weights.
        slope: (T,) as above, before weights.
        at: (2, T) as above; without meaning where the bend is 0.
        bend: (2, T) as above, before weights.
        feed_price: (T,) what a kWh from the cars earns besides, where nothing is netted.
        zero_at: (T,) x at which the import that a power charge counts begins.
        account: What runs on beyond a step; None: nothing. Where it is not sure on which side of 0
            it is, the bill is that below 0.
        pays: (T,) whether drawing more could ever make the bill less, of this step or a later one.
    """

    netted: bool
    low: Floats
    high: Floats
    base: Floats
    slope: Floats
    at: Floats
    bend: Floats
    feed_price: Floats
    zero_at: Floats
    account: Account | None
    pays: Bools


def meter_of(future: Future, reach: Reach) -> Meter:
    """The energy bill of each step, without weights."""
    settings = future.world.tables.settings[0]
    step_h = settings["step_h"]
    limit_kwh = export_limit_kw(future) * step_h
    price = steps_of(future, "price_per_kwh")
    export = steps_of(future, "export_price_per_kwh") * float(settings["produces"])
    load_kwh, sun_kwh = steps_of(future, "load_kw") * step_h, sun_kw(future) * step_h
    high = (reach.charge_kw * future.charge_h).sum(axis=1)
    most_discharge = (reach.discharge_kw * future.charge_h).sum(axis=1)
    cut_at = sun_kwh - limit_kwh - load_kwh  # from here on no sun is cut off
    zero_at = sun_kwh - load_kwh
    account = None
    if settings["netted"]:
        low = -np.minimum(most_discharge, np.maximum(0.0, -cut_at))
        account = account_of(future, reach, low, high, limit_kwh)
        price, export = _prices_beside(account, price, export)
        at = np.stack([low, cut_at, zero_at, high])
        slopes = np.stack([np.zeros_like(price), export, price])
        net = np.maximum(low - zero_at, -limit_kwh)
        base = net * np.where(net >= 0.0, price, export)
        feed_price = np.zeros_like(price)
    else:
        low = np.zeros_like(high)
        at = np.stack([low, cut_at, high, high])
        slopes = np.stack([price - export, price, price])
        base = load_kwh * price - np.minimum(sun_kwh, load_kwh + limit_kwh) * export
        zero_at, feed_price = -load_kwh, export
    at[1:3] = np.clip(at[1:3], low, high)
    slopes = convex_slopes(np.diff(at, axis=0), slopes)
    base = base - slopes[0] * low
    bend = np.diff(slopes, axis=0)
    pays = slopes[0] * settings["energy_weight"] < 0.0
    if account is not None and settings["energy_weight"] > 0.0:
        pays |= account.may_pay()
    netted = bool(settings["netted"])
    return Meter(
        netted, low, high, base, slopes[0], at[1:3], bend, feed_price, zero_at, account, pays
    )


def _prices_beside(account: Account | None, price: Floats, export: Floats) -> tuple[Floats, Floats]:
    """(T,) prices of import and export as far as an account does not bear them."""
    if account is None:
        return price, export
    dearer = np.where(account.side == ABOVE, account.spread, 0.0)
    if account.only_imports:
        return price + dearer, export
    return export + dearer, export + dearer


def convex_slopes(lengths: Floats, slopes: Floats) -> Floats:
    """Slopes (3, T) of the largest convex function below three straight pieces (3, T).

    The slope of piece i is the largest over a <= i of the least over b >= i of the mean slope of
    the pieces from a to b. A piece without length takes the slope of a neighbour.
    """
    best = np.full(lengths.shape, -np.inf)
    for i in range(3):
        for a in range(i + 1):
            least = np.full(lengths.shape[1], np.inf)
            for b in range(i, 3):
                length = lengths[a : b + 1].sum(axis=0)
                rise = (lengths[a : b + 1] * slopes[a : b + 1]).sum(axis=0)
                mean = np.divide(rise, length, out=np.full_like(rise, np.inf), where=length > 0.0)
                least = np.minimum(least, mean)
            best[i] = np.maximum(best[i], least)
    empty = lengths <= 0.0
    best[1] = np.where(empty[1], np.where(empty[0], best[2], best[0]), best[1])
    best[0] = np.where(empty[0], best[1], best[0])
    best[2] = np.where(empty[2], best[1], best[2])
    return np.where(empty.all(axis=0), slopes, best)
