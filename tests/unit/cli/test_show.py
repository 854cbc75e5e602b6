"""One call read back: as a page, as JSON, as bytes."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.interaction import Attempt
from proxy.domain.outcome import ContentState, Outcome
from tests.support.entries import an_entry
from tests.support.forms import HEADER, field, file, form
from tests.support.recorded import answer
from tests.unit.cli.conftest import Command, Record

REQUEST = json.dumps(
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": '{"at":1}'}}]},
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url"}]},
        ],
    }
).encode()
ANSWER = json.dumps(
    {
        "choices": [
            {
                "message": {
                    "content": "Forty-two.",
                    "reasoning_content": "Let me think.",
                    "tool_calls": [{"id": "1", "function": {"name": "note", "arguments": "{}"}}],
                }
            }
        ]
    }
).encode()
HEADERS = (("content-type", "application/json"),)


def test_a_page_has_messages_tools_answer_and_facts(dashcam: Command, record: Record) -> None:
    record(an_entry(REQUEST, ANSWER, tool_names=("look", "note"), finish_reason="stop"))
    page = dashcam("show").out
    order = ["tools: look, note", "system", "Be brief.", "→ look(", "What is it?", "[image_url]", "answer",
             "Let me think.", "Forty-two.", "→ note({})", "tokens     10+5",
             "cost       $", "finish     stop"]  # fmt: skip
    places = [page.index(word) for word in order]
    assert places == sorted(places)
    assert "\x1b" not in page


def test_a_page_says_which_prompt_was_used_and_what_was_filled_in(dashcam: Command, record: Record) -> None:
    variables = {"text": "one\nline", "count": 3, "long": "x" * 500}
    said = {"prompt_name": "short", "prompt_version": 7, "prompt_label": "production", "prompt_variables": variables}
    record(an_entry(REQUEST, ANSWER, **said))
    lines = [line for line in dashcam("show").out.splitlines() if line.startswith(("prompt", "variable"))]
    assert lines[0].split() == ["prompt", "short@7", "(production)"]
    assert [line.split()[1] for line in lines[1:]] == ["text", "count", "long"]
    assert lines[3].endswith("x…")
    found = json.loads(dashcam("show", "--json").out)
    assert found["prompt_variables"] == variables


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("off", "keep facts only"),
        ("truncated", "only a part was kept"),
        ("pruned", "removed by retention"),
        ("redacted", "could not be looked through"),
    ],
)
def test_what_is_not_there_is_told(dashcam: Command, record: Record, state: str, told: str) -> None:
    entry = an_entry(content_state=ContentState(state))
    entry = type(entry)(interaction=entry.interaction)
    record(entry)
    assert dashcam("show").out.count(told) == 2


def test_a_column_that_is_gone_is_told_without_a_traceback(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(an_entry(REQUEST, ANSWER))
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "dashcam.db")) as by_hand:
        by_hand.execute("ALTER TABLE interaction RENAME COLUMN finish_kind TO mine")
    told = dashcam("show")
    assert told.code == 1
    assert "altered by hand: a column finish_kind is gone" in told.err
    assert "next: dashcam db check" in told.err


def test_a_failure_is_told_first(dashcam: Command, record: Record) -> None:
    record(an_entry(outcome=Outcome.TIMED_OUT, success=False, error_type="upstream_error", error_code="timed_out",
                    error_message="no\x1b[31m answer", http_status=504))  # fmt: skip
    head, _, error, *_ = dashcam("show", is_terminal=False).lines
    assert "timed_out  504" in head
    assert error == "upstream_error / timed_out: no\ufffd[31m answer"


def test_an_answer_without_content_says_how_to_read_it(dashcam: Command, record: Record) -> None:
    record(an_entry(REQUEST, b'{"error":{"message":"no"}}', outcome=Outcome.UPSTREAM_ERROR, http_status=401))
    assert "bytes; see --raw" in dashcam("show").out.partition("answer")[2]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"http_status": 200}, "answered 200 in 80 ms"),
        ({"error": "dns"}, "failed (dns) in 80 ms"),
        ({"http_status": 200, "error": "closed_early"}, "answered 200, then failed (closed_early) in 80 ms"),
        ({}, "no answer in 80 ms"),
    ],
)
def test_how_a_try_went(dashcam: Command, record: Record, changes: dict[str, Any], told: str) -> None:
    entry = an_entry(REQUEST, ANSWER)
    attempt = Attempt(
        interaction_id=entry.interaction.id, number=1, provider="openai", upstream="http://x/v1", started_at=0,
        duration_ms=80.0, **changes,
    )  # fmt: skip
    record(replace(entry, attempts=(attempt,)))
    assert f"attempt 1  http://x/v1: {told}" in dashcam("show").out


def test_json_has_everything(dashcam: Command, record: Record) -> None:
    record(an_entry(REQUEST, ANSWER))
    found = json.loads(dashcam("show", "--json").out)
    assert found["request"]["content"]["messages"][0]["role"] == "system"
    assert found["response"]["content"]["choices"][0]["message"]["content"] == "Forty-two."
    assert found["model"] == "gpt-5"


def test_raw_is_the_bytes_and_nothing_else(dashcam: Command, record: Record) -> None:
    asked, answered = '{"a":"é"}', "\x00\x1b[2J ü"
    record(an_entry(asked.encode(), answered.encode()))
    assert dashcam("show", "--raw", "--request").out == asked
    assert dashcam("show", "--raw", "--response").out == answered
    assert dashcam("show", "--raw").out == asked + answered


def test_references(dashcam: Command, record: Record) -> None:
    entries = [an_entry(model="older"), an_entry(model="newer")]
    record(*entries)
    assert dashcam("show", "last").out.startswith("newer")
    assert dashcam("show", "last-1").out.startswith("older")
    assert dashcam("show", entries[0].interaction.id).out.startswith("older")
    for reference, told in (("last-2", "no call"), ("0" * 12, "no call"), ("zz", "is no id"),
                            (entries[0].interaction.id[:6], "more than one")):  # fmt: skip
        said = dashcam("show", reference)
        assert (said.code, said.out) == (3, "")
        assert told in said.err
        assert "next: " in said.err


def test_a_page_has_what_the_caller_said(dashcam: Command, record: Record) -> None:
    own_id = "5f1d7a52-0f7e-4d55-9d5b-3b1f0c2a7e11"
    record(
        an_entry(
            user_id="kim\x1b[2J", session_id="s-1", trace_id="t-1", app="shop", environment="prod", tags=("eu", "beta"),
            metadata={"team": "blue"}, client_request_id=own_id, retry_count=2, parent_id="0193a3e2",
        )
    )  # fmt: skip
    page = dashcam("show", own_id).out
    for line in ("session    s-1", "trace      t-1", "app        shop", "tags       eu, beta", f"own id     {own_id}",
                 "metadata   team = blue", "retry      the client's retry 2 of 0193a3e2"):  # fmt: skip
        assert line in page
    assert "\x1b" not in page


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (((1, 0, '"a":1,'),), "usage was asked for;"),
        (((1, 5, ""),), "metadata stayed here;"),
        (((1, 0, '"a":1,'), (1, 5, "")), "usage was asked for and metadata stayed here;"),
    ],
)
def test_what_was_changed_is_said(
    dashcam: Command, record: Record, edits: tuple[tuple[int, int, str], ...], words: str
) -> None:
    entry = an_entry(request_modified=True)
    assert entry.request is not None
    record(replace(entry, request=replace(entry.request, edits=edits)))
    assert words in dashcam("show").out


@pytest.mark.parametrize(
    ("facts", "text", "words"),
    [
        ({"route": "fast"}, '"m-1"', "its route gave it a model or parameters;"),
        ({"route": "fast"}, '"stream_options":{"include_usage":true},', "usage was asked for;"),
        ({"prompt_name": "short", "prompt_version": 1}, '{"messages":[]}', "a stored prompt was put in;"),
    ],
)
def test_what_a_route_or_a_prompt_changed_is_said(
    dashcam: Command, record: Record, facts: dict[str, Any], text: str, words: str
) -> None:
    entry = an_entry(request_modified=True, **facts)
    assert entry.request is not None
    record(replace(entry, request=replace(entry.request, edits=((1, 3, text),))))
    assert words in dashcam("show").out


def test_a_compressed_request_is_shown_as_it_was_meant(dashcam: Command, record: Record) -> None:
    entry = an_entry(gzip.compress(REQUEST), ANSWER)
    assert entry.request is not None
    record(replace(entry, request=replace(entry.request, content_encoding="gzip")))
    assert "Be brief." in dashcam("show").out
    assert json.loads(dashcam("show", "--json").out)["request"]["content"]["model"] == "m"


def test_a_form_is_shown_by_its_fields_and_files(dashcam: Command, record: Record) -> None:
    entry = an_entry(form(field("model", "whisper-1"), file("file", "a.mp3", "audio/mpeg", b"12345")), b"Hello")
    assert entry.request is not None
    record(replace(entry, request=replace(entry.request, media_type=HEADER.partition(": ")[2])))
    page = dashcam("show").out
    assert "model: whisper-1" in page
    assert "file: a.mp3 (audio/mpeg, 5 bytes)" in page


@pytest.mark.parametrize(
    "odd",
    [
        b'{"user":"\\ud800","choices":[{"message":{"content":"\\ud800x"}}]}',
        b'{"n":123456789012345678901234567890,"x":NaN,"choices":[{"index":99999999999999999999999}]}',
        b'{"n":1,"deep":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"n":1,"deep":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
    ids=["half a character", "a huge integer", "deep", "too deep to be read"],
)
def test_json_of_what_can_be_read_and_not_be_written_is_its_text(dashcam: Command, record: Record, odd: bytes) -> None:
    record(an_entry(odd, odd))
    found = json.loads(dashcam("show", "--json").out)
    assert found["request"]["content"] == found["response"]["content"] == odd.decode()


def test_json_has_the_answer_of_a_stream_put_together(dashcam: Command, record: Record) -> None:
    record(an_entry(REQUEST, answer("openai_tools.sse")))
    found = json.loads(dashcam("show", "--json").out)["answer"]
    (choice,) = found["choices"]
    called = [(call["name"], json.loads(call["arguments"])) for call in choice["tool_calls"]]
    assert called == [("weather", {"city": "Rome"}), ("time", {"zone": "CET"})]
    assert (choice["finish_reason"], found["usage"]["total_tokens"]) == ("tool_calls", 45)
