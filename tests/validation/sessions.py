"""Simulated drivers beside the residents of Trondheim and of garages they were not fitted to."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.plot_style import png
from ev_gym.calibrated import figures
from ev_gym.calibration import trondheim
from ev_gym.calibration.sessions import Sessions, is_weekend, read_other_sessions, read_sessions
from ev_gym.drivers import habits
from ev_gym.runtime.arrays import Floats, Ints
from tests.ev_gym.drivers.test_habits import DAYS, DRIVERS, simulated
from tests.validation.series_plots import MEASURED, OURS
from tests.validation.writing import figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SHOWN = "validation_driving.png"
CLOSE_DRIVERS = 400  # whose days are looked at one by one
RESAMPLES = 300
NIGHTS = 3
# Name of the quantiles, what it is, unit.
SPREADS = (
    ("stay_h", "stay", "h"),
    ("away_h", "time away", "h"),
    ("energy_kwh", "energy of a session at the wall", "kWh"),
)
KINDS_OF_DAY = ("workdays", "Saturdays", "Sundays", "public holidays from Monday to Friday")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Name in the figures, what it is, digits.
HABITS = (
    ("sessions_per_day", "sessions a day", 2),
    ("energy_kwh_per_day", "energy a day (kWh)", 2),
    ("arrival_h", "usual hour of plug-in on workdays", 1),
    ("arrival_spread_h", "spread of that hour (h)", 1),
    ("arrival_repeats", "share of plug-ins within an hour of the last", 2),
    ("departure_h", "usual hour of plug-out after a night", 1),
    ("departure_spread_h", "spread of that hour (h)", 1),
    ("departure_repeats", "share of plug-outs within an hour of the last", 2),
    ("share_plugged_at_03h", "plugged in at 03", 2),
    ("share_plugged_at_08h", "plugged in at 08", 2),
    ("share_plugged_at_12h", "plugged in at 12", 2),
    ("share_plugged_at_18h", "plugged in at 18", 2),
    ("share_longer_than_a_day", "sessions longer than a day", 2),
)


@functools.cache
def generated_sessions() -> Sessions:
    """Sessions as the package draws them."""
    return simulated(habits.habits_table())


def pooled_table() -> str:
    """Distributions over all sessions: the measured figures and ours."""
    measured, ours = figures("driving")["pooled"], trondheim.pooled(generated_sessions())
    rows = []
    for name, what, unit in SPREADS:
        for level in QUANTILES:
            place = trondheim.LEVELS.index(level)
            pair = [measured[name][place], ours[name][place]]
            rows.append([f"{what}, {100 * level:.0f} % quantile ({unit})", *_cells(*pair, 2)])
    for name, what, digits in (
        ("mean_energy_kwh", "mean energy of a session (kWh)", 2),
        ("share_longer_than_a_day", "share longer than a day", 3),
        ("share_on_weekends", "share that begins on weekends and holidays", 3),
    ):
        rows.append([what, *_cells(measured[name], ours[name], digits)])
    for name, what in (("arrival", "plug-in"), ("departure", "plug-out")):
        shares = [np.array(own[f"{name}_share_by_hour"]) for own in (measured, ours)]
        for first, last in ((6, 9), (15, 18), (18, 22)):
            pair = [float(share[first:last].sum()) for share in shares]
            rows.append([f"share of {what}s from {first:02} to {last:02}", *_cells(*pair, 3)])
    head = ["all sessions", "measured", "ours", "difference"]
    return table(head, rows)


def _cells(measured: float, ours: float, digits: int) -> list[str]:
    return [*(f"{each:.{digits}f}" for each in (measured, ours)), f"{ours - measured:+.{digits}f}"]


def drivers_table() -> str:
    """What one driver does: mean and standard deviation over drivers."""
    sessions = generated_sessions()
    measured = figures("driving")["drivers"]
    ours = trondheim.drivers(sessions.where(sessions.user < CLOSE_DRIVERS))
    rows = [
        [what, *(f"{own[name][0]:.{digits}f} ({own[name][1]:.{digits}f})" for own in
                 (measured, ours))]
        for name, what, digits in HABITS
    ]  # fmt: skip
    head = ["of a driver: mean (standard deviation over drivers)"]
    return table([*head, f"{measured['drivers']} measured", f"{ours['drivers']} simulated"], rows)


def distance(one: Floats, other: Floats) -> float:
    """Kolmogorov-Smirnov distance of two samples."""
    at = np.sort(np.concatenate([one, other]))
    below = [np.searchsorted(np.sort(own), at, "right") / own.size for own in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def _columns(sessions: Sessions) -> dict[str, Floats]:
    """Values by what they are; hours count from 04:00, where driving days begin."""
    return {
        "hour of plug-in": (sessions.arrival_h - 4) % 24,
        "hour of plug-out": (sessions.departure_h - 4) % 24,
        "stay": sessions.stay_h,
        "time away": sessions.away_h[~np.isnan(sessions.away_h)],
        "energy": sessions.energy_kwh,
    }


def distances_table(measured: Sessions) -> str:
    """Distances of distributions, and those that chance gives: the users drawn anew."""
    rng = np.random.default_rng(0)
    users = int(measured.user.max()) + 1
    of_user = [np.flatnonzero(measured.user == user) for user in range(users)]
    again: dict[str, list[float]] = {}
    whole = _columns(measured)
    for _ in range(RESAMPLES):
        picked = np.concatenate([of_user[user] for user in rng.integers(users, size=users)])
        for name, values in _columns(measured.where(picked)).items():
            again.setdefault(name, []).append(distance(values, whole[name]))
    ours = _columns(generated_sessions())
    rows = [
        [
            name,
            f"{distance(ours[name], whole[name]):.3f}",
            f"{np.quantile(again[name], 0.5):.3f}",
            f"{np.quantile(again[name], 0.95):.3f}",
        ]
        for name in whole
    ]
    head = ["Kolmogorov-Smirnov distance to the measured sessions", "ours",
            "users drawn anew, median", "95 %"]  # fmt: skip
    return table(head, rows)


def _hours(axes: Axes, name: str, columns: list[dict[str, Floats]]) -> None:
    edges = np.arange(25.0)
    for values, color, fill in zip(columns, (MEASURED, OURS), (False, True), strict=True):
        share = np.histogram(values[name], edges)[0] / values[name].size
        axes.stairs(100 * share, edges, color=color, lw=1.4, fill=fill, alpha=0.5 if fill else 1,
                    label="simulated" if fill else "measured")  # fmt: skip
    axes.set_xticks(np.arange(0, 25, 4), [f"{(hour + 4) % 24:02}" for hour in range(0, 25, 4)])
    axes.set(title=f"local {name}", xlim=(0, 24), xlabel="hour", ylabel="% of sessions")


def picture(measured: Sessions, path: Path) -> None:
    """Draw `validation_driving.png`."""
    columns = [_columns(own) for own in (measured, generated_sessions())]
    with png(path, 9.6, 5.6) as drawing:
        panels = drawing.subplots(2, 6)
        for axes in panels.flat:
            axes.remove()
        grid = panels[0, 0].get_gridspec()
        for place, name in enumerate(("hour of plug-in", "hour of plug-out")):
            axes = drawing.add_subplot(grid[0, 3 * place : 3 * place + 3])
            _hours(axes, name, columns)
            axes.legend(fontsize=8)
        spans = (("stay", "h", 48.0), ("time away", "h", 120.0), ("energy", "kWh", 50.0))
        for place, (name, unit, most) in enumerate(spans):
            axes = drawing.add_subplot(grid[1, 2 * place : 2 * place + 2])
            for values, color in zip(columns, (MEASURED, OURS), strict=True):
                own = np.sort(values[name])
                axes.plot(own, 100 * np.arange(1, own.size + 1) / own.size, color=color, lw=1.4)
            axes.set(title=f"{name}, % of sessions up to", xlabel=unit, xlim=(0, most))
            axes.set_ylim(0, 100)


def held_out_table(trondheims: Sessions, others: dict[str, Sessions]) -> str:
    """The drivers, fitted on Trondheim alone, beside the users of eleven other garages.

    A figure of the drivers that lies outside the garages' range has a star.
    """
    columns = [trondheims, generated_sessions(), *others.values()]
    found = [trondheim.pooled(own) for own in columns]

    def row(what: str, values: list[float], digits: int) -> list[str]:
        measured, ours, together, *each = values
        star = "" if min(each) <= ours <= max(each) else " *"
        cells = [f"{value:.{digits}f}" for value in (measured, ours, together)]
        span = f"{min(each):.{digits}f} to {max(each):.{digits}f}"
        return [what, cells[0], cells[1] + star, cells[2], span]

    rows = [["sessions", *(str(len(own.user)) for own in columns[:3]), ""]]
    users = [str(int(own.user.max()) + 1) for own in columns[:3]]
    rows.append(["users", *users, ""])
    for name, what, unit in SPREADS:
        for level in (0.25, 0.5, 0.75):
            place = trondheim.LEVELS.index(level)
            label = "median" if level == 0.5 else f"{100 * level:.0f} % quantile"
            rows.append(row(f"{what}, {label} ({unit})", [own[name][place] for own in found], 1))
    rows.append(row("mean energy (kWh)", [own["mean_energy_kwh"] for own in found], 1))
    for name, what in (
        ("share_longer_than_a_day", "share longer than a day"),
        ("share_on_weekends", "share that begins on weekends and holidays"),
    ):
        rows.append(row(what, [own[name] for own in found], 3))
    for name, what in (("arrival", "plug-in"), ("departure", "plug-out")):
        shares = [np.array(own[f"{name}_share_by_hour"]) for own in found]
        for first, last in ((6, 9), (12, 15), (15, 18), (18, 22)):
            label = f"share of {what}s from {first:02} to {last:02}"
            rows.append(row(label, [float(own[first:last].sum()) for own in shares], 3))
    head = ["held-out garages", "Trondheim, fitted", "ours", "eleven garages", "each of them"]
    return table(head, rows)


def held_out_drivers_table(others: Sessions) -> str:
    """What one driver does, beside the users of the eleven garages.

    Users who hardly ever unplug on a workday after a night have no usual hour and are left out.
    """
    overnight = (others.departure_day > others.arrival_day) & ~is_weekend(others.departure_day)
    nights = np.bincount(others.user[overnight], minlength=int(others.user.max()) + 1)
    others = others.where(nights[others.user] >= NIGHTS)
    sessions = generated_sessions()
    columns = [
        figures("driving")["drivers"],
        trondheim.drivers(sessions.where(sessions.user < CLOSE_DRIVERS)),
        trondheim.drivers(others),
    ]
    rows = [
        [what, *(f"{own[name][0]:.{digits}f} ({own[name][1]:.{digits}f})" for own in columns)]
        for name, what, digits in HABITS
    ]
    counts = [f"{own['drivers']} {of}" for own, of in
              zip(columns, ("in Trondheim", "simulated", "elsewhere"), strict=True)]  # fmt: skip
    return table(["of a driver: mean (standard deviation over drivers)", *counts], rows)


def held_out_distances_table(trondheims: Sessions, others: dict[str, Sessions]) -> str:
    """How far distributions are from those of the eleven garages, and these from each other."""
    everyone, *garages = (_columns(own) for own in others.values())
    ours, fitted = _columns(generated_sessions()), _columns(trondheims)
    rows = []
    for name, values in everyone.items():
        apart = [distance(own[name], values) for own in garages]
        cells = [distance(own[name], values) for own in (ours, fitted)]
        cells += [float(np.median(apart)), max(apart)]
        rows.append([name, *(f"{cell:.3f}" for cell in cells)])
    head = ["Kolmogorov-Smirnov distance to the eleven garages together", "ours",
            "Trondheim", "one garage, median", "largest"]  # fmt: skip
    return table(head, rows)


def _kind_of_day(day: Ints) -> Ints:
    """Place of each day in KINDS_OF_DAY."""
    weekday = day % 7
    holiday = is_weekend(day) & (weekday < 5)
    return np.select([holiday, weekday == 6, weekday == 5], [3, 2, 1], 0)


def holidays_table(trondheims: Sessions, others: dict[str, Sessions]) -> str:
    """How drivers take a public holiday, beside other days."""
    rows = [[kind] for kind in KINDS_OF_DAY]
    for own in (trondheims, generated_sessions(), others["all"]):
        nights = own.where(own.departure_day > own.arrival_day)
        for kind, row in enumerate(rows):
            hours = nights.departure_h[_kind_of_day(nights.departure_day) == kind]
            row.append(f"{100 * np.mean(hours < 9):.0f} %, {np.median(hours):.1f} h")
    head = ["plug-outs after a night: share before 09:00, median hour", "Trondheim, fitted",
            "ours", "eleven garages"]  # fmt: skip
    return table(head, rows)


def held_out_section(folder: Path) -> str:
    """The four tables."""
    fitted, others = read_sessions(folder), read_other_sessions(folder)
    tables = [
        held_out_table(fitted, others),
        held_out_drivers_table(others["all"]),
        held_out_distances_table(fitted, others),
        holidays_table(fitted, others),
    ]
    return "\n".join(tables)


def measured_section(folder: Path, docs: Path) -> str:
    """Draw the picture; its text and the distances."""
    measured = read_sessions(folder)
    picture(measured, docs / SHOWN)
    words = (
        f"{len(measured.user)} measured sessions (black) and those of {DRIVERS} simulated drivers "
        f"over {DAYS} days (blue)."
    )
    return f"{distances_table(measured)}\n{figure(SHOWN, 'Driving', words)}"
