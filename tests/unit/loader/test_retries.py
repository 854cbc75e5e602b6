"""Which repetition belongs to which call: only what is certain."""

from __future__ import annotations

import itertools
from dataclasses import replace

from proxy.domain.interaction import Interaction
from proxy.domain.outcome import Outcome
from proxy.interpret.entry import interpret
from proxy.loader.retries import Retries
from proxy.pricing.cost import cost_of
from tests.support.recorded import ACCEPTED_NS, recorded

SECOND = 1_000_000_000
_NUMBERS = itertools.count(1)


def loaded(
    retries: Retries, number: int | None, at: float, *, body: object = None, outcome: Outcome = Outcome.UPSTREAM_ERROR,
    status: int = 429, headers: tuple[tuple[str, str], ...] = (),
) -> Interaction:  # fmt: skip
    """Load a try that began ``at`` so many seconds and took some milliseconds."""
    count = () if number is None else (("x-stainless-retry-count", str(number)),)
    call = recorded(
        b'{"error":{"message":"slow down"}}' if status >= 400 else b'{"choices":[]}',
        request=body or {"model": "m"}, status=status, outcome=outcome,
        accepted_at_ns=ACCEPTED_NS + int(at * SECOND), request_headers=(*headers, *count),
    )  # fmt: skip
    call = replace(call, id=next(_NUMBERS).to_bytes(16, "big"))
    item = interpret(call, cost_of).interaction
    retries.link(call, item)
    return item


def completed(retries: Retries, number: int, at: float) -> Interaction:
    return loaded(retries, number, at, outcome=Outcome.COMPLETED, status=200)


def test_all_tries_point_at_the_first() -> None:
    retries = Retries()
    first, second, third = loaded(retries, 0, 0), loaded(retries, 1, 1), completed(retries, 2, 2)
    assert [item.parent_id for item in (first, second, third)] == [None, first.id, first.id]
    assert [item.retry_count for item in (first, second, third)] == [0, 1, 2]


def test_a_span_of_its_own_for_each_try_does_not_part_them() -> None:
    retries = Retries()
    first = loaded(retries, 0, 0, headers=(("traceparent", "00-a"),))
    assert loaded(retries, 1, 1, headers=(("traceparent", "00-b"),)).parent_id == first.id


def test_what_differs_is_another_call() -> None:
    retries = Retries()
    loaded(retries, 0, 0)
    assert loaded(retries, 1, 1, body={"model": "other"}).parent_id is None
    assert loaded(retries, 1, 1, headers=(("x-client-request-id", "2"),)).parent_id is None
    assert loaded(retries, 2, 1).parent_id is None
    assert loaded(retries, None, 1).parent_id is None


def test_two_that_look_alike_are_left_alone() -> None:
    retries = Retries()
    loaded(retries, 0, 0), loaded(retries, 0, 0)
    assert loaded(retries, 1, 1).parent_id is None


def test_a_try_is_repeated_once() -> None:
    retries = Retries()
    first = loaded(retries, 0, 0)
    assert loaded(retries, 1, 1).parent_id == first.id
    assert loaded(retries, 1, 1).parent_id is None


def test_what_completed_ended_later_or_long_ago_was_not_repeated() -> None:
    retries = Retries()
    completed(retries, 0, 0)
    assert loaded(retries, 1, 1).parent_id is None
    loaded(retries, 0, 10)
    assert loaded(retries, 1, 9).parent_id is None
    assert loaded(retries, 1, 10 + 200).parent_id is None


def test_memory_is_bounded() -> None:
    retries = Retries()
    for number in range(5000):
        loaded(retries, 0, 0, body={"n": number})
        loaded(retries, 0, 0, body="alike")
    assert sum(map(len, retries._tries.values())) <= 4096 + 17
    assert loaded(retries, 1, 1, body={"n": 0}).parent_id is None
