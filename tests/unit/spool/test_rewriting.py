"""What a failed sync put at risk is written again, whole, elsewhere, and only then called synced."""

from __future__ import annotations

import pytest

from proxy.spool.framing import SEGMENT_HEADER, Record, RecordType, encode, scan
from proxy.spool.page import Page
from proxy.spool.trouble import Trouble
from tests.support.syncing import FOLDER, Spool


def test_what_a_failed_sync_put_at_risk_is_written_again_once_its_segment_is_left(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(encode(RecordType.START, b"1" * 16, 1, b"safe", spool.segments.mark))
    spool.thread.round(1.2)
    spool.append(encode(RecordType.END, b"1" * 16, 2, b"at risk", spool.segments.mark))
    spool.disk.fails_sync = True
    spool.thread.round(1.4)
    spool.disk.fails_sync = False
    spool.thread.round(1.6)
    assert spool.page.get(Page.DEGRADED) == 1, "the segment is still in use"
    assert spool.thread.synced == 1
    spool.segments.rotate()
    spool.thread.round(60.0)
    assert (spool.page.get(Page.DEGRADED), spool.thread.synced) == (0, 2)
    spool.disk.cut_power(0.0)
    kept = [
        item.payload
        for name in spool.disk.names(FOLDER)
        if name.endswith(".seg")
        for item in scan(bytes(spool.disk.files[FOLDER / name].data), SEGMENT_HEADER.size, mark=spool.segments.mark)
        if isinstance(item, Record)
    ]
    assert kept == [b"safe", b"at risk"]


def test_a_rewrite_that_fails_is_tried_again_later_and_leaves_nothing(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(encode(RecordType.END, b"1" * 16, 1, b"at risk", spool.segments.mark))
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    spool.segments.rotate()
    for now in (1.4, 2.0, 3.0):
        spool.thread.round(now)
        assert spool.page.get(Page.TROUBLE) == Trouble.SYNC_FAILED
    assert "00000002.seg" not in spool.disk.names(FOLDER)
    spool.disk.fails_sync = False
    spool.thread.round(100.0)
    assert "00000002.seg" in spool.disk.names(FOLDER)
    assert "00000002.new" not in spool.disk.names(FOLDER)
    assert spool.page.get(Page.TROUBLE) == 0


def test_where_the_file_system_gives_back_the_old_content_it_is_written_from_memory(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(encode(RecordType.END, b"1" * 16, 1, b"at risk", spool.segments.mark))
    spool.disk.fails_sync = spool.disk.reverts = True
    spool.thread.round(1.2)
    assert spool.disk.size(spool.segments.current.path) == 0, "not even the header was safe"
    spool.disk.fails_sync = False
    spool.segments.rotate()
    spool.thread.round(60.0)
    assert b"at risk" in spool.disk.read(FOLDER / "00000002.seg", 0, 1000)
    assert spool.page.get(Page.TROUBLE) == 0


def test_of_very_many_files_at_risk_not_all_is_kept_in_memory(spool: Spool) -> None:
    spool.disk.fails_sync = True
    failed = []
    for number in range(12):
        spool.thread.round(100.0 * number)
        failed.append(spool.segments.current)
        spool.append(bytes(10 << 20))
        spool.thread.round(100.0 * number + 50)
        spool.segments.rotate()
    held = sum(len(data) for segment in failed for data in segment.unsynced)
    assert 10 << 20 < held <= 64 << 20


def test_what_the_loader_has_freed_need_not_be_written_again(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(b"stored meanwhile")
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    spool.disk.unlink(spool.segments.current.path)
    spool.segments.rotate()
    spool.thread.round(100.0)
    assert spool.page.get(Page.TROUBLE) == 0


def test_what_the_page_cache_has_lost_keeps_the_page_degraded_until_the_loader_has_freed_it(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(encode(RecordType.END, b"1" * 16, 1, b"at risk", spool.segments.mark))
    failed = spool.segments.current
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    spool.disk.fails_sync = False
    failed.forget_unsynced()
    spool.disk.flip(failed.path, SEGMENT_HEADER.size * 8)
    spool.segments.rotate()
    spool.thread.round(100.0)
    spool.thread.round(200.0)
    assert spool.page.get(Page.TROUBLE) == Trouble.SYNC_FAILED
    spool.disk.unlink(failed.path)
    spool.thread.round(300.0)
    assert spool.page.get(Page.TROUBLE) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_a_side_file_is_synced_too_or_written_again(spool: Spool, fails: bool) -> None:
    path = FOLDER / "bodies" / ("00" * 16)
    spool.disk.make_folder(path.parent)
    descriptor = spool.disk.create(path)
    spool.disk.append(descriptor, b"a large body")
    spool.thread.bodies.append((descriptor, path))
    spool.disk.fails_sync = fails
    spool.thread.round(1.0)
    spool.disk.fails_sync = False
    spool.thread.round(100.0)
    assert descriptor not in spool.disk.open
    spool.disk.cut_power(0.0)
    assert spool.disk.read(path, 0, 100) == b"a large body"
    assert spool.page.get(Page.TROUBLE) == 0


def test_a_side_file_whose_name_could_not_be_synced_is_not_called_safe_until_it_is_written_again(spool: Spool) -> None:
    path = FOLDER / "bodies" / ("00" * 16)
    spool.disk.make_folder(path.parent)
    spool.thread.round(1.0)
    descriptor = spool.disk.create(path)
    spool.disk.append(descriptor, b"a large body")
    spool.thread.bodies.append((descriptor, path))
    spool.append()
    spool.disk.fails_names = True
    for now in (2.0, 3.0, 4.0):
        spool.thread.round(now)
        assert (spool.thread.synced, Trouble(spool.page.get(Page.TROUBLE))) == (0, Trouble.SYNC_FAILED)
    spool.disk.fails_names = False
    spool.thread.round(100.0)
    assert (spool.thread.synced, spool.page.get(Page.TROUBLE)) == (1, 0)
    assert spool.disk.read(path, 0, 100) == b"a large body"


@pytest.mark.parametrize("has_gap", [False, True], ids=["from memory", "read back"])
@pytest.mark.parametrize("size", [1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_what_is_at_risk_is_written_again_whole_however_much_it_is(spool: Spool, size: int, has_gap: bool) -> None:
    spool.thread.round(1.0)
    records = [encode(RecordType.CHUNK, b"1" * 16, number, bytes(size), spool.segments.mark) for number in (1, 2, 3)]
    spool.append(b"".join(records))
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    spool.disk.fails_sync = False
    if has_gap:
        spool.segments.current.forget_unsynced()
    spool.segments.rotate()
    spool.thread.round(60.0)
    assert Trouble.SYNC_FAILED not in Trouble(spool.page.get(Page.TROUBLE))
    written = spool.disk.read(FOLDER / "00000002.seg", 0, 1 << 30)
    assert written == spool.segments.header + b"".join(records)
