"""How a command changes what is stored while Dashcam runs: changes, and calls from elsewhere, wait for the one writer.

SQLite has one writer, since before 3.51.3 it loses pages when two connections write and checkpoint at once. A command
never writes beside a running control: it puts its changes, or calls that it imports, some hundred a file, into
``data_dir/amendments``, and the loader writes one file a round between its batches. Where no control runs, the command
takes the loader's lock for the length of a batch and writes itself. A file that is written twice changes nothing twice.
Into a Postgres a command writes itself, whoever loads: its rows have locks.

``NAME.json`` waits, ``NAME.done`` says how many rows were changed, ``NAME.refused`` why none could be.
"""

from __future__ import annotations

import base64
import contextlib
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson
import structlog

from proxy.domain.cost import Price
from proxy.domain.interaction import Entry
from proxy.errors import InvalidError, StoreError, UnreachableError
from proxy.loader import handover
from proxy.loader.arriving import IMPORTED, Arrival, arrival_of
from proxy.settings.private_file import replace_file
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.changes.amending import Amendment, Change
from proxy.store.engines.failures import RowError, StoreUnavailableError
from proxy.store.hosts.configuration import Proposal
from proxy.store.migrating.migration import prepare
from proxy.store.schema.sealing import SealedRecordError, is_sealed, sealer_of, unsealed
from proxy.store.writing.batches import Totals, WriteBatch
from proxy.store.writing.writer import StoreWriter

log = structlog.get_logger("loader")

Waiting = Amendment | Proposal | Arrival
BATCH = 200
"""Rows a file: at a few dozen microseconds a row the loader is held up for some milliseconds."""
_WAITING, _DONE, _REFUSED = ".json", ".done", ".refused"
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0
_FORGET_SECONDS = 3600.0
_PLACE = "change"


def encode(change: Waiting) -> bytes:
    """Return a change as it waits in a file."""
    if isinstance(change, Arrival):
        return orjson.dumps({"calls": list(change.calls)})
    if isinstance(change, Amendment):
        return orjson.dumps(asdict(change))
    data = None if change.data is None else base64.b64encode(change.data).decode()
    return orjson.dumps({"proposal": {**asdict(replace(change, data=None)), "data": data}})


def decode(data: bytes) -> Waiting:
    """Undo ``encode``; ``ValueError``, ``TypeError`` or ``InvalidError`` when the bytes are something else."""
    values = orjson.loads(data)
    if "calls" in values:
        return arrival_of(values["calls"])
    if "proposal" in values:
        found = values["proposal"]
        return Proposal(**{**found, "data": None if found["data"] is None else base64.b64decode(found["data"])})
    return Amendment(**{**values, "changes": [_change(item) for item in values["changes"]]})


def _change(values: dict[str, Any]) -> Change:
    price, texts, answer = values.pop("price"), values.pop("texts"), values.pop("answer", None)
    return Change(
        **values,
        price=Price(**price) if price else None,
        texts=tuple(texts) if texts else None,
        answer=tuple(answer) if answer else None,
    )


class WaitingAmendments:
    """The loader's side of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._forget_at = 0.0

    def _forget_answers(self) -> None:
        """Remove what nobody has come back for, once an hour: the command that asked was killed."""
        if time.monotonic() < self._forget_at:
            return
        self._forget_at = time.monotonic() + _FORGET_SECONDS
        for name in RealDisk().names(self._folder):
            path = self._folder / name
            with contextlib.suppress(FileNotFoundError):
                if path.suffix != _WAITING and time.time() - path.stat().st_mtime > _FORGET_SECONDS:
                    path.unlink()

    def write_next(self, writer: StoreWriter) -> bool:
        """Write the file that has waited longest; False when none waits, or the store is away just now."""
        found = next((name for name in RealDisk().names(self._folder) if name.endswith(_WAITING)), None)
        if found is None:
            self._forget_answers()
            return False
        path = self._folder / found
        try:
            changed = _write(writer, decode(_opened(path.read_bytes())))
        except FileNotFoundError:
            return True
        except StoreUnavailableError:
            return False
        except (RowError, SealedRecordError, InvalidError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("amendment_refused", name=found, reason=type(error).__name__)
            _answer(path, _REFUSED, str(error) if isinstance(error, StoreError) else type(error).__name__)
            return True
        _answer(path, _DONE, str(changed))
        return True


def _opened(data: bytes) -> bytes:
    """Return what a file says; ``SealedRecordError`` where it is sealed and does not open."""
    return unsealed(data, _PLACE) if is_sealed(data) else data


def _write(writer: StoreWriter, change: Waiting) -> int:
    """Return how many rows were changed or are new, or the number that a proposal has now."""
    if isinstance(change, Arrival):
        return len(
            writer.write(WriteBatch(entries=[(IMPORTED, entry) for entry in change.entries]), _uncounted).inserted
        )
    return writer.amend(change) if isinstance(change, Amendment) else writer.propose(change)


def _uncounted(_entries: Sequence[Entry]) -> Totals:
    """Count nothing behind ``/metrics``: those are the calls that this Dashcam was asked to make."""
    return {}


def _answer(path: Path, suffix: str, text: str) -> None:
    try:
        replace_file(path.with_suffix(suffix), text.encode(), is_lasting=False)
    except OSError as error:
        # A full disk: whoever asked learns nothing and asks again, and calls are loaded all the same.
        log.error("amendment_unanswered", name=path.name, reason=error.strerror)
    path.unlink(missing_ok=True)


class Amender:
    """A command's side: writes changes itself where nobody else has the store, else hands them to the loader."""

    def __init__(self, settings: Settings, wait: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._folder = settings.amendments_dir
        self._wait = wait
        self._is_upgraded = False

    def write(self, amendment: Waiting) -> int:
        """Write one batch or proposal, whoever does it; return how many rows were changed or are new, or its number.

        Raises ``StoreError`` when the store refuses, ``UnreachableError`` when a running control does not answer.
        """
        if self._settings.database.is_postgres:
            # Its rows have locks of their own, and the loader may be on any host.
            return self._write_now(amendment)
        changed = self._write_alone(amendment)
        return self._hand_over(amendment) if changed is None else changed

    def _write_alone(self, amendment: Waiting) -> int | None:
        """Write with the loader's lock in hand; None when another process has it."""
        disk = RealDisk()
        disk.make_folder(Path(self._settings.data_dir))
        lock = disk.lock(Path(self._settings.data_dir) / "loader.lock")
        if lock is None:
            return None
        try:
            return self._write_now(amendment)
        finally:
            disk.close(lock)

    def _write_now(self, amendment: Waiting) -> int:
        if not self._is_upgraded:
            # The former record, or a copy that is not complete: nothing may be written there.
            handover.check(self._settings)
            prepare(self._settings.database)
            self._is_upgraded = True
        writer = StoreWriter(self._settings.database)
        try:
            return _write(writer, amendment)
        finally:
            writer.close()

    def _hand_over(self, amendment: Waiting) -> int:
        RealDisk().make_folder(self._folder)
        # Names sort in the order of time; two commands at once do not meet.
        path = self._folder / f"{time.time_ns():020d}-{uuid.uuid4().hex}{_WAITING}"
        data, sealer = encode(amendment), sealer_of(self._settings.database)
        replace_file(path, data if sealer is None else sealer.seal(data, _PLACE), is_lasting=False)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self._wait(_POLL_SECONDS)
            answered = _take_answer(path)
            if answered is not None:
                return answered
            alone = self._take_back(path, amendment)
            if alone is not None:
                return alone
        path.unlink(missing_ok=True)
        raise UnreachableError(
            f"the running Dashcam has not written the changes in {_PATIENCE_SECONDS:.0f} s",
            hint="dashcam doctor; what is written already stays, and the same command goes on from there",
        )

    def _take_back(self, path: Path, amendment: Waiting) -> int | None:
        """Write ourselves what still waits after the control process has left; a second time changes nothing."""
        changed = self._write_alone(amendment)
        if changed is not None:
            path.unlink(missing_ok=True)
        return changed


def _take_answer(path: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        answer = int(path.with_suffix(_DONE).read_bytes())
        path.with_suffix(_DONE).unlink()
        return answer
    with contextlib.suppress(FileNotFoundError):
        reason = path.with_suffix(_REFUSED).read_text()
        path.with_suffix(_REFUSED).unlink()
        raise StoreError(f"the store refuses the changes: {reason}")
    return None
