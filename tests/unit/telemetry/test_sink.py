"""A pipe that nobody reads never makes a writer wait; what is lost for that is counted and said."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from proxy.telemetry.sink import MAX_BUFFERED, BoundedSink
from tests.support.waiting import wait_until

LINE = b"x" * 999 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_lines_come_out_whole_and_in_order(pipe: tuple[int, int]) -> None:
    sink = BoundedSink(pipe[1])
    for number in range(50):
        sink.msg(b"line %d" % number)
    sink.close()
    assert os.read(pipe[0], 65536).split(b"\n")[:-1] == [b"line %d" % number for number in range(50)]
    assert sink.dropped == 0


def test_an_unread_pipe_holds_nobody_up_and_what_is_dropped_is_counted(pipe: tuple[int, int]) -> None:
    sink = BoundedSink(pipe[1])
    for _ in range(1000):
        sink.write(LINE)
    assert sink.dropped >= 1000 - (MAX_BUFFERED + 2 * 65536) // len(LINE)
    received = b""

    def said() -> bool:
        nonlocal received
        received += os.read(pipe[0], 65536)
        return b"log lines were dropped" in received

    wait_until(said, "the count of dropped lines is said")
    assert b"%d log lines were dropped" % sink.dropped in received
    sink.close()


def test_closing_waits_for_an_unread_pipe_only_so_long(pipe: tuple[int, int]) -> None:
    sink = BoundedSink(pipe[1])
    for _ in range(200):
        sink.write(LINE)
    sink.close(timeout=0.1)
    os.set_blocking(pipe[0], False)
    wait_until(lambda: _drained(pipe[0], sink), "the sink's thread has ended")


def _drained(reading: int, sink: BoundedSink) -> bool:
    try:
        os.read(reading, 65536)
    except BlockingIOError:
        return not sink._thread.is_alive()
    return False


def test_a_reader_that_is_gone_ends_the_logging_and_nothing_else() -> None:
    reading, writing = os.pipe()
    sink = BoundedSink(writing)
    os.close(reading)
    sink.write(LINE)
    sink.write(LINE)
    sink.close()
    os.close(writing)
