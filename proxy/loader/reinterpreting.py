"""Reading stored calls again from their kept bytes: rows and bodies in, changes out.

A stored call is put back into the form it had in the spool and interpreted as a new one is; what follows from the bytes
is compared with the row. What does not follow from them (when it was, who asked, how many tries it took) is left alone,
and so is the gateway's word on how a call ended, where it is the gateway's: an outcome that interpretation made out of
``completed`` is made anew. Counts that are another call's stay that call's (``store.answers``). The cost is computed
again only where something it depends on has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import unquote

import structlog

from proxy.domain.identity import parse_id
from proxy.domain.interaction import Entry, uncounted
from proxy.domain.outcome import ContentState, CostStatus, Outcome, UsageSource
from proxy.domain.recording import AnswerHead, CallEnd, CallStart, Piece, RecordedCall
from proxy.interpret.ending import INCOMPLETE
from proxy.interpret.entry import interpret
from proxy.loader.amendments import BATCH
from proxy.loader.recosting import COLUMNS as COST_COLUMNS
from proxy.loader.recosting import kind_of
from proxy.pricing.cost import cost_of
from proxy.pricing.rates import PriceList
from proxy.protocol.endpoints import operation_of
from proxy.store.changes.amending import Change
from proxy.store.contents.parts import Parts, StoredBody
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.columns import milliseconds_of
from proxy.store.schema.decoding import Row, decoded
from proxy.store.schema.rows import COLUMNS, interaction_row

log = structlog.get_logger("reinterpret")

READ = (
    "operation", "provider_request_id", "ttft_ms", "model", "is_stream", "temperature", "top_p", "top_k", "max_tokens",
    "tool_names", "system_fingerprint", "outcome", "success", "error_type", "error_code", "error_message",
    "finish_reason", "finish_kind", "input_tokens", "output_tokens", "total_tokens", "cached_tokens",
    "cache_write_tokens", "reasoning_tokens", "audio_tokens", "usage_source", "usage_raw", "quantities", "service_tier",
    "input_preview", "output_preview", "input_length", "output_length", "input_language", "decode_error",
)  # fmt: skip
"""What follows from the bytes."""
PRICED_BY = frozenset(READ) & {
    "operation", "model", "outcome", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "audio_tokens", "usage_source", "usage_raw", "quantities", "service_tier",
}  # fmt: skip
_INSTANTS = frozenset({"ttft_ms"})
_SLACK_MS = 0.002
"""Arrivals are kept in microseconds; at first reading they had nanoseconds."""
_WITHOUT_BYTES = frozenset({ContentState.OFF, ContentState.PRUNED})
"""A redacted call is not among them: of a form all is there that is read of it."""
_BY_READING = frozenset({Outcome.COMPLETED, Outcome.UPSTREAM_ERROR})


@dataclass(frozen=True, slots=True)
class Read:
    """A row that was looked at; ``skipped`` says why it could not be read: ``no_bytes`` or ``failed``."""

    row: Row
    change: Change | None = None
    skipped: str | None = None


class Reinterpreting:
    """Goes through stored calls; ``kinds`` maps configured providers to what they are."""

    def __init__(self, price_list: PriceList, kinds: Mapping[str, str]) -> None:
        self._cost_of = partial(cost_of, price_list=price_list)
        self._kinds = kinds

    def batches(self, reader: Reader, filters: Filters) -> Iterator[list[Read]]:
        """Yield the rows in the order of their ids, a batch at a time."""
        after = ""
        while rows := reader.slice_after(after, filters, BATCH):
            after = rows[-1]["id"]
            parts = reader.parts_of([row["id"] for row in rows])
            yield [self.look(row, parts[row["id"]], reader.is_counted) for row in rows]

    def look(self, row: Row, parts: Parts, is_counted: Callable[[str, str], bool]) -> Read:
        """Return what becomes of one row; ``is_counted`` says whether an answer's counts are on record."""
        if not has_bytes(row, parts):
            return Read(row, skipped="no_bytes")
        try:
            call = call_of(row, parts, kind_of(row["provider"] or "", self._kinds))
            entry = interpret(call, self._cost_of)
        except Exception as error:  # noqa: BLE001 - as in the loader's batch: counted, and the others go on
            log.error("interpretation_failed", id=row["id"], reason=type(error).__name__)
            return Read(row, skipped="failed")
        return Read(row, _change_of(row, parts, _settled(row, _timed(row, parts, entry), is_counted)))


def has_bytes(row: Row, parts: Parts) -> bool:
    """Return True when what is left of a call suffices to read it again."""
    if row["content_state"] in _WITHOUT_BYTES or (parts.request is None and row["request_bytes"]):
        return False
    return parts.response is not None or (row["content_state"] == ContentState.STORED and not row["response_bytes"])


def call_of(row: Row, parts: Parts, kind: str) -> RecordedCall:
    """Return a stored call in the form it had in the spool."""
    response = parts.response
    headers = tuple((name, value) for name, value in (response.facts["headers"] or ())) if response else ()
    return RecordedCall(
        id=parse_id(row["id"]),
        start=_start_of(row, parts.request, kind),
        request=parts.request.content if parts.request else None,
        head=AnswerHead(status=row["http_status"] or 200, headers=headers) if response else None,
        pieces=_pieces_of(row, response) if response else (),
        end=_end_of(row, response),
        lost_bytes=max(0, response.facts["length"] - len(response.content)) if response else 0,
    )


def _start_of(row: Row, request: StoredBody | None, kind: str) -> CallStart:
    facts: Row = request.facts if request else {"headers": None, "edits": None, "sha256": None}
    return CallStart(
        accepted_at_ns=milliseconds_of(row["started_at"]) * 1_000_000,
        method=row["method"],
        target=row["endpoint"],
        operation=_operation_of(row),
        provider=row["provider"] or "",
        provider_kind=kind,
        upstream=row["upstream"] or "",
        model=row["model_requested"],
        is_stream=bool(row["is_stream"]),
        request_bytes=row["request_bytes"],
        request_sha256=facts["sha256"],
        edits=tuple((int(at), int(gone), str(new)) for at, gone, new in facts["edits"] or ()),
        request_headers=tuple((name, value) for name, value in facts["headers"] or ()),
        key_id=row["key_id"],
        route=row["route"],
        # What the answer says of its model wins; where it says nothing, the row has the name that the route gave.
        sent_model=row["model"] if row["route"] else None,
    )


def _operation_of(row: Row) -> str:
    """Return the operation as the table has it now; the gateway asked it below the provider's name, too."""
    path = unquote(row["endpoint"])
    return operation_of(row["method"], path.removeprefix(f"/{row['provider']}") or "/").name


def _pieces_of(row: Row, response: StoredBody) -> tuple[Piece, ...]:
    if not response.content:
        return ()
    if not response.timings:
        # One piece: it made the first token, where there was one.
        return (Piece(round((row["ttft_ms"] or 0) * 1e6), response.content),)
    pieces, at, position = [], 0, 0
    for micros, length in response.timings:
        at += micros * 1000
        pieces.append(Piece(at, response.content[position : position + length]))
        position += length
    return tuple(pieces)


def _end_of(row: Row, response: StoredBody | None) -> CallEnd | None:
    """Return the end as the gateway wrote it, as far as it can be told from what was made of it."""
    has_answer = response is not None
    # Redacted, an answer has another length on record than it came with.
    length = row["response_bytes"] if response is None else response.facts["length"]
    outcome = Outcome(row["outcome"])
    if outcome is Outcome.INTERRUPTED:
        return None
    is_cut = outcome is Outcome.UPSTREAM_ABORTED and row["error_code"] == INCOMPLETE
    is_inner = outcome is Outcome.UPSTREAM_ERROR and has_answer and (row["http_status"] or 200) < 400
    if is_cut or is_inner:
        outcome = Outcome.COMPLETED
    is_gateway_s = outcome not in _BY_READING or not has_answer
    return CallEnd(
        outcome=outcome,
        ended_ns=round((row["duration_ms"] or 0) * 1e6),
        status=row["http_status"],
        received_bytes=row["response_bytes"],
        recorded_bytes=length if length != row["response_bytes"] else None,
        # Not what was received: whether a client that left had all of it was settled when it left.
        sent_bytes=-1 if outcome is Outcome.CLIENT_GONE else 0,
        error_type=row["error_type"] if is_gateway_s else None,
        error_code=row["error_code"] if is_gateway_s else None,
        error_message=row["error_message"] if is_gateway_s else None,
    )


def _timed(row: Row, parts: Parts, entry: Entry) -> Entry:
    """Leave the first token's instant unknown where nothing tells when the one piece arrived."""
    if row["ttft_ms"] is not None or (parts.response and parts.response.timings):
        return entry
    return replace(entry, interaction=replace(entry.interaction, ttft_ms=None))


def _settled(row: Row, entry: Entry, is_counted: Callable[[str, str], bool]) -> Entry:
    """Leave an answer's counts with the call that has them: a row without any gets none that are another's."""
    if entry.answer_id is None or row["usage_source"] != UsageSource.NONE:
        return entry
    if entry.interaction.usage_source is UsageSource.NONE:
        # A call whose answer was counted by a read costs nothing since then.
        is_free = row["cost_status"] == CostStatus.FREE
        return replace(entry, interaction=uncounted(entry.interaction), price=None) if is_free else entry
    if not entry.repeats and not is_counted(row["provider"] or "", entry.answer_id):
        return entry
    return replace(entry, interaction=uncounted(entry.interaction), price=None)


def _change_of(row: Row, parts: Parts, entry: Entry) -> Change | None:
    new = decoded(dict(zip(COLUMNS, interaction_row(entry.interaction), strict=True)))
    columns = [name for name in READ if not _is_same(name, row[name], new[name])]
    is_priced_anew = not PRICED_BY.isdisjoint(columns)
    if is_priced_anew:
        columns += [name for name in COST_COLUMNS if row[name] != new[name]]
    texts = entry.input_text, entry.output_text
    has_new_texts = texts != parts.texts
    if not columns and not has_new_texts:
        return None
    return Change(
        id=row["id"],
        before={name: row[name] for name in columns},
        after={name: new[name] for name in columns},
        price=entry.price if is_priced_anew else None,
        answer=_answer_of(row, entry),
        texts=texts if has_new_texts else None,
    )


def _answer_of(row: Row, entry: Entry) -> tuple[str, str] | None:
    """Return the answer whose counts are on record with this change, and were not before."""
    has_counts = entry.interaction.usage_source is not UsageSource.NONE
    if entry.answer_id is None or not has_counts or row["usage_source"] != UsageSource.NONE:
        return None
    return row["provider"] or "", entry.answer_id


def _is_same(name: str, old: Any, new: Any) -> bool:
    if name in _INSTANTS and old is not None and new is not None:
        return bool(abs(old - new) <= _SLACK_MS)
    return bool(old == new)
