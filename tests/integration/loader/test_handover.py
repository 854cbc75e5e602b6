"""The record's handover: loaders leave while a command holds it, and only the complete copy is opened afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import NotAllowedError, StoreError, UnreachableError
from proxy.loader import handover
from proxy.loader.amendments import Amender
from proxy.loader.loading import Loader
from proxy.settings.database import sqlite_at
from proxy.settings.installation import id_of
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.changes.amending import Amendment
from proxy.store.migrating.migration import upgrade
from proxy.store.moving import state
from proxy.store.moving.merging import Renaming
from proxy.store.moving.procedure import Watch, copy
from proxy.telemetry.families import Totals
from tests.support.spooling import settings_in

HOLDER = """
import sys, time
from pathlib import Path
from proxy.loader.handover import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """A data folder with an empty record."""
    made = settings_in(tmp_path, database=sqlite_at(tmp_path / "data" / "dashcam.db"))
    upgrade(made.database)
    return made


@pytest.fixture
def there(here: Settings, tmp_path: Path) -> Settings:
    """The same folder with another database, which is not there yet."""
    return replace(here, database=sqlite_at(tmp_path / "moved.db"))


def data_dir(settings: Settings) -> Path:
    return Path(settings.data_dir)


def moved(here: Settings, there: Settings, *, hands_over: bool = True) -> None:
    with copy(here.database, there.database, id_of(data_dir(here)), Watch()) as made:
        made.fill()
        made.finish(Renaming("", ""))
        copied = state.read(made.target)
    assert copied is not None
    if hands_over:
        handover.hand_over(data_dir(here), copied, there.database.shown)


# -- the hold -----------------------------------------------------------------------------------------------


def test_a_loader_leaves_when_a_command_holds_the_record(here: Settings) -> None:
    loader = Loader(here, Totals(), lambda _: None)
    running = threading.Thread(target=loader.run)
    running.start()
    assert not handover.is_held(data_dir(here))
    with handover.hold(data_dir(here)):
        assert handover.is_held(data_dir(here))
        running.join(10)
        assert not running.is_alive()
    assert not handover.is_held(data_dir(here))


def test_a_hold_goes_with_whoever_had_it(here: Settings) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, here.data_dir], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert handover.is_held(data_dir(here))
    with pytest.raises(NotAllowedError), handover.hold(data_dir(here)):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not handover.is_held(data_dir(here))
    with handover.hold(data_dir(here)):
        pass


def test_a_loader_that_does_not_leave_is_told_of(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_PATIENCE_SECONDS", 0.2)
    lock = RealDisk().lock(data_dir(here) / "loader.lock")
    assert lock is not None
    with pytest.raises(UnreachableError, match="has not let go"), handover.hold(data_dir(here)):
        pass
    os.close(lock)
    assert not handover.is_held(data_dir(here))


def test_there_is_one_copy_at_a_time(here: Settings) -> None:
    with handover.alone(data_dir(here)), pytest.raises(NotAllowedError), handover.alone(data_dir(here)):
        pass


# -- which database is the record ---------------------------------------------------------------------------


def test_a_folder_whose_record_never_moved_may_use_any_database(here: Settings, there: Settings) -> None:
    handover.take_into_use(here)
    upgrade(there.database)
    handover.take_into_use(there)


def test_after_the_handover_only_the_copy_is_the_record(here: Settings, there: Settings, tmp_path: Path) -> None:
    moved(here, there)
    with pytest.raises(StoreError, match=r"the record moved to .*moved\.db") as caught:
        handover.check(here)
    assert f"--database-url {there.database.url};" in str(caught.value.hint)
    handover.take_into_use(there)
    found = state.of(there.database)
    assert found is not None
    assert found.state == state.IN_USE
    # And on: the copy of the copy.
    third = replace(here, database=sqlite_at(tmp_path / "third.db"))
    moved(there, third)
    handover.take_into_use(third)
    for former in (here, there):
        with pytest.raises(StoreError, match=r"the record moved to .*third\.db"):
            handover.check(former)


def test_a_copy_that_is_not_complete_is_never_opened(here: Settings, there: Settings) -> None:
    with copy(here.database, there.database, id_of(data_dir(here)), Watch()) as made:
        made.fill()
    with pytest.raises(StoreError, match="not complete"):
        handover.take_into_use(there)
    # Complete, but killed before it was handed over: the former record goes on, and is ahead of it soon.
    moved(here, there, hands_over=False)
    handover.take_into_use(here)
    with pytest.raises(StoreError, match="not complete"):
        handover.take_into_use(there)
    moved(here, there)
    handover.take_into_use(there)


def test_a_command_changes_nothing_in_a_former_record(here: Settings, there: Settings) -> None:
    moved(here, there)
    amendment = Amendment(command="recost", reason="test", at=0, changes=[])
    with pytest.raises(StoreError, match="the record moved to"):
        Amender(here).write(amendment)
    assert Amender(there).write(amendment) == 0


def test_another_folder_may_begin_with_a_complete_copy(here: Settings, there: Settings, tmp_path: Path) -> None:
    moved(here, there)
    elsewhere = settings_in(tmp_path / "elsewhere", database=there.database)
    Path(elsewhere.data_dir).mkdir(parents=True, exist_ok=True)
    handover.take_into_use(elsewhere)


def test_a_note_that_cannot_be_read_is_an_error(here: Settings) -> None:
    (data_dir(here) / "record.json").write_text("{}")
    with pytest.raises(StoreError, match=r"record\.json cannot be read"):
        handover.check(here)
