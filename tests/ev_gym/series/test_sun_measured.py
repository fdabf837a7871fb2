"""The sun as measured: hours keep their means, night gives nothing, time and place are checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import ScenarioError, Solar
from ev_gym.series import sun
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.series.sun import pv_kw
from tests.support.small_series import SKY_PLACE, series, sky_series


def hours_of(data: Dataset) -> tuple[sun.Sun, Floats]:
    when = sun.sub_steps(data.start, data.temperature_c.size)
    place = SKY_PLACE["latitude_deg"], SKY_PLACE["longitude_deg"]
    return sun.sun_position(when, *place), sun.extraterrestrial(when)


def test_measured_hours_keep_their_means() -> None:
    data = sky_series()
    ours, extra = hours_of(data)
    ghi, dhi = data.ghi_w_per_m2, data.dhi_w_per_m2
    assert ghi is not None
    assert dhi is not None
    assert ghi.max() > 500.0
    light = sun.light_from_hours(ghi, dhi, ours, extra)
    np.testing.assert_allclose(sun.mean_over(light.ghi, 60), ghi, rtol=1e-9)
    beam = sun.mean_over(light.dni * np.maximum(ours.cos_zenith, 0.0), 60)
    np.testing.assert_allclose(sun.mean_over(light.dhi, 60) + beam, ghi, rtol=1e-9)
    high = ours.cos_zenith.reshape(-1, 12).min(axis=1) > sun.LEAST_COS_ZENITH
    assert high.sum() > 50
    np.testing.assert_allclose(sun.mean_over(light.dhi, 60)[high], dhi[high], rtol=1e-9)
    alone = sun.light_from_hours(ghi, None, ours, extra)
    np.testing.assert_array_equal(alone.ghi, light.ghi)
    assert np.abs(alone.dhi - light.dhi).max() > 10.0


def test_what_is_measured_reaches_the_roof() -> None:
    data = sky_series()
    solar = Solar(peak_kw=5.0, **SKY_PLACE)
    measured = pv_kw(solar, data, 60)
    split = pv_kw(solar, replace(data, dhi_w_per_m2=None, dni_w_per_m2=None), 60)
    diffuse = pv_kw(solar, replace(data, dhi_w_per_m2=data.ghi_w_per_m2, dni_w_per_m2=None), 60)
    unchecked = pv_kw(solar, replace(data, dni_w_per_m2=None), 60)
    np.testing.assert_array_equal(measured, unchecked)
    assert measured.sum() > split.sum() > diffuse.sum() > 0.0


def test_modules_without_a_sky() -> None:
    with pytest.raises(ScenarioError, match=r"Solar.peak_kw is 5.0, but .* no sky; allowed: 0; .*"):
        pv_kw(Solar(peak_kw=5.0), series(1), 15)


def test_light_measured_at_night_gives_nothing() -> None:
    """A pyranometer's offset, too small to be refused."""
    data = sky_series()
    solar = Solar(peak_kw=5.0, **SKY_PLACE)
    offset = replace(data, ghi_w_per_m2=data.ghi_w_per_m2 + 0.5, dni_w_per_m2=None)
    ours, extra = hours_of(data)
    down = (ours.cos_zenith.reshape(-1, 12) <= 0.0).all(axis=1)
    assert down.sum() > 50
    light = sun.light_from_hours(offset.ghi_w_per_m2, offset.dhi_w_per_m2, ours, extra)
    assert not sun.mean_over(light.ghi, 60)[down].any()
    power_kw = pv_kw(solar, offset, 60)
    assert not power_kw[down].any()
    assert power_kw.sum() > pv_kw(solar, data, 60).sum()


def shifted(data: Dataset, hours: int) -> dict[str, Any]:
    names = ("ghi_w_per_m2", "dhi_w_per_m2", "dni_w_per_m2")
    return {name: np.roll(getattr(data, name), hours) for name in names}


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        (lambda data: shifted(data, 3), {}, r"of ghi_w_per_m2 falls into hours with the sun down"),
        (lambda data: {}, {"longitude_deg": 100.0}, r"falls .* longitude_deg = 100; are place and"),
        (
            lambda data: shifted(data, 1),
            {},
            r"dni_w_per_m2 \* cos\(zenith\) misses ghi_w_per_m2 by",
        ),
        (
            lambda data: {"dni_w_per_m2": 0.9 * data.dni_w_per_m2},
            {},
            r"misses ghi_w_per_m2 by \d\.\d%, allowed is 4.5%, at latitude_deg = 59.33",
        ),
    ],
)
def test_irradiance_of_another_time_or_place(
    change: Callable[[Dataset], dict[str, Any]], place: dict[str, float], message: str
) -> None:
    data = sky_series()
    pv_kw(Solar(peak_kw=5.0, **SKY_PLACE), data, 15)
    with pytest.raises(DataError, match=message):
        pv_kw(Solar(peak_kw=5.0, **{**SKY_PLACE, **place}), replace(data, **change(data)), 15)


def test_aarhus_measured(measured_folder: Path) -> None:
    """What docstrings say of 2024: what Erbs makes of it, the checks of time and place."""
    names = ["ghi_w_per_m2", "dhi_w_per_m2", "dni_w_per_m2"]
    frame = pd.read_csv(measured_folder / "weather_aarhus_hourly_2024.csv")
    ghi, dhi, dni = (frame[name].to_numpy()[1 : 1 + 52 * 168] for name in names)
    data = Dataset(
        start=datetime(2024, 1, 1, tzinfo=timezone.utc),
        zone="UTC",
        load_kw=np.ones((1, 52 * 672)),
        price_per_kwh=np.ones(52 * 168),
        temperature_c=frame["temperature_c"].to_numpy()[1 : 1 + 52 * 168],
        ghi_w_per_m2=ghi,
        dhi_w_per_m2=dhi,
        dni_w_per_m2=dni,
    )
    solar = Solar(peak_kw=5.0, latitude_deg=56.15, longitude_deg=10.21)
    measured = pv_kw(solar, data, 60).sum()
    alone = replace(data, dhi_w_per_m2=None, dni_w_per_m2=None)
    assert pv_kw(solar, alone, 60).sum() / measured == pytest.approx(0.973, abs=0.002)
    when = sun.sub_steps(data.start, 52 * 168)
    ours, extra = sun.sun_position(when, 56.15, 10.21), sun.extraterrestrial(when)
    split = sun.light_from_hours(ghi, None, ours, extra)
    assert split.dhi.mean() / dhi.mean() == pytest.approx(1.23, abs=0.005)
    beam = sun.light_from_hours(ghi, dhi, ours, extra).dni
    assert beam.mean() / dni.mean() == pytest.approx(1.0, abs=0.01)
    with pytest.raises(DataError, match=r"misses ghi_w_per_m2 by 5.\d%"):
        pv_kw(Solar(peak_kw=5.0), data, 60)  # Stockholm
    with pytest.raises(DataError, match="sun down"):
        pv_kw(solar, replace(alone, ghi_w_per_m2=np.roll(ghi, 1)), 60)
