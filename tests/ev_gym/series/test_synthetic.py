"""The generator of the built-in series: its parts, its seeds, its calendar."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ev_gym.calibrated import figures
from ev_gym.calibration.measures import month_of
from ev_gym.series.synthetic import (
    FIRST_KEY,
    SyntheticSeries,
    add_autoregression,
    from_scores,
    gaussian,
    local_clock,
    quarter_scores,
    season,
    smooth_gaussian,
    stream,
    synthetic_series,
)
from ev_gym.series.synthetic_sky import built_in_clearness

ZONE = "Europe/Stockholm"
START = datetime(2023, 1, 1, 23, tzinfo=timezone.utc)  # Monday 2 January, 00:00 local
YEAR_H = 52 * 168


@pytest.fixture(scope="module")
def built_in() -> SyntheticSeries:
    return synthetic_series(START, 52, 16, ZONE, 12_000.0)


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.mark.parametrize("houses", [1, 2, 4, 16])
def test_mean_annual_consumption(houses: int) -> None:
    found = synthetic_series(START, 52, houses, ZONE, 9_500.0)
    assert found.load_kw.mean() * 8766.0 == pytest.approx(9_500.0, rel=1e-12)


def test_houses_differ(built_in: SyntheticSeries) -> None:
    size = built_in.load_kw.mean(axis=1)
    assert len(set(np.round(size, 9).tolist())) == 15  # the first two are of mean size
    assert size.min() / size.mean() == pytest.approx(0.56, abs=0.01)
    assert size.max() / size.mean() == pytest.approx(1.44, abs=0.01)
    # different lives: what the heating does not explain is uncorrelated from house to house
    summer = built_in.load_kw[:, 24 * 672 : 28 * 672]
    correlation = np.asarray(np.corrcoef(summer))[np.triu_indices(16, 1)]
    assert 0.0 < correlation.mean() < 0.4
    assert (built_in.load_kw > 0.0).all()


def test_one_seed_one_result(built_in: SyntheticSeries) -> None:
    state = pickle.dumps(np.random.get_state())  # noqa: NPY002
    again = synthetic_series(START, 52, 16, ZONE, 12_000.0)
    for mine, other in zip(built_in, again, strict=True):
        assert mine.dtype == np.float64
        assert mine.tobytes() == other.tobytes()
    assert pickle.dumps(np.random.get_state()) == state  # noqa: NPY002


@pytest.mark.parametrize("other", [{"world": 1}, {"seed": 1}, {"world": 104}, {"seed": 2**40}])
def test_each_world_and_family_has_series_of_its_own(
    other: dict[str, int], built_in: SyntheticSeries
) -> None:
    """What the season does not explain is independent, of every series and of the sky."""
    again = synthetic_series(START, 52, 2, ZONE, 12_000.0, **other)
    mine = [*built_in[:2], *built_in.load_kw[:2], built_in_clearness(START, YEAR_H)]
    theirs = [*again[:2], *again.load_kw, built_in_clearness(START, YEAR_H, **other)]
    for one, two in zip(mine, theirs, strict=True):
        days = [v.reshape(52 * 7, -1).mean(axis=1) for v in (one, two)]
        # a day less the mean of the five weeks around it
        rest = [v[17:-17] - np.convolve(v, np.ones(35) / 35.0, "valid") for v in days]
        # 330 days, of which about a third are independent: standard error 0.1
        assert abs(np.corrcoef(*rest)[0, 1]) < 0.4
        assert not np.array_equal(one, two)
    # sizes of houses follow one rule in every world
    assert again.load_kw.mean() * 8766.0 == pytest.approx(12_000.0, rel=1e-12)


def test_streams_of_worlds_are_those_of_numpy() -> None:
    key = np.random.SeedSequence((FIRST_KEY, 3, 104), spawn_key=(2,))
    expected = np.random.Generator(np.random.PCG64(key)).standard_normal(4)
    assert np.array_equal(stream(3, 104, 2).standard_normal(4), expected)


def test_streams_are_independent(built_in: SyntheticSeries) -> None:
    few = synthetic_series(START, 5, 4, ZONE, 12_000.0)
    assert np.array_equal(few.load_kw, built_in.load_kw[:4, : 5 * 672])
    assert np.array_equal(few.price_per_kwh, built_in.price_per_kwh[: 5 * 672])
    assert np.array_equal(few.temperature_c, built_in.temperature_c[: 5 * 168])


@pytest.mark.parametrize("zone", [ZONE, "Asia/Kolkata", "America/New_York"])
def test_clock_equals_zoneinfo(zone: str) -> None:
    tz = ZoneInfo(zone)
    start = datetime(2023, 1, 2, tzinfo=tz).astimezone(timezone.utc)
    clock = local_clock(start, 9000, zone)
    months = month_of(clock)
    for hour in range(9000):
        local = (start + timedelta(hours=hour)).astimezone(tz)
        passed = (local.date() - datetime(2023, 1, 2).date()).days
        assert (clock.hour[hour], clock.weekday[hour], months[hour], clock.day[hour]) == (
            local.hour,
            local.weekday(),
            local.month,
            passed,
        )
        assert (clock.year[hour], clock.day_of_year[hour]) == (
            local.year,
            local.timetuple().tm_yday,
        )


def test_people_follow_summer_time_and_the_sun_does_not() -> None:
    clock = local_clock(START, YEAR_H, ZONE)
    july = 190 * 24
    assert (clock.hour[july] - clock.standard_hour[july]) % 24 == 1
    assert clock.hour[0] == clock.standard_hour[0] == 0
    spring = np.flatnonzero(clock.day == 83)  # Sunday 26 March has no hour 2
    assert clock.hour[spring].tolist() == [0, 1, *range(3, 24)]
    autumn = np.flatnonzero(clock.day == 300)  # Sunday 29 October has it twice
    assert clock.hour[autumn].tolist() == [0, 1, 2, *range(2, 24)]


def test_autoregression_equals_loop() -> None:
    noise, decay = _rng(0).standard_normal(1000), _rng(1).uniform(0.0, 0.999, 1000)
    innovation, weight = _rng(2).uniform(0.0, 2.0, 1000), _rng(3).standard_normal(1000)
    total = np.ones(1000)
    add_autoregression(total, noise, decay, innovation, weight)
    y, expected = noise[0], [1.0 + weight[0] * noise[0]]
    for t in range(1, 1000):
        y = decay[t] * y + innovation[t] * noise[t]
        expected.append(1.0 + weight[t] * y)
    assert total == pytest.approx(np.array(expected), rel=1e-12, abs=1e-12)


def test_public_holidays_are_sundays() -> None:
    friday = date(2023, 1, 6)  # Epiphany
    plain = local_clock(START, YEAR_H, ZONE)
    clock = local_clock(START, YEAR_H, ZONE, frozenset({friday}))
    day = (friday - date(2023, 1, 2)).days
    assert set(plain.weekday[plain.day == day].tolist()) == {4}
    assert set(clock.weekday[clock.day == day].tolist()) == {6}
    others = plain.day != day
    assert np.array_equal(clock.weekday[others], plain.weekday[others])
    # a price's score falls by what the hour of a Sunday is cheaper than that of a workday
    with_it, without = (
        synthetic_series(START, 52, 1, ZONE, 12_000.0, holidays=days)
        for days in (frozenset({friday}), frozenset())
    )
    cheaper = (without.price_per_kwh - with_it.price_per_kwh).reshape(-1, 96)
    assert cheaper[day].mean() > 0.05
    assert np.array_equal(
        np.flatnonzero(np.abs(cheaper).max(axis=1) > 0.0), [day - 1, day, day + 1]
    )
    # neighbours differ only by the quarters beside midnight, which lean towards the day
    assert np.flatnonzero(cheaper[day - 1]).min() >= 92
    assert np.flatnonzero(cheaper[day + 1]).max() < 4
    changed = np.flatnonzero(
        (with_it.load_kw != without.load_kw).reshape(-1, 96).mean(axis=1) > 0.5
    )
    assert day in changed


def test_quarters_of_an_hour() -> None:
    """Twice as steep as the hours around, bent as they are, and as they are on average."""
    clock = local_clock(START, 6, ZONE)
    fits = {
        "tilt_by_hour": [0.0] * 24,
        "tilt_per_slope": 2.0,
        "tilt_sd_by_hour": [0.0] * 24,
        "bend_per_curvature": 1.0,
    }
    rising = quarter_scores(np.arange(6.0), clock, fits, _rng(0)).reshape(6, 4)
    assert rising.mean(axis=1) == pytest.approx(np.arange(6.0), abs=1e-12)
    # the line rises by 2 in an hour: by 0.5 from the middle of a quarter to that of the next
    assert rising[2] == pytest.approx([1.25, 1.75, 2.25, 2.75])
    hill = quarter_scores(np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0]), clock, fits, _rng(0))
    # a parabola of second derivative -2 at distances of 3/8 and 1/8 h, around its mean
    assert hill[8:12] == pytest.approx(1.0 - np.array([1.0, -1.0, -1.0, 1.0]) / 16.0)
    # chance tilts the line, by the hour's own measure
    fits["tilt_sd_by_hour"] = [0.0, 0.0, 0.4] + [0.0] * 21
    tilted = [quarter_scores(np.zeros(6), clock, fits, _rng(k)).reshape(6, 4) for k in range(400)]
    slope = [hours[2, 3] - hours[2, 0] for hours in tilted]
    assert np.std(slope) == pytest.approx(0.4 * 0.75, rel=0.12)
    assert all(not hours[[0, 1, 3, 4, 5]].any() for hours in tilted)


def test_gaussian_has_the_variance_and_correlation_of_its_parts() -> None:
    parts = [[2.0, 0, 0.7], [12.0, 24.0, 0.3]]
    made = gaussian(_rng(4), 400_000, np.ones(1), parts)
    for lag in (0, 1, 6, 12, 24):
        expected = 0.7 * np.exp(-lag / 2.0)
        expected += 0.3 * np.exp(-lag / 12.0) * np.cos(2.0 * np.pi * lag / 24.0)
        # 400,000 steps are about 50,000 independent ones: standard error below 0.006
        assert np.mean(made[: len(made) - lag] * made[lag:]) == pytest.approx(expected, abs=0.02)
    smooth = smooth_gaussian(_rng(4), 400_000, 1.0, [[2.0, 0, 1.0]])
    assert smooth.var() == pytest.approx(0.5 + 0.5 * np.exp(-0.5), abs=0.02)
    # a clock that stands still at every second step
    uneven = gaussian(_rng(5), 10_000, np.tile([2.0, 1e-12], 5_000), [[3.0, 0, 1.0]])
    assert uneven[0::2] == pytest.approx(uneven[1::2], abs=1e-4)


def test_scores_map_to_quantiles_and_are_bounded(built_in: SyntheticSeries) -> None:
    assert from_scores(np.array([-9.0, -4.0, 0.0, 2.0, 9.0]), [1.0, 2.0, 4.0]).tolist() == [
        1.0,
        1.0,
        2.0,
        3.0,
        4.0,
    ]
    quantiles = figures("series")["price"]["quantiles"]
    assert built_in.price_per_kwh.min() >= quantiles[0]
    assert built_in.price_per_kwh.max() <= quantiles[-1]


def test_season_returns_after_a_year() -> None:
    terms = season(np.array([1, 366]))
    assert terms[0] == pytest.approx(terms[1], abs=0.04)
    assert terms[0, :2] == pytest.approx([1.0, 1.0], abs=1e-3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"start": datetime(2023, 1, 2)}, "start is 2023-01-02 00:00:00: it needs a time zone"),
        ({"start": START + timedelta(hours=1)}, "must be a Monday 00:00"),
        ({"start": START + timedelta(days=1)}, "must be a Monday 00:00"),
        ({"zone": "Europe/Stokholm"}, "zone is 'Europe/Stokholm'"),
        ({"weeks": 0}, "weeks is 0: it must be at least 1"),
        ({"houses": 0}, "houses is 0: it must be at least 1"),
        ({"seed": -1}, "seed is -1: it must be 0 or more"),
        ({"world": -2}, "world is -2: it must be 0 or more"),
        ({"annual_kwh": 0.0}, "annual_kwh is 0.0"),
        ({"annual_kwh": float("nan")}, "annual_kwh is nan"),
    ],
)
def test_bad_input(changed: dict[str, Any], message: str) -> None:
    given = {"start": START, "weeks": 1, "houses": 1, "zone": ZONE, "annual_kwh": 1e4}
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        synthetic_series(**{**given, **changed})


def test_generator_needs_neither_pandas_nor_matplotlib() -> None:
    code = (
        "import sys, ev_gym.series.synthetic; "
        "print([m for m in ('pandas', 'matplotlib', 'holidays') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
