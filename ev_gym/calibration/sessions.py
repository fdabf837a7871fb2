"""Measured charging sessions: the private users in Trondheim, and eleven other Norwegian garages.

Sources: Sorensen et al. 2021, Data in Brief 36:107105 (doi:10.1016/j.dib.2021.107105), on which the
drivers are fitted; Sorensen et al. 2024 (doi:10.1016/j.dib.2024.110883), which nothing is fitted to
and which they are compared with. The files have the columns user_id, plug_in_utc, plug_out_utc and
energy_kwh, and user_type in the one, location in the other.

- Short sessions. A session that begins less than 30 minutes after the same user's last one ended
  is a reconnect and continues that one; their energies are added up. Of the sessions that result,
  those shorter than 30 minutes are left out. Longer ones are kept, however little they charged,
  because a short trip is a trip. 5,428 sessions become 4,974; their distributions differ from the
  raw ones by at most 0.005 (hour of arrival), 0.054 (stay) and 0.066 (energy) (Kolmogorov-Smirnov
  distance).
- Stays and times away are capped at 7 days.
- Public holidays of Norway are weekend days (`is_weekend`): of the plug-outs after a night, 4 % in
  Trondheim and 11 % in the other garages come before 09:00 on a holiday, 8 and 12 % on Sundays, and
  69 and 59 % on other workdays.
"""

from __future__ import annotations

import functools
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.drivers import habits
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.series.public_holidays import public_holidays

SESSIONS_FILE = "ev_sessions_trondheim_2018-2020.csv"
OTHER_SESSIONS_FILE = "ev_sessions_norway11_2018-2021.csv"
ZONE, COUNTRY = "Europe/Oslo", "NO"
FIRST_DAY = date(2018, 1, 1)  # a Monday
DAYS = 4 * 366  # the sessions end in 2021


class Sessions(NamedTuple):
    """Sessions in order of user and time, as arrays (n,).

    `away_h`, `left_day` and `left_h` tell of the time before a session, since the user left.
    """

    user: Ints  # number of the user
    arrival_day: Ints  # local days from 04:00 to 04:00; day 0 is 2018-01-01, a Monday
    arrival_h: Floats  # hours since midnight before the day's 04:00: 4 to 28
    departure_day: Ints
    departure_h: Floats
    stay_h: Floats
    energy_kwh: Floats
    away_h: Floats  # nan for a user's first session
    left_day: Ints  # day and hour of the departure before; 0 and nan for the first
    left_h: Floats

    def where(self, chosen: NDArray[Any]) -> Sessions:
        """Only the chosen sessions."""
        return Sessions(*(column[chosen] for column in self))


@functools.cache
def _holidays() -> Ints:
    """Days that are public holidays in Norway, but no Sundays."""
    return np.array([(day - FIRST_DAY).days for day in public_holidays(COUNTRY, FIRST_DAY, DAYS)])


def is_weekend(day: Ints) -> NDArray[np.bool_]:
    """Whether local days, counted from 2018-01-01, are weekend days or Norway's holidays."""
    return np.asarray((day % 7 >= 5) | np.isin(day, _holidays()))


def read_sessions(folder: Path) -> Sessions:
    """The sessions of Trondheim's private users, short ones merged or left out as described above.

    Raises:
        FileNotFoundError: if the folder lacks the file.
    """
    frame = _frame(folder, SESSIONS_FILE)
    return _sessions(frame[frame["user_type"] == "private"])


def read_other_sessions(folder: Path) -> dict[str, Sessions]:
    """The sessions of the eleven other garages: "all", then each garage by its name in the file.

    Short ones are merged or left out as in Trondheim; eleven without an end are left out.

    Raises:
        FileNotFoundError: if the folder lacks the file.
    """
    frame = _frame(folder, OTHER_SESSIONS_FILE).dropna(subset=["plug_out_utc"])
    garages = {str(name): _sessions(own) for name, own in frame.groupby("location")}
    return {"all": _sessions(frame), **garages}


def _frame(folder: Path, file: str) -> Any:
    import pandas as pd

    path = Path(folder) / file
    if not path.is_file():
        raise FileNotFoundError(f"no {file} in {folder}; it holds the measured sessions")
    return pd.read_csv(path)


def _sessions(frame: Any) -> Sessions:
    import pandas as pd

    times = pd.DataFrame(
        {
            "user": frame["user_id"],
            "begin": pd.to_datetime(frame["plug_in_utc"], utc=True),
            "end": pd.to_datetime(frame["plug_out_utc"], utc=True),
            "energy": frame["energy_kwh"],
        }
    ).sort_values(["user", "begin", "end"])
    shortest = pd.Timedelta(minutes=habits.MIN_MINUTES)
    times["end"] = times.groupby("user")["end"].cummax()  # two sessions of one user overlap
    apart = times["begin"] - times.groupby("user")["end"].shift(1)
    merged = times.groupby((~(apart < shortest)).cumsum()).agg(
        user=("user", "first"),
        begin=("begin", "first"),
        end=("end", "max"),
        energy=("energy", "sum"),
    )
    merged = merged[merged["end"] - merged["begin"] >= shortest]
    first = ~merged["user"].duplicated().to_numpy()
    stay = (merged["end"] - merged["begin"]).dt.total_seconds().to_numpy(np.float64) / 3600
    away = (merged["begin"] - merged["end"].shift(1)).dt.total_seconds().to_numpy(np.float64) / 3600
    arrival_day, arrival_h = _local(merged["begin"])
    departure_day, departure_h = _local(merged["end"])
    return Sessions(
        user=pd.factorize(merged["user"], sort=True)[0].astype(np.int64),
        arrival_day=arrival_day,
        arrival_h=arrival_h,
        departure_day=departure_day,
        departure_h=departure_h,
        stay_h=np.minimum(stay, habits.MAX_MINUTES / 60),
        energy_kwh=merged["energy"].to_numpy(np.float64),
        away_h=np.where(first, np.nan, np.minimum(away, habits.MAX_MINUTES / 60)),
        left_day=np.where(first, 0, np.roll(departure_day, 1)),
        left_h=np.where(first, np.nan, np.roll(departure_h, 1)),
    )


def _local(stamps: Any) -> tuple[Ints, Floats]:
    """For UTC stamps, the local day of driving (0 is a Monday) and the hour in it, 4 to 28."""
    clock = stamps.dt.tz_convert(ZONE).dt.tz_localize(None).to_numpy("datetime64[m]")
    minute = (clock - np.datetime64(FIRST_DAY, "m")).astype(np.int64)
    day = (minute - habits.DAY_START_H * 60) // DAY_MIN
    return day, (minute - day * DAY_MIN) / 60
