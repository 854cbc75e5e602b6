"""What is on record reads the same again, whatever the call; what was read wrongly is mended, and only that."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.domain.identity import IdentityMint
from proxy.domain.outcome import Outcome
from proxy.domain.recording import RecordedCall
from proxy.interpret.entry import interpret
from proxy.loader.amendments import Amender
from proxy.loader.reinterpreting import READ, Read, Reinterpreting
from proxy.pricing.cost import cost_of
from proxy.pricing.rates import bundled
from proxy.protocol.endpoints import operation_of
from proxy.protocol.multipart import reduce
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.changes.amending import Amendment
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.forms import HEADER, field, file, form
from tests.support.priced_cases import call_of, cases
from tests.support.recorded import SSE, answer, chat_chunks, cut_up, events, recorded, response_events
from tests.support.rollups import ask, assert_rollups_equal_the_rows
from tests.support.shapes import SHAPES, Shape

FORM = form(field("model", "whisper-1"), file("file", "a.mp3", "audio/mpeg", bytes(5000)), field("prompt", "spell"))
FORM_HEADERS = (("content-type", HEADER.partition(": ")[2]),)
USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
WHOLE = chat_chunks({"content": "Hel"}, {"content": "lo"}, usage=USAGE)
ASKED = {"model": "gpt-4o-mini", "temperature": 0.5, "stream": True, "tools": [{"function": {"name": "look"}}],
         "messages": [{"role": "user", "content": "Say hello, please."}]}  # fmt: skip
PATHS = {"responses": "/v1/responses", "embeddings": "/v1/embeddings", "images": "/v1/images/generations",
         "transcription": "/v1/audio/transcriptions", "translation": "/v1/audio/translations",
         "speech": "/v1/audio/speech", "completions": "/v1/completions", "moderations": "/v1/moderations",
         "input_tokens": "/v1/responses/input_tokens", "chat": "/v1/chat/completions"}  # fmt: skip


def ended(call: RecordedCall, **changes: object) -> RecordedCall:
    assert call.end is not None
    return replace(call, end=replace(call.end, **changes))  # type: ignore[arg-type]


def kept_calls() -> list[RecordedCall]:
    """Calls of every outcome and shape."""
    stream: dict[str, Any] = {"media": SSE, "request": ASKED, "is_stream": True, "model": "gpt-4o-mini"}
    error = {"error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}}
    gone = {"error_code": "upstream_aborted", "error_message": "reset", "error_type": "upstream_error"}
    responses = {"operation": "responses", "target": "/v1/responses", "media": SSE, "is_stream": True}
    done = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [], "usage": USAGE}}
    plain = [call_of(case) for case in cases() if "own_prices" not in case and case["operation"] in PATHS]
    return [
        recorded(cut_up(WHOLE, 40), **stream),
        recorded(WHOLE, **stream),
        recorded(cut_up(gzip.compress(WHOLE), 30), headers=(("content-encoding", "gzip"),), **stream),
        recorded(cut_up(WHOLE[:-60], 50), outcome=Outcome.COMPLETED, **stream),
        recorded(cut_up(WHOLE[:90], 50), outcome=Outcome.CLIENT_GONE, **stream),
        ended(recorded(cut_up(WHOLE, 50), outcome=Outcome.CLIENT_GONE, **stream), sent_bytes=len(WHOLE)),
        ended(recorded(cut_up(WHOLE[:90], 50), outcome=Outcome.UPSTREAM_ABORTED, **stream), **gone),
        # Redacted: another length than it came with, whole or broken off; and undone from its encoding.
        ended(recorded(cut_up(WHOLE, 40), **stream), received_bytes=9999, recorded_bytes=len(WHOLE), redacted={"x": 1}),
        ended(
            recorded(cut_up(WHOLE[:-60], 50), outcome=Outcome.COMPLETED, **stream),
            received_bytes=9999, recorded_bytes=len(WHOLE) - 60, redacted={"x": 1},
        ),
        ended(
            recorded(WHOLE, **stream),
            received_bytes=99, recorded_bytes=len(WHOLE), decoded_from="gzip", redacted={},
        ),
        recorded(cut_up(WHOLE[:90], 50), outcome=None, **stream),
        recorded(cut_up(WHOLE, 50), outcome=None, **stream),
        recorded(cut_up(WHOLE, 50), outcome=Outcome.SHUT_DOWN, **stream),
        recorded(cut_up(events(error), 10), **stream),
        recorded(b'{"error": {"message": "out of credits", "code": 402}}', request=ASKED),
        recorded(orjson.dumps(error), status=404, outcome=Outcome.UPSTREAM_ERROR),
        recorded(b"<html>bad gateway</html>", status=502, media="text/html", outcome=Outcome.UPSTREAM_ERROR),
        recorded(b"not JSON at all", request=ASKED),
        recorded(b"", status=204),
        recorded(cut_up(response_events(done), 20), **responses),  # type: ignore[arg-type]
        recorded(cut_up(answer("responses_stream.sse"), 100), **responses),  # type: ignore[arg-type]
        recorded(cut_up(answer("azure_stream.sse"), 100), provider="azure", provider_kind="azure", **stream),
        recorded(cut_up(answer("ollama_chat.ndjson"), 100), media="application/x-ndjson", operation="ollama_chat",
                 target="/ollama/api/chat", provider="ollama", provider_kind="ollama"),
        recorded(WHOLE, lost_bytes=1000, **stream),
        replace(ended(recorded(), outcome=Outcome.UPSTREAM_UNREACHABLE, error_code="upstream_unreachable",
                      status=502, received_bytes=0), head=None),
        replace(ended(recorded(), outcome=Outcome.REJECTED, error_code="body_too_large", status=413), head=None),
        *(replace(call, start=replace(call.start, target=PATHS[call.start.operation])) for call in plain),
        *map(of_shape, SHAPES),
        recorded(b'{"text":"Good day."}', operation="transcription", target="/v1/audio/transcriptions",
                 body=reduce(FORM, b"XX")[1], request_bytes=len(FORM), request_headers=FORM_HEADERS),
    ]  # fmt: skip


def of_shape(shape: Shape) -> RecordedCall:
    operation = operation_of("POST", shape.path).name
    facts: dict[str, Any] = {"operation": operation, "provider": shape.kind, "provider_kind": shape.kind}
    facts |= {"target": f"/{shape.kind}{shape.path}", "is_stream": shape.is_stream, "media": shape.media}
    return recorded(cut_up(answer(shape.name), 200), **facts)


class Shelf:
    """A store with calls on it."""

    def __init__(self, folder: Path, database: DatabaseSettings) -> None:
        self.settings = Settings(data_dir=str(folder), run_dir=str(folder / "run"), database=database)
        self.database = database

    def put(self, calls: Sequence[RecordedCall]) -> None:
        mint, writer = IdentityMint(), StoreWriter(self.database)
        entries = [interpret(replace(call, id=mint.mint()), cost_of) for call in calls]
        writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _: {})
        writer.close()

    def look(self) -> list[Read]:
        reader = Reader(self.database)
        kinds = {shape.kind: shape.kind for shape in SHAPES}
        try:
            return [item for batch in Reinterpreting(bundled(), kinds).batches(reader, Filters()) for item in batch]
        finally:
            reader.close()

    def write(self, looked: Sequence[Read]) -> int:
        changes = [item.change for item in looked if item.change is not None]
        amendment = Amendment(command="reinterpret", reason="test", at=1, changes=changes)
        return Amender(self.settings).write(amendment)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return ask(self.database, statement, *values)


@pytest.fixture
def shelf(tmp_path: Path, store: DatabaseSettings) -> Shelf:
    return Shelf(tmp_path, store)


def test_every_kind_of_call_reads_as_it_did(shelf: Shelf) -> None:
    calls = kept_calls()
    shelf.put(calls)
    looked = shelf.look()
    assert len(looked) == len(calls)
    assert [(item.row["outcome"], item.row["operation"], item.change) for item in looked if item.change] == []
    assert [item.row["endpoint"] for item in looked if item.skipped] == []


def test_what_was_read_wrongly_is_mended_with_its_cost_and_its_rollups(shelf: Shelf) -> None:
    shelf.put([recorded(cut_up(WHOLE, 40), media=SSE, request=ASKED, model="gpt-4o-mini", is_stream=True)])
    row = shelf.sql("SELECT * FROM interaction")
    spoil = "input_tokens = NULL, finish_reason = 'length', output_preview = '?', cost_pico_usd = 1, ttft_ms = NULL"
    shelf.sql(f"UPDATE interaction SET {spoil}")
    shelf.sql("UPDATE interaction_text SET output_text = '?'")
    for table in ("rollup_hourly", "usage_daily", "rollup_daily"):
        shelf.sql(f"UPDATE {table} SET input_tokens = 0, cost_pico_usd = 1")
    for table in ("latency_histogram", "latency_daily"):
        shelf.sql(f"DELETE FROM {table} WHERE measure = 'ttft'")
    looked = shelf.look()
    assert looked[0].change is not None
    assert set(looked[0].change.after) == {
        "input_tokens",
        "finish_reason",
        "output_preview",
        "cost_pico_usd",
        "ttft_ms",
    }
    assert shelf.write(looked) == 1
    after = shelf.sql("SELECT * FROM interaction")
    assert after == row
    assert shelf.sql("SELECT output_text FROM interaction_text") == [("Hello",)]
    assert_rollups_equal_the_rows(shelf.database)
    assert [item.change for item in shelf.look()] == [None]
    assert shelf.sql("SELECT command, cost_pico_usd_before FROM amendment") == [("reinterpret", 1)]


def test_an_instant_that_nobody_kept_stays_unknown(shelf: Shelf) -> None:
    # Of an answer in one piece only the row knows when it came, and what was not understood has no first token there.
    shelf.put([recorded(WHOLE, media=SSE, request=ASKED, model="gpt-4o-mini", is_stream=True)])
    shelf.sql("UPDATE interaction SET ttft_ms = NULL, output_tokens = NULL")
    looked = shelf.look()
    assert looked[0].change is not None
    assert "ttft_ms" not in looked[0].change.after
    assert shelf.write(looked) == 1
    assert shelf.sql("SELECT ttft_ms, output_tokens FROM interaction") == [(None, 3)]


def test_a_cost_is_left_alone_where_nothing_it_depends_on_changed(shelf: Shelf) -> None:
    shelf.put([recorded(WHOLE, media=SSE, request=ASKED, model="gpt-4o-mini")])
    shelf.sql("UPDATE interaction SET cost_pico_usd = 1, input_language = 'xx'")
    looked = shelf.look()
    assert looked[0].change is not None
    assert set(looked[0].change.after) == {"input_language"}


def test_an_operation_that_the_table_has_learnt_since_is_read(shelf: Shelf) -> None:
    shelf.put([recorded(WHOLE, media=SSE, request=ASKED, model="gpt-4o-mini")])
    shelf.sql("UPDATE interaction SET operation = 'other'")
    change = shelf.look()[0].change
    assert change is not None
    assert change.after["operation"] == "chat"


def test_calls_whose_bytes_were_not_kept_are_passed_over_and_counted(shelf: Shelf) -> None:
    kept = recorded(WHOLE, media=SSE, request=ASKED)
    off = recorded(WHOLE, media=SSE, request=ASKED, content="off")
    dropped = ended(replace(recorded(b"", media=SSE, lost_bytes=len(WHOLE)), request=None), bodies_dropped=True)
    shelf.put([kept, off, dropped])
    assert [item.skipped for item in shelf.look()] == [None, "no_bytes", "no_bytes"]
    shelf.sql("UPDATE interaction SET content_state = 'pruned'")
    assert {item.skipped for item in shelf.look()} == {"no_bytes"}


def test_one_call_that_cannot_be_read_does_not_stop_the_others(shelf: Shelf) -> None:
    shelf.put([recorded(WHOLE, media=SSE), recorded(WHOLE, media=SSE)])
    first = shelf.look()[0].row["id"]
    shelf.sql("UPDATE interaction_body SET headers = '[[1]]' WHERE interaction_id = ?", first)
    assert [item.skipped for item in shelf.look()] == ["failed", None]


def a_response(status: str, usage: object, **facts: object) -> RecordedCall:
    body = {"id": "resp_1", "object": "response", "status": status, "model": "gpt-5", "output": [], "usage": usage}
    known = {"operation": "responses", "target": "/v1/responses", **facts}
    return recorded(orjson.dumps(body), **known)  # type: ignore[arg-type]


READS: dict[str, Any] = {"operation": "responses_read", "target": "/v1/responses/resp_1", "method": "GET"}


def test_counts_stay_with_the_call_that_has_them(shelf: Shelf) -> None:
    """A background response: the first read that finds it complete has the counts, later ones have none."""
    shelf.put([a_response("queued", None)])
    for _ in range(2):
        shelf.put([a_response("completed", USAGE, **READS)])
    assert shelf.sql("SELECT usage_source FROM interaction ORDER BY id") == [("none",), ("reported",), ("none",)]
    assert [item.change for item in shelf.look()] == [None, None, None]


def test_a_maker_that_is_understood_later_gets_no_counts_that_a_read_has(shelf: Shelf) -> None:
    shelf.put([a_response("completed", USAGE)])
    spoil = "usage_source = 'none', input_tokens = NULL, output_tokens = NULL, total_tokens = NULL, finish_reason = '?'"
    shelf.sql(f"UPDATE interaction SET {spoil}, cost_pico_usd = 0, cost_status = 'free', price_id = NULL")
    change = shelf.look()[0].change
    assert change is not None
    assert set(change.after) == {"finish_reason"}
    shelf.sql("UPDATE made_answer SET is_counted = FALSE")
    change = shelf.look()[0].change
    assert change is not None
    assert (change.after["input_tokens"], change.answer) == (11, ("openai", "resp_1"))
    assert shelf.write(shelf.look()) == 1
    assert shelf.sql("SELECT is_counted FROM made_answer") == [(1,)]
    shelf.put([a_response("completed", USAGE, **READS)])
    assert shelf.sql("SELECT usage_source FROM interaction ORDER BY id") == [("reported",), ("none",)]


def test_what_does_not_follow_from_the_bytes_is_never_touched() -> None:
    untouched = (
        "id started_at completed_at duration_ms provider endpoint http_status session_id user_id app tags metadata"
    )
    assert set(untouched.split()).isdisjoint(READ)
