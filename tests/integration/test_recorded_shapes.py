"""Every kept answer gives the row that it should, however its bytes are cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.interaction import Entry, Interaction
from proxy.interpret.entry import interpret
from proxy.pricing.cost import cost_of
from proxy.protocol import sse
from proxy.protocol.endpoints import operation_of
from tests.support.recorded import ANSWERS, answer, recorded
from tests.support.shapes import SHAPES, Shape

STREAMS = [shape for shape in SHAPES if shape.is_stream]


def read(shape: Shape, pieces: list[bytes] | bytes) -> Entry:
    operation = operation_of("POST", shape.path).name
    facts: dict[str, Any] = {"operation": operation, "provider_kind": shape.kind, "is_stream": shape.is_stream}
    return interpret(recorded(pieces, media=shape.media, **facts), cost_of)


def facts_of(item: Interaction) -> tuple[object, ...]:
    counts = (item.input_tokens, item.output_tokens, item.cached_tokens, item.reasoning_tokens)
    return (*counts, item.usage_source, item.finish_reason, item.finish_kind, item.outcome, item.error_message)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_row_says_what_was_meant(shape: Shape) -> None:
    entry = read(shape, answer(shape.name))
    item = entry.interaction
    assert (entry.output_text or "") == shape.said
    assert facts_of(item) == (*shape.counts, shape.source, shape.reason, shape.finish, shape.outcome, shape.error)
    assert item.decode_error is None
    if shape.model:
        assert item.model == shape.model


@pytest.mark.parametrize("shape", STREAMS, ids=lambda shape: shape.name)
@given(data=st.data())
def test_any_cut_of_the_bytes_gives_the_same_row(shape: Shape, data: st.DataObject) -> None:
    whole = answer(shape.name)
    places = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=12)))
    pieces = [whole[start:end] for start, end in zip([0, *places], [*places, len(whole)], strict=True)]
    cut, uncut = read(shape, pieces), read(shape, whole)
    assert (facts_of(cut.interaction), cut.output_text) == (facts_of(uncut.interaction), uncut.output_text)


@pytest.mark.parametrize("shape", STREAMS, ids=lambda shape: shape.name)
def test_line_ends_and_a_byte_order_mark_change_nothing(shape: Shape) -> None:
    whole = answer(shape.name)
    odd = whole.replace(b"\n", b"\r\n")
    if shape.name.endswith(".sse"):
        odd = b"\xef\xbb\xbf" + odd
        assert [event.data for event in sse.decode(odd)] == [event.data for event in sse.decode(whole)]
    assert facts_of(read(shape, odd).interaction) == facts_of(read(shape, whole).interaction)


@pytest.mark.parametrize("shape", STREAMS, ids=lambda shape: shape.name)
@given(data=st.data())
def test_a_stream_that_ends_early_is_never_taken_for_more_than_came(shape: Shape, data: st.DataObject) -> None:
    whole = answer(shape.name)
    end = data.draw(st.integers(1, len(whole)))
    said = read(shape, whole[:end]).output_text or ""
    assert len(said) <= len(shape.said)


def test_every_kept_answer_is_spoken_for() -> None:
    apart = {"responses_stream.sse", "batch_completed.json"}
    assert {path.name for path in ANSWERS.iterdir()} == {shape.name for shape in SHAPES} | apart
