"""The reserve that `mpc` keeps: by hand, from stays seen and from those of all households."""

from __future__ import annotations

import pytest

from baselines.mpc.reserve import CAUTION, FREE_KW, Stays

BATTERY_KWH = 50.0


def seen(*stays: tuple[float, float, float], varied: bool = False) -> Stays:
    """A car that left with 30 kWh, used some, and came for hours with a wanted energy."""
    car = Stays(BATTERY_KWH, varied)
    for used_kwh, wanted_kwh, hours in stays:
        car.note(False, 30.0 / BATTERY_KWH, 0.0, 0)
        arrived, wanted = (30.0 - used_kwh) / BATTERY_KWH, wanted_kwh / BATTERY_KWH
        car.note(True, arrived, wanted, round(60 * hours))
        car.note(True, arrived, wanted, round(60 * hours) - 15)
    return car


def worth(car: Stays, wanted_kwh: float) -> list[float]:
    """More than any kWh, for the five cells of 4 kWh between 30 and 50 kWh."""
    cells = car.reserve(wanted_kwh, BATTERY_KWH, FREE_KW, 4.0, 30.0)
    return [round(more_per_kwh, 9) for _, more_per_kwh in cells]


def test_what_a_short_stay_lacked_is_worth_the_public_charger() -> None:
    """10 kWh used, 35 wanted in an hour that gives 3: 42 kWh were needed, 12 more than 30.

    Of two stays one lacks: half of 4 + 30 / 12 a kWh, in the three cells below 42 kWh.
    """
    car = seen((10.0, 35.0, 1.0), (5.0, 30.0, 12.0))
    per_kwh = CAUTION * 0.5 * (4.0 + 30.0 / 12.0)
    assert worth(car, 30.0) == pytest.approx([per_kwh] * 3 + [0.0] * 3)
    # Where 40 kWh are wanted, 2 of 12 are still lacking, which is no whole cell's middle.
    assert worth(car, 40.0) == [0.0, 0.0, 0.0]
    assert worth(car, 39.0) == pytest.approx([CAUTION * 0.5 * (4.0 + 30.0 / 3.0), 0.0, 0.0])


def test_a_long_stay_lacks_nothing_nor_does_a_strong_charger() -> None:
    assert worth(seen((20.0, 45.0, 12.0)), 30.0) == [0.0] * 6
    cells = seen((10.0, 35.0, 1.0)).reserve(30.0, BATTERY_KWH, 11.0, 4.0, 30.0)
    assert [more_per_kwh > 0.0 for _, more_per_kwh in cells] == [True] + [False] * 5


def test_others_stays_count_until_own_ones_are_seen() -> None:
    """Those of drivers who want another SoC each time; twelve of them, of which two lack some."""
    fresh, own = seen(varied=True), seen(*[(5.0, 30.0, 12.0)] * 12, varied=True)
    assert worth(seen(), 30.0) == [0.0] * 6
    first, *others = worth(fresh, 30.0)
    assert first == pytest.approx(
        CAUTION * (
            0.041 * (4.0 + 10.0) + 0.027 * (4.0 + 4.0) + 0.020 * (4.0 + 2.4) + 0.016 * (4.0 + 1.5)
        )
    )  # fmt: skip
    assert sorted(others, reverse=True) == others
    assert worth(own, 30.0) == pytest.approx([0.5 * more for more in (first, *others)])


def test_a_public_charger_that_costs_less_is_no_reason_to_keep_any() -> None:
    cells = seen((10.0, 35.0, 1.0)).reserve(30.0, BATTERY_KWH, FREE_KW, -20.0, 0.0)
    assert [more_per_kwh for _, more_per_kwh in cells] == [0.0] * 6
