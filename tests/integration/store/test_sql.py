"""A statement that somebody typed: one, read-only, bounded, the same on both engines."""

from __future__ import annotations

import pytest

from proxy.errors import UsageError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.sql import ask


def test_rows_come_with_names_told_apart(store: DatabaseSettings) -> None:
    answer = ask(store, "SELECT 1 AS a, 'b%?' AS a, NULL AS c", 10, 5.0)
    assert (answer.columns, answer.rows, answer.has_more) == (("a", "a_2", "c"), [(1, "b%?", None)], False)


def test_there_is_an_end_to_rows(store: DatabaseSettings) -> None:
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i FROM n;"
    answer = ask(store, many, 10, 5.0)
    assert ([row[0] for row in answer.rows], answer.has_more) == (list(range(1, 11)), True)
    assert not ask(store, many, 50, 5.0).has_more


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM interaction",
        "CREATE TABLE more (a int)",
        "SELECT 1; DELETE FROM interaction",
        "COMMIT; DELETE FROM interaction",
        "SHOW work_mem; COMMIT; DELETE FROM interaction",
        "WITH gone AS (DELETE FROM interaction RETURNING id) SELECT * FROM gone",
        "SELECT nothing FROM nowhere",
        "nonsense",
        "",
    ],
)
def test_nothing_is_changed_and_the_engine_says_why(store: DatabaseSettings, statement: str) -> None:
    with pytest.raises(UsageError, match=r"does not take this statement: .") as caught:
        ask(store, statement, 10, 5.0)
    assert caught.value.hint is not None


def test_what_takes_too_long_is_cut_off(store: DatabaseSettings) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(UsageError, match=r"no answer within 0\.2 s"):
        ask(store, endless, 10, 0.2)
