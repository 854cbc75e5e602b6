"""YAML in and out: what is written is read as the same, and hostile texts are refused with their field and line."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.catalogue.yaml_text import MAX_BYTES, read_yaml, write_yaml
from proxy.errors import InvalidError

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def refusal_of(text: str | bytes) -> str:
    with pytest.raises(InvalidError) as caught:
        read_yaml(text)
    (problem,) = caught.value.problems
    return str(problem)


@settings(max_examples=300)
@given(VALUES)
@example(
    {"a": ["yes", "on", "1:30", "1e5", "0x1F", "010", "1_000", "2026-11-01", "~", "", "-", "null", ".inf", "=", "<<"]}
)
@example({"a": "x\n\n y \n", "b": " x\n", "c": "\tx\n\ty", "d": "\ufeffx", "e": "x\u2028y\x85z\r\n", "f": "\x7f\x1b"})
@example({"": {"": []}, "5": 5, "true": True, "~": None})
def test_what_is_written_is_read_as_the_same(value: Any) -> None:
    assert read_yaml(write_yaml(value)) == value


@settings(max_examples=200)
@given(VALUES)
def test_json_is_read_as_what_it_says(value: Any) -> None:
    assert read_yaml(json.dumps([value])) == [value]
    assert read_yaml(json.dumps({"a": value}, ensure_ascii=False, indent=1)) == {"a": value}


@settings(max_examples=300)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_a_value_or_refused(text: str | bytes) -> None:
    with contextlib.suppress(InvalidError):
        read_yaml(text)


def test_a_text_of_several_lines_is_written_as_a_block() -> None:
    assert write_yaml({"content": "You are kind.\n\nAnswer.\n"}) == "content: |\n  You are kind.\n\n  Answer.\n"


BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "b.0: refers to something else (*a), which is not read here; write it out (line 2)"),
        ("a: !!python/object/apply:os.system ['x']", "a: has the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: [1, !secret x]", "a.1: has the tag !secret"),
        ("a: !!binary aGk=", "a: has the tag tag:yaml.org,2002:binary"),
        ("a: 1\nb: {c: 1, c: 2}", "b: says 'c' twice (line 2)"),
        ("{[1]: 2}", "has a list or an object where a name belongs (line 1)"),
        ("a: 1\n---\nb: 1", "is a second document"),
        ("a: [1", "is no YAML: did not find expected ',' or ']' (line"),
        ("a:\n\t- 1", "is no YAML: "),
        ("a: \x01", "is no YAML: "),
        (b"a: \xff", "is no UTF-8 text: invalid start byte at 3"),
        (b"a" * (MAX_BYTES + 1), "is larger than 8 MB"),
        ("[" * 40 + "]" * 40, "is nested deeper than 32 levels"),
        ("[" * 100_000, "is no YAML: exceeded maximum nesting depth (line 1)"),
        ("- " * 40, "is nested deeper than 32 levels (line 1)"),
        ('{"a": NaN}', "a: is no number that JSON has"),
        ("a: " + "9" * 25, "a: is a number beyond 64 bits"),
        ('{"a": 1, "a": 2}', "a: is said twice in one object"),
        ("a: " * 40 + "1", "is no YAML: "),
        ("- x\n" * 200_001, "is one value too many"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_hostile_texts_are_refused_with_field_and_line(text: str | bytes, told: str) -> None:
    assert told in refusal_of(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("a: yes", {"a": "yes"}), ("a: 2026-11-01", {"a": "2026-11-01"}), ("1: x", {"1": "x"}),
     ("a: 1.5e3", {"a": 1500.0}), ("a: 'true'", {"a": "true"}), ("a: ! 1", {"a": "1"}), ("a: &x 1", {"a": 1})],
)  # fmt: skip
def test_plain_words_mean_what_json_has(text: str, value: Any) -> None:
    assert read_yaml(text) == value
