"""Hypothesis strategies: tariffs of every kind, for the series of the household strategies.

Prices by the hour, weekday, month and date, fixed or at spot; any netting; support up to a limit;
up to three peak rules with every interval, number of peaks, line or steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ev_gym.scenario import PeakPrice, PeakRule, Price, Share, Tariff, Weight
from ev_gym.scenario.when import WORKDAYS

# Both strategies' series begin in March and hold the first of April, or of November.
APRIL, WEEK = (4, 11), "2023-03-27"
NETTINGS = ("none", "step", "hour", "month", "year")
DEAR: dict[str, Any] = {"from_time": "06:30", "to_time": "21:00", "weekdays": WORKDAYS}


def energies() -> st.SearchStrategy[tuple[Price, ...]]:
    """At spot, capped, fixed, or fixed by the time of day."""
    return st.sampled_from(
        (
            (Price(spot_factor=1.0),),
            (Price(spot_factor=1.0, floor_per_kwh=0.0, cap_per_kwh=0.6),),
            (Price(per_kwh=0.3),),
            (Price(per_kwh=0.2), Price(per_kwh=0.5, **DEAR), Price(per_kwh=0.4, months=APRIL)),
        )
    )


def exports() -> st.SearchStrategy[tuple[Price, ...]]:
    """As much as spot, less or more; fixed; nothing; or something to be paid."""
    return st.sampled_from(
        (
            (Price(spot_factor=1.0),),
            (Price(spot_factor=1.0, per_kwh=-0.1),),
            (Price(spot_factor=1.0, per_kwh=0.7),),
            (Price(per_kwh=0.05),),
            (Price(per_kwh=0.1), Price(per_kwh=-0.2, **DEAR)),
            (),
        )
    )


def weights() -> st.SearchStrategy[tuple[Weight, ...]]:
    """None, half at night, nothing outside workdays, or quarter-hours within an hour."""
    return st.sampled_from(
        (
            (),
            (Weight(factor=0.5, from_time="22:00", to_time="06:00"),),
            (Weight(factor=0.0), Weight(factor=1.0, **DEAR)),
            (Weight(factor=0.3, from_time="12:15", to_time="18:45"),),
        )
    )


LINES: tuple[dict[str, Any], ...] = ({"per_kw": 8.0}, {"per_kw": 40.0})
STEPS: tuple[dict[str, Any], ...] = (
    {"steps_kw": (0.0, 2.0, 5.0), "steps_price": (5.0, 9.0, 40.0)},
    {"steps_kw": (0.0, 1.0, 5.0, 12.0), "steps_price": (10.0, 30.0, 60.0, 60.0)},
)


def peak_prices(over: str) -> st.SearchStrategy[tuple[PeakPrice, ...]]:
    """A line or steps; the same always or, of months, by month, from a date on, or of one only."""
    always: list[tuple[PeakPrice, ...]] = []
    changing: list[tuple[PeakPrice, ...]] = []
    for low, high in (LINES, STEPS):
        always += [(PeakPrice(**low),), (PeakPrice(**high),)]
        changing += [
            (PeakPrice(**low), PeakPrice(**high, months=APRIL)),
            (PeakPrice(**high), PeakPrice(**low, valid_from="2023-04-01")),
            (PeakPrice(**high, months=APRIL),),
        ]
    return st.sampled_from(always if over == "year" else always + changing)


@st.composite
def peak_rules(draw: st.DrawFn, step_min: int) -> PeakRule:
    """A rule whose intervals are no shorter than a step."""
    count = draw(st.sampled_from((1, 2, 3, 4, 10)))
    over = draw(st.sampled_from(("month", "month", "year")))
    return PeakRule(
        interval_min=draw(st.sampled_from([m for m in (15, 30, 60) if m >= step_min])),
        count=count,
        over=over,
        different_days=count == 1 or draw(st.booleans()),
        floor_kw=draw(st.sampled_from((0.0, 0.0, 2.5))),
        weights=draw(weights()),
        prices=draw(peak_prices(over)),
    )


@st.composite
def any_tariffs(draw: st.DrawFn, step_min: int) -> Tariff:
    """A tariff of any kind, for steps of so many minutes."""
    drawn: dict[str, Any] = {
        "energy": draw(energies()),
        "transfer": draw(st.sampled_from(((), (Price(per_kwh=0.1), Price(per_kwh=0.4, **DEAR))))),
        "taxes": draw(st.sampled_from(((), (Price(per_kwh=0.1),)))),
        "vat": draw(st.sampled_from(((), (Share(), Share(share=0.25, valid_from=WEEK))))),
        "export": draw(exports()),
        "netting": draw(st.sampled_from(NETTINGS)),
        "peaks": tuple(draw(st.lists(peak_rules(step_min), max_size=3))),
        "public_price_per_kwh": draw(st.sampled_from((0.0, 5.0))),
        "public_stop_cost": draw(st.sampled_from((0.0, 20.0))),
    }
    if draw(st.booleans()):
        support = Price(per_kwh=-0.3), Price(spot_factor=-0.9, **DEAR)
        drawn["credits"] = support
        drawn["netting"] = draw(st.sampled_from(("step", drawn["netting"])))
        if drawn["netting"] == "step":
            drawn["credits_up_to_kwh"] = draw(st.sampled_from((20.0, 120.0, 1000.0)))
    return Tariff(name="drawn", **drawn)


@st.composite
def exact_tariffs(draw: st.DrawFn, step_min: int) -> Tariff:
    """Such a tariff of which the lower bound's programme relaxes nothing.

    No peak is charged in steps, and VAT is always the same; where energies run on beyond an
    hour, a kWh above 0 costs always as much more as one below, and not less.
    """
    tariff: Tariff = draw(any_tariffs(step_min))
    lines: list[tuple[PeakPrice, ...]] = [(PeakPrice(**line),) for line in LINES]
    peaks = tuple(replace(rule, prices=draw(st.sampled_from(lines))) for rule in tariff.peaks)
    exported = draw(st.sampled_from((0.0, 0.1)))
    changes: dict[str, Any] = {"peaks": peaks, "export": (Price(per_kwh=exported),)}
    changes["vat"] = draw(st.sampled_from(((), (Share(share=0.25),))))
    if tariff.netting != "none":
        changes |= {"energy": (Price(per_kwh=0.4),), "transfer": ()}
        changes["credits"] = draw(st.sampled_from(((), (Price(per_kwh=-0.2),))))
        if not changes["credits"]:
            changes["credits_up_to_kwh"] = None
    return replace(tariff, **changes)
