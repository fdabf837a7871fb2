"""The classic charging station: one household whose state is a function of the time passed.

Each request first brings the household to now, in whole ticks, under a lock; then it reads or
commands. What has changed is saved before the answer goes out, so a station whose process dies
goes on from its last answer. Simulated time stands still while no server runs: when a server
starts, the saved tick begins at that moment.

Several workers share a station through the database. A save is refused if another worker has saved
meanwhile; then this one takes over that state and does all of its own again on top of it. A worker
that replaces another of its group does not shift the time, since the others went on.
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
from server.station.household import RECORD_DTYPE, Control, Reading, StationHousehold
from server.storage.store import StationRow, Store

LOG = logging.getLogger("server.station.station")
_NO_RECORDS = np.empty(0, RECORD_DTYPE)


def serving_group() -> str:
    """Name of the group of workers to which this process belongs; a lone server has its own.

    The workers of one gunicorn are a group, named by its process id. In a container that is the
    same at every start, so the moment at which it began is part of the name.
    """
    if not os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
        return secrets.token_hex(8)
    master = os.getppid()
    try:
        start_ticks = Path(f"/proc/{master}/stat").read_bytes().rsplit(b")")[-1].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except (OSError, IndexError):
        return f"gunicorn {master}"
    return f"gunicorn {master} {start_ticks.decode()} {boot.decode()}"


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
        self.household = StationHousehold(scenario, config.policy)
        self.name = f"{config.station} {self.household.scenario.fingerprint()[:12]}"
        self._policy = config.policy
        self._store = store
        self._program = program_version()
        self.tick_s = config.seconds_per_hour * scenario.step_h
        self._clock = TickClock(config.clock, self.tick_s)
        self._group = f"{serving_group()} at {self.tick_s:g} s"  # with another speed another group
        self._lock = threading.Lock()
        self._version: int | None = None  # of the saved state that this process holds, if any
        self._tick = self._first_tick = 0  # the present tick, and the first one of the history
        self._follow(starting=True)

    def reading(self) -> Reading:
        """What the station shows now."""
        return self._at_now()

    def charge(self, on: bool) -> Reading:
        """Turn charging on or off; while forced, nothing changes."""
        return self._at_now(lambda: self.household.charge(on))

    def force(self, mode: str) -> Reading:
        """Override the commands by a mode of `server.station.household.MODES`."""
        return self._at_now(lambda: self.household.force(mode))

    def discharge(self) -> Reading:
        """Begin anew: 20 %, 00:00 of the first day, and a tick that begins at this moment."""
        return self._at_now(self._begin)

    def records(self) -> bytes:
        """The history until now, a RECORD_DTYPE for each tick."""
        self._at_now()
        return b"".join(record for _, record in self._store.station_ticks(self.name, 0))

    def _at_now(self, command: Callable[[], bool] | None = None) -> Reading:
        """Bring the simulation to now, command it, and save what changed."""
        with self._lock:
            while True:
                version = self._follow()
                # Another worker, whose clock is ahead, may have gone further.
                due = max(0, self._clock.tick(self._anchor) - self._tick)
                if due == 0 and command is None:
                    return self._reading
                # Should anything fail from here on, the saved state counts, not this process's.
                self._version = None
                records = self.household.advance(due)
                self._tick += due
                changed = command is not None and command()
                if due == 0 and not changed:
                    self._version = version
                    return self._reading
                if self._save(version, records):
                    count_steps(due, "classic")
                    return self._reading

    def _follow(self, starting: bool = False) -> int:
        """Take over what another worker has saved; the version of the saved state.

        When a server starts, the saved tick begins at that moment.
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
            self._save(
                None if row is None else row.version, _NO_RECORDS
            )  # unless another worker has
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
            # With another policy than before, or none, what clients wanted then is over.
            same = saved["policy"] == self._policy
            self.household.restore(row.state, Control(*saved["control"]) if same else Control())
        except StateError as error:
            LOG.warning(
                "station %r on scenario %r begins anew: %s",
                self.name,
                self.household.scenario.name,
                error,
            )
            return False
        self._first_tick = int(saved["first_tick"])
        self._anchor = Anchor(*saved["anchor"])
        self._reading = self.household.reading()
        self._version = row.version
        return True

    def _begin(self) -> bool:
        """Begin anew, with an empty history, in a tick that begins now; always a change: True."""
        self.household.begin()
        self._first_tick = self._tick
        self._anchor = Anchor(self._clock.now_s(), self._tick)
        return True

    def _save(self, version: int | None, records: NDArray[Any]) -> bool:
        """Save the state and the last ticks; False if another worker was faster."""
        keep_from = max(self._tick - self.household.kept_ticks, self._first_tick)
        numbers = range(self._tick - len(records), self._tick)
        saved = {
            "version": self._program,
            "group": self._group,
            "policy": self._policy,
            "tick": self._tick,
            "first_tick": self._first_tick,
            "anchor": self._anchor,
            "control": self.household.control,
        }
        succeeded = self._store.save_station(
            self.name,
            version,
            saved,
            self.household.state_bytes(),
            [
                (tick, record.tobytes())
                for tick, record in zip(numbers, records, strict=True)
                if tick >= keep_from
            ],
            keep_from,
        )
        if succeeded:
            self._version = 1 if version is None else version + 1
            self._reading = self.household.reading()
        return succeeded
