"""Real segments on a real disk, a real SQLite store, and what may come between them."""

from __future__ import annotations

import os
import stat
import time

import pytest

import proxy.loader.loading
from proxy.domain.identity import id_text
from proxy.settings.values import Settings
from tests.integration.loader.conftest import Bench
from tests.support.spooling import SpoolingGateway, a_head, a_start, an_end, question, reply

TOO_LARGE = 2**63


def test_a_call_becomes_one_row_with_its_bodies(bench: Bench, gateway: SpoolingGateway) -> None:
    identity = gateway.call("hello")
    ledger = bench.load()
    (row,) = bench.rows()
    assert (row["id"], row["outcome"], row["input_tokens"], row["output_tokens"]) == (
        id_text(identity),
        "completed",
        11,
        3,
    )
    assert bench.body(identity, "request") == question()
    assert bench.body(identity, "response") == reply("hello")
    assert (ledger["accepted"], ledger["stored"], ledger["pending"], ledger["balanced"]) == (1, 1, 0, True)


def test_only_the_first_call_is_announced(bench: Bench, gateway: SpoolingGateway) -> None:
    first = gateway.call()
    gateway.call()
    bench.load()
    gateway.call()
    bench.load()
    assert [entry.interaction.id for entry in bench.announced] == [id_text(first)]


def test_an_open_call_is_pending_and_holds_the_position(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.begin()
    gateway.call()
    ledger = bench.load()
    assert (ledger["accepted"], ledger["stored"], ledger["pending"], ledger["balanced"]) == (2, 1, 1, True)
    assert ledger["oldest_pending_seconds"] > 0
    assert ledger["pending_bytes"] > 0


def test_a_restart_replays_and_doubles_nothing(bench: Bench, gateway: SpoolingGateway) -> None:
    held = gateway.begin()
    for _ in range(5):
        gateway.call()
    bench.load()
    before = bench.sql("SELECT family, labels, value FROM metric_total ORDER BY 1, 2")
    bench.loader_anew()
    bench.load()
    assert bench.sql("SELECT family, labels, value FROM metric_total ORDER BY 1, 2") == before
    gateway.answer(held, [reply()], a_head())
    gateway.end(held)
    ledger = bench.load()
    assert len(bench.rows()) == 6
    assert (ledger["accepted"], ledger["stored"], ledger["pending"], ledger["balanced"]) == (6, 6, 0, True)


def test_a_dead_gateways_open_calls_are_interrupted_with_what_came(bench: Bench, gateway: SpoolingGateway) -> None:
    identity = gateway.begin(a_start(is_stream=True))
    gateway.answer(identity, [b"data: {}\n\n", b"data: {}\n\n"], a_head("text/event-stream"))
    bench.load()
    gateway.die()
    ledger = bench.load()
    (row,) = bench.rows()
    assert row["outcome"] == "interrupted"
    assert bench.body(identity, "response") == b"data: {}\n\n" * 2
    assert (ledger["accepted"], ledger["stored"], ledger["balanced"]) == (1, 1, True)


def test_a_dead_gateway_leaves_no_file_and_one_line_in_the_ledger(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call()
    gateway.die()
    ledger = bench.load()
    again = bench.loader_anew().ledger()
    assert not list(bench.settings.spool_dir.iterdir())
    assert not list(bench.settings.pages_dir.iterdir())
    for found in (ledger, again):
        assert (found["accepted"], found["stored"], found["balanced"]) == (1, 1, True)


def test_restarts_do_not_make_the_ledger_longer_for_ever(bench: Bench, settings: Settings) -> None:
    for boot in ("a", "b", "c"):
        gateway = SpoolingGateway(settings, boot)
        gateway.call()
        gateway.die()
        bench.load()
    before = bench.load()
    after = bench.loader_anew().ledger()
    assert (len(before["sources"]), len(after["sources"])) == (3, 1)  # type: ignore[arg-type]
    sums = ("accepted", "stored", "pending", "quarantined", "dropped", "balanced")
    assert [after[name] for name in sums] == [before[name] for name in sums] == [3, 3, 0, 0, {}, True]
    assert bench.loader_anew().ledger()["stored"] == 3


def test_calls_nobody_counted_before_the_kill_are_accepted_all_the_same(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call()
    gateway.page.set(gateway.page.ACCEPTED, 0)
    gateway.die()
    ledger = bench.load()
    assert (ledger["accepted"], ledger["stored"], ledger["balanced"]) == (1, 1, True)


def test_calls_that_went_with_the_power_are_told(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call()
    gateway.page.add(gateway.page.ACCEPTED, 2)
    gateway.die()
    ledger = bench.load()
    assert (ledger["dropped"], ledger["balanced"]) == ({"lost": 2}, True)


def test_a_long_call_is_parked_and_its_segments_go(
    bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy.loader.loading, "PARK_SECONDS", 0.0)
    gateway = SpoolingGateway(settings, segment_bytes=500)
    pieces = [b"data: %d\n\n" % number for number in range(40)]
    identity = gateway.begin(a_start(is_stream=True))
    for start in range(0, 40, 10):
        gateway.answer(identity, pieces[start : start + 10], a_head("text/event-stream") if start == 0 else None)
        bench.load()
        if start == 10:
            bench.loader_anew()
    assert bench.sql("SELECT count(*) FROM open_call")[0][0] > 1
    assert len(list((settings.spool_dir / gateway.name).glob("*.seg"))) <= 2
    bench.loader_anew()
    gateway.end(identity)
    ledger = bench.load()
    assert bench.body(identity, "response") == b"".join(pieces)
    assert bench.sql("SELECT count(*) FROM open_call") == [(0,)]
    assert (ledger["accepted"], ledger["stored"], ledger["balanced"]) == (1, 1, True)
    gateway.die()


def test_what_is_not_to_be_kept_is_not_kept_in_quarantine_either(bench: Bench, gateway: SpoolingGateway) -> None:
    end = an_end(received_bytes=TOO_LARGE, sent_bytes=TOO_LARGE)
    refused = gateway.call(start=a_start(content="off"), end=end)
    bench.load()
    assert bench.sql("SELECT interaction_id, data FROM quarantine") == [(id_text(refused), b"")]


def test_a_row_the_database_refuses_goes_aside_alone(bench: Bench, gateway: SpoolingGateway) -> None:
    good = [gateway.call() for _ in range(5)]
    bad = gateway.call(end=an_end(received_bytes=TOO_LARGE, sent_bytes=TOO_LARGE))
    good += [gateway.call() for _ in range(5)]
    ledger = bench.load()
    assert [row["id"] for row in bench.rows()] == [id_text(identity) for identity in good]
    ((refused, data),) = bench.sql("SELECT interaction_id, data FROM quarantine")
    assert refused == id_text(bad)
    assert question() in data
    assert (ledger["stored"], ledger["quarantined"], ledger["balanced"]) == (10, 1, True)


def test_a_refused_row_is_set_aside_once_however_often_it_is_replayed(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.begin()
    gateway.call(end=an_end(received_bytes=TOO_LARGE, sent_bytes=TOO_LARGE))
    bench.load()
    bench.loader_anew()
    ledger = bench.load()
    assert bench.sql("SELECT count(*) FROM quarantine") == [(1,)]
    assert (ledger["quarantined"], ledger["pending"], ledger["balanced"]) == (1, 1, True)


def test_what_cannot_be_interpreted_goes_aside_alone(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call()
    gateway.call(start=a_start(request_headers=((1, 2),)))
    gateway.call(start=a_start(target=5))
    gateway.call()
    ledger = bench.load()
    assert ledger["stored"] + ledger["quarantined"] == 4
    assert ledger["stored"] >= 2
    assert ledger["balanced"]


def test_a_damaged_record_is_kept_and_its_neighbours_go_in(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call()
    lost = gateway.begin()
    (segment,) = (bench.settings.spool_dir / gateway.name).glob("*.seg")
    data = segment.read_bytes()
    segment.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    gateway.answer(lost, [reply()], a_head())
    gateway.end(lost)
    gateway.call()
    bench.load()
    gateway.die()
    ledger = bench.load()
    assert len(bench.rows()) == 2
    assert [row[0] for row in bench.sql("SELECT reason FROM quarantine")] == ["the checksum does not match"]
    assert len(list((bench.settings.spool_dir / "quarantine").iterdir())) == 1
    assert (ledger["accepted"], ledger["dropped"], ledger["balanced"]) == (3, {"lost": 1}, True)


def test_a_segment_of_a_newer_version_is_left_alone_and_told_once(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call()
    folder = bench.settings.spool_dir / gateway.name
    (segment,) = folder.glob("*.seg")
    newer = b"DSHSEG\x09" + segment.read_bytes()[7:]
    segment.write_bytes(newer)
    gateway.die()
    for _ in range(3):
        bench.load()
    bench.loader_anew()
    bench.load()
    assert segment.read_bytes() == newer
    assert bench.sql("SELECT count(*) FROM quarantine") == [(1,)]


def test_a_side_file_is_read_and_goes_after_the_commit(bench: Bench, gateway: SpoolingGateway) -> None:
    identity = bytes.fromhex("019a0000000070008000000000000001")
    side = gateway.writer.open_body(identity)
    side.write(question("large"))
    name, digest, length = side.finish()
    start = a_start(side_file=name, request_bytes=length, request_sha256=digest)
    gateway.writer.start(identity, start, b"")
    gateway.answer(identity, [reply()], a_head())
    gateway.end(identity)
    bench.load()
    assert bench.body(identity, "request") == question("large")
    assert not list((bench.settings.spool_dir / gateway.name / "bodies").iterdir())


def test_a_side_file_that_did_not_reach_the_disk_wholly_is_not_taken_for_the_request(
    bench: Bench, gateway: SpoolingGateway
) -> None:
    side = gateway.writer.open_body(b"s" * 16)
    side.write(question("large"))
    name, digest, length = side.finish()
    identity = gateway.begin(a_start(side_file=name, request_bytes=length, request_sha256=digest), b"")
    side.path.write_bytes(question("large")[:-10] + bytes(10))
    gateway.answer(identity, [reply()], a_head())
    gateway.end(identity)
    bench.load()
    (row,) = bench.rows()
    assert (row["content_state"], row["request_bytes"], row["outcome"]) == ("truncated", length, "completed")
    assert bench.sql("SELECT count(*) FROM interaction_body WHERE side = 'request'") == [(0,)]


def test_segments_go_once_their_calls_are_stored(bench: Bench, settings: Settings) -> None:
    gateway = SpoolingGateway(settings, segment_bytes=2000)
    for _ in range(30):
        gateway.call()
    bench.load()
    assert len(list((settings.spool_dir / gateway.name).glob("*.seg"))) <= 2
    assert len(bench.rows()) == 30
    gateway.die()


def test_the_spool_is_its_owners_alone_under_any_umask(settings: Settings) -> None:
    before = os.umask(0)
    try:
        gateway = SpoolingGateway(settings)
        gateway.call()
    finally:
        os.umask(before)
    found = {stat.S_IMODE(path.stat().st_mode) for path in (settings.spool_dir / gateway.name).rglob("*")}
    assert found == {0o700, 0o600}
    assert stat.S_IMODE((settings.spool_dir / gateway.name).stat().st_mode) == 0o700
    gateway.die()


def test_a_gateway_at_rest_lets_the_disk_rest_once_nothing_of_a_call_is_in_its_spool(
    bench: Bench, gateway: SpoolingGateway
) -> None:
    folder = bench.settings.spool_dir / gateway.name

    def seconds_pass(now: float) -> dict[str, int]:
        gateway.writer.syncing.round(now)
        gateway.writer.stats(gateway.page.read_all())
        gateway.writer.syncing.round(now + 0.2)
        bench.load()
        return {path.name: path.stat().st_size for path in folder.glob("*.seg")}

    for _ in range(2):
        gateway.call("a secret of yesterday")
        now = time.monotonic()
        found = [seconds_pass(now + number * 5.0) for number in range(8)]
        assert found[4] == found[5] == found[7]
        assert not [path for path in folder.glob("*.seg") if b"secret" in path.read_bytes()]
    assert len(bench.rows()) == 2


@pytest.mark.parametrize("name", [".DS_Store", "lost+found", "notes-1.txt"])
def test_what_is_no_source_stops_nobody(bench: Bench, gateway: SpoolingGateway, name: str) -> None:
    (bench.settings.spool_dir / name).write_bytes(b"x")
    gateway.call()
    assert bench.load()["stored"] == 1


def test_a_source_that_cannot_be_read_does_not_hold_the_others_up(bench: Bench, gateway: SpoolingGateway) -> None:
    other = SpoolingGateway(bench.settings, boot="aaa")
    other.call()
    folder = bench.settings.spool_dir / other.name
    (segment,) = folder.glob("00000001.seg")
    segment.rename(folder / "aside")
    segment.mkdir()
    gateway.call()
    ledger = bench.load()
    assert (ledger["accepted"], ledger["stored"], ledger["sources"][0]["stored"]) == (2, 1, 0)
    assert "aaa-0 cannot be read" in str(bench.loader.last_error)
    assert bench.loader.next_step == f"look at its disk and rights: ls -la {folder}"
    segment.rmdir()
    (folder / "aside").rename(segment)
    bench.loader_anew()
    ledger = bench.load()
    assert (ledger["accepted"], ledger["stored"], ledger["balanced"], bench.loader.last_error) == (2, 2, True, None)
    other.die()
