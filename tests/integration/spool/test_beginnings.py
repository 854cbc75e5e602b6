"""Gateways that begin where others died: on a disk that is full, again and again, while no store takes anything."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import SpoolError
from proxy.settings.values import RecordingSettings, Settings
from proxy.spool.batches import Position
from proxy.spool.disk import RealDisk
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from proxy.spool.writer import SpoolWriter
from tests.integration.spool.conftest import END, START
from tests.support.spooling import settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    recording = RecordingSettings(min_free_bytes=0, ballast_bytes=100_000)
    made = replace(settings_in(tmp_path), recording=recording)
    made.spool_dir.mkdir(parents=True)
    return made


class Dying:
    """Writers without another word at their end, as SIGKILL leaves them: only the kernel lets go of the lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.living: list[SpoolWriter] = []

    def begin(self) -> SpoolWriter:
        # Its thread does the first round, and with it makes the ballast.
        writer = SpoolWriter.begin(self._settings, 0)
        self.living.append(writer)
        while not (writer.folder / "ballast").exists():
            writer.syncing.want()
        return writer

    def kill(self, writer: SpoolWriter) -> None:
        writer.syncing._leaving = True
        writer.syncing.want()
        assert writer.syncing._thread is not None
        writer.syncing._thread.join(20)
        for descriptor in writer._segments._locks:
            os.close(descriptor)
        self.living.remove(writer)


@pytest.fixture
def gateways(settings: Settings) -> Iterator[Dying]:
    made = Dying(settings)
    yield made
    for writer in made.living:
        writer.close()


def test_the_ballast_of_dead_gateways_is_given_back_and_that_of_the_living_kept(
    settings: Settings, gateways: Dying
) -> None:
    neighbour = gateways.begin()
    for _ in range(5):
        gateways.kill(gateways.begin())
    last = gateways.begin()
    there = {path.parent.name for path in settings.spool_dir.glob("*/ballast")}
    assert there == {neighbour.folder.name, last.folder.name}
    assert len(list(settings.spool_dir.iterdir())) == 7, "what is to be loaded stays"


def test_on_a_full_disk_pages_lie_in_files_that_were_kept_for_them(
    settings: Settings, gateways: Dying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what was dropped is known also where these gateways are killed in turn."""
    gateways.begin()

    def refuse(_descriptor: int, _data: bytes, _offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("proxy.spool.page.os.pwrite", refuse)
    for count in range(8):
        page = Page.begin(settings.pages_dir / f"full-{count}.page", "full", 0)
        page.add(Page.ACCEPTED, count)
        page.close()
    counts = []
    for count in range(8):
        page = Page.open(settings.pages_dir / f"full-{count}.page")
        counts.append((page.get(Page.ACCEPTED), page.get(Page.DROPPED_POLICY)))
        page.close()
    assert counts == [(count, 0) for count in range(8)]
    Page.begin(settings.pages_dir / "none-0.page", "none", 0).close()
    assert not (settings.pages_dir / "none-0.page").exists()


def test_a_disk_that_takes_no_page_keeps_no_gateway_from_starting(
    settings: Settings, gateways: Dying, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _data: bytes, _offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("proxy.spool.page.os.pwrite", refuse)
    writer = SpoolWriter.begin(settings, 3)
    gateways.living.append(writer)
    assert list(settings.pages_dir.iterdir()) == []
    writer.start(b"1" * 16, START, b"question")
    writer.tend()
    monkeypatch.undo()
    writer.tend()
    writer.start(b"2" * 16, START, b"question")
    writer.page.add(Page.IN_FLIGHT, 1)
    (path,) = settings.pages_dir.glob("*.page")
    seen = Page.open(path)
    assert (seen.get(Page.PID), seen.get(Page.WORKER), seen.get(Page.ACCEPTED)) == (os.getpid(), 3, 2)
    assert seen.get(Page.APPENDED_RECORDS) == 2
    assert seen.get(Page.IN_FLIGHT) == 1
    seen.close()


def test_the_body_of_a_call_that_is_not_recorded_goes_with_its_end(settings: Settings) -> None:
    """The disk took its file and then no record: no loader learns of it."""

    class Refusing(RealDisk):
        is_full = False

        def append(self, descriptor: int, data: bytes) -> int:
            if self.is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().append(descriptor, data)

    disk = Refusing()
    page = Page.create(settings.pages_dir / "b-0.page", "b", 0)
    writer = SpoolWriter(settings.spool_dir, "b", 0, page, replace(settings.recording, on_full="drop"), disk,
                         has_thread=False)  # fmt: skip
    aside = writer.open_body(b"1" * 16)
    aside.write(b"large")
    name, _, _ = aside.finish()
    disk.is_full = True
    assert writer.start(b"1" * 16, replace(START, side_file=name), b"")
    assert (writer.folder / "bodies" / name).exists(), "it is still to be sent"
    writer.end(b"1" * 16, END)
    assert not (writer.folder / "bodies" / name).exists()
    writer.close()


def test_bodies_that_wait_for_a_hanging_disk_do_not_use_up_all_descriptors(settings: Settings) -> None:
    page = Page.create(settings.pages_dir / "b-0.page", "b", 0)
    writer = SpoolWriter(settings.spool_dir, "b", 0, page, settings.recording, has_thread=False)
    for number in range(512):
        writer.open_body(number.to_bytes(16, "big")).finish()
    with pytest.raises(SpoolError, match="too many wait for the disk"):
        writer.open_body(b"1" * 16)
    writer.syncing.round(1e9)
    writer.open_body(b"1" * 16).finish()
    writer.close()


def test_what_is_abandoned_lets_go_of_everything(settings: Settings) -> None:
    before = len(os.listdir("/proc/self/fd"))
    writer = SpoolWriter.begin(settings, 0)
    writer.open_body(b"1" * 16).finish()
    thread = writer.syncing._thread
    assert thread is not None
    writer.syncing.abandon()
    thread.join(20)
    assert len(os.listdir("/proc/self/fd")) == before
    assert not SpoolReader(settings.spool_dir).source(writer.folder.name).is_alive()
    assert SpoolReader(settings.spool_dir).source(writer.folder.name).read(Position(), 1000, is_final=True).is_at_end
