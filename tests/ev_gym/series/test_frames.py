"""Series from DataFrames: their values, and errors that name the row."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pandas as pd
import pytest

from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError

UTC = timezone.utc
START = datetime(2023, 1, 1, 23, tzinfo=UTC)


def week_index(freq: str, rows: int) -> pd.DatetimeIndex:
    return pd.date_range(START, periods=rows, freq=freq)


def week_frame(column: str, minutes: int, rows: int) -> pd.DataFrame:
    index = week_index(f"{minutes}min", rows)
    return pd.DataFrame({column: np.arange(rows) / 100}, index=index)


def test_frames_give_their_values() -> None:
    price, load = week_frame("sek_per_kwh", 60, 168), week_frame("house1_kw", 15, 672)
    load["house2_kw"] = 2 * load["house1_kw"]
    price[2023] = 0.0  # a name that is no text, and no unit
    before = load.copy()
    data = Dataset.from_frame(price, load.tz_convert("Asia/Tokyo"), week_frame("c", 60, 168)["c"])
    assert price.columns.tolist() == ["sek_per_kwh", 2023]
    np.testing.assert_array_equal(data.load_kw, load.to_numpy().T)
    np.testing.assert_array_equal(data.price_per_kwh, np.arange(168) / 100)
    np.testing.assert_array_equal(data.temperature_c, np.arange(168) / 100)
    pd.testing.assert_frame_equal(load, before)


def broken_frame(how: str) -> pd.DataFrame:
    load = week_frame("load_kw", 15, 672)
    if how == "naive":
        return pd.DataFrame({"load_kw": 1.0}, index=week_index("15min", 672).tz_localize(None))
    if how == "no stamps":
        return load.reset_index(drop=True)
    if how == "gap":
        return load.take([i for i in range(672) if i != 3])
    if how == "duplicate":
        return load.take([0, 1, 1, 2, 3])
    if how == "unsorted":
        return load.sort_index(ascending=False)
    if how == "missing stamp":
        index = load.index.to_series()
        index.iloc[4] = pd.NaT
        return load.set_index(pd.DatetimeIndex(index))
    if how == "NaN":
        load.iloc[7, 0] = np.nan
    elif how == "text":
        load = load.astype(object)
        load.iloc[7, 0] = "much"
    elif how == "range":
        load.iloc[7, 0] = 101.0
    return load


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("naive", r"load frame, row 0 \(2023-01-01 23:00:00\): .*DatetimeIndex with a time zone"),
        ("no stamps", r"load frame, row 0 \(0\): the index must be a DatetimeIndex"),
        ("gap", r"load frame, row 3 \(2023-01-02T00:00Z\): gap, 1 intervals of 15 minutes"),
        ("duplicate", r"load frame, row 2 \(2023-01-01T23:15Z\): the same stamp"),
        ("unsorted", r"load frame, row 1 .*unsorted"),
        ("missing stamp", r"load frame, row 4: the stamp is missing"),
        ("NaN", r"load frame, row 7 \(2023-01-02T00:45Z\): load_kw = nan is not a finite number"),
        ("text", r"load frame, row 7 .*load_kw = 'much' is not a finite number"),
        ("range", r"load frame, row 7 .*load_kw = 101.0 is 101 kW"),
    ],
)
def test_frame_errors_name_the_row(how: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset.from_frame(week_frame("sek_per_kwh", 60, 168), broken_frame(how), 5.0)


def test_frame_of_irradiance() -> None:
    price, load = week_frame("sek_per_kwh", 60, 168), week_frame("kw", 15, 672)
    light = week_frame("ghi_w_per_m2", 60, 168)
    for given in (light, light["ghi_w_per_m2"]):
        data = Dataset.from_frame(price, load, 5.0, irradiance=given)
        np.testing.assert_array_equal(data.ghi_w_per_m2, np.arange(168) / 100)
    with pytest.raises(TypeError, match="irradiance: a pandas Series or DataFrame is needed"):
        Dataset.from_frame(price, load, 5.0, irradiance=200.0)  # type: ignore[arg-type]


def test_frame_of_another_kind_or_unit() -> None:
    price, load = week_frame("sek_per_kwh", 60, 168), week_frame("kw", 15, 672)
    with pytest.raises(TypeError, match="load: a pandas Series or DataFrame is needed"):
        Dataset.from_frame(price, load.to_numpy(), 5.0)  # type: ignore[arg-type]
    unnamed = load["kw"].rename(None)
    with pytest.raises(DataError, match=r"load frame, names of the columns: no known load unit"):
        Dataset.from_frame(price, unnamed, 5.0)
