"""``dashcam views`` and ``logs --view``, with no Dashcam running."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record
from tests.unit.cli.test_instance import answering, running


def test_a_view_is_saved_and_opened_and_what_is_typed_beside_it_narrows_it(dashcam: Command, record: Record) -> None:
    record(
        an_entry(model="b", duration_ms=3000.0, user_id="kim"), an_entry(model="a", duration_ms=9000.0),
        an_entry(model="c", duration_ms=10.0),
    )  # fmt: skip
    saved = dashcam("views", "save", "slow", "latency:>2s", "--fields", "model", "--sort", "-duration_ms")
    assert (saved.code, saved.out) == (0, "slow: latency:>2s\n")
    assert dashcam("logs", "--view", "slow").lines == ["model", "a", "b"]
    assert dashcam("logs", "--view", "slow", "user:kim", "--no-headers").lines == ["b"]
    other = dashcam("logs", "--view", "slow", "--fields", "duration_ms", "--sort", "duration_ms", "--no-headers")
    assert other.lines == ["3000.0", "9000.0"]
    assert "latency:>2s" in dashcam("views", "list").lines[1]


def test_saving_again_replaces_and_taking_away_leaves_the_calls(dashcam: Command, record: Record) -> None:
    record(an_entry())
    dashcam("views", "save", "mine", "model:gpt-*", "--note", "what we pay for", "--fields", "model")
    assert dashcam("views", "save", "mine", "has:cost").code == 0
    found = json.loads(dashcam("views", "show", "mine", "--json").out)
    assert (found["query"], found["columns"], found["note"]) == ("has:cost", [], "")
    assert dashcam("views", "show", "mine").lines[:2] == ["name: mine", "query: has:cost"]
    assert dashcam("views", "remove", "mine").out == "removed mine\n"
    assert len(dashcam("logs", "--no-headers").lines) == 1


def test_what_is_wrong_is_told(dashcam: Command, record: Record) -> None:
    record(an_entry())
    assert "No views" in dashcam("views", "list").err
    for arguments, code, words in (
        (("logs", "--view", "none"), 3, "dashcam views list"),
        (("views", "show", "none"), 3, "none"),
        (("views", "remove", "none"), 3, "none"),
        (("views", "save", "a b"), 2, "name"),
        (("views", "save", "../x"), 2, "a view's name is of a-z, 0-9"),
        (("views", "save", ""), 2, "a view's name is of a-z, 0-9"),
        (("views", "show", "../x"), 3, "no view can be called '../x'"),
        (("views", "remove", "a/b"), 3, "no view can be called 'a/b'\n  next: dashcam views list"),
        (("views", "save", "a", "latensy:1s"), 2, "did you mean latency?"),
        (("logs", "--starts"), 2, "--follow"),
    ):
        said = dashcam(*arguments)
        assert (said.code, words in said.err) == (code, True), said


@pytest.mark.parametrize("status", [401, 429])
def test_who_has_no_token_is_told_which_variable_takes_it(
    dashcam: Command, record: Record, tmp_path: Path, status: int
) -> None:
    record(an_entry())
    refused = (status, b'{"detail": "an admin token is needed", "hint": "send it as: Authorization: Bearer TOKEN"}')
    with answering((200, b""), refused) as server, running(tmp_path / "data", url=server.url):
        said = dashcam("views", "list")
    assert (said.code, "next: set DASHCAM_ADMIN_TOKEN" in said.err, "Bearer" in said.err) == (6, True, False), said
