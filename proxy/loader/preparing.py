"""From finished calls to what a batch holds: entries, and for what cannot become one, quarantine rows.

One call that we cannot understand must not stop the others: whatever goes wrong in interpreting it is a defect of ours,
is logged by its kind (never its words, which may quote a prompt), and the call's bytes are kept for a person.

Of a form the fields are kept, and of its files what they are called, their size and hash: not what is in them.
"""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from proxy.domain.identity import id_text
from proxy.domain.interaction import Entry
from proxy.domain.recording import CallStart, RecordedCall
from proxy.errors import SpoolError
from proxy.interpret.entry import CostOf, interpret
from proxy.loader.collecting import Finished
from proxy.loader.retries import Retries
from proxy.pricing.cost import cost_of
from proxy.protocol.decoding import encodings_of
from proxy.protocol.multipart import Reducer, boundary_of
from proxy.spool.batches import Damaged
from proxy.spool.sources import Source
from proxy.store.contents.set_aside import Quarantined

log = structlog.get_logger("loader")

_KEPT_BYTES = 1_000_000
_SLICE = 256 * 1024


@dataclass(slots=True)
class Interpreted:
    """A call on its way into the store."""

    entry: Entry
    call: RecordedCall


@dataclass(slots=True)
class Prepared:
    """What finished calls became; ``side_files`` may go once all of it is committed."""

    ready: list[Interpreted] = field(default_factory=list)
    broken: list[Quarantined] = field(default_factory=list)
    side_files: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Written:
    """How many calls a batch really added."""

    stored: int = 0
    quarantined: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(self.stored + other.stored, self.quarantined + other.quarantined)


def complain_about_prices(reason: str) -> None:
    """Say why prices that were refreshed, or a user's own, cannot be used."""
    log.error("prices_unusable", reason=reason, hint="the prices from before stay in use; see: dashcam prices list")


def prepare(
    source: Source, finished: Sequence[Finished], body_limit: int, retries: Retries, cost_of: CostOf = cost_of
) -> Prepared:
    """Interpret finished calls; reads the request bodies that lie in files of their own."""
    prepared = Prepared()
    for item in finished:
        call = item.call.finish(item.end, _request_of(source, item, body_limit))
        if call.start.side_file is not None:
            prepared.side_files.append(call.start.side_file)
        try:
            entry = interpret(call, cost_of)
            retries.link(call, entry.interaction)
            prepared.ready.append(Interpreted(entry, call))
        except Exception as error:  # noqa: BLE001 - the loader's batch: recorded, and the others go on
            place = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"interpretation failed: {type(error).__name__} at {place.name}:{place.lineno}"
            log.error("interpretation_failed", id=id_text(call.id), reason=reason)
            prepared.broken.append(set_aside(source.name, call, reason))
    return prepared


def _request_of(source: Source, item: Finished, body_limit: int) -> bytes | None:
    start = item.call.start
    if item.end is not None and item.end.bodies_dropped and not item.call.request:
        return None
    try:
        form = _form_of(source, item)
        if form is not None:
            return form[:body_limit]
        return item.call.request if start.side_file is None else _body_aside(source, start, body_limit)
    except (OSError, SpoolError) as error:
        log.error("body_unreadable", id=id_text(item.call.identity), reason=str(error))
        return None


def _body_aside(source: Source, start: CallStart, body_limit: int) -> bytes | None:
    """Return a request from its side file; ``SpoolError`` where that is not what the gateway wrote.

    START may have reached the disk before a power cut and the file not, or not wholly. What is longer than is kept is
    not checked: it would have to be read to its end.
    """
    assert start.side_file is not None
    body = source.body(start.side_file, body_limit, start.side_key)
    if body is None or start.request_sha256 is None or start.request_bytes > body_limit:
        return body
    if hashlib.sha256(body).hexdigest() != start.request_sha256:
        raise SpoolError(f"the side file {start.side_file} is damaged: {len(body)} of {start.request_bytes} bytes")
    return body


def _form_of(source: Source, item: Finished) -> bytes | None:
    """Return a form without the contents of its files; None for a body that is no form, or has no files."""
    headers = item.call.start.request_headers
    boundary = boundary_of(dict(headers).get("content-type"))
    if boundary is None or encodings_of(headers):
        return None
    name, key = item.call.start.side_file, item.call.start.side_key
    reducer = Reducer(boundary)
    for data in [item.call.request] if name is None else source.body_slices(name, _SLICE, key):
        reducer.feed(data)
    reduced = reducer.finish()
    return reduced if reducer.form.files else None


def set_aside(source: str, call: RecordedCall, reason: str) -> Quarantined:
    """Return the quarantine row of a call; of one whose content is not to be kept, without it."""
    keeps = call.start.content != "off"
    data = (call.request or b"") + b"\n\n" + b"".join([piece.data for piece in call.pieces]) if keeps else b""
    return Quarantined(source, 0, 0, reason, _now_ms(), id_text(call.id), data[:_KEPT_BYTES])


def set_aside_damage(source: Source, item: Damaged) -> Quarantined:
    """Keep damaged bytes in a file beside the spool, and return their quarantine row."""
    name = source.quarantine(item) if item.data else ""
    log.error("spool_damage", source=source.name, reason=item.reason, size=len(item.data), kept_as=name)
    place = item.position
    return Quarantined(source.name, place.segment, place.offset, item.reason, _now_ms(), None, item.data[:_KEPT_BYTES])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
