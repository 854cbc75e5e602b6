"""Clients that are not Python's: the official JavaScript one and curl, directly and through Dashcam, one result."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Starter
from tests.support.checkout import ROOT
from tests.support.dashcam import RunningDashcam
from tests.support.scenarios import DONE, JSON, SSE, chunk, streams
from tests.support.scripted_upstream import ScriptedUpstream, Turn, in_thread

NODE = ROOT / "tests/clients/node"
CHAT = (
    b'{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
)
USAGE = b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":%s}\n\n'
COUNTS = b'{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}'
ERROR = b'{"error":{"message":"%b","type":"t","param":null,"code":"c"}}'
RESPONSE = b'{"id":"r1","object":"response","status":"completed","output":[],"usage":null,"error":null}'
EVENT = b'event: response.%b\ndata: {"type":"response.%b","sequence_number":%d,"response":' + RESPONSE + b"}\n\n"
OTHERS = {
    b"/v1/embeddings": b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAAA=="}]}',
    b"/v1/models": b'{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"o"}]}',
    b"/v1/files": b'{"id":"file-1","object":"file","bytes":2,"created_at":1,"filename":"a.jsonl","purpose":"batch"}',
    b"/v1/files/file-1/content": b'{"custom_id":"1"}',
    b"/v1/audio/transcriptions": b'{"text":"hello"}',
}


class Answers:
    """An upstream that answers by what is asked; of "429 once" every second request goes through."""

    def __init__(self) -> None:
        self.tries = itertools.count()

    async def __call__(self, turn: Turn) -> None:
        path = turn.request.request_line.split()[1]
        if path in OTHERS:
            await turn.answer(OTHERS[path], JSON)
        elif path == b"/v1/audio/speech":
            await turn.answer(bytes(range(256)), b"Content-Type: audio/mpeg")
        elif path == b"/v1/responses":
            await self.response(turn, is_cut=json.loads(turn.request.body)["model"] == "cut")
        else:
            await self.chat(turn, json.loads(turn.request.body))

    async def response(self, turn: Turn, *, is_cut: bool) -> None:
        if is_cut:
            await turn.head(*SSE)
            await turn.chunk(EVENT % (b"created", b"created", 0))
            await turn.arrived()
            turn.reset()
            return
        await streams(EVENT % (b"created", b"created", 0), EVENT % (b"completed", b"completed", 1))(turn)

    async def chat(self, turn: Turn, asked: dict[str, Any]) -> None:
        kind = asked["user"]
        if asked.get("stream"):
            await self.stream(turn, kind, asks_usage=bool(asked.get("stream_options")))
        elif kind.startswith("status "):
            status = kind.removeprefix("status ").encode()
            await turn.answer(ERROR % status, JSON, b"x-request-id: req_e", status=status + b" Whatever")
        elif kind == "page":
            await turn.answer(b"<html>no</html>", b"Content-Type: text/html", status=b"502 Bad Gateway")
        elif kind == "json":
            await turn.answer(CHAT.replace(b'"hi"', b'"{}"'), JSON)
        elif kind == "429 once" and next(self.tries) % 2 == 0:
            slow = (JSON, b"retry-after-ms: 10")
            await turn.answer(ERROR % b"too fast", *slow, status=b"429 Too Many Requests")
        else:
            await turn.answer(CHAT, JSON, b"x-request-id: req_1")

    async def stream(self, turn: Turn, kind: str, *, asks_usage: bool) -> None:
        await turn.head(*SSE)
        for part in ({"role": "assistant"}, {"content": "h"}, {"content": "i"}):
            await turn.chunk(chunk(**part))
        if kind == "cut":
            turn.reset()
            return
        if kind == "error event":
            await turn.chunk(b"data: " + ERROR % b"it died" + b"\n\n")
        else:
            await turn.chunk(chunk(finish_reason="stop"))
            if asks_usage:
                await turn.chunk(USAGE % COUNTS)
            await turn.chunk(DONE)
        await turn.chunk(b"")


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with in_thread(ScriptedUpstream(Answers())) as running:
        yield running


@pytest.fixture(scope="module")
def dashcam(
    start_dashcam: Starter, upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> RunningDashcam:
    settings = tmp_path_factory.mktemp("settings") / "two.toml"
    purist = f'[providers.purist]\nurl = "{upstream.url}/v1"\non_broken_stream = "abort_only"\n'
    settings.write_text(f'[providers.openai]\nurl = "{upstream.url}/v1"\n{purist}')
    return start_dashcam("--config", str(settings))


def node(base_url: str) -> dict[str, Any]:
    """Run the JavaScript client's acts against one server."""
    program = shutil.which("node")
    assert program is not None
    done = subprocess.run([program, str(NODE / "suite.mjs"), base_url], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("folder", [NODE / "node_modules"] if (NODE / "node_modules").is_dir() else [], ids=["node"])
def test_the_javascript_client_gets_the_same(dashcam: RunningDashcam, upstream: ScriptedUpstream, folder: Path) -> None:
    directly, through = node(f"{upstream.url}/v1"), node(f"{dashcam.url}/v1")
    # The one difference that is meant: a stream that breaks off says so before it does.
    for cut in ("cut stream", "responses cut"):
        assert directly.pop(cut)["error"] != "APIError"
        told = through.pop(cut)
        assert (told["error"], told["code"]) == ("APIError", "upstream_aborted")
    assert through == directly
    assert directly["stream"][-1]["choices"][0]["finish_reason"] == "stop"
    assert directly["stream with usage"][-1]["usage"]["total_tokens"] == 2
    assert (directly["status 404"]["error"], directly["status 404"]["request"]) == ("NotFoundError", "req_e")
    assert directly["parsed"]["choices"][0]["message"]["parsed"] == {}
    rows = dashcam.rows()
    assert [row["retry_count"] for row in rows if row["http_status"] == 429] == [0, 0]
    again = next(row for row in rows if row["retry_count"] == 1)
    assert again["parent_id"] == [row["id"] for row in rows if row["http_status"] == 429][-1]
    assert {row["outcome"] for row in rows} == {"completed", "upstream_error", "upstream_aborted"}


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["curl", "-sN", *arguments], capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("program", [path] if (path := shutil.which("curl")) else [], ids=["curl"])
def test_curl_gets_the_same(dashcam: RunningDashcam, upstream: ScriptedUpstream, program: str, tmp_path: Path) -> None:
    def ask(base: str, user: str, size: int = 2, **more: object) -> subprocess.CompletedProcess[bytes]:
        body = tmp_path / "body.json"
        body.write_text(json.dumps({"model": "m", "user": user, "messages": [], "x": "x" * size, **more}))
        return curl("-H", "Content-Type: application/json", "--data-binary", f"@{body}", f"{base}/v1/chat/completions")

    for user, more in (("whole", {}), ("stream", {"stream": True}), ("status 404", {}), ("page", {})):
        direct, ours = ask(upstream.url, user, **more), ask(dashcam.url, user, **more)
        assert (ours.returncode, ours.stdout) == (direct.returncode, direct.stdout)
    # Above a megabyte curl asks first whether the body is wanted.
    assert ask(dashcam.url, "whole", size=1_500_000).stdout == CHAT
    cut = ask(dashcam.url, "cut", stream=True)
    purist = ask(dashcam.url + "/purist", "cut", stream=True)
    assert (purist.returncode, b"error" in purist.stdout) == (18, False)
    assert (cut.returncode, b"upstream_aborted" in cut.stdout, b"[DONE]" in cut.stdout) == (18, True, False)


@pytest.mark.parametrize("program", [path] if (path := shutil.which("curl")) else [], ids=["curl"])
def test_curl_shows_each_piece_as_it_comes(start_dashcam: Starter, program: str) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.head(*SSE)
        await turn.chunk(chunk(content="first"))
        await turn.released()
        await turn.chunk(chunk(content="second", finish_reason="stop") + DONE)
        await turn.chunk(b"")

    with in_thread(ScriptedUpstream(scenario)) as upstream:
        dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
        asked = '{"model":"m","stream":true,"messages":[]}'
        command = [program, "-sN", "--max-time", "30", "-d", asked, f"{dashcam.url}/v1/chat/completions"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
            assert asking.stdout is not None
            assert b"first" in asking.stdout.readline()
            upstream.release()
            assert asking.stdout.read().endswith(DONE)
        assert asking.returncode == 0
