"""Work for the one writer: done in order, its result or error handed back, and not begun when nobody waits any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.control.turns import Turns
from proxy.errors import NotFoundError
from proxy.settings.database import sqlite_at
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.migrating.migration import upgrade
from proxy.store.writing.writer import StoreWriter


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[StoreWriter]:
    upgrade(sqlite_at(tmp_path / "dashcam.db"))
    made = StoreWriter(sqlite_at(tmp_path / "dashcam.db"))
    yield made
    made.close()


def test_the_writer_does_it_and_the_asker_has_the_result(writer: StoreWriter) -> None:
    turns, results = Turns(), list[bool]()
    asker = threading.Thread(target=lambda: results.append(turns.take(lambda given: given is writer)))
    asker.start()
    while not turns.do_next(writer):
        pass
    asker.join()
    assert results == [True]
    assert not turns.do_next(writer)


def test_an_error_is_the_asker_s(writer: StoreWriter) -> None:
    turns, errors = Turns(), list[Exception]()

    def fail(_writer: StoreWriter) -> None:
        raise NotFoundError("no such thing")

    def ask() -> None:
        try:
            turns.take(fail)
        except NotFoundError as error:
            errors.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    while not turns.do_next(writer):
        pass
    asker.join()
    assert [str(error) for error in errors] == ["no such thing"]


def test_what_nobody_waits_for_any_more_is_not_begun(writer: StoreWriter) -> None:
    turns, done = Turns(), list[int]()
    with pytest.raises(StoreUnavailableError, match="nothing was changed"):
        turns.take(lambda _writer: done.append(1), seconds=0.0)
    assert turns.do_next(writer)
    assert done == []
