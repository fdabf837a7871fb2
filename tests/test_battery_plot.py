"""The picture of one run: what is drawn is the history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.dates import num2date

from baselines.battery_plot import battery
from ev_gym.env import EVChargingEnv
from tests.drawings import drawn


@pytest.mark.parametrize("cars", [1, 2])
def test_a_battery_plot_is_the_history(cars: int, tmp_path: Path) -> None:
    env = EVChargingEnv({"vehicles": [{}] * cars, "driving": {"pattern": "daily"}})
    _, began = env.reset(seed=3)
    for _ in range(60):
        env.step(np.ones(cars, np.float32))
    history = env.history
    figure = battery(history, env.scenario, tmp_path / "battery_plot.png", "uncontrolled")
    (price,) = drawn(figure, "price_per_kwh")
    np.testing.assert_array_equal(price.get_data().values, history["price_per_kwh"])
    below = np.zeros(60)
    for name in ["load_kw", *(f"charge_kw_{k}" for k in range(cars))]:
        values, edges, baseline = drawn(figure, name)[0].get_data()
        column = "charge_kw" if cars == 1 and name == "charge_kw_0" else name
        np.testing.assert_allclose(values - baseline, history[column], atol=1e-12)
        np.testing.assert_allclose(baseline, below, atol=1e-12)
        assert num2date(edges[0], tz="UTC") == history.index[0]
        below = below + history[column].to_numpy()
    assert below.max() > 5.0
    for k in range(cars):
        line = drawn(figure, f"soc_{k}")[0]
        assert num2date(line.get_xdata()[0], tz="UTC") == history.index[0]
        assert line.get_ydata()[0] == pytest.approx(began["soc"][k])
        np.testing.assert_array_equal(
            line.get_ydata()[1:], history["soc" if cars == 1 else f"soc_{k}"]
        )
    assert drawn(figure, "limit_kw")[0].get_ydata()[0] == pytest.approx(13.8)
    cost = f"{-history['reward'].sum():.2f} SEK"
    assert figure.axes[0].get_title(loc="left") == f"stockholm, uncontrolled: charging cost {cost}"
