"""How the figures of the sky are derived, and the file that holds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ev_gym import calibrated
from ev_gym.calibration import sky
from ev_gym.calibration.__main__ import as_text


def test_file_credits_its_source() -> None:
    path = calibrated.FOLDER / "sun.json"
    assert path.stat().st_size < 2_500
    known = json.loads(path.read_text(encoding="utf-8"))
    assert known["licence"] == "CC BY 4.0, Open-Meteo"
    assert "Aarhus 2024" in known["source"]
    assert len(known["quantiles"]) == 41


def test_derive_reproduces_the_file(measured_folder: Path) -> None:
    path = calibrated.FOLDER / "sun.json"
    assert as_text(sky.derive(measured_folder)) == path.read_text(encoding="utf-8")


def test_derive_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="weather_aarhus_hourly_2024"):
        sky.derive(tmp_path)
