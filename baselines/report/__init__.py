"""A comparison as one HTML page that opens without a network."""

from __future__ import annotations

from baselines.report.page import plotly_js, write

__all__ = ["plotly_js", "write"]
