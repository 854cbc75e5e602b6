"""The account in sum."""

from __future__ import annotations

from proxy.loader.ledger import balance, closed_account


def account(**changes: object) -> dict[str, object]:
    return {
        "source": "a-0", "accepted": 10, "stored": 7, "pending": 1, "quarantined": 1, "dropped": {"policy": 1},
        "alive": True, **changes,
    }  # fmt: skip


def test_an_account_without_a_gap_balances() -> None:
    found = balance([account(), account(source="b-0", dropped={"spool_full": 1})])
    assert (found["accepted"], found["dropped"]) == (20, {"policy": 1, "spool_full": 1})
    assert found["balanced"] is True


def test_one_call_too_few_or_too_many_shows() -> None:
    assert balance([account(stored=6)])["balanced"] is False
    assert balance([account(stored=8)])["balanced"] is False


def test_nothing_balances() -> None:
    assert balance([])["balanced"] is True


def test_a_closed_source_has_nothing_pending() -> None:
    row = {"source": "a-0", "segment": 3, "accepted": 2, "stored": 2, "quarantined": 0, "dropped": None}
    found = closed_account(row)
    assert (found["pending"], found["dropped"], found["alive"]) == (0, {}, False)
    assert balance([found])["balanced"] is True
