"""Changes wait in files and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.cost import Price
from proxy.loader.amendments import decode, encode
from proxy.store.changes.amending import Amendment, Change

_VALUE = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20) | st.lists(st.text(max_size=3))
)
_COLUMNS = st.dictionaries(st.sampled_from(["model", "cost_pico_usd", "tool_names"]), _VALUE)
_PRICES = st.none() | st.builds(
    Price, id=st.text(max_size=5), provider=st.just("p"), model=st.just("m"), tier=st.just("t"),
    rates=st.dictionaries(st.text(max_size=5), st.just("0.1")), source=st.just("s"), source_version=st.just("1"),
)  # fmt: skip
_CHANGES = st.builds(
    Change, id=st.uuids().map(str), before=_COLUMNS, after=_COLUMNS, price=_PRICES,
    answer=st.none() | st.tuples(st.text(max_size=5), st.text(max_size=5)),
    texts=st.none() | st.tuples(st.none() | st.text(max_size=5), st.none() | st.text(max_size=5)),
)  # fmt: skip


@given(st.lists(_CHANGES, max_size=3), st.text(max_size=20))
def test_what_waits_is_what_was_written(changes: list[Change], reason: str) -> None:
    amendment = Amendment(command="recost", reason=reason, at=5, changes=changes)
    assert decode(encode(amendment)) == amendment


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"changes": 1}', b'{"changes": [{}]}', b"\xff"])
def test_what_is_no_amendment_is_told(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(data)
