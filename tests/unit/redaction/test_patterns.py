"""The built-in patterns have names that may be labels, and find nothing in what takes their place."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Any

import pytest

from proxy.redaction import account_numbers, addresses, credentials, reading, strings
from proxy.redaction.patterns import BUILT_IN, UNREADABLE, placeholder
from tests.support.redacting import CANARIES, EVERYTHING


def test_each_pattern_has_its_canary() -> None:
    assert CANARIES.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", [*BUILT_IN, UNREADABLE])
def test_nothing_is_found_in_a_placeholder(name: str) -> None:
    assert EVERYTHING.find([placeholder(name).encode()]) == {}


@pytest.mark.parametrize(("name", "canary"), CANARIES.items())
def test_a_pattern_finds_what_it_is_for(name: str, canary: str) -> None:
    text = f"see {canary}, please".encode()
    assert [text[start:end].decode() for start, end in BUILT_IN[name].find(text)] == [canary]


def expressions() -> dict[str, re.Pattern[bytes]]:
    """Return all expressions that bodies are looked through with."""
    found: dict[str, re.Pattern[bytes]] = {}
    for module in (account_numbers, addresses, credentials, reading, strings):
        for name, value in vars(module).items():
            members = value.values() if isinstance(value, dict) else [value]
            found |= {f"{name}{at}": item for at, item in enumerate(members) if isinstance(item, re.Pattern)}
    return found


def ways_of(parsed: Iterable[tuple[object, Any]]) -> int:
    """Return in how many ways, at most, an expression can be tried at one place of a text.

    What is possessive, or of a fixed length, is tried in one; what repeats without end must be possessive.
    """
    ways = 1
    for operation, said in parsed:
        name = str(operation)
        if name == "MAX_REPEAT" or name == "MIN_REPEAT":
            low, high, inner = said
            assert high < 100, "a repetition without an end that may be taken back"
            ways *= high - low + 1
            assert ways_of(inner) ** high <= 2 or ways_of(inner) == 1, "a choice in a repetition"
        elif name == "POSSESSIVE_REPEAT":
            ways *= ways_of(said[2])
        elif name == "SUBPATTERN":
            ways *= ways_of(said[-1])
        elif name == "BRANCH":
            ways *= sum(ways_of(branch) for branch in said[1])
        elif name in ("ASSERT", "ASSERT_NOT"):
            ways *= ways_of(said[1])
        elif name == "ATOMIC_GROUP":
            ways *= ways_of(said)
    return ways


@pytest.mark.parametrize(("name", "expression"), expressions().items())
def test_no_expression_goes_back_far(name: str, expression: re.Pattern[bytes]) -> None:
    """So that the time for a text is linear in its length, whatever it says."""
    parsed = importlib.import_module("re._parser").parse(expression.pattern, expression.flags)
    assert ways_of(parsed) <= 64, name


def test_what_would_go_back_far_is_noticed() -> None:
    parse = importlib.import_module("re._parser").parse
    for pattern in (rb"a*b", rb"(?:a{0,2}a){1,30}"):
        with pytest.raises(AssertionError):
            ways_of(parse(pattern))
