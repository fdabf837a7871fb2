"""Lengths of time: in minutes, the unit in which the simulated world counts, and in hours."""

from __future__ import annotations

QUARTER_MIN = 15
HOUR_MIN = 60
DAY_MIN = 24 * HOUR_MIN
DAY_H = 24
