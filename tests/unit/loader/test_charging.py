"""Tokens count for who has limits, once, when they were just used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.interaction import Entry
from proxy.loader.charging import Charging
from proxy.spool.tallies import Counts, Tallies, subject_of
from tests.support.entries import an_entry

NOW = 1_800_000_000.0
KEY, PROVIDER = subject_of("key", "k1"), subject_of("provider", "main")


@pytest.fixture
def gateway(tmp_path: Path) -> Tallies:
    """A gateway that counts for a key and a provider."""
    tallies = Tallies(tmp_path, "gateway-0-1")
    for subject in (KEY, PROVIDER):
        tallies.own.count(subject, NOW, requests=1)
    return tallies


def entry(**values: object) -> Entry:
    made = an_entry()
    said = {"key_id": "k1", "provider": "main", "operation": "chat", "completed_at": int(NOW * 1000), **values}
    return replace(made, interaction=replace(made.interaction, **said))  # type: ignore[arg-type]


def used(gateway: Tallies, folder: Path, *entries: Entry, number: int = KEY) -> int:
    charging = Charging(folder, lambda: NOW)
    charging.charge(entries)
    gateway.look()
    counts: Counts = gateway.counts(number, NOW)
    charging.close()
    return counts.tokens


def test_a_stored_call_is_charged_to_its_key_and_its_provider(gateway: Tallies, tmp_path: Path) -> None:
    stored = [entry(total_tokens=70), entry(total_tokens=None, input_tokens=20, output_tokens=10)]
    assert used(gateway, tmp_path, *stored) == 100
    assert used(gateway, tmp_path, entry(total_tokens=5), number=PROVIDER) == 5


@pytest.mark.parametrize(
    "values",
    [
        {"total_tokens": None, "input_tokens": None, "output_tokens": None},
        {"total_tokens": 70, "key_id": None},
        {"total_tokens": 70, "key_id": "another"},
        {"total_tokens": 70, "completed_at": int((NOW - 121) * 1000)},
        {"total_tokens": 70, "operation": "responses_read"},
    ],
)
def test_what_is_nobody_s_or_of_long_ago_is_not(gateway: Tallies, tmp_path: Path, values: dict[str, object]) -> None:
    assert used(gateway, tmp_path, entry(**values)) == 0


def test_who_has_no_limits_takes_no_room(gateway: Tallies, tmp_path: Path) -> None:
    charging = Charging(tmp_path, lambda: NOW)
    charging.charge([entry(total_tokens=70, key_id=f"key{number}", provider="other") for number in range(20)])
    gateway.look()
    assert not any(gateway.is_counted(subject_of("key", f"key{number}")) for number in range(20))
