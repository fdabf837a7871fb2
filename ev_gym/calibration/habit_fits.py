"""How drivers' habits are estimated from sessions: rows of `ev_gym.drivers.habits.habits_table`.

Measured hours, durations and energies become normal scores: each value's rank within its table. All
sessions weigh the same, so that the tables reproduce the distributions of all sessions together. A
linear model of the scores has a mean for each routine, an intercept for each user, and a scatter
that differs from user to user; the EM algorithm fits it. The odds of plugging in and of leaving
have a logistic model of the same kind, fitted by penalised quasi-likelihood (Breslow and Clayton
1993, doi:10.1080/01621459.1993.10594284).

In these data a user's hour of plug-out on weekdays tells nothing about that on weekends
(correlation 0.0). So a simulated driver's habits of hours are drawn independently of each other,
while the habits of odds and energy are drawn with their correlations.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from ev_gym.calibration.sessions import Sessions, is_weekend
from ev_gym.drivers import habits
from ev_gym.runtime.arrays import Floats, Ints

ITERATIONS = 60
# The residual variance of a class is pulled towards that of all data, as if the class had as many
# more values of that variance.
PRIOR_COUNT = 4
WORK_END_H = habits.HOUR_EDGES[habits.WORK_EDGE_BIN - 1]
# For each bin of arrival, the bins whose stays make its table; those with few stays share one.
STAY_BINS = ((0, 1), (0, 1), (2,), (3,), (4,), (5,), (6, 7), (6, 7))


class Fit(NamedTuple):
    """A regression with a normal intercept for each user."""

    fixed: Floats  # coefficients of the design's columns
    users: Floats  # each user's intercept
    user_sd: float
    noise: Floats  # residual standard deviation of each class; empty for a logistic model


def _with_users(design: Floats, user: Ints) -> Floats:
    """The design with a further column for each user."""
    return np.hstack([design, np.eye(int(user.max()) + 1)[user]])


def _solve(normal: Floats, right: Floats, columns: int, variance: float) -> tuple[Floats, Floats]:
    """Effects, fixed ones first, and their covariance, from the normal equations."""
    penalty = np.full(len(right), 1 / variance)
    penalty[:columns] = 1e-3  # hardly any; it makes columns without data solvable
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
    full, columns = _with_users(design, user), design.shape[1]
    # EM needs no more of the data than the sums of squares and products of each class.
    rows = [noise_class == number for number in range(int(noise_class.max()) + 1)]
    count = np.array([row.sum() for row in rows])
    gram = np.array([np.einsum("ni,nj->ij", full[row], full[row]) for row in rows])
    right = np.array([np.einsum("ni,n->i", full[row], outcome[row]) for row in rows])
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
    # Entries of one user and one column form a cell; only how many they are matters, and how many
    # of them happened.
    cells, cell = np.unique(user * 100 + column, return_inverse=True)
    count, events = np.bincount(cell), np.bincount(cell, happened)
    of_user = cells // 100
    design = np.hstack([np.eye(int(column.max()) + 1)[cells % 100], extra[of_user]])
    full, columns = _with_users(design, of_user), design.shape[1]
    effect, variance = np.zeros(full.shape[1]), 0.5
    for _ in range(ITERATIONS):
        score = np.einsum("ni,i->n", full, effect)
        chance = 1 / (1 + np.exp(-score))
        weight = count * chance * (1 - chance)
        weighted = full * weight[:, None]
        target = score + (events - count * chance) / weight
        side = np.einsum("ni,n->i", weighted, target)
        effect, covariance = _solve(np.einsum("ni,nj->ij", weighted, full), side, columns, variance)
        variance = float(np.mean(effect[columns:] ** 2 + np.diag(covariance)[columns:]))
    return Fit(effect[:columns], effect[columns:], variance**0.5, np.empty(0))


class Habit(NamedTuple):
    """One habit, as a score."""

    mean: Floats  # (3,) mean of each routine
    users: Floats  # each user's deviation from it
    sd: float  # standard deviation of these deviations


class Hours(NamedTuple):
    """Estimates for the hours of plug-in or of plug-out."""

    tables: dict[int, list[float]]  # quantiles of the hours in each table
    noise: list[float]  # quantiles of the scores' scatter, divided by the user's
    habitual: Habit  # the score that a user has on average
    scatter: Habit  # logarithm of the standard deviation of a user's scores


def _scores() -> Floats:
    return np.linspace(-habits.SCORE_LIMIT, habits.SCORE_LIMIT, habits.KNOTS)


def _quantiles(values: Floats) -> list[float]:
    """The values' quantiles at the normal scores of the table's columns."""
    levels = [NormalDist().cdf(score) for score in _scores()]
    return [round(float(value), 2) for value in np.quantile(values, levels)]


def _normal_scores(values: Floats, table: Ints) -> Floats:
    """Normal score of each value's rank among the values of its table."""
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
    """Odds by column of the table, and two habits of odds: on the same day, and on later days.

    The event is a plug-in after a departure, or a departure after a plug-in.
    """
    happened, column, users = [], [], []
    days = to_day - from_day
    for later in range(habits.MAX_DAYS):
        waiting = days >= later  # the event has not happened on an earlier day
        weekend = is_weekend(from_day[waiting] + later).astype(np.int64)
        happened.append((days[waiting] == later) * 1.0)
        column.append(_bin(from_h[waiting]) + 8 * weekend if later == 0 else weekend)
        users.append(user[waiting])
    odds: list[float] = []
    habits_of_odds = []
    for parts, columns in ((slice(0, 1), 16), (slice(1, None), 2)):
        model = fit_logistic(
            np.concatenate(happened[parts]),
            np.concatenate(column[parts]),
            np.eye(3)[routine][:, 1:],
            np.concatenate(users[parts]),
        )
        odds += list(np.exp(model.fixed[:columns]))
        means = np.concatenate([[0.0], model.fixed[columns:]])
        habits_of_odds.append(Habit(means, model.users, model.user_sd))
    return odds, habits_of_odds


def _hours(s: Sessions, routine: Ints, weekend: bool, plug_in: bool) -> Hours:
    """Estimates for the hour of plug-in (`plug_in`) or of plug-out, on weekdays or weekends."""
    if plug_in:
        s = s.where(~np.isnan(s.left_h) & (is_weekend(s.arrival_day) == weekend))
        later = s.arrival_day > s.left_day
        table = np.where(later, 3 + routine[s.user], routine[s.user])
        if weekend:  # few return on the day they left, so for these the routines share a table
            table = np.where(later, table, 0)
        evening = ~later & (s.left_h >= WORK_END_H)
        table = np.where(evening, 4 + _bin(s.left_h), table)
        value = np.where(evening, s.away_h, s.arrival_h)
    else:
        s = s.where((s.departure_day > s.arrival_day) & (is_weekend(s.departure_day) == weekend))
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
    """Rows of the table for the energy of a session, and the habit of it."""
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
    """The rows of the habits table by name; `ev_gym.drivers.habits.ROWS_BY_NAME` lists them.

    Args:
        s: sessions of the users who have a routine, numbered from 0.
        routine: (users,) numbers of the routines.
    """
    back = s.where(~np.isnan(s.left_h))
    plug_in_odds, plug_in_habits = _odds(
        back.left_day, back.left_h, back.arrival_day, back.user, routine
    )
    leave_odds, leave_habits = _odds(s.arrival_day, s.arrival_h, s.departure_day, s.user, routine)
    energy_rows, energy = _energy(s, routine)
    arrivals = [_hours(s, routine, weekend, plug_in=True) for weekend in (False, True)]
    departures = [_hours(s, routine, weekend, plug_in=False) for weekend in (False, True)]
    same = s.where(s.departure_day == s.arrival_day)

    correlated = [*plug_in_habits, *leave_habits, energy]
    independent = [
        habit for hour in (*arrivals, *departures) for habit in (hour.habitual, hour.scatter)
    ]
    spread = np.array([habit.sd for habit in correlated])
    correlation = np.corrcoef([habit.users for habit in correlated])
    factor = np.linalg.cholesky(correlation * np.outer(spread, spread))
    named = {
        "shares": np.bincount(routine, minlength=3) / len(routine),
        "mean": np.array([habit.mean for habit in correlated + independent]).T,
        "spread": [*np.round(factor, 3).tolist(), [round(habit.sd, 3) for habit in independent]],
        "plug_in_odds": plug_in_odds,
        "leave_odds": leave_odds,
        # For returns on the day of departure, the three routines share one table on weekends.
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
