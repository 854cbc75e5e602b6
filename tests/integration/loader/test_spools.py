"""What a spool may bring to the loader beside whole calls in order: records twice, late facts, another place, a gap."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.identity import id_text
from proxy.loader.late import UNSYNCED
from proxy.settings.credentials import master_key_of
from proxy.settings.values import RecordingSettings, Settings
from proxy.spool.framing import LONGEST_HEADER, SEGMENT_HEADER, Record, RecordType, encode, heading_of, scan
from proxy.spool.sealing import Seal
from tests.integration.loader.conftest import Bench
from tests.support.spooling import SpoolingGateway, a_head, a_start, reply


@pytest.mark.parametrize("is_stored_before", [False, True])
def test_a_reply_that_did_not_wait_for_the_disk_shows_in_its_row(
    bench: Bench, gateway: SpoolingGateway, is_stored_before: bool
) -> None:
    identity = gateway.call()
    other = gateway.call()
    if is_stored_before:
        bench.load()
    gateway.writer.note_late(identity)
    assert bench.load()["balanced"] is True
    for _ in range(2):
        found = {row["id"]: row["metadata"] for row in bench.rows()}
        assert found == {id_text(identity): {UNSYNCED: "true"}, id_text(other): None}
        bench.loader_anew()
        bench.load()
    amended = bench.sql("SELECT interaction_id, before, after FROM amendment")
    after = json.dumps({"metadata": {UNSYNCED: "true"}}, separators=(",", ":"))
    assert amended == ([(id_text(identity), '{"metadata":null}', after)] if is_stored_before else [])


def test_of_a_call_that_was_never_recorded_nothing_late_is_said(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.writer.note_late(b"n" * 16)
    gateway.call()
    assert bench.load()["balanced"] is True
    assert [row["metadata"] for row in bench.rows()] == [None]


@pytest.mark.parametrize("is_read_between", [False, True])
def test_records_that_were_written_twice_are_one_call(
    bench: Bench, gateway: SpoolingGateway, is_read_between: bool
) -> None:
    """As ``rewriting`` leaves it: the rest of a segment stands once more in the file behind it."""
    first = gateway.begin()
    gateway.answer(first, [reply("once")[:20]], a_head())
    if is_read_between:
        bench.load()
    gateway.answer(first, [reply("once")[20:]])
    gateway.end(first)
    second = gateway.begin()
    segment = gateway.writer.folder / "00000001.seg"
    shutil.copyfile(segment, segment.with_name("00000002.seg"))
    gateway.writer.syncing.round(1e9)
    gateway.writer.syncing.must_rotate = True
    gateway.answer(second, [reply("twice")], a_head())
    assert gateway.writer._segments.current.number > 2
    ledger = bench.load()
    assert (ledger["accepted"], ledger["stored"], ledger["pending"], ledger["balanced"]) == (2, 1, 1, True)
    gateway.end(second)
    ledger = bench.load()
    assert (ledger["accepted"], ledger["stored"], ledger["pending"], ledger["balanced"]) == (2, 2, 0, True)
    assert [bench.body(item, "response") for item in (first, second)] == [reply("once"), reply("twice")]
    assert not bench.sql("SELECT * FROM quarantine")


def test_after_a_power_cut_what_was_written_again_takes_the_place_of_what_is_gone(
    bench: Bench, gateway: SpoolingGateway
) -> None:
    calls = [gateway.call(f"answer {index}") for index in range(4)]
    segment = gateway.writer.folder / "00000001.seg"
    shutil.copyfile(segment, segment.with_name("00000002.seg"))
    gateway.die()
    # Zeros: what a file has whose length was kept and whose data was not.
    whole = segment.read_bytes()
    at_risk = len(whole) // 2
    segment.write_bytes(whole[:at_risk] + bytes(len(whole) - at_risk))
    ledger = bench.load()
    assert (ledger["stored"], ledger["balanced"]) == (4, True)
    assert [bench.body(item, "response") for item in calls] == [reply(f"answer {index}") for index in range(4)]


def test_what_another_mode_left_is_loaded_as_well(tmp_path: Path, settings: Settings, bench: Bench) -> None:
    memory = replace(settings, recording=RecordingSettings(mode="memory"))
    assert memory.spool_dir != settings.spool_dir
    gateway = SpoolingGateway(memory, "left", mode="memory")
    try:
        gateway.call("in memory")
        gateway.die()
        assert bench.load()["stored"] == 1
        assert not (memory.spool_dir / gateway.name).exists()
    finally:
        shutil.rmtree(memory.spool_dir)


def test_what_went_with_the_machine_is_lost_and_counted(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call()
    gateway.begin()
    bench.load()
    gateway.die()
    shutil.rmtree(gateway.writer.folder)
    bench.loader_anew()
    ledger = bench.load()
    assert (ledger["accepted"], ledger["stored"], ledger["dropped"]) == (2, 1, {"lost": 1})
    assert ledger["balanced"] is True
    bench.loader_anew()
    assert bench.load()["dropped"] == {"lost": 1}


def test_what_is_not_ours_is_left_alone_and_stops_nobody(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call()
    folder = gateway.writer.folder
    (folder / "notes.txt").write_text("mine")
    (folder.parent / "lost+found").mkdir()
    (folder.parent / "abc-1").write_text("a file that is called like a source")
    newer = folder / "00000099.seg"
    newer.write_bytes(b"DSHSEG\x09\x00" + bytes(80))
    gateway.die()
    ledger = bench.load()
    assert (ledger["stored"], ledger["balanced"]) == (1, True)
    other = SpoolingGateway(bench.settings, "later")
    other.call()
    assert bench.load()["stored"] == 2
    other.die()
    assert bench.load()["balanced"] is True
    assert (folder / "notes.txt").read_text() == "mine"
    assert newer.stat().st_size == SEGMENT_HEADER.size + 72
    assert (folder.parent / "abc-1").exists()


KEY, OLD_KEY = "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA", "mB4xW9eR2tY7uI1oP6aS3dF8gH5jK0lZ"


def test_a_sealed_spool_waits_for_its_key_and_holds_nobody_up(
    settings: Settings, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", OLD_KEY)
    sealed = SpoolingGateway(settings, "sealed", seal=True)
    large = sealed.begin(a_start(side_file=a_side_file(sealed, b"L" * 100_000)), b"")
    sealed.end(large)
    sealed.call("a secret")
    sealed.die()
    plain = SpoolingGateway(settings, "plain")
    plain.call("no secret")
    plain.die()
    monkeypatch.setenv("DASHCAM_MASTER_KEY", KEY)
    bench.loader_anew()
    ledger = bench.load()
    assert (ledger["stored"], ledger["pending"], ledger["balanced"]) == (1, 2, True)
    assert "is sealed with the master key" in str(bench.loader.last_error)
    assert "start with that key in DASHCAM_MASTER_KEY too" in str(bench.loader.next_step)
    assert bench.loader.lag_seconds() > 0
    monkeypatch.setenv("DASHCAM_MASTER_KEY", f"{KEY},{OLD_KEY}")
    bench.loader_anew()
    ledger = bench.load()
    assert (ledger["stored"], ledger["pending"], ledger["balanced"]) == (3, 0, True)
    assert bench.body(large, "request") == b"L" * 100_000
    assert not (settings.spool_dir / sealed.name).exists()


def a_side_file(gateway: SpoolingGateway, body: bytes) -> str:
    side_file = gateway.writer.open_body(b"s" * 16)
    side_file.write(body)
    return side_file.finish()[0]


def test_of_a_sealed_spool_a_changed_record_is_set_aside_and_its_neighbours_stored(
    settings: Settings, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed by somebody who knows checksums: only the seal tells."""
    monkeypatch.setenv("DASHCAM_MASTER_KEY", KEY)
    bench.loader_anew()
    gateway = SpoolingGateway(settings, "sealed", seal=True)
    first, second = gateway.call("first"), gateway.call("second")
    path = gateway.writer.folder / "00000001.seg"
    data = path.read_bytes()
    heading = heading_of(data[:LONGEST_HEADER])
    assert heading is not None
    found = [item for item in scan(data, heading.size, mark=heading.mark) if isinstance(item, Record)]
    piece = next(item for item in found if item.identity == first and item.type == RecordType.CHUNK)
    payload = bytes([piece.payload[0] ^ 1]) + piece.payload[1:]
    forged = encode(piece.type, piece.identity, piece.sequence, payload, heading.mark)
    path.write_bytes(data[: piece.start] + forged + data[piece.end :])
    gateway.die()
    ledger = bench.load()
    assert (ledger["stored"], ledger["balanced"]) == (2, True)
    assert bench.body(second, "response") == reply("second")
    assert bench.sql("SELECT reason FROM quarantine") == [("a sealed payload was changed: its seal does not hold",)]


def test_of_a_sealed_spool_nothing_is_set_aside_in_plain(
    settings: Settings, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of a newer program, sealed with our key: what we cannot make anything of stays sealed, and opens."""
    monkeypatch.setenv("DASHCAM_MASTER_KEY", KEY)
    bench.loader_anew()
    gateway = SpoolingGateway(settings, "sealed", seal=True)
    first = gateway.call("first")
    path = gateway.writer.folder / "00000001.seg"
    data = path.read_bytes()
    heading = heading_of(data[:LONGEST_HEADER])
    assert heading is not None
    seal = Seal(master_key_of(KEY), heading.salt)
    found = [item for item in scan(data, heading.size, mark=heading.mark) if isinstance(item, Record)]
    piece = next(item for item in found if item.identity == first and item.type == RecordType.CHUNK)
    strange = b"\x09what she said"
    payload = seal.seal(piece.type, first, piece.sequence, strange)
    forged = encode(piece.type, first, piece.sequence, payload, heading.mark)
    path.write_bytes(data[: piece.start] + forged + data[piece.end :])
    gateway.die()
    assert bench.load()["balanced"] is True
    (kept,) = (settings.spool_dir / "quarantine").iterdir()
    ((reason, row),) = bench.sql("SELECT reason, data FROM quarantine")
    assert "a CHUNK" in reason
    for aside in (kept.read_bytes(), row):
        assert b"she said" not in aside
        assert heading_of(aside) == heading
        (item,) = scan(aside, heading.size, mark=heading.mark, is_final=True)
        assert isinstance(item, Record)
        assert seal.open(item.type, item.identity, item.sequence, item.payload) == strange
