"""``dashcam diff``: what two calls say otherwise, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.support.entries import STARTED_AT, an_entry
from tests.unit.cli.conftest import Command, Record

REQUEST = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
ANSWER = json.dumps({"choices": [{"message": {"content": "Hello"}}]}).encode()


def test_only_what_differs_is_shown(dashcam: Command, record: Record) -> None:
    other = ANSWER.replace(b"Hello", b"Bye")
    record(an_entry(REQUEST, ANSWER, app="a"), an_entry(REQUEST, other, app="b", started_at=STARTED_AT + 1))
    lines = dashcam("diff", "last-1", "last").lines
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert [line.strip() for line in changed] == [
        "-app: a", "+app: b", '-    "content": "Hello"', '+    "content": "Bye"',
    ]  # fmt: skip


def test_calls_that_say_the_same_have_no_difference(dashcam: Command, record: Record) -> None:
    record(an_entry(b"?", b"?"), replace(an_entry(b"?", b"?"), response=None))
    assert "not on record" in dashcam("diff", "last-1").out
    said = dashcam("diff", "last", "last")
    assert (said.out, "both are the same call; name two" in said.err) == ("", True)
