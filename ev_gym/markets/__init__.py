"""Day-ahead prices and carbon intensity from public sources, over HTTP and kept on disk."""

from ev_gym.markets.areas import AREAS, Area
from ev_gym.markets.errors import MarketError, NotPublished, NotSetUp, Unreachable
from ev_gym.markets.series import carbon_g_per_kwh, prices
from ev_gym.markets.sources import SOURCES, Source

__all__ = [
    "AREAS",
    "SOURCES",
    "Area",
    "MarketError",
    "NotPublished",
    "NotSetUp",
    "Source",
    "Unreachable",
    "carbon_g_per_kwh",
    "prices",
]
