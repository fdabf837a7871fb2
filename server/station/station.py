"""The classic charging station: one household whose state is a function of the time passed.

Each request first brings the simulation to now, in whole ticks, under a lock; then it reads or
commands. What has changed is saved before the answer goes out, so a station whose process dies
goes on from what it last told. Simulated time stands still while no server runs: a server that
starts has the saved tick begin at that moment.

Several workers share a station through the database. A save is refused if another worker saved
meanwhile; then its state is taken over, and everything is done again on top of it. A worker that
replaces another of its group changes nothing about the time, since the others went on.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.scenario import as_scenario
from ev_gym.simulation.saved_state import StateError
from server.clock import Anchor, TickClock
from server.config import Config
from server.http.metrics import count_steps
from server.program_version import program_version
from server.station.household import RECORD_DTYPE, Life, Shown, Will
from server.storage.store import StationRow, Store

LOG = logging.getLogger("server.station.station")
_NO_RECORDS = np.empty(0, RECORD_DTYPE)


def serving_group() -> str:
    """Name of the workers that a worker which starts now joins; a fresh one for a lone server.

    Those of one gunicorn are a group. In a container its id is the same at every start; then the
    moment at which it began tells one from the next.
    """
    if not os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
        return secrets.token_hex(8)
    master = os.getppid()
    try:
        began = Path(f"/proc/{master}/stat").read_bytes().rsplit(b")")[-1].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except (OSError, IndexError):
        return f"gunicorn {master}"
    return f"gunicorn {master} {began.decode()} {boot.decode()}"


class Station:
    """The station that a server's settings describe, at the state that the database holds.

    Args:
        store: The database.
        config: The settings: scenario, policy, seconds per hour, clock, the station's name.

    Raises:
        ConfigError: for a scenario with several vehicles, or an unknown policy.
        ScenarioError: for an impossible scenario.
    """

    def __init__(self, store: Store, config: Config) -> None:
        scenario = as_scenario(config.scenario)
        self.life = Life(scenario, config.policy)
        self.name = f"{config.station} {self.life.scenario.fingerprint()[:12]}"
        self._policy = config.policy
        self._store = store
        self._program = program_version()
        self.tick_s = config.seconds_per_hour * scenario.step_h
        self._clock = TickClock(config.clock, self.tick_s)
        self._group = f"{serving_group()} at {self.tick_s:g} s"  # ticks of one length, too
        self._lock = threading.Lock()
        self._version: int | None = None  # of the saved state that this process has; None: of none
        self._tick = self._first_tick = 0  # the present one, and that with which the history begins
        self._follow(starting=True)

    def shown(self) -> Shown:
        """What the station shows now."""
        return self._at_now()

    def charge(self, on: bool) -> Shown:
        """Turn charging on or off; while forced, nothing changes."""
        return self._at_now(lambda: self.life.charge(on))

    def force(self, mode: str) -> Shown:
        """Override the commands by a mode of `server.station.household.MODES`."""
        return self._at_now(lambda: self.life.force(mode))

    def discharge(self) -> Shown:
        """Begin anew: 20 %, 00:00 of the first day, and a tick that begins at this moment."""
        return self._at_now(self._begin)

    def records(self) -> bytes:
        """The history until now: RECORD_DTYPE, one for each tick."""
        self._at_now()
        return b"".join(record for _, record in self._store.station_ticks(self.name, 0))

    def _at_now(self, command: Callable[[], bool] | None = None) -> Shown:
        """Bring the simulation to now, command it, and save what changed."""
        with self._lock:
            while True:
                version = self._follow()
                # Another worker, whose clock is ahead, may have lived more.
                due = max(0, self._clock.tick(self._anchor) - self._tick)
                if due == 0 and command is None:
                    return self._shown
                # Should anything fail from here on, the saved state is what counts.
                self._version = None
                records = self.life.live(due)
                self._tick += due
                changed = command is not None and command()
                if due == 0 and not changed:
                    self._version = version
                    return self._shown
                if self._save(version, records):
                    count_steps(due, "classic")
                    return self._shown

    def _follow(self, starting: bool = False) -> int:
        """Take over what another worker has saved; the version of the saved state.

        When a server starts, the saved tick begins now, since time stood still.
        """
        while self._version is None or self._store.station_version(self.name) != self._version:
            row = self._store.load_station(self.name)
            if row is None or not self._take_over(row):
                self._begin()
            elif starting and row.saved["group"] != self._group:
                self._anchor = Anchor(self._clock.now_s(), self._tick)
            else:
                continue
            starting = False
            self._save(None if row is None else row.version, _NO_RECORDS)  # or another worker has
        return self._version

    def _take_over(self, row: StationRow) -> bool:
        """Go on from a saved state; False, and a warning, if it belongs to something else."""
        saved = row.saved
        self._tick = int(saved["tick"])
        try:
            if saved["version"] != self._program:
                raise StateError(
                    f"it was saved by version {saved['version']}; this is {self._program}"
                )
            # What clients wanted of a station that another policy led, or none, is over.
            same = saved["policy"] == self._policy
            self.life.restore(row.state, Will(*saved["will"]) if same else Will())
        except StateError as error:
            LOG.warning(
                "station %r on scenario %r begins anew: %s",
                self.name,
                self.life.scenario.name,
                error,
            )
            return False
        self._first_tick = int(saved["first_tick"])
        self._anchor = Anchor(*saved["anchor"])
        self._shown = self.life.shown()
        self._version = row.version
        return True

    def _begin(self) -> bool:
        """Begin anew, with an empty history, in a tick that begins now."""
        self.life.begin()
        self._first_tick = self._tick
        self._anchor = Anchor(self._clock.now_s(), self._tick)
        return True

    def _save(self, version: int | None, records: NDArray[Any]) -> bool:
        """Save the state and the last ticks; False if another worker was faster."""
        keep_from = max(self._tick - self.life.kept_ticks, self._first_tick)
        numbers = range(self._tick - len(records), self._tick)
        saved = {
            "version": self._program,
            "group": self._group,
            "policy": self._policy,
            "tick": self._tick,
            "first_tick": self._first_tick,
            "anchor": self._anchor,
            "will": self.life.will,
        }
        done = self._store.save_station(
            self.name,
            version,
            saved,
            self.life.saved(),
            [
                (tick, record.tobytes())
                for tick, record in zip(numbers, records, strict=True)
                if tick >= keep_from
            ],
            keep_from,
        )
        if done:
            self._version = 1 if version is None else version + 1
            self._shown = self.life.shown()
        return done
