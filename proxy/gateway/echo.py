"""The built-in model ``dashcam/echo``: answers with the caller's last message, streamed or not, without a network.

It proves the whole chain, from the client's SDK to the row, with no key and no provider. It takes the place of the
network client only; planning, recording, pumping and endings are those of every other call. One word is one token.
The list of all models, which no single provider can give, is answered here too, and what is said of a route's name.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from urllib.parse import unquote

import orjson

from proxy.gateway.client_head import Headers
from proxy.gateway.sending import Pieces
from proxy.upstream.body import BodySource
from proxy.upstream.failure import Timing, UpstreamFailure
from proxy.upstream.request import RequestHead

_PAUSE = 0.01
_CREATED = 1_700_000_000
_MODEL = "dashcam/echo"
_UNKNOWN = "dashcam/echo answers chat completions and responses. Ask it with POST /v1/chat/completions."


class EchoAnswer:
    """An answer that arrives in pieces, like one from a socket."""

    has_head = True
    failure: UpstreamFailure | None = None
    _listener: Callable[[], None] | None = None

    def __init__(self, status: int, content_type: bytes, pieces: Iterable[bytes], pause: float) -> None:
        self._coming = deque(pieces)
        self._ready: Pieces = []
        self._pause = pause
        self.status = status
        self.headers: Headers = [(b"Content-Type", content_type), (b"Cache-Control", b"no-cache")]
        now = time.monotonic_ns()
        self.timing = Timing(started_ns=now, connected_ns=now, sent_ns=now, head_ns=now)
        if pause:
            self._wait()
        else:
            self.headers.append((b"Content-Length", b"%d" % sum(map(len, self._coming))))
            self._ready = [(now, piece) for piece in self._coming]
            self._coming.clear()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._say)

    def _say(self) -> None:
        self._ready.append((time.monotonic_ns(), self._coming.popleft()))
        if self._coming:
            self._wait()
        if self._listener is not None:
            self._listener()

    @property
    def is_complete(self) -> bool:
        """True when nothing is left to come."""
        return not self._coming

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call this for every piece."""
        self._listener = listener

    def take_ready(self) -> Pieces:
        """Return what was said and not taken yet."""
        ready, self._ready = self._ready, []
        return ready

    async def read(self) -> tuple[int, bytes] | None:
        """Return the next piece that is there, None when there is none."""
        return self._ready.pop(0) if self._ready else None

    def abort(self) -> None:
        """Stop talking."""
        if self._coming:
            self._coming.clear()
            self._timer.cancel()


class EchoUpstream:
    """Answers in place of the network; ``listing`` returns the list of all models."""

    def __init__(self, listing: Callable[[], bytes] = lambda: b'{"object":"list","data":[]}') -> None:
        self.listing = listing

    async def send(self, head: RequestHead, body: bytes | BodySource) -> EchoAnswer:
        """Answer one request, also a large one."""
        return self.begin(head, body if isinstance(body, bytes) else b"".join(body.slices()))

    async def dial(
        self, head: RequestHead, body: bytes | BodySource, stale: UpstreamFailure | None = None
    ) -> EchoAnswer:
        """Answer one request: there is nobody to dial."""
        return await self.send(head, body)

    def begin(self, head: RequestHead, body: bytes) -> EchoAnswer:
        """Answer one request."""
        path = head.target.partition(b"?")[0].rstrip(b"/")
        if head.method == "GET" and path == b"/models":
            return EchoAnswer(200, b"application/json", [self.listing()], 0)
        if head.method == "GET" and (name := path.partition(b"/models/")[2]):
            entry = {"id": unquote(name.decode("latin-1")), "object": "model", "created": 0, "owned_by": "dashcam"}
            return EchoAnswer(200, b"application/json", [orjson.dumps(entry)], 0)
        request = _parse(body)
        is_stream = bool(request and request.get("stream") is True)
        if request is not None and path.endswith(b"/chat/completions"):
            pieces = _chat_stream(request) if is_stream else [_chat(request)]
        elif request is not None and path.endswith(b"/responses"):
            pieces = _response_stream(request) if is_stream else [orjson.dumps(_response(request, "completed"))]
        else:
            error = {
                "message": _UNKNOWN,
                "type": "invalid_request_error",
                "param": None,
                "code": "unsupported_endpoint",
            }
            return EchoAnswer(404, b"application/json", [orjson.dumps({"error": error})], 0)
        content_type = b"text/event-stream" if is_stream else b"application/json"
        return EchoAnswer(200, content_type, pieces, _PAUSE if is_stream else 0)


def _parse(body: bytes) -> dict[str, object] | None:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return values if isinstance(values, dict) else None


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return " ".join(part for part in parts if isinstance(part, str))
    return ""


def _last_words(request: dict[str, object]) -> str:
    """Return the newest thing the caller said."""
    said = request.get("messages", request.get("input"))
    if isinstance(said, list):
        said = next((item.get("content") for item in reversed(said) if isinstance(item, dict)), "")
    return _text_of(said) or "(nothing was said)"


def _counts(request: dict[str, object], answer: str) -> tuple[int, int]:
    said = request.get("messages", request.get("input"))
    items = said if isinstance(said, list) else [{"content": said}]
    words = sum(len(_text_of(item.get("content")).split()) for item in items if isinstance(item, dict))
    return words, len(answer.split())


def _words(answer: str) -> list[str]:
    words = answer.split(" ")
    return [word + (" " if index < len(words) - 1 else "") for index, word in enumerate(words)]


def _event(payload: object, name: str = "") -> bytes:
    line = f"event: {name}\n".encode() if name else b""
    return line + b"data: " + orjson.dumps(payload) + b"\n\n"


def _chat_usage(request: dict[str, object], answer: str) -> dict[str, int]:
    asked, said = _counts(request, answer)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _chat(request: dict[str, object]) -> bytes:
    answer = _last_words(request)
    message = {"role": "assistant", "content": answer, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    base = {"id": "chatcmpl-echo", "object": "chat.completion", "created": _CREATED, "model": _MODEL}
    return orjson.dumps({**base, "choices": [choice], "usage": _chat_usage(request, answer)})


def _chat_stream(request: dict[str, object]) -> list[bytes]:
    answer = _last_words(request)
    options = request.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    base: dict[str, object] = {
        "id": "chatcmpl-echo", "object": "chat.completion.chunk", "created": _CREATED, "model": _MODEL,
    }  # fmt: skip
    if wants_usage:
        base["usage"] = None

    def chunk(delta: dict[str, str], reason: str | None) -> bytes:
        return _event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    pieces = [chunk({"role": "assistant", "content": ""}, None)]
    pieces += [chunk({"content": word}, None) for word in _words(answer)]
    pieces.append(chunk({}, "stop"))
    if wants_usage:
        pieces.append(_event({**base, "choices": [], "usage": _chat_usage(request, answer)}))
    pieces.append(b"data: [DONE]\n\n")
    return pieces


def _response(request: dict[str, object], status: str) -> dict[str, object]:
    answer = _last_words(request)
    asked, said = _counts(request, answer)
    content = [{"type": "output_text", "text": answer, "annotations": []}]
    message = {"id": "msg_echo", "type": "message", "status": "completed", "role": "assistant", "content": content}
    is_done = status == "completed"
    usage = {
        "input_tokens": asked, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": asked + said,
    }  # fmt: skip
    return {
        "id": "resp_echo", "object": "response", "created_at": _CREATED, "status": status, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "model": _MODEL,
        "output": [message] if is_done else [], "parallel_tool_calls": True, "temperature": None,
        "tool_choice": "auto", "tools": [], "top_p": None, "usage": usage if is_done else None,
    }  # fmt: skip


def _response_stream(request: dict[str, object]) -> list[bytes]:
    answer = _last_words(request)
    place = {"item_id": "msg_echo", "output_index": 0, "content_index": 0}
    payloads: list[dict[str, object]] = [{"type": "response.created", "response": _response(request, "in_progress")}]
    payloads += [
        {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []} for word in _words(answer)
    ]
    payloads.append({"type": "response.output_text.done", **place, "text": answer, "logprobs": []})
    payloads.append({"type": "response.completed", "response": _response(request, "completed")})
    return [_event({**item, "sequence_number": number}, str(item["type"])) for number, item in enumerate(payloads)]
