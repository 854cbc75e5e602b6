"""``/metrics``: counters out of the totals, gauges out of pages (``page_gauges``), ledger and store.

Until the store is open, whatever stands behind a counter is not known, and not shown: a counter that begins at 0 and
then jumps would look like a storm of calls.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from proxy import __version__
from proxy.control.page_gauges import page_gauges
from proxy.telemetry.families import CallFamilies, Gauge, GaugeFamilies, registry_of

if TYPE_CHECKING:
    from proxy.control.access import Endpoint
    from proxy.control.services import Services

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
    size = services.store_bytes()
    if size is not None:
        yield "dashcam_store_bytes", "Size of a SQLite database with its write-ahead log.", float(size), {}
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
    # None: a long backlog is not counted to its end yet.
    balanced = float(ledger["balanced"] is not False)
    yield "dashcam_recorder_balanced", "1 when every call is accounted for.", balanced, {}
    dropped = ledger["dropped"]
    assert isinstance(dropped, Mapping)
    for reason in dict.fromkeys((*_DROP_REASONS, *dropped)):
        text = "Calls that were not recorded."
        yield "dashcam_records_dropped_total", text, float(dropped.get(reason, 0)), {"reason": reason}
