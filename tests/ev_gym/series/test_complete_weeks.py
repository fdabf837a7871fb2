"""Files that begin and end with a month, completed to whole weeks outside of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from baselines.bill.year import whole_months
from ev_gym.scenario import Scenario
from ev_gym.series.limits import DataError
from ev_gym.series.of_scenario import dataset_of

ZONE = "Europe/Stockholm"


def hours(first: str, end: str, zone: str = ZONE) -> pd.DatetimeIndex:
    return pd.date_range(first, end, freq="h", tz=zone, inclusive="left")


def scenario(folder: Path, stamps: pd.DatetimeIndex, **more: Any) -> Scenario:
    """Prices and loads in which no two hours are alike."""
    count = np.arange(len(stamps))
    text = [stamp.isoformat() for stamp in stamps]
    pd.DataFrame({"time": text, "price_sek_per_kwh": 0.3 + count / 1e4}).to_csv(
        folder / "prices.csv", index=False
    )
    pd.DataFrame({"time": text, "load_kw": 1.0 + count / 1e3}).to_csv(
        folder / "load.csv", index=False
    )
    data = {
        "price": {"path": str(folder / "prices.csv")},
        "load": {"path": str(folder / "load.csv")},
        "start": None,
        "weeks": None,
        **more,
    }
    return Scenario.from_dict({"data": data, "days": 7})


def test_a_calendar_year_has_twelve_months(tmp_path: Path) -> None:
    """2025 begins on a Wednesday and ends on one: two days before it, four after."""
    year = hours("2025-01-01", "2026-01-01")
    cut = scenario(tmp_path, year)
    assert [str(m) for m in whole_months(cut)][::9] == ["2025-02", "2025-11"]
    own = scenario(tmp_path, year, complete_weeks=True)
    assert [str(m) for m in whole_months(own)][::11] == ["2025-01", "2025-12"]
    dataset = dataset_of(own)
    assert str(dataset.start.date()) == "2024-12-29"  # 23:00 UTC
    assert dataset.weeks == 53
    price, load = dataset.price_per_kwh, dataset.load_kw[0, ::4]
    for values, first, step in ((price, 0.3, 1e-4), (load, 1.0, 1e-3)):
        count = (values - first) / step
        np.testing.assert_allclose(count[48 : 48 + 8760], np.arange(8760), atol=1e-6)
        np.testing.assert_allclose(count[:48], np.arange(168 - 48, 168), atol=1e-6)
        after = np.arange(8760 - 168, 8760 - 168 + 96)
        np.testing.assert_allclose(count[48 + 8760 :], after, atol=1e-6)


def test_days_of_utc_lack_an_hour_of_the_first_day(tmp_path: Path) -> None:
    """It is that of a week later; the hour beyond the end is there."""
    own = scenario(tmp_path, hours("2025-01-01", "2026-01-01", "UTC"), complete_weeks=True)
    assert len(whole_months(own)) == 12
    count = (dataset_of(own).price_per_kwh - 0.3) / 1e-4
    np.testing.assert_allclose(count[48:51], [167, 0, 1], atol=1e-6)
    assert count[49 + 8759] == pytest.approx(8759)


def test_what_begins_within_a_month_is_cut_as_before(tmp_path: Path) -> None:
    """A month that is not there in full does not become whole."""
    own = scenario(tmp_path, hours("2025-01-03", "2025-03-20"), complete_weeks=True)
    assert [str(month) for month in whole_months(own)] == ["2025-02"]
    assert str(dataset_of(own).start.date()) == "2025-01-05"


def test_a_load_that_lacks_more_is_still_refused(tmp_path: Path) -> None:
    own = scenario(tmp_path, hours("2025-01-01", "2025-05-01"), complete_weeks=True)
    frame = pd.read_csv(tmp_path / "load.csv")
    frame[400:].to_csv(tmp_path / "load.csv", index=False)
    with pytest.raises(DataError, match="lacks 448 hours"):
        dataset_of(own)
