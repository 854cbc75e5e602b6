"""Many rows in few statements: the same is found and added up on both engines, however many there are."""

from __future__ import annotations

import contextlib
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.store.engines import bulk
from proxy.store.engines.bulk import add_up, ids_in
from proxy.store.engines.failures import RowError
from proxy.store.schema import rollup_tables
from proxy.store.schema.rows import upsert_sql
from proxy.store.writing.writer import StoreWriter

TOTAL = rollup_tables.MetricTotalRow.__table__  # type: ignore[attr-defined]
ADD = upsert_sql(TOTAL, added=("value",))
KEEPS_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = st.one_of(st.integers(-(2**40), 2**40), st.floats(-1e9, 1e9))
ADDED = "SELECT family, labels, value FROM metric_total WHERE instance = ?"


def added(writer: StoreWriter, who: str) -> dict[tuple[str, str], float]:
    with writer.transaction() as connection:
        return {(family, labels): value for family, labels, value in connection.exec_driver_sql(ADDED, (who,))}


@KEEPS_FOLDER
@given(st.dictionaries(st.tuples(TEXTS, TEXTS), VALUES, max_size=12), st.integers(1, 5))
def test_what_is_added_up_is_there_as_it_was_said(
    writer: StoreWriter, said: dict[tuple[str, str], float], at_once: int
) -> None:
    who = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch, writer.transaction() as connection:
        patch.setattr(bulk, "_UPSERTS_AT_ONCE", at_once)
        for _ in range(2):
            add_up(connection, TOTAL, ADD, [(who, *key, value) for key, value in sorted(said.items())])
    assert added(writer, who) == {key: pytest.approx(2 * value) for key, value in said.items()}


def test_a_text_that_is_too_long_for_its_column_is_kept_or_refused_but_never_cut(writer: StoreWriter) -> None:
    who = uuid.uuid4().hex
    family = "f" * 101
    refusal = pytest.raises(RowError) if writer.backend.database.is_postgres else contextlib.nullcontext()
    with refusal, writer.transaction() as connection:
        add_up(connection, TOTAL, ADD, [(who, family, "{}", 1.0)])
    assert list(added(writer, who)) == ([] if writer.backend.database.is_postgres else [(family, "{}")])


def test_ids_are_found_among_any_number(writer: StoreWriter) -> None:
    asked = sorted(str(uuid.uuid4()) for _ in range(2000))
    there = set(asked[::7])
    with writer.transaction() as connection:
        marks = "INSERT INTO tombstone (id, erased_at) VALUES (?, ?)"
        for identity in there:
            connection.exec_driver_sql(marks, (identity, "2026-01-01T00:00:00.000Z"))
        assert ids_in(connection, "tombstone", asked) == there
        assert ids_in(connection, "tombstone", []) == set()
