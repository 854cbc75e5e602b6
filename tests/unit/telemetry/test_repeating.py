"""The same trouble is said once a minute."""

from __future__ import annotations

from proxy.telemetry.repeating import EVERY_SECONDS, Repeating


def test_the_same_is_said_once_a_minute_and_something_new_at_once() -> None:
    now = [1000.0]
    repeating = Repeating(lambda: now[0])
    assert [repeating.is_due(what) for what in ("a", "a", "b", "a", "b")] == [True, False, True, False, False]
    now[0] += EVERY_SECONDS - 1
    assert not repeating.is_due("a")
    now[0] += 1
    assert repeating.is_due("a")
    assert not repeating.is_due("a")


def test_what_is_over_is_said_again_when_it_comes_back() -> None:
    repeating = Repeating(lambda: 5.0)
    assert repeating.is_due("a")
    repeating.forget()
    assert repeating.is_due("a")


def test_details_make_it_nothing_new() -> None:
    repeating = Repeating(lambda: 5.0)
    asked = ("no room: file 1", "no room: file 2", "away: postgresql://h:1/d: refused", "away: it hangs")
    assert [repeating.is_due(what) for what in asked] == [True, False, True, False]


def test_it_remembers_so_many_and_no_more() -> None:
    repeating = Repeating(lambda: 5.0)
    assert all(repeating.is_due(str(number)) for number in range(1000))
    assert len(repeating._said) <= 32
    assert not repeating.is_due("999")
