"""``dashcam feedback`` and ``dashcam tag``, with no Dashcam running."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.cli.feedback import value_of
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record

OWN = "5f1d7a52-0f7e-4d55-9d5b-3b1f0c2a7e11"


def test_a_call_is_judged_and_tagged(dashcam: Command, record: Record) -> None:
    record(an_entry(model="gpt-5"))
    said = dashcam("feedback", "last", "4/5", "--name", "tone")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("tone of ")
    assert said.out.endswith(": 4/5, score 0.75\n")
    told = json.loads(dashcam("feedback", "last", "no", "--id", "mine", "--comment", "wrong", "--json").out)
    assert (told["value"], told["score"], told["source"], told["comment"]) == (False, 0.0, "us", "wrong")
    (row,) = json.loads(dashcam("logs", "has:score", "--json").out)
    assert (row["score"], row["score_count"]) == (0.375, 2)
    assert "0.38 of 2 that were given" in dashcam("show", "last").out
    assert dashcam("tag", "last", "refund", "vip").out.endswith(": refund, vip\n")
    assert dashcam("tag", "last", "--remove", "vip").out.endswith(": refund\n")
    assert len(dashcam("logs", "tag:refund", "--no-headers").lines) == 1


def test_what_is_still_to_come_may_be_judged(dashcam: Command, record: Record) -> None:
    record(an_entry())
    assert "it waits for that call" in dashcam("feedback", OWN, "yes").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("feedback", "0" * 8, "yes"), 3, "no call"),
        (("feedback", "last", "7/5"), 2, "from 1 to 5"),
        (("feedback", "last", "fine", "--type", "number"), 2, "no value of the type number"),
        (("feedback", "last", "1", "--source", "robot"), 2, "source"),
        (("tag", "last"), 2, "no tag is named"),
        (("tag", "last", ""), 2, "a tag is empty"),
    ],
)
def test_what_cannot_be_is_told(
    dashcam: Command, record: Record, arguments: tuple[str, ...], code: int, words: str
) -> None:
    record(an_entry())
    said = dashcam(*arguments)
    assert said.code == code
    assert words in said.err


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("yes", None, (True, "boolean")),
        ("DOWN", None, (False, "boolean")),
        ("-1", None, (False, "boolean")),
        ("-1", "number", (-1.0, "number")),
        ("0.7", None, (0.7, None)),
        ("4", "1-5", (4.0, "1-5")),
        ("9/10", None, (9.0, "1-10")),
        ("9/10", "text", ("9/10", "text")),
        ("yes", "category", ("yes", "category")),
        ("It was fine", None, ("It was fine", "text")),
    ],
)
def test_what_is_typed_shows_what_it_is(text: str, kind: str | None, expected: tuple[Any, str | None]) -> None:
    assert value_of(text, kind) == expected


def test_a_value_on_a_scale_that_nobody_knows_is_refused(dashcam: Command, record: Record) -> None:
    record(an_entry())
    said = dashcam("feedback", "last", "9/7")
    assert (said.code, "is on no scale that is known\n  next: write 4/5 or 9/10" in said.err) == (2, True)
    assert dashcam("feedback", "last", "9/7", "--type", "text").code == 0
    assert dashcam("feedback", "last", "yes").out.endswith(": yes, score 1.00\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("feedback", "last", " "), "there is no value"),
        (("feedback", "last", "yes", "--type", "nope"), "use one of boolean"),
        (("tag", "last", ""), "a tag is empty"),
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused(dashcam: Command, record: Record, words: tuple[str, ...], told: str) -> None:
    record(an_entry())
    said = dashcam(*words)
    assert (said.code, told in said.err) == (2, True), said
