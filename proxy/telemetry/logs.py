"""Logging: structlog, text by default, JSON by setting, to standard error and optionally a daily rotated file.

Levels by consequence: WARNING means nothing was lost and we recovered, ERROR that something was lost or a person is
needed, DEBUG must not scale with traffic. Fields are chosen where a line is logged; no prompt text and no credential is
ever among them, and a last-resort filter takes out what looks like a key. Control characters are escaped. Standard
library loggers (uvicorn, httpx2, alembic) come through here from WARNING on.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import orjson
import structlog

from proxy.settings.values import LogSettings
from proxy.telemetry.daily_file import DailyFile
from proxy.telemetry.sink import BoundedSink

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET = re.compile(
    r"(sk-[A-Za-z0-9_-]{6})[A-Za-z0-9_-]+|(?i:(bearer\s+|api[-_]?key[\"'=:\s]+))[^\s\"',}]{8,}"
    r"|(dashcam_[a-z]+_)[A-Za-z0-9]+|\b(dc_)[A-Za-z0-9]{20,}"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
_MAX_FIELD = 2000

EventDict = MutableMapping[str, Any]


def hide_secrets(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Take out what looks like a key, escape control characters and cap the length of every text field."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = clean(value)
    return event


def clean(text: str) -> str:
    """Return a text that is safe to log."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", without_keys(text))[:_MAX_FIELD]


def without_keys(text: str) -> str:
    """Return a text with three asterisks in place of what looks like a key."""
    return _SECRET.sub(lambda match: "".join(filter(None, match.groups())) + "***", text)


def _render_json(_logger: object, _name: str, event: EventDict) -> bytes:
    return orjson.dumps(dict(event), default=str)


class _TextRenderer:
    """One readable line an event; colours only on a terminal."""

    def __init__(self, *, has_colours: bool) -> None:
        self._renderer = structlog.dev.ConsoleRenderer(
            colors=has_colours, pad_event_to=24, exception_formatter=structlog.dev.plain_traceback
        )

    def __call__(self, logger: object, name: str, event: EventDict) -> bytes:
        return str(self._renderer(logger, name, event)).encode("utf-8", "replace")


class _FileSink:
    """Adds a daily file beside another sink; a file that cannot be written is told once, and holds nothing up."""

    def __init__(self, first: BoundedSink, file: DailyFile) -> None:
        self._first, self._file = first, file
        self._fails = False

    def msg(self, line: bytes) -> None:
        """Write to both."""
        self._first.msg(line)
        try:
            self._file.write(_COLOUR.sub(b"", line) + b"\n")
            self._fails = False
        except OSError as error:
            if not self._fails:
                self._first.msg(f"log.file cannot be written: {error}".encode())
            self._fails = True

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class _Bridge(logging.Handler):
    """Hands the standard library's records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record, without its local variables."""
        structlog.get_logger(record.name).log(record.levelno, record.getMessage())


def configure(settings: LogSettings, *, process: str) -> BoundedSink:
    """Set logging up for this process; returns the sink so that its owner can close it."""
    sink = BoundedSink(sys.stderr.fileno())
    target = _FileSink(sink, DailyFile(Path(settings.file), settings.keep_days)) if settings.file else sink
    is_json = settings.format == "json"
    renderer = _render_json if is_json else _TextRenderer(has_colours=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if is_json else "%H:%M:%S", utc=is_json),
            lambda _logger, _name, event: {"process": process, **event},
            structlog.processors.format_exc_info,
            hide_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=lambda *_arguments: target,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(logging.WARNING)
    return sink


@contextlib.contextmanager
def warnings_only() -> Iterator[None]:
    """Let a block log to standard error what is a warning or worse: a command says itself what it does."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)
