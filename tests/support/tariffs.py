"""Tariffs in a few words: one price for each part, one rule for peaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ev_gym.scenario import Fee, PeakPrice, PeakRule, Price, Share, Tariff, Weight
from ev_gym.scenario.when import ALL_WEEK


def vat_of(tariff: Tariff) -> float:
    """The only share of VAT of a tariff; 0 where it has none."""
    return tariff.vat[0].share if tariff.vat else 0.0


NO_PEAKS: dict[str, Any] = {"tariff": {"peaks": []}}


def peak_rule(
    price_per_kw: float,
    days: int = 3,
    *,
    different_days: bool = True,
    from_h: int = 0,
    to_h: int = 24,
    weekdays: tuple[int, ...] = ALL_WEEK,
    other_factor: float = 0.0,
    low_per_kw: float | None = None,
    high_months: tuple[int, ...] = (1, 2, 3, 11, 12),
) -> PeakRule:
    """The mean of so many highest hours; hours outside those named count by another factor."""
    weights: tuple[Weight, ...] = ()
    if (from_h, to_h, weekdays) != (0, 24, ALL_WEEK):
        weights = (Weight(factor=other_factor),)
        if weekdays:
            in_full = Weight(
                factor=1.0,
                from_time=f"{from_h:02d}:00",
                to_time=f"{to_h:02d}:00",
                weekdays=weekdays,
            )
            weights += (in_full,)
    prices: tuple[PeakPrice, ...] = (PeakPrice(per_kw=price_per_kw),)
    if low_per_kw is not None:
        high = PeakPrice(per_kw=price_per_kw, months=high_months)
        prices = (PeakPrice(per_kw=low_per_kw), high)
    return PeakRule(
        count=days, different_days=days == 1 or different_days, weights=weights, prices=prices
    )


def tariff_of(
    *,
    tax: float = 0.0,
    transfer: float = 0.0,
    high: dict[str, Any] | None = None,
    vat: float = 0.0,
    fixed: float = 0.0,
    export_fee: float = 0.0,
    peaks: PeakRule | None = None,
    **others: Any,
) -> Tariff:
    """A tariff with energy at spot; `high` is a further row of the transfer fee."""
    transfers = [Price(per_kwh=transfer)] + ([] if high is None else [Price(**high)])
    return Tariff(
        transfer=tuple(transfers),
        taxes=(Price(per_kwh=tax),),
        vat=(Share(share=vat),),
        fees=(Fee(amount=fixed),),
        export=(Price(spot_factor=1.0, per_kwh=-export_fee),),
        peaks=() if peaks is None else (peaks,),
        **others,
    )


def with_peaks(tariff: Tariff, price_per_kw: float, days: int = 3, **rule: Any) -> Tariff:
    """The tariff with one power charge, as `peak_rule` makes it."""
    return replace(tariff, peaks=(peak_rule(price_per_kw, days, **rule),))


# Energy at spot with tax, transfer and VAT of 2025 in Sweden, and nothing else.
SWEDISH_FLAT = tariff_of(tax=0.439, transfer=0.05, vat=0.25)
# Transfer that is dearer in high hours.
HIGH_HOURS: dict[str, Any] = {
    "from_time": "06:00",
    "to_time": "22:00",
    "weekdays": (0, 1, 2, 3, 4),
    "months": (1, 2, 3, 11, 12),
}
