"""Logs say what happened and never a secret; they come as text or JSON, and as a file beside it."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from proxy.settings.values import LogSettings
from proxy.telemetry.logs import clean, configure

Read = Callable[[LogSettings], list[str]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    """Log four things with these settings; return the lines."""
    reading, writing = os.pipe()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    # Other tests of this process may have run a library that changes its loggers, or switches logging off.
    disabled = logging.getLogger().manager.disable
    logging.disable(logging.NOTSET)

    def run(settings: LogSettings) -> list[str]:
        with os.fdopen(writing, "w", closefd=False) as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            sink = configure(settings, process="gateway")
            log = structlog.get_logger("here")
            log.debug("detail")
            log.info("key_seen", key="Bearer abcdefgh12345678", text="a\x1b[31mb\x00")
            log.warning("recovered", seconds=1.5)
            logging.getLogger("some.library").warning("of the library")
            sink.close()
        return os.read(reading, 65536).decode().split("\n")[:-1]

    yield run
    structlog.reset_defaults()
    logging.disable(disabled)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    os.close(reading)
    os.close(writing)


def test_text_is_one_line_an_event_with_the_process_in_it(written: Read) -> None:
    lines = written(LogSettings())
    assert len(lines) == 3
    assert "recovered" in lines[1]
    assert "process=gateway" in lines[1]
    assert "of the library" in lines[2]


def test_json_is_one_object_an_event(written: Read) -> None:
    found = [json.loads(line) for line in written(LogSettings(format="json"))]
    assert [item["level"] for item in found] == ["info", "warning", "warning"]
    assert found[1]["seconds"] == 1.5


def test_the_level_decides(written: Read) -> None:
    assert len(written(LogSettings(level="debug"))) == 4


def test_keys_and_control_characters_do_not_get_through(written: Read) -> None:
    line = written(LogSettings(format="json"))[0]
    assert "abcdefgh" not in line
    assert json.loads(line)["text"] == "a\\x1b[31mb\\x00"


def test_a_file_gets_the_same_lines(written: Read, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "dashcam.log"
    lines = written(LogSettings(file=str(path)))
    assert path.read_text().split("\n")[:-1] == lines


def test_a_file_that_cannot_be_written_is_told_once_and_every_line_is_on_standard_error(
    written: Read, tmp_path: Path
) -> None:
    lines = written(LogSettings(file=str(tmp_path)))
    assert [line for line in lines if "cannot be written" in line] == [lines[1]]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("sk-proj-abcdefghijkl", "ghijkl"),
        ("Authorization: Bearer secret-token-1", "secret"),
        ("api_key=abcdefghijkl", "abcdefgh"),
        ("dashcam_adm_abcdefghijkl", "abcdefgh"),
        ("no key 'dc_abcdefghijklmnopqrstuvwxyz0123456789'", "abcdefgh"),
    ],
)
def test_what_looks_like_a_key_is_taken_out(text: str, hidden: str) -> None:
    assert hidden not in clean(text)
    assert "***" in clean(text)


def test_a_field_has_an_end() -> None:
    assert len(clean("x" * 100_000)) == 2000
