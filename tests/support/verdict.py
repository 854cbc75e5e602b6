"""The one oracle for what became of a load: nothing lost, nothing doubled, and every number the true one.

A call *finished* when the client has seen its last byte; of the others it is promised that what the client saw is the
beginning of what is kept. Checked are: (i) each answered call is a complete row, (ii) ids unique and one row a nonce,
(iii) every row's nonce was sent, (iv) hashes and bytes, (v) the account balances, (vi) the store is sound, (vii)
nothing is left open (``holdings``), (viii) tokens and costs, in rows, rollups and counters alike.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from tests.support import oracle
from tests.support.dashcam import Row, RunningDashcam
from tests.support.holdings import assert_nothing_held
from tests.support.load import Load, SeenCall

OUTCOMES = {
    "": {"completed"},
    "slow": {"completed"},
    "crumbs": {"completed"},
    "leave": {"client_gone", "completed"},
    "reset": {"upstream_aborted", "upstream_unreachable"},
    "close": {"upstream_aborted", "upstream_unreachable"},
    "hang": {"timed_out"},
    "mute": {"timed_out"},
    "status": {"upstream_error"},
}
CUT_SHORT = {"interrupted", "shut_down", "client_gone", "upstream_unreachable", "upstream_aborted", "timed_out"}
"""How a call may have ended that its client did not see to the end."""


REFUSALS = ("refused", "policy")
"""Reasons for a drop whose call got our own 503: no call that was served may be counted under them."""


@dataclass(frozen=True)
class Allowance:
    """What a scenario costs by its policy, and no more: rows without their bodies, calls dropped and counted."""

    bodies: bool = False
    drops: bool = False


NOTHING = Allowance()


def assert_nothing_lost(
    dashcam: RunningDashcam, *loads: Load, allowed: Allowance = NOTHING, seconds: float = 60.0
) -> Counter[str]:
    """Check what is on record against what the clients saw; return how many rows ended in which way."""
    dashcam.settle(seconds)
    rows = dashcam.query("select * from interaction")
    calls = [call for load in loads for call in load.calls]
    by_nonce = _one_row_a_nonce(rows, calls)
    ledger = dashcam.ledger()
    dropped = sum(ledger["dropped"].values())
    assert dropped == 0 or allowed.drops, ledger
    missing = [call for call in calls if call.is_answered and call.id and call.nonce not in by_nonce]
    assert len(missing) <= dropped, f"answered calls without a row: {missing[:3]}"
    unseen = dropped - sum(ledger["dropped"].get(reason, 0) for reason in REFUSALS)
    assert sum(call.is_finished for call in missing) <= unseen, f"finished calls without a row: {missing[:3]}"
    for call in calls:
        if row := by_nonce.get(call.nonce):
            _judge_call(dashcam, call, row, allowed)
    assert ledger["balanced"], ledger
    assert ledger["accepted"] == len(rows) + ledger["quarantined"] + dropped, ledger
    dashcam.assert_sound()
    _sums_agree(dashcam, rows)
    assert_nothing_held(dashcam)
    return Counter(str(row["outcome"]) for row in rows)


def _one_row_a_nonce(rows: list[Row], calls: list[SeenCall]) -> dict[str, Row]:
    by_nonce = {str(row["input_preview"]): row for row in rows if row["input_preview"] is not None}
    bodiless = [row for row in rows if row["input_preview"] is None]
    assert len({row["id"] for row in rows}) == len(rows), "ids that are there twice"
    assert len(by_nonce) + len(bodiless) == len(rows), "calls recorded twice"
    by_id = {call.id: call.nonce for call in calls if call.id}
    by_nonce.update({by_id[row["id"]]: row for row in bodiless if row["id"] in by_id})
    assert set(by_nonce) <= {call.nonce for call in calls}, "rows of calls that nobody made"
    return by_nonce


def _judge_call(dashcam: RunningDashcam, call: SeenCall, row: Row, allowed: Allowance) -> None:
    if call.id is not None:
        assert row["id"] == call.id, (call, row)
    has_content = row["content_state"] == "stored"
    assert has_content or allowed.bodies or row["outcome"] == "rejected", (call, row["content_state"], row["outcome"])
    if call.is_finished:
        _judge_finished(dashcam, call, row, has_content=has_content)
    elif call.is_answered:
        assert row["http_status"] == call.status, (call, row)
        assert row["outcome"] in OUTCOMES[call.script] | {"rejected", *CUT_SHORT}, (call, row)
    else:
        assert row["outcome"] in OUTCOMES[call.script] | CUT_SHORT, (call, row)
        if has_content and call.received and call.status == 200:
            _judge_beginning(call, dashcam.body(str(row["id"]), "response"))


def _judge_finished(dashcam: RunningDashcam, call: SeenCall, row: Row, *, has_content: bool) -> None:
    assert call.received == call.expected
    assert (row["outcome"], row["http_status"]) == ("completed", 200), row
    if not has_content:
        return
    assert row["usage_source"] == "reported", row
    assert row["response_sha256"] == hashlib.sha256(call.received).hexdigest()
    assert (row["input_tokens"], row["output_tokens"]) == (oracle.INPUT_TOKENS, call.pieces), row
    assert row["cost_pico_usd"] == oracle.cost_of(call.pieces), row


def _judge_beginning(call: SeenCall, kept: bytes) -> None:
    """Our word on why the stream broke is for the client alone; all before it is on record."""
    said, mark, _ = call.received.rpartition(b'data: {"error"')
    seen = said if mark else call.received
    assert b"[DONE]" not in seen or call.has_left or seen == call.expected[: len(seen)], call
    assert kept.startswith(seen), f"a client was given bytes that are not on record: {call} {kept!r}"
    assert call.expected.startswith(kept), f"on record are bytes that the upstream never sent: {call} {kept!r}"


def _sums_agree(dashcam: RunningDashcam, rows: list[Row]) -> None:
    """Rows, rollups and counters tell the same story (M1)."""
    from_rows = _sums(rows, 1)
    rollups = dashcam.query("select * from rollup_hourly")
    assert _sums(rollups, "calls") == from_rows
    samples = dashcam.samples()
    counted = Counter[str]()
    for labels, number in samples.get("dashcam_requests_total", {}).items():
        counted[dict(labels)["outcome"]] += int(number)
    assert counted == Counter(str(row["outcome"]) for row in rows)
    tokens = samples.get("dashcam_tokens_total", {})
    reported = _sums([row for row in rows if not str(row["usage_source"]).startswith("estimated")], 1)
    for kind in ("input", "output"):
        assert sum(n for labels, n in tokens.items() if ("type", kind) in labels) == reported[f"{kind}_tokens"]
    cost = sum(samples.get("dashcam_cost_usd_total", {}).values())
    assert abs(cost - from_rows["cost_pico_usd"] / 1e12) < 1e-9 * max(1.0, cost)
    ledger = samples["dashcam_stored_requests_total"][frozenset()]
    assert ledger == len(rows) == samples["dashcam_store_rows"][frozenset()]


def _sums(rows: list[Row], calls: int | str) -> dict[str, int]:
    names = ("input_tokens", "output_tokens", "cost_pico_usd")
    found = {name: sum(int(row[name] or 0) for row in rows) for name in names}
    return {**found, "calls": sum(int(row[calls]) if isinstance(calls, str) else calls for row in rows)}
