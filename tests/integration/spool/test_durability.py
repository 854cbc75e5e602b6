"""What the syncing thread calls synced is there after a power cut, whatever failed before: the promise of ``power``.

Short runs of the few steps that matter, so that every order of them comes up; the whole spool has its machine in
``test_spool``.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.spool.batches import Position
from proxy.spool.framing import LONGEST_HEADER, Record, heading_of, scan
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from proxy.spool.writer import SpoolWriter
from tests.integration.spool.conftest import SMALL, START
from tests.support.disk import NotingDisk

ROOT = Path("/spool")
FOLDER = ROOT / "b-0"
STEPS = st.lists(st.sampled_from(["append", "append", "round", "later", "fail", "heal", "tend"]), max_size=14)


class Run:
    """A writer whose thread does a round when a test says so."""

    def __init__(self, folder: Path, mode: str, *, reverts: bool) -> None:
        self.disk = NotingDisk()
        self.disk.reverts = reverts
        self.page = Page.create(folder / "b-0.page", "b", 0)
        recording = replace(SMALL, mode=mode, segment_bytes=400, ballast_bytes=0)
        self.writer = SpoolWriter(ROOT, "b", 0, self.page, recording, self.disk, has_thread=False)
        self.now = 10.0
        self.count = 0

    def step(self, name: str) -> None:
        if name == "append":
            self.count += 1
            self.writer.start(self.count.to_bytes(16, "big"), START, b"")
        elif name in ("round", "later"):
            self.now += 0.2 if name == "round" else 50.0
            self.writer.syncing.round(self.now)
        elif name == "tend":
            self.writer.tend()
        else:
            self.disk.fails_sync = name == "fail"

    def promised(self) -> set[int]:
        done = self.disk.appends.get("b-0", [])[: self.writer.syncing.synced]
        return {sequence for append in done for sequence in append}

    def on_disk(self) -> set[int]:
        found: set[int] = set()
        for path, file in self.disk.files.items():
            heading = heading_of(bytes(file.data[:LONGEST_HEADER])) if path.suffix == ".seg" else None
            if heading is not None:
                records = scan(bytes(file.data), heading.size, mark=heading.mark, is_final=True)
                found |= {item.sequence for item in records if isinstance(item, Record)}
        return found


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, reverts=st.booleans())
@pytest.mark.parametrize("mode", ["process", "power"])
def test_what_is_called_synced_survives_the_power(mode: str, steps: list[str], reverts: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), mode, reverts=reverts)
        for step in steps:
            run.step(step)
        promised = run.promised()
        run.disk.cut_power(0.0)
        assert promised <= run.on_disk()
        run.page.close()


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, reverts=st.booleans())
def test_once_the_disk_is_well_everything_is_synced_and_read_in_order(steps: list[str], reverts: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), "power", reverts=reverts)
        for step in [*steps, "heal", "tend", "later", "tend", "later", "later"]:
            run.step(step)
        assert run.writer.syncing.synced == run.writer.appended
        assert run.page.get(Page.TROUBLE) == 0
        run.disk.cut_power(0.0)
        source = SpoolReader(ROOT, run.disk).source("b-0")
        position, newest, seen = Position(), 0, []
        for _ in range(50):
            batch = source.read(position, 1 << 20, is_final=True)
            for item in batch.records:
                if item.record.sequence > newest:
                    newest = item.record.sequence
                    seen.append(newest)
            position = batch.next
        assert len(seen) == run.count
        run.page.close()
