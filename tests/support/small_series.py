"""Small series in which every hour differs, and their local clock in plain Python."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from ev_gym.scenario import Household, Scenario, Tariff
from ev_gym.series import sun
from ev_gym.series.dataset import Dataset

STOCKHOLM = ZoneInfo("Europe/Stockholm")
WINTER, SUMMER = datetime(2024, 1, 1), datetime(2024, 7, 1)
BARE = Tariff()
PLAIN = Scenario(household=Household(annual_kwh=None), tariff=BARE)


@functools.cache
def series(
    weeks: int = 52,
    price_minutes: int = 60,
    monday: datetime = WINTER,
    zone: str = "Europe/Stockholm",
) -> Dataset:
    """Series in which no two prices are equal, so that a wrong hour shows."""
    rng = np.random.default_rng(5)
    slots = weeks * 168 * 60 // price_minutes
    return Dataset(
        start=monday.replace(tzinfo=ZoneInfo(zone)),
        zone=zone,
        load_kw=rng.uniform(0.2, 8.0, (3, weeks * 672)),
        price_per_kwh=rng.permutation(slots) / 1000.0 - 0.5,
        temperature_c=rng.uniform(-20.0, 30.0, weeks * 168),
        price_minutes=price_minutes,
    )


SKY_PLACE = {"latitude_deg": 59.33, "longitude_deg": 18.07}


@functools.cache
def sky_series(weeks: int = 2, monday: datetime = SUMMER) -> Dataset:
    """The same series with irradiance "measured" in Stockholm: changing clouds, a third diffuse."""
    data = series(weeks, monday=monday)
    position = sun.sun_position(sun.sub_steps(data.start, weeks * 168), *SKY_PLACE.values())
    up = np.maximum(position.cos_zenith, 0.0)
    clouds = np.random.default_rng(6).uniform(0.2, 1.0, weeks * 168).repeat(12)
    ghi = clouds * sun.clear_sky(up)
    dni = np.divide(2.0 / 3.0 * ghi, up, out=np.zeros_like(ghi), where=up > 0.05)
    dhi = ghi - dni * up
    hours = {"ghi_w_per_m2": ghi, "dhi_w_per_m2": dhi, "dni_w_per_m2": dni}
    return replace(data, **{name: sun.mean_over(value, 60) for name, value in hours.items()})


def local_times(dataset: Dataset, hours: int) -> list[datetime]:
    """The local wall clock at each of so many hours from the start."""
    zone = ZoneInfo(dataset.zone)
    return [(dataset.start + timedelta(hours=h)).astimezone(zone) for h in range(hours)]


def minute_of(dataset: Dataset, text: str) -> int:
    """Minute of the series at a local time."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(dataset.zone))
    return (moment - dataset.start) // timedelta(minutes=1)
