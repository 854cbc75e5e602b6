"""What other shapes of calls cost beside the plain one: streams whose usage we ask for, uploads, batches of vectors."""

from __future__ import annotations

from typing import Any

from bench.relaying import Cost, Figures, compare
from bench.targets import Target

_UPLOAD = 10_000_000


def measure(ours: Target, theirs: Target | None, seconds: float) -> Figures:
    """Measure each shape; a ratio to nginx is of calls a second in the same run."""
    asking, silent = _streams(ours, seconds, "chat"), _streams(ours, seconds, "silent")
    figures: Figures = {
        "inject_cpu_us_per_chunk": silent.cpu_us_per_chunk,
        "inject_cpu_ratio_to_plain_stream": asking.cpu_us_per_chunk / silent.cpu_us_per_chunk,
        "inject_failed_streams": silent.seen.failed,
    }
    # Not against nginx: it takes a large body whole into a file before it asks, at a pace of its own.
    figures |= _against([ours], "upload_10_mb", seconds, connections=2, shape="upload", body_bytes=_UPLOAD)
    targets = [ours] + ([theirs] if theirs is not None else [])
    return figures | _against(targets, "embeddings_batch", seconds, connections=8, shape="embeddings")


def _streams(target: Target, seconds: float, shape: str) -> Cost:
    (cost,) = compare([target], seconds=seconds, connections=16, chunks=50, shape=shape)
    return cost


def _against(targets: list[Target], name: str, seconds: float, **plan: Any) -> Figures:
    mine, *other = compare(targets, seconds=seconds, **plan)
    figures: Figures = {
        f"{name}_calls_per_s": mine.calls_per_second,
        f"{name}_cpu_us_per_call": mine.cpu_us_per_call,
        f"{name}_failed": mine.seen.failed,
    }
    for theirs in other:
        figures[f"{name}_ratio_to_nginx"] = mine.calls_per_second / theirs.calls_per_second
    return figures
