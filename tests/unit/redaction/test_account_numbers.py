"""Numbers with a check digit, and telephones."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.redaction.account_numbers import find_cards, find_ibans, find_phones

Find = Callable[[bytes], Iterable[tuple[int, int]]]


def found(find: Find, text: str) -> list[str]:
    data = text.encode()
    return [data[start:end].decode() for start, end in find(data)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024 4111 1111 1111 1111", ["4111 1111 1111 1111"]),
        ("x12 4111-1111-1111-1111.", ["4111-1111-1111-1111"]),
        ("4111111111111111,378282246310005", ["4111111111111111", "378282246310005"]),
        ("3782 822463 10005 ok", ["3782 822463 10005"]),
        ("4111 1111 1111 1111 123", ["4111 1111 1111 1111"]),
        ("4111111111111112", []),
        ("a4111111111111111 4111111111111111b", []),
        ("1732700000000000000", []),
    ],
)
def test_cards(text: str, expected: list[str]) -> None:
    assert found(find_cards, text) == expected


@given(st.text("0123456789", min_size=11, max_size=17), st.sampled_from("23456"))
def test_any_number_that_passes_the_check_is_a_card(digits: str, first: str) -> None:
    body = first + digits
    total = sum(
        sum(divmod(int(digit) * 2, 10)) if place % 2 == 0 else int(digit) for place, digit in enumerate(reversed(body))
    )
    card = f"{body}{-total % 10}"
    assert found(find_cards, f"no. {card}!") == [card]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DE89 3704 0044 0532 0130 00 BIC COBADEFF", ["DE89 3704 0044 0532 0130 00"]),
        ("GB82WEST12345698765432", ["GB82WEST12345698765432"]),
        ("FR14 2004 1010 0505 0001 3M02 606", ["FR14 2004 1010 0505 0001 3M02 606"]),
        ("xGB82WEST12345698765432", []),
        ("DE89370400440532013001", []),
        ("ZZ82WEST12345698765432", []),
    ],
)
def test_ibans(text: str, expected: list[str]) -> None:
    assert found(find_ibans, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 171 1234567 on 2024-05-01", ["+49 171 1234567"]),
        ("tel:+1-415-555-2671", ["+1-415-555-2671"]),
        ("+4917112345678", ["+4917112345678"]),
        ("call (415) 555-2671 now", ["(415) 555-2671"]),
        ("415-555-2671", ["415-555-2671"]),
        ("030 1234567, 0049 30 1234567", ["030 1234567", "0049 30 1234567"]),
        ("2024-01-01 12:30 0012345678 1.415.555.2671 +12", []),
    ],
)
def test_phones(text: str, expected: list[str]) -> None:
    assert found(find_phones, text) == expected


@given(st.binary(max_size=200))
def test_all_spans_are_in_the_text(text: bytes) -> None:
    for find in (find_cards, find_ibans, find_phones):
        assert all(0 <= start < end <= len(text) for start, end in find(text))
