"""Gauges out of the account."""

from __future__ import annotations

from proxy.control.metrics import ledger_gauges
from proxy.loader.ledger import balance


def test_drops_are_told_by_reason_also_those_that_never_happened() -> None:
    lost = {"source": "a", "accepted": 3, "stored": 1, "pending": 0, "quarantined": 0, "dropped": {"policy": 2}}
    account = {**balance([lost]), "pending_bytes": 0, "oldest_pending_seconds": 0.0, "loader_lag_seconds": 0.0}
    gauges = list(ledger_gauges(account))
    drops = {labels["reason"]: value for name, _, value, labels in gauges if name == "dashcam_records_dropped_total"}
    assert drops == {"spool_full": 0, "write_error": 0, "policy": 2, "refused": 0, "lost": 0, "store_moved": 0}
    assert ("dashcam_recorder_balanced", 1.0) in [(name, value) for name, _, value, _ in gauges]


def test_an_account_that_is_not_counted_yet_is_no_alarm() -> None:
    line = {"source": "a", "accepted": 9, "stored": 1, "pending": 2, "quarantined": 0, "dropped": {}}
    told = {"pending_bytes": 0, "oldest_pending_seconds": 0.0, "loader_lag_seconds": 0.0}
    for is_counted, value in ((False, 1.0), (True, 0.0)):
        gauges = ledger_gauges({**balance([{**line, "is_counted": is_counted}]), **told})
        assert ("dashcam_recorder_balanced", value) in [(name, found) for name, _, found, _ in gauges]
