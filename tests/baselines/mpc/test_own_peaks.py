"""What `mpc` expects of the month's peak, against months drawn by the thousand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baselines.mpc.forecast import Memory
from baselines.mpc.own_peaks import FULL_PRICE, SPREAD, USUAL_SHARE, OwnPeaks
from tests.baselines.mpc.test_plan import household
from tests.support.tariffs import peak_rule

# Mean daily peak of 4 kW, expected of the usual load alone.
USUAL_KW = 4.0 * USUAL_SHARE


def seen(days_kw: list[float], days_left: float, days: int = 3) -> OwnPeaks:
    """Peaks of a house that had these daily peaks in a month with so many days left."""
    peaks = OwnPeaks(days)
    peaks.note_month(days_left + len(days_kw))
    for peak_kw in days_kw:
        for counted_kw, day_over in ((0.5 * peak_kw, False), (peak_kw, True)):
            peaks.note(counted_kw, 0.0)
            peaks.end_hour(day_over)
    peaks.note_month(days_left)
    return peaks


def price_share(peaks: OwnPeaks, from_kw: float, level_kw: float, usual_kw: float) -> float:
    """What share of its price the kW at a level costs."""
    for width_kw, share in peaks.raises(from_kw, usual_kw):
        from_kw += width_kw
        if level_kw < from_kw:
            return share
    raise AssertionError("the last raise is as wide as needed")


@pytest.mark.parametrize("days", [1, 3])
@pytest.mark.parametrize("month_kw", [[], [4.0] * 20, [6.5, 2.0, 6.5]])
def test_the_share_is_the_chance_that_the_house_stays_below(
    month_kw: list[float], days: int
) -> None:
    """Within the sixth to which shares are rounded, and the 0.2 kW of a step."""
    left = 31 - len(month_kw)
    peaks = seen(month_kw, left, days)
    mean_kw = (3.0 * 4.0 + sum(month_kw)) / (3.0 + len(month_kw))
    drawn = np.random.default_rng(1).lognormal(
        math.log(mean_kw) - 0.5 * SPREAD**2, SPREAD, (20_000, left)
    )
    drawn = np.concatenate([drawn, np.tile(np.array(month_kw), (20_000, 1))], axis=1)
    highest_kw = np.sort(drawn, axis=1)[:, -days]
    for level_kw in (4.05, 5.05, 6.05, 7.05, 8.05):
        steps = [float((highest_kw < level_kw + off).mean()) for off in (-0.1, 0.1)]
        share = price_share(peaks, 3.0, level_kw, USUAL_KW)
        assert steps[0] - 1 / 12 - 0.01 <= share <= steps[1] + 1 / 12 + 0.01


def test_what_has_been_seen_counts_more_and_more() -> None:
    """5 kW are surely exceeded in a house of 8 kW, once it is known for one."""
    early, late = (price_share(seen([8.0] * n, 15.0), 3.0, 7.0, USUAL_KW) for n in (0, 14))
    assert early > 0.5
    assert late == 0.0


def test_a_new_month_begins_with_no_peaks_but_the_same_house() -> None:
    """Three days of 9 kW hold for their month; in the next they only tell of the house."""
    peaks = seen([9.0, 9.0, 9.0], 2.0)
    assert price_share(peaks, 3.0, 8.0, USUAL_KW) == 0.0
    peaks.note_month(8.0)
    known = price_share(peaks, 3.0, 8.0, USUAL_KW)
    assert 0.0 < known < price_share(seen([], 8.0), 3.0, 8.0, USUAL_KW)
    peaks.note_month(1.0)
    assert price_share(peaks, 3.0, 8.0, USUAL_KW) == 1.0


def test_a_memory_tells_of_each_day_what_counted_most() -> None:
    """By night a kW counts half, sun is taken off, and a month's last hour is of that month."""
    own = Memory([peak_rule(1.0, 1)], netted=True)
    for day, left in enumerate((2.0, 1.0, 31.0)):
        for hour in range(24):
            load_kw = {1: 12.0, 12: 9.0, 18: 5.0 + 2.0 * day, 23: 8.0 if day == 1 else 1.0}
            own.note(
                household(
                    hour_of_day=float(hour),
                    load_kw=load_kw.get(hour, 1.0),
                    pv_kw=4.0 if hour == 12 else 0.0,
                    interval_factor=0.5 if hour < 6 else 1.0,
                    month_days_left=left - hour / 24.0,
                )
            )
        if day == 1:  # 6 kW on the first day; the second has its 8 kW, but is not over
            assert price_share(own.own_peaks[0], 0.0, 5.5, USUAL_KW) == 0.0
            assert price_share(own.own_peaks[0], 0.0, 7.0, USUAL_KW) > 0.9
        if day == 2:  # 8 kW, or 9 today, are not of the new month
            assert price_share(own.own_peaks[0], 0.0, 5.5, USUAL_KW) < 0.5
            assert price_share(own.own_peaks[0], 0.0, 13.0, USUAL_KW) > 0.5


def test_a_house_without_load_expects_no_peak() -> None:
    assert OwnPeaks(3).raises(0.0, 0.0) == FULL_PRICE
