"""Scenarios whose episodes are one day from noon, for tests that live through several of them."""

from __future__ import annotations

from typing import Any

from tests.support.rollouts import THREE_CARS

A_DAY: dict[str, Any] = {"days": 1, "start_hour": 12}
STOCKHOLM_DAY: dict[str, Any] = {"preset": "stockholm", **A_DAY}
VILLA_DAY: dict[str, Any] = {"preset": "stockholm-villa", **A_DAY}
THREE_CARS_DAY: dict[str, Any] = {**THREE_CARS, **A_DAY}
# These and the preset whose episode is a day by itself.
ONE_DAY = [STOCKHOLM_DAY, VILLA_DAY, "classic", THREE_CARS_DAY]
