"""Statements of many rows are bounded, by their number and by their bytes, and no row is lost or moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from sqlalchemy.exc import OperationalError

from proxy.store.engines import bulk

_TABLE = Table("t", MetaData(), Column("id", Integer, primary_key=True), *[Column(name, String) for name in "abc"])
_TEXT = st.none() | st.text("xy", max_size=2)


@given(st.lists(st.tuples(_TEXT, _TEXT, _TEXT), max_size=5))
def test_rows_go_in_whole_whatever_columns_they_leave_empty(rest: list[tuple[str | None, ...]]) -> None:
    rows = [(number, *values) for number, values in enumerate(rest)]
    engine = create_engine("sqlite://")
    _TABLE.metadata.create_all(engine)
    with engine.begin() as connection:
        bulk.add_rows(connection, _TABLE, rows)
        assert [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM t ORDER BY id")] == rows
    engine.dispose()


def test_a_table_that_lacks_a_column_is_refused_though_no_row_fills_it() -> None:
    engine = create_engine("sqlite://")
    _TABLE.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE t RENAME COLUMN b TO other")
        with pytest.raises(OperationalError, match="no column named b"):
            bulk.add_rows(connection, _TABLE, [(1, "x", None, None)])
    engine.dispose()


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
