"""Pictures of the generated series beside the measured ones; the measured series are needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.plot_style import png
from ev_gym.calibrated import figures
from ev_gym.calibration.measures import (
    LEAST_CLEAR_W_PER_M2,
    correlation,
    day_spreads,
    month_of,
    quarter_figures,
)
from ev_gym.calibration.prices import PRICE_FILE, first_hour, swedish_prices
from ev_gym.calibration.series import LOAD_FILE, WEATHER_FILE, part_of
from ev_gym.calibration.series_fits import read
from ev_gym.calibration.sky import PLACES, SUN_FILE, clear_hours, utc_month
from ev_gym.calibration.worlds import START, WORLDS, YEAR_H, ZONE, clock_of_worlds
from ev_gym.runtime.arrays import Floats
from ev_gym.series.public_holidays import public_holidays
from ev_gym.series.synthetic import Clock, local_clock
from tests.validation.series import (
    AWAY_DAYS,
    YEARS,
    appliances,
    away_hours,
    hourly,
    hours_of,
    long_clock,
    sky_of,
    world,
)
from tests.validation.writing import figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MEASURED, OURS, BAND = "#222222", "#0072B2", "#A6CBE3"
SECOND = "#D55E00"
SHARES = np.linspace(0.0, 1.0, 1001)
PRICE_YEARS = (2023, 2024, 2025)
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.5, 1.0)))


class Hourly(NamedTuple):
    """A year of hours: values and their local clock."""

    values: Floats
    clock: Clock


def years_of(values: Floats, clock: Clock, years: Sequence[int]) -> list[Hourly]:
    """The first 52 weeks of each of some years."""
    found = []
    for year in years:
        first = int(np.flatnonzero(clock.year == year)[0])
        hour = np.arange(len(values))
        kept = (hour >= first) & (hour < first + YEAR_H)
        found.append(Hourly(values[kept], part_of(clock, kept)))
    return found


def measured_prices(folder: Path) -> list[Hourly]:
    """SE3 in 2023, 2024 and 2025, SEK/kWh."""
    hours = swedish_prices(folder).hours
    holidays = public_holidays("SE", date(2023, 1, 1), len(hours) // 24 + 1)
    return years_of(hours, local_clock(first_hour(), len(hours), ZONE, holidays), PRICE_YEARS)


def years_table(folder: Path) -> str:
    """SE3 in the years before those that the prices are calibrated on, for context."""
    start, price = read(folder / PRICE_FILE, "price_ore_per_kwh")
    clock = local_clock(start, len(price), ZONE)
    rows = []
    for year in range(2016, PRICE_YEARS[0]):
        kept = clock.year == year
        own = price[kept] / 100.0
        spread = day_spreads(own, part_of(clock, kept)).mean()
        below = f"{100 * (own < 0.0).mean():.1f}"
        rows.append([str(year), f"{own.mean():.2f}", f"{spread:.2f}", below])
    head = ["SE3, not calibrated on", "mean price (SEK/kWh)"]
    head += ["dearest less cheapest hour of a day (SEK/kWh)", "hours below zero (%)"]
    return table(head, rows)


def duration(values: Floats) -> Floats:
    """Values by the share of the time in which they are exceeded, at `SHARES`."""
    return np.quantile(values, 1.0 - SHARES)


def day_spread(year: Hourly) -> Floats:
    """(days,) dearest less cheapest hour of each local day."""
    return day_spreads(year.values, year.clock)


def by_hour(year: Hourly, kept: NDArray[np.bool_]) -> Floats:
    """(24,) mean by local hour."""
    return np.array([year.values[kept & (year.clock.hour == h)].mean() for h in range(24)])


def winter(clock: Clock) -> NDArray[np.bool_]:
    """October to March, by the day of the year."""
    return (clock.day_of_year <= 90) | (clock.day_of_year >= 274)


def band(axes: Axes, x: Floats, many: Sequence[Floats], label: str | None = None) -> None:
    """The range of many generated years, and their mean."""
    axes.fill_between(x, np.min(many, axis=0), np.max(many, axis=0), color=BAND, lw=0, label=label)


def price_picture(folder: Path, path: Path) -> str:
    """Draw `validation_price.png`; the table of daily spreads."""
    measured, clock = measured_prices(folder), clock_of_worlds()
    names = [str(year) for year in PRICE_YEARS]
    ours = Hourly(hourly(world(0).series), clock)
    many = [Hourly(hourly(world(number).series), clock) for number in WORLDS]
    with png(path, 9.6, 8.4) as drawing:
        (top, spread), (daily, memory), (within, quarters) = drawing.subplots(3, 2)
        for axes, curve in ((top, lambda year: duration(year.values)),
                            (spread, lambda year: duration(day_spread(year)))):  # fmt: skip
            band(axes, 100 * SHARES, [curve(year) for year in many], f"{YEARS} other worlds")
            for name, year, dashes in zip(names, measured, DASHES, strict=True):
                axes.plot(
                    100 * SHARES, curve(year), color=MEASURED, ls=dashes, lw=1.3,
                    label=f"measured {name}",
                )  # fmt: skip
            axes.plot(100 * SHARES, curve(ours), color=OURS, lw=1.5, label="world 0")
            axes.set(xlim=(0, 100), ylim=(-0.3, 3.0))
        top.set(title="price duration curve", xlabel="% of hours", ylabel="SEK/kWh")
        spread.set(title="dearest less cheapest hour of a day", xlabel="% of days")
        top.legend(fontsize=8)
        for cold, color in ((True, MEASURED), (False, SECOND)):
            season = "October to March" if cold else "April to September"
            for years, which, dashes in ((measured, "measured", "-"),
                                         ([ours], "world 0", (0, (1, 1)))):  # fmt: skip
                shapes = [by_hour(one, winter(one.clock) == cold) for one in years]
                daily.plot(
                    np.arange(24), np.mean(shapes, axis=0), color=color, ls=dashes, lw=1.5,
                    label=f"{which}, {season}",
                )  # fmt: skip
        daily.set(title="mean by local hour", xlabel="hour", ylabel="SEK/kWh", xlim=(0, 23))
        daily.set_ylim(0, 1.45)
        daily.legend(fontsize=8)
        _memory(memory, np.arange(1, 337), [year.values for year in measured],
                ours.values, [year.values for year in many], 24.0)  # fmt: skip
        memory.set(title="autocorrelation of hourly prices", xlabel="days")
        _quarters(within, quarters, swedish_prices(folder).quarters, folder)
    rows = []
    for name, own in (*((f"measured {name}", [year]) for name, year in
                        zip(names, measured, strict=True)),
                      ("world 0", [ours]), (f"{YEARS} other worlds", many)):  # fmt: skip
        spreads = np.concatenate([day_spread(year) for year in own])
        cells = [spreads.mean(), *np.quantile(spreads, (0.05, 0.5, 0.95))]
        cells += [np.mean([correlation(year.values, lag) for year in own]) for lag in (24, 168)]
        rows.append([name, *(f"{cell:.2f}" for cell in cells)])
    head = ["dearest less cheapest hour of a day (SEK/kWh)", "mean", "5 %", "median", "95 %",
            "autocorrelation of hours after a day", "after a week"]  # fmt: skip
    return table(head, rows)


def _quarters(within: Axes, spread: Axes, measured: Floats, folder: Path) -> None:
    """Quarter-hours of October to June: their pattern within the hour, their daily spread."""
    clock = clock_of_worlds()
    kept = ~np.isin(month_of(clock), (7, 8, 9))
    part = part_of(clock, kept)
    worlds = [world(number).series.price_per_kwh[kept.repeat(4)] for number in (0, *WORLDS)]
    of = swedish_prices(folder).quarters_clock
    hours = np.arange(96) / 4.0

    def pattern(price: Floats, own: Clock) -> Floats:
        return 100.0 * np.array(quarter_figures(price, own)["by_quarter"]).ravel()

    patterns = [pattern(price, part) for price in worlds]
    band(within, hours, patterns[1:])
    danish = np.array(figures("series")["price"]["quarters"]["DK1"]["by_quarter"]).ravel()
    within.plot(hours, pattern(measured, of), color=MEASURED, lw=1.2, label="SE3")
    within.plot(hours, 100.0 * danish, color=SECOND, lw=1.0, label="DK1")
    within.plot(hours, patterns[0], color=OURS, lw=1.2, label="world 0")
    within.set(title="quarter less its hour, % of the day's spread", xlabel="hour", xlim=(0, 24))
    within.legend(fontsize=8)
    band(spread, 100 * SHARES, [duration(day_spreads(price, part)) for price in worlds[1:]])
    spread.plot(100 * SHARES, duration(day_spreads(measured, of)), color=MEASURED, lw=1.3)
    spread.plot(100 * SHARES, duration(day_spreads(worlds[0], part)), color=OURS, lw=1.3)
    spread.set(title="dearest less cheapest quarter, October to June", xlabel="% of days")
    spread.set(xlim=(0, 100), ylim=(0, 4.0), ylabel="SEK/kWh")


def _memory(
    axes: Axes, lags: NDArray[np.int64], measured: list[Floats], ours: Floats | None,
    many: list[Floats], per_day: float,
) -> None:  # fmt: skip
    def of(values: Floats) -> Floats:
        return np.array([correlation(values, int(lag)) for lag in lags])

    x = lags / per_day
    band(axes, x, [of(values) for values in many])
    for values, dashes in zip(measured, DASHES, strict=False):
        axes.plot(x, of(values), color=MEASURED, ls=dashes, lw=1.2)
    if ours is not None:
        axes.plot(x, of(ours), color=OURS, lw=1.3)
    axes.axhline(0, color="#8C8C8C", lw=0.6)
    axes.set_xlim(0, x[-1])


def load_picture(folder: Path, path: Path) -> None:
    """Draw `validation_load.png`."""
    start, load_kw = read(folder / LOAD_FILE, "load_kw")
    clock = local_clock(start, len(load_kw) // 4, "Europe/Paris")
    away = (clock.day_of_year >= AWAY_DAYS[0]) & (clock.day_of_year < AWAY_DAYS[1])
    measured = load_kw / load_kw[~away.repeat(4)].mean()
    own_clock, parts = long_clock(), [appliances()[hours_of(k, 4)] for k in range(YEARS)]
    houses = [house / house.mean() for house in world(0).series.load_kw]
    with png(path, 9.6, 6.0) as drawing:
        (top, with_heat), (daily, memory) = drawing.subplots(2, 2)
        own = [f"{YEARS} years of its generated habits", "16 houses of world 0, with heating"]
        for axes, many, label in ((top, parts, own[0]), (with_heat, houses, own[1])):
            band(axes, 100 * SHARES, [duration(values) for values in many], label)
            typical = np.mean([duration(values) for values in many], axis=0)
            axes.plot(100 * SHARES, typical, color=OURS, lw=1.3, label="their mean")
            curve = duration(measured / (measured.mean() if many is houses else 1.0))
            axes.plot(100 * SHARES, curve, color=MEASURED, lw=1.3, label="measured house, 2008")
            axes.set(xlabel="% of quarter-hours", xlim=(0, 100), ylim=(0, 6))
            axes.legend(fontsize=8)
        top.set(title="load duration curve, without heating", ylabel="load over the mean")
        with_heat.set_title("the same with heating")
        gone = away_hours()
        for weekend, color in ((False, MEASURED), (True, SECOND)):
            name = "weekend" if weekend else "workday"
            shape = _shape(measured, clock, ~away & ((clock.weekday >= 5) == weekend))
            daily.plot(np.arange(24), shape, color=color, lw=1.5, label=f"measured, {name}")
            kept = ~gone & ((own_clock.weekday >= 5) == weekend)
            daily.plot(np.arange(24), _shape(appliances(), own_clock, kept), color=color,
                       ls=(0, (1, 1)), lw=1.7, label=f"generated, {name}")  # fmt: skip
        daily.set(title="mean by local hour", xlabel="hour", ylabel="load over the mean")
        daily.set(xlim=(0, 23), ylim=(0, None))
        daily.legend(fontsize=8)
        lags = np.concatenate([np.arange(1, 96), np.arange(96, 673, 4)])
        _memory(memory, lags, [measured], None, parts, 96.0)
        memory.set(title="autocorrelation of quarter-hours", xlabel="days")


def _shape(load: Floats, clock: Clock, kept: NDArray[np.bool_]) -> Floats:
    return by_hour(Hourly(load.reshape(-1, 4).mean(axis=1), clock), kept)


def weather_picture(folder: Path, path: Path) -> None:
    """Draw `validation_weather.png`: temperature, clearness and sunlight."""
    begin, temperature_c = read(folder / WEATHER_FILE, "temperature_c")
    air_clock = local_clock(begin, len(temperature_c), ZONE)
    measured = years_of(temperature_c, air_clock, (2023, 2024))
    many = [world(number).series.temperature_c for number in WORLDS]
    start, ghi = read(folder / SUN_FILE, "ghi_w_per_m2")
    clear = clear_hours(start, len(ghi), PLACES["aarhus"])
    skies = [sky_of("aarhus", number) for number in WORLDS]
    month = np.arange(1, 13)
    with png(path, 9.6, 3.2) as drawing:
        warmth, sky, light = drawing.subplots(1, 3)
        band(warmth, 100 * SHARES, [duration(values) for values in many],
             f"{YEARS} worlds")  # fmt: skip
        for year, name, dashes in zip(measured, ("2023", "2024"), ("-", (0, (4, 1.5))),
                                      strict=True):  # fmt: skip
            warmth.plot(100 * SHARES, duration(year.values), color=MEASURED, ls=dashes, lw=1.3,
                        label=f"measured {name}")  # fmt: skip
        warmth.plot(100 * SHARES, duration(world(0).series.temperature_c), color=OURS, lw=1.3,
                    label="world 0")  # fmt: skip
        warmth.set(title="temperature, Stockholm", xlabel="% of hours", ylabel="deg C")
        warmth.set_xlim(0, 100)
        seen = clear > LEAST_CLEAR_W_PER_M2
        curves = [duration(own[high > LEAST_CLEAR_W_PER_M2]) for own, high in skies]
        band(sky, 100 * SHARES, curves)
        sky.plot(100 * SHARES, duration(ghi[seen] / clear[seen]), color=MEASURED, lw=1.3)
        sky.set(title="clearness, Aarhus", xlabel="% of hours with the sun up",
                ylabel="GHI over the clear sky's", xlim=(0, 100), ylim=(0, 1.4))  # fmt: skip
        when = utc_month(START, YEAR_H)
        band(light, month, [_monthly(own * high, when) for own, high in skies])
        light.plot(month, _monthly(ghi, utc_month(start, len(ghi))), color=MEASURED, lw=1.3,
                   marker="o", ms=3)  # fmt: skip
        light.set(title="sunlight by month, Aarhus", xlabel="month", ylabel="kWh/m2 a day")
        light.set(ylim=(0, None), xticks=month[::2])
        warmth.legend(fontsize=8)


def _monthly(ghi: Floats, month: NDArray[np.int64]) -> Floats:
    return np.array([0.024 * ghi[month == m].mean() for m in range(1, 13)])


def pictures(folder: Path, docs: Path) -> dict[str, str]:
    """Draw the three pictures; what the page says under each."""
    spreads = price_picture(folder, docs / "validation_price.png")
    load_picture(folder, docs / "validation_load.png")
    weather_picture(folder, docs / "validation_weather.png")
    price = figure(
        "validation_price.png",
        "Prices",
        "Prices of SE3 (black) and generated ones: world 0 (blue) and the range of the "
        f"{YEARS} other worlds (pale). Quarter-hours were measured from October 2025 to June 2026.",
    )
    load = figure(
        "validation_load.png",
        "Base load",
        "The house in Sceaux (black) and its generated habits (pale: range of the years). The "
        "upper right picture shows the houses that the presets use, which are heated besides, as a "
        "house in Trondheim is; beside them the house in Sceaux again.",
    )
    weather = figure(
        "validation_weather.png",
        "Weather",
        "Temperature in Stockholm; clearness and sunlight in Aarhus, where irradiance was at hand. "
        "Black: measured; pale: range of the worlds.",
    )
    return {"price": f"{spreads}\n{price}", "load": load, "weather": weather}
