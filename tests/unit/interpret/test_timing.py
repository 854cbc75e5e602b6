"""Waiting for upstreams is told apart from everything else, over all tries."""

from __future__ import annotations

from typing import Any

from proxy.domain.outcome import Outcome
from proxy.domain.recording import AttemptFact, CallEnd
from proxy.interpret.timing import durations_of

MS = 1_000_000


def fact(number: int, started: int, **instants: Any) -> AttemptFact:
    values = {name: value * MS if name.endswith("_ns") else value for name, value in instants.items()}
    return AttemptFact(number=number, provider="p", upstream="u", started_ns=started * MS, **values)


def times(
    *attempts: AttemptFact, ended: int = 100, last: int | None = None, outcome: Outcome = Outcome.COMPLETED
) -> tuple[float | None, ...]:
    end = CallEnd(outcome=outcome, ended_ns=ended * MS, attempts=attempts)
    end.last_byte_ns = None if last is None else last * MS
    made = durations_of(end)
    return made.duration, made.upstream, made.overhead


def test_one_try_on_a_kept_connection() -> None:
    assert times(fact(1, 2, connected_ns=2, sent_ns=3, head_ns=50, reused=True), last=90) == (100, 87, 13)


def test_dialling_is_waiting() -> None:
    assert times(fact(1, 2, connected_ns=12, sent_ns=13, head_ns=50), last=90) == (100, 87, 13)


def test_an_answer_without_a_body_ends_with_its_head() -> None:
    assert times(fact(1, 2, sent_ns=2, head_ns=50)) == (100, 48, 52)


def test_a_refused_and_an_answered_try_add_up() -> None:
    assert times(fact(1, 0, ended_ns=10), fact(2, 20, connected_ns=25, sent_ns=25, head_ns=40), last=60) == (
        100,
        50,
        50,
    )


def test_a_try_whose_answer_was_thrown_away_ends_where_the_next_begins() -> None:
    assert times(fact(1, 0, sent_ns=0, head_ns=8), fact(2, 10, sent_ns=10, head_ns=20), last=30) == (100, 30, 70)


def test_a_client_that_left_before_the_answer() -> None:
    assert times(fact(1, 10, sent_ns=10)) == (100, 90, 10)


def test_reading_on_for_a_client_that_left_is_not_our_part() -> None:
    assert times(fact(1, 2, sent_ns=3, head_ns=10), last=40, outcome=Outcome.CLIENT_GONE) == (100, 97, 3)


def test_a_call_that_we_refused_is_all_ours() -> None:
    assert times() == (100, None, 100)


def test_a_call_without_an_end_has_no_times() -> None:
    assert durations_of(None).duration is None
