"""The spool as a whole against a model: whatever happens to disk and processes, what was kept is read back.

The machine appends, syncs, rotates, kills, cuts the power, tears, flips, fills, loads and acknowledges in any order,
in every mode, sealed or not. It notes every write that the disk took whole; from then on that record must come back
exactly once, in its order and unchanged, unless a power cut took it unsynced or a bit of it was flipped, and it must
never come back after it was acknowledged and freed. What the writer calls synced, so that replies of mode ``power`` go
on, must be there after a power cut as well, also when syncs failed before.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.domain.recording import AnswerHead
from proxy.spool.batches import Position
from proxy.spool.framing import LONGEST_HEADER, Damage, Record, heading_of, scan
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from proxy.spool.sealing import KeyRing, Seal
from proxy.spool.writer import SpoolWriter
from tests.integration.spool.conftest import END, SMALL, START
from tests.support.disk import NotingDisk

ROOT = Path("/spool")
MASTER = bytes(range(32))


class SpoolMachine(RuleBasedStateMachine):
    """One writer at a time, any number of dead ones, one reader."""

    @initialize(
        mode=st.sampled_from(["process", "power", "memory"]), ballast=st.sampled_from([0, 300]), is_sealed=st.booleans()
    )
    def begin(self, mode: str, ballast: int, is_sealed: bool) -> None:
        self.disk = NotingDisk()
        self.is_sealed = is_sealed
        self.reader = SpoolReader(ROOT, self.disk, keys=KeyRing([MASTER]))
        self.folder = tempfile.TemporaryDirectory()
        self.boots = itertools.count()
        self.ids = itertools.count(1)
        self.now = 0.0
        self.open_ids: list[bytes] = []
        self.read_at: dict[str, Position] = {}
        self.read: dict[str, list[int]] = {}
        self.may_miss: set[tuple[str, int]] = set()
        self.damaged: set[str] = set()
        self.ended: dict[str, set[bytes]] = {}
        self.without_power: set[str] = set()
        self.seals: dict[str, Seal | None] = {}
        self.recording = replace(SMALL, mode=mode, ballast_bytes=ballast)
        self.start_writer()

    def start_writer(self) -> None:
        boot = f"boot{next(self.boots)}"
        self.page = Page.create(Path(self.folder.name) / f"{boot}.page", boot, 0)
        key = MASTER if self.is_sealed else None
        self.writer = SpoolWriter(ROOT, boot, 0, self.page, self.recording, self.disk, has_thread=False, master_key=key)
        self.seals[self.writer.folder.name] = self.writer._seal
        self.open_ids = []

    def teardown(self) -> None:
        self.page.close()
        self.folder.cleanup()

    # -- the gateway ----------------------------------------------------------------------------------------

    @rule(size=st.integers(0, 3000))
    def start(self, size: int) -> None:
        identity = next(self.ids).to_bytes(16, "big")
        self.writer.start(identity, START, bytes(size))
        self.open_ids.append(identity)

    @precondition(lambda self: self.open_ids)
    @rule(data=st.data(), size=st.integers(0, 3000), has_head=st.booleans())
    def piece(self, data: st.DataObject, size: int, has_head: bool) -> None:
        identity = data.draw(st.sampled_from(self.open_ids))
        self.writer.piece(identity, 7, b"p" * size, AnswerHead(status=200) if has_head else None)

    @precondition(lambda self: self.open_ids)
    @rule(data=st.data(), has_last=st.booleans())
    def end(self, data: st.DataObject, has_last: bool) -> None:
        identity = data.draw(st.sampled_from(self.open_ids))
        self.open_ids.remove(identity)
        self.ended.setdefault(self.writer.folder.name, set()).add(identity)
        self.writer.end(identity, END, (9, b"last") if has_last else None)

    @rule()
    def refuse(self) -> None:
        self.writer.reject(next(self.ids).to_bytes(16, "big"), START, END)

    @rule(seconds=st.sampled_from([0.2, 20.0]))
    def sync(self, seconds: float) -> None:
        self.now += seconds
        self.writer.syncing.round(self.now)

    # -- the world ------------------------------------------------------------------------------------------

    @rule(room=st.sampled_from([None, None, 0, 20, 50, 100, 500, 5000]))
    def fill(self, room: int | None) -> None:
        self.disk.room = room

    @rule(fails=st.booleans())
    def break_sync(self, fails: bool) -> None:
        self.disk.fails_sync = fails

    @rule()
    def kill(self) -> None:
        self.disk.kill_processes()
        self.page.close()
        self.start_writer()

    @rule()
    def tend(self) -> None:
        self.writer.tend()

    @precondition(lambda self: self.recording.mode != "memory")
    @rule(kept=st.floats(0, 1))
    def cut_power(self, kept: float) -> None:
        name, synced = self.writer.folder.name, self.writer.syncing.synced
        self.without_power.add(name)
        promised = {sequence for append in self.disk.appends.get(name, [])[:synced] for sequence in append}
        there = {item.sequence for item in self.on_disk(name)}
        before = {path: len(file.data) for path, file in self.disk.files.items()}
        self.disk.cut_power(kept)
        after = {item.sequence for item in self.on_disk(name)}
        assert promised & there <= after, "what was called synced is there, if it was not freed before"
        for path, size in before.items():
            if path.suffix == ".seg" and len(self.disk.files[path].data) < size:
                self.forgive(path.parent.name)
        self.page.close()
        self.start_writer()

    def forgive(self, name: str) -> None:
        """What a power cut took need not come back; what was read before the cut has been read."""
        self.damaged.add(name)
        present = {item.sequence for item in self.on_disk(name)}
        self.may_miss |= {
            (name, item.sequence) for item in self.disk.kept.get(name, []) if item.sequence not in present
        }

    def on_disk(self, name: str) -> list[Record]:
        files = sorted(path for path in self.disk.files if path.parent.name == name and path.suffix == ".seg")
        found: list[Record | Damage] = []
        for data in (bytes(self.disk.files[path].data) for path in files):
            heading = heading_of(data[:LONGEST_HEADER])
            if heading is not None:
                found += scan(data, heading.size, mark=heading.mark, is_final=True)
        return [item for item in found if isinstance(item, Record)]

    @rule(data=st.data())
    def flip(self, data: st.DataObject) -> None:
        current = self.writer.folder.name
        paths = [
            path
            for path, file in self.disk.files.items()
            if path.suffix == ".seg" and path.parent.name != current and len(file.data) > LONGEST_HEADER
        ]
        if not paths:
            return
        path = data.draw(st.sampled_from(sorted(paths)))
        bit = data.draw(st.integers(LONGEST_HEADER * 8, len(self.disk.files[path].data) * 8 - 1))
        before = {item.sequence for item in self.on_disk(path.parent.name)}
        self.disk.flip(path, bit)
        lost = before - {item.sequence for item in self.on_disk(path.parent.name)}
        assert len(lost) <= 1, "one flipped bit costs one record at most"
        self.damaged.add(path.parent.name)
        self.may_miss |= {(path.parent.name, sequence) for sequence in lost}

    # -- the loader -----------------------------------------------------------------------------------------

    @rule(limit=st.sampled_from([1, 500, 5000, 1 << 20]))
    def load(self, limit: int) -> None:
        for name in self.reader.names():
            self.load_source(name, limit)

    def load_source(self, name: str, limit: int) -> bool:
        source = self.reader.source(name)
        is_dead = not source.is_alive() and source.settle()
        batch = source.read(self.read_at.get(name, Position()), limit, is_final=is_dead)
        expected = {item.sequence: item for item in self.disk.kept.get(name, [])}
        seen = self.read.setdefault(name, [])
        for located in batch.records:
            record = located.record
            kept = self.opened(name, expected[record.sequence])
            assert (record.type, record.identity, record.payload) == (kept.type, kept.identity, kept.payload)
            if seen and record.sequence <= seen[-1]:
                assert located.position.segment % 2 == 0, "met again only where it was written again"
                continue
            seen.append(record.sequence)
        assert name in self.damaged or not batch.damage, "nothing is damaged that nobody damaged"
        self.read_at[name] = batch.next
        return bool(batch.records) or not batch.is_at_end

    def opened(self, name: str, record: Record) -> Record:
        seal = self.seals[name]
        if seal is None:
            return record
        payload = seal.open(record.type, record.identity, record.sequence, record.payload)
        return replace(record, payload=payload)

    @rule()
    def acknowledge(self) -> None:
        for name, position in self.read_at.items():
            if name in self.reader.names():
                self.reader.source(name).acknowledge(position)

    # -- what always holds ----------------------------------------------------------------------------------

    @invariant()
    def the_page_accounts_for_every_start(self) -> None:
        values = self.page.read_all()
        kept = self.disk.kept.get(self.writer.folder.name, [])
        starts = sum(item.type == 1 for item in kept)
        dropped = values["dropped_spool_full"] + values["dropped_write_error"] + values["dropped_policy"]
        assert values["accepted"] == starts + dropped

    @rule()
    def everything_kept_comes_back(self) -> None:
        for name in self.reader.names():
            while self.load_source(name, 1 << 20):
                pass
            kept = {item.sequence for item in self.disk.kept.get(name, [])}
            missing = kept - set(self.read.get(name, ()))
            assert {(name, sequence) for sequence in missing} <= self.may_miss
            if name != self.writer.folder.name and name not in self.without_power:
                self.no_ended_call_is_open(name)

    def no_ended_call_is_open(self, name: str) -> None:
        kept = self.disk.kept.get(name, [])
        starts, ends = ({item.identity for item in kept if item.type == kind} for kind in (1, 3))
        assert starts & self.ended.get(name, set()) <= ends


SpoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSpool = SpoolMachine.TestCase
