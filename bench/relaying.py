"""What relaying costs: throughput, CPU per call, added latency, streams, and the worst stall beside large bodies."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.generator import Plan, Seen
from bench.processes import cpu_us
from bench.targets import Target, load, start_load

Figures = dict[str, float | str | None]

ROUNDS = 3


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


def run(target: Target, **plan: Any) -> Cost:
    """Run one load and weigh the target meanwhile."""
    return run_plan(target, Plan(port=target.port, **plan))


def run_plan(target: Target, plan: Plan) -> Cost:
    """The same, with a plan that is made already."""
    with target.alone():
        before = cpu_us(target.pid) if target.pid else 0.0
        seen = load(plan)
        return Cost(seen, cpu_us(target.pid) - before if target.pid else 0.0)


def compare(targets: list[Target], **plan: Any) -> list[Cost]:
    """Run the same load against each target in turn, a few times over, and keep each one's best run."""
    return compare_plans([(target, Plan(port=target.port, **plan)) for target in targets])


def compare_plans(plans: list[tuple[Target, Plan]]) -> list[Cost]:
    """Run loads in turn, a few times over, and keep the best run of each.

    What else the machine does only ever slows a run down, and it does so for some seconds at a time: alternating and
    taking the best keeps most of that out of the ratios.
    """
    runs = [[run_plan(target, plan) for target, plan in plans] for _ in range(ROUNDS)]
    return [max(costs, key=lambda cost: cost.seen.calls / cost.seen.seconds) for costs in zip(*runs, strict=True)]


def measure(direct: Target, ours: Target, theirs: Target | None, seconds: float) -> Figures:
    """Measure all of it; ratios to nginx are of CPU time too, since nginx can outrun a generator on one core."""
    targets = [direct, ours] + ([theirs] if theirs is not None else [])
    compare(targets, seconds=0.3)
    figures = _calls(targets, seconds) | _latency(targets, seconds) | _streams(targets, seconds)
    return figures | _stalls(targets)


def _calls(targets: list[Target], seconds: float) -> Figures:
    ceiling, mine, *other = compare(targets, seconds=seconds)
    figures: Figures = {
        "generator_ceiling_calls_per_s": ceiling.calls_per_second,
        "calls_per_s": mine.calls_per_second,
        "cpu_us_per_call": mine.cpu_us_per_call,
        "failed_calls": mine.seen.failed,
    }
    for theirs in other:
        figures["nginx_calls_per_s"] = theirs.calls_per_second
        figures["nginx_cpu_us_per_call"] = theirs.cpu_us_per_call
        figures["throughput_ratio_to_nginx"] = mine.calls_per_second / theirs.calls_per_second
        figures["cpu_ratio_to_nginx"] = theirs.cpu_us_per_call / mine.cpu_us_per_call if mine.cpu_us else None
    return figures


def _latency(targets: list[Target], seconds: float) -> Figures:
    base, mine, *other = (cost.seen.p50_us for cost in compare(targets, seconds=seconds, connections=1))
    figures: Figures = {"direct_latency_p50_us": base, "added_latency_p50_us": mine - base}
    for theirs in other:
        figures["nginx_added_latency_p50_us"] = theirs - base
        figures["added_latency_ratio_to_nginx"] = (mine - base) / (theirs - base)
    return figures


def _streams(targets: list[Target], seconds: float) -> Figures:
    ceiling, mine, *other = compare(targets, seconds=seconds, connections=16, chunks=50)
    figures: Figures = {
        "generator_ceiling_chunks_per_s": ceiling.chunks_per_second,
        "chunks_per_s": mine.chunks_per_second,
        "cpu_us_per_chunk": mine.cpu_us_per_chunk,
        "failed_streams": mine.seen.failed,
    }
    for theirs in other:
        figures["nginx_chunks_per_s"] = theirs.chunks_per_second
        figures["nginx_cpu_us_per_chunk"] = theirs.cpu_us_per_chunk
        figures["chunks_ratio_to_nginx"] = mine.chunks_per_second / theirs.chunks_per_second
        figures["chunk_cpu_ratio_to_nginx"] = theirs.cpu_us_per_chunk / mine.cpu_us_per_chunk if mine.cpu_us else None
    return figures


def _stalls(targets: list[Target]) -> Figures:
    """Measure stalls; the two loads and the upstream, which share a core, hold each other up without us as well."""
    rounds = [[_stall(target) for target in targets] for _ in range(ROUNDS)]
    names = ("direct_worst_stall", "worst_stall", "nginx_worst_stall")
    return {
        f"{name}_ms_beside_10_mb_bodies": min(run) for name, run in zip(names, zip(*rounds, strict=True), strict=False)
    }


def _stall(target: Target) -> float:
    """Return the longest that one small call took while bodies of 10 MB went the same way."""
    large = start_load(Plan(port=target.port, connections=1, seconds=4, body_bytes=10_000_000))
    time.sleep(0.5)
    small = load(Plan(port=target.port, connections=1, seconds=3))
    large.communicate()
    return small.worst_us / 1e3
