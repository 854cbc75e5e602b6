"""The bench's own tools count right; what they measure is nobody's test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import relaying, report, targets
from bench.generator import Plan
from bench.targets import Target


@pytest.fixture(scope="module")
def direct() -> Iterator[Target]:
    with targets.upstream() as running:
        yield running


def test_every_call_asked_for_is_made_and_whole(direct: Target) -> None:
    seen = targets.load(Plan(port=direct.port, connections=4, calls=300, seconds=30))
    assert (seen.calls, seen.failed) == (300, 0)
    assert 0 < seen.p50_us <= seen.p99_us <= seen.worst_us


def test_every_chunk_of_every_stream_is_counted(direct: Target) -> None:
    seen = targets.load(Plan(port=direct.port, connections=2, calls=10, chunks=7, seconds=30))
    # seven tokens, the usage, and the line that ends the stream
    assert (seen.calls, seen.failed, seen.chunks) == (10, 0, 10 * 9)


def test_a_large_body_is_read_to_its_end(direct: Target) -> None:
    seen = targets.load(Plan(port=direct.port, connections=1, calls=3, body_bytes=3_000_000, seconds=30))
    assert (seen.calls, seen.failed) == (3, 0)


@pytest.mark.parametrize("shape", ["silent", "upload", "embeddings"])
def test_every_shape_of_call_is_answered_whole(direct: Target, shape: str) -> None:
    chunks = 3 if shape == "silent" else 0
    seen = targets.load(Plan(port=direct.port, connections=2, calls=6, chunks=chunks, shape=shape, seconds=30))
    assert (seen.calls, seen.failed, bool(seen.chunks)) == (6, 0, shape == "silent")


def test_an_open_loop_makes_as_many_calls_as_are_due(direct: Target) -> None:
    seen = targets.load(Plan(port=direct.port, connections=4, rate=200, seconds=0.5))
    assert seen.failed == 0
    # A machine under load ends the half second late, and more calls have become due by then.
    assert seen.calls >= 50


def test_nobody_there_is_an_error_and_not_a_figure() -> None:
    with pytest.raises(RuntimeError, match="port 1"):
        targets.load(Plan(port=1, connections=1, calls=1))


def test_the_table_says_which_targets_were_reached() -> None:
    figures: relaying.Figures = {"start_to_ready_s": 1.0, "installed_mb": 300.0, "calls_per_s": 12345.6, "help_s": None}
    reached, missed, plain, unknown = report.table(figures).split("\n")
    assert "reached" in reached
    assert "MISSED" in missed
    assert "12,346" in plain
    assert unknown.endswith("-")
