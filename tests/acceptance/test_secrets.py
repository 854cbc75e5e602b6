"""Canaries: unique secrets and prompts go in at every door; then everything that was written or answered is searched.

A key may be nowhere at all. What people ask and are answered belongs into the recorded content and the spool it came
through, and nowhere else: not into logs, metrics, error bodies or any other column.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.conftest import Starter
from tests.support import oracle as oracle_upstream
from tests.support.dashcam import RunningDashcam
from tests.support.processes import free_port
from tests.support.raw_http import RawAnswer, RawClient, exchange, request
from tests.support.waiting import wait_until

CLIENT_KEY, PROVIDER_KEY = "sk-canary-client-71ab93", "sk-canary-provider-cc02d4"
PROXY_KEY, ADMIN_TOKEN = (
    "canary-proxy-0d93f1a75c48e2b6a90d13f7c8e5b2a4",
    "canary-5f17c2e94b8a60d3e7f1c2b5a8d9e0f3-console",
)
QUERY_KEY, COOKIE, SOCKET_KEY = "canary-query-6611fa", "canary-cookie-9920bd", "canary-socket-30c4e7"
MASTER_KEY, SEALED_KEY = "canary-of-the-master-4c7b1e90d2a5f8361e9d", "sk-canary-sealed-b41f07"
KEYS = (*(CLIENT_KEY, PROVIDER_KEY, PROXY_KEY, ADMIN_TOKEN, QUERY_KEY, COOKIE, SOCKET_KEY, MASTER_KEY, SEALED_KEY),)
PROMPT = "canary prompt 4d2f81"

CONTENT = {"interaction_text", "interaction_body", "body_chunk", "open_call", "quarantine"}
CONTENT_COLUMNS = {"input_preview", "output_preview"}


@dataclass
class Sweep:
    """One instance, and everything it answered that is no upstream's answer."""

    dashcam: RunningDashcam
    said: list[bytes] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    """Keys and tokens that were made here, and shown once."""

    def call(self, body: bytes, *headers: str, path: str = "/v1/chat/completions") -> RawAnswer:
        answer = exchange(self.dashcam.port, request(body, *headers, path=path))
        if answer.status >= 400:
            self.said.append(answer.body)
        return answer

    def say(self, data: bytes) -> None:
        """Send what is no request and keep whatever is answered."""
        with RawClient(self.dashcam.port) as client:
            client.send(data)
            self.said.append(client.read_to_the_end())

    def administer(self, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, str]:
        """Ask the admin API; what it answers is kept, but for the answer that shows a key once."""
        data = json.dumps(body).encode() if body is not None else b""
        sent = request(data, f"Authorization: Bearer {ADMIN_TOKEN}", path=f"/api/v1/{path}", method=method)
        answer = exchange(self.dashcam.port, sent, method)
        assert answer.status < 300, answer.body
        found: dict[str, str] = json.loads(answer.body)
        shown = [found[name] for name in ("key", "token") if name in found]
        self.made += shown
        if not shown:
            self.said.append(answer.body)
        return found

    def artefacts(self) -> dict[str, bytes]:
        """Return what was written: every file of its folders."""
        logs = Path(self.dashcam.environment["DASHCAM_LOG__FILE"]).parent
        places = (self.dashcam.folder, self.dashcam.run_root, logs)
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def sweep(start_dashcam: Starter, oracle: str, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Send the canaries through every door, well and badly."""
    environment = {
        "OPENAI_API_KEY": PROVIDER_KEY,
        "DASHCAM_PROXY_KEYS": PROXY_KEY,
        "DASHCAM_ADMIN_TOKEN": ADMIN_TOKEN,
        "DASHCAM_LOG__LEVEL": "debug",
        "DASHCAM_LOG__FILE": str(tmp_path_factory.mktemp("logs") / "dashcam.log"),
        "DASHCAM_LIMITS__BODY_BYTES": "300000",
        "DASHCAM_MASTER_KEY": MASTER_KEY,
        "DASHCAM_ADMIN__ALLOW_PRIVATE_UPSTREAMS": "127.0.0.1",
    }
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    dashcam = start_dashcam(
        "--upstream", f"openai={oracle}/v1", "--upstream", f"nobody={nobody}", environment=environment
    )
    made = Sweep(dashcam)
    ours, theirs = f"Authorization: Bearer {PROXY_KEY}", f"Authorization: Bearer {CLIENT_KEY}"
    whole = json.dumps(oracle_upstream.question(PROMPT, False, 3)).encode()
    stream = json.dumps(oracle_upstream.question(PROMPT, True, 3)).encode()
    assert made.call(whole, ours, f"Cookie: session={COOKIE}").status == 200
    assert made.call(stream, ours, f"X-Api-Key: {CLIENT_KEY}").status == 200
    assert made.call(whole, theirs).status == 401
    assert made.call(PROMPT.encode(), ours).status == 400
    assert made.call(whole + b" " * 400_000, ours).status == 413
    made.call(
        whole, ours, path=f"/v1/chat/completions?key={QUERY_KEY}&api_key={QUERY_KEY}&auth={QUERY_KEY}&%6bey={QUERY_KEY}"
    )
    assert made.call(whole, ours, path="/nobody/v1/chat/completions").status == 502
    made.call(whole, ours, path=f"/v1/../{PROMPT.replace(' ', '-')}")
    protocol = f"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{SOCKET_KEY}"
    assert made.call(whole, ours, protocol, f"api-key: {SOCKET_KEY}", f"X-Goog-Api-Key: {SOCKET_KEY}").status == 200
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", protocol)
    assert exchange(dashcam.port, request(b"", ours, *upgrade, path="/v1/realtime", method="GET"), "GET").status == 426
    made.say(request(whole, ours, "Content-Length: 7"))
    made.say(f"GET /{PROMPT} {CLIENT_KEY}\r\nAuthorization: {CLIENT_KEY}\r\n\r\n".encode())
    made.call(b"", theirs, path="/api/v1/recorder")
    _edit(made, oracle, whole)

    made.said += [dashcam.get(path)[1] for path in ("/metrics", "/api/v1/recorder", "/api/v1/nothing")]
    return made


def _edit(made: Sweep, oracle: str, whole: bytes) -> None:
    """Make keys of every kind, use them, and look at all there is to see."""
    wait_until(lambda: made.dashcam.get("/api/v1/export")[0] == 200, "the admin API has its database")
    made.administer("POST", "providers", {"name": "sealed", "kind": "openai", "base_url": f"{oracle}/v1"})
    made.administer("PUT", "providers/sealed/key", {"key": SEALED_KEY})
    key = made.administer("POST", "keys", {"owner": "canary", "limits": {"requests_per_minute": 2}})
    again = made.administer("POST", f"keys/{key['id']}/rotate", {})
    made.administer("POST", "tokens", {"scope": "read", "owner": "canary"})
    for text in (key["key"], again["key"]):
        ours = f"Authorization: Bearer {text}"
        assert made.call(whole, ours, path="/sealed/v1/chat/completions").status == 200
        assert made.call(whole, "Authorization: Bearer sk-other", f"x-api-key: {text}").status == 401
        assert made.call(whole, ours).status == 200
        assert made.call(whole, ours).status == 429
    made.administer("POST", f"keys/{key['id']}/revoke")
    assert made.call(whole, f"Authorization: Bearer {key['key']}").status == 401
    made.administer("PATCH", "providers/sealed", {"base_url": "https://elsewhere.example/v1"})
    assert made.call(whole, f"Authorization: Bearer {PROXY_KEY}", path="/sealed/v1/models").status in (404, 502)
    for path in ("providers", "keys", "tokens", "audit", "revisions", "export"):
        made.said.append(made.dashcam.get(f"/api/v1/{path}")[1])


@pytest.fixture(scope="module")
def written(sweep: Sweep) -> dict[str, bytes]:
    """What is there after everything went to the store and the processes ended."""
    sweep.dashcam.settle()
    sweep.dashcam.stop()
    return sweep.artefacts()


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_nowhere(sweep: Sweep, written: dict[str, bytes], key: str) -> None:
    assert [name for name, content in written.items() if key.encode() in content] == []
    assert [text for text in sweep.said if key.encode() in text] == []


def test_what_was_made_here_is_nowhere(sweep: Sweep, written: dict[str, bytes]) -> None:
    """Keys and tokens of the store are shown once, and kept by their digests."""
    assert len(sweep.made) == 3
    for text in sweep.made:
        assert [name for name, content in written.items() if text.encode() in content] == []
        assert [answer for answer in sweep.said if text.encode() in answer] == []


def test_what_was_asked_is_in_no_log_and_no_error(sweep: Sweep, written: dict[str, bytes]) -> None:
    logs = {name: content for name, content in written.items() if name.endswith((".log", ".json", ".page"))}
    assert logs
    assert [name for name, content in logs.items() if PROMPT.encode() in content] == []
    assert [text for text in sweep.said if PROMPT.encode() in text] == []


def test_what_was_asked_is_in_the_recorded_content_only(sweep: Sweep, written: dict[str, bytes]) -> None:
    tables = [row["name"] for row in sweep.dashcam.query("select name from sqlite_master where type = 'table'")]
    found = set()
    # The index of words, and the tables that FTS5 keeps for it, are of the content.
    others = {table for table in tables if not table.startswith("text_index")} - CONTENT
    for table in others:
        for row in sweep.dashcam.query(f"select * from {table}"):
            found |= {f"{table}.{name}" for name, value in row.items() if PROMPT in str(value)}
    assert found <= {f"interaction.{name}" for name in CONTENT_COLUMNS}


def test_folders_and_files_are_the_owners_alone(sweep: Sweep, written: dict[str, bytes]) -> None:
    log = Path(sweep.dashcam.environment["DASHCAM_LOG__FILE"])
    mode = {path: os.stat(path).st_mode & 0o777 for path in (*sweep.dashcam.data_dir.rglob("*"), log)}
    assert {str(path): oct(bits) for path, bits in mode.items() if bits & 0o077} == {}
    assert sweep.dashcam.data_dir.stat().st_mode & 0o777 == 0o700
