"""Who takes over, and when nobody may."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.domain.provider import Provider
from proxy.gateway.breaking import Breakers
from proxy.gateway.plan import Plan
from proxy.gateway.routing import Choice
from proxy.gateway.takeover import Takeover, retry_after
from proxy.spool.page import Page
from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure

A, B = (Provider(name=name, kind="custom", base_url=f"http://{name}", root_url=f"http://{name}") for name in "ab")
PLAN = Plan(B, b"/", "chat")
NEXT = (PLAN, cast(Any, None))


@pytest.fixture
def breakers(tmp_path: Path) -> Iterator[Breakers]:
    page = Page.create(tmp_path / "a.page", "boot", 0)
    yield Breakers(lambda: page, lambda: 0.0)
    page.close()


def begun(breakers: Breakers) -> Takeover:
    takeover = Takeover(breakers, [NEXT])
    takeover.began("a")
    return takeover


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
def test_a_provider_that_cannot_is_followed_by_the_next(breakers: Breakers, status: int) -> None:
    assert begun(breakers).after_answer(status, [], 1) == NEXT


@pytest.mark.parametrize("status", [200, 206, 301, 400, 401, 403, 404, 422])
def test_an_answer_is_passed_on(breakers: Breakers, status: int) -> None:
    assert begun(breakers).after_answer(status, [], 1) is None


def test_the_last_one_s_answer_is_passed_on_as_it_came(breakers: Breakers) -> None:
    takeover = begun(breakers)
    assert takeover.after_answer(500, [], 1) == NEXT
    takeover.began("b")
    assert takeover.after_answer(500, [], 1) is None


def failure(reason: FailureReason, *, answered: bool = False) -> UpstreamFailure:
    return UpstreamFailure(reason, "x", Timing(0), answered=answered)


@pytest.mark.parametrize(
    ("reason", "operation", "follows"),
    [
        (FailureReason.REFUSED, "files", True),
        (FailureReason.DNS, "chat", True),
        (FailureReason.TLS, "chat", True),
        (FailureReason.CONNECT_TIMEOUT, "chat", True),
        (FailureReason.RESET, "chat", True),
        (FailureReason.CLOSED_EARLY, "embeddings", True),
        (FailureReason.RESET, "responses", False),
        (FailureReason.CLOSED_EARLY, "images", False),
        (FailureReason.FIRST_BYTE_TIMEOUT, "chat", False),
        (FailureReason.PROTOCOL, "chat", False),
    ],
)
def test_what_may_have_been_worked_on_is_repeated_only_where_it_costs_tokens_alone(
    breakers: Breakers, reason: FailureReason, operation: str, follows: bool
) -> None:
    assert (begun(breakers).after_failure(failure(reason), operation, 1) is not None) == follows


def test_nobody_takes_over_once_a_byte_of_an_answer_has_come(breakers: Breakers) -> None:
    assert begun(breakers).after_failure(failure(FailureReason.RESET, answered=True), "chat", 1) is None


def test_the_budget_is_asked_and_given_back(breakers: Breakers) -> None:
    taken = [begun(breakers) for _ in range(4)]
    assert [item.after_answer(500, [], 1) is not None for item in taken] == [True, True, True, False]
    taken[0].finish()
    assert begun(breakers).after_answer(500, [], 1) is not None


def test_what_is_told_of_a_pause_is_heard(breakers: Breakers) -> None:
    begun(breakers).after_answer(429, [(b"Retry-After", b"7")], 1)
    assert [item.name for item, _ in breakers.order(Choice(((A, None), (B, None)), "r"))] == ["b"]


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        (b"Retry-After", b"12", 12.0),
        (b"retry-after-ms", b"1500", 1.5),
        (b"Retry-After", formatdate(1_000_060.0, usegmt=True).encode(), 60.0),
        (b"Retry-After", formatdate(999_000.0, usegmt=True).encode(), 0.0),
        (b"Retry-After", b"soon", None),
        (b"retry-after-ms", b"x", None),
        (b"other", b"1", None),
    ],
)
def test_when_to_come_back(name: bytes, value: bytes, seconds: float | None) -> None:
    assert retry_after([(name, value)], 1_000_000.0) == seconds
