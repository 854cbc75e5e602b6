"""What senders make up: both engines store all of it, say the same of it, and give the bytes back as they came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from proxy.domain.identity import id_text
from proxy.domain.recording import AnswerHead
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.migrating.migration import upgrade
from proxy.store.reading.reader import Reader
from tests.integration.loader.conftest import Bench
from tests.support.spooling import SpoolingGateway, a_head, a_start, an_end, question, reply, settings_in

if TYPE_CHECKING:
    from tests.support.postgres import Databases

WIDE = "\U0001f4a9"
HALF = rb"\ud800\u0000"
VIEWS = (
    "v_daily_cost",
    "v_hourly",
    "v_model_latency",
    "v_failures",
    "v_slowest",
    "v_expensive",
    "v_sessions",
    "v_users",
)
DEEP = (300, 1000, 10_000)
NUMBERS = (b"9223372036854775808", b"9223372036854775807", b"4611686018427387904", b"1e400", b"-1e400", b"NaN",
           b"1e-320", b"1" + b"0" * 30, b"-5", b"1.5", b"-0.0", b"true", b'"x"', b"null", b"[1]")  # fmt: skip
INSTANTS = (1, -(10**18), 4_102_444_800_000_000_000, 2**63 - 1)
"""The first nanosecond, long before it, the year 2100, the last that has room."""


@dataclass(frozen=True)
class Call:
    """What comes of a call: its start, its request, its answer."""

    request: bytes = field(default_factory=question)
    answer: bytes = field(default_factory=reply)
    head: AnswerHead = field(default_factory=a_head)
    start: dict[str, Any] = field(default_factory=dict)


def answer_with(usage: bytes, name: bytes = b"c") -> bytes:
    message = b'{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}'
    return b'{"id":"%b","model":"gpt-4o-mini","choices":[%b],"usage":%b}' % (name, message, usage)


def in_headers() -> Call:
    names = ("x-dashcam-user", "x-dashcam-meta-a", "x-title", "traceparent", "x-client-request-id")
    head = {
        "content-type": "app\0",
        "content-encoding": "x" * 200 + "\0",
        "x-request-id": "r\0" * 200,
        "openai-version": "\0",
    }
    asked = tuple((name, "\0\xff" * 300) for name in names)
    return Call(start={"request_headers": asked}, head=AnswerHead(status=200, headers=tuple(head.items())))


def deep_calls(depth: int) -> Iterator[tuple[str, Call]]:
    lists, objects = b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth
    for value in (lists, objects):
        fields = b'"messages":%b,"metadata":{"a":%b},"tools":%b,"user":%b,"tool_choice":%b' % ((value,) * 5)
        request = b'{"model":"gpt-5",%b}' % fields
        answers = (
            answer_with(value),
            b'{"id":%b,"model":%b,"choices":%b,"usage":{"prompt_tokens":%b}}' % ((value,) * 4),
            b'{"choices":[{"message":{"content":%b,"tool_calls":%b},"finish_reason":%b}]}' % ((value,) * 3),
            b'{"error":%b}' % value,
            b'{"error":{"message":%b,"type":%b,"code":%b}}' % ((value,) * 3),
            value,
        )
        for number, answer in enumerate(answers):
            name, status = f"deep {depth} {value[:1]!r} {number}", 400 if b"error" in answer else 200
            yield name, Call(request, answer, a_head(status=status))
            stream = b"data: %b\n\ndata: [DONE]\n\n" % answer
            yield f"{name} stream", Call(request, stream, a_head("text/event-stream", status))
    wrapped = b'data: {"type":"run.failed",' + b'"run":{' * depth + b"}" * depth + b"}\n\n"
    yield f"deep {depth} wrapped", Call(answer=wrapped, head=a_head("text/event-stream"), start={"operation": "runs"})


def calls() -> Iterator[tuple[str, Call]]:
    metadata = {"session_id": "s\0", "k\0": "v\0", WIDE * 100: WIDE * 1000}
    yield "nul", Call(question("a\0b", user="u\0", metadata=metadata), reply("x\0y"))
    yield (
        "halves",
        Call(
            b'{"model":"m%b","messages":[{"role":"user","content":"%b"}],"user":"%b","metadata":{"%b":"%b"},"tools":'
            b'[{"type":"function","function":{"name":"%b"}}]}' % (HALF, HALF, HALF, HALF, HALF, HALF),
            answer_with(b'{"prompt_tokens":1,"%b":"%b"}' % (HALF, HALF), name=HALF),
        ),
    )
    yield (
        "no text",
        Call(b'{"model":"\xff\xfe","messages":[{"role":"user","content":"\xff"}]}', b'\xff\xfe{"id":"\xc0"}'),
    )
    long = {"id": WIDE * 500, "model": WIDE * 500, "system_fingerprint": WIDE * 200, "service_tier": WIDE * 200,
            "choices": [{"index": 0, "message": {"content": WIDE * 9000}, "finish_reason": WIDE * 500}]}  # fmt: skip
    yield "long", Call(question(WIDE * 9000, user=WIDE * 500, model=WIDE * 400), orjson.dumps(long))
    for value in NUMBERS:
        request = b'{"model":"gpt-5","messages":[],"temperature":%b,"top_p":%b,"top_k":%b,"max_tokens":%b}' % (
            (value,) * 4
        )
        usage = b'{"prompt_tokens":%b,"completion_tokens":%b,"total_tokens":%b}' % ((value,) * 3)
        yield f"number {value!r}", Call(request, answer_with(usage))
    for depth in DEEP:
        yield from deep_calls(depth)
    error = b'{"error":{"message":"%b%b","type":"%b","code":"%b"}}' % (HALF, b"e" * 1000, HALF, HALF)
    yield "error", Call(answer=error, head=a_head(status=400))
    for instant in INSTANTS:
        yield f"at {instant}", Call(start={"accepted_at_ns": instant})
    yield "headers", in_headers()
    names = {
        "method": "X" * 100,
        "target": "/v1/\0" + "\xff" * 600,
        "upstream": "http://" + "u" * 700,
        "route": "r" * 300,
    }
    yield "names", Call(start={**names, "model": "\0" * 300})


@dataclass(frozen=True)
class Kept:
    """What one engine says of all calls, by their names."""

    ledger: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    requests: dict[str, bytes]
    views: dict[str, list[str]]


def kept_by(database: DatabaseSettings, folder: Path) -> Kept:
    bench = Bench(settings_in(folder, database=database))
    gateway = SpoolingGateway(bench.settings)
    names = {}
    for number, (name, call) in enumerate(calls()):
        identity = gateway.begin(a_start(**call.start), call.request)
        gateway.answer(identity, [call.answer], call.head)
        gateway.end(identity, an_end(status=call.head.status, ended_ns=10_000_000 + number * 1_000_000))
        names[id_text(identity)] = name
    ledger = bench.load()
    gateway.die()
    rows = {names[row.pop("id")]: row for row in bench.rows()}
    reader = Reader(database)
    bodies = {name: reader.body(identity, "request") for identity, name in names.items()}
    requests = {name: body.content for name, body in bodies.items() if body is not None}
    views = {name: seen_in(reader, name) for name in VIEWS}
    reader.close()
    bench.loader.close()
    return Kept(ledger, rows, requests, views)


def seen_in(reader: Reader, view: str) -> list[str]:
    """Return a view's rows, without ids, as texts that tell a whole number from another."""
    rows = reader._rows(f"SELECT * FROM {view}", ())
    return sorted(repr({name: value for name, value in row.items() if name not in ("id", "sample_id")}) for row in rows)


@pytest.fixture(scope="module")
def both(postgres: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Kept]]:
    """The same calls on both engines."""
    folder = tmp_path_factory.mktemp("hostile")
    sqlite, made = sqlite_at(folder / "dashcam.db"), postgres.migrated()
    upgrade(sqlite)
    yield {name: kept_by(database, folder / name) for name, database in (("sqlite", sqlite), ("postgres", made))}
    postgres.drop(made)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_all_of_it_is_stored_and_its_bytes_come_back(both: dict[str, Kept], engine: str) -> None:
    kept, sent = both[engine], dict(calls())
    ledger = kept.ledger
    assert (ledger["stored"], ledger["quarantined"], ledger["balanced"]) == (len(sent), 0, True)
    assert kept.requests == {name: call.request for name, call in sent.items()}


def test_both_engines_say_the_same_of_each_call(both: dict[str, Kept]) -> None:
    for name, row in both["sqlite"].rows.items():
        found = both["postgres"].rows[name]
        assert found == row, name
        assert list(map(type, found.values())) == list(map(type, row.values())), name


@pytest.mark.parametrize("view", VIEWS)
def test_both_engines_views_say_the_same(both: dict[str, Kept], view: str) -> None:
    assert both["postgres"].views[view] == both["sqlite"].views[view]
    assert both["sqlite"].views[view]
