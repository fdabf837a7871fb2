"""Steps to draw, and the artists of a picture by the ids (gid) that the code gives them."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd


def artists(within: Any, gid: str) -> list[Any]:
    return list(within.findobj(lambda artist: artist.get_gid() == gid))


def bar_widths(axes: Any, gid: str) -> list[float]:
    return [bar.get_width() for bar in artists(axes, gid)]


def texts(within: Any) -> list[str]:
    return [text.get_text() for text in within.findobj(mpl.text.Text) if text.get_text()]


def steps(
    scenario: str = "one", zone: str = "Europe/Stockholm", cars: int = 1, days: int = 2
) -> pd.DataFrame:
    """Two policies on two households: hourly steps, prices that rise with the hour from noon on.

    `early` charges 4 kW in the first six hours of each day, `late` 2 kW in the last twelve. Cars
    leave at the end of each day, those of `late` with energy missing.
    """
    frames = []
    start = pd.Timestamp("2023-03-24 12:00", tz=zone)
    time = pd.date_range(start.tz_convert("UTC"), periods=24 * days, freq="h").tz_convert(zone)
    hour = np.arange(24 * days) % 24
    for policy, charge_kw in (("early", 4.0 * (hour < 6)), ("late", 2.0 * (hour >= 12))):
        for household in (0, 1):
            columns: dict[str, Any] = {
                "scenario": scenario, "policy": policy, "seed": 0, "household": household,
                "time": time, "load_kw": 0.5 + 0.1 * household + 0.01 * hour,
                "price_per_kwh": 1.0 + hour + 100.0 * (np.arange(24 * days) // 24),
                "pv_kw": 0.0,
            }  # fmt: skip
            columns["grid_kw"] = columns["load_kw"] + charge_kw
            for k in range(cars):
                end = "" if cars == 1 else f"_{k}"
                columns[f"charge_kw{end}"] = charge_kw / cars
                columns[f"soc{end}"] = 0.2 + 0.02 * hour + 0.1 * k
                columns[f"plugged{end}"] = (hour < 23).astype(float)
                columns[f"topup_kwh{end}"] = (hour == 22) * (policy == "late") * 3.0
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
