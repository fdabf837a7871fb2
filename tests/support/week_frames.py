"""A user's frames of one sound week, to be changed, and the data set read from them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
import pandas as pd

from ev_gym.series.dataset import Dataset

START = datetime(2023, 1, 1, 23, tzinfo=timezone.utc)  # Monday 2023-01-02 00:00 in Stockholm


def column_frame(name: str, minutes: int, values: Any, start: datetime = START) -> pd.DataFrame:
    """A frame of one column whose first interval begins at `start`."""
    index = pd.date_range(start, periods=len(values), freq=f"{minutes}min")
    return pd.DataFrame({name: np.asarray(values, dtype=float)}, index=index)


def week_of(**changes: Any) -> Dataset:
    """The data set of one sound week, with changes to what `Dataset.from_frame` is given."""
    sound: dict[str, Any] = {
        "price": column_frame("price_sek_per_kwh", 60, np.arange(168) / 100),
        "load": column_frame("load_kw", 15, np.arange(672) / 10),
        "temperature": column_frame("temperature_c", 60, [5.5] * 168),
    }
    return Dataset.from_frame(**{**sound, **changes})
