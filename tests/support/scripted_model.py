"""An upstream that speaks OpenAI's chat, Responses and embeddings and Ollama's own dialect, in the shape it is asked.

What it says is fixed, so that two clients that ask the same get the same: text, a call of the tool that is offered, or
JSON where a format is asked for. The model's name decides how it ends: ``refused-404`` answers that status, ``dies``
sends an error event in mid-stream, ``cut`` resets there, ``forgetful`` leaves a field out until it is asked again.
Every success reports 7 tokens in and 3 out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.scenarios import DONE, JSON, SSE
from tests.support.scripted_upstream import Turn

SAID = "It is warm: 3 °C, …"
WEATHER = {"city": "Oslo", "degrees": 3}
INPUT_TOKENS, OUTPUT_TOKENS = 7, 3
NDJSON = (b"Content-Type: application/x-ndjson", b"Transfer-Encoding: chunked")

_STAMP = {"id": "c1", "created": 1700000000}
_OLLAMA = {"created_at": "2026-11-01T00:00:00Z"}
_OLLAMA_END = {
    "done": True, "done_reason": "stop", "total_duration": 9000000, "load_duration": 1000000,
    "prompt_eval_count": INPUT_TOKENS, "prompt_eval_duration": 2000000,
    "eval_count": OUTPUT_TOKENS, "eval_duration": 3000000,
}  # fmt: skip


async def speak(turn: Turn) -> None:
    """Answer one request."""
    path = turn.request.request_line.split()[1].decode().partition("?")[0]
    asked = json.loads(turn.request.body) if turn.request.body else {}
    model = str(asked.get("model", ""))
    if model.startswith("refused-"):
        await _refuse(turn, model.removeprefix("refused-"), is_ollama="/api/" in path)
    elif path.endswith("/embeddings"):
        await turn.answer(_dumped(_embeddings(asked)), JSON)
    elif path.endswith("/responses"):
        await _respond(turn, asked)
    elif "/api/" in path:
        await _ollama(turn, path, asked)
    else:
        await _chat(turn, asked)


async def _refuse(turn: Turn, status: str, *, is_ollama: bool) -> None:
    said: object = {"message": f"no: {status}", "type": "scripted", "param": None, "code": f"code_{status}"}
    body = _dumped({"error": f"no: {status}" if is_ollama else said})
    await turn.answer(body, JSON, b"x-request-id: req_e", status=f"{status} Said So".encode())


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + 4] for start in range(0, len(text), 4))


def _weather(asked: dict[str, Any]) -> str:
    """Return the arguments or the JSON that is wanted; the forgetful one has them whole at the second time only."""
    is_first = len(asked.get("messages") or asked.get("input") or ()) < 3
    whole = asked["model"] != "forgetful" or not is_first
    return json.dumps(WEATHER if whole else {"city": "Oslo"})


# chat completions


def _tool(asked: dict[str, Any]) -> str | None:
    """Return the name of the tool to call, once: after its result there is text."""
    tools, turns = asked.get("tools"), asked.get("messages") or asked.get("input") or ()
    has_result = isinstance(turns, list) and any(
        turn.get("role") == "tool" or turn.get("type") == "function_call_output" for turn in turns
    )
    if not tools or (has_result and asked["model"] != "forgetful"):
        return None
    return str(tools[0].get("name") or tools[0]["function"]["name"])


def _text(asked: dict[str, Any]) -> str:
    wants = (asked.get("response_format") or (asked.get("text") or {}).get("format") or {}).get("type", "text")
    return SAID if wants == "text" else _weather(asked)


def _usage() -> dict[str, Any]:
    total = INPUT_TOKENS + OUTPUT_TOKENS
    return {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": total}


async def _chat(turn: Turn, asked: dict[str, Any]) -> None:
    tool = _tool(asked)
    reason = "tool_calls" if tool else "stop"
    if asked.get("stream"):
        await _chat_stream(turn, asked, tool, reason)
        return
    message: dict[str, Any] = {"role": "assistant", "content": None if tool else _text(asked)}
    if tool:
        message["tool_calls"] = [
            {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": _weather(asked)}}
        ]
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    whole = {**_STAMP, "object": "chat.completion", "model": asked["model"], "choices": [choice], "usage": _usage()}
    await turn.answer(_dumped(whole), JSON, b"x-request-id: req_1")


async def _chat_stream(turn: Turn, asked: dict[str, Any], tool: str | None, reason: str) -> None:
    def event(choices: list[object], **more: object) -> bytes:
        whole = {**_STAMP, "object": "chat.completion.chunk", "model": asked["model"], "choices": choices, **more}
        return b"data: " + _dumped(whole) + b"\n\n"

    def delta(reason: str | None = None, **said: object) -> bytes:
        return event([{"index": 0, "delta": said, "finish_reason": reason}])

    await turn.head(*SSE)
    await turn.chunk(delta(role="assistant", content=None if tool else ""))
    if tool:
        begun = {"index": 0, "id": "call_1", "type": "function", "function": {"name": tool, "arguments": ""}}
        await turn.chunk(delta(tool_calls=[begun]))
    for number, piece in enumerate(_pieces(_weather(asked) if tool else _text(asked))):
        if number == 2 and await _breaks_off(turn, asked["model"]):
            return
        said = {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if tool else {"content": piece}
        await turn.chunk(delta(**said))
    await turn.chunk(delta(reason))
    if (asked.get("stream_options") or {}).get("include_usage"):
        await turn.chunk(event([], usage=_usage()))
    await turn.chunk(DONE)
    await turn.chunk(b"")


async def _breaks_off(turn: Turn, model: str) -> bool:
    if model == "cut":
        await turn.arrived()
        turn.reset()
    elif model == "dies":
        said = {"message": "it died", "type": "server_error", "param": None, "code": "overheated"}
        await turn.chunk(b"data: " + _dumped({"error": said}) + b"\n\n")
        await turn.chunk(b"")
    return model in {"cut", "dies"}


# responses


def _response(asked: dict[str, Any], status: str, output: list[object]) -> dict[str, Any]:
    usage = {
        "input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": _STAMP["created"], "model": asked["model"],
        "status": status, "output": output, "usage": usage if status == "completed" else None,
        "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1.0, "top_p": 1.0,
    }  # fmt: skip


def _item(asked: dict[str, Any], tool: str | None, *, is_done: bool = True) -> dict[str, Any]:
    status = "completed" if is_done else "in_progress"
    if tool:
        arguments = _weather(asked) if is_done else ""
        return {
            "id": "fc_1", "type": "function_call", "call_id": "call_1", "name": tool, "arguments": arguments,
            "status": status,
        }  # fmt: skip
    part = {"type": "output_text", "text": _text(asked), "annotations": [], "logprobs": []}
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": [part] if is_done else [],
    }  # fmt: skip


async def _respond(turn: Turn, asked: dict[str, Any]) -> None:
    tool = _tool(asked)
    whole = _response(asked, "completed", [_item(asked, tool)])
    if not asked.get("stream"):
        await turn.answer(_dumped(whole), JSON, b"x-request-id: req_1")
        return
    await turn.head(*SSE)
    for number, (kind, payload) in enumerate(_response_events(asked, tool, whole)):
        said = {"type": kind, "sequence_number": number, **payload}
        await turn.chunk(f"event: {kind}\ndata: {json.dumps(said)}\n\n".encode())
    await turn.chunk(b"")


def _response_events(
    asked: dict[str, Any], tool: str | None, whole: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    begun = _response(asked, "in_progress", [])
    place: dict[str, Any] = {"output_index": 0, "item_id": "fc_1" if tool else "msg_1"}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    yield "response.output_item.added", {"output_index": 0, "item": _item(asked, tool, is_done=False)}
    if tool:
        arguments = _weather(asked)
        for piece in _pieces(arguments):
            yield "response.function_call_arguments.delta", {**place, "delta": piece}
        yield "response.function_call_arguments.done", {**place, "name": tool, "arguments": arguments}
    else:
        yield from _text_events(_text(asked), {**place, "content_index": 0})
    yield "response.output_item.done", {"output_index": 0, "item": _item(asked, tool)}
    yield "response.completed", {"response": whole}


def _text_events(text: str, place: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    part = {"type": "output_text", "annotations": [], "logprobs": []}
    yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
    for piece in _pieces(text):
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**place, "text": text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": {**part, "text": text}}


def _embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    inputs = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    is_packed = asked.get("encoding_format") == "base64"
    vector: object = "AACAPwAAAEA=" if is_packed else [1.0, 2.0]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(inputs))]
    usage = {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}
    return {"object": "list", "model": asked["model"], "data": data, "usage": usage}


# Ollama


async def _ollama(turn: Turn, path: str, asked: dict[str, Any]) -> None:
    whole = {"model": asked.get("model", ""), **_OLLAMA}
    if path.endswith("/tags"):
        await turn.answer(_dumped({"models": [{"model": "good-model", "name": "good-model", "size": 1}]}), JSON)
    elif path.endswith("/embed"):
        count = {"prompt_eval_count": INPUT_TOKENS, "total_duration": 1, "load_duration": 1}
        await turn.answer(_dumped({"model": asked["model"], "embeddings": [[1.0, 2.0]], **count}), JSON)
    elif not asked.get("stream", True):
        await turn.answer(_dumped({**whole, **_ollama_said(path, asked, SAID), **_OLLAMA_END}), JSON)
    else:
        await turn.head(*NDJSON)
        for piece in _pieces(SAID):
            await turn.chunk(_dumped({**whole, **_ollama_said(path, asked, piece), "done": False}) + b"\n")
        end = (
            {"error": "it died"} if asked["model"] == "dies" else {**whole, **_ollama_said(path, {}, ""), **_OLLAMA_END}
        )
        await turn.chunk(_dumped(end) + b"\n")
        await turn.chunk(b"")


def _ollama_said(path: str, asked: dict[str, Any], text: str) -> dict[str, Any]:
    if path.endswith("/generate"):
        return {"response": text}
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if asked.get("tools"):
        name = asked["tools"][0]["function"]["name"]
        message = {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": name, "arguments": WEATHER}}],
        }
    return {"message": message}
