"""The picture of a week: what is drawn are the steps of one household under each policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.dates import num2date

from baselines import plot_style
from baselines.comparison import pictures
from tests.support.drawn_steps import artists, steps, texts


def test_a_week_with_sun_and_discharging(tmp_path: Path) -> None:
    """Sun and charging above zero; below it what the cars give and what is fed into the grid."""
    table = steps(cars=2, days=3)
    hour = np.arange(len(table)) % 24
    table["pv_kw"] = 6.0 * (hour == 3)
    table["charge_kw_1"] = np.where(hour == 10, -5.0, table["charge_kw_1"])
    cars_kw = table["charge_kw_0"] + table["charge_kw_1"]
    table["grid_kw"] = table["load_kw"] + cars_kw - table["pv_kw"]
    figure = pictures.week(table, tmp_path / "week.png")
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    for i, policy in enumerate(("early", "late")):
        own = table[(table["policy"] == policy) & (table["household"] == 0)]
        each = own[["charge_kw_0", "charge_kw_1"]]
        shown = {
            "pv_kw": own["pv_kw"],
            "charge_kw": each.clip(lower=0.0).sum(axis=1),
            "discharge_kw": each.clip(upper=0.0).sum(axis=1),
            "sold_kw": own["grid_kw"].clip(upper=0.0),
        }
        for gid, values in shown.items():
            (artist,) = artists(panels[i], gid)
            np.testing.assert_allclose(artist.get_data().values, values, atol=1e-12)
        assert shown["discharge_kw"].min() == -5.0
        low_kw, high_kw = panels[i].get_ylim()
        assert low_kw < -5.0
        assert high_kw > 6.0
    words = texts(figure.legends[0])
    assert {"sun", "fed into the grid"} <= set(words)
    assert "charging, below zero discharging (the policy's colour)" in words
    FigureCanvasAgg(figure).draw()
    assert figure.legends[0].get_window_extent().x1 < figure.bbox.x1
    plain = pictures.week(steps(), tmp_path / "week.png")
    assert not {"sun", "fed into the grid"} & set(texts(plain.legends[0]))
    assert not artists(plain, "pv_kw")
    panels = [axes for axes in plain.axes if axes.get_title(loc="left")]
    assert [axes.get_ylim()[0] for axes in panels] == [0.0, 0.0]


@pytest.mark.parametrize("cars", [1, 2])
def test_a_week_is_that_of_the_first_household(cars: int, tmp_path: Path) -> None:
    table = steps(cars=cars, days=9)
    figure = pictures.week(table, tmp_path / "week.png", "SEK")
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["early", "late"]
    for i, policy in enumerate(("early", "late")):
        own = table[(table["policy"] == policy) & (table["household"] == 0)].head(7 * 24)
        charging, load, price = (
            artists(figure, gid)[i] for gid in ("charge_kw", "load_kw", "price_per_kwh")
        )
        charge_kw = own.filter(like="charge_kw").sum(axis=1)
        np.testing.assert_allclose(charging.get_data().values, charge_kw)
        np.testing.assert_array_equal(load.get_data().values, own["load_kw"])
        np.testing.assert_array_equal(price.get_data().values, own["price_per_kwh"])
        edges = num2date(charging.get_data().edges, tz="UTC")
        assert edges[0] == own["time"].iloc[0]
        assert edges[-1] == own["time"].iloc[-1] + pd.Timedelta("1h")
        assert to_hex(charging.get_facecolor()) == plot_style.policy_color(policy).lower()
        for k in range(cars):
            soc = artists(figure, f"soc_{k}")[i]
            np.testing.assert_array_equal(soc.get_ydata(), own["soc" if cars == 1 else f"soc_{k}"])
            assert num2date(soc.get_xdata()[0], tz="UTC") == own["time"].iloc[1]
            leaves, short = (artists(figure, f"{gid}_{k}")[i] for gid in ("leaves", "short"))
            marked, empty = (leaves, short) if policy == "early" else (short, leaves)
            assert len(empty.get_xdata()) == 0
            at = [moment.hour for moment in num2date(marked.get_xdata(), tz="UTC")]
            assert at == [10] * 7  # 23 h after 11:00 UTC
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels.count("price\n(SEK/kWh)") == labels.count("power\n(kW)") == 2


def test_days_are_marked_at_local_midnight(tmp_path: Path) -> None:
    figure = pictures.week(steps(days=7), tmp_path / "week.png")
    lowest = figure.axes[3]
    marks = num2date(lowest.get_xticks(), tz="Europe/Stockholm")
    assert {moment.hour for moment in marks} == {0}  # summer time began on the 26th
    assert [label.get_text() for label in lowest.get_xticklabels()][:2] == [
        "Sat 25 Mar",
        "Sun 26 Mar",
    ]
