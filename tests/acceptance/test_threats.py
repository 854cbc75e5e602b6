"""Threats of the table in THREATS.md that only the whole program can meet: one instance, keys required, and a trap."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.acceptance.conftest import Starter
from tests.support import oracle as oracle_upstream
from tests.support.checkout import ROOT
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import RawAnswer, exchange, request
from tests.support.waiting import wait_until

PROXY_KEY = "of-an-application-0d93f1a75c48e2b6a90d13f7c8e5b2a4"
ADMIN_TOKEN = "of-who-decides-5f17c2e94b8a60d3e7f1c2b5a8d9e0f3"
MASTER_KEY = "of-the-master-9c1e4b7a2d5f8036e9b2c5d8f1a4073b"
SHARED_PREFIX = f"{PROXY_KEY[:-1]}"
BODY = json.dumps(oracle_upstream.question("q", False, 3)).encode()

HOSTS = (
    "localhost", "127.0.0.1", "[::1]", "LOCALHOST", "127.0.0.1.", "localhost.evil.example", "evil.example",
    "127.0.0.1@evil.example", "evil.example#localhost", "localhost/..", "localhost\\evil", "[::ffff:127.0.0.1]",
    "0x7f.1", "2130706433", "localhost:abc", "localhost,evil.example", "xn--localhost", "a" * 300,
)  # fmt: skip
PATHS = (
    "/v1/chat/completions", "/v1/models", "/v1/responses?key=x", "/openai/v1/models", "/metrics", "/api/v1/keys",
    "/api/v1/providers", "/api/v1/recorder", "/api/v1/export", "/api/v1/audit", "/api//v1/keys", "/api/v1/./keys",
    "/v1/../api/v1/keys", "/healthz/../metrics", "/%61pi/v1/keys", "/api/v1/keys;x=/healthz", "/API/v1/keys",
    "/v1/%2e%2e/metrics", "/metrics/", "/metrics%00", "//metrics", "\\metrics", "/api/openapi.json/../v1/keys",
    "http://127.0.0.1/metrics", "*", "/v1", "/openai", "/docs", "/assets/..%2fsnapshot.json",
)  # fmt: skip
KEPT_OUT = {400, 401, 403, 404, 405, 429}
"""The last one: who guesses too often is not listened to for a while."""


@pytest.fixture(scope="module")
def fort(start_dashcam: Starter, oracle: str) -> RunningDashcam:
    """Dashcam in front of the oracle, with every kind of key."""
    return _started(start_dashcam, oracle)


@pytest.fixture(scope="module")
def besieged(start_dashcam: Starter, oracle: str) -> RunningDashcam:
    """The same, for those who guess: nobody of their address is listened to for a while."""
    return _started(start_dashcam, oracle)


def _started(start_dashcam: Starter, oracle: str) -> RunningDashcam:
    environment = {
        "OPENAI_API_KEY": "sk-of-the-provider",
        "DASHCAM_PROXY_KEYS": PROXY_KEY,
        "DASHCAM_ADMIN_TOKEN": ADMIN_TOKEN,
        "DASHCAM_MASTER_KEY": MASTER_KEY,
        "DASHCAM_ADMIN__ALLOW_PRIVATE_UPSTREAMS": "127.0.0.1",
    }
    running = start_dashcam("--upstream", f"openai={oracle}/v1", environment=environment)
    wait_until(lambda: running.get("/api/v1/export")[0] == 200, "the admin API has its database")
    return running


@pytest.fixture(scope="module")
def trap() -> Iterator[socket.socket]:
    """A port that nobody may ever connect to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield listener


def is_untouched(trap: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        trap.accept()
        return False
    return True


def call(fort: RunningDashcam, *headers: str, body: bytes = BODY, path: str = "/v1/chat/completions") -> RawAnswer:
    return exchange(fort.port, request(body, *headers, path=path))


def admin(fort: RunningDashcam, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the admin API, which must agree."""
    data = orjson.dumps(body) if body is not None else b""
    sent = request(data, f"Authorization: Bearer {ADMIN_TOKEN}", path=f"/api/v1/{path}", method=method)
    answer = exchange(fort.port, sent, method)
    assert answer.status in (200, 201), answer.body
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_key_no_host_and_no_path_leads_anywhere(besieged: RunningDashcam, method: str) -> None:
    answers = {
        (host, path): exchange(besieged.port, request(b"", path=path, method=method, host=host), method)
        for host, path in itertools.product(HOSTS, PATHS)
    }
    let_in = {place: answer.status for place, answer in answers.items() if answer.status not in KEPT_OUT}
    assert let_in == {}
    for answer in answers.values():
        names = {name.lower() for name, _ in answer.headers}
        assert not names & {"set-cookie", "access-control-allow-origin", "location"}


def test_nothing_that_a_request_says_chooses_an_address(fort: RunningDashcam, trap: socket.socket) -> None:
    address = f"http://127.0.0.1:{trap.getsockname()[1]}/v1"
    names = ("api_base", "base_url", "custom_host", "api_host", "endpoint", "proxy", "target", "url", "upstream")
    said: dict[str, Any] = dict.fromkeys(names, address)
    for _ in range(4):
        said = {**said, "extra_body": said, "metadata": said, "litellm_params": said}
    ours = f"Authorization: Bearer {PROXY_KEY}"
    body = orjson.dumps({**orjson.loads(BODY), **said})
    query = "&".join(f"{name}={address}" for name in names)
    headers = [f"x-{name.replace('_', '-')}: {address}" for name in names]
    headers += [f"x-portkey-custom-host: {address}", f"Helicone-Target-Url: {address}", f"Forwarded: host={address}"]
    for answer in (
        call(fort, ours, body=body),
        call(fort, ours, *headers),
        call(fort, ours, path=f"/v1/chat/completions?{query}"),
        call(fort, ours, f"x-dashcam-provider: {address}"),
        call(fort, ours, path=f"/{address}/chat/completions"),
        exchange(fort.port, request(BODY, ours, path=f"{address}/chat/completions")),
    ):
        assert answer.status in (200, 400, 404)
    assert is_untouched(trap)


def test_a_provider_that_leads_inward_is_refused_and_never_dialled(fort: RunningDashcam, trap: socket.socket) -> None:
    port = trap.getsockname()[1]
    for host in ("localhost", "[::1]", "0x7f.1", "2130706433", "[::ffff:10.0.0.1]", "169.254.169.254", "0.0.0.0"):
        body = orjson.dumps({"name": "inward", "kind": "custom", "base_url": f"http://{host}:{port}/v1"})
        sent = request(body, f"Authorization: Bearer {ADMIN_TOKEN}", path="/api/v1/providers")
        answer = exchange(fort.port, sent)
        assert (answer.status, host, b"base_url" in answer.body) == (422, host, True)
    assert is_untouched(trap)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([f"Authorization: Bearer {PROXY_KEY}"], 200),
        ([f"authorization: BEARER   {PROXY_KEY}"], 200),
        ([f"api-key: {PROXY_KEY}"], 200),
        ([f"x-api-key: {PROXY_KEY}"], 200),
        ([], 401),
        ([f"Authorization: Basic {PROXY_KEY}"], 401),
        (["Authorization: Bearer wrong", f"x-api-key: {PROXY_KEY}"], 401),
        (["Authorization: Bearer wrong", f"Authorization: Bearer {PROXY_KEY}"], 401),
        ([f"x-goog-api-key: {PROXY_KEY}"], 401),
        ([f"Cookie: key={PROXY_KEY}"], 401),
        ([f"Authorization: Bearer {SHARED_PREFIX}"], 401),
        ([f"Authorization: Bearer {PROXY_KEY}x"], 401),
        ([f"Authorization: Bearer {PROXY_KEY.upper()}"], 401),
        (["Authorization: Bearer ' OR '1'='1' --"], 401),
        (['Authorization: Bearer "; DROP TABLE api_key; --'], 401),
        ([f"Authorization: Bearer {ADMIN_TOKEN}"], 401),
        (["Authorization: Bearer dc_" + "A" * 43], 401),
    ],
)
def test_one_place_is_read_for_a_key_and_all_of_it_counts(
    fort: RunningDashcam, headers: list[str], status: int
) -> None:
    assert call(fort, *headers).status == status


def test_a_key_for_calls_opens_no_administration(fort: RunningDashcam) -> None:
    made = admin(fort, "POST", "keys", {"owner": "tests"})
    for key in (PROXY_KEY, made["key"]):
        for path in ("/api/v1/keys", "/metrics"):
            assert fort.get(path, {"Authorization": f"Bearer {key}"})[0] == 401


def test_a_key_is_made_used_bounded_and_revoked_without_a_restart(fort: RunningDashcam) -> None:
    made = admin(fort, "POST", "keys", {"owner": "tests", "limits": {"tokens_per_minute": 20}})
    assert made["live"] is True
    ours = f"Authorization: Bearer {made['key']}"
    first = call(fort, ours)
    assert (first.status, first.header("x-dashcam-ratelimit-limit-tokens")) == (200, "20")
    # What it used is known once its call is stored; how often it may ask meanwhile is another limit's business.
    refused = wait_until(lambda: _refusal(call(fort, ours)), "its tokens were counted")
    assert refused is not None
    assert refused.error["code"] == "rate_limit_exceeded"
    assert int(refused.header("retry-after") or 0) >= 1
    assert call(fort, f"Authorization: Bearer {PROXY_KEY}").status == 200
    assert admin(fort, "POST", f"keys/{made['id']}/revoke")["live"] is True
    assert call(fort, ours).error["code"] == "invalid_api_key"
    assert {row["key_id"] for row in fort.rows()} >= {made["id"]}


def test_a_limit_holds_over_all_gateways_of_a_host(start_dashcam: Starter, oracle: str) -> None:
    """Each call is one connection, so that both gateways have some; at most one more than allowed for each of them."""
    environment = {"OPENAI_API_KEY": "sk-x", "DASHCAM_SERVER__WORKERS": "2", "DASHCAM_ADMIN_TOKEN": ADMIN_TOKEN}
    host = start_dashcam("--upstream", f"openai={oracle}/v1", environment=environment)
    wait_until(lambda: host.get("/api/v1/export")[0] == 200, "the admin API has its database")
    made = admin(host, "POST", "keys", {"owner": "tests", "limits": {"requests_per_minute": 10}})
    answers = [call(host, f"Authorization: Bearer {made['key']}").status for _ in range(40)]
    assert 10 <= answers.count(200) <= 12
    assert set(answers) == {200, 429}
    limited = host.samples()["dashcam_rate_limited_total"][frozenset({("of", "key")})]
    assert limited == answers.count(429)


def _refusal(answer: RawAnswer) -> RawAnswer | None:
    assert answer.status in (200, 429)
    return answer if answer.status == 429 else None


def test_a_sealed_key_reaches_its_provider_and_no_answer_of_ours(fort: RunningDashcam, oracle: str) -> None:
    secret = "sk-sealed-7f3a90"
    admin(fort, "POST", "providers", {"name": "sealed", "kind": "openai", "base_url": f"{oracle}/v1"})
    admin(fort, "PUT", "providers/sealed/key", {"key": secret})
    answer = call(fort, f"Authorization: Bearer {PROXY_KEY}", path="/sealed/v1/chat/completions")
    assert answer.status == 200
    told = b"".join(fort.get(f"/api/v1/{path}")[1] for path in ("providers/sealed", "providers", "export", "audit"))
    assert b"sealed" in told
    assert secret.encode() not in told
    # Whoever moves the provider does not take its key along.
    moved = {"base_url": "https://elsewhere.example/v1"}
    admin(fort, "PATCH", "providers/sealed", moved)
    refused = call(fort, f"Authorization: Bearer {PROXY_KEY}", path="/sealed/v1/chat/completions")
    assert (refused.status, refused.error["code"]) == (502, "proxy_config_error")


HOOK = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        where = arguments[0] if event.startswith("socket.get") else arguments[1]
        with open(os.environ["NOTED"], "a") as file:
            file.write(f"{event} {where!r}\\n")

sys.addaudithook(note)
"""
"""Python imports this before anything else, in every process of an instance."""


def test_nobody_is_called_but_who_was_named(start_dashcam: Starter, oracle: str, tmp_path: Path) -> None:
    """Every connection and every name that is looked up is noted, also those that would fail."""
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    noted = tmp_path / "noted"
    environment = {
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "NOTED": str(noted),
        "DASHCAM_ADMIN__ALLOW_PRIVATE_UPSTREAMS": "127.0.0.1",
        "DASHCAM_DISCOVERY__LOCAL_SERVERS": "true",
    }
    running = start_dashcam("--upstream", f"near={oracle}/v1", environment=environment)
    wait_until(lambda: running.get("/api/v1/export")[0] == 200, "the admin API has its database")
    assert call(running).status == 200
    for command in (("status",), ("doctor", "--offline"), ("prices", "list"), ("logs",), ("providers", "test", "near")):
        running.cli(*command)
    running.settle()
    assert [running.get(path)[0] for path in ("/", "/metrics", "/api/docs", "/api/openapi.json")] == [200] * 4
    places = {line.split(" ", 1)[1] for line in noted.read_text().splitlines()}
    assert any(f"'127.0.0.1', {oracle.rpartition(':')[2]}" in place for place in places)
    assert [place for place in places if not re.match(r"\(?b?'(127\.0\.0\.1|::1|localhost|/)", place)] == []
