"""Running hosts of one database, judged together as if they were one."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.support.dashcam import RunningDashcam
from tests.support.holdings import assert_nothing_held
from tests.support.rollups import assert_rollups_equal_the_rows

Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


class Together(RunningDashcam):
    """Several running hosts of one database as if they were one: their accounts and counters in sum."""

    def __init__(self, *hosts: RunningDashcam) -> None:
        self._hosts = hosts
        self.environment = hosts[0].environment
        self.port = 0

    def __repr__(self) -> str:
        return f"<Together {self._hosts}>"

    def settle(self, seconds: float = 30.0) -> None:
        """Wait until every accepted call of each is a row."""
        for host in self._hosts:
            host.settle(seconds)

    def ledger(self) -> dict[str, Any]:
        """Return the sum of the accounts."""
        found = [host.ledger() for host in self._hosts]
        sums = {name: sum(item[name] for item in found) for name in ("accepted", "stored", "pending", "quarantined")}
        drops = sum((Counter(item["dropped"]) for item in found), Counter[str]())
        return {**sums, "dropped": dict(drops), "balanced": all(item["balanced"] for item in found)}

    def samples(self) -> Samples:
        """Return the sum of the counters, as a Prometheus would add them up."""
        sums: Samples = {}
        for host in self._hosts:
            for name, series in host.samples().items():
                known = sums.setdefault(name, {})
                for labels, value in series.items():
                    known[labels] = known.get(labels, 0.0) + value
        return sums

    def pids(self, module: str) -> list[int]:
        """What each holds open is looked at host by host."""
        return []

    def assert_sound(self) -> None:
        """Rollups, histograms and views say what the rows do; no host holds what it should not."""
        assert_rollups_equal_the_rows(self.database)
        for host in self._hosts:
            assert_nothing_held(host)


def on(dashcam: RunningDashcam, address: str) -> RunningDashcam:
    """Let an instance that was made with ``--host`` be asked at its address, and start it."""
    dashcam.url = f"http://{address}:{dashcam.port}"
    return dashcam.start()


def leads(dashcam: RunningDashcam) -> bool:
    """Tell whether a host says that it does the periodic work; while it cannot say anything, it does not."""
    try:
        status, body = dashcam.get("/api/v1/recorder")
    except OSError:
        return False
    return status == 200 and bool(json.loads(body).get("is_leader"))
