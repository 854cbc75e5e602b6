"""A disk that the spool itself has filled: what fills it can be freed, whoever else writes there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from proxy.spool.page import Page
from proxy.spool.reader import Position, SpoolReader
from proxy.spool.writer import SpoolWriter
from tests.integration.spool.conftest import SMALL, START
from tests.support.disk import FakeDisk

ROOT = Path("/spool")


def test_a_segment_that_takes_only_a_part_of_a_record_is_left_so_that_it_can_be_freed(page: Page) -> None:
    disk = FakeDisk()
    recording = replace(SMALL, segment_bytes=1 << 20, on_full="drop")
    writer = SpoolWriter(ROOT, "b", 0, page, recording, disk, has_thread=False)
    writer.syncing.round(0.0)
    writer.start(b"1" * 16, START, b"x" * 500)
    disk.room = 50
    writer.start(b"2" * 16, START, b"x" * 500)
    # What the spare's own block still takes.
    disk.room = 4000
    writer.stats({"accepted": 2})
    source = SpoolReader(ROOT, disk).source("b-0")
    batch = source.read(Position(), 1 << 20, is_final=False)
    assert [located.record.identity for located in batch.records] == [b"1" * 16, bytes(16)]
    assert source.acknowledge(batch.next) == 1
    assert page.read_all()["dropped_spool_full"] == 1
    writer.close()
