"""Choose the first key of the random streams: world 0 of family 0 is to be a typical year.

``python -m ev_gym.calibration.typical`` names the key that belongs in
``ev_gym.series.synthetic.FIRST_KEY``, after the figures have changed. It needs no measured series.
"""

from __future__ import annotations

from datetime import date, datetime, timezone

import click
import numpy as np

from ev_gym.calibrated import figures
from ev_gym.calibration.measures import price_figures, sky_figures, temperature_figures
from ev_gym.calibration.sky import PLACES, clear_hours, utc_month
from ev_gym.runtime.arrays import Floats
from ev_gym.series import synthetic
from ev_gym.series.public_holidays import public_holidays
from ev_gym.series.synthetic_sky import built_in_clearness

KEYS = range(300)
START = datetime(2024, 12, 29, 23, tzinfo=timezone.utc)  # Monday 30 December, 00:00 local
ZONE = "Europe/Stockholm"
YEAR_H = 52 * 168
PRICE = ("mean", "sd", "daily_spread_mean", "hourly_change_sd", "below_zero_share")
TEMPERATURE = ("quantiles", "by_month_mean", "by_month_daily_range")


def most_typical(keys: range = KEYS) -> int:
    """Return the one of these keys whose world is nearest to the measured years.

    Near is a small sum of squares of seven groups of figures, each group's mean counting once: the
    level and spread of prices, their quantiles and twelve monthly means; quantiles of temperature,
    its twelve monthly means and daily ranges; and the sky's light in year, summer and winter (of
    which, in Stockholm, no other measure is at hand than the mean of all keys). A difference is
    counted in standard deviations over the keys.
    """
    known, before = figures("series"), synthetic.FIRST_KEY
    worlds = []
    try:
        for key in keys:
            synthetic.FIRST_KEY = key
            worlds.append(_figures_of_world())
    finally:
        synthetic.FIRST_KEY = before
    years = list(known["temperature"]["figures"].values())
    price = known["price"]["figures"]["all"]
    measured = [
        _levels(price),
        np.array(price["quantiles"]),
        np.array(price["by_month"]),
        *(np.mean([year[name] for year in years], axis=0) for name in TEMPERATURE),
        None,
    ]
    distance = np.zeros(len(worlds))
    for group, aim in zip(zip(*worlds, strict=True), measured, strict=True):
        found = np.array(group)
        away = (found - (found.mean(axis=0) if aim is None else aim)) / found.std(axis=0)
        distance += (away**2).mean(axis=1)
    return keys[int(distance.argmin())]


def _figures_of_world() -> list[Floats]:
    """Return the seven groups of figures of world 0 of family 0."""
    holidays = public_holidays("SE", date(2024, 12, 30), 7 * 52)
    clock = synthetic.local_clock(START, YEAR_H, ZONE, holidays)
    series = synthetic.synthetic_series(START, 52, 1, ZONE, 1.0, holidays=holidays)
    price = price_figures(series.price_per_kwh.reshape(-1, 4).mean(axis=1), clock)
    temperature = temperature_figures(series.temperature_c, clock)
    first = -START.hour % 24  # whole days of UTC
    days = slice(first, first + (YEAR_H - first) // 24 * 24)
    clear = clear_hours(START, YEAR_H, PLACES["stockholm"])[days]
    clearness = built_in_clearness(START, YEAR_H)[days]
    sky = sky_figures(clearness, clear, utc_month(START, YEAR_H)[days])
    return [
        _levels(price),
        np.array(price["quantiles"]),
        np.array(price["by_month"]),
        *(np.array(temperature[name]) for name in TEMPERATURE),
        np.array([sky[name] for name in ("ghi_kwh_per_m2", "summer_share", "winter_share")]),
    ]


def _levels(price: dict[str, float]) -> Floats:
    return np.array([price[name] for name in PRICE])


@click.command()
def main() -> None:
    """Name the key that belongs in ev_gym/series/synthetic.py."""
    click.echo(f"FIRST_KEY = {most_typical()}")


if __name__ == "__main__":
    main()
