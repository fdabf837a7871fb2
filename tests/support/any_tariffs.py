"""Hypothesis strategies: tariffs of all that a tariff can say, and some by name of a country."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ev_gym.scenario import PeakPrice, PeakRule, Price, Share, Tariff, Weight
from ev_gym.scenario.tariff import CalledDays
from ev_gym.scenario.when import ALL_YEAR

CALLED = "called"
NETTING = st.sampled_from(("none", "step", "hour", "month", "year"))

# The highest quarter-hour of the month, 2.5 kW at least, as in Flanders; per kW and month.
FLEMISH: dict[str, Any] = {
    "peaks": [{"interval_min": 15, "count": 1, "floor_kw": 2.5, "prices": 48.0}]
}
# The mean of the highest hours of three days, in steps, as in Norway.
NORWEGIAN: dict[str, Any] = {
    "peaks": [
        {
            "count": 3,
            "prices": [
                {
                    "steps_kw": [0, 2, 5, 10, 15, 20, 25],
                    "steps_price": [125, 206, 350, 500, 640, 780, 1200],
                }
            ],
        }
    ]
}


@st.composite
def times(draw: st.DrawFn) -> dict[str, Any]:
    """When a row holds: always, in a window that may reach over midnight, on some days."""
    chosen: dict[str, Any] = {}
    if draw(st.booleans()):
        first, length = draw(st.integers(0, 95)), draw(st.integers(1, 95))
        chosen |= {
            name: f"{quarter // 4:02d}:{15 * (quarter % 4):02d}"
            for name, quarter in (("from_time", first), ("to_time", (first + length) % 96))
        }
    if draw(st.booleans()):
        chosen["weekdays"] = draw(st.sampled_from(((0, 1, 2, 3, 4), (5, 6), (0,))))
    if draw(st.booleans()):
        chosen["months"] = draw(st.sampled_from(((3,), (4,), (11, 12, 1, 2))))
    if draw(st.booleans()):
        chosen["called"] = CALLED
    return chosen


def prices() -> st.SearchStrategy[tuple[Price, ...]]:
    """One to three rows, of one name or of two; the first always holds."""
    amounts = st.fixed_dictionaries(
        {
            "name": st.sampled_from((None, "other")),
            "per_kwh": st.sampled_from((-0.4, 0.0, 0.3, 2.0)),
            "spot_factor": st.sampled_from((0.0, 1.0, -0.9)),
        },
        optional={"floor_per_kwh": st.just(0.1), "cap_per_kwh": st.just(0.7)},
    )
    later = st.builds(lambda amount, when: Price(**amount, **when), amounts, times())
    first = amounts.map(lambda amount: Price(**amount))
    return st.builds(lambda row, rows: (row, *rows), first, st.lists(later, max_size=2))


@st.composite
def peak_rules(draw: st.DrawFn, step_min: int) -> PeakRule:
    """A rule of a line or of steps, with weights and prices that may change with the season."""
    count, over = draw(st.integers(1, 3)), draw(st.sampled_from(("month", "year")))
    weights = draw(
        st.lists(
            st.builds(
                lambda factor, when: Weight(factor=factor, **when),
                st.sampled_from((0.0, 0.5, 1.0)),
                times(),
            ),
            max_size=2,
        )
    )
    seasons = (ALL_YEAR,) if over == "year" else (ALL_YEAR, (3,), (1, 2, 3))
    months = draw(st.sampled_from(seasons))
    if draw(st.booleans()):
        price = PeakPrice(per_kw=draw(st.sampled_from((0.0, 5.0, 65.0, 500.0))), months=months)
    else:
        dues = draw(st.sampled_from(((0.0, 80.0, 200.0), (100.0, 100.0, 300.0), (5.0, 5.0, 5.0))))
        price = PeakPrice(steps_kw=(0.0, 2.0, 5.0), steps_price=dues, months=months)
    intervals = [minutes for minutes in (15, 30, 60) if minutes >= step_min]
    return PeakRule(
        interval_min=draw(st.sampled_from(intervals)),
        count=count,
        over=over,
        different_days=count == 1 or draw(st.booleans()),
        floor_kw=draw(st.sampled_from((0.0, 2.5))),
        weights=tuple(weights),
        prices=(price,),
    )


@st.composite
def any_tariffs(draw: st.DrawFn, step_min: int) -> Tariff:
    """A tariff whose intervals are no shorter than a step, with two rules of peaks or none.

    Other numbers of rules, and more than three peaks, have records of another layout, each of which
    takes some ten seconds to compile.
    """
    netting, rule = draw(NETTING), peak_rules(step_min)
    credited: dict[str, Any] = {}
    if draw(st.booleans()):
        credited["credits"] = (Price(spot_factor=-0.9, per_kwh=0.4, cap_per_kwh=0.0),)
        if netting == "step":
            credited["credits_up_to_kwh"] = draw(st.sampled_from((None, 1.0, 5000.0)))
    return Tariff(
        called_days=(CalledDays(name=CALLED, days="2023-03-21 2023-03-22 2023-10-24"),),
        holidays=draw(st.sampled_from((None, "SE"))),
        energy=draw(prices()),
        transfer=draw(prices()),
        export=draw(prices()),
        levy=draw(st.sampled_from(((), (Share(share=0.05),)))),
        vat=draw(st.sampled_from(((), (Share(share=0.25),)))),
        peaks=draw(st.one_of(st.just(()), st.tuples(rule, rule))),
        netting=netting,
        public_stop_cost=draw(st.sampled_from((0.0, 30.0))),
        **credited,
    )
