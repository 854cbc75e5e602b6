"""However many ask, few rows are written, and each try is in one of them."""

from __future__ import annotations

import pytest

from proxy.control.logins import Logins, beginning_of
from proxy.errors import StoreError
from proxy.store.catalogue.audit import Deed


class Book:
    """Takes rows, unless it is closed; a clock beside it."""

    def __init__(self) -> None:
        self.rows: list[Deed] = []
        self.is_open = True
        self.now = 0.0
        self.logins = Logins(self.write, lambda: self.now)

    def write(self, *deeds: Deed) -> None:
        if not self.is_open:
            raise StoreError("the database is away")
        self.rows += deeds

    @property
    def told(self) -> list[tuple[str, object]]:
        return [(item.source, (item.detail or {})["failures"]) for item in self.rows]


def test_the_first_is_written_at_once_and_the_next_together_after_pauses_that_grow() -> None:
    book = Book()
    for second in range(0, 3600 * 4, 10):
        book.now = float(second)
        book.logins.refused("10.0.0.1", "wrong_token")
        book.logins.flush()
    assert book.told[:3] == [("10.0.0.1", 1), ("10.0.0.1", 6), ("10.0.0.1", 12)]
    assert len(book.rows) < 12


def test_a_thousand_places_get_twenty_rows_a_minute_and_one_for_the_others() -> None:
    book = Book()
    for number in range(5000):
        book.logins.refused(f"10.0.{number // 250}.{number % 250}", "wrong_token")
    book.logins.flush()
    assert len(book.rows) == 21
    assert sum(int(str(failures)) for _, failures in book.told) == 5000
    source, failures = book.told[-1]
    assert (source, failures, (book.rows[-1].detail or {})["places"]) == ("several places", 4980, 1024)
    book.logins.flush()
    assert len(book.rows) == 21


def test_nothing_is_lost_while_the_database_is_away() -> None:
    book = Book()
    book.is_open = False
    book.logins.refused("10.0.0.1", "wrong_token")
    book.logins.flush()
    book.logins.refused("10.0.0.1", "no_token")
    book.is_open, book.now = True, 61.0
    book.logins.flush()
    assert book.told == [("10.0.0.1", 2)]


def test_a_place_that_is_quiet_again_is_forgotten_and_the_end_writes_everything() -> None:
    book = Book()
    book.logins.refused("10.0.0.1", "wrong_token")
    book.logins.flush()
    book.logins.refused("10.0.0.1", "wrong_token")
    book.logins.flush()
    assert len(book.rows) == 1
    book.logins.flush(everything=True)
    assert len(book.rows) == 2
    book.now = 7200.0
    book.logins.flush()
    assert repr(book.logins) == "<Logins refused=0 let_in=0>"


def test_who_was_let_in_has_a_row_of_its_own_however_many_guess() -> None:
    book = Book()
    for number in range(3000):
        book.logins.refused(f"10.0.{number // 250}.{number % 250}", "wrong_token")
        book.logins.let_in("10.9.9.9", "dct_1")
    book.logins.flush()
    (row,) = (item for item in book.rows if item.outcome == "done")
    assert (row.actor, row.source, row.action, row.detail) == ("dct_1", "10.9.9.9", "login", {"requests": 3000})


@pytest.mark.parametrize(
    ("token", "shown"),
    [("", ""), ("hunter2", ""), ("sk-" + "a" * 40, "sk-a…"), ("dashcam_adm_" + "b" * 40, "dashcam_adm_bbbb…")],
)
def test_no_more_than_a_beginning_is_written_of_a_token(token: str, shown: str) -> None:
    assert beginning_of(token) == shown
