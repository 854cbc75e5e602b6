"""What was thought of what is erased is erased as well, and no more of it is taken."""

from __future__ import annotations

import time

import pytest

from proxy.domain.feedback import Feedback, FeedbackKind, FeedbackSource
from proxy.domain.interaction import Entry
from proxy.errors import NotFoundError
from proxy.settings.database import DatabaseSettings
from proxy.store.changes import feedback
from proxy.store.erasure import erasing, purges
from proxy.store.erasure.anonymising import Manner, anonymise
from proxy.store.erasure.purges import Aim
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.rollups import ask

AT = STARTED_AT + 86_400_000


def put(writer: StoreWriter, *entries: Entry) -> None:
    writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {})


def think(writer: StoreWriter, name: str, *, reference: str | None = None, session: str | None = None) -> None:
    said = Feedback(
        id=name, name="n", kind=FeedbackKind.TEXT, source=FeedbackSource.USER, words="she said she is ill",
        reference=reference, session_id=session, comment="kim of Elm Street", author="kim",
    )  # fmt: skip
    with writer.transaction() as connection:
        feedback.put(connection, writer.backend, said)


def left(store: DatabaseSettings) -> set[str]:
    return {str(name) for (name,) in ask(store, "SELECT id FROM feedback")}


def test_what_was_thought_of_a_session_goes_with_its_last_call(writer: StoreWriter, store: DatabaseSettings) -> None:
    first, second, other = (an_entry(session_id=name) for name in ("s-1", "s-1", "s-2"))
    put(writer, first, second, other)
    think(writer, "one", session="s-1")
    think(writer, "two", session="s-2")
    think(writer, "early", session="s-3")
    with writer.transaction() as connection:
        erasing.erase(connection, [first.interaction.id], AT)
    assert left(store) == {"one", "two", "early"}
    with writer.transaction() as connection:
        erasing.erase(connection, [second.interaction.id], AT)
    assert left(store) == {"two", "early"}


def test_the_anonymous_leave_no_words_on_their_sessions(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry = an_entry(user_id="kim", session_id="s-1")
    put(writer, entry)
    think(writer, "one", session="s-1")
    with writer.transaction() as connection:
        anonymise(connection, [entry.interaction.id], Manner(), None)
    assert left(store) == set()


def test_the_anonymous_keep_scores_under_an_id_of_nobodys(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry = an_entry(user_id="kim")
    put(writer, entry)
    for number in range(2):
        think(writer, f"kim's rating {number}", reference=entry.interaction.id)
    with writer.transaction() as connection:
        anonymise(connection, [entry.interaction.id], Manner(), None)
    found = left(store)
    assert (len(found), "kim" in str(found)) == (2, False)
    assert ask(store, "SELECT DISTINCT name, words, comment, author FROM feedback") == [("n", "", None, "anonymous")]


def test_everything_is_also_what_waits_for_its_call(writer: StoreWriter, store: DatabaseSettings) -> None:
    think(writer, "waits", reference="00000000-0000-7000-8000-000000000001")
    think(writer, "of a session", session="s-1")
    with writer.transaction() as connection:
        purges.begin(connection, "purge", Aim(user="kim"), "lee", int(time.time() * 1000) + 1000)
    assert left(store) == {"waits", "of a session"}
    with writer.transaction() as connection:
        purges.begin(connection, "purge", Aim(), "lee", int(time.time() * 1000) + 1000)
    assert left(store) == set()


def test_nothing_is_kept_of_a_call_that_was_erased(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry = an_entry()
    put(writer, entry)
    with writer.transaction() as connection:
        erasing.erase(connection, [entry.interaction.id], AT)
    with pytest.raises(NotFoundError, match="was erased"):
        think(writer, "late", reference=entry.interaction.id)
    assert left(store) == set()
