"""``dashcam db copy``: which two databases, what to say of them, and the handover at the end."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from proxy.cli.copy_progress import CopyProgress
from proxy.cli.terminal import harmless, json_text
from proxy.errors import NotAllowedError, StoreError, UsageError
from proxy.loader import handover
from proxy.settings.database import HIDDEN, DatabaseSettings, check_url, sqlite_at
from proxy.settings.installation import id_of
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.moving import places, state
from proxy.store.moving.comparing import Findings
from proxy.store.moving.merging import Renaming
from proxy.store.moving.procedure import Copy, Watch, copy, open_copy
from proxy.supervisor import instance

DIFFERS = 7


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed: addresses (None: the configured database), and what to do."""

    source: str | None
    target: str | None
    verifies: bool = False
    stays: bool = False
    forces: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Both databases, and the folder whose record moves."""

    source: DatabaseSettings
    target: DatabaseSettings
    data_dir: Path

    @property
    def renaming(self) -> Renaming:
        """What the folder's instance is called on both sides: SQLite's one writer has no name."""
        name = id_of(self.data_dir) if self.data_dir.is_dir() else ""
        return Renaming(name if self.source.is_postgres else "", name if self.target.is_postgres else "")


def run(settings: Settings, wanted: Wanted) -> int:
    """Copy or compare; return the exit code."""
    move = _move(settings, wanted)
    if wanted.verifies:
        return _verify(move, wanted)
    if _is_done(move):
        if wanted.as_json:
            print(json_text({"from": move.source.shown, "to": move.target.shown, "state": "complete", "left": 0}))
        print(f"The record is in {move.target.shown} already. {_start(move)}", file=sys.stderr)
        return 0
    try:
        return _copy(move, wanted)
    except OSError as error:
        raise StoreError(f"nothing can be written there: {error}", hint="choose another place with --to") from error
    except KeyboardInterrupt:
        print(f"\nStopped; what is copied stays. Go on with: {_again(move, wanted)}", file=sys.stderr)
        raise


def _again(move: Move, wanted: Wanted) -> str:
    """Return the same command, its secrets hidden."""
    words = ["dashcam db copy"]
    words += [f"--from {_address(move.source)}"] if wanted.source else []
    words += [f"--to {_address(move.target)}"] if wanted.target else []
    words += ["--stay"] if wanted.stays else []
    words += ["--force"] if wanted.forces else []
    return " ".join(words)


def _address(database: DatabaseSettings) -> str:
    return database.shown if database.is_postgres else database.url


# -- which databases ----------------------------------------------------------------------------------------


def _move(settings: Settings, wanted: Wanted) -> Move:
    if not (wanted.source or wanted.target):
        raise UsageError("from where, or to where?", hint="dashcam db copy --to postgresql://USER@HOST/NAME")
    source = _place(settings, wanted.source, "--from")
    target = _place(settings, wanted.target, "--to")
    if source.url == target.url or (not (source.is_postgres or target.is_postgres)
                                    and source.path.resolve() == target.path.resolve()):  # fmt: skip
        raise UsageError(f"source and target are both {source.shown}", hint="give another --to")
    move = Move(source, target, Path(settings.data_dir))
    for database in (source, target):
        _refuse_other_folder(move.data_dir, database)
    return move


def _place(settings: Settings, url: str | None, flag: str) -> DatabaseSettings:
    if url is None:
        return settings.database
    try:
        check_url(url)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}", hint="dashcam db copy --help") from None
    made = replace(settings.database, url=url, read_url="")
    return made if made.is_postgres else replace(made, url=sqlite_at(made.path.resolve()).url)


def _refuse_other_folder(data_dir: Path, database: DatabaseSettings) -> None:
    """Refuse a file that the Dashcam of another data folder writes: only its own can be asked to wait."""
    if database.is_postgres:
        return
    folder, lock = database.path.parent, database.path.parent / "loader.lock"
    if folder.resolve() == data_dir.resolve() or not lock.exists():
        return
    taken = RealDisk().lock(lock)
    if taken is None:
        raise StoreError(f"another Dashcam records into {folder}", hint=f"give its folder: --data-dir {folder}")
    os.close(taken)


def _is_done(move: Move) -> bool:
    """Return True when the target is the record already; ``StoreError`` when the source is not the record."""
    moved = handover.handed_over(move.data_dir)
    if moved is None:
        return False
    there = state.of(move.target)
    if there is not None and there.id == moved["copy"]:
        return True
    here = state.of(move.source)
    if here is None or here.id != moved["copy"]:
        raise StoreError(f"the record of {move.data_dir} is in {moved['database']}, and not in {move.source.shown}",
                         hint=f"dashcam db copy --from {moved['database']} --to …")  # fmt: skip
    return False


# -- copying ------------------------------------------------------------------------------------------------


def _copy(move: Move, wanted: Wanted) -> int:
    begun = time.monotonic()
    with handover.alone(move.data_dir), CopyProgress() as watch:
        found, told = _carry(move, wanted, watch)
    seconds = round(time.monotonic() - begun, 3)
    if wanted.as_json:
        places = {"from": move.source.shown, "to": move.target.shown}
        print(json_text({**places, "state": "copying" if wanted.stays else "complete", "rows": found.rows,
                         "hashes": found.hashes, "damaged": found.damaged, **told, "seconds": seconds}))  # fmt: skip
    _say_what_was_done(move, wanted, found, seconds)
    if told["mended"]:
        print(f"{told['mended']:,} rows had U+0000 in a text, which Postgres cannot keep: it is U+FFFD there.",
              file=sys.stderr)  # fmt: skip
    if told["left_behind"]:
        print(f"Not ours, and left behind: {', '.join(map(harmless, told['left_behind']))}.", file=sys.stderr)
    _say_damage(found)
    return 0


def _carry(move: Move, wanted: Wanted, watch: Watch) -> tuple[Findings, dict[str, Any]]:
    """Carry and compare, and hand over; return what was found, and what else there is to tell."""
    with copy(move.source, move.target, id_of(move.data_dir), watch) as made:
        _refuse_others(made, move, wanted)
        left_behind = made.left_behind()
        made.fill()
        found = made.compare()
        left, waited = made.catch_up(), 0.0
        if not wanted.stays:
            watch.step("last step, for which recording waits", 0)
            begun = time.monotonic()
            with handover.hold(move.data_dir):
                _refuse_others(made, move, wanted)
                found.add(made.finish(move.renaming))
                copied = state.read(made.target)
                assert copied is not None
                handover.hand_over(move.data_dir, copied, move.target.shown)
            left, waited = 0, round(time.monotonic() - begun, 3)
        return found, {"mended": made.mended, "left": left, "left_behind": left_behind,
                       "last_step_seconds": waited}  # fmt: skip


def _refuse_others(made: Copy, move: Move, wanted: Wanted) -> None:
    """Refuse to move a record that other hosts go on writing into: only our own can be asked to wait.

    They would store into the former one, or into a copy that is not complete.
    """
    if wanted.stays:
        return
    for side in (made.source, made.target):
        others = places.others_in(side, id_of(move.data_dir))
        if not others:
            continue
        told = f"other hosts record into {side.database.shown}: {', '.join(map(harmless, others))}"
        if not wanted.forces:
            raise NotAllowedError(told, hint="stop Dashcam there, then give the same command again; --stay copies "
                                  "beforehand while they go on, --force moves the record without them")  # fmt: skip
        print(f"Forced: {told}. What they store from now on is not in the copy.", file=sys.stderr)


def _say_what_was_done(move: Move, wanted: Wanted, found: Findings, seconds: float) -> None:
    rows, calls = sum(found.rows.values()), found.rows["interaction"]
    print(f"{calls:,} calls ({rows:,} rows) of {move.source.shown} are in {move.target.shown}, compared by counts and "
          f"hashes; {seconds:,.1f} s.", file=sys.stderr)  # fmt: skip
    if wanted.stays:
        print("The record stays where it is. Give the same command without --stay to move it.", file=sys.stderr)
    else:
        print(_start(move), file=sys.stderr)


def _start(move: Move) -> str:
    waits = "New calls wait in the spool of the Dashcam that runs. Stop it, and start"
    start = waits if instance.is_served(move.data_dir) else "Start"
    url = _address(move.target)
    secret = f"\n({HIDDEN} stands for your password.)" if HIDDEN in url else ""
    return f"{start} it with the new database:\n  dashcam serve --database-url {url}{secret}"


# -- comparing ----------------------------------------------------------------------------------------------


def _verify(move: Move, wanted: Wanted) -> int:
    with CopyProgress() as watch:
        made = open_copy(move.source, move.target, watch)
        try:
            found = made.verify(move.renaming)
        finally:
            made.close()
    if wanted.as_json:
        print(json_text({"from": move.source.shown, "to": move.target.shown, "same": found.is_same, **asdict(found)}))
    else:
        _say_findings(found)
    _say_damage(found)
    return 0 if found.is_same else DIFFERS


def _say_findings(found: Findings) -> None:
    for name, count in found.rows.items():
        missing, more = found.missing.get(name, 0), found.more.get(name, 0)
        words = [f"{count:,} rows", found.hashes.get(name, "-")]
        words += [f"{missing:,} are not in the target"] if missing else []
        words += [f"the target has {more:,} more"] if more else []
        print("\t".join([name, *words]))
    for name in found.different[:20]:
        print(f"{name} differs", file=sys.stderr)
    if found.is_same:
        print("The target has all that the source has.", file=sys.stderr)


def _say_damage(found: Findings) -> None:
    if found.damaged:
        more = f" and {len(found.damaged) - 1:,} more" if len(found.damaged) > 1 else ""
        print(f"Damaged in the source already: {found.damaged[0]}{more} is not what its hash says.", file=sys.stderr)
