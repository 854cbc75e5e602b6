"""What other people's clients make of Dashcam: the same as without it, and a row for each of their calls.

Each suite runs its acts twice in front of one scripted model, directly and through Dashcam. Results, errors and every
request that reached the upstream must be the same, except that Dashcam asks for the usage of streams; and each call
that went through must be on record as what it was. Python's suites run where `make clients` has made their
environments, the JavaScript one where npm is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Starter
from tests.support.checkout import ROOT
from tests.support.dashcam import Row, RunningDashcam
from tests.support.scripted_model import INPUT_TOKENS, OUTPUT_TOKENS, speak
from tests.support.scripted_upstream import Received, ScriptedUpstream, in_thread

SUITES = ROOT / "tests/clients"
ENVIRONMENTS = ROOT / ".venv/clients"
HOMES = {
    **dict.fromkeys(("litellm", "langchain", "pydantic_ai", "instructor", "ollama", "llm"), ENVIRONMENTS / "python"),
    "aider": ENVIRONMENTS / "aider",
}
INSTALLED = [suite for suite, home in HOMES.items() if (home / "bin/python").exists()]
NODE = [SUITES / "node/suite_ai.mjs"] if (SUITES / "node/node_modules/ai").is_dir() else []
KEYS = {"directly": "sk-directly", "through": "sk-through"}
OPERATIONS = {
    "/chat/completions": "chat", "/responses": "responses", "/embeddings": "embeddings",
    "/api/chat": "ollama_chat", "/api/generate": "ollama_generate", "/api/embed": "ollama_embed",
    "/api/tags": "ollama_models",
}  # fmt: skip


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with in_thread(ScriptedUpstream(speak)) as running:
        yield running


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, upstream: ScriptedUpstream) -> RunningDashcam:
    both = (f"{name}={upstream.url}/v1" for name in ("openai", "ollama"))
    return start_dashcam(*(word for provider in both for word in ("--upstream", provider)))


@pytest.mark.parametrize("suite", INSTALLED)
def test_a_python_client_gets_the_same(
    suite: str, dashcam: RunningDashcam, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    before = len(upstream.requests), len(dashcam.rows())
    through = f"{dashcam.url}/ollama/v1" if suite == "ollama" else f"{dashcam.url}/v1"
    program = [str(HOMES[suite] / "bin/python"), str(SUITES / f"python/suite_{suite}.py")]
    found = told(*program, f"{upstream.url}/v1", through, home=tmp_path)
    compare(found["directly"], found["through"])
    compare_requests(upstream.requests[before[0] :], dashcam.rows()[before[1] :])


@pytest.mark.parametrize("suite", NODE, ids=["ai"] if NODE else [])
def test_the_ai_sdk_gets_the_same(
    suite: Path, dashcam: RunningDashcam, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    program = shutil.which("node")
    assert program is not None
    before = len(upstream.requests), len(dashcam.rows())
    bases = {"directly": upstream.url, "through": dashcam.url}
    found = {way: told(program, str(suite), f"{bases[way]}/v1", key, home=tmp_path) for way, key in KEYS.items()}
    compare(found["directly"], found["through"])
    compare_requests(upstream.requests[before[0] :], dashcam.rows()[before[1] :])


def told(*command: str, home: Path) -> dict[str, Any]:
    """Run a suite in an environment that says nothing; return what it prints."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=home, timeout=100, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(directly: dict[str, Any], through: dict[str, Any]) -> None:
    """Everything is equal but the one thing that is meant: a stream that breaks off says so before it does."""
    cut = "cut stream"
    if cut in directly:
        assert "broke off its answer" in str(through.pop(cut))
        assert "broke off its answer" not in str(directly.pop(cut))
    assert through == directly


def compare_requests(requests: list[Received], rows: list[Row]) -> None:
    """Both ways the upstream was sent the same, and what came through has its row."""
    directly, through = (
        [request for request in requests if request.header(b"authorization") == f"Bearer {key}".encode()]
        for key in KEYS.values()
    )
    assert len(directly) + len(through) == len(requests)
    assert [sent(request) for request in through] == [sent(request) for request in directly]
    assert [recorded(row) for row in rows] == [expected(request) for request in through]


def sent(request: Received) -> object:
    """Return what was asked, without what depends on the way or is Dashcam's to add."""
    body = json.loads(request.body) if request.body else {}
    headers = [(name.lower(), value) for name, value in request.headers]
    own = {b"host", b"authorization", b"content-length", b"connection"}
    own |= {b"accept-encoding"} if body.get("stream") else set()  # where usage is asked for, compression is not
    return (
        request.request_line,
        sorted(header for header in headers if header[0] not in own),
        {name: value for name, value in body.items() if name != "stream_options"},
    )


def recorded(row: Row) -> Row:
    columns = ["operation", "is_stream", "outcome", "http_status", "model_requested"]
    found = {name: row[name] for name in columns}
    if row["outcome"] == "completed":
        found |= {name: row[name] for name in ("input_tokens", "output_tokens", "usage_source")}
    return found


def expected(request: Received) -> Row:
    """Return what must be on record of a request that went through."""
    path = request.request_line.split()[1].decode()
    body = json.loads(request.body or b"{}")
    model, operation = body.get("model"), next(name for end, name in OPERATIONS.items() if path.endswith(end))
    is_stream = bool(body.get("stream", path in {"/api/chat", "/api/generate"}))
    found: Row = {"operation": operation, "is_stream": int(is_stream), "model_requested": model, "http_status": 200}
    if model is None:
        return {**found, "outcome": "completed", "input_tokens": None, "output_tokens": None, "usage_source": "none"}
    if model.startswith("refused-"):
        return {**found, "outcome": "upstream_error", "http_status": int(model.removeprefix("refused-"))}
    if model in {"dies", "cut"}:
        return {**found, "outcome": "upstream_error" if model == "dies" else "upstream_aborted"}
    output = None if "embed" in path else OUTPUT_TOKENS
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": output, "usage_source": "reported"}
    return {**found, "outcome": "completed", **usage}
