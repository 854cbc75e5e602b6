"""What the doctor thinks of each host that shares a Postgres."""

from __future__ import annotations

import pytest

from proxy import __version__
from proxy.cli.doctor.hosts import judge

THERE = {
    "host": "web-1", "place": "web-1:/data", "version": __version__, "left_at": None, "seen_seconds_ago": 1.25,
    "pending": 3, "clock_ahead_ms": 12.0, "config_revision": 4, "is_leader": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "is_ok", "told"),
    [
        ({}, True, "web-1:/data: seen 1 s ago; 3 calls wait in its spool"),
        ({"is_leader": True}, True, "does the periodic work"),
        ({"pending": None}, True, "what waits in its spool is not counted"),
        ({"pending": 1}, True, "1 call waits in its spool"),
        ({"seen_seconds_ago": 10_800.0, "pending": 1200}, False, "last seen 3 hours ago; as it said then, 1,200 calls"),
        (
            {"left_at": "2026-11-26T00:00:00.000Z", "pending": 0, "seen_seconds_ago": 400},
            True,
            "in order 7 minutes ago",
        ),
        ({"left_at": "2026-11-26T00:00:00.000Z"}, None, "3 calls wait in its spool"),
        ({"clock_ahead_ms": 5000.0}, None, "its clock is 5 s ahead of the database's"),
        ({"clock_ahead_ms": -86_400_000.0}, False, "86,400 s behind the database's"),
        ({"config_revision": 3}, None, "revision 3 of the shared configuration, 4 counts"),
        ({"version": "0.0.1"}, None, "runs 0.0.1"),
    ],
)
def test_a_host_is_judged_by_its_line(changes: dict[str, object], is_ok: bool | None, told: str) -> None:
    found = judge({**THERE, **changes}, newest=4)
    assert (found.subject, found.is_ok) == ("host web-1", is_ok)
    assert told in found.detail
    assert (found.next is None) is (is_ok is True and "left_at" not in changes)


def test_a_host_that_is_silent_may_be_cut_off_only() -> None:
    found = judge({**THERE, "seen_seconds_ago": 60.0}, newest=4)
    assert found.next is not None
    assert found.next.startswith("if it runs, mend its way to the database; else start it there")
