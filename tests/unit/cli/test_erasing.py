"""``dashcam purge``, ``anonymise``, ``delete`` and ``redact``, with no Dashcam running."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.entries import STARTED_AT, an_entry
from tests.unit.cli.conftest import Command, Record


def users(dashcam: Command) -> list[str]:
    return sorted(str(row["user_id"]) for row in json.loads(dashcam("logs", "--json").out))


def test_nothing_is_erased_before_it_is_confirmed(dashcam: Command, record: Record) -> None:
    record(an_entry(user_id="kim"), an_entry(user_id="lee"))
    assert dashcam("purge", "--user", "kim").out == "1 call would be erased. Nothing was changed; do it with: --yes\n"
    assert users(dashcam) == ["kim", "lee"]
    assert dashcam("purge", "--user", "kim", "--yes").out == "1 call erased.\n"
    assert users(dashcam) == ["lee"]
    told = json.loads(dashcam("purge", "--everything", "--yes", "--json").out)
    assert (told["calls"], told["is_finished"], told["kind"]) == (1, True, "purge")
    assert users(dashcam) == []


def test_times_and_queries_narrow_it(dashcam: Command, record: Record) -> None:
    record(an_entry(user_id="old"), an_entry(user_id="young", started_at=STARTED_AT + 60_000))
    until = datetime.fromtimestamp(STARTED_AT / 1000 + 1, UTC).isoformat()
    assert json.loads(dashcam("purge", "user:y*", "--until", until, "--json").out)["calls"] == 0
    assert json.loads(dashcam("purge", "--until", until, "--json").out)["calls"] == 1
    assert json.loads(dashcam("purge", "--since", "2026-01-01", "user:o*", "--yes", "--json").out)["calls"] == 1
    assert users(dashcam) == ["young"]


def test_the_anonymous_stay_on_record(dashcam: Command, record: Record) -> None:
    record(an_entry(user_id="kim", metadata={"team": "eu", "mail": "k@x"}))
    assert dashcam("anonymise", "--user", "kim", "--keep", "team", "--yes").out == "1 call made anonymous.\n"
    (row,) = json.loads(dashcam("logs", "--json").out)
    assert (row["user_id"], row["metadata"], row["cost_pico_usd"]) == (None, {"team": "eu"}, 2_500_000)


def test_calls_go_by_their_ids(dashcam: Command, record: Record) -> None:
    record(an_entry(user_id="kim"), an_entry(user_id="lee", input_preview="secret"))
    assert "say that you are sure" in dashcam("delete", "last").err
    assert dashcam("redact", "last", "last-1", "--yes").out == "2 calls redacted.\n"
    assert {row["content_state"] for row in json.loads(dashcam("logs", "--json").out)} <= {"pruned", "off"}
    assert dashcam("delete", "last", "--yes").out == "1 call erased.\n"
    assert len(users(dashcam)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("purge",), 2, "says which calls"),
        (("purge", "--everything", "--user", "kim"), 2, "stands alone"),
        (("purge", "nonsense:x"), 2, "nonsense"),
        (("purge", "--since", "whenever"), 2, "no time"),
        (("purge", "--user", ""), 2, "user"),
        (("delete", "0" * 8, "--yes"), 3, "no call"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    dashcam: Command, record: Record, arguments: tuple[str, ...], code: int, words: str
) -> None:
    record(an_entry(user_id="kim"))
    said = dashcam(*arguments)
    assert said.code == code
    assert words in said.err
    assert users(dashcam) == ["kim"]


@pytest.mark.parametrize("command", ["purge", "anonymise"])
def test_without_a_word_of_which_calls_nothing_is_counted(dashcam: Command, record: Record, command: str) -> None:
    record(an_entry())
    said = dashcam(command, "--yes")
    assert (said.code, f"nothing says which calls\n  next: dashcam {command} --user kim" in said.err) == (2, True)


def test_by_words_sealed_calls_are_not_meant_and_that_is_told(
    dashcam: Command, record: Record, sealed: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(replace(an_entry(), input_text="refund me"))
    assert "sealed" not in dashcam("purge", "refund").err
    sealed(replace(an_entry(), input_text="refund me, too"))
    said = dashcam("purge", "refund", "--yes")
    assert (said.code, "that are sealed (database.seal was on) are not among them" in said.err) == (0, True)
    assert len(dashcam("logs", "--no-headers").lines) == 1
    monkeypatch.setenv("DASHCAM_DATABASE__SEAL", "true")
    assert "the record is sealed" in dashcam("purge", "refund", "--yes").err


def test_a_query_may_be_several_words(dashcam: Command, record: Record) -> None:
    record(an_entry(user_id="kim", model="a"), an_entry(user_id="kim", model="b"))
    assert dashcam("purge", "user:kim", "model:a").out.startswith("1 call would be erased")


@pytest.mark.parametrize(
    "words",
    [("purge", "--user", "kim"), ("delete", "last"), ("prune",), ("feedback", "last", "yes"), ("tag", "last", "x")],
)
def test_where_there_is_no_record_none_is_made(dashcam: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    said = dashcam(*words)
    assert (said.code, "there is no database at" in said.err) == (3, True)
    assert not (tmp_path / "data" / "dashcam.db").exists()
