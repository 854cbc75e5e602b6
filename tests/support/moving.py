"""What the tests of a copy share: a record's writer, the whole of a copy, and what is in a database afterwards."""

from __future__ import annotations

from typing import Any

from proxy.domain.feedback import Feedback, FeedbackKind, FeedbackSource
from proxy.domain.interaction import Entry
from proxy.settings.database import DatabaseSettings
from proxy.store.changes import feedback, tagging
from proxy.store.changes.amending import Amendment, Change
from proxy.store.moving import state
from proxy.store.moving.merging import Renaming
from proxy.store.moving.procedure import Copy, Watch, copy
from proxy.store.moving.side import Side
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.any_rows import Rows, everything
from tests.support.entries import STARTED_AT

OURS = "0123456789abcdef0123456789abcdef"
AWAY, HOME = Renaming("", OURS), Renaming(OURS, "")


def refuse_to_wait(reason: str) -> None:
    raise AssertionError(f"waits, and nothing is away: {reason}")


WATCH = Watch(waiting=refuse_to_wait)
LARGE = b"".join(b'{"turn":%03d,"said":"\x00\xff %b"}' % (turn, b"x" * 4000) for turn in range(300))
TURN = len(LARGE) // 300
CUTS = tuple(range(TURN, len(LARGE), TURN))


def write(database: DatabaseSettings, *entries: Entry, **more: Any) -> None:
    writer = StoreWriter(database)
    states = [SourceState("boot-0", 3, 77, accepted=len(entries) + 2, dropped={"policy": 2})]
    writer.write(WriteBatch([("boot-0", item) for item in entries], states, **more), lambda new: {("f", ""): len(new)})
    writer.close()


def all_of_it(copying: Copy, renaming: Renaming) -> dict[str, int]:
    copying.fill()
    copying.compare()
    copying.catch_up()
    return copying.finish(renaming).rows


def move(source: DatabaseSettings, target: DatabaseSettings, renaming: Renaming = AWAY) -> dict[str, int]:
    with copy(source, target, OURS, WATCH) as copying:
        return all_of_it(copying, renaming)


def rows_in(database: DatabaseSettings) -> Rows:
    side = Side(database)
    try:
        return everything(side)
    finally:
        side.close()


def amend(database: DatabaseSettings, identity: str, cost: int) -> None:
    writer = StoreWriter(database)
    change = Change(id=identity, before={}, after={"cost_pico_usd": cost}, texts=("asked anew", str(cost)))
    assert writer.amend(Amendment(command="recost", reason="test", at=STARTED_AT, changes=[change])) == 1
    writer.close()


def judge(database: DatabaseSettings, identity: str) -> None:
    """Tag a call and say what is thought of it."""
    said = Feedback(id=f"of {identity}", name="tone", kind=FeedbackKind.BOOLEAN, source=FeedbackSource.US,
                    reference=identity, value=1.0, score=1.0)  # fmt: skip
    writer = StoreWriter(database)
    with writer.transaction() as connection:
        tagging.tag(connection, writer.backend, identity, ["late"], [])
        feedback.put(connection, writer.backend, said)
    writer.close()


def state_of(database: DatabaseSettings) -> str | None:
    found = state.of(database)
    return found.state if found else None
