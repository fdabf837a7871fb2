"""Tools of the derivations: reading a measured series, normal scores, Gaussian parts, rounding."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from ev_gym.runtime.arrays import Floats, Ints

SCORES = np.linspace(-4.0, 4.0, 41)

Parts = tuple[tuple[float, float], ...]

# `ev_gym.series.synthetic.smooth_gaussian` takes the mean of two neighbours. Its autocovariance is
# that of the rough series at shifted lags: (shift of the lag, share of each).
NEIGHBOURS = ((-1, 0.25), (0, 0.5), (1, 0.25))


def fit_parts(
    series: Floats,
    weight: Floats,
    lags: Ints,
    step_h: float,
    parts: Parts,
    kernel: tuple[tuple[int, float], ...],
) -> list[list[float]]:
    """Fit the variances of Gaussian parts to the autocovariance by non-negative least squares.

    ``weight`` is 1 where the series is known and 0 elsewhere. Returns ``parts`` for
    ``ev_gym.series.synthetic.gaussian``, without those that have no weight.
    """
    size = len(series)
    measured = np.array(
        [
            (series[: size - lag] * series[lag:]).sum() / (weight[: size - lag] @ weight[lag:])
            for lag in lags
        ]
    )
    basis = sum(
        share * covariances(np.abs(lags + shift) * step_h, parts) for shift, share in kernel
    )
    importance = 1.0 / np.sqrt(
        1.0 + lags
    )  # there are many long lags, and the short ones matter more
    basis, measured = basis * importance[:, None], measured * importance
    gram, target = basis.T @ basis, basis.T @ measured
    share = np.zeros(len(parts))
    for _ in range(20_000):  # coordinate descent: slow but short, and this runs once
        for j in range(len(parts)):
            share[j] = max(0.0, share[j] + (target[j] - gram[j] @ share) / gram[j, j])
    return [[*part, float(s)] for part, s in zip(parts, share, strict=True) if s > 1e-3]


def covariances(time_h: Floats, parts: Parts) -> Floats:
    """Return (n, parts) the autocovariance of each part, of variance 1, at each time lag."""
    columns: list[Floats] = [np.exp(-time_h / constant) for constant, _ in parts]
    for column, (_, period) in zip(columns, parts, strict=True):
        if period:
            column *= np.cos(2.0 * np.pi * time_h / period)
    return np.column_stack(columns)


def normal_scores(values: Floats) -> Floats:
    """Return the normal score of each value's rank; equal values share their mean rank."""
    _, kind, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2.0) / len(values)
    normal = NormalDist()
    return np.array([normal.inv_cdf(p) for p in middle.tolist()])[kind]


def quantiles(values: Floats) -> list[float]:
    """Return the quantiles at evenly spaced normal scores of -4 to 4."""
    normal = NormalDist()
    at: list[float] = np.quantile(values, [normal.cdf(score) for score in SCORES]).tolist()
    return at


def least_squares(terms: Floats, values: Floats) -> Floats:
    """Return the coefficients of the terms."""
    return np.asarray(np.linalg.lstsq(terms, values, rcond=None)[0], dtype=np.float64)


def read(path: Path, column: str) -> tuple[datetime, Floats]:
    """Return the first stamp (UTC) and the values of one column of a gapless series."""
    import pandas as pd

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    frame = pd.read_csv(path, usecols=["timestamp_utc", column])
    stamps = pd.to_datetime(frame["timestamp_utc"], utc=True)
    values = frame[column].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all() or stamps.diff().nunique() != 1:
        raise ValueError(f"{path}: {column} has gaps")
    start: datetime = stamps.iloc[0].to_pydatetime()
    return start, values


def rounded(value: Any) -> Any:
    """Round every number to four significant digits, so that a rerun gives the same bytes."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if isinstance(value, str | int):
        return value
    return float(f"{float(value):.4g}")
