"""Heads of versions, and the next one: contents go apart under their hash, and what is wrong has its place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.catalogue.heads import LONGEST_NOTE, NextVersion, read_head, read_next
from proxy.errors import Problem
from tests.support.catalogues import content_of, sha256_of

NOW = datetime(2026, 11, 27, tzinfo=UTC)
HI = content_of("Hi")


def test_a_head_has_what_it_says_and_the_usual_and_its_content_lies_apart() -> None:
    contents: dict[str, Any] = {}
    problems: list[Problem] = []
    said = {"author": "ana", "content": {"messages": [{"role": "system", "content": "Hi"}]}}
    head = read_head(said, {"number": 3, "author": ""}, "versions.3", contents, problems)
    assert (head, problems) == ({"number": 3, "author": "ana", "sha256": sha256_of(HI)}, [])
    assert contents == {sha256_of(HI): HI}
    assert read_head("x", {}, "", contents, problems) == "x"


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"content": {"messages": []}}, "content.messages"),
        ({"content": HI, "sha256": "0" * 64}, "sha256"),
        ({}, "content"),
    ],
)
def test_what_is_wrong_with_a_head_has_its_place(said: dict[str, Any], place: str) -> None:
    for prefix in ("", "draft"):
        problems: list[Problem] = []
        read_head(said, {}, prefix, {}, problems)
        assert [item.field for item in problems] == [f"{prefix}.{place}".removeprefix(".")]


def test_the_next_version_has_no_number_yet() -> None:
    contents: dict[str, Any] = {}
    found = read_next({"content": HI, "labels": ["a"], "note": "new", "version_name": "1.1"}, NOW, "p", contents, [])
    assert found == NextVersion(sha256=sha256_of(HI), at=NOW, note="new", name="1.1", labels=("a",))
    assert contents == {sha256_of(HI): HI}


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"labels": {"a": 1}}, "p.labels"),
        ({"labels": [1]}, "p.labels"),
        ({"note": "x" * (LONGEST_NOTE + 1)}, "p.note"),
        ({"version_name": 1.1}, "p.version_name"),
        ({"versions": []}, "p.versions"),
        ({"draft": None}, "p.draft"),
        ({"content": None}, "p.content"),
    ],
)
def test_what_is_wrong_with_the_next_version_has_its_place(said: dict[str, Any], place: str) -> None:
    problems: list[Problem] = []
    assert read_next({"content": HI, **said}, NOW, "p", {}, problems) is None
    assert [item.field for item in problems] == [place]
