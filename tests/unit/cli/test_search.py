"""``dashcam search``: words in questions and answers, the newest first, bounded."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import replace
from typing import Any

import pytest

from proxy.cli import search as searching
from proxy.domain.interaction import Entry
from proxy.store.filters import text_index
from proxy.store.reading import reader
from tests.support.entries import STARTED_AT, an_entry
from tests.unit.cli.conftest import Command, Record


def said(asked: str, answered: str = "fine", second: int = 0, **changes: Any) -> Entry:
    entry = an_entry(started_at=STARTED_AT + second * 1000, **changes)
    return replace(entry, input_text=asked, output_text=answered)


def found(dashcam: Command, *arguments: str) -> list[str]:
    return [line.split("\t")[4] for line in dashcam("search", "--no-headers", *arguments).lines]


def test_all_words_must_be_there_on_either_side_and_the_newest_is_first(dashcam: Command, record: Record) -> None:
    record(said("Refund my order", second=1), said("a cat", "no REFUND for a cat", second=2), said("weather", second=3))
    assert found(dashcam, "refund") == ["a cat", "Refund my order"]
    assert found(dashcam, "refund", "cat") == ["a cat"]
    assert found(dashcam, "my order") == ["Refund my order"]
    assert found(dashcam, "refund", "-n", "1") == ["a cat"]
    assert found(dashcam, "refund", "--until", "last") == ["a cat", "Refund my order"]
    assert found(dashcam, "refund", "--since", "last") == []


def test_words_are_of_letters_and_digits_and_filters_are_those_of_the_grammar(dashcam: Command, record: Record) -> None:
    record(said("100% sure!", second=1), said("100 times", second=2), said("snake_case", second=3), said("snakeXcase"))
    assert found(dashcam, "100%") == ["100 times", "100% sure!"]
    assert found(dashcam, "snake_case") == ["snake_case"]
    assert found(dashcam, "snake*") == ["snake_case", "snakeXcase"]
    assert found(dashcam, "100", "--", "-sure!") == ["100 times"]
    assert found(dashcam, "100", "model:gpt-5", "latency:<1h") == ["100 times", "100% sure!"]
    assert "no such filter" in dashcam("search", "100", "colour:red").err
    assert "no word to look for" in dashcam("search", "model:gpt-5").err


def test_a_sealed_record_says_so_and_prints_nothing(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(said("find me"))
    monkeypatch.setenv("DASHCAM_DATABASE__SEAL", "true")
    monkeypatch.setenv("DASHCAM_MASTER_KEY", secrets.token_hex(32))
    told = dashcam("search", "find")
    assert (told.code, told.out, "the record is sealed" in told.err) == (2, "", True), told


def test_sealed_calls_that_are_passed_over_are_told_once_sealing_is_off_again(
    dashcam: Command, record: Record, sealed: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(said("find me"))
    assert dashcam("search", "find").err == ""
    sealed(said("find me, too"))
    for command in (("search", "find"), ("logs", "find"), ("export", "find")):
        told = dashcam(*command)
        assert told.code == 0
        assert "that are sealed (database.seal was on) were passed over" in told.err, command
    assert found(dashcam, "find") == ["find me"]
    # Neither where no words are looked for, nor where no sealed call can be.
    assert "sealed" not in dashcam("logs", "model:gpt-*").err
    assert dashcam("search", "find", "--since", "2199-01-01").err == ""


def test_nothing_is_told_of_sealed_calls_that_are_gone(dashcam: Command, record: Record, sealed: Record) -> None:
    sealed(said("find me"))
    dashcam("purge", "--everything", "--yes")
    record(replace(said("find me"), interaction=an_entry(started_at=4_102_444_800_000).interaction))
    told = dashcam("search", "find")
    assert (told.err, len(told.lines)) == ("", 2)


def test_json_has_the_row_and_its_texts(dashcam: Command, record: Record) -> None:
    record(said("find me", model="m"))
    (row,) = json.loads(dashcam("search", "find", "--json").out)
    assert (row["model"], row["input_text"], row["output_text"]) == ("m", "find me", "fine")
    assert json.loads(dashcam("search", "nowhere", "--json").out) == []


def test_a_terminal_gets_matches_painted_and_is_told_when_there_is_more_or_nothing(
    dashcam: Command, record: Record
) -> None:
    record(*(said(f"find me {number}", second=number) for number in range(3)))
    seen = dashcam("search", "FIND", "-n", "2", is_terminal=True)
    assert "\x1b[1;33mfind\x1b[0m me 2" in seen.out
    assert "See more with: -n 10" in seen.err
    assert "has these words" in dashcam("search", "nowhere", is_terminal=True).err
    assert dashcam("search", "nowhere").err == ""


@pytest.mark.parametrize("rare", [-1, 5000])
def test_every_page_is_looked_through(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, rare: int
) -> None:
    monkeypatch.setattr(reader, "PAGE", 2)
    monkeypatch.setattr(text_index, "RARE", rare)
    record(*(said(f"number {number}", second=number // 2) for number in range(9)))
    assert sorted(found(dashcam, "number")) == [f"number {number}" for number in range(9)]
    assert found(dashcam, "number 0") == ["number 0"]


def test_when_the_time_is_over_it_says_how_to_go_on(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PAGE", 1)
    monkeypatch.setattr(text_index, "RARE", -1)
    monkeypatch.setattr(searching, "SECONDS", -1.0)
    record(said("old", second=1), said("new", second=2))
    first = dashcam("search", "old")
    assert len(first.lines) == 1
    (until,) = re.findall(r"go on with: --until (\S+)", first.err)
    assert found(dashcam, "old", "--until", until) == ["old"]


def test_nothing_that_was_said_steers_the_terminal(dashcam: Command, record: Record) -> None:
    record(said("find \x1b[2J\nforged\u202e", "\x9b31m"))
    for is_terminal in (True, False):
        out = dashcam("search", "find", "--color", "never", is_terminal=is_terminal).out
        assert not {letter for letter in out if not letter.isprintable() and letter not in "\n\t"}


def test_a_list_by_words_shows_where_they_stand_on_a_terminal_only(dashcam: Command, record: Record) -> None:
    record(said("A late refund, please", "No.", second=1), said("weather", second=2))
    seen = dashcam("logs", "refund", "status:ok", is_terminal=True)
    assert "A late \x1b[1;33mrefund\x1b[0m, please" in seen.out
    assert "weather" not in seen.out
    assert "late" not in dashcam("logs", "refund").out
    assert "late" not in dashcam("logs", "status:ok", is_terminal=True).out
