"""What was plain is sealed, and what an older key has sealed is sealed anew: step by step, and gone on with."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.interaction import Entry
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.care.maintenance import RESEAL, SWEEP
from proxy.store.changes import resealing
from proxy.store.changes.amending import Change
from proxy.store.contents.set_aside import ParkedPart, Quarantined
from proxy.store.reading.reader import Reader
from proxy.store.schema.sealing import SealedRecordError
from proxy.store.writing.writer import StoreWriter
from tests.integration.store.test_sealing import CANARY, MASTER, OTHER, a_call, amend, large, readable, write
from tests.support.rollups import ask

PART = ParkedPart("0199aaaa-0000-7000-8000-000000000001", 0, "s", 1, CANARY.encode())


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)
    monkeypatch.setattr("proxy.store.schema.sealing._ring._masters", {})


@pytest.fixture
def database(store: DatabaseSettings) -> DatabaseSettings:
    return replace(store, seal=True)


def fill(database: DatabaseSettings) -> list[Entry]:
    calls = [a_call(large(), model="m0"), a_call(model="m1"), a_call(large(f"{CANARY} other"), model="m2")]
    aside = Quarantined("s", 0, 0, "a reason", 0, None, CANARY.encode())
    write(database, *calls, parked=[PART], quarantined=[aside])
    before = {"input_preview": f"{CANARY} in"}
    change = Change(id=calls[0].interaction.id, before=before, after={"input_preview": f"{CANARY} in", "score": 1.0})
    assert amend(database, change) == 1
    return calls


def reseal(database: DatabaseSettings) -> int:
    """Do it to the end; return how many rows were sealed."""
    done, left = 0, "all"
    with contextlib.closing(StoreWriter(database)) as writer:
        while left:
            step = writer.maintain(RESEAL)
            done, left = done + step.mended, step.left
        writer.maintain(SWEEP)
    return done


def check(database: DatabaseSettings, calls: list[Entry]) -> None:
    with contextlib.closing(Reader(database)) as reader:
        for call in calls:
            row = reader.interaction(call.interaction.id)
            for name in ("input_preview", "output_preview", "prompt_variables", "error_message"):
                assert row[name] == getattr(call.interaction, name)
            parts = reader.parts_of([row["id"]])[row["id"]]
            assert parts.request is not None
            assert parts.response is not None
            assert call.request is not None
            assert (parts.request.content, parts.response.content) == (call.request.content, CANARY.encode())
            assert parts.request.facts["edits"] == [[0, 1, f"{CANARY} put in"]]
            assert parts.texts == (call.input_text, call.output_text)
            assert reader.attempts(row["id"])[0]["error_message"] == f"{CANARY} refused"
        (parked,) = reader.parked()
        assert parked["payload"] == CANARY.encode()


@pytest.fixture(params=[(200, 25, 500), (1, 1, 1)], ids=["at once", "one by one"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in zip(("CALLS", "SLICES", "ROWS"), request.param, strict=True):
        monkeypatch.setattr(resealing, name, size)


@pytest.mark.usefixtures("sizes")
def test_what_was_plain_is_sealed_and_reads_as_before(
    store: DatabaseSettings, database: DatabaseSettings, tmp_path: Path
) -> None:
    calls = fill(store)
    assert readable(store, tmp_path)
    assert reseal(database) > 0
    assert readable(database, tmp_path) == []
    check(database, calls)
    assert reseal(database) == 0


@pytest.mark.usefixtures("sizes")
def test_another_key_seals_anew_and_the_former_one_may_go(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fill(database)
    monkeypatch.setenv("DASHCAM_MASTER_KEY", f"{OTHER},{MASTER}")
    assert reseal(database) > 0
    monkeypatch.setenv("DASHCAM_MASTER_KEY", OTHER)
    monkeypatch.setattr("proxy.store.schema.sealing._ring._masters", {})
    check(database, calls)
    assert reseal(database) == 0


def test_without_the_former_key_nothing_is_written_over(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fill(database)
    monkeypatch.setenv("DASHCAM_MASTER_KEY", OTHER)
    monkeypatch.setattr("proxy.store.schema.sealing._ring._masters", {})
    with pytest.raises(SealedRecordError, match="sealed with the master key"):
        reseal(database)
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)
    check(database, calls)


def test_what_is_broken_off_goes_on_where_it_was(
    store: DatabaseSettings, database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "CALLS", 1)
    calls = fill(store)
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        assert resealing.step(connection).left == f"calls {calls[0].interaction.id}"
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        assert resealing.step(connection).left == f"calls {calls[1].interaction.id}"
    assert ask(database, "SELECT count(*) FROM interaction WHERE input_preview IS NOT NULL") == [(1,)]
    monkeypatch.setenv("DASHCAM_MASTER_KEY", f"{OTHER},{MASTER}")
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        # With another key it begins anew.
        assert resealing.step(connection).left == f"calls {calls[0].interaction.id}"


def test_where_nothing_is_sealed_there_is_nothing_to_do(store: DatabaseSettings) -> None:
    with contextlib.closing(StoreWriter(store)) as writer, pytest.raises(StoreError, match=r"database\.seal is off"):
        writer.maintain(RESEAL)
