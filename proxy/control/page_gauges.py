"""What the gateways' pages tell, as gauges of ``/metrics``: a row of a table for each slot, with its name and unit.

Of several gateways counts are summed, and of what each has measured for itself the worst is shown. A new slot needs a
row here and a line in METRICS.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from proxy.spool.page import LIMITS
from proxy.spool.trouble import MEANINGS, meanings
from proxy.telemetry.families import Gauge

Page = Mapping[str, int]
_NANOSECONDS = 1e9


def _total(pages: Sequence[Page], slot: str) -> int:
    return sum(page.get(slot, 0) for page in pages)


def _highest(pages: Sequence[Page], slot: str) -> int:
    return max((page.get(slot, 0) for page in pages), default=0)


def _lowest(pages: Sequence[Page], slot: str) -> int:
    return min((page.get(slot, 0) for page in pages), default=0)


class _Row(NamedTuple):
    """``of`` makes one number of those of all gateways; a slot has so many of its units in one of the gauge's."""

    name: str
    text: str
    of: Callable[[Sequence[Page], str], int]
    slot: str
    units: float = 1.0
    labels: Mapping[str, str] = {}


_CONNECTIONS = "Connections to upstreams, those of outgoing proxies and HTTP/2 apart."
_STRUCK = "Times a limit has struck, by the name of its setting."
_LIMITED = "Times the limits of a proxy key or of a provider held a call back."
_ROWS = (
    _Row("dashcam_in_flight_requests", "Calls under way.", _total, "in_flight"),
    _Row("dashcam_open_streams", "Event streams under way.", _total, "open_streams"),
    _Row("dashcam_snapshot_revision", "Oldest snapshot revision in use.", _lowest, "snapshot_revision"),
    _Row("dashcam_recorder_degraded", "1 when the spool's disk is full or failing.", _highest, "degraded"),
    _Row("dashcam_spool_append_max_seconds", "Longest append.", _highest, "append_ns_max", _NANOSECONDS),
    _Row("dashcam_spool_sync_max_seconds", "Longest sync of the spool.", _highest, "fsync_ns_max", _NANOSECONDS),
    _Row("dashcam_spool_sync_p99_seconds", "99th percentile of the latest thousand syncs of the spool.", _highest,
         "fsync_ns_p99", _NANOSECONDS),
    _Row("dashcam_spool_sync_failures_total", "Syncs of the spool that failed.", _total, "fsync_failures"),
    _Row("dashcam_spool_sync_waits_expired_total", "Replies that went on before their record was synced.", _total,
         "sync_waits_expired"),
    # Each gateway has looked at all of the spool.
    _Row("dashcam_spool_bytes", "Size of the spool.", _highest, "spool_bytes"),
    _Row("dashcam_spool_files", "Files of the spool.", _highest, "spool_files"),
    _Row("dashcam_spool_waiting_bytes", "Ends of calls that wait for a disk that is full.", _total, "waiting_bytes"),
    _Row("dashcam_spool_ends_lost_total", "Ends of calls for which there was no room.", _total, "ends_lost"),
    _Row("dashcam_bodies_dropped_total", "Calls that went on without their content.", _total, "bodies_dropped"),
    _Row("dashcam_breakers_open", "Providers that routes avoid now.", _total, "breakers_open"),
    _Row("dashcam_breaker_openings_total", "Times a provider began to be avoided.", _total, "breaker_openings"),
    _Row("dashcam_takeovers_total", "Second tries at another provider of a route.", _total, "takeovers"),
    _Row("dashcam_takeovers_refused_total", "Second tries beyond the budget.", _total, "takeovers_refused"),
    _Row("dashcam_in_flight_max", "Calls under way that there is room for.", _total, "in_flight_max"),
    _Row("dashcam_client_connections", "Connections of clients.", _total, "client_connections"),
    _Row("dashcam_client_connections_max", "Connections of clients that there is room for.", _total,
         "client_connections_max"),
    *(_Row("dashcam_upstream_connections", _CONNECTIONS, _total, f"upstream_{state}", labels={"state": state})
      for state in ("busy", "idle")),
    _Row("dashcam_held_bytes", "Bodies on their way and answers to slow readers in memory.", _total, "held_bytes"),
    *(_Row("dashcam_limit_reached_total", _STRUCK, _total, f"limit_{limit}", labels={"limit": limit})
      for limit in LIMITS),
    *(_Row("dashcam_rate_limited_total", _LIMITED, _total, f"rate_limited_{whose}s", labels={"of": whose})
      for whose in ("key", "provider")),
    _Row("dashcam_loop_stall_max_seconds", "Longest stall of a gateway.", _highest, "slow_loop_ns_max", _NANOSECONDS),
)  # fmt: skip


def page_gauges(pages: Sequence[Page]) -> Iterable[Gauge]:
    """Yield what the pages of all gateways tell."""
    yield "dashcam_gateways", "Gateway processes that run.", float(len(pages)), {}
    for row in _ROWS:
        yield row.name, row.text, row.of(pages, row.slot) / row.units, dict(row.labels)
    appended = _total(pages, "appended_records")
    mean = _total(pages, "append_ns_total") / appended / _NANOSECONDS if appended else 0.0
    yield "dashcam_spool_append_seconds", "Mean time of an append.", mean, {}
    troubles = {meaning.name for meaning in meanings(page.get("trouble", 0) for page in pages)}
    for meaning in MEANINGS.values():
        there = float(meaning.name in troubles)
        yield "dashcam_spool_trouble", "1 for what keeps the spool from keeping all.", there, {"trouble": meaning.name}
