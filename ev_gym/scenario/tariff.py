"""What power costs beyond the spot price, in the parts that an invoice knows.

Prices are without VAT where nothing else is said, because invoices add VAT at the end. Tariffs by
name stand in `ev_gym.scenario.known_tariffs`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from ev_gym.scenario.currencies import check_code, default_price
from ev_gym.scenario.parameters import (
    Row,
    ScenarioError,
    check,
    check_unread,
    choice,
    number,
    numbers,
    rows,
    text,
)
from ev_gym.scenario.when import ALL_YEAR, Season, When, day_of, quarter_of

MOST_PER_KWH = 1000.0
MOST_ROWS = 200
MOST_PEAKS = 10
MOST_RULES = 4


@dataclass(frozen=True, kw_only=True, repr=False)
class Price(When):
    """A price per kWh: a factor on the spot price plus an adder, within a floor and a cap."""

    name: str | None = text(
        None, "rows of one name are one price, and different names add up", optional=True
    )
    per_kwh: float = number(0.0, "per kWh", "the adder", -MOST_PER_KWH, MOST_PER_KWH)
    spot_factor: float = number(0.0, "", "factor on the spot price", -10, 10)
    hourly: bool = choice(
        False, "the spot price counts as the mean of its clock hour", (False, True)
    )
    floor_per_kwh: float | None = number(
        None, "per kWh", "never less than this", -MOST_PER_KWH, MOST_PER_KWH, optional=True
    )
    cap_per_kwh: float | None = number(
        None, "per kWh", "never more than this", -MOST_PER_KWH, MOST_PER_KWH, optional=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.floor_per_kwh is not None and self.cap_per_kwh is not None:
            wrong = self.floor_per_kwh > self.cap_per_kwh
            self._refuse("floor_per_kwh", wrong, f"at most cap_per_kwh, {self.cap_per_kwh!r}")


@dataclass(frozen=True, kw_only=True, repr=False)
class Share(Row):
    """A share of other items, such as VAT, from a date on."""

    valid_from: str | None = text(
        None, "first day on which it holds, as YYYY-MM-DD; None: always", optional=True
    )
    share: float = number(0.0, "", "of the items it is added to", 0, 1)

    def __post_init__(self) -> None:
        check(self)
        if self.valid_from is not None and day_of(self.valid_from) is None:
            raise ScenarioError(
                f"Share.valid_from is {self.valid_from!r}; allowed: a date as YYYY-MM-DD, or None"
            )


def check_first_of_month(row: Season) -> None:
    """Refuse (`ScenarioError`) a row that begins within a month, of what a month is billed for."""
    first = day_of(row.valid_from or "2000-01-01")
    if first is not None and first.day != 1:
        raise ScenarioError(
            f"{type(row).__name__}.valid_from is {row.valid_from!r}; allowed: the first of a "
            "month, because a month is billed as a whole"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Fee(Season):
    """A fixed fee, whatever is used; in no reward. Below 0 it is a credit."""

    name: str | None = text(
        None, "rows of one name are one fee, and different names add up", optional=True
    )
    amount: float = number(0.0, "", "of each period", -1e6, 1e6)
    per: str = choice("month", "that period; of a year, each day's part", ("day", "month", "year"))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_first_of_month(self)


@dataclass(frozen=True, kw_only=True, repr=False)
class Weight(When):
    """By how much what is imported counts in a peak rule."""

    factor: float = number(1.0, "", "0: not at all", 0, 1)


@dataclass(frozen=True, kw_only=True, repr=False)
class PeakPrice(Season):
    """What peaks cost: a price per kW, or steps."""

    per_kw: float = number(
        0.0, "per kW", "per kW of the mean of the peaks, for each month (or year)", 0, 1e5
    )
    steps_kw: tuple[float, ...] | None = numbers(
        None,
        "kW",
        "instead: where the steps begin, rising from 0; a mean on a limit is on the higher step",
        0,
        1000,
        many=20,
        optional=True,
    )
    steps_price: tuple[float, ...] | None = numbers(
        None, "", "price of each step for a month (or year)", 0, 1e6, many=20, optional=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        limits, prices = self.steps_kw, self.steps_price
        if (limits is None) != (prices is None):
            self._refuse("steps_price", True, "one price for each of steps_kw, or both None")
        if limits is None or prices is None:
            return
        check_unread(self, ("per_kw",), "steps_kw is given")
        rising = all(a < b for a, b in itertools.pairwise(limits))
        wrong = len(limits) < 2 or limits[0] != 0.0 or not rising
        self._refuse("steps_kw", wrong, "at least two limits, rising from 0")
        wrong = len(prices) != len(limits) or any(a > b for a, b in itertools.pairwise(prices))
        self._refuse("steps_price", wrong, "one price for each of steps_kw, none below the last")

    @property
    def highest(self) -> float:
        """The price of a kW, or of the highest step."""
        return self.per_kw if self.steps_price is None else self.steps_price[-1]


@dataclass(frozen=True, kw_only=True, repr=False)
class PeakRule(Row):
    """A power charge: what the highest imports of a month (or year) cost.

    The price is for the mean of the `count` highest mean powers of clock intervals. Interval means
    count times the factor of the last row of `weights` that holds in them, 1 where none does. Days
    still to come count as `floor_kw`, as does each peak below.
    """

    name: str | None = text(None, "what the invoice calls it", optional=True)
    interval_min: int = choice(60, "minutes over which power is averaged", (15, 30, 60))
    count: int = number(3, "", "how many peaks count, N", 1, MOST_PEAKS, whole=True)
    over: str = choice("month", "period of which the peaks are the highest", ("month", "year"))
    different_days: bool = choice(
        True, "whether the N peaks must fall on N different days", (True, False)
    )
    floor_kw: float = number(0.0, "kW", "each peak counts as this at least", 0, 100)
    invoice_months: int = number(
        1,
        "",
        "the invoice shows the mean of so many months' peaks, the running one the last",
        1,
        12,
        whole=True,
    )
    weights: tuple[Weight, ...] = rows((), "by how much hours count", Weight, many=MOST_ROWS)
    prices: tuple[PeakPrice, ...] = rows(
        (), "of the peaks", PeakPrice, many=MOST_ROWS, number_is="per_kw"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.count == 1:
            check_unread(self, ("different_days",), "count is 1")
        if self.over == "year":
            check_unread(self, ("invoice_months",), "over is 'year'")
        if not self.prices:
            raise ScenarioError("PeakRule.prices is (); allowed: at least one price")
        self._check_months()
        if len({price.steps_kw is None for price in self.prices}) > 1:
            raise ScenarioError(
                "PeakRule.prices holds prices per kW and steps; allowed: either, or two rules"
            )
        for price in self.prices:
            first = day_of(price.valid_from or "2000-01-01")
            if first is not None and first.day != 1:
                raise ScenarioError(
                    f"PeakPrice.valid_from is {price.valid_from!r}; allowed: the first of a month, "
                    "because one price counts for the peaks of a whole month"
                )

    def _check_months(self) -> None:
        """One price must count for what is one charge: a year's peaks, or a mean over months."""
        for price in self.prices:
            seasonal = set(price.months) != set(ALL_YEAR)
            dated = price.valid_from is not None and not price.valid_from.endswith("-01-01")
            if self.over == "year" and (seasonal or dated):
                raise ScenarioError(
                    f"PeakPrice.valid_from is {price.valid_from!r} and PeakPrice.months is "
                    f"{price.months!r}; allowed for the peaks of a year: the first of a January, "
                    "and all months"
                )
            if self.invoice_months > 1 and (seasonal or price.steps_kw is not None):
                raise ScenarioError(
                    f"PeakRule.invoice_months is {self.invoice_months!r}; allowed with prices of "
                    "some months, or with steps: 1"
                )

    def factor_in(self, quarter: Any, weekday: Any, month: Any) -> Any:
        """By how much quarter-hours of such days count, of whatever year: numbers, or arrays.

        Dates and called days are left out of account; `ev_gym.world.tariff_tables` has them.
        """
        factor = np.ones(np.broadcast_shapes(*map(np.shape, (quarter, weekday, month))))
        for row in self.weights:
            factor = np.where(row.holds_in(quarter, weekday, month), row.factor, factor)
        return factor


@dataclass(frozen=True, kw_only=True, repr=False)
class ContractedPower(When):
    """Power that is paid for whether it is used or not, and most that may be drawn when it holds.

    Of several names that hold at a time, the least counts beside the connection's own limit. Load
    management keeps it; without, what is drawn above it is overload.
    """

    name: str | None = text(
        None, "rows of one name are one contract; the fees of different names add up", optional=True
    )
    kw: float = number(5.0, "kW", "most power from the grid", 0.1, 500)
    per_kw_year: float = number(0.0, "per kW", "what each kW costs a year", 0, 1e5)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_first_of_month(self)


@dataclass(frozen=True, kw_only=True, repr=False)
class CalledDays(Row):
    """Days that somebody calls, such as the red days of Tempo, by a name that rows refer to.

    Days that are not known yet are None; no series is simulated with them.
    """

    name: str = text("called", "what rows call them")
    days: str | None = text(
        None,
        "the days, as YYYY-MM-DD, with a space between them; None: still to be given",
        longest=50_000,
        optional=True,
    )
    begins: str = text(
        "00:00", "local time at which a called day begins, until the same of the next; HH:MM"
    )

    def __post_init__(self) -> None:
        check(self)
        for day in (self.days or "").split():
            if day_of(day) is None:
                raise ScenarioError(f"CalledDays.days holds {day!r}; allowed: dates as YYYY-MM-DD")
        if quarter_of(self.begins) is None or self.begins == "24:00":
            raise ScenarioError(
                f"CalledDays.begins is {self.begins!r}; allowed: a quarter-hour as HH:MM, from "
                "00:00 to 23:45"
            )

    @property
    def begins_quarter(self) -> int:
        """`begins` in quarter-hours from midnight."""
        quarter = quarter_of(self.begins)
        assert quarter is not None  # the constructor refuses all others
        return quarter

    @property
    def dates(self) -> frozenset[date]:
        """The days as dates."""
        return frozenset(date.fromisoformat(day) for day in (self.days or "").split())


# Kinds of netting that go on over a step's end.
BEYOND_A_STEP = ("hour", "month", "year")
AT_SPOT = Price(spot_factor=1.0)
MONEY = (
    *("energy", "transfer", "taxes", "credits", "fees", "contracts", "peaks"),
    *("network_ceiling_per_kwh", "export"),
    *("public_price_per_kwh", "public_stop_cost", "overload_price_per_kwh"),
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Tariff(Row):
    """What a kWh costs, what peaks cost, and a month beyond its kWh; all without VAT.

    Each list of prices works alike: rows of one name are one price, of which the last row that
    holds counts (nothing where none does), and different names add up. The all-in price of a kWh is

        ((energy + transfer) * (1 + levy) + taxes + credits) * (1 + vat).

    Raises:
        ScenarioError: for an impossible value, or one that would have no effect.
    """

    name: str = text("own", "what the tariff is called")
    source: str | None = text(
        None, "the price list or law it follows, and its date", longest=2000, optional=True
    )
    currency: str = text("SEK", "currency of all its money")
    holidays: str | None = text(
        None,
        "country, by ISO 3166, whose public holidays count as Sundays in all rows, or the name of "
        "one of called_days; None: as the weekdays they are",
        optional=True,
    )
    called_days: tuple[CalledDays, ...] = rows(
        (), "lists of called days", CalledDays, many=MOST_ROWS
    )
    energy: tuple[Price, ...] = rows(
        (AT_SPOT,), "the supplier's energy", Price, many=MOST_ROWS, number_is="per_kwh"
    )
    transfer: tuple[Price, ...] = rows(
        (), "the grid company's fee", Price, many=MOST_ROWS, number_is="per_kwh"
    )
    taxes: tuple[Price, ...] = rows(
        (), "taxes on energy", Price, many=MOST_ROWS, number_is="per_kwh"
    )
    levy: tuple[Share, ...] = rows(
        (),
        "tax on energy, transfer, peaks and contracted power, itself under VAT",
        Share,
        many=MOST_ROWS,
        number_is="share",
    )
    credits: tuple[Price, ...] = rows(
        (), "support by the kWh, below 0", Price, many=MOST_ROWS, number_is="per_kwh"
    )
    credits_up_to_kwh: float | None = number(
        None, "kWh", "import of a month up to which there are credits; None: no limit", 1, 1e6,
        optional=True,
    )  # fmt: skip
    vat: tuple[Share, ...] = rows((), "value added tax", Share, many=MOST_ROWS, number_is="share")
    fees: tuple[Fee, ...] = rows((), "fixed fees", Fee, many=MOST_ROWS, number_is="amount")
    contracts: tuple[ContractedPower, ...] = rows(
        (), "contracted power", ContractedPower, many=MOST_ROWS
    )
    peaks: tuple[PeakRule, ...] = rows((), "power charges, which add up", PeakRule, many=MOST_RULES)
    network_ceiling_per_kwh: float | None = number(
        None,
        "per kWh",
        "most that a year's transfer and peaks cost together, but never less than the peaks at "
        "their floor; settled on the bill, in no reward; None: no ceiling",
        0,
        MOST_PER_KWH,
        optional=True,
    )
    export: tuple[Price, ...] = rows(
        (AT_SPOT,),
        "what an exported kWh earns; no VAT is added",
        Price,
        many=MOST_ROWS,
        number_is="per_kwh",
    )
    netting: str = choice(
        "step",
        "time within which export is set off against import; none: each counts in full",
        ("none", "step", "hour", "month", "year"),
    )
    public_price_per_kwh: float | None = number(
        None,
        "per kWh",
        "a public charger's price, with VAT, per kWh stored; None: an estimate for the currency",
        0,
        MOST_PER_KWH,
        optional=True,
    )
    public_stop_cost: float | None = number(
        None,
        "",
        "a stop at a public charger, besides its energy: a quarter of an hour and a detour; None: "
        "an estimate for the currency",
        0,
        1e5,
        optional=True,
    )
    overload_price_per_kwh: float | None = number(
        None,
        "per kWh",
        "price of energy drawn above the limit of connection or contract; None: twice the public "
        "charger's",
        0,
        1e5,
        optional=True,
    )

    def __post_init__(self) -> None:
        check(self)
        check_code(self.currency, "Tariff.currency")
        if self.credits_up_to_kwh is not None and self.netting != "step":
            raise ScenarioError(
                f"Tariff.credits_up_to_kwh is {self.credits_up_to_kwh!r} and Tariff.netting is "
                f"{self.netting!r}; allowed: credits up to a limit only with netting 'step'"
            )
        if not self.credits:
            check_unread(self, ("credits_up_to_kwh",), "there are no credits")
        if not self.peaks and not self.transfer:
            check_unread(self, ("network_ceiling_per_kwh",), "there is neither transfer nor peaks")
        if sum(rule.invoice_months > 1 for rule in self.peaks) > 1:
            raise ScenarioError(
                f"PeakRule.invoice_months is {[rule.invoice_months for rule in self.peaks]} in the "
                "rules of Tariff.peaks; allowed: above 1 in one rule"
            )
        for price in (self.public_energy_price, self.public_stop_price):
            assert price >= 0.0  # a currency without estimates is refused here
        self._check_called()

    def _check_called(self) -> None:
        known = [called.name for called in self.called_days]
        if len(set(known)) < len(known):
            raise ScenarioError(f"Tariff.called_days holds {known}; allowed: each name once")
        self.check_called(self.all_rows())

    def check_called(self, found: Iterable[When]) -> None:
        """Refuse rows that hold on called days which this tariff does not list.

        Raises:
            ScenarioError: naming the row's list of called days, and those that there are.
        """
        known = [called.name for called in self.called_days]
        for row in found:
            if row.called is not None and row.called not in known:
                raise ScenarioError(
                    f"{type(row).__name__}.called is {row.called!r}; allowed: a list of "
                    f"Tariff.called_days, here {', '.join(known) or 'none'}"
                )

    def all_rows(self) -> Iterable[When]:
        """Every row that may hold at some times of the day only."""
        prices = (self.energy, self.transfer, self.taxes, self.credits, self.export)
        weights = (rule.weights for rule in self.peaks)
        return itertools.chain(*prices, self.contracts, *weights)

    @property
    def public_energy_price(self) -> float:
        """A public charger's price, with VAT, per kWh stored."""
        return self._price_of("public_price_per_kwh")

    @property
    def public_stop_price(self) -> float:
        """What a stop at a public charger costs besides its energy."""
        return self._price_of("public_stop_cost")

    @property
    def overload_price(self) -> float:
        """Price of energy drawn above the limit of connection or contract, per kWh."""
        given = self.overload_price_per_kwh
        return 2.0 * self.public_energy_price if given is None else given

    def _price_of(self, name: str) -> float:
        given: float | None = getattr(self, name)
        return default_price(name, self.currency, f"Tariff.{name}") if given is None else given

    @property
    def has_power_charge(self) -> bool:
        """Whether peaks cost anything."""
        return any(price.highest > 0.0 for rule in self.peaks for price in rule.prices)


def money_of(tariff: Tariff) -> list[str]:
    """Names of what a tariff holds of money: what means something else in another currency."""
    held = {name: getattr(tariff, name) for name in MONEY}
    return [name for name, value in held.items() if value not in ((), None, 0.0, (AT_SPOT,))]
