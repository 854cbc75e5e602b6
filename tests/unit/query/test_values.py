"""Values of each kind; what is none says what would be one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.query.fields import FIELDS
from proxy.query.terms import Ago, Amount, Moment, Text, Value
from proxy.query.values import close_to, read_value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("latency", "1.5m", Amount(Decimal(90_000))),
        ("latency", "0s", Amount(Decimal(0))),
        ("tokens", "2M", Amount(Decimal(2_000_000))),
        ("cost", "$0.000000000001", Amount(Decimal("0.000000000001"))),
        ("status", "5xx", Text("5xx")),
        ("status", "599", Amount(Decimal(599))),
        ("stream", "TRUE", Text("yes")),
        ("score", "-0.5", Amount(Decimal("-0.5"))),
        ("since", "3h", Ago(10_800_000)),
        ("since", "2026-11-01T01:00:00+01:00", Moment(1_793_491_200_000)),
        ("id", "0193-ABCD", Text("0193-abcd")),
    ],
)
def test_values(name: str, text: str, value: Value) -> None:
    assert read_value(FIELDS[name], text) == value


def test_what_is_quoted_is_taken_as_it_is() -> None:
    assert read_value(FIELDS["model"], "a*", is_quoted=True) == Text("a*")
    assert read_value(FIELDS["model"], "a*") == Text("a", is_open=True)


@pytest.mark.parametrize("text", ["\u0663s", "1e3", "-1", "1_000", "nan", "infinity", "9" * 40, ""])
@pytest.mark.parametrize("name", ["latency", "tokens", "cost", "status"])
def test_what_python_would_take_for_a_number_is_none(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        read_value(FIELDS[name], text)


def test_what_may_be_meant() -> None:
    assert close_to("latncy", tuple(FIELDS)) == " (did you mean latency?)"
    assert close_to("zzz", tuple(FIELDS)) == ""
