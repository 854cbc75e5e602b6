"""What may be done to a record, as steps that hypothesis puts in any order; and what must be true of it afterwards.

Rollups, views and rows say the same; a call that was erased never comes back; what was counted as stored is every call
that was ever accepted, once.
"""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from proxy.domain.feedback import Feedback, FeedbackKind, FeedbackSource
from proxy.domain.interaction import Entry
from proxy.domain.outcome import ContentState, Outcome
from proxy.errors import NotFoundError
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RetentionSettings
from proxy.store.changes import feedback, tagging
from proxy.store.changes.amending import Amendment, Change
from proxy.store.engines import partitions
from proxy.store.erasure import clock, erasing, passes, purges, retention
from proxy.store.erasure.anonymising import Manner
from proxy.store.erasure.purges import Aim
from proxy.store.sums.rebuilding import rebuild_day
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.rollups import ask, assert_rollups_equal_the_rows

Step = tuple[str, Any]
DAY = 86_400_000
NOW = STARTED_AT + 12 * 3_600_000
OLD_DAYS = 70
"""So old a call is of a month that goes as a whole on Postgres."""
_CALL = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["kim", "lee", None]),
        "session_id": st.sampled_from(["s", None]),
        "model": st.sampled_from(["a", "b"]),
        "cost_pico_usd": st.none() | st.integers(0, 10**9),
        "input_tokens": st.none() | st.integers(0, 10**6),
        "tool_names": st.sampled_from([(), ("look",)]),
        "prompt_name": st.sampled_from([None, "p"]),
        "fails": st.booleans(),
        "days": st.sampled_from([0, 1, 2, 3, OLD_DAYS]),
        "is_long": st.booleans(),
    }
)
NUMBERS = itertools.count(1)
_SOME = st.integers(0, 30)
STEP: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("load"), st.lists(_CALL, min_size=1, max_size=4)),
    st.tuples(st.just("replay"), _SOME),
    st.tuples(st.just("delete"), _SOME),
    st.tuples(st.just("redact"), _SOME),
    st.tuples(st.just("purge"), st.sampled_from([Aim(user="kim"), Aim(session="s"), Aim(query="model:a")])),
    st.tuples(st.just("anonymise"), st.sampled_from([Aim(user="lee"), Aim(query="model:b")])),
    st.tuples(st.just("prune"), st.integers(1, 3)),
    st.tuples(st.just("recost"), _SOME),
    st.tuples(st.just("judge"), _SOME),
    st.tuples(st.just("tag"), _SOME),
    st.tuples(st.just("rebuild"), st.integers(0, 3)),
    st.tuples(st.just("sweep"), st.just(0)),
)


class World:
    """A store, all calls that were ever accepted by it, and those that must never be seen again."""

    def __init__(self, writer: StoreWriter, source: str) -> None:
        self.writer = writer
        self.source = source
        self.calls: list[Entry] = []
        self.gone: set[str] = set()
        if writer.backend.database.is_postgres:
            with writer.transaction() as connection:
                partitions.make(connection, datetime.fromtimestamp(NOW / 1000 - OLD_DAYS * 86_400, UTC).date())

    def do(self, name: str, what: Any) -> None:
        """Do a step."""
        getattr(self, f"_{name}")(what)

    def _write(self, entries: Sequence[Entry]) -> None:
        states = [SourceState(self.source, 1, 0, accepted=len(self.calls))]
        batch = WriteBatch(entries=[(self.source, item) for item in entries], states=states)
        self.writer.write(batch, lambda _: {})

    def _load(self, calls: Sequence[dict[str, Any]]) -> None:
        made = [made_of(values) for values in calls]
        self.calls += made
        self._write(made)

    def _replay(self, number: int) -> None:
        # What is pruned and older than a spool becomes leaves nothing that would keep it away.
        self._write([item for item in self.calls[-number:] if NOW - item.interaction.started_at < passes.REPLAYED_MS])

    def _delete(self, number: int) -> None:
        if ids := self._chosen(number):
            with self.writer.transaction() as connection:
                erasing.erase(connection, ids, NOW)
            self.gone |= set(ids)

    def _redact(self, number: int) -> None:
        with self.writer.transaction() as connection:
            erasing.strip(connection, self._chosen(number))

    def _purge(self, aim: Aim) -> None:
        self._carry_out("purge", aim)

    def _anonymise(self, aim: Aim) -> None:
        self._carry_out("anonymise", Aim(user=aim.user, query=aim.query, manner=Manner(has_pseudonyms=True)))

    def _carry_out(self, kind: purges.Kind, aim: Aim) -> None:
        with self.writer.transaction() as connection:
            number = purges.begin(connection, kind, aim, "t", NOW).number
        while True:
            with self.writer.transaction() as connection:
                purge = purges.get(connection, number)
                found = purges.find(connection, purge, 2)
                if not found:
                    purges.finish(connection, purge, NOW)
                    return
                purges.carry_out(connection, purge, found, NOW)
                self.gone |= set(found) if kind == "purge" else set()

    def _prune(self, days: int) -> None:
        kept = RetentionSettings(text=days * 40_000, metadata=days * 86_400, errors=(days + 1) * 86_400)
        while True:
            with self.writer.transaction() as connection:
                clock.trust_clock(connection, NOW)
                if retention.step(connection, kept, NOW) is None:
                    return

    def _recost(self, number: int) -> None:
        changes = [Change(id=identity, before={}, after={"cost_pico_usd": number}) for identity in self._chosen(number)]
        if changes:
            self.writer.amend(Amendment(command="recost", reason="new", at=NOW, changes=changes))

    def _judge(self, number: int) -> None:
        for identity in self._chosen(number):
            said = Feedback(
                id=f"of {identity}", name="tone", kind=FeedbackKind.NUMBER, source=FeedbackSource.USER, value=number,
                reference=identity, low=0, high=30, score=number / 30, comment="so so",
            )  # fmt: skip
            with contextlib.suppress(NotFoundError), self.writer.transaction() as connection:
                feedback.put(connection, self.writer.backend, said)

    def _tag(self, number: int) -> None:
        for identity in self._chosen(number):
            with contextlib.suppress(NotFoundError), self.writer.transaction() as connection:
                tagging.tag(connection, self.writer.backend, identity, [f"t{number}"], ["t0"])

    def _rebuild(self, days: int) -> None:
        with self.writer.transaction() as connection:
            rebuild_day(connection, f"2026-11-{18 - days:02d}")

    def _sweep(self, _what: int) -> None:
        while self.writer.sweep():
            pass

    def _chosen(self, number: int) -> list[str]:
        return [self.calls[number % len(self.calls)].interaction.id] if self.calls else []


def made_of(values: dict[str, Any]) -> Entry:
    said = dict(values)
    at = STARTED_AT - said.pop("days") * DAY
    failed: dict[str, Any] = {"outcome": Outcome.UPSTREAM_ERROR, "success": False} if said.pop("fails") else {}
    is_long = said.pop("is_long")
    # Of no random numbers: hypothesis begins each example with the same.
    identity = str(uuid.UUID(int=at << 80 | 7 << 76 | 1 << 63 | next(NUMBERS)))
    entry = an_entry(id=identity, started_at=at, content_state=ContentState.STORED, **said, **failed)
    return with_body(entry, b"s" * 6000 + b"t" * 3000, (6000,)) if is_long else entry


def assert_right(world: World, store: DatabaseSettings) -> None:
    """Fail where sums are not those of the calls that are there, or where one is there that was erased."""
    assert_rollups_equal_the_rows(store)
    there = {str(identity) for (identity,) in ask(store, "SELECT id FROM interaction")}
    assert not there & world.gone, "what was erased is there again"
    for (number,) in ask(store, "SELECT stored FROM spool_position WHERE source = ?", world.source):
        assert number == len(world.calls)
    world.do("sweep", 0)
    assert ask(store, "SELECT count(*) FROM loose_slice") == [(0,)]
    assert {number for (number,) in ask(store, "SELECT count(*) FROM rollup_hourly WHERE calls <= 0")} == {0}


def erase_in_order(writer: StoreWriter, store: DatabaseSettings, steps: Sequence[Step]) -> None:
    """Do these steps, and look at what is there then."""
    world = World(writer, f"source-{next(NUMBERS)}")
    for name, what in steps:
        world.do(name, what)
    assert_right(world, store)
    # The next example begins with nothing that was asked for before.
    ask(store, "DELETE FROM purge")
