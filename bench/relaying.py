"""What relaying costs: throughput, CPU per call, added latency, streams, and the worst stall beside large bodies."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.generator import Plan, Seen
from bench.processes import cpu_us
from bench.targets import Target, load, start_load

Figures = dict[str, float | str | None]


@dataclass(slots=True)
class Cost:
    """One run against one target."""

    seen: Seen
    cpu_us: float

    @property
    def calls_per_second(self) -> float:
        """How many calls a second went through."""
        return self.seen.calls / self.seen.seconds

    @property
    def chunks_per_second(self) -> float:
        """How many chunks a second went through."""
        return self.seen.chunks / self.seen.seconds

    @property
    def cpu_us_per_call(self) -> float:
        """What one call costs the target's core."""
        return self.cpu_us / max(1, self.seen.calls)

    @property
    def cpu_us_per_chunk(self) -> float:
        """What one chunk costs the target's core, its share of the call included."""
        return self.cpu_us / max(1, self.seen.chunks)


def run(target: Target, **plan: float) -> Cost:
    """Run one load and weigh the target meanwhile."""
    before = cpu_us(target.pid) if target.pid else 0.0
    seen = load(Plan(port=target.port, **plan))  # type: ignore[arg-type]
    return Cost(seen, cpu_us(target.pid) - before if target.pid else 0.0)


def measure(direct: Target, ours: Target, theirs: Target | None, seconds: float) -> Figures:
    """Measure all of it; ratios to nginx are of CPU time, since nginx can outrun a generator on one core."""
    for target in (direct, ours, theirs):
        if target is not None:
            run(target, seconds=0.5)
    figures = {
        **_calls(direct, ours, theirs, seconds),
        **_latency(direct, ours, theirs, seconds),
        **_streams(direct, ours, theirs, seconds),
    }
    figures["worst_stall_ms_beside_10_mb_bodies"] = _stall(ours)
    return figures


def _calls(direct: Target, ours: Target, theirs: Target | None, seconds: float) -> Figures:
    ceiling, mine = run(direct, seconds=seconds), run(ours, seconds=seconds)
    figures: Figures = {
        "generator_ceiling_calls_per_s": ceiling.calls_per_second,
        "calls_per_s": mine.calls_per_second,
        "cpu_us_per_call": mine.cpu_us_per_call,
        "failed_calls": mine.seen.failed,
    }
    if theirs is not None:
        other = run(theirs, seconds=seconds)
        figures["nginx_calls_per_s"] = other.calls_per_second
        figures["nginx_cpu_us_per_call"] = other.cpu_us_per_call
        figures["throughput_ratio_to_nginx"] = mine.calls_per_second / other.calls_per_second
        figures["cpu_ratio_to_nginx"] = other.cpu_us_per_call / mine.cpu_us_per_call if mine.cpu_us else None
    return figures


def _latency(direct: Target, ours: Target, theirs: Target | None, seconds: float) -> Figures:
    base = run(direct, seconds=seconds / 2, connections=1).seen.p50_us
    added = run(ours, seconds=seconds, connections=1).seen.p50_us - base
    figures: Figures = {"direct_latency_p50_us": base, "added_latency_p50_us": added}
    if theirs is not None:
        other = run(theirs, seconds=seconds, connections=1).seen.p50_us - base
        figures["nginx_added_latency_p50_us"] = other
        figures["added_latency_ratio_to_nginx"] = added / other
    return figures


def _streams(direct: Target, ours: Target, theirs: Target | None, seconds: float) -> Figures:
    shape = {"seconds": seconds, "connections": 16, "chunks": 50}
    ceiling, mine = run(direct, **shape), run(ours, **shape)
    figures: Figures = {
        "generator_ceiling_chunks_per_s": ceiling.chunks_per_second,
        "chunks_per_s": mine.chunks_per_second,
        "cpu_us_per_chunk": mine.cpu_us_per_chunk,
        "failed_streams": mine.seen.failed,
    }
    if theirs is not None:
        other = run(theirs, **shape)
        figures["nginx_chunks_per_s"] = other.chunks_per_second
        figures["chunks_ratio_to_nginx"] = mine.chunks_per_second / other.chunks_per_second
        figures["chunk_cpu_ratio_to_nginx"] = other.cpu_us_per_chunk / mine.cpu_us_per_chunk if mine.cpu_us else None
    return figures


def _stall(target: Target) -> float:
    """Return the longest that one small call took while bodies of 10 MB went through the same gateway."""
    large = start_load(Plan(port=target.port, connections=1, seconds=4, body_bytes=10_000_000))
    time.sleep(0.5)
    small = load(Plan(port=target.port, connections=1, seconds=3))
    large.communicate()
    return small.worst_us / 1e3
