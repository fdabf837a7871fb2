"""The peaks of whole months, by hand and of a measured house."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ev_gym.scenario import PeakPrice, PeakRule, Tariff, Weight
from ev_gym.series.dataset import Dataset
from ev_gym.world.peak_means import Imports, peak_mean_kw, trailing_means
from ev_gym.world.tariff_tables import local_months, quarters_of

OSLO = ZoneInfo("Europe/Oslo")
LINE = (PeakPrice(per_kw=1.0),)


def hourly(monday: datetime, kw: list[float]) -> Dataset:
    """A house of hourly loads in Oslo, from a local Monday on."""
    return Dataset(
        start=monday.replace(tzinfo=OSLO),
        zone="Europe/Oslo",
        load_kw=np.repeat(kw, 4)[np.newaxis],
        price_per_kwh=np.zeros(len(kw)),
        temperature_c=np.zeros(len(kw)),
    )


def test_a_week_by_hand() -> None:
    """Monday 9 and 8 kW, Tuesday 7 from 22 on for half an hour, all else 1.

    Of three days (9 + 3.5 + 1) / 3; of any hours (9 + 8 + 3.5) / 3; nights counting half Tuesday's
    hour is 1.75; of quarter-hours (9 + 9 + 9) / 3; of five peaks, each at least 2: (9 + 8 + 3.5 + 2
    + 2) / 5.
    """
    kw = np.ones(168)
    kw[[17, 18]] = 9.0, 8.0
    dataset = hourly(datetime(2026, 3, 2), kw.tolist())
    minute = 15 * np.arange(672)
    kwh = np.repeat(kw, 4) / 4.0
    kwh[(24 + 22) * 4 : (24 + 23) * 4] = [7.0 / 4, 7.0 / 4, 0.0, 0.0]
    night = Weight(factor=0.5, from_time="22:00", to_time="06:00")
    for rule, mean_kw in (
        (PeakRule(prices=LINE), (9 + 3.5 + 1) / 3),
        (PeakRule(different_days=False, prices=LINE), (9 + 8 + 3.5) / 3),
        (PeakRule(weights=(night,), prices=LINE), (9 + 1.75 + 1) / 3),
        (PeakRule(interval_min=15, different_days=False, prices=LINE), 9.0),
        (PeakRule(count=5, different_days=False, floor_kw=2.0, prices=LINE), 24.5 / 5),
    ):
        quarters = quarters_of(Tariff(peaks=(rule,)), dataset)
        found = peak_mean_kw(rule, quarters, Imports(minute, kwh), 15)
        assert found == pytest.approx(mean_kw, abs=1e-12)


def test_the_months_of_a_house_in_trondheim(measured_folder: Path) -> None:
    """Mean of the three highest hours, of three days and of any, as derived from its meter."""
    with (measured_folder / "house_load_trondheim_hourly_2020-2022.csv").open() as file:
        rows = [(row["timestamp_utc"], float(row["load_kw"])) for row in csv.DictReader(file)]
    monday = datetime(2020, 1, 6, tzinfo=OSLO)
    first = monday.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%MZ")
    (begin,) = (place for place, (stamp, _) in enumerate(rows) if stamp == first)
    weeks = (len(rows) - begin) // 168
    kw = np.array([load for _, load in rows[begin : begin + 168 * weeks]])
    dataset = hourly(datetime(2020, 1, 6), kw.tolist())
    months = local_months(dataset).astype(str)
    with (measured_folder / "house_trondheim_monthly_peaks_derived.csv").open() as file:
        derived = {row["month_local"]: row for row in csv.DictReader(file)}
    minute = 60 * np.arange(kw.size)
    last = (monday + timedelta(weeks=weeks)).strftime("%Y-%m")
    whole = [month for month in derived if "2020-01" < month < last]
    assert len(whole) >= 24
    for different_days, column in (
        (True, "mean_3_highest_days_kw"),
        (False, "mean_3_highest_hours_any_day_kw"),
    ):
        rule = PeakRule(different_days=different_days, prices=LINE)
        quarters = quarters_of(Tariff(peaks=(rule,)), dataset)
        for month in whole:
            own = months == month
            mean_kw = peak_mean_kw(rule, quarters, Imports(minute[own], kw[own]), 60)
            assert mean_kw == pytest.approx(float(derived[month][column]), abs=6e-4), month


def test_means_over_months_by_hand() -> None:
    """Of three months, at least 2 kW each; what is missing counts as 2."""
    assert trailing_means([3.0, 6.0, 9.0], [], 3, 2.0) == pytest.approx([7 / 3, 11 / 3, 6.0])
    assert trailing_means([3.0, 6.0], [8.0, 1.0], 3, 2.0) == pytest.approx([13 / 3, 11 / 3])
    assert trailing_means([3.0], [8.0], 1, 2.0) == [3.0]
