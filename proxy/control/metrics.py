"""``/metrics``: counters out of the totals, gauges out of pages, ledger and store.

Until the store is open, whatever stands behind a counter is not known, and not shown: a counter that begins at 0 and
then jumps would look like a storm of calls.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from proxy import __version__
from proxy.spool.page import LIMITS
from proxy.spool.trouble import MEANINGS, meanings
from proxy.telemetry.families import CallFamilies, Gauge, GaugeFamilies, registry_of

if TYPE_CHECKING:
    from proxy.control.access import Endpoint
    from proxy.control.services import Services

Page = Mapping[str, int]
_DROP_REASONS = ("spool_full", "write_error", "policy", "refused", "lost", "store_moved")
_MODES = ("process", "power", "memory")


def endpoint(services: Services) -> Endpoint:
    """Return the endpoint for these services."""
    registry = registry_of(CallFamilies(services.totals), GaugeFamilies(lambda: list(_gauges(services))))

    async def metrics(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        body = await asyncio.to_thread(encode, registry)
        return Response(body, headers={"content-type": media_type, "cache-control": "no-store"})

    return metrics


def _gauges(services: Services) -> Iterable[Gauge]:
    build = {
        "version": __version__,
        "python": platform.python_version(),
        "db": "postgres" if services.settings.database.is_postgres else "sqlite",
    }
    yield "dashcam_build_info", "Which Dashcam this is.", 1.0, build
    yield "dashcam_store_bytes", "Size of the database with its write-ahead log.", float(services.store_bytes()), {}
    for mode in _MODES:
        yield "dashcam_recorder_mode", "1 for the mode of recording.", float(mode == services.mode), {"mode": mode}
    yield (
        "dashcam_is_leader",
        "1 on the host that does the periodic work of all.",
        float(services.sharing.is_leader),
        {},
    )
    revision = services.sharing.revision
    yield "dashcam_config_revision", "Revision of the shared configuration in use.", float(revision), {}
    yield from page_gauges(services.pages())
    if services.loader is not None:
        yield from ledger_gauges(services.ledger())


def page_gauges(pages: Sequence[Page]) -> Iterable[Gauge]:
    """Yield what the gateways' pages tell."""

    def total(name: str) -> float:
        return float(sum(page.get(name, 0) for page in pages))

    def highest(name: str) -> float:
        return float(max((page.get(name, 0) for page in pages), default=0))

    appended = total("appended_records")
    mean = total("append_ns_total") / appended / 1e9 if appended else 0.0
    oldest = float(min((page.get("snapshot_revision", 0) for page in pages), default=0))
    yield "dashcam_in_flight_requests", "Calls under way.", total("in_flight"), {}
    yield "dashcam_open_streams", "Event streams under way.", total("open_streams"), {}
    yield "dashcam_gateways", "Gateway processes that run.", float(len(pages)), {}
    yield "dashcam_snapshot_revision", "Oldest snapshot revision in use.", oldest, {}
    yield "dashcam_recorder_degraded", "1 when the spool's disk is full or failing.", highest("degraded"), {}
    yield "dashcam_spool_append_seconds", "Mean time of an append.", mean, {}
    yield "dashcam_spool_append_max_seconds", "Longest append.", highest("append_ns_max") / 1e9, {}
    yield "dashcam_spool_sync_max_seconds", "Longest sync of the spool.", highest("fsync_ns_max") / 1e9, {}
    usual = highest("fsync_ns_p99") / 1e9
    yield "dashcam_spool_sync_p99_seconds", "99th percentile of the latest thousand syncs of the spool.", usual, {}
    failures = total("fsync_failures")
    yield "dashcam_spool_sync_failures_total", "Syncs of the spool that failed.", failures, {}
    late = total("sync_waits_expired")
    yield "dashcam_spool_sync_waits_expired_total", "Replies that went on before their record was synced.", late, {}
    # Each gateway has looked at all of the spool.
    yield "dashcam_spool_bytes", "Size of the spool.", highest("spool_bytes"), {}
    yield "dashcam_spool_files", "Files of the spool.", highest("spool_files"), {}
    waiting = total("waiting_bytes")
    yield "dashcam_spool_waiting_bytes", "Ends of calls that wait in memory for the disk.", waiting, {}
    yield "dashcam_spool_ends_lost_total", "Ends of calls for which there was no room.", total("ends_lost"), {}
    yield "dashcam_bodies_dropped_total", "Calls that went on without their content.", total("bodies_dropped"), {}
    troubles = {meaning.name for meaning in meanings(page.get("trouble", 0) for page in pages)}
    for meaning in MEANINGS.values():
        there = float(meaning.name in troubles)
        yield "dashcam_spool_trouble", "1 for what keeps the spool from keeping all.", there, {"trouble": meaning.name}
    yield "dashcam_breakers_open", "Providers that routes avoid now.", total("breakers_open"), {}
    yield "dashcam_breaker_openings_total", "Times a provider began to be avoided.", total("breaker_openings"), {}
    yield "dashcam_takeovers_total", "Second tries at another provider of a route.", total("takeovers"), {}
    yield "dashcam_takeovers_refused_total", "Second tries beyond the budget.", total("takeovers_refused"), {}
    yield from fullness_gauges(total)
    yield "dashcam_loop_stall_max_seconds", "Longest stall of a gateway.", highest("slow_loop_ns_max") / 1e9, {}


def fullness_gauges(total: Callable[[str], float]) -> Iterable[Gauge]:
    """Yield how full the gateways are, and how often which limit has struck; ``total`` sums up a slot."""
    yield "dashcam_in_flight_max", "Calls under way that there is room for.", total("in_flight_max"), {}
    yield "dashcam_client_connections", "Connections of clients.", total("client_connections"), {}
    most = total("client_connections_max")
    yield "dashcam_client_connections_max", "Connections of clients that there is room for.", most, {}
    for state in ("busy", "idle"):
        text = "Connections to upstreams, those of outgoing proxies and HTTP/2 apart."
        yield "dashcam_upstream_connections", text, total(f"upstream_{state}"), {"state": state}
    yield "dashcam_held_bytes", "Bodies on their way and answers to slow readers in memory.", total("held_bytes"), {}
    for limit in LIMITS:
        text = "Times a limit has struck, by the name of its setting."
        yield "dashcam_limit_reached_total", text, total(f"limit_{limit}"), {"limit": limit}


def ledger_gauges(ledger: Mapping[str, object]) -> Iterable[Gauge]:
    """Yield what the recorder's account tells."""

    def number(name: str) -> float:
        value = ledger[name]
        assert isinstance(value, int | float)
        return float(value)

    yield "dashcam_accepted_requests_total", "Calls accepted for recording.", number("accepted"), {}
    yield "dashcam_stored_requests_total", "Calls that went into the store.", number("stored"), {}
    yield "dashcam_quarantined_requests_total", "Calls that could not be stored.", number("quarantined"), {}
    yield "dashcam_store_rows", "Calls in the store.", number("stored"), {}
    yield "dashcam_spool_pending_records", "Calls accepted and not yet in the store.", number("pending"), {}
    yield "dashcam_spool_pending_bytes", "Bytes of the spool beyond what is loaded.", number("pending_bytes"), {}
    yield "dashcam_spool_oldest_seconds", "Age of the oldest pending call.", number("oldest_pending_seconds"), {}
    yield "dashcam_loader_lag_seconds", "Age of a finished call not yet stored.", number("loader_lag_seconds"), {}
    yield "dashcam_recorder_balanced", "1 when every call is accounted for.", number("balanced"), {}
    dropped = ledger["dropped"]
    assert isinstance(dropped, Mapping)
    for reason in dict.fromkeys((*_DROP_REASONS, *dropped)):
        text = "Calls that were not recorded."
        yield "dashcam_records_dropped_total", text, float(dropped.get(reason, 0)), {"reason": reason}
