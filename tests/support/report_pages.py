"""Reports as tests read them: a page taken apart, and steps to put into one."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd

from ev_gym.simulation.state_fields import REWARD_TERMS

VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """What a page holds: whether its tags match, its attributes, tables, and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            own = self.tables[-1][-1]
            own[-1] += ("|" if self.open[-1] == "span" else "") + data

    @property
    def figures(self) -> dict[str, Any]:
        """Figures by the id of the place where they are drawn."""
        return {
            str(names["data-for"]): json.loads(text)
            for names, text in self.scripts
            if names.get("type") == "application/json"
        }


def hours(policy: str, household: int) -> pd.DataFrame:
    """Two days of hours from noon on: each charges 4 kW in its own hours of the second day."""
    hour = np.arange(48)
    first = {"uncontrolled": 30, "optimal": 40}.get(policy, 35)
    charging = (hour >= first) & (hour < first + 3)
    price = 1.0 + 0.1 * (hour % 24)
    start = pd.Timestamp("2023-03-24 12:00", tz="Europe/Stockholm").tz_convert("UTC")
    time = pd.date_range(start, periods=48, freq="h").tz_convert("Europe/Stockholm")
    soc = 0.2 + 0.1 * np.cumsum(charging)
    steps = {
        "time": time, "now_min": 600 + 60 * hour, "price_per_kwh": price,
        "load_kw": 0.5 + 0.1 * household, "pv_kw": 0.0, "overload_kw": 0.0,
        "grid_kw": 0.5 + 0.1 * household + 4.0 * charging, "missing_kwh": 1.5 * (hour == 46),
        "public_kwh": 0.0, "charge_kw": 4.0 * charging, "soc": soc + 0.1 * (hour == 46),
        "energy_kwh": 40.0 * (soc + 0.1 * (hour == 46)), "topup_kwh": 4.0 * (hour == 46),
        "plugged": (hour < 47).astype(float), "wear_kwh": 0.002 * (hour % 24 == 23),
        **{f"{term}_term": 0.0 for term in REWARD_TERMS},
    }  # fmt: skip
    frame = pd.DataFrame(steps)
    frame["energy_term"] = -4.0 * charging * price
    frame["missing_term"] = -5.0 * frame["missing_kwh"]
    frame["power_term"] = np.where(hour == first, -20.0, 0.0)
    return frame
