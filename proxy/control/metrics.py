"""``/metrics``: counters out of the totals, gauges out of pages, ledger and store."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from proxy import __version__
from proxy.telemetry.families import CallFamilies, Gauge, GaugeFamilies, registry_of

if TYPE_CHECKING:
    from proxy.control.app import Services


def endpoint(services: Services):  # type: ignore[no-untyped-def]
    """Return the endpoint for these services."""
    registry = registry_of(CallFamilies(services.totals), GaugeFamilies(lambda: gauges(services)))

    async def metrics(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": media_type, "cache-control": "no-store"})

    return metrics


def gauges(services: Services) -> list[Gauge]:
    """Return what is asked for at each scrape."""
    ledger, pages = services.ledger(), services.pages()

    def total(name: str) -> float:
        return float(sum(page[name] for page in pages))

    appended = total("appended_records")
    dropped = ledger["dropped"]
    assert isinstance(dropped, dict)
    found: list[Gauge] = [
        ("dashcam_in_flight_requests", "Calls under way.", total("in_flight"), {}),
        ("dashcam_open_streams", "Event streams under way.", total("open_streams"), {}),
        ("dashcam_gateways", "Gateway processes that run.", float(len(pages)), {}),
        ("dashcam_snapshot_revision", "Oldest snapshot revision in use.", _lowest(pages, "snapshot_revision"), {}),
        ("dashcam_accepted_requests_total", "Calls accepted for recording.", _number(ledger["accepted"]), {}),
        ("dashcam_stored_requests_total", "Calls in the store.", _number(ledger["stored"]), {}),
        ("dashcam_quarantined_requests_total", "Calls that could not be stored.", _number(ledger["quarantined"]), {}),
        ("dashcam_spool_pending_records", "Calls accepted and not yet in the store.", _number(ledger["pending"]), {}),
        ("dashcam_recorder_balanced", "1 when every call is accounted for.", float(bool(ledger["balanced"])), {}),
        ("dashcam_recorder_degraded", "1 when the spool's disk is full or failing.", _highest(pages, "degraded"), {}),
        ("dashcam_refused_connections_total", "Connections that were no call.", total("refused_connections"), {}),
        ("dashcam_spool_append_seconds", "Average time of an append.",
         total("append_ns_total") / appended / 1e9 if appended else 0.0, {}),
        ("dashcam_spool_sync_seconds_max", "Longest sync of the spool.", _highest(pages, "fsync_ns_max") / 1e9, {}),
        ("dashcam_loop_stall_seconds_max", "Longest stall of a loop.", _highest(pages, "slow_loop_ns_max") / 1e9, {}),
        ("dashcam_loader_lag_seconds", "Since the last commit while calls are pending.", services.lag(ledger), {}),
        ("dashcam_store_bytes", "Size of the database file.", float(services.store_bytes()), {}),
        ("dashcam_store_rows", "Calls in the database.", _number(ledger["stored"]), {}),
        ("dashcam_build_info", "Which Dashcam this is.", 1.0,
         {"version": __version__, "python": platform.python_version(), "db": "sqlite"}),
    ]  # fmt: skip
    for reason in ("spool_full", "write_error", "policy"):
        number = float(dropped.get(reason, 0))
        found.append(("dashcam_records_dropped_total", "Calls that were not recorded.", number, {"reason": reason}))
    return found


def _number(value: object) -> float:
    return float(str(value))


def _lowest(pages: list[dict[str, int]], name: str) -> float:
    return float(min((page[name] for page in pages), default=0))


def _highest(pages: list[dict[str, int]], name: str) -> float:
    return float(max((page[name] for page in pages), default=0))
