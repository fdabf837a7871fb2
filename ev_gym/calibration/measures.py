"""Statistics by which measured and generated series are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.series.synthetic import Clock

LEAST_CLEAR_W_PER_M2 = 100.0  # with the sun lower, clearness is mostly error
PROBABILITIES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)


def price_figures(price: Floats, clock: Clock) -> dict[str, Any]:
    """Return statistics of hourly prices, SEK/kWh, (n,); ``clock`` as long.

    A profile lacks the months that the hours lack.
    """
    month, weekend = month_of(clock), clock.weekday >= 5
    winter = (month <= 3) | (month >= 11)
    summer = (month >= 5) & (month <= 9)
    days = per_day(price, clock)
    within = np.sqrt(np.maximum(0.0, per_day(price**2, clock) - days**2))
    below = price < 0.0
    return {
        "mean": price.mean(),
        "sd": price.std(),
        "by_month": [float(price[month == m].mean()) for m in np.unique(month)],
        "by_hour_workday": means_by(price[~weekend], clock.hour[~weekend], range(24)),
        "by_hour_weekend": means_by(price[weekend], clock.hour[weekend], range(24)),
        "by_hour_winter": means_by(price[winter], clock.hour[winter], range(24)),
        "by_hour_summer": means_by(price[summer], clock.hour[summer], range(24)),
        "daily_spread_mean": day_spreads(price, clock).mean(),
        "within_day_sd_mean": within.mean(),
        "within_day_sd_quantiles": np.quantile(within, (0.05, 0.5, 0.95)).tolist(),
        "within_day_sd_correlation_1d": correlation(within, 1),
        "daily_mean_correlation_1d_7d": [correlation(days, lag) for lag in (1, 7)],
        "quantiles": np.quantile(price, PROBABILITIES).tolist(),
        "hourly_change_sd": np.diff(price).std(),
        "midnight_change_sd": np.diff(price)[np.diff(clock.day) == 1].std(),
        "below_zero_share": below.mean(),
        "below_zero_share_summer": below[summer].mean(),
        "below_zero_share_weekend": below[weekend].mean(),
        "below_zero_mean_run_h": below.sum() / max(1, np.sum(np.diff(below.astype(int)) == 1)),
    }


def quarter_figures(quarters: Floats, clock: Clock) -> dict[str, Any]:
    """Return statistics of quarter-hourly prices, (4 n,); ``clock`` has the n hours.

    All but the mean are ratios, so that areas with dearer and cheaper power can be compared.
    ``by_quarter`` is how much the four quarters of a local hour are dearer than the hour on
    average, over the mean of what the dearest hour of a day costs more than its cheapest: (24, 4).
    """
    hours = quarters.reshape(-1, 4).mean(axis=1)
    rest = quarters.reshape(-1, 4) - hours[:, None]
    spread = day_spreads(hours, clock).mean()
    return {
        "mean": hours.mean(),
        "spread_over_spread_of_hours": day_spreads(quarters, clock).mean() / spread,
        "spread_of_hours_over_mean": spread / hours.mean(),
        "correlation_15min": correlation(quarters, 1),
        "deviation_sd_over_hourly_sd": rest.std() / hours.std(),
        "quarter_change_sd_over_hourly_sd": np.diff(quarters).std() / hours.std(),
        "below_zero_share_over_that_of_hours": (quarters < 0.0).mean() / (hours < 0.0).mean(),
        "by_quarter": [(rest[clock.hour == h].mean(axis=0) / spread).tolist() for h in range(24)],
    }


def day_spreads(price: Floats, clock: Clock) -> Floats:
    """Return the dearest less the cheapest price of each local day; one or more prices an hour."""
    per_hour = len(price) // len(clock.day)
    ends = per_hour * (np.flatnonzero(np.diff(clock.day)) + 1)
    starts = np.concatenate([[0], ends])
    spread: Floats = np.maximum.reduceat(price, starts) - np.minimum.reduceat(price, starts)
    return spread


def winter_correlation(price: Floats, temperature_c: Floats, clock: Clock) -> float:
    """Return the correlation of daily prices and temperatures from November to March."""
    month = month_of(clock)
    winter = per_day(((month <= 3) | (month >= 11)).astype(np.float64), clock) > 0.5
    days, cold = per_day(price, clock), per_day(temperature_c, clock)
    return float(np.corrcoef(days[winter], cold[winter])[0, 1])


def temperature_figures(temperature_c: Floats, clock: Clock) -> dict[str, Any]:
    """Return statistics of hourly temperatures, deg C; (n,)."""
    month = month_of(clock)
    days = per_day(temperature_c, clock)
    day_month = np.rint(per_day(month.astype(np.float64), clock)).astype(np.int64)
    usual = np.array(means_by(days, day_month, range(1, 13)))
    deviation = days - usual[day_month - 1]
    width = np.array(
        [np.ptp(part) for part in np.split(temperature_c, np.flatnonzero(np.diff(clock.day)) + 1)]
    )
    return {
        "by_month_mean": means_by(temperature_c, month, range(1, 13)),
        "by_month_sd": [temperature_c[month == m].std() for m in range(1, 13)],
        "by_month_daily_range": means_by(width, day_month, range(1, 13)),
        "daily_mean_correlation_1d_3d_7d": [correlation(deviation, lag) for lag in (1, 3, 7)],
        "hourly_change_sd": np.diff(temperature_c).std(),
        "quantiles": np.quantile(temperature_c, PROBABILITIES).tolist(),
    }


def load_figures(load: Floats, clock: Clock, away: NDArray[np.bool_]) -> dict[str, Any]:
    """Return statistics of quarter-hour loads, (4 n,), relative to the mean of days at home.

    ``clock`` and ``away`` have n entries, one an hour.
    """
    home = ~away
    load = load / load[home.repeat(4)].mean()
    hourly = load.reshape(-1, 4).mean(axis=1)
    weekend, month = clock.weekday >= 5, month_of(clock)
    days = per_day(hourly, clock)
    cold, warm = (month <= 2) | (month >= 11), (month >= 5) & (month <= 7)
    steps = {"15min": 1, "1h": 4, "3h": 12, "12h": 48, "1d": 96, "7d": 672}
    return {
        "by_hour_workday": means_by(
            hourly[home & ~weekend], clock.hour[home & ~weekend], range(24)
        ),
        "by_hour_weekend": means_by(hourly[home & weekend], clock.hour[home & weekend], range(24)),
        "quantiles": np.quantile(load[home.repeat(4)], PROBABILITIES).tolist(),
        "sd": load[home.repeat(4)].std(),
        "correlation": {name: correlation(load, lag) for name, lag in steps.items()},
        "quarter_hour_change_sd": np.diff(load).std(),
        "daily_mean_sd": days.std(),
        "daily_mean_correlation_1d": correlation(days, 1),
        "winter_to_summer": hourly[home & cold].mean() / hourly[home & warm].mean(),
        "away_mean": hourly[away].mean() if away.any() else 0.0,
        "away_days": away.sum() / 24.0,
    }


def sky_figures(clearness: Floats, clear: Floats, month: Ints) -> dict[str, Any]:
    """Return statistics of hourly clearness, (n,), whole days.

    ``clear`` is the GHI of the clear sky, W/m2. Statistics of clearness itself use only the hours
    in which ``clear`` is above ``LEAST_CLEAR_W_PER_M2``.
    """
    daylight = clear > LEAST_CLEAR_W_PER_M2
    values, ghi = clearness[daylight], clearness * clear
    rest = np.where(daylight, clearness - values.mean(), 0.0)
    lags = {"1h": 1, "3h": 3, "6h": 6, "1d": 24, "2d": 48}
    pairs = {name: daylight[:-lag] & daylight[lag:] for name, lag in lags.items()}
    days = ghi.reshape(-1, 24).sum(axis=1) / clear.reshape(-1, 24).sum(axis=1)
    bright, dark = (month >= 5) & (month <= 8), (month <= 2) | (month >= 11)
    return {
        "mean": values.mean(),
        "sd": values.std(),
        "quantiles": np.quantile(values, PROBABILITIES).tolist(),
        "correlation": {
            name: (rest[:-lag] * rest[lag:])[pairs[name]].mean() / values.var()
            for name, lag in lags.items()
        },
        "hourly_change_sd": np.diff(clearness)[pairs["1h"]].std(),
        "daily_sd": days.std(),
        "daily_correlation_1d": correlation(days, 1),
        "summer_share": ghi[bright].sum() / clear[bright].sum(),
        "winter_share": ghi[dark].sum() / clear[dark].sum(),
        "ghi_kwh_per_m2": ghi.mean() * 8.766,
    }


def correlation(series: Floats, lag: int) -> float:
    """Return the correlation of a series with itself ``lag`` steps later."""
    return float(np.corrcoef(series[:-lag], series[lag:])[0, 1])


def correlation_within(daily: Floats, kept: NDArray[np.bool_]) -> float:
    """Return the correlation of kept days with the next day where that is kept too."""
    pairs = np.flatnonzero(kept[:-1] & kept[1:])
    return float(np.corrcoef(daily[pairs], daily[pairs + 1])[0, 1])


def month_of(clock: Clock) -> Ints:
    """Return the local month, 1 to 12, of each hour."""
    new_year = (clock.year - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    date = new_year + (clock.day_of_year - 1).astype("timedelta64[D]")
    months = date.astype("datetime64[M]").astype(np.int64)
    month: Ints = months % 12 + 1
    return month


def per_day(hourly: Floats, clock: Clock) -> Floats:
    """Return the mean of each local day."""
    day = clock.day - clock.day[0]
    mean: Floats = np.bincount(day, hourly) / np.bincount(day)
    return mean


def monthly(hourly: Floats, clock: Clock) -> Floats:
    """Return the mean of each month over the mean of the twelve, (12,)."""
    means = np.array(means_by(hourly, month_of(clock), range(1, 13)))
    return np.asarray(means / means.mean())


def means_by(values: Floats, key: Ints, keys: range) -> list[float]:
    """Return the mean of the values of each key."""
    return [float(values[key == k].mean()) for k in keys]
