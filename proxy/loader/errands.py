"""Maintenance that a command asks for while Dashcam runs: it waits in a folder for the store's one writer.

As with amendments (``loader/amendments.py``) a command never writes beside a running control. Where none runs it
takes the loader's lock and does the task itself; else it leaves ``NAME.json`` in ``data_dir/errands``, and the loader
does one errand between two batches. ``NAME.begun`` says that it has begun, ``NAME.done`` what came of it,
``NAME.refused`` why not. Doing a task twice does no harm. Postgres has many writers: there the command does it itself.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import orjson
import structlog

from proxy.errors import StoreError, UnreachableError
from proxy.settings.private_file import replace_file
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.care.maintenance import Done
from proxy.store.migrating.migration import prepare
from proxy.store.writing.writer import StoreWriter

log = structlog.get_logger("loader")

_WAITING, _BEGUN, _DONE, _REFUSED = ".json", ".begun", ".done", ".refused"
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 30.0
_FORGET_SECONDS = 3600.0
Look = Callable[[str], None]


@contextlib.contextmanager
def alone(settings: Settings) -> Iterator[bool]:
    """Hold the loader's lock for a block; False where another process has it: a control, or another command."""
    disk, folder = RealDisk(), Path(settings.data_dir)
    disk.make_folder(folder)
    lock = disk.lock(folder / "loader.lock")
    try:
        yield lock is not None
    finally:
        if lock is not None:
            disk.close(lock)


class WaitingErrands:
    """The loader's side of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in RealDisk().names(folder):
            path = folder / name
            with contextlib.suppress(FileNotFoundError):
                if path.suffix == _BEGUN or time.time() - path.stat().st_mtime > _FORGET_SECONDS:
                    # Begun by a control that is no more, or answered to a command that is no more.
                    path.unlink()

    def do_next(self, writer: StoreWriter, is_leaving: Callable[[], bool]) -> bool:
        """Do the errand that has waited longest; False when none waits."""
        found = next((name for name in RealDisk().names(self._folder) if name.endswith(_WAITING)), None)
        if found is None:
            return False
        path = self._folder / found
        try:
            task = str(orjson.loads(path.read_bytes())["task"])
            path.rename(path.with_suffix(_BEGUN))
            log.info("maintenance_begun", task=task)
            done = writer.maintain(task, is_leaving)
        except FileNotFoundError:
            return True
        except (StoreError, ValueError, TypeError, KeyError) as error:
            reason = error.message if isinstance(error, StoreError) else type(error).__name__
            log.error("maintenance_refused", name=found, reason=reason)
            self._answer(path, _REFUSED, reason.encode())
            return True
        except Exception:
            # A defect, told by the loader: whoever asked must not wait for its end.
            _clear(path)
            raise
        if not done.is_whole:
            # We leave: whoever asked does it, or the next control.
            path.with_suffix(_BEGUN).rename(path)
            return False
        log.info("maintenance_done", **asdict(done))
        self._answer(path, _DONE, orjson.dumps(asdict(done)))
        return True

    def _answer(self, path: Path, suffix: str, text: bytes) -> None:
        try:
            replace_file(path.with_suffix(suffix), text, is_lasting=False)
        except OSError as error:
            log.error("maintenance_unanswered", name=path.name, reason=error.strerror)
        _clear(path)


class Errands:
    """A command's side: does a task itself where nobody else has the store, else waits for the writer."""

    def __init__(self, settings: Settings, wait: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._folder = settings.errands_dir
        self._wait = wait

    def do(self, task: str, look: Look) -> Done:
        """Do a task, whoever does it; ``look`` is told again and again who does it now.

        Raises ``StoreError`` when it cannot be done, ``UnreachableError`` when a running control does not take it.
        """
        done = self._do_alone(task, look)
        return self._hand_over(task, look) if done is None else done

    def _do_alone(self, task: str, look: Look) -> Done | None:
        if self._settings.database.is_postgres:
            return self._do_here(task, look)
        with alone(self._settings) as is_alone:
            return self._do_here(task, look) if is_alone else None

    def _do_here(self, task: str, look: Look) -> Done:
        look("here")
        prepare(self._settings.database)
        with contextlib.closing(StoreWriter(self._settings.database)) as writer:
            return writer.maintain(task)

    def _hand_over(self, task: str, look: Look) -> Done:
        RealDisk().make_folder(self._folder)
        path = self._folder / f"{time.time_ns():020d}-{uuid.uuid4().hex}{_WAITING}"
        replace_file(path, orjson.dumps({"task": task}), is_lasting=False)
        try:
            return self._wait_for(path, task, look)
        finally:
            # Also at Ctrl+C: what has not begun is not wanted any more.
            path.unlink(missing_ok=True)

    def _wait_for(self, path: Path, task: str, look: Look) -> Done:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            self._wait(_POLL_SECONDS)
            is_over = not _is_waiting(path)
            done = _take_answer(path)
            if done is not None:
                return done
            if is_over:
                raise UnreachableError("the running Dashcam has left this without an answer",
                                       hint="its log says why; give the same command again")  # fmt: skip
            has_begun = path.with_suffix(_BEGUN).exists()
            look("the running Dashcam" if has_begun else "waiting for the running Dashcam")
            if has_begun:
                deadline = time.monotonic() + _PATIENCE_SECONDS
            elif time.monotonic() > deadline:
                raise UnreachableError(f"the running Dashcam has not begun in {_PATIENCE_SECONDS:.0f} s",
                                       hint="dashcam doctor says why; or stop it and try again")  # fmt: skip
            if (done := self._take_back(path, task, look)) is not None:
                return done

    def _take_back(self, path: Path, task: str, look: Look) -> Done | None:
        """Do it ourselves after the control process has left; only the holder of the lock can be at it."""
        done = self._do_alone(task, look)
        if done is not None:
            path.with_suffix(_BEGUN).unlink(missing_ok=True)
        return done


def _is_waiting(path: Path) -> bool:
    """Return True while an errand waits or is done. Asked in the order in which it moves on."""
    return path.exists() or path.with_suffix(_BEGUN).exists() or path.exists()


def _clear(path: Path) -> None:
    """Remove the marks of an errand; that needs no room on a disk."""
    for over in (_WAITING, _BEGUN):
        path.with_suffix(over).unlink(missing_ok=True)


def _take_answer(path: Path) -> Done | None:
    with contextlib.suppress(FileNotFoundError):
        answer = Done(**orjson.loads(path.with_suffix(_DONE).read_bytes()))
        path.with_suffix(_DONE).unlink()
        return answer
    with contextlib.suppress(FileNotFoundError):
        reason = path.with_suffix(_REFUSED).read_text()
        path.with_suffix(_REFUSED).unlink()
        raise StoreError(reason, hint="dashcam doctor")
    return None
