"""The built-in series against the figures that they are calibrated on.

Tolerances of long runs: 72 generated years leave hardly any chance, so what remains is how well one
to four measured years tell the long-run value. For prices and temperature that is about half the
difference of two measured years; for the one measured house, the spread of single generated years
(about 3 standard deviations). A tolerance for one year adds two to three standard deviations
of generated years. Where the model is known to be off by more, the comment says so.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ev_gym import calibrated
from ev_gym.calibrated import figures
from ev_gym.calibration import series, sky, trondheim, worlds
from ev_gym.calibration.__main__ import as_text, main
from ev_gym.calibration.heating import heated_figures
from ev_gym.calibration.measures import (
    load_figures,
    month_of,
    per_day,
    price_figures,
    quarter_figures,
    temperature_figures,
    winter_correlation,
)
from ev_gym.calibration.prices import swedish_prices
from ev_gym.calibration.series import part_of
from ev_gym.calibration.series_fits import SCORES
from ev_gym.series.public_holidays import public_holidays
from ev_gym.series.synthetic import (
    FIRST_KEY,
    Clock,
    SyntheticSeries,
    household_load,
    local_clock,
    season,
    synthetic_series,
)

ZONE = "Europe/Stockholm"
START = datetime(2024, 12, 29, 23, tzinfo=timezone.utc)  # Monday 30 December, 00:00 local
YEAR_H = 52 * 168
YEARS = 72
HOLIDAYS = public_holidays("SE", date(2024, 12, 30), 364 * YEARS)

# figure, place in it, tolerance of the mean of many years, tolerance of one year
PRICE = [
    ("mean", None, 0.09, 0.20),  # 0.59, 0.41, 0.51 and, half a year, 0.81
    ("sd", None, 0.06, 0.16),
    ("daily_spread_mean", None, 0.12, 0.18),  # 0.74, 0.59, 0.87 and 0.89
    ("within_day_sd_mean", None, 0.04, 0.06),  # 0.22, 0.17, 0.25 and 0.27
    ("within_day_sd_correlation_1d", None, 0.09, 0.20),
    ("daily_mean_correlation_1d_7d", 0, 0.05, 0.12),
    ("daily_mean_correlation_1d_7d", 1, 0.08, 0.28),
    ("hourly_change_sd", None, 0.015, 0.045),
    ("midnight_change_sd", None, 0.07, 0.10),  # at most 0.13; generated years are all above 0.12
    ("below_zero_share", None, 0.0125, 0.04),
    ("below_zero_share_summer", None, 0.02, 0.08),
    ("below_zero_share_weekend", None, 0.027, 0.08),
    ("below_zero_mean_run_h", None, 2.5, 3.2),  # real runs are longer: 4.2 to 7.3 h against 5 h
    ("winter_correlation_with_temperature", None, 0.12, 0.25),
    ("quantiles", 0, 0.13, 0.30),
    ("quantiles", 1, 0.015, 0.03),
    ("quantiles", 2, 0.01, 0.02),
    ("quantiles", 3, 0.06, 0.12),
    ("quantiles", 4, 0.075, 0.20),
    ("quantiles", 5, 0.15, 0.35),
    ("quantiles", 6, 0.20, 0.50),
    ("quantiles", 7, 0.25, 0.80),
    ("quantiles", 8, 0.76, 2.80),
]
TEMPERATURE = [
    ("daily_mean_correlation_1d_3d_7d", 0, 0.05, 0.12),
    ("daily_mean_correlation_1d_3d_7d", 1, 0.08, 0.22),
    ("daily_mean_correlation_1d_3d_7d", 2, 0.10, 0.25),
    ("hourly_change_sd", None, 0.05, 0.10),
    ("quantiles", 0, 3.5, 5.5),  # cold spells are rarer than a Gaussian allows: skewness left out
    ("quantiles", 1, 1.7, 3.5),
    ("quantiles", 2, 0.8, 2.6),
    ("quantiles", 3, 0.6, 2.0),
    ("quantiles", 4, 1.0, 2.2),
    ("quantiles", 5, 0.6, 1.4),
    ("quantiles", 6, 0.8, 1.8),
    ("quantiles", 7, 0.8, 2.2),
    ("quantiles", 8, 1.0, 3.0),
]
# figure, whether relative to its mean, largest difference and root mean square: many years, one
# Ratios of quarter-hours, tolerance of the mean of many years, of one; SE3 and DK1 differ by about
# as much as the first.
QUARTERS = [
    ("spread_over_spread_of_hours", 0.03, 0.04),  # 1.18 and 1.21
    ("correlation_15min", 0.015, 0.018),  # 0.979 and 0.966
    ("deviation_sd_over_hourly_sd", 0.07, 0.09),  # 0.19 and 0.26
    ("quarter_change_sd_over_hourly_sd", 0.07, 0.09),  # 0.21 and 0.27
    # real prices stop at zero, where generated quarters fall slightly below it
    ("below_zero_share_over_that_of_hours", 0.22, 0.32),  # 1.00 and 1.01
]
PROFILES = [
    ("price", "by_month", False, (0.30, 0.14), (0.60, 0.32)),  # two years differ by up to 0.32
    ("price", "by_hour_workday", True, (0.07, 0.025), (0.15, 0.08)),
    ("price", "by_hour_weekend", True, (0.075, 0.045), (0.20, 0.10)),
    ("price", "by_hour_winter", True, (0.095, 0.035), (0.17, 0.09)),
    ("price", "by_hour_summer", True, (0.12, 0.06), (0.20, 0.11)),
    ("temperature", "by_month_mean", False, (1.9, 1.0), (4.6, 2.6)),
    ("temperature", "by_month_sd", False, (1.2, 0.65), (2.2, 1.1)),
    ("temperature", "by_month_daily_range", False, (1.9, 0.85), (2.5, 1.2)),
]
# figure, place in it, tolerance relative to the measured value
LOAD = [
    ("quantiles", 0, 0.13),
    ("quantiles", 1, 0.10),
    ("quantiles", 2, 0.06),
    ("quantiles", 3, 0.05),
    ("quantiles", 4, 0.10),
    ("quantiles", 5, 0.03),
    ("quantiles", 6, 0.04),
    ("quantiles", 7, 0.06),
    ("quantiles", 8, 0.10),
    ("sd", None, 0.04),
    ("correlation", "15min", 0.02),
    ("correlation", "1h", 0.08),
    ("correlation", "3h", 0.20),
    ("correlation", "12h", 0.25),
    ("correlation", "1d", 0.15),
    ("correlation", "7d", 0.25),  # the same day a week on: workdays of the model are all alike
    ("quarter_hour_change_sd", None, 0.06),
    ("daily_mean_sd", None, 0.15),
    ("daily_mean_correlation_1d", None, 0.15),
    ("winter_to_summer", None, 0.20),
    ("away_mean", None, 0.25),
]


def _part(clock: Clock, first: int, last: int) -> Clock:
    hour = np.arange(len(clock.hour))
    return part_of(clock, (hour >= first) & (hour < last))


def _year_figures(one: SyntheticSeries, clock: Clock) -> dict[str, dict[str, Any]]:
    hours = one.price_per_kwh.reshape(-1, 4).mean(axis=1)
    price = price_figures(hours, clock)
    price["winter_correlation_with_temperature"] = winter_correlation(
        hours, one.temperature_c, clock
    )
    # quarters were measured from October to June
    kept = ~np.isin(month_of(clock), (7, 8, 9))
    quarters = quarter_figures(one.price_per_kwh[kept.repeat(4)], part_of(clock, kept))
    return {
        "price": price,
        "quarters": quarters,
        "temperature": temperature_figures(one.temperature_c, clock),
    }


@pytest.fixture(scope="module")
def built_in() -> SyntheticSeries:
    return synthetic_series(START, 52, 16, ZONE, 12_000.0, holidays=HOLIDAYS)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return local_clock(START, YEARS * YEAR_H, ZONE, HOLIDAYS)


@pytest.fixture(scope="module")
def many_years(clock: Clock) -> list[dict[str, dict[str, Any]]]:
    """Figures of each of 72 generated years; single years, as short series bias correlations."""
    long = synthetic_series(START, YEARS * 52, 1, ZONE, 12_000.0, seed=1, holidays=HOLIDAYS)
    return [
        _year_figures(
            SyntheticSeries(
                long.price_per_kwh[4 * a : 4 * b], long.temperature_c[a:b], long.load_kw
            ),
            _part(clock, a, b),
        )
        for a, b in ((k * YEAR_H, (k + 1) * YEAR_H) for k in range(YEARS))
    ]


@pytest.fixture(scope="module")
def many_house_years(clock: Clock) -> list[dict[str, Any]]:
    """Figures of the measured house's habits, with its holiday, in each generated year."""
    away = (clock.day_of_year >= 219) & (clock.day_of_year < 244)
    load = household_load(clock, away, 0, 1.0, figures("series")["load"], _rng(3))
    return [
        load_figures(load[4 * a : 4 * b], _part(clock, a, b), away[a:b])
        for a, b in ((k * YEAR_H, (k + 1) * YEAR_H) for k in range(YEARS))
    ]


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _mean(found: list[dict[str, Any]], name: str, place: Any) -> float:
    values = [year[name] if place is None else year[name][place] for year in found]
    return float(np.mean(values))


def _measured(kind: str, name: str) -> list[dict[str, Any]]:
    """What was measured: of prices the figure of all years together, where there is one."""
    known = figures("series")[kind]["figures"]
    if "all" in known and name in known["all"]:
        return [known["all"]]
    return [year for year in known.values() if name in year]


@pytest.mark.parametrize(
    ("kind", "name", "place", "long", "one"),
    [("price", *row) for row in PRICE] + [("temperature", *row) for row in TEMPERATURE],
)
def test_statistics(
    kind: str,
    name: str,
    place: Any,
    long: float,
    one: float,
    many_years: list[dict[str, dict[str, Any]]],
    built_in: SyntheticSeries,
    clock: Clock,
) -> None:
    measured = _mean(_measured(kind, name), name, place)
    assert _mean([year[kind] for year in many_years], name, place) == pytest.approx(
        measured, abs=long
    )
    year = _year_figures(built_in, _part(clock, 0, YEAR_H))[kind]
    assert _mean([year], name, place) == pytest.approx(measured, abs=one)


@pytest.mark.parametrize(("kind", "name", "relative", "long", "one"), PROFILES)
def test_profiles(
    kind: str,
    name: str,
    relative: bool,
    long: tuple[float, float],
    one: tuple[float, float],
    many_years: list[dict[str, dict[str, Any]]],
    built_in: SyntheticSeries,
    clock: Clock,
) -> None:
    def profile(found: list[dict[str, Any]]) -> Any:
        mean = np.mean([year[name] for year in found], axis=0)
        return mean / mean.mean() if relative else mean

    measured = profile(_measured(kind, name))
    year = _year_figures(built_in, _part(clock, 0, YEAR_H))[kind]
    for found, (largest, rms) in (
        (profile([year[kind] for year in many_years]), long),
        (profile([year]), one),
    ):
        assert np.abs(found - measured).max() < largest
        assert np.sqrt(np.mean((found - measured) ** 2)) < rms


@pytest.mark.parametrize(("name", "long", "one"), QUARTERS)
def test_quarter_hours(
    name: str,
    long: float,
    one: float,
    many_years: list[dict[str, dict[str, Any]]],
    built_in: SyntheticSeries,
    clock: Clock,
) -> None:
    measured = np.mean([area[name] for area in figures("series")["price"]["quarters"].values()])
    generated = np.mean([year["quarters"][name] for year in many_years])
    assert generated == pytest.approx(measured, abs=long)
    year = _year_figures(built_in, _part(clock, 0, YEAR_H))["quarters"]
    assert year[name] == pytest.approx(measured, abs=one)


def test_pattern_within_the_hour(many_years: list[dict[str, dict[str, Any]]]) -> None:
    """The saw-tooth: dear first quarters where prices fall, dear last ones where they rise."""
    areas = [
        np.array(area["by_quarter"]) for area in figures("series")["price"]["quarters"].values()
    ]
    measured = np.mean(areas, axis=0)
    found = np.mean([year["quarters"]["by_quarter"] for year in many_years], axis=0)
    # SE3 and DK1 differ from each other by up to 0.074, and by 0.022 in the root mean square; in
    # the months of the quarter-hours prices rose and fell more in a day than in 2023 and 2024
    assert np.abs(found - measured).max() < 0.06
    assert np.sqrt(np.mean((found - measured) ** 2)) < 0.02
    assert np.corrcoef(found.ravel(), measured.ravel())[0, 1] > 0.95
    assert 0.75 < found.std() / measured.std() < 1.1
    rise = found[:, 3] - found[:, 0]
    assert rise[16] > 0.2  # 16:00 to 17:00, before the evening's peak
    assert rise[9] < -0.15


@pytest.mark.parametrize(("name", "place", "tolerance"), LOAD)
def test_household_statistics(
    name: str, place: Any, tolerance: float, many_house_years: list[dict[str, Any]]
) -> None:
    measured = _mean(_measured("load", name), name, place)
    assert _mean(many_house_years, name, place) == pytest.approx(measured, rel=tolerance)


@pytest.mark.parametrize("name", ["by_hour_workday", "by_hour_weekend"])
def test_household_profile(name: str, many_house_years: list[dict[str, Any]]) -> None:
    measured = np.array(_measured("load", name)[0][name])
    found = np.mean([year[name] for year in many_house_years], axis=0)
    # an hour of a generated year scatters by 0.04 (workdays) or 0.07 (weekends) of the mean
    assert np.abs(found - measured).max() < 0.12
    assert np.sqrt(np.mean((found - measured) ** 2)) < 0.04


def test_duration_curve_of_built_in_houses(built_in: SyntheticSeries, clock: Clock) -> None:
    """In midsummer nobody heats, so a house's duration curve is that of its appliances."""
    june = (month_of(clock)[:YEAR_H] == 6).repeat(4)
    curves = [
        np.quantile(house[june], (0.05, 0.5, 0.95, 0.999)) / house[june].mean()
        for house in built_in.load_kw
    ]
    # the year's curve of the measured house; one month is less spread than a year, and houses
    # differ: the strength of their habits, a holiday, up to 5 % of heating left
    low, middle, high, peak = np.median(curves, axis=0)
    measured = dict(
        zip(
            (0.05, 0.5, 0.95, 0.999),
            np.array(_measured("load", "quantiles")[0]["quantiles"])[[2, 4, 6, 8]],
            strict=True,
        )
    )
    assert low == pytest.approx(measured[0.05], rel=0.4)
    assert middle == pytest.approx(measured[0.5], rel=0.25)
    assert high == pytest.approx(measured[0.95], rel=0.15)
    assert peak == pytest.approx(measured[0.999], rel=0.25)


def test_heating_follows_temperature(clock: Clock) -> None:
    fitted = figures("series")["heating"]
    clock = _part(clock, 0, YEAR_H)
    first = np.flatnonzero(np.diff(clock.day, prepend=-1))
    month, terms = month_of(clock)[first], season(clock.day_of_year[first], 1)
    winter = (month <= 3) | (month >= 11)
    cold_slopes, warm_slopes, expected = [], [], []
    for world in range(4):
        one = synthetic_series(START, 52, 16, ZONE, 12_000.0, world=world, holidays=HOLIDAYS)
        warmth_c = per_day(one.temperature_c, clock)
        load_kw = per_day(one.load_kw.mean(axis=0).reshape(-1, 4).mean(axis=1), clock)
        cold_slopes.append(np.polyfit(warmth_c[winter], load_kw[winter], 1)[0])
        warm = warmth_c > 15.0
        assert warm.sum() > 60
        # in summer holidays and the household's season go with the weather too
        columns = np.column_stack([terms, warmth_c])[warm]
        warm_slopes.append(np.linalg.lstsq(columns, load_kw[warm], rcond=None)[0][-1])
        degrees = np.maximum(0.0, fitted["begins_c"] - one.temperature_c).mean()
        expected.append(-fitted["share"] * 12_000.0 / 8766.0 / degrees)
    # the shares of 16 houses scatter by 6 % around their mean, and buildings lag behind
    assert np.mean(cold_slopes) == pytest.approx(np.mean(expected), rel=0.2)
    assert abs(np.mean(warm_slopes)) < 0.3 * abs(np.mean(cold_slopes))


def test_heating_is_that_of_the_measured_house(built_in: SyntheticSeries, clock: Clock) -> None:
    """Seasonal contrast and winter's variation of a measured Nordic house; houses differ."""
    measured = figures("series")["heating"]["figures"]["2020-2022"]
    year = _part(clock, 0, YEAR_H)
    houses = [heated_figures(house.reshape(-1, 4).mean(axis=1), year) for house in built_in.load_kw]
    together = built_in.load_kw.mean(axis=0).reshape(-1, 4).mean(axis=1)
    by_month = np.mean([house["by_month"] for house in houses], axis=0)
    # the measured months of three years scatter by 0.1; holidays and one winter's weather besides
    assert np.sqrt(np.mean((by_month - measured["by_month"]) ** 2)) < 0.13
    contrast = by_month[[0, 1, 11]].mean() / by_month[5:8].mean()
    assert contrast == pytest.approx(
        np.mean(np.array(measured["by_month"])[[0, 1, 11]]) / np.mean(measured["by_month"][5:8]),
        rel=0.15,
    )
    # what varies in the mean of many households is the weather; in one it comes on top of the rest
    weather_sd = np.sqrt(measured["winter_daily_sd"] ** 2 - measured["summer_daily_sd"] ** 2)
    assert heated_figures(together, year)["winter_daily_sd"] == pytest.approx(weather_sd, abs=0.06)


def test_world_0_is_a_typical_year() -> None:
    """In the first quarter of the keys around it: of nearer ones some world breaks the bounds."""
    first = max(0, FIRST_KEY - 10)
    assert FIRST_KEY in worlds.by_typicality(range(first, first + 20))[:5]


@pytest.mark.parametrize("number", [0, *worlds.WORLDS])
def test_worlds_differ_as_years_do(number: int) -> None:
    assert worlds.outside(worlds.bounded_figures(worlds.world_of(number))) == []


def test_worlds_do_differ() -> None:
    """They are as far apart as the measured years; training and test worlds have a like middle."""
    levels = np.array([worlds.bounded_figures(worlds.world_of(k))[:4] for k in worlds.WORLDS])
    measured = figures("series")["price"]["figures"]
    years = [measured[year]["mean"] for year in ("2023", "2024", "2025", "2026")]
    # SEK/kWh: whole years 0.41 to 0.59, with a dear half year 0.81
    assert np.ptp(years[:3]) < np.ptp(levels[:, 0]) < 1.3 * np.ptp(years)
    train, test = levels[:8].mean(axis=0), levels[8:].mean(axis=0)
    assert train[:3] == pytest.approx(test[:3], rel=0.25)


def test_what_lies_outside_is_named() -> None:
    found = [0.5 * (bound.least + bound.most) for bound in worlds.BOUNDS]
    assert worlds.outside(found) == []
    found[3] = 14.44
    assert worlds.outside(found) == ["hours below zero (%) is 14.4; allowed 0.5 to 10.0"]


def test_swedish_prices_join_their_files(measured_folder: Path) -> None:
    """Two files' own columns, one rate by day, and quarter-hours."""
    prices = swedish_prices(measured_folder)
    start = datetime(2022, 12, 31, 23, tzinfo=timezone.utc)

    def hour(*when: int) -> int:
        return int((datetime(*when, tzinfo=timezone.utc) - start).total_seconds()) // 3600

    assert prices.hours[hour(2025, 1, 1, 0)] == pytest.approx(2.47 * 11.45014 / 1000.0)
    assert len(prices.hours) == hour(2026, 6, 27, 22)
    first = hour(2025, 9, 30, 22)
    assert prices.quarters[:4].mean() == pytest.approx(prices.hours[first])
    assert len(prices.quarters) == 4 * (len(prices.hours) - first)
    assert prices.quarters_clock.hour[0] == 0
    # after the last known day its rate goes on: 10.88395
    late = prices.hours[hour(2026, 6, 1, 0)] / prices.quarters.mean()
    assert np.isfinite(late)


def test_figures_are_figures() -> None:
    """The file credits its sources and holds nothing that a series could be rebuilt from."""
    path = calibrated.FOLDER / "series.json"
    assert path.stat().st_size < 18_000
    known = json.loads(path.read_text(encoding="utf-8"))
    for kind in ("price", "load", "temperature"):
        assert known[kind]["licence"].startswith("CC BY 4.0, ")
        assert known[kind]["source"]
    assert "not derived" in known["assumptions"]["note"]

    def longest(value: Any) -> int:
        if isinstance(value, dict):
            return max(map(longest, value.values()), default=0)
        return max(len(value), *map(longest, value)) if isinstance(value, list) else 0

    assert longest(known) <= len(SCORES)


def test_derive_reproduces_the_file(measured_folder: Path) -> None:
    path = calibrated.FOLDER / "series.json"
    assert as_text(series.derive(measured_folder)) == path.read_text(encoding="utf-8")


def test_derive_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="weather_stockholm_hourly"):  # the first it reads
        series.derive(tmp_path)


def test_command_writes_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "derive", lambda folder: {"b": [1.5, 2], "a": str(folder)})
    monkeypatch.setattr(sky, "derive", lambda folder: {"sun": 1.5})
    monkeypatch.setattr(trondheim, "derive", lambda folder: {"c": {"d": []}})
    result = CliRunner().invoke(main, [str(tmp_path), "--out", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "new" / "series.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": str(tmp_path), "b": [1.5, 2]}
    assert '"b": [ 1.5, 2 ]\n' in text
    assert text.index('"a"') < text.index('"b"')
    assert json.loads((tmp_path / "new" / "driving.json").read_text()) == {"c": {"d": []}}
    assert json.loads((tmp_path / "new" / "sun.json").read_text()) == {"sun": 1.5}
