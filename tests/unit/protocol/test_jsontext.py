"""JSON as the wire carries it is read, or said to be none; nothing raises."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.jsontext import MISSING, count, parse, parse_object, written


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":"\\ud83d"}', {"a": "\ud83d"}),
        (b'{"a":1e400}', {"a": math.inf}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'\n\n {"a":1}', {"a": 1}),
        (b'{"a":%s,"b":2}' % (b"9" * 5000), {"a": math.inf, "b": 2}),
        (b'{"a":-%s}' % (b"9" * 50), {"a": -float("9" * 50)}),
    ],
)
def test_traps(data: bytes, expected: object) -> None:
    assert parse(data) == expected


def test_not_a_number_is_read() -> None:
    assert math.isnan(parse(b'{"a":NaN}')["a"])


@pytest.mark.parametrize("data", [b"", b"{", b"<html>", b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000])
def test_what_is_no_json_is_missing(data: bytes) -> None:
    value = parse(data)
    assert value is MISSING or isinstance(value, dict)
    assert parse_object(b"[1]") is None


def test_values_are_written_as_json_and_never_raise() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    assert written({"a": None, "b": [True, "é"]}) == '{"a": null, "b": [true, "é"]}'
    assert (written("as it is"), written(deep)) == ("as it is", "(nested too deeply)")


@given(st.binary(max_size=200))
def test_nothing_raises(data: bytes) -> None:
    parse(data)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (5.0, 5),
        (0, 0),
        (-1, None),
        (2.5, None),
        (True, None),
        ("5", None),
        (None, None),
        (math.inf, None),
        (math.nan, None),
        (2**70, None),
        (10.0**30, None),
    ],
)
def test_counts_are_what_a_column_holds(value: object, expected: int | None) -> None:
    assert count(value) == expected
