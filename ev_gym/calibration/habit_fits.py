"""How drivers' habits are estimated from sessions: the rows of `drivers.habits.habits_table`.

Measured hours, times and energies become normal scores within their table, all sessions weighing
the same, so that the tables give the pooled distributions back. The scores follow a model with a
mean for each routine and an intercept for each user (EM), and scatter that differs from user to
user. The odds of coming and going are a logistic model of the same kind (penalised
quasi-likelihood: Breslow and Clayton 1993, doi:10.1080/01621459.1993.10594284).

A user's hour of plug-out on weekdays tells nothing of the weekend's in these data (correlation
0.0), so the habits of hours are drawn independently; those of odds and energy are correlated.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from ev_gym.calibration.sessions import Sessions
from ev_gym.drivers import habits
from ev_gym.runtime.arrays import Floats, Ints

ITERATIONS = 60
PRIOR_COUNT = 4  # a class's residual variance is drawn to the pooled one as if by so many values
WORK_END_H = habits.HOUR_EDGES[habits.WORK_EDGE_BIN - 1]
STAY_BINS = ((0, 1), (0, 1), (2,), (3,), (4,), (5,), (6, 7), (6, 7))  # sparse bins share a table


class Fit(NamedTuple):
    """A regression with a normal intercept for each user."""

    fixed: Floats  # coefficients of the design's columns
    users: Floats  # each user's intercept
    user_sd: float
    noise: Floats  # residual standard deviation of each class; empty for a logistic model


def _both(design: Floats, user: Ints) -> Floats:
    return np.hstack([design, np.eye(int(user.max()) + 1)[user]])


def _solve(normal: Floats, right: Floats, columns: int, variance: float) -> tuple[Floats, Floats]:
    """Effects, fixed ones first, and their covariance, from the normal equations."""
    penalty = np.full(len(right), 1 / variance)
    penalty[:columns] = 1e-3  # as good as none; it settles columns that nobody fills
    covariance = np.linalg.inv(normal + np.diag(penalty)).astype(np.float64)
    return np.einsum("ij,j->i", covariance, right), covariance


def fit_linear(outcome: Floats, design: Floats, user: Ints, noise_class: Ints) -> Fit:
    """Linear regression by EM, with a residual variance for each class.

    Args:
        outcome: (n,) values.
        design: (n, p) of fixed effects.
        user: (n,) numbers from 0.
        noise_class: (n,) numbers from 0.
    """
    both, columns = _both(design, user), design.shape[1]
    # Sums of squares and products of each class are all that EM needs to know of the data.
    rows = [noise_class == number for number in range(int(noise_class.max()) + 1)]
    count = np.array([row.sum() for row in rows])
    gram = np.array([np.einsum("ni,nj->ij", both[row], both[row]) for row in rows])
    right = np.array([np.einsum("ni,n->i", both[row], outcome[row]) for row in rows])
    total = np.array([np.sum(outcome[row] ** 2) for row in rows])
    variance, noise = 0.5, np.ones(len(rows))
    for _ in range(ITERATIONS):
        normal, side = (
            np.einsum("cij,c->ij", gram, 1 / noise),
            np.einsum("ci,c->i", right, 1 / noise),
        )
        effect, covariance = _solve(normal, side, columns, variance)
        variance = float(np.mean(effect[columns:] ** 2 + np.diag(covariance)[columns:]))
        second = np.outer(effect, effect) + covariance
        square = (
            total - 2 * np.einsum("ci,i->c", right, effect) + np.einsum("cij,ij->c", gram, second)
        )
        noise = (square + PRIOR_COUNT * square.sum() / count.sum()) / (count + PRIOR_COUNT)
    return Fit(effect[:columns], effect[columns:], variance**0.5, np.sqrt(noise))


def fit_logistic(happened: Floats, column: Ints, extra: Floats, user: Ints) -> Fit:
    """Logistic regression by penalised quasi-likelihood and EM.

    Args:
        happened: (n,) of 0 and 1.
        column: (n,) numbers from 0: the fixed effect of each entry.
        extra: (users, q) further fixed effects of the users.
        user: (n,) numbers from 0.
    """
    # Entries of one user and one column form a cell, known by how many they are.
    cells, cell = np.unique(user * 100 + column, return_inverse=True)
    count, events = np.bincount(cell), np.bincount(cell, happened)
    of_user = cells // 100
    design = np.hstack([np.eye(int(column.max()) + 1)[cells % 100], extra[of_user]])
    both, columns = _both(design, of_user), design.shape[1]
    effect, variance = np.zeros(both.shape[1]), 0.5
    for _ in range(ITERATIONS):
        score = np.einsum("ni,i->n", both, effect)
        chance = 1 / (1 + np.exp(-score))
        weight = count * chance * (1 - chance)
        weighted = both * weight[:, None]
        target = score + (events - count * chance) / weight
        side = np.einsum("ni,n->i", weighted, target)
        effect, covariance = _solve(np.einsum("ni,nj->ij", weighted, both), side, columns, variance)
        variance = float(np.mean(effect[columns:] ** 2 + np.diag(covariance)[columns:]))
    return Fit(effect[:columns], effect[columns:], variance**0.5, np.empty(0))


class Habit(NamedTuple):
    """One habit: the routines' means (3,), the users' deviations, and their spread."""

    mean: Floats
    users: Floats
    sd: float


class Hours(NamedTuple):
    """Hours of plug-in or plug-out: quantiles by table, of the scatter, and the two habits."""

    tables: dict[int, list[float]]
    noise: list[float]
    habitual: Habit
    scatter: Habit


def _scores() -> Floats:
    return np.linspace(-habits.SCORE_LIMIT, habits.SCORE_LIMIT, habits.KNOTS)


def _quantiles(values: Floats) -> list[float]:
    """The values' quantiles at the tabled normal scores."""
    levels = [NormalDist().cdf(score) for score in _scores()]
    return [round(float(value), 2) for value in np.quantile(values, levels)]


def _normal_scores(values: Floats, table: Ints) -> Floats:
    """Normal score of each value among those of its table."""
    found = np.zeros(len(values))
    for number in np.unique(table):
        inside = np.flatnonzero(table == number)
        ranks = np.argsort(np.argsort(values[inside], kind="stable"), kind="stable")
        found[inside] = [NormalDist().inv_cdf((rank + 0.5) / len(inside)) for rank in ranks]
    return found


def _bin(hours: Floats) -> Ints:
    return np.searchsorted(habits.HOUR_EDGES, hours, side="right").astype(np.int64)


def _odds(
    from_day: Ints, from_h: Floats, to_day: Ints, user: Ints, routine: Ints
) -> tuple[list[float], list[Habit]]:
    """Odds by column of the table, and the habits for the present day and for later days."""
    happened, column, whose = [], [], []
    days = to_day - from_day
    for later in range(habits.MAX_DAYS):
        there = days >= later
        weekend = ((from_day[there] + later) % 7 >= 5).astype(np.int64)
        happened.append((days[there] == later) * 1.0)
        column.append(_bin(from_h[there]) + 8 * weekend if later == 0 else weekend)
        whose.append(user[there])
    odds: list[float] = []
    found = []
    for chosen, columns in ((slice(0, 1), 16), (slice(1, None), 2)):
        model = fit_logistic(
            np.concatenate(happened[chosen]),
            np.concatenate(column[chosen]),
            np.eye(3)[routine][:, 1:],
            np.concatenate(whose[chosen]),
        )
        odds += list(np.exp(model.fixed[:columns]))
        means = np.concatenate([[0.0], model.fixed[columns:]])
        found.append(Habit(means, model.users, model.user_sd))
    return odds, found


def _hours(s: Sessions, routine: Ints, weekend: bool, came: bool) -> Hours:
    """Tables of the hour of plug-in (`came`) or plug-out, and the habit of it."""
    if came:
        s = s.where(~np.isnan(s.left_h) & ((s.arrival_day % 7 >= 5) == weekend))
        later = s.arrival_day > s.left_day
        table = np.where(later, 3 + routine[s.user], routine[s.user])
        if weekend:  # few are back the same day, so the routines share a table
            table = np.where(later, table, 0)
        evening = ~later & (s.left_h >= WORK_END_H)
        table = np.where(evening, 4 + _bin(s.left_h), table)
        value = np.where(evening, s.away_h, s.arrival_h)
    else:
        s = s.where((s.departure_day > s.arrival_day) & ((s.departure_day % 7 >= 5) == weekend))
        table, value = routine[s.user], s.departure_h
    score = _normal_scores(value, table)
    model = fit_linear(score, np.eye(3)[routine[s.user]], s.user, s.user)
    rest = score - model.fixed[routine[s.user]] - model.users[s.user]
    scatter = np.log(model.noise)
    mean = np.bincount(routine, scatter) / np.bincount(routine)
    return Hours(
        {int(row): _quantiles(value[table == row]) for row in np.unique(table)},
        _quantiles(rest / model.noise[s.user]),
        Habit(model.fixed, model.users, model.user_sd),
        Habit(mean, scatter, float(np.std(scatter - mean[routine]))),
    )


def _energy(s: Sessions, routine: Ints) -> tuple[dict[str, Any], Habit]:
    """Rows of the energy of a session, and the habit."""
    s = s.where(~np.isnan(s.left_h))
    gap = np.searchsorted(habits.LONG_GAP_H, s.away_h, side="right")
    stay = np.searchsorted(habits.STAY_H, s.stay_h, side="right")
    score = _normal_scores(s.energy_kwh, np.zeros(len(stay), np.int64))
    steps = [np.eye(3)[routine[s.user]], np.eye(4)[gap][:, 1:], np.eye(6)[stay][:, :-1]]
    model = fit_linear(score, np.hstack(steps), s.user, stay)
    rows = {
        "energy_kwh": _quantiles(s.energy_kwh),
        "gap_step": [0.0, *model.fixed[3:6]],
        "stay_step": [*model.fixed[6:], 0.0],
        "stay_noise": list(model.noise),
    }
    return rows, Habit(model.fixed[:3], model.users, model.user_sd)


def habit_rows(s: Sessions, routine: Ints) -> dict[str, Any]:
    """The rows of the habits table by name; see `ev_gym.calibration.trondheim.HABIT_ROWS`.

    Args:
        s: sessions of the users who have a routine, numbered from 0.
        routine: (users,) numbers of the routines.
    """
    back = s.where(~np.isnan(s.left_h))
    came, coming = _odds(back.left_day, back.left_h, back.arrival_day, back.user, routine)
    went, going = _odds(s.arrival_day, s.arrival_h, s.departure_day, s.user, routine)
    energy_rows, energy = _energy(s, routine)
    arrivals = [_hours(s, routine, weekend, came=True) for weekend in (False, True)]
    departures = [_hours(s, routine, weekend, came=False) for weekend in (False, True)]
    same = s.where(s.departure_day == s.arrival_day)

    together = [*coming, *going, energy]
    alone = [habit for hour in (*arrivals, *departures) for habit in (hour.habitual, hour.scatter)]
    spread = np.array([habit.sd for habit in together])
    correlation = np.corrcoef([habit.users for habit in together])
    factor = np.linalg.cholesky(correlation * np.outer(spread, spread))
    named = {
        "shares": np.bincount(routine, minlength=3) / len(routine),
        "mean": np.array([habit.mean for habit in together + alone]).T,
        "spread": [*np.round(factor, 3).tolist(), [round(habit.sd, 3) for habit in alone]],
        "plug_in_odds": came,
        "leave_odds": went,
        # The weekend's three tables of a return on the day of departure are one; see _hours.
        "arrival_h": [
            hour.tables.get(kind, hour.tables[0]) for hour in arrivals for kind in range(12)
        ],
        "departure_h": [hour.tables[kind] for hour in departures for kind in range(3)],
        "stay_h": [_quantiles(same.stay_h[np.isin(_bin(same.arrival_h), b)]) for b in STAY_BINS],
        "noise": [hour.noise for hour in (*arrivals, *departures)],
        **energy_rows,
    }
    rounded = {name: np.round(rows, 3).tolist() for name, rows in named.items() if name != "spread"}
    return {**rounded, "spread": named["spread"]}
