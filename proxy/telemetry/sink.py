"""A log sink that never makes its caller wait, however slowly somebody reads the pipe.

A pipe that nobody reads holds 64 kB and then blocks its writer for ever; a call must not hang on that. Lines go through
a bounded buffer to a thread; beyond 64 kB lines are dropped, counted, and the count is written when there is room.
"""

from __future__ import annotations

import os
import threading
from collections import deque

MAX_BUFFERED = 64 * 1024


class BoundedSink:
    """Writes lines to a descriptor from a thread of its own; ``dropped`` counts the lines given up."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._buffered = 0
        self._condition = threading.Condition()
        self._is_closing = False
        self._unreported = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-sink", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Queue one line; never blocks."""
        with self._condition:
            if self._buffered + len(line) > MAX_BUFFERED:
                self.dropped += 1
                self._unreported += 1
                return
            self._lines.append(line)
            self._buffered += len(line)
            self._condition.notify()

    def msg(self, line: bytes) -> None:
        """Take a rendered line, as structlog's loggers do."""
        self.write(line + b"\n")

    debug = info = warning = warn = error = critical = exception = fatal = log = msg

    def close(self, timeout: float = 1.0) -> None:
        """Write what is buffered, for at most ``timeout`` seconds."""
        with self._condition:
            self._is_closing = True
            self._condition.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._lines and not self._is_closing:
                    self._condition.wait()
                if not self._lines:
                    return
                line = self._lines.popleft()
                if self._unreported:
                    line += b"%d log lines were dropped because nobody read them\n" % self._unreported
                    self._unreported = 0
            self._write_whole(line)
            with self._condition:
                self._buffered = sum(map(len, self._lines))

    def _write_whole(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                _wait_writable(self._descriptor)
            except OSError:
                # The reader is gone: logging ends, the calls go on.
                return


def _wait_writable(descriptor: int) -> None:
    import select

    select.select([], [descriptor], [], 1.0)
