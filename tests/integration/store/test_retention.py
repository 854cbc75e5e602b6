"""What is too old goes and nothing else does; sums follow; a clock that jumps deletes nothing."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from proxy.domain.feedback import Feedback, FeedbackKind, FeedbackSource
from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry
from proxy.domain.outcome import ContentState, Outcome
from proxy.domain.retention import EXPIRES
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RetentionSettings
from proxy.store.changes import feedback
from proxy.store.erasure import clock, retention
from proxy.store.erasure.outlook import outlook
from proxy.store.erasure.size import used_bytes
from proxy.store.schema.columns import instant_text
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.rollups import ask, assert_rollups_equal_the_rows

DAY, DAY_S = 86_400_000, 86_400
NOW = STARTED_AT
FAILED = {"outcome": Outcome.UPSTREAM_ERROR, "success": False}


def an_old(days: float, **changes: Any) -> Entry:
    at = NOW - round(days * DAY)
    identity = id_text(IdentityMint().mint(at * 1_000_000))
    return an_entry(id=identity, started_at=at, content_state=ContentState.STORED, **changes)


def put(writer: StoreWriter, *entries: Entry) -> None:
    writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {})
    with writer.transaction() as connection:
        clock.trust_clock(connection, NOW)


def prune(writer: StoreWriter, settings: RetentionSettings, now: int = NOW, archive: Any = None) -> list[str]:
    told: list[str] = []
    for _ in range(1000):
        with writer.transaction() as connection:
            said = retention.step(connection, settings, now, archive)
        if said is None:
            return [words for words in told if words]
        told.append(said)
    raise AssertionError("it does not come to an end")


def states(store: DatabaseSettings) -> dict[str, str]:
    return {str(app): str(state) for app, state in ask(store, "SELECT app, content_state FROM interaction")}


def test_nothing_goes_where_nothing_is_set(writer: StoreWriter, store: DatabaseSettings) -> None:
    put(writer, an_old(5000, app="a"))
    assert prune(writer, RetentionSettings()) == []
    assert states(store) == {"a": "stored"}


def test_texts_go_first_calls_later_and_failures_last(writer: StoreWriter, store: DatabaseSettings) -> None:
    settings = RetentionSettings(text=7 * DAY_S, metadata=30 * DAY_S, errors=90 * DAY_S)
    for days in (1, 8, 31, 91):
        put(writer, an_old(days, app=f"ok{days}"), an_old(days, app=f"bad{days}", **FAILED))
    with writer.transaction() as connection:
        due = outlook(connection, settings, NOW).due
    assert due == {"texts": 6, "calls": 2, "failures": 1, "by their callers' wish": 0}
    told = prune(writer, settings)
    assert told == ["6 texts went for their age", "2 calls went for their age", "1 failure went for its age"]
    assert states(store) == {
        "ok1": "stored", "bad1": "stored", "ok8": "pruned", "bad8": "pruned", "bad31": "pruned",
    }  # fmt: skip
    assert ask(store, "SELECT count(*) FROM interaction_body") == [(4,)]
    assert_rollups_equal_the_rows(store)
    assert prune(writer, settings) == []
    assert {name for (name,) in ask(store, "SELECT app FROM interaction")} >= {"ok1"}
    prune(writer, settings, NOW + 6 * DAY)
    assert states(store)["ok1"] == "stored"


def test_what_was_thought_of_no_call_goes_as_calls_do(writer: StoreWriter, store: DatabaseSettings) -> None:
    """It waits for a call that never came, or is of a session of which nothing is left."""
    put(writer, an_old(40, app="old", session_id="gone"), an_old(1, app="new", session_id="there"))
    for days in (1, 40):
        think(writer, f"waits {days}", days, reference="00000000-0000-7000-8000-000000000001")
        think(writer, f"of nothing {days}", days, session_id="never")
        think(writer, f"of a session {days}", days, session_id="there")
    assert prune(writer, RetentionSettings(text=7 * DAY_S)) == ["1 text went for its age"]
    told = prune(writer, RetentionSettings(metadata=30 * DAY_S))
    assert told == ["1 call went for its age", "2 of what was thought of no call went for its age"]
    left = {name for (name,) in ask(store, "SELECT id FROM feedback")}
    assert left == {"waits 1", "of nothing 1", "of a session 1", "of a session 40"}


def think(writer: StoreWriter, name: str, days: float, **about: str) -> None:
    said = Feedback(id=name, name="n", kind=FeedbackKind.BOOLEAN, source=FeedbackSource.USER, value=1.0, **about)  # type: ignore[arg-type]
    with writer.transaction() as connection:
        feedback.put(connection, writer.backend, said)
        at = instant_text(NOW - round(days * DAY))
        connection.exec_driver_sql("UPDATE feedback SET created_at = ? WHERE id = ?", (at, name))


def test_routes_and_keys_have_spans_of_their_own(writer: StoreWriter, store: DatabaseSettings) -> None:
    settings = RetentionSettings(
        metadata=30 * DAY_S, routes={"brief": {"metadata": DAY_S}, "long": {"metadata": 400 * DAY_S}},
        keys={"k": {"metadata": 2 * DAY_S}},
    )  # fmt: skip
    put(
        writer,
        an_old(10, app="plain"), an_old(40, app="old"), an_old(10, app="brief", route="brief"),
        an_old(40, app="long", route="long"), an_old(10, app="key", key_id="k", route="long"),
    )  # fmt: skip
    prune(writer, settings)
    assert set(states(store)) == {"plain", "long"}
    assert_rollups_equal_the_rows(store)


def test_a_key_may_keep_longer_than_all_and_than_the_route_of_its_calls(
    writer: StoreWriter, store: DatabaseSettings
) -> None:
    put(
        writer,
        an_old(40, app="of all"),
        an_old(40, app="of the route", route="r"),
        an_old(40, app="of the key", key_id="k"),
        an_old(40, app="of both", key_id="k", route="r"),
    )
    longer = {"metadata": 90 * DAY_S}
    prune(writer, RetentionSettings(metadata=30 * DAY_S, routes={"r": {"metadata": 20 * DAY_S}}, keys={"k": longer}))
    assert set(states(store)) == {"of the key", "of both"}


def test_age_takes_what_was_said_and_leaves_what_failed(writer: StoreWriter, store: DatabaseSettings) -> None:
    put(writer, an_old(40, error_message="no such model", response_sha256="ab" * 32, input_preview="hello", **FAILED))
    prune(writer, RetentionSettings(text=7 * DAY_S))
    found = ask(store, "SELECT content_state, error_message, response_sha256, input_preview FROM interaction")
    assert found == [("pruned", "no such model", "ab" * 32, None)]


def test_a_caller_may_ask_for_less_and_not_for_more(writer: StoreWriter, store: DatabaseSettings) -> None:
    soon, late = instant_text(NOW - 1), instant_text(NOW + 900 * DAY)
    put(writer, an_old(1, app="soon", metadata={EXPIRES: soon}), an_old(40, app="late", metadata={EXPIRES: late}))
    assert prune(writer, RetentionSettings(metadata=30 * DAY_S)) == [
        "1 call went, as its caller wished", "1 call went for its age",
    ]  # fmt: skip
    assert states(store) == {}


def test_more_than_goes_at_once_goes_step_by_step(
    writer: StoreWriter, store: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    monkeypatch.setattr(retention, "_LOOKED_AT", 3)
    entries = [an_old(40 + number, app=str(number), **(FAILED if number % 3 else {})) for number in range(12)]
    put(writer, *entries)
    assert prune(writer, RetentionSettings(metadata=30 * DAY_S, errors=300 * DAY_S)) == ["4 calls went for their age"]
    assert len(states(store)) == 8
    put(writer, an_old(60, app="late"))
    settings = RetentionSettings(metadata=30 * DAY_S, errors=300 * DAY_S)
    prune(writer, settings, NOW + DAY)
    assert "late" not in states(store), "what came late goes a day later"


@pytest.mark.parametrize("days", [8, 400])
def test_a_clock_that_jumped_deletes_nothing_until_somebody_says_so(
    writer: StoreWriter, store: DatabaseSettings, days: int
) -> None:
    settings, later = RetentionSettings(metadata=DAY_S), NOW + days * DAY
    put(writer, an_old(0.5, app="a"))
    assert prune(writer, settings, later) == []
    put_without_trust(writer, an_old(-days, app="new"))
    assert prune(writer, settings, later + 1000) == [], "a call by the clock that is wrong proves nothing"
    assert set(states(store)) == {"a", "new"}
    with writer.transaction() as connection:
        assert clock.jump(connection, later) == NOW
        assert clock.jump(connection, NOW + DAY) is None, "it may come back by itself"
        clock.trust_clock(connection, later)
    # On Postgres a month that is too old goes as a whole.
    (told,) = prune(writer, settings, later)
    assert told.startswith(("1 call ", "1 calls of"))
    assert set(states(store)) == {"new"}


def put_without_trust(writer: StoreWriter, entry: Entry) -> None:
    writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {})


def test_the_first_look_holds_the_clock_against_the_newest_call(writer: StoreWriter, store: DatabaseSettings) -> None:
    put_without_trust(writer, an_old(40, app="a"))
    assert prune(writer, RetentionSettings(metadata=DAY_S)) == []
    put_without_trust(writer, an_old(1.5, app="b"))
    assert prune(writer, RetentionSettings(metadata=DAY_S)) == ["2 calls went for their age"]


def test_what_is_to_be_archived_and_cannot_be_stays(writer: StoreWriter, store: DatabaseSettings) -> None:
    put(writer, an_old(40, app="a"))
    kept: list[str] = []
    settings = RetentionSettings(metadata=DAY_S)

    def full(_ids: Any, _what: str) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"), writer.transaction() as connection:
        retention.step(connection, settings, NOW, full)
    assert len(states(store)) == 1
    prune(writer, settings, archive=lambda ids, what: kept.extend([what, *ids]))
    assert kept[0] == "calls"
    assert len(kept) == 2
    assert states(store) == {}


def test_a_file_above_its_ceiling_loses_its_oldest_texts_first(file_writer: StoreWriter, path: Path) -> None:
    bodies = [Random(number).randbytes(40_000) for number in range(20)]
    entries = [with_body(an_old(30 - number), body, ()) for number, body in enumerate(bodies)]
    put(file_writer, *entries)
    with file_writer.transaction() as connection:
        used = used_bytes(connection)
    settings = RetentionSettings(max_size=used - 100_000)
    for _ in range(8):
        prune(file_writer, settings)
        while file_writer.sweep():
            pass
    with file_writer.transaction() as connection:
        assert used_bytes(connection) <= settings.max_size
        found = connection.exec_driver_sql("SELECT content_state FROM interaction ORDER BY id").all()
    words = [state for (state,) in found]
    assert words == sorted(words)
    assert set(words) == {"pruned", "stored"}
