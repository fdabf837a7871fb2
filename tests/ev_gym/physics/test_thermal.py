"""The pack's temperature: its equation solved exactly, its energy balance, and equilibrium."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_gym.physics import thermal

KWH = 60.0
CAPACITY_KWH_PER_K = 0.095  # 60 kWh x 6 kg/kWh x 0.95 kJ/(kg K) / 3600
TEMPERATURES = st.floats(-40.0, 50.0)


def test_estimates() -> None:
    """5.7 kJ/K per kWh; 8 W/K to the air for 60 kWh; a quarter of the losses stays in the pack."""
    capacity_kwh_per_k = thermal.CAPACITY_PER_KWH * KWH
    assert capacity_kwh_per_k == pytest.approx(CAPACITY_KWH_PER_K)
    to_air_w_per_k = 1000.0 * capacity_kwh_per_k / thermal.TAU_H
    assert to_air_w_per_k == pytest.approx(7.9, abs=0.1)
    assert thermal.HEAT_SHARE == 0.25


def test_constants_of_a_step() -> None:
    """12 h / (0.095 kWh/K x 0.25 h), exp(-1/48), and 48 (1 - exp(-1/48))."""
    rise_k_per_kwh, kept, mean = thermal.constants(KWH, 0.25)
    assert rise_k_per_kwh == pytest.approx(505.263, abs=1e-3)
    assert kept == pytest.approx(0.979382, abs=1e-6)
    assert mean == pytest.approx(0.989655, abs=1e-6)


@given(
    TEMPERATURES,
    TEMPERATURES,
    st.floats(0.0, 2.0),
    st.sampled_from([(1.0, 2), (0.25, 3), (24.0, 96)]),
)
def test_parts_of_a_step_equal_the_whole(
    pack_c: float, outdoor_c: float, heat_kwh: float, cut: tuple[float, int]
) -> None:
    """Temperatures at the end and in the mean agree to 1e-9 K, however a step is cut."""
    step_h, parts = cut
    whole = thermal.warm(pack_c, outdoor_c, heat_kwh, *thermal.constants(KWH, step_h))
    now_c, means = pack_c, []
    for _ in range(parts):
        now_c, mean_c = thermal.warm(
            now_c, outdoor_c, heat_kwh / parts, *thermal.constants(KWH, step_h / parts)
        )
        means.append(mean_c)
    assert now_c == pytest.approx(whole[0], abs=1e-9)
    assert math.fsum(means) / parts == pytest.approx(whole[1], abs=1e-9)


@given(TEMPERATURES, TEMPERATURES, st.floats(0.0, 2.0), st.sampled_from([0.01, 0.25, 24.0, 8760.0]))
def test_heat_is_stored_or_leaves(
    pack_c: float, outdoor_c: float, heat_kwh: float, step_h: float
) -> None:
    """Q h = C (T1 - T0) + U (mean - T_out) h, to 1e-9 kWh."""
    after_c, mean_c = thermal.warm(pack_c, outdoor_c, heat_kwh, *thermal.constants(KWH, step_h))
    stored_kwh = CAPACITY_KWH_PER_K * (after_c - pack_c)
    to_air_kwh = CAPACITY_KWH_PER_K / thermal.TAU_H * (mean_c - outdoor_c) * step_h
    assert stored_kwh + to_air_kwh == pytest.approx(heat_kwh, abs=1e-9)


def test_by_hand() -> None:
    """0.095 kWh at once warm 1 K; after 12 h of cold air 1/e of the difference is left."""
    brief = thermal.warm(4.0, 4.0, CAPACITY_KWH_PER_K, *thermal.constants(KWH, 1e-6))
    assert brief == pytest.approx((5.0, 4.5), abs=1e-5)
    after_c, _ = thermal.warm(20.0, 0.0, 0.0, *thermal.constants(KWH, 12.0))
    assert after_c == pytest.approx(20.0 / math.e)
    assert thermal.warm(30.0, 4.0, 0.0, *thermal.constants(KWH, 600.0))[0] == pytest.approx(4.0)


def test_standing_pack_follows_a_sine_as_its_equation_says() -> None:
    """A year's wave passes nearly whole, a day's by 1 / sqrt(1 + (2 pi tau / 24)^2) = 0.3033.

    The air of an hour is its mean, so the pack sees steps: 1 % less.
    """
    hours = np.arange(364 * 24)
    year_c = thermal.standing_c(10.0 * np.sin(2 * np.pi * hours / hours.size))
    assert year_c.max() == pytest.approx(10.0, abs=0.001)
    day_c = thermal.standing_c(10.0 * np.sin(2 * np.pi * hours / 24))
    assert day_c.max() == pytest.approx(3.033, rel=0.01)
    assert day_c[:24] == pytest.approx(day_c[-24:], abs=1e-9)


def test_standing_pack_is_where_a_long_run_leads() -> None:
    """Many rounds of `warm` over a short series, from far off, end there; so does constant air."""
    air_c = np.random.default_rng(1).normal(5.0, 8.0, 30)
    found = thermal.standing_c(air_c)
    pack_c, constants = 80.0, thermal.constants(KWH, 1.0)
    begins_c = []
    for outdoor_c in np.tile(air_c, 20).tolist():
        begins_c.append(pack_c)
        pack_c, _ = thermal.warm(pack_c, outdoor_c, 0.0, *constants)
    assert begins_c[-30:] == pytest.approx(found, abs=1e-9)
    assert thermal.standing_c(np.full(5, 7.0)) == pytest.approx(7.0)
    assert thermal.standing_c(np.array([1.0, 2.0], np.float32)).dtype == np.float64
