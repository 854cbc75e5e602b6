"""Revision 0004 carries calls of the first release through, and the first release can go on writing."""

from __future__ import annotations

from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import upgrade
from tests.support.revisions import bring_to
from tests.support.rollups import ask

BEFORE, AFTER = "01a1ee56-5e00-7000-8000-000000000001", "01a1ee56-5e00-7000-8000-000000000002"
_INSERT = (
    "INSERT INTO interaction (id, started_at, operation, method, endpoint, is_stream, outcome, success, finish_kind, "
    "attempts, request_modified, usage_source, cost_status, content_state, request_bytes, response_bytes, score_count, "
    "cost_pico_usd) VALUES (?, '2026-11-01T00:00:00.000Z', 'chat', 'POST', '/v1/chat/completions', FALSE, 'completed', "
    "TRUE, 'stop', 1, FALSE, 'reported', 'computed', 'stored', 0, 0, 0, 42)"
)


def test_rows_of_the_first_release_stay_as_they_were(empty: DatabaseSettings) -> None:
    bring_to(empty, "0003")
    ask(empty, _INSERT, BEFORE)
    assert upgrade(empty).before == "0003"
    ask(empty, _INSERT, AFTER)
    found = ask(empty, "SELECT id, cost_pico_usd, quantities FROM interaction ORDER BY id")
    assert found == [(BEFORE, 42, None), (AFTER, 42, None)]
