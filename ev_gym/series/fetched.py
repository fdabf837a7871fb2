"""The measured series that `ev-gym data fetch` downloads: their names and their folder."""

from __future__ import annotations

from pathlib import Path

# As the preset `stockholm-measured` names them.
PRICE_FILE = "price_dayahead_SE3_hourly_2016-2024.csv"
LOAD_FILE = "household_load_uci_sceaux_15min_2008.csv"
WEATHER_FILE = "weather_stockholm_hourly_2023-2024.csv"
FETCHED_FILES = (PRICE_FILE, LOAD_FILE, WEATHER_FILE)


def fetched_folder() -> Path:
    """Where they are unless they were fetched elsewhere: in the user's data folder."""
    import platformdirs

    return platformdirs.user_data_path("ev_gym", appauthor=False) / "measured"
