"""Rows that many price lists need."""

from __future__ import annotations

from collections.abc import Mapping

from ev_gym.scenario.tariff import Price


def since(per_kwh: Mapping[str | None, float], name: str) -> tuple[Price, ...]:
    """A price per kWh by the day from which it holds; None: always."""
    return tuple(
        Price(name=name, valid_from=first, per_kwh=price) for first, price in per_kwh.items()
    )
