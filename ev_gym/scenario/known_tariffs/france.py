"""France's regulated tariffs of August 2025: peak and off-peak hours, and Tempo.

The comments show the prices as they are printed, with VAT: they hold energy, grid and taxes.
"""

from __future__ import annotations

from ev_gym.scenario.tariff import CalledDays, Price, Share, Tariff

VAT_SHARE = 0.20

_SHARED = (
    "moneyvox.fr, prices from 2025-08, secondary, all with VAT and all in one price; subscriptions "
    "are left out; nothing is paid for what is fed in"
)


def _off_peak_and_peak(
    off_peak: float, peak: float, called: str | None = None
) -> tuple[Price, Price]:
    """Prices with VAT of the hours from 22 to 06 and from 06 to 22."""
    return (
        Price(per_kwh=off_peak / (1.0 + VAT_SHARE), called=called),
        Price(per_kwh=peak / (1.0 + VAT_SHARE), called=called, from_time="06:00", to_time="22:00"),
    )


COUNTRY = "France"
TARIFFS = (
    Tariff(
        name="edf-hp-hc-2025",
        source=f"{_SHARED}; the eight off-peak hours differ by address: 22-06 is an assumption",
        currency="EUR",
        energy=_off_peak_and_peak(0.1635, 0.2081),
        vat=(Share(share=VAT_SHARE),),
        export=(),
    ),
    # 300 blue days, 43 white and 22 red ones; a day lasts from 06 to 06. No calendar of a season
    # under an open licence was at hand: a scenario gives the days.
    Tariff(
        name="edf-tempo-2025",
        source=f"{_SHARED}; a Tempo day begins at 06 (arrete of 2014-10-30, article 3); the days "
        "are to be given as called_days 'white' and 'red'",
        currency="EUR",
        called_days=(
            CalledDays(name="white", begins="06:00"),
            CalledDays(name="red", begins="06:00"),
        ),
        energy=(
            *_off_peak_and_peak(0.1232, 0.1494),
            *_off_peak_and_peak(0.1391, 0.1730, "white"),
            *_off_peak_and_peak(0.1460, 0.6468, "red"),
        ),
        vat=(Share(share=VAT_SHARE),),
        export=(),
    ),
)
