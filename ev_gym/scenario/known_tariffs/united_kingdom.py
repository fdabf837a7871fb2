"""Tariffs of Octopus Energy, United Kingdom, without standing charges, which differ by region.

The comments show the prices as they are printed, with 5 % VAT.
"""

from __future__ import annotations

from ev_gym.scenario.tariff import Price, Share, Tariff

VAT_SHARE = 0.05
VAT = (
    Share(share=VAT_SHARE),
    Share(share=0.0, valid_from="2026-10-01"),
    Share(share=VAT_SHARE, valid_from="2027-04-01"),
)
CAP_WITH_VAT = 1.00

_VAT = "VAT 5 %, none from 2026-10 to 2027-03 (HMRC Brief 10/2026); no export contract"


def _agile(cap_per_kwh: float, first: str | None) -> tuple[Price, Price]:
    """2.20 times the wholesale price, 12 p more from 16 to 19, and a cap, all without VAT."""
    always = Price(spot_factor=2.2, cap_per_kwh=cap_per_kwh, valid_from=first)
    evening = Price(
        spot_factor=2.2,
        per_kwh=0.12,
        cap_per_kwh=cap_per_kwh,
        valid_from=first,
        from_time="16:00",
        to_time="19:00",
    )
    return always, evening


COUNTRY = "United Kingdom"
TARIFFS = (
    # The cap, 100 p, is one with VAT, so without it it moves with VAT.
    Tariff(
        name="octopus-agile-2026",
        source="octopus.energy: min(c x wholesale + P, cap), c = 2.20 and P = 12 p from 16 to 19 "
        f"as in its example, cap 100 p with VAT; factor and P differ by region; {_VAT}",
        currency="GBP",
        energy=(
            *_agile(CAP_WITH_VAT / (1.0 + VAT_SHARE), None),
            *_agile(CAP_WITH_VAT, "2026-10-01"),
            *_agile(CAP_WITH_VAT / (1.0 + VAT_SHARE), "2027-04-01"),
        ),
        vat=VAT,
        export=(),
    ),
    # The same, on the rates that Octopus publishes for each half-hour and region.
    Tariff(
        name="octopus-agile-rates-2026",
        source=f"the rates that are published as prices of GB-A to GB-P, without VAT; {_VAT}",
        currency="GBP",
        vat=VAT,
        export=(),
    ),
    # 8.5 p from 00:30 to 05:30, else about 28 p.
    Tariff(
        name="octopus-go-2026",
        source="switchtooctopus.co.uk and amprenewables.co.uk (2026-05-12), secondary: 8.5 p from "
        f"00:30 to 05:30, and about 28 p else, which differs by region, both with VAT; {_VAT}",
        currency="GBP",
        energy=(
            Price(per_kwh=0.28 / (1.0 + VAT_SHARE)),
            Price(per_kwh=0.085 / (1.0 + VAT_SHARE), from_time="00:30", to_time="05:30"),
        ),
        vat=VAT,
        export=(),
    ),
)
