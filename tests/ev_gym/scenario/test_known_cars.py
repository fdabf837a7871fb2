"""The known cars: what the list holds, where it comes from, and how their names are found."""

from __future__ import annotations

import re
from typing import Any

from ev_gym.scenario import Charger, Vehicle
from ev_gym.scenario.charger import at_charger
from ev_gym.scenario.known_cars import known_cars, listed_in
from tests.support.refusals import refusal


def test_all_known_cars() -> None:
    """The 63 models load by their full names, fit a charger, and hold what the list says."""
    assert len(known_cars()) == 63
    for name, row in known_cars().items():
        car = Vehicle.model(name)
        assert car.name == name
        assert (car.battery_kwh, car.phases, car.ac_max_kw) == (
            row["battery_kwh"],
            row["phases"],
            row["ac_max_kw"],
        )
        assert at_charger(car, Charger()).max_current_a >= 6
    measured = {"ID.3": (0.921, 0.1082), "Model 3": (0.943, 0.218), "500e": (0.954, 0.186)}
    measured["Zoe"] = (0.941, 0.422)
    for name in known_cars():
        car = Vehicle.model(name)
        losses = [v for model, v in measured.items() if model in name] or [(0.94, 0.2)]
        if listed_in(name) == 2025:  # none of these was measured
            losses = [(0.94, 0.2)]
        assert (car.eta, car.aux_kw) == losses[0], name


def test_known_cars_equal_their_source(measured_folder: Any) -> None:
    """Battery, phases, power and consumption are those of the file the list was taken from."""
    import csv

    with (measured_folder / "ev_models_openevdata_2022.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    source = sorted(
        (
            float(row["usable_battery_kwh"]),
            int(row["ac_phases"]),
            float(row["ac_max_kw"]),
            float(row["consumption_kwh_per_100km"]),
        )
        for row in rows
    )
    names = ("battery_kwh", "phases", "ac_max_kw", "kwh_per_100km")
    ours = sorted(
        tuple(car[key] for key in names)
        for name, car in known_cars().items()
        if listed_in(name) == 2022
    )
    assert ours == source


def test_models_since_2023() -> None:
    """32 of them, all with 11 kW on three phases; some as the list of April 2025 has them."""
    recent = {name: car for name, car in known_cars().items() if listed_in(name) == 2025}
    assert len(recent) == 32
    assert {(car["phases"], car["ac_max_kw"]) for car in recent.values()} == {(3, 11.0)}
    for name, battery_kwh, kwh_per_100km in (
        ("Volvo EX30 Single Motor", 49.0, 17.5),
        ("Tesla Model 3 RWD 2023", 57.5, 13.7),
        ("Renault 5 E-Tech 52 kWh", 52.0, 16.3),
        ("Kia EV3 Long Range", 78.0, 17.1),
        ("Volkswagen ID.7 Tourer Pro S", 86.0, 16.5),
    ):
        car = recent[name]
        assert (car["battery_kwh"], car["kwh_per_100km"]) == (battery_kwh, kwh_per_100km)
    for car in recent.values():
        assert 40.0 < car["battery_kwh"] < 110.0
        assert 13.0 < car["kwh_per_100km"] < 23.0


def test_car_names() -> None:
    assert Vehicle.model("Renault Zoe") == Vehicle.model("zoe RENAULT")
    assert Vehicle.model("VW ID.3 58").name == "Volkswagen ID.3 58 kWh"
    # A full name is that car, though another one has all of its words and more.
    assert Vehicle.model("Volvo EX30 Single Motor").battery_kwh == 49.0
    assert Vehicle.model("EX30 ER").name == "Volvo EX30 Single Motor ER"
    message = refusal(lambda: Vehicle.model("Volkswagen ID.3"))
    assert message.startswith("vehicle model 'Volkswagen ID.3' is ambiguous; say which: ")
    said = re.findall(r"'([^']+)'", message.split("which: ")[1])
    assert said == ["Volkswagen ID.3 45 kWh", "Volkswagen ID.3 58 kWh"]
    message = refusal(lambda: Vehicle.model("Renault Zo"))
    assert message.startswith("unknown vehicle model 'Renault Zo'; nearest: Renault Zoe R135 ZE50")
    assert all(name in message for name in known_cars())
    for wrong in ("", "  ", None, 5):
        assert refusal(lambda w=wrong: Vehicle.model(w)).startswith(f"vehicle model is {wrong!r}")
