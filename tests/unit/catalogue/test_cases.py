"""Cases of prompts: what is expected is compared whatever the order of its members; what is wrong names its field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.catalogue.bundle import FORMAT, bundle_from, imported
from proxy.catalogue.cases import CaseDocument, Verdict, judge, read_cases, updated, write_cases
from proxy.catalogue.catalogue import Catalogue
from proxy.errors import InvalidError

HEAD = "format: dashcam-cases/1\n"
CONTENT = {"messages": [{"role": "user", "content": "Hi {{ you }}"}], "parameters": {"seed": 1, "temperature": 0},
           "variables": {"you": "string"}}  # fmt: skip
BUNDLE = bundle_from(
    {"format": FORMAT, "prompts": [{"name": "hello", "versions": [{"content": CONTENT}]}]},
    datetime(2026, 11, 27, tzinfo=UTC),
)
STORED = (imported(Catalogue(), BUNDLE).prompts, BUNDLE.contents.get)
EXPECTED = [{"content": "Hi Ana", "role": "user"}]


def case_with(**values: Any) -> CaseDocument:
    return CaseDocument(**{"name": "Ana", "variables": {"you": "Ana"}, "expected": EXPECTED, **values})


def judged(**values: Any) -> Verdict:
    return judge(case_with(**values), "hello", *STORED)


def test_what_is_expected_is_ok_and_what_is_not_is_told_line_by_line() -> None:
    assert (judged().is_ok, judged().title) == (True, "hello@1")
    assert judged(version="1", parameters={"temperature": 0, "seed": 1}).is_ok
    other = judged(variables={"you": "Bea"})
    assert (other.is_ok, "Hi Ana" in other.before, "Hi Bea" in other.after) == (False, True, True)
    assert not judged(parameters={"seed": 2, "temperature": 0}).is_ok


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"variables": {}}, "'you' is missing"),
        ({"version": "nowhere"}, "no version 'nowhere'"),
        ({"prompt": "none"}, "no prompt 'none'"),
        ({"expected": None}, "says nothing of what is expected"),
    ],
)
def test_what_cannot_be_compared_is_not_ok(values: dict[str, Any], told: str) -> None:
    verdict = judged(**values)
    assert (verdict.is_ok, told in str(verdict.reason)) == (False, True)


def test_a_case_is_brought_up_to_date_and_written_as_it_is_read() -> None:
    old = case_with(expected=None, parameters={})
    new = updated(old, "hello", *STORED)
    assert (new.expected, new.parameters) == ([{"role": "user", "content": "Hi Ana"}], {"seed": 1, "temperature": 0})
    assert updated(case_with(), "hello", *STORED).parameters is None
    other = case_with(name="other")
    assert read_cases(write_cases([new, other]).encode()) == [new, other]
    assert read_cases((HEAD + "cases: [{name: a, version: 2}]").encode())[0].version == "2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cases: []", "format: is not dashcam-cases/1"),
        ("[]", "format: is not"),
        (HEAD, "cases: is missing"),
        (HEAD + "cases: [{name: a, colour: 1}]", "cases.0.colour: is not a field"),
        (HEAD + "cases: [{prompt: a}]", "cases.0.name: is missing"),
        (HEAD + "cases: [{name: a, prompt: A B}]", "cases.0.prompt: "),
        (HEAD + "cases: [{name: a}, {name: a}]", "'a' is there twice"),
        (HEAD + "cases: [{name: a, expected: x}]", "cases.0.expected: must be a list"),
        (HEAD + "cases: [{name: a, version: true}]", "cases.0.version: must be a text"),
        (HEAD + "cases: [", "is no YAML"),
    ],
)
def test_what_is_wrong_names_its_field(text: str, told: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_cases(text.encode())
    assert told in str(caught.value)
