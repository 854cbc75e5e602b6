"""Ollama's own lines are put together; on the last one missing counts are zero."""

from __future__ import annotations

from proxy.protocol.ndjson import assemble
from tests.support.recorded import answer

LINES = answer("ollama_chat.ndjson")


def test_a_chat_stream() -> None:
    made = assemble(LINES)
    assert made.output_text() == 'Hello\nlook({"a": 1})'
    assert (made.choices[0].reasoning, made.finish_reasons(), made.model) == (["hm"], ["length"], "llama3.2")
    assert (made.usage.input_tokens, made.usage.output_tokens) == (0, 2)
    assert made.usage.raw is not None
    assert made.usage.raw["total_duration"] == 5_000_000
    assert made.first_token_end == LINES.index(b"\n") + 1


def test_a_cut_stream_has_not_ended() -> None:
    made = assemble(LINES[: LINES.rindex(b'{"model"') + 20])
    assert (made.output_text()[:5], made.has_ended) == ("Hello", False)


def test_an_error_line_under_status_200() -> None:
    made = assemble(LINES[: LINES.index(b"\n") + 1] + b'{"error":"out of memory"}\n')
    assert made.error is not None
    assert made.error.message == "out of memory"


def test_generate_and_a_cloud_behind_it() -> None:
    made = assemble(b'{"model":"x","response":"hi","done":true,"remote_host":"https://ollama.com","eval_count":1}')
    assert (made.output_text(), made.finish_reasons(), made.is_remote) == ("hi", ["stop"], True)


def test_embeddings_have_an_input_only() -> None:
    made = assemble(b'{"model":"nomic","embeddings":[[0.1]],"total_duration":7,"prompt_eval_count":8}')
    assert (made.usage.input_tokens, made.usage.output_tokens, made.model) == (8, None, "nomic")


def test_rubbish_is_skipped() -> None:
    assert assemble(b"\n\nnull\n[1]\n{bad\n").output_text() == ""
