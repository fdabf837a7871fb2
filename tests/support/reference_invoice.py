"""An invoice reckoned slowly, in plain Python, from what docs/tariffs.md and docs/world.md say.

Nothing of it is shared with the tables and the physics: the clock is `datetime`, each quarter-hour
looks at each row, and the peaks of a month are sorted when it is over.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ev_gym.scenario import PeakPrice, PeakRule, Tariff

Month = tuple[int, int]


class Step(NamedTuple):
    """What a house used and what it produced, kWh, in some minutes from `begin` (UTC) on."""

    begin: datetime
    minutes: int
    used_kwh: float
    produced_kwh: float


class Reckoner:
    """Reckons what a tariff asks for steps in one time zone.

    Args:
        tariff: The tariff.
        zone: IANA time zone of the local clock.
        spot: The spot price at the quarter-hour that begins at a time (UTC).
        holidays: Days that count as Sundays.
    """

    def __init__(
        self,
        tariff: Tariff,
        zone: str,
        spot: Callable[[datetime], float],
        holidays: Iterable[date] = (),
    ) -> None:
        self.tariff, self.zone = tariff, ZoneInfo(zone)
        self.holidays = set(holidays)
        self.hour_spot = self._hour_mean(spot)
        self.spot = self.hour_spot if tariff.netting == "hour" else spot
        self._prices: dict[datetime, dict[str, float]] = {}

    @staticmethod
    def _hour_mean(spot: Callable[[datetime], float]) -> Callable[[datetime], float]:
        def mean(begin: datetime) -> float:
            hour = begin.replace(minute=0)
            return sum(spot(hour + timedelta(minutes=m)) for m in (0, 15, 30, 45)) / 4

        return mean

    # -- rows ------------------------------------------------------------------------------------

    def _holds(self, row: Any, local: datetime) -> bool:
        if row.valid_from is not None and local.date().isoformat() < row.valid_from:
            return False
        if local.month not in row.months:
            return False
        clock = local.strftime("%H:%M")
        if row.from_time < row.to_time:
            inside = row.from_time <= clock < row.to_time
        else:
            inside = clock >= row.from_time or clock < row.to_time
        weekday = 6 if local.date() in self.holidays else local.weekday()
        called = row.called is None or self._called(row.called, local)
        return inside and weekday in row.weekdays and called

    def _called(self, name: str, local: datetime) -> bool:
        (days,) = (days for days in self.tariff.called_days if days.name == name)
        day = local.date()
        if local.strftime("%H:%M") < days.begins:
            day -= timedelta(days=1)
        return day.isoformat() in (days.days or "").split()

    def _price(self, rows: Any, begin: datetime) -> float:
        local = begin.astimezone(self.zone)
        by_name: dict[Any, float] = {}
        for row in rows:
            if self._holds(row, local):
                spot = self.hour_spot if row.hourly else self.spot
                price = row.per_kwh + row.spot_factor * spot(begin)
                if row.floor_per_kwh is not None:
                    price = max(price, row.floor_per_kwh)
                if row.cap_per_kwh is not None:
                    price = min(price, row.cap_per_kwh)
                by_name[row.name] = price
        return sum(by_name.values())

    @staticmethod
    def _share(rows: Any, day: date) -> float:
        share = 0.0
        for row in rows:
            if row.valid_from is None or row.valid_from <= day.isoformat():
                share = row.share
        return share

    def prices(self, begin: datetime) -> dict[str, float]:
        """With VAT: what a kWh costs without support, the support, and what an export earns."""
        if begin not in self._prices:
            tariff, local = self.tariff, begin.astimezone(self.zone)
            energy, transfer, taxes, support, export = (
                self._price(rows, begin)
                for rows in (
                    tariff.energy, tariff.transfer, tariff.taxes, tariff.credits, tariff.export,
                )
            )  # fmt: skip
            levy = self._share(tariff.levy, local.date())
            vat = 1.0 + self._share(tariff.vat, local.date())
            self._prices[begin] = {
                "bare": ((energy + transfer) * (1.0 + levy) + taxes) * vat,
                "support": support * vat,
                "export": export,
            }
        return self._prices[begin]

    def _step_prices(self, step: Step) -> tuple[float, float, float]:
        quarter = step.begin.replace(minute=step.begin.minute // 15 * 15)
        of_quarters = [
            self.prices(quarter + timedelta(minutes=15 * q))
            for q in range(max(1, step.minutes // 15))
        ]
        bare, support, export = (
            sum(prices[name] for prices in of_quarters) / len(of_quarters)
            for name in ("bare", "support", "export")
        )
        return bare, support, export

    # -- energy ----------------------------------------------------------------------------------

    def _span(self, begin: datetime) -> Any:
        local = begin.astimezone(self.zone)
        spans: dict[str, Any] = {
            "hour": begin.replace(minute=0),
            "month": (local.year, local.month),
            "year": local.year,
        }
        return spans[self.tariff.netting]

    def energy(self, steps: list[Step]) -> float:
        """What the energy of all these steps costs, with VAT; accounts begin with the first."""
        tariff, total = self.tariff, 0.0
        balance, span = 0.0, None
        imported: dict[Month, float] = defaultdict(float)
        for step in steps:
            bare, support, export = self._step_prices(step)
            net = step.used_kwh - step.produced_kwh
            if tariff.netting == "none":
                total += step.used_kwh * (bare + support) - step.produced_kwh * export
            elif tariff.netting == "step":
                bought, sold = max(net, 0.0), max(-net, 0.0)
                local = step.begin.astimezone(self.zone)
                before = imported[local.year, local.month]
                supported = bought
                if tariff.credits_up_to_kwh is not None:
                    supported = min(bought, max(0.0, tariff.credits_up_to_kwh - before))
                imported[local.year, local.month] += bought
                total += bought * bare + supported * support - sold * export
            else:
                if self._span(step.begin) != span:
                    balance, span = 0.0, self._span(step.begin)
                if net > 0.0:
                    back = min(net, max(0.0, -balance))  # of what was sold before
                    total += back * export + (net - back) * (bare + support)
                else:
                    back = min(-net, max(0.0, balance))  # of what was bought before
                    total -= back * (bare + support) + (-net - back) * export
                balance += net
        return total

    # -- peaks -----------------------------------------------------------------------------------

    def _rule_price(self, rule: PeakRule, month: Month) -> PeakPrice | None:
        found, first = None, f"{month[0]}-{month[1]:02d}-01"
        for price in rule.prices:
            if month[1] in price.months and (price.valid_from or "") <= first:
                found = price
        return found

    @staticmethod
    def _charge(price: PeakPrice | None, mean_kw: float) -> float:
        if price is None:
            return 0.0
        if price.steps_kw is None or price.steps_price is None:
            return price.per_kw * mean_kw
        charge = 0.0
        for limit_kw, cost in zip(price.steps_kw, price.steps_price, strict=True):
            if mean_kw > limit_kw - 1e-9:
                charge = cost
        return charge

    def peak_means(self, rule: PeakRule, steps: list[Step]) -> dict[Month, float]:
        """The mean of the N peaks of each month; of a year's rule under the month 0."""
        in_full = self.tariff.netting == "none"
        weighted: dict[datetime, float] = defaultdict(float)
        for step in steps:
            quarters = [
                (
                    step.begin.replace(minute=step.begin.minute // 15 * 15)
                    + timedelta(minutes=15 * q)
                )
                for q in range(max(1, step.minutes // 15))
            ]
            factor = 0.0
            for quarter in quarters:
                own = 1.0
                for weight in rule.weights:
                    if self._holds(weight, quarter.astimezone(self.zone)):
                        own = weight.factor
                factor += own / len(quarters)
            drawn = step.used_kwh if in_full else max(0.0, step.used_kwh - step.produced_kwh)
            minute = step.begin.minute // rule.interval_min * rule.interval_min
            weighted[step.begin.replace(minute=minute)] += factor * drawn
        spans: dict[Month, dict[Any, float]] = defaultdict(lambda: defaultdict(float))
        for begin, kwh in weighted.items():
            local = begin.astimezone(self.zone)
            month = (local.year, 0 if rule.over == "year" else local.month)
            span = local.date() if rule.different_days else begin
            spans[month][span] = max(spans[month][span], kwh * 60.0 / rule.interval_min)
        means = {}
        for month, of_month in spans.items():
            highest = sorted(of_month.values(), reverse=True)[: rule.count]
            highest += [0.0] * (rule.count - len(highest))
            means[month] = sum(max(rule.floor_kw, kw) for kw in highest) / rule.count
        return means

    def _with_taxes(self, month: Month) -> float:
        first = date(month[0], max(1, month[1]), 1)
        levy, vat = self._share(self.tariff.levy, first), self._share(self.tariff.vat, first)
        return (1.0 + levy) * (1.0 + vat)

    def peaks(self, steps: list[Step]) -> float:
        """What the peaks cost above what a month without any import costs, with levy and VAT."""
        total = 0.0
        for rule in self.tariff.peaks:
            for month, mean_kw in self.peak_means(rule, steps).items():
                price = self._rule_price(rule, (month[0], max(1, month[1])))
                grown = self._charge(price, mean_kw) - self._charge(price, rule.floor_kw)
                total += grown * self._with_taxes(month)
        return total

    # -- what is owed whatever is used -----------------------------------------------------------

    def _in_force(self, rows: Any, month: Month) -> Iterable[Any]:
        by_name = {}
        for row in rows:
            begun = (row.valid_from or "") <= f"{month[0]}-{month[1]:02d}-01"
            if begun and month[1] in row.months:
                by_name[row.name] = row
        return by_name.values()

    def dues(self, month: Month) -> float:
        """Fees, contracted power and the least that peaks cost, of a whole month, with taxes."""
        tariff = self.tariff
        days = calendar.monthrange(*month)[1]
        part = {
            "day": days,
            "month": 1.0,
            "year": days / (366 if calendar.isleap(month[0]) else 365),
        }
        fees: float = sum(row.amount * part[row.per] for row in self._in_force(tariff.fees, month))
        power: float = sum(
            row.kw * row.per_kw_year * part["year"]
            for row in self._in_force(tariff.contracts, month)
        )
        for rule in tariff.peaks:
            if rule.over == "month" or month[1] == 1:
                power += self._charge(self._rule_price(rule, month), rule.floor_kw)
        vat = 1.0 + self._share(tariff.vat, date(*month, 1))
        return fees * vat + power * self._with_taxes(month)

    # -- an episode ------------------------------------------------------------------------------

    def booked(self, before: list[Step], steps: list[Step]) -> dict[Month, tuple[float, float]]:
        """What the steps of each month of an episode add for energy, and for peaks."""
        booked: dict[Month, tuple[float, float]] = {}
        so_far, energy, peaks = list(before), self.energy(before), self.peaks(before)
        by_month: dict[Month, list[Step]] = defaultdict(list)
        for step in steps:
            local = step.begin.astimezone(self.zone)
            by_month[local.year, local.month].append(step)
        for month, own in by_month.items():
            so_far += own
            energy_now, peaks_now = self.energy(so_far), self.peaks(so_far)
            booked[month] = energy_now - energy, peaks_now - peaks
            energy, peaks = energy_now, peaks_now
        return booked
