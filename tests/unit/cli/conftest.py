"""The command line in this process, on a data folder of its own."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from proxy.cli.app import run_app
from proxy.cli.terminal import settle_colours
from proxy.domain.interaction import Entry
from proxy.settings.database import sqlite_at
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.fresh_sqlite import fresh_sqlite


@dataclass
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Command = Callable[..., Said]
Record = Callable[..., None]
Elsewhere = Callable[[str], None]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings, no .env, no colours, no width, no pager and no proxies of whoever runs the tests."""
    for name in ("OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAGER", "cat")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASHCAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DASHCAM_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    # A process runs one command; here the test before this one has run its own in the same process.
    settle_colours("auto")


@pytest.fixture
def prepared(tmp_path: Path) -> None:
    """A database with our tables and nothing in them, for whom it is no matter that the first command makes it."""
    fresh_sqlite(tmp_path / "data" / "dashcam.db")


@pytest.fixture
def dashcam(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command as it is typed."""

    def run(*arguments: str, is_terminal: bool = False) -> Said:
        monkeypatch.setattr(sys, "argv", ["dashcam", *arguments])
        monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
        code = run_app()
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Put entries on record."""

    return lambda *entries: _write(tmp_path, entries)


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Put entries on record as while ``database.seal`` is on; commands that follow have the key, and it is off."""
    monkeypatch.setenv("DASHCAM_MASTER_KEY", secrets.token_hex(32))
    return lambda *entries: _write(tmp_path, entries, is_sealed=True)


def _write(tmp_path: Path, entries: Sequence[Entry], *, is_sealed: bool = False) -> None:
    path = tmp_path / "data" / "dashcam.db"
    database = sqlite_at(path) if path.exists() else fresh_sqlite(path)
    writer = StoreWriter(replace(database, seal=is_sealed))
    for entry in entries:
        writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {})
    writer.close()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Go on with another data folder."""

    def go(name: str) -> None:
        monkeypatch.setenv("DASHCAM_DATA_DIR", str(tmp_path / name))

    return go
