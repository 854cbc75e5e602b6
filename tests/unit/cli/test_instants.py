"""Instants as people type them."""

from __future__ import annotations

import time

import pytest

from proxy.cli import instants
from proxy.cli.instants import instant_of
from proxy.domain.identity import IdentityMint, id_text, id_time_ns, parse_id
from proxy.errors import UsageError
from tests.support.entries import STARTED_AT, an_entry
from tests.unit.cli.conftest import Command, Record


def test_instants_as_people_say_them() -> None:
    # A mint of its own: after some thousand ids of one millisecond the shared one goes on to the next.
    identity = id_text(IdentityMint().mint(STARTED_AT * 1_000_000))
    now = time.time_ns() // 1_000_000
    week = instant_of("7d", "--since")
    assert week is not None
    assert abs(now - week - 7 * 86_400_000) < 60_000
    assert instant_of(identity, "--since") == id_time_ns(parse_id(identity)) // 1_000_000 == STARTED_AT
    assert instant_of(identity[:18], "--since") == instant_of(identity[:13], "--since") == STARTED_AT
    assert instant_of("2026-11-01T00:00:00+00:00", "--since") == 1_793_491_200_000
    assert instant_of(None, "--since") is None
    with pytest.raises(UsageError, match="--until: 'soon'"):
        instant_of("soon", "--until")


def test_days_are_those_of_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = 1_793_102_400_000  # 2026-10-27T12:00:00Z, two days after the end of summer time
    monkeypatch.setattr(instants, "now", lambda: noon)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        said = [instants.instant_of(word, "--since") for word in ("today", "Yesterday", "2026-10-27")]
    finally:
        monkeypatch.undo()
        time.tzset()
    today = 1_793_055_600_000
    assert said == [today, today - 86_400_000, today]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("7d", "in the last 7 days"),
        ("1h", "in the last hour"),
        ("2026-11-01", "since 2026-11-01"),
        ("today", "since today"),
    ],
)
def test_a_span_is_said_as_a_person_does(said: str, told: str) -> None:
    assert instants.spoken(said) == told


@pytest.mark.parametrize("command", ["logs", "stats", "search x", "export", "slow", "purge", "prices unpriced"])
def test_an_end_before_the_beginning_is_refused(dashcam: Command, record: Record, command: str) -> None:
    record(an_entry())
    said = dashcam(*command.split(), "--since", "2026-11-02", "--until", "2026-11-01")
    assert (said.code, "--until is not after --since" in said.err) == (2, True), said


@pytest.mark.parametrize("command", ["logs", "search refund"])
def test_so_is_one_in_a_query(dashcam: Command, record: Record, command: str) -> None:
    record(an_entry())
    said = dashcam(*command.split(), "since:2026-11-02", "until:2026-11-01")
    assert (said.code, "--until is not after --since" in said.err) == (2, True), said
