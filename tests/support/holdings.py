"""What the processes of a Dashcam hold open, as the kernel tells it (``/proc``; elsewhere nothing is told).

A gateway at rest holds its own files, no socket of a client, and idle connections to upstreams at most: none that the
other side has closed, and no file that is gone. What its event loop still has to do is told by its page: no call in
flight and no stream open.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.support.dashcam import RunningDashcam
from tests.support.waiting import wait_until

_ESTABLISHED, _CLOSE_WAIT = "01", "08"
_MAX_IDLE_UPSTREAM = 256
"""As many connections as are kept for each upstream (``UpstreamClient``)."""


@dataclass(frozen=True)
class Holdings:
    """Of one process: names of files, and its TCP connections as (local port, state)."""

    files: tuple[str, ...]
    connections: tuple[tuple[int, str], ...]


def holdings_of(pid: int) -> Holdings:
    """Look at a process; one that is gone holds nothing."""
    found: dict[str, str] = {}
    try:
        for item in os.listdir(f"/proc/{pid}/fd"):
            try:
                found[item] = os.readlink(f"/proc/{pid}/fd/{item}")
            except OSError:
                continue
        table = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return Holdings((), ())
    inodes = {name.removeprefix("socket:[").rstrip("]") for name in found.values() if name.startswith("socket:[")}
    lines = [line.split() for line in table]
    connections = tuple((int(line[1].rpartition(":")[2], 16), line[3]) for line in lines if line[9] in inodes)
    return Holdings(tuple(name for name in found.values() if name.startswith("/")), connections)


def left_open(dashcam: RunningDashcam) -> list[str]:
    """Return what is held that nobody needs any more."""
    samples, found = dashcam.samples(), []
    for name in ("dashcam_in_flight_requests", "dashcam_open_streams"):
        if value := samples[name][frozenset()]:
            found.append(f"{name} is {value:g}")
    for pid in dashcam.pids("proxy.gateway"):
        held = holdings_of(pid)
        found += [f"gateway {pid} holds {name}" for name in held.files if name.endswith("(deleted)")]
        clients = [state for port, state in held.connections if port == dashcam.port and state != "0A"]
        upstreams = [state for port, state in held.connections if port != dashcam.port]
        # Ours, with which this is asked, may be among them.
        if len(clients) > 1 or _CLOSE_WAIT in clients + upstreams or len(upstreams) > _MAX_IDLE_UPSTREAM:
            found.append(f"gateway {pid} holds connections: {len(clients)} of clients, upstream {upstreams}")
    for pid in dashcam.pids("proxy.control"):
        held = holdings_of(pid)
        found += [f"control {pid} holds {name}" for name in held.files if name.endswith("(deleted)")]
    return found


def assert_nothing_held(dashcam: RunningDashcam) -> None:
    """Wait until nothing is left open: connections close a moment after their last byte."""
    held: list[str] = []

    def is_clean() -> bool:
        held[:] = left_open(dashcam)
        return not held

    try:
        wait_until(is_clean, "nothing is left open", seconds=10)
    except AssertionError as error:
        raise AssertionError(f"{error}: {held}") from error
