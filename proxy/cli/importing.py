"""``dashcam import``: calls out of our own exports, stored as they were, each once.

Line by line, some hundred a transaction of the one writer, also beside a running Dashcam. A call that is on record is
left as it is, and told where the file says something else of it; a line that is none is put aside, never half of it is
stored. Broken off, the same command goes on where it was; said twice it changes nothing.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.cli.bar import Bar
from proxy.cli.database import calls
from proxy.cli.import_call import Exported, RefusedError, Telling, call_of
from proxy.cli.import_check import check
from proxy.cli.import_complaints import NOTHING_OF_OURS, TOLD, Complaints, tell_left_out
from proxy.cli.import_line import Line
from proxy.cli.import_note import Desk
from proxy.cli.import_source import Source, opened
from proxy.cli.instants import now
from proxy.cli.room import told
from proxy.cli.terminal import harmless
from proxy.domain.interaction import Entry
from proxy.errors import StoreError
from proxy.loader.amendments import BATCH, Amender
from proxy.loader.arriving import Arrival
from proxy.settings.values import Settings
from proxy.store.engines.failures import StoreMovedError, StoreUnavailableError
from proxy.store.reading.differing import differences, erased_of, rows_of
from proxy.store.reading.reader import Reader

_BATCH_BYTES = 8 * 1024 * 1024
"""A batch is no larger, and of no more calls than the running loader should be held up by."""
_IN_FOLDERS = ("day=*/*.parquet", "texts-*.jsonl", "calls-*.jsonl")
_ROOM = 16 * 1024 * 1024
_SWOLLEN = 12
"""By so much two bodies of the longest kind can grow on a line: each byte as six characters."""
_MOST_REASONS = 100
"""So many are counted apart: a reason may name a member that somebody has made up."""


def import_calls(settings: Settings, files: Sequence[Path], *, is_check: bool = False, is_told: bool = False) -> int:
    """Import files, or only look at them; return the exit code: 7 where something could not be taken as it is.

    ``is_told``: their lines are no exports, but what the API takes of calls that were made elsewhere.
    """
    longest = _ROOM + _SWOLLEN * settings.recording.max_body_bytes
    codes = []
    _tell_depth(settings)
    paths = [path for named in files for path in _within(named)]
    for path in paths:
        if len(paths) > 1:
            print(f"{harmless(str(path))}:", file=sys.stderr)
        made_of = Telling(settings) if is_told else Exported(settings)
        with opened(path, longest) as source:
            codes.append(check(source, made_of) if is_check else _Importing(settings, source, made_of).run())
    return max(codes, default=0)


def _keeps_lines(settings: Settings) -> bool:
    """Return whether lines that cannot be taken may lie about as they are."""
    keeps_texts = settings.recording.usual == "full"
    return keeps_texts and not settings.database.seal and not settings.redaction.patterns


def _tell_depth(settings: Settings) -> None:
    """Say that texts are left out, before anything is: what is imported without them does not get them later."""
    recording = settings.recording
    if recording.usual == "full":
        return
    name = "bodies" if recording.depth == "full" else "depth"
    wanted = " ".join(
        f"DASHCAM_RECORDING__{variable}" for variable, is_said in (("DEPTH=full", recording.depth != "full"),
                                                                 ("BODIES=true", not recording.bodies)) if is_said
    )  # fmt: skip
    told = f"by recording.{name} calls are imported by their facts, without what was asked and answered"
    print(f"dashcam: {told}; with it: {wanted} dashcam import …", file=sys.stderr)


def _within(path: Path) -> list[Path]:
    """Return the files of a folder that an export of Parquet or an archive is, else the path itself.

    What an archive has of calls with their texts comes before what it has of them when the rest of them went.
    """
    found = [item for pattern in _IN_FOLDERS for item in path.glob(pattern)]
    return sorted(found, key=lambda item: (item.name.startswith("calls-"), item)) or [path]


@dataclass
class _Batch:
    """Calls that are looked up and written at once, with their lines."""

    calls: list[Mapping[str, Any]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    size: int = 0

    def add(self, line: Line, values: Mapping[str, Any], entry: Entry) -> None:
        self.calls.append(values)
        self.entries.append(entry)
        self.lines.append(line)
        self.ids.add(entry.interaction.id)
        self.size += len(line.data or b"")

    @property
    def is_full(self) -> bool:
        return len(self.calls) >= BATCH or self.size >= _BATCH_BYTES


class _Importing:
    """Imports a file."""

    def __init__(self, settings: Settings, source: Source, made_of: Exported | Telling) -> None:
        self._source = source
        self._made_of = made_of
        self._is_told = isinstance(made_of, Telling)
        self._amender = Amender(settings)
        self._database = settings.database
        self._kept_seconds = settings.retention.metadata
        self._desk = Desk(settings.imports_dir, source, keeps_lines=_keeps_lines(settings))
        self._complaints = Complaints(source)

    def run(self) -> int:
        """Import what is not imported yet, and tell what came of it all."""
        # Of no calls: the database is there then, and is one that may be written.
        self._amender.write(Arrival([], []))
        self._desk.begin()
        is_done = False
        try:
            with contextlib.closing(Reader(self._database, is_primary=True)) as reader, Bar("import") as bar:
                for batch in self._batches():
                    self._take(batch, reader)
                    bar.tell(calls(self._desk.note.calls), *self._source.progress)
            is_done = True
            if self._is_nothing_of_ours:
                self._desk.note.aside = 0
        finally:
            self._desk.end(is_done=is_done)
        return self._conclude()

    def _batches(self) -> Iterator[_Batch]:
        """Yield lines as calls, up to where a call comes a second time; what is none is put aside."""
        note, batch = self._desk.note, _Batch()
        if note.offset:
            print(f"going on behind {calls(note.calls)}", file=sys.stderr)
        for line in self._source.records(note.offset, note.number):
            try:
                found = call_of(line, self._made_of)
            except RefusedError as refusal:
                self._refuse(line, str(refusal))
            else:
                if found is not None and found[1].interaction.id in batch.ids:
                    yield batch
                    batch = _Batch()
                if found is not None:
                    batch.add(line, *found)
            note.offset, note.number = line.after, line.last
            if batch.is_full:
                yield batch
                batch = _Batch()
        yield batch

    def _refuse(self, line: Line, reason: str) -> None:
        note = self._desk.note
        note.refused += 1
        note.reasons[reason if reason in note.reasons or len(note.reasons) < _MOST_REASONS else "other reasons"] += 1
        self._complaints.refused(line, reason)
        if line.data is not None:
            self._desk.put_aside(line.data)

    def _take(self, batch: _Batch, reader: Reader) -> None:
        note = self._desk.note
        known = rows_of(reader, [entry.interaction.id for entry in batch.entries])
        new = [place for place, entry in enumerate(batch.entries) if entry.interaction.id not in known]
        for entry in batch.entries:
            row = known.get(entry.interaction.id)
            if row is None:
                continue
            if names := differences(row, entry):
                note.different += 1
                self._complaints.different(entry, names)
            else:
                note.there += 1
        if new:
            self._write(batch, new)
            self._look_again(batch, new, reader)
        self._desk.save()

    def _write(self, batch: _Batch, places: Sequence[int]) -> None:
        """Write calls; what the store refuses is found by halving, and put aside."""
        arrival = Arrival([batch.calls[place] for place in places], [batch.entries[place] for place in places])
        try:
            with told("what is imported"):
                self._amender.write(arrival)
        except (StoreUnavailableError, StoreMovedError):
            raise
        except StoreError as error:
            if len(places) == 1:
                self._refuse(batch.lines[places[0]], error.message)
                batch.ids.discard(batch.entries[places[0]].interaction.id)
                return
            middle = len(places) // 2
            for half in (places[:middle], places[middle:]):
                self._write(batch, half)

    def _look_again(self, batch: _Batch, places: Sequence[int], reader: Reader) -> None:
        """Count what is there now; what was once erased here, by its id or by whom it belonged to, stays away."""
        wanted = {batch.entries[place].interaction.id for place in places} & batch.ids
        there = rows_of(reader, sorted(wanted)).keys()
        erased = erased_of(reader, sorted(wanted - there))
        note = self._desk.note
        note.stored, note.erased = note.stored + len(there), note.erased + len(erased)
        begun = [entry.interaction.started_at for entry in batch.entries if entry.interaction.id in there]
        note.oldest = min([*begun, *(() if note.oldest is None else (note.oldest,))], default=None)
        if missing := wanted - there - erased:
            raise StoreError(f"{calls(len(missing))} that were written are not there", hint="dashcam db check")

    @property
    def _is_nothing_of_ours(self) -> bool:
        """True where no line is a call: such a file is no export, and nothing of it is to be mended."""
        note = self._desk.note
        return not self._is_told and note.refused > 1 and note.refused == note.calls

    def _conclude(self) -> int:
        note = self._desk.note
        self._complaints.broken()
        parts = [f"{calls(note.calls)}: {note.stored:,} stored, {note.there:,} there already"]
        parts += [f"{note.different:,} on record with something else"] * bool(note.different)
        parts += [f"{note.erased:,} left out that were erased here"] * bool(note.erased)
        parts += [f"{self._source.units(note.refused)} refused"] * bool(note.refused)
        print(", ".join(parts), file=sys.stderr)
        for reason, count in note.reasons.most_common(TOLD if note.refused > TOLD else 0):
            print(f"  {self._source.units(count)}: {harmless(reason)}", file=sys.stderr)
        tell_left_out(self._made_of.left_out)
        if self._kept_seconds and (note.oldest or now()) < now() - self._kept_seconds * 1000:
            print("  some are older than retention.metadata lets calls become, and go soon", file=sys.stderr)
        if note.refused and self._database.seal:
            print("  the record is sealed: the lines themselves are not kept aside", file=sys.stderr)
        if self._is_nothing_of_ours:
            print(NOTHING_OF_OURS, file=sys.stderr)
        if note.aside:
            print(f"  put aside in {self._desk.aside_path}; mend and import that file", file=sys.stderr)
        return 7 if note.different or note.refused or self._source.broken else 0
