"""What a foreseen household's running account can hold: a balance that is netted, or an import.

A balance of imports less exports, or a month's import less the limit of support, is a number b to
which each step adds n; a kWh above 0 costs `spread` more than one below. So the bill of a step is
the one below 0, and spread times what max(0, b) grows by. Numbers for
`baselines.optimum.account_rows`, without its programme: arrays over T steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from baselines.foresight import Future
from baselines.optimum.reach import Reach, steps_of, sun_kw
from ev_gym.physics.power_charge import MONTH, NOTHING
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.durations import HOUR_MIN

ABOVE, BELOW, UNSURE = 1, -1, 0


class Account(NamedTuple):
    """An account, and between what its energies must lie whatever the cars do.

    Attributes:
        only_imports: Whether exports leave it as it is.
        period: (T,) in which time of the account each step lies, from 0.
        begins_kwh: (periods,) what it holds when each begins.
        least_kwh: (T,) what a step adds at least: it adds max(least, x - at), with x as of `Meter`.
        at: (T,) as above.
        low_kwh: (T,) least and
        high_kwh: (T,) most that it holds after each step.
        spread: (T,) by how much a kWh above 0 is dearer than below, before weights.
        side: (T,) ABOVE where it is not below 0 before and after the step, BELOW where not above;
            else UNSURE.
    """

    only_imports: bool
    period: Ints
    begins_kwh: Floats
    least_kwh: Floats
    at: Floats
    low_kwh: Floats
    high_kwh: Floats
    spread: Floats
    side: Ints

    def added_kwh(self, x: Floats) -> Floats:
        """(T,) what steps add that draw so much for the cars (T,)."""
        return np.maximum(self.least_kwh, x - self.at)

    @property
    def first(self) -> Bools:
        """(T,) whether a period begins with the step."""
        return np.diff(self.period, prepend=-1) > 0

    def may_pay(self) -> Bools:
        """(T,) whether drawing more in a step could make later ones cheaper.

        A kWh more costs its step's price, and afterwards moves what crosses 0. Where spreads are
        not below 0 and the account only grows, or all that is not sure is one stretch of one spread
        from the period's begin on, that never pays.
        """
        unsure = self.side == UNSURE
        pays = np.zeros(unsure.size, np.bool_)
        for own in range(self.begins_kwh.size):
            steps = np.flatnonzero(self.period == own)
            open_steps = steps[unsure[steps]]
            if open_steps.size == 0:
                continue
            spread = self.spread[open_steps]
            stretch = open_steps[0] == steps[0] and open_steps[-1] - steps[0] + 1 == spread.size
            one = bool(stretch and np.ptp(spread) == 0.0)
            if spread.min() < 0.0 or not (self.only_imports or one):
                pays[steps[0] : open_steps[-1] + 1] = True
        return pays


def account_of(
    future: Future, reach: Reach, low: Floats, high: Floats, limit_kwh: Any
) -> Account | None:
    """The account of a future; None where all energies are settled within their step.

    Args:
        future: The household's.
        reach: What its cars can do.
        low: (T,) least and
        high: (T,) most x of each step, as of `Meter`.
        limit_kwh: Most that is exported in a step.
    """
    settings, now = future.world.tables.settings[0], future.households[0]
    if settings["accounts"] == 0:
        return None
    step_h, credit_kwh = settings["step_h"], settings["credit_limit_kwh"]
    balances = settings["balance_opens"] >= 0
    if not balances and credit_kwh == 0.0:
        return None
    at = (sun_kw(future) - steps_of(future, "load_kw")) * step_h
    if balances:
        opens, empty_kwh, begins_kwh = settings["balance_opens"], 0.0, now["balance_kwh"]
        least_kwh = np.zeros(at.size) - limit_kwh
        spread = steps_of(future, "price_per_kwh") - steps_of(future, "export_price_per_kwh")
    else:
        opens, empty_kwh, begins_kwh = MONTH, -credit_kwh, now["month_kwh"] - credit_kwh
        least_kwh, spread = np.zeros(at.size), -steps_of(future, "credit_per_kwh")
    period = _periods(future, int(opens))
    begins = np.full(period[-1] + 1, float(empty_kwh))
    begins[0] = begins_kwh
    nothing = np.zeros(at.size)
    account = Account(not balances, period, begins, least_kwh, at, nothing, nothing, spread, period)
    low_kwh, high_kwh = _ranges(account, future, reach, low, high)
    first = account.first
    low_before = np.where(first, begins[period], np.roll(low_kwh, 1))
    high_before = np.where(first, begins[period], np.roll(high_kwh, 1))
    above = (low_before >= 0.0) & (low_kwh >= 0.0)
    below = (high_before <= 0.0) & (high_kwh <= 0.0)
    side = np.where(above, ABOVE, np.where(below, BELOW, UNSURE))
    return account._replace(low_kwh=low_kwh, high_kwh=high_kwh, side=side)


def _periods(future: Future, opens: int) -> Ints:
    """(T,) number of the account's time in which each step lies."""
    minute = future.households["place_min"][:-1]
    hour = np.asarray(future.world.tables.hours["opens"])[minute // HOUR_MIN]
    begins = (minute % HOUR_MIN == 0) & ((hour & opens != 0) | (opens == NOTHING))
    begins[0] = False
    return np.cumsum(begins)


def _ranges(
    account: Account, future: Future, reach: Reach, low: Floats, high: Floats
) -> tuple[Floats, Floats]:
    """(T,) least and most that the account holds after each step.

    What a step adds grows with x. So more than in idling it adds up to what the steps can draw at
    most; and, as it never grows by more than x does, no more than the cars can take up: on balance,
    or where only imports count all that they draw. Likewise for less, where it falls as x does but
    in steps of which some is exported and does not count, or is cut off.
    """
    idle = account.added_kwh(np.zeros(low.size))
    more = account.added_kwh(high) - idle
    less = idle - account.added_kwh(low)
    absorbs = idle > -account.at
    low_kwh, high_kwh = np.empty(low.size), np.empty(low.size)
    for own, begins_kwh in enumerate(account.begins_kwh):
        steps = np.flatnonzero(account.period == own)
        on_balance = not account.only_imports
        drawn_kwh, fed_kwh = _most_moved(future, reach, steps, absorbs[steps], on_balance)
        so_far = begins_kwh + np.cumsum(idle[steps])
        high_kwh[steps] = so_far + np.minimum(np.cumsum(more[steps]), drawn_kwh)
        low_kwh[steps] = so_far - np.minimum(np.cumsum(less[steps]), fed_kwh)
    return low_kwh, high_kwh


def _most_moved(
    future: Future, reach: Reach, steps: Ints, absorbs: Bools, on_balance: bool
) -> tuple[Floats, Floats]:
    """(n,) most that cars can draw, and feed, from the first of some steps to each of them.

    With s kWh stored and t taken by discharging, a battery holds D = s - t more, but for trips and
    what is bought. It draws at most (s + aux h) / eta and feeds at least eta t - aux h: on balance
    at most D / eta + t (1 / eta - eta) + aux h (1 / eta + 1). It draws at least s / eta and feeds
    at most eta t: on balance it feeds no more than -eta D, and what it stores in steps in which
    that does not count (`absorbs`). Without `on_balance` what is fed does not lessen what is drawn.
    """
    drawn_kwh, fed_kwh = np.zeros(steps.size), np.zeros(steps.size)
    if steps.size * future.world.tables.settings["step_min"][0] <= HOUR_MIN:
        # An hour fills no battery.
        return drawn_kwh + np.inf, fed_kwh + np.inf
    for k, (car, journey) in enumerate(zip(future.world.tables.cars, reach.journeys, strict=True)):
        low_kwh, high_kwh = journey.within_kwh[journey.span[steps]].T
        before = np.searchsorted(journey.event_step, steps)
        first = int(before[0])
        trips_kwh, bought_kwh = (
            np.append(0.0, np.cumsum(kwh[first:]))[before - first]
            for kwh in (journey.trip_kwh, journey.most_bought_kwh)
        )
        hours, eta, given_kw = future.charge_h[steps, k], car["eta"], reach.discharge_kw[steps, k]
        stored_kw = np.maximum(0.0, eta * reach.charge_kw[steps, k] - car["aux_kw"])
        stored_kwh = np.cumsum(np.where(absorbs, stored_kw, 0.0) * hours)
        gives = given_kw > 0.0
        taken_kwh = np.cumsum(np.where(gives, given_kw + car["aux_kw"], 0.0) / eta * hours)
        aux_kwh = car["aux_kw"] * np.cumsum(hours * (1.0 / eta + gives))
        more_kwh = np.maximum(0.0, high_kwh - low_kwh[0] + trips_kwh)
        drawn_kwh += more_kwh / eta + taken_kwh * (1.0 / eta - eta * on_balance) + aux_kwh
        less_kwh = np.maximum(0.0, high_kwh[0] - low_kwh - trips_kwh + bought_kwh + stored_kwh)
        fed_kwh += eta * less_kwh
    return drawn_kwh, fed_kwh


def groups_of(account: Account) -> list[Ints]:
    """Stretches of steps that are not sure, each within one period and of one spread."""
    unsure = np.flatnonzero(account.side == UNSURE)
    breaks = np.diff(unsure) > 1
    breaks |= np.diff(account.period[unsure]) != 0
    breaks |= np.diff(account.spread[unsure]) != 0.0
    parts: list[Any] = np.split(unsure, np.flatnonzero(breaks) + 1)
    return [part for part in parts if part.size]
