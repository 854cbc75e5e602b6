"""The built-in patterns have names that may be labels, and find nothing in what takes their place."""

from __future__ import annotations

import pytest

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
