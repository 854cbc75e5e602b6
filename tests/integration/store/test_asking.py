"""What a query of the search grammar finds, the same on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.domain.outcome import CostStatus, FinishKind, Outcome
from proxy.query.fields import FIELDS, PRESENT
from proxy.query.parsing import parse
from proxy.query.terms import Moment, Term
from proxy.store.filters.asking import filters_of
from proxy.store.filters.terms import COLUMNS
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import COLUMNS as ALL_COLUMNS
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry

TIME = f"{STARTED_AT:012x}"
OTHER = f"{TIME[:8]}-{TIME[8:]}-7fff-8000-000000000001"
"""The id of d; no minted one has these first digits."""
LATER = Term("since", (Moment(STARTED_AT + 1000),))
FOUND = [
    ("", "abcd"),
    ("status:ok", "abd"),
    ("status:error", "c"),
    ("status:4xx,ok", "abcd"),
    ("status:>=400", "c"),
    ("status:200..299", "abd"),
    ("-status:200", "c"),
    ("outcome:upstream_error,timed_out", "c"),
    ("-outcome:completed", "c"),
    ("status:429,500", "c"),
    ("error:rate_limit", "c"),
    ("error:rate*", "c"),
    ("model:gpt-5", "a"),
    ("model:gpt-*", "ab"),
    ("model:gpt-5,llama*", "ac"),
    ('model:"gpt-*"', ""),
    ("-model:gpt-*", "cd"),
    ("provider:OPENAI", ""),
    ("latency:>2s", "bd"),
    ("latency:1s..2s", "ac"),
    ("latency:<1ms", ""),
    ("latency:>1m", "d"),
    ("latency:>=90s", "d"),
    ("latency:90s,2s", "d"),
    ("latency:30s..2m", "d"),
    ("-latency:>1m", "abc"),
    ("cost:>0.1", "d"),
    ("cost:>=0.5", "d"),
    ("cost:>0.01", "bd"),
    ("cost:0.0000025", "ac"),
    ("-has:cost", ""),
    ("cost:0..9000000", "abcd"),
    ("tokens:>1k", "b"),
    ("tokens:0..9000000000000000", "b"),
    ("prompt:reply", "b"),
    ("prompt:reply@3", "b"),
    ("prompt:reply@production", "b"),
    ("prompt:re*", "b"),
    ("prompt:reply@4", ""),
    ("user:kim", "a"),
    ("-user:kim", "bcd"),
    ("has:user", "ab"),
    ("-has:user", "cd"),
    ('user:"\' OR 1=1 --"', ""),
    ("user:%", ""),
    ("tag:eu", "ab"),
    ("tag:e*", "ab"),
    ("tag:eu,us", "ab"),
    ("-tag:vip", "bcd"),
    ("tag:eu -tag:vip", "b"),
    ("meta.team:blue", "a"),
    ("tag.team:b*,red", "ab"),
    ("-meta.team:red", "acd"),
    ('meta."a b":c', "b"),
    ("tool:get_weather", "a"),
    ("tool:get_*", "a"),
    ("tool:GET_WEATHER", ""),
    ("tool:get_", ""),
    ("stream:yes", "b"),
    ("stream:no", "acd"),
    ("finish:tool_call", "a"),
    ("cost_status:free", "d"),
    ("usage:none", "abcd"),
    ("score:>0.5", ""),
    (f"id:{OTHER.upper()}", "d"),
    (f"id:{OTHER[:18]}", "d"),
    (str(LATER), "b"),
    ("since:1d", ""),
    ("until:1d until:2000-01-01", ""),
    ("refund", "ab"),
    ('"a refund"', "a"),
    ("refund -please", "b"),
    ("-refund", "cd"),
    ("100%", "c"),
    ("status:ok model:gpt-* tag:eu meta.team:blue refund latency:>=1s -stream:yes", "a"),
]


@pytest.fixture
def filled(writer: StoreWriter, reader: Reader) -> Reader:
    a = an_entry(
        model="gpt-5", user_id="kim", tags=("eu", "vip"), metadata={"team": "blue"}, tool_names=("get_weather", "x"),
        finish_kind=FinishKind.TOOL_CALL,
    )  # fmt: skip
    b = an_entry(
        model="gpt-5-mini", user_id="lee", duration_ms=2500.5, cost_pico_usd=20_000_000_000, total_tokens=1500,
        is_stream=True, prompt_name="reply", prompt_version=3, prompt_label="production", tags=("eu",),
        metadata={"team": "red", "a b": "c"}, started_at=STARTED_AT + 1000,
    )  # fmt: skip
    c = an_entry(
        model="llama3:8b", outcome=Outcome.UPSTREAM_ERROR, success=False, http_status=429, error_type="requests",
        error_code="rate_limit",
    )  # fmt: skip
    d = an_entry(model=None, cost_status=CostStatus.FREE, id=OTHER, duration_ms=90_000.0, cost_pico_usd=500_000_000_000)
    entries = [
        replace(a, input_text="A refund, please", output_text="no"), replace(b, input_text="x", output_text="REFUND"),
        replace(c, input_text="100% sure", output_text=None), replace(d, input_text=None, output_text=None),
    ]  # fmt: skip
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _entries: {})
    return reader


def test_what_is_found(filled: Reader) -> None:
    letters = {"gpt-5": "a", "gpt-5-mini": "b", "llama3:8b": "c", None: "d"}
    now = STARTED_AT + 10 * 86_400_000
    wrong = []
    for text, expected in FOUND:
        rows = filled.list_interactions(filters_of(parse(text).terms, now), 10)
        found = "".join(sorted(letters[row["model"]] for row in rows))
        if found != expected:
            wrong.append((text, expected, found))
    assert wrong == []


def test_every_filter_looks_at_a_column_that_is_there(filled: Reader) -> None:
    samples = {"has": "user", "since": "7d", "until": "7d", "status": ">=400", "id": "0199aaaa", "stream": "yes"}
    for name, field in FIELDS.items():
        value = samples.get(name) or (field.words[0] if field.words else "1s" if field.kind.name == "DURATION" else "1")
        for text in (f"{name}:{value}", f"-{name}:{value}"):
            if name not in ("since", "until") or text[0] != "-":
                filled.list_interactions(filters_of(parse(text).terms, STARTED_AT), 1)
    assert set(COLUMNS.values()) <= set(ALL_COLUMNS)
    for name in PRESENT:
        filled.list_interactions(filters_of(parse(f"has:{name}").terms, STARTED_AT), 1)


def test_times_bound_the_filters_own_span() -> None:
    terms = parse("since:1d since:2h until:2026-11-01 until:2026-12-01").terms
    found = filters_of(terms, STARTED_AT)
    assert (found.since, found.until, found.terms) == (STARTED_AT - 7_200_000, 1_793_491_200_000, ())
