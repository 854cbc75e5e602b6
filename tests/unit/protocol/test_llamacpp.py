"""llama.cpp's own answers: text, why it stopped, and the counts it gives without being asked."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.outcome import UsageSource
from proxy.protocol import llamacpp, sse
from tests.support.recorded import events

TIMINGS = {"prompt_n": 4, "cache_n": 6, "predicted_n": 2, "prompt_ms": 1.5}
LAST = {"content": "", "index": 0, "stop": True, "stop_type": "limit", "model": "tiny", "timings": TIMINGS}


def test_a_stream_and_the_same_as_one_object() -> None:
    words = [{"content": word, "index": 0, "stop": False} for word in ("Hi", " there")]
    streamed = llamacpp.assemble_events(sse.decode(events(*words, LAST)))
    whole = llamacpp.assemble_whole({**LAST, "content": "Hi there"})
    for found in (streamed, whole):
        assert (found.output_text(), found.finish_reasons(), found.model) == ("Hi there", ["length"], "tiny")
        assert (found.usage.input_tokens, found.usage.cached_tokens, found.usage.output_tokens) == (10, 6, 2)
        assert (found.usage.source, found.has_ended) == (UsageSource.UPSTREAM_TIMINGS, True)
    assert (streamed.first_token_end, whole.first_token_end) == (len(events(words[0])), None)


def test_older_servers_count_beside_the_timings() -> None:
    found = llamacpp.assemble_whole({"content": "x", "stop": True, "tokens_evaluated": 5, "tokens_predicted": 1})
    assert (found.usage.input_tokens, found.usage.output_tokens) == (5, 1)


def test_a_stream_that_breaks_off_has_not_ended() -> None:
    assert not llamacpp.assemble_events(sse.decode(events({"content": "Hi", "stop": False}))).has_ended
    failed = llamacpp.assemble_events(sse.decode(events({"error": {"code": 500, "message": "full"}})))
    assert failed.error is not None
    assert failed.error.message == "full"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.dictionaries(st.text(), v)))
def test_nothing_raises(value: object) -> None:
    odd = {"content": value, "stop": True, "index": value, "timings": value, "stop_type": value}
    llamacpp.assemble_whole(odd)
    llamacpp.assemble_events(sse.decode(f"data: {json.dumps(odd)}\n\n".encode()))
