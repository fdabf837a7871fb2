"""The picture of one run: what is drawn is the history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.dates import num2date

from baselines.one_run.picture import battery
from ev_gym.env import EVChargingEnv
from tests.support.drawn_steps import artists
from tests.support.one_day import A_DAY


@pytest.mark.parametrize("cars", [1, 2])
def test_a_battery_plot_is_the_history(cars: int, tmp_path: Path) -> None:
    env = EVChargingEnv({**A_DAY, "vehicles": [{}] * cars, "driving": {"pattern": "daily"}})
    _, began = env.reset(seed=3)
    for _ in range(60):
        env.step(np.ones(cars, np.float32))
    history = env.history
    figure = battery(history, env.scenario, tmp_path / "battery_plot.png", "uncontrolled")
    (price,) = artists(figure, "price_per_kwh")
    np.testing.assert_array_equal(price.get_data().values, history["price_per_kwh"])
    below = np.zeros(60)
    for name in ["load_kw", *(f"charge_kw_{k}" for k in range(cars))]:
        values, edges, baseline = artists(figure, name)[0].get_data()
        column = "charge_kw" if cars == 1 and name == "charge_kw_0" else name
        np.testing.assert_allclose(values - baseline, history[column], atol=1e-12)
        np.testing.assert_allclose(baseline, below, atol=1e-12)
        assert num2date(edges[0], tz="UTC") == history.index[0]
        below = below + history[column].to_numpy()
    assert below.max() > 5.0
    for k in range(cars):
        line = artists(figure, f"soc_{k}")[0]
        assert num2date(line.get_xdata()[0], tz="UTC") == history.index[0]
        assert line.get_ydata()[0] == pytest.approx(began["soc"][k])
        np.testing.assert_array_equal(
            line.get_ydata()[1:], history["soc" if cars == 1 else f"soc_{k}"]
        )
    assert artists(figure, "limit_kw")[0].get_ydata()[0] == pytest.approx(13.8)
    cost, power = -history["reward"].sum(), -history["power_term"].sum()
    named = f"stockholm, uncontrolled: charging cost {cost:.2f} SEK (power charge {power:.2f})"
    assert figure.axes[0].get_title(loc="left") == named


def test_sun_and_discharging(tmp_path: Path) -> None:
    """Upwards what cars draw, downwards what they give, the sun, and what is fed into the grid."""
    env = EVChargingEnv({"preset": "stockholm-villa", **A_DAY})
    env.reset(seed=3, options={"start": "2025-07-05", "soc": 0.6})
    for step in range(96):
        env.step(np.array([(1.0, -1.0), (-1.0, 1.0)][step // 6 % 2], np.float32))
    history = env.history
    figure = battery(history, env.scenario, tmp_path / "battery_plot.png")
    above, below = history["load_kw"].to_numpy(), np.zeros(96)
    for k in range(2):
        own = history[f"charge_kw_{k}"].to_numpy()
        assert own.min() < -1.0 < 1.0 < own.max()
        values, _, baseline = artists(figure, f"charge_kw_{k}")[0].get_data()
        np.testing.assert_allclose(baseline, above, atol=1e-12)
        np.testing.assert_allclose(values - baseline, own.clip(min=0.0), atol=1e-12)
        above = values
        values, _, baseline = artists(figure, f"discharge_kw_{k}")[0].get_data()
        np.testing.assert_allclose(baseline, below, atol=1e-12)
        np.testing.assert_allclose(values - baseline, own.clip(max=0.0), atol=1e-12)
        below = values
    (sun,), (sold,) = artists(figure, "pv_kw"), artists(figure, "sold_kw")
    np.testing.assert_array_equal(sun.get_data().values, history["pv_kw"])
    np.testing.assert_array_equal(sold.get_data().values, history["grid_kw"].clip(upper=0.0))
    assert sun.get_data().values.max() > 2.0
    low_kw, high_kw = figure.axes[1].get_ylim()
    assert low_kw < min(below.min(), history["grid_kw"].min())
    assert high_kw > env.scenario.household.limit_kw
    words = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"sun", "base load", "fed into the grid", "Nissan Leaf 40 kWh"} <= words
    assert f"battery wear {-history['wear_term'].sum():.2f}" in figure.axes[0].get_title(loc="left")
