"""In a compact body everything stands where it is told to; any other spelling is none."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.compact import is_compact, place_of

LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    LEAVES | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2)
)


@given(st.dictionaries(st.sampled_from(["model", 'a"b', "\u00e9", ""]) | TEXTS, VALUES, max_size=5))
def test_a_member_stands_where_it_is_told_to(values: dict[str, object]) -> None:
    body = orjson.dumps(values)
    read = orjson.loads(body)
    assert is_compact(body, read)
    for name, value in values.items():
        place = place_of(body, read, name)
        assert place is not None
        start, length = place
        assert body[start : start + length] == orjson.dumps(value)
        assert body[:start].endswith(orjson.dumps(name) + b":")
    assert place_of(body, read, "no such member") is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}', b'{"a":1} ', b'{"a":1.10}', b'{"a":1,"a":1}', b'{"a":"\\u00e9"}', b'{"a":1e400}',
        b'{"a":"\\ud800"}', b'{"a":123456789012345678901234567890}', b'{"\\u0061":1}', b'{"a":NaN}',
    ],
)  # fmt: skip
def test_any_other_spelling_is_not_compact(body: bytes) -> None:
    assert not is_compact(body, json.loads(body))
    assert place_of(body, json.loads(body), "a") is None
