"""Statements of many rows are bounded, by their number and by their bytes, and no row is lost or moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.store import bulk


@given(st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=40))), st.integers(1, 10))
def test_rows_come_in_portions_that_are_small_enough(rows: list[tuple[str, bytes]], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_BYTES_AT_ONCE", 50)
        parts = list(bulk.portions(rows, at_once))
    assert [row for part in parts for row in part] == rows
    assert all(1 <= len(part) <= at_once for part in parts)
    assert all(len(part) == 1 or sum(len(data) for _, data in part) <= 50 for part in parts)


def test_a_statement_gets_a_place_for_each_row() -> None:
    assert bulk.widened("INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING", 2) == (
        "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"
    )
