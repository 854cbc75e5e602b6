"""A statement that somebody typed: one, read-only, bounded, the same on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import UsageError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.engines import sql
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


def test_no_other_file_is_opened_or_made(path: Path, tmp_path: Path) -> None:
    place = tmp_path / "other.db"
    for target in (str(place), f"file:{place}?mode=rwc"):
        with pytest.raises(UsageError, match=r"does not take this statement: .*attached"):
            ask(sqlite_at(path), f"ATTACH '{target}' AS other", 10, 5.0)
    assert not place.exists()


def test_no_program_is_run_and_no_file_written_where_the_server_is(store: DatabaseSettings, tmp_path: Path) -> None:
    for end in ("TO PROGRAM 'true'", f"TO '{tmp_path}/out'", "TO STDOUT"):
        for before in (
            "",
            "  ",
            "/* look /* twice */ */ ",
            "-- look\n",
            "; ",
            "SELECT 1; ",
            "SHOW work_mem; ",
            "EXPLAIN ",
        ):
            with pytest.raises(
                UsageError, match=r"does not take this statement: .*(syntax error|cannot insert|one statement)"
            ):
                ask(store, f"{before}COPY (SELECT 1) {end}", 10, 5.0)


def test_what_is_too_large_to_be_held_is_said(store: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "MOST_BYTES", 50_000)
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i, {} FROM n"
    wide = "repeat('x', 1000)" if store.is_postgres else "printf('%.*c', 1000, 'x')"
    assert len(ask(store, many.format(wide), 40, 5.0).rows) == 40
    with pytest.raises(UsageError, match="more than 50,000 bytes"):
        ask(store, many.format(wide), 100, 5.0)


def test_a_single_value_is_bounded(path: Path) -> None:
    with pytest.raises(UsageError, match="too big"):
        ask(sqlite_at(path), "SELECT hex(zeroblob(400000000))", 10, 5.0)


def test_few_steps_that_take_long_are_cut_off(path: Path) -> None:
    """A row of this takes a tenth of a second, and a thousand rows no more steps than SQLite lets pass uncounted."""
    slow = "length(replace(printf('%.*c', 20000000, 'a'), 'a', 'b'))"
    endless = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum({slow}) FROM n LIMIT 900"
    with pytest.raises(UsageError, match=r"no answer within 0\.2 s"):
        ask(sqlite_at(path), endless, 10, 0.2)


def test_one_step_that_nothing_interrupts_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "GRACE_SECONDS", 0.01)
    given_up: list[bool] = []
    ask(sqlite_at(path), "SELECT 1", 10, 5.0, lambda: given_up.append(True))
    assert given_up == []
    # A long text is compared at each place of a longer one: half a second here, hours where they are longer.
    slow = "SELECT replace(printf('%.*c', 400000, 'a'), printf('%.*c', 100000, 'a') || 'b', '')"
    with pytest.raises(UsageError, match="no answer within"):
        ask(sqlite_at(path), slow, 10, 0.01, lambda: given_up.append(True))
    assert given_up == [True]
