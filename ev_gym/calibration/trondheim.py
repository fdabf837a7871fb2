"""How the figures behind `ev_gym.drivers.draws` are derived from measured sessions.

Source: Sorensen et al. 2021, "Residential electric vehicle charging datasets from apartment
buildings", Data in Brief 36:107105 (doi:10.1016/j.dib.2021.107105), the private users, as
`ev_gym.calibration.sessions` reads them. The folder also needs `ev_models_openevdata_2022.csv`
(type, consumption_kwh_per_100km) and the weather in Stockholm.

Decisions:

- Habits are derived from the users with at least 20 sessions, pooled figures from all users.
- Routines are defined by hours, since the data tell no occupations. Shift worker: the standard
  deviation of the hours of plug-in on weekdays is 4 hours or more. Mostly at home: of the others,
  those with less than 40 % of their weekday plug-outs between 5 and 10 h. Commuter: all others.
- Distances. The sessions hold energies at the wall, but neither cars nor distances. We assume that
  a tenth of the energy is lost in charging. The rest is a distance times the consumption of the
  fleet times a factor for temperature. For the consumption we take the mean of the battery cars in
  Open EV Data; for the factor (`ev_gym.physics.trip`) its mean over the hours of Stockholm's
  weather, whose series is at hand. Trondheim is some 2 deg C colder, which would make distances 2 %
  shorter. So on average a mean car in Stockholm uses the energy that was measured. The distances
  still contain the seasons' effect on the measured energies, and a simulation adds that effect
  again, so the energies of simulated trips spread a little more than measured ones.
- Users were observed for 10 days to 13 months. In figures pooled over sessions, users who were
  observed for longer weigh more. Simulated drivers are all observed for the same time, so they are
  compared with the `drivers` figures, in which each driver weighs the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ev_gym.calibration.habit_fits import habit_rows
from ev_gym.calibration.sessions import Sessions, is_weekend, read_sessions
from ev_gym.drivers import habits
from ev_gym.physics import trip
from ev_gym.runtime.arrays import Floats, Ints

MODELS_FILE = "ev_models_openevdata_2022.csv"
BATTERY_PER_WALL = 0.9  # a car typically loses a tenth when charging at about 7 kW AC
LEAST_SESSIONS = 20
SHIFT_SPREAD_H = 4.0
HOME_MORNING_SHARE = 0.4
LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))


def routines(sessions: Sessions) -> Ints:
    """Routine of each user, -1 for those with fewer than 20 sessions."""
    found = np.full(int(sessions.user.max()) + 1, -1)
    for user in range(len(found)):
        s = sessions.where(sessions.user == user)
        if len(s.user) < LEAST_SESSIONS:
            continue
        hours = s.departure_h[~is_weekend(s.departure_day)]
        if s.arrival_h[~is_weekend(s.arrival_day)].std() >= SHIFT_SPREAD_H:
            found[user] = 1
        elif np.mean((hours >= 5) & (hours < 10)) < HOME_MORNING_SHARE:
            found[user] = 2
        else:
            found[user] = 0
    return found


def _rounded(values: Any, digits: int = 4) -> Any:
    return np.round(values, digits).tolist()


def pooled(s: Sessions) -> dict[str, Any]:
    """Distributions over all sessions: shares by local hour of the day, quantiles at `LEVELS`."""
    away = s.away_h[~np.isnan(s.away_h)]
    hours = {"arrival": s.arrival_h, "departure": s.departure_h}
    return {
        "sessions": len(s.user),
        **{
            f"{name}_share_by_hour": _rounded(
                np.bincount(hour.astype(np.int64) % 24, minlength=24) / len(hour)
            )
            for name, hour in hours.items()
        },
        "stay_h": _rounded(np.quantile(s.stay_h, LEVELS), 2),
        "away_h": _rounded(np.quantile(away, LEVELS), 2),
        "energy_kwh": _rounded(np.quantile(s.energy_kwh, LEVELS), 2),
        "mean_energy_kwh": _rounded(np.mean(s.energy_kwh)),
        "share_longer_than_a_day": _rounded(np.mean(s.stay_h > 24)),
        "share_on_weekends": _rounded(np.mean(is_weekend(s.arrival_day))),
    }


def _clock_passes(from_day: Ints, from_h: Floats, to_day: Ints, to_h: Floats, hour: int) -> Ints:
    """How often the clock strikes `hour` (4 to 27) from one moment to another."""
    passes: Ints = to_day - from_day + (to_h > hour) - (from_h > hour)
    return passes


def _one_driver(s: Sessions) -> dict[str, float]:
    """Figures of one driver: rates, shares plugged in by hour, spread and repetition of hours."""
    s = s.where(~np.isnan(s.left_h))
    days = (s.stay_h.sum() + s.away_h.sum()) / 24
    found = {
        "sessions_per_day": len(s.user) / days,
        "energy_kwh_per_day": s.energy_kwh.sum() / days,
        "share_longer_than_a_day": float(np.mean(s.stay_h > 24)),
    }
    for hour in (3, 8, 12, 18):
        at = hour if hour >= habits.DAY_START_H else hour + 24
        stay = _clock_passes(s.arrival_day, s.arrival_h, s.departure_day, s.departure_h, at).sum()
        away = _clock_passes(s.left_day, s.left_h, s.arrival_day, s.arrival_h, at)
        absent = np.minimum(away, habits.MAX_DAYS).sum()
        found[f"share_plugged_at_{hour:02d}h"] = float(stay / (stay + absent))
    overnight = (s.departure_day > s.arrival_day) & ~is_weekend(s.departure_day)
    hours = {
        "arrival": s.arrival_h[~is_weekend(s.arrival_day)],
        "departure": s.departure_h[overnight],
    }
    for name, values in hours.items():
        found[f"{name}_h"] = float(np.median(values))
        found[f"{name}_spread_h"] = float(np.subtract(*np.quantile(values, [0.75, 0.25])))
        found[f"{name}_repeats"] = float(np.mean(np.abs(np.diff(values)) < 1))
    found["log_energy"] = float(np.mean(np.log(np.maximum(s.energy_kwh, 0.1))))
    return found


def drivers(s: Sessions) -> dict[str, Any]:
    """Mean and standard deviation, over drivers with 20 sessions or more, of each one's figures.

    Hours are those of weekdays, and of plug-outs only those after a night at the charger. Of each
    there are the median, the interquartile range ("spread"), and the share of consecutive hours
    that lie less than an hour apart ("repeats").
    """
    counts = np.bincount(s.user)
    each = [
        _one_driver(s.where(s.user == user)) for user in np.flatnonzero(counts >= LEAST_SESSIONS)
    ]
    table = {name: np.array([one[name] for one in each]) for name in each[0]}
    spread = {name: _rounded([values.mean(), values.std()]) for name, values in table.items()}
    return {"drivers": len(each), **spread}


def fleet(folder: Path) -> dict[str, float]:
    """Consumption of an average car at 20 deg C, and the mean of the factor for temperature.

    Raises:
        FileNotFoundError: if the folder lacks one of the two files.
    """
    import pandas as pd

    from ev_gym.calibration.series import WEATHER_FILE
    from ev_gym.calibration.series_fits import read

    path = Path(folder) / MODELS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {MODELS_FILE} in {folder}; it holds the cars' consumption")
    models = pd.read_csv(path)
    consumption = models.loc[models["type"] == "bev", "consumption_kwh_per_100km"].mean()
    _, temperature_c = read(Path(folder) / WEATHER_FILE, "temperature_c")
    factor = np.mean([trip.factor(degrees) for degrees in temperature_c.tolist()])
    return {"kwh_per_100km": _rounded(consumption), "mean_factor": _rounded(factor)}


def derive(folder: Path) -> dict[str, Any]:
    """The figures of `driving.json` from a folder of measured series.

    `habits` is what `ev_gym.drivers.draws` reads; `pooled` (over sessions) and `drivers` (over
    drivers) are what its drivers should reproduce; distances are computed from `fleet`.

    Raises:
        FileNotFoundError: if the folder lacks one of the files.
    """
    sessions = read_sessions(folder)
    average = fleet(folder)
    km_per_kwh = BATTERY_PER_WALL * 100 / (average["kwh_per_100km"] * average["mean_factor"])
    routine = routines(sessions)
    chosen = sessions.where(routine[sessions.user] >= 0)
    users, user = np.unique(chosen.user, return_inverse=True)
    return {
        "source": "Sorensen et al. 2021, Data in Brief 36:107105, doi:10.1016/j.dib.2021.107105: "
        "private users in Trondheim; figures derived from their charging sessions",
        "users": len(routine),
        "pooled": pooled(sessions),
        "drivers": drivers(sessions),
        "fleet": average,
        "habits": {
            **habit_rows(chosen._replace(user=user.astype(np.int64)), routine[users]),
            "km_per_kwh": [_rounded(km_per_kwh)],
        },
    }
