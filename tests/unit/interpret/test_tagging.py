"""What belongs to a call, out of headers and body, by precedence."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.interaction import Interaction
from proxy.domain.retention import EXPIRES, seconds_of
from proxy.interpret.entry import interpret
from proxy.interpret.tagging import tags_of
from proxy.pricing.cost import cost_of
from proxy.store.schema.columns import instant_text, milliseconds_of
from proxy.store.schema.rows import label_rows
from tests.support.recorded import recorded

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")
BODY = {
    "metadata": {"user_id": "of metadata", "session_id": "m-1", "team": "blue"},
    "safety_identifier": "of safety",
    "user": "of user",
    "conversation": {"id": "conv_1"},
}


def test_header_then_metadata_then_openai_s_fields() -> None:
    assert tags_of([("x-dashcam-user", "of header")], BODY).user_id == "of header"
    assert tags_of([("helicone-user-id", "of alias")], BODY).user_id == "of alias"
    assert tags_of([], BODY).user_id == "of metadata"
    assert tags_of([], {**BODY, "metadata": None}).user_id == "of safety"
    assert tags_of([], {"user": "of user"}).user_id == "of user"
    assert tags_of([("x-dashcam-session", "h")], BODY).session_id == "h"
    assert tags_of([], BODY).session_id == "m-1"
    assert tags_of([], {"conversation": {"id": "conv_1"}}).session_id == "conv_1"
    assert tags_of([], {"conversation": "conv_2"}).session_id == "conv_2"
    assert tags_of([("x-dashcam-meta-team", "red")], BODY).metadata["team"] == "red"


def test_the_trace_is_the_w3c_one_before_any_other() -> None:
    assert tags_of([PARENT, ("x-portkey-trace-id", "t")], {}).trace_id == TRACE
    assert tags_of([("x-portkey-trace-id", "t")], {}).trace_id == "t"
    for bad in ("", "00", f"00-{'0' * 32}-00f067aa0ba902b7-01", "00-" + TRACE.upper() + "-00f067aa0ba902b7-01"):
        assert tags_of([("traceparent", bad)], {}).trace_id is None


def test_what_has_no_column_becomes_metadata() -> None:
    found = tags_of(
        [("x-dashcam-path", "/plan"), ("helicone-session-name", "Trip")],
        {"prompt_cache_key": "k", "previous_response_id": "resp_1"},
    )
    assert found.metadata == {
        "session_path": "/plan", "session_name": "Trip", "prompt_cache_key": "k", "previous_response_id": "resp_1",
    }  # fmt: skip


def test_tags_in_metadata_are_tags() -> None:
    assert tags_of([("x-dashcam-tags", "a")], {"metadata": {"tags": ["b", 7, "a"]}}).tags == ("a", "b")
    assert tags_of([], {"metadata": {"tags": "b, c"}}).tags == ("b", "c")


@pytest.mark.parametrize(
    ("said", "retry"), [("0", 0), ("2", 2), ("-1", None), ("9" * 30, None), ("x", None), ("²", None)]
)
def test_a_repetition_is_what_the_sdk_says(said: str, retry: int | None) -> None:
    assert tags_of([("x-stainless-retry-count", said)], {}).retry == retry


def test_the_row_has_it_all() -> None:
    headers = [PARENT, ("x-dashcam-app", "shop"), ("x-dashcam-environment", "prod"), ("x-dashcam-tags", "a")]
    headers += [("x-client-request-id", "c-1"), ("x-stainless-retry-count", "1"), ("x-dashcam-user", "kim")]
    item = interpret(
        recorded(b"{}", request={"metadata": {"k": "v"}}, request_headers=tuple(headers)), cost_of
    ).interaction
    assert (item.user_id, item.app, item.environment, item.trace_id) == ("kim", "shop", "prod", TRACE)
    assert (item.client_request_id, item.retry_count, item.tags, item.metadata) == ("c-1", 1, ("a",), {"k": "v"})


@pytest.mark.parametrize("span", ["1h", "100y"])
def test_how_long_a_call_is_kept_stands_in_its_row(span: str) -> None:
    headers = (("x-dashcam-retention", span), ("x-dashcam-meta-team", "eu"))
    item = interpret(recorded(b"{}", request={"model": "m"}, request_headers=headers), cost_of).interaction
    assert item.metadata is not None
    kept = milliseconds_of(item.metadata[EXPIRES])
    assert kept // 1000 == item.started_at // 1000 + seconds_of(span)
    assert item.metadata["team"] == "eu"
    assert instant_text(kept) == item.metadata[EXPIRES], "compared as text, as the store does"


def test_a_plain_call_has_no_tags_and_no_rows_of_them() -> None:
    item = interpret(recorded(b"{}", request={"model": "m"}), cost_of).interaction
    assert (item.tags, item.metadata, item.client_request_id, item.retry_count) == ((), None, None, None)
    assert label_rows(item) == []


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
KEYS = st.text() | st.sampled_from(["tags", "user_id", "tag:x", "\0", "\ud800"])
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.dictionaries(KEYS, VALUES) | VALUES,
        "user": VALUES, "safety_identifier": VALUES, "conversation": VALUES, "previous_response_id": VALUES,
        "prompt_cache_key": VALUES,
    },
)  # fmt: skip


@given(BODIES, st.lists(st.tuples(st.sampled_from(["x-dashcam-tags", "x-dashcam-metadata", "x-title"]), st.text())))
def test_any_body_gives_what_every_engine_stores(body: dict[str, Any], headers: list[tuple[str, str]]) -> None:
    found = tags_of([(name, value.encode("utf-8", "replace").decode("latin-1")) for name, value in headers], body)
    texts = [found.user_id, found.session_id, found.trace_id, found.app, *found.tags, *found.metadata.values()]
    for text in [*texts, *found.metadata]:
        assert text is None or text.replace("\0", "").encode().decode() == text
    assert orjson.dumps([found.tags, dict(found.metadata)])
    rows = label_rows(_row(found.tags, dict(found.metadata)))
    assert len({key for _, key, _ in rows}) == len(rows)
    assert all(len(key) <= 100 and len(value) <= 600 for _, key, value in rows)


def _row(tags: tuple[str, ...], metadata: dict[str, str]) -> Interaction:
    item = interpret(recorded(b"{}"), cost_of).interaction
    item.tags, item.metadata = tags, metadata
    return item
