"""With redaction on, what people send and are answered passes untouched, and nothing of it is to be found anywhere.

Canaries of every pattern go in at every door: requests, answers, streams in halves, errors, headers, paths, forms and
large bodies. Searched are all files (logs, spool, database and its write-ahead log), what the API, metrics and commands
say, and an export; also while a stream is open, and after everything was killed in the middle of one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import RawClient, exchange, request
from tests.support.redacting import CANARIES, events
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until

CHAT = "/v1/chat/completions"
SECRET = "; ".join(CANARIES.values())
ON = {"DASHCAM_REDACTION__PATTERNS": ",".join(CANARIES), "DASHCAM_LOG__LEVEL": "debug"}
HALVES = [part for text in CANARIES.values() for part in (text[:9], text[9:], "; ")]
MAIL = CANARIES["email"].encode()


async def answering(turn: Turn) -> None:
    """Answer as the ``user`` of the request says: whole, in halves, with an error, or with silence in the middle."""
    wish = json.loads(turn.request.body).get("user") if turn.request.body.startswith(b"{") else None
    kind = b"Content-Type: application/json"
    if wish == "error":
        body = json.dumps({"error": {"message": f"no: {SECRET}", "type": "x", "code": CANARIES["email"]}}).encode()
        await turn.answer(body, kind, b"x-request-id: " + MAIL, status=b"404 Not Found")
    elif wish in ("stream", "hang"):
        await turn.head(b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
        whole = events(HALVES)
        for start in range(0, len(whole), 50):
            await turn.chunk(whole[start : start + 50])
        if wish == "hang":
            await turn.client_closed()
        else:
            await turn.chunk(b"")
    else:
        message = {"role": "assistant", "content": SECRET}
        whole = json.dumps({"id": "c", "model": "m", "choices": [{"index": 0, "message": message}]}).encode()
        await turn.answer(whole, kind)


def chat(wish: str, content: str = SECRET, **more: object) -> bytes:
    return json.dumps({"model": "m", "user": wish, "messages": [{"role": "user", "content": content}], **more}).encode()


def found_in(*texts: bytes) -> list[str]:
    return [name for name, canary in CANARIES.items() if any(canary.encode() in text for text in texts)]


def files(*folders: Path) -> list[bytes]:
    return [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()]


def read_to(client: RawClient, mark: bytes) -> None:
    """Read a stream up to a line in which something stands."""
    while mark not in client.read_line():
        pass


def on_disk(dashcam: RunningDashcam) -> list[str]:
    return found_in(*files(dashcam.folder, dashcam.run_root))


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, upstream: ScriptedUpstream) -> RunningDashcam:
    upstream.scenario = answering
    return start_dashcam("--upstream", f"main={upstream.url}/v1", environment=ON)


def test_nothing_of_a_day_of_secrets_is_anywhere(dashcam: RunningDashcam, tmp_path: Path) -> None:
    port = dashcam.port
    tags = (f"x-dashcam-user: {CANARIES['email']}", f"x-dashcam-meta-card: {CANARIES['payment_card']}")
    whole = exchange(port, request(chat("whole"), *tags, path=CHAT))
    assert json.loads(whole.body)["choices"][0]["message"]["content"] == SECRET
    stream = exchange(port, request(chat("stream", stream=True), path=CHAT))
    assert stream.body == events(HALVES)
    assert exchange(port, request(chat("error"), path=CHAT)).status == 404
    large = chat("whole", content=SECRET + " " + "x" * 400_000)
    assert exchange(port, request(large, path=CHAT)).status == 200
    assert exchange(port, request(chat("whole"), path=f"{CHAT}?user=canary.user%40canary-example.org")).status == 200
    assert exchange(port, request(SECRET.encode(), path=CHAT)).status == 200
    assert exchange(port, request(chat("whole"), f"x-dashcam-provider: {CANARIES['email']}", path=CHAT)).status == 400
    form = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n'
        + SECRET.encode()
        + b"\r\n--b--\r\n"
    )
    kind = "Content-Type: multipart/form-data; boundary=b"
    assert exchange(port, request(form, kind, path="/v1/audio/transcriptions")).status == 200
    with RawClient(port) as client:
        client.send(request(chat("hang", stream=True), path=CHAT))
        read_to(client, b"; ")
        assert on_disk(dashcam) == []
    dashcam.settle()
    assert on_disk(dashcam) == []
    assert {row["content_state"] for row in dashcam.rows()} <= {"redacted", "off"}
    target = tmp_path / "calls.jsonl"
    assert dashcam.cli("export", "--to", str(target), "--content").returncode == 0
    said = [
        dashcam.get(path)[1] for path in ("/metrics", "/api/v1/interactions?include=request_body,response_body,texts")
    ]
    said += [dashcam.cli("show", "last").stdout, dashcam.cli("logs", "--json").stdout, *files(tmp_path)]
    assert found_in(*said) == []
    assert b'dashcam_redactions_total{pattern="email"}' in said[0]
    dashcam.assert_sound()


def test_everything_is_killed_in_the_middle_of_an_answer(start_dashcam: Starter, upstream: ScriptedUpstream) -> None:
    """What was on its way is lost, as documented; nothing that is left is a secret, and the call is on record."""
    upstream.scenario = answering
    dashcam = start_dashcam("--upstream", f"main={upstream.url}/v1", environment=ON)
    with RawClient(dashcam.port) as client:
        client.send(request(chat("hang", stream=True), path=CHAT))
        read_to(client, b"203.0.113")
        dashcam.kill_everything()
    assert on_disk(dashcam) == []
    dashcam.start()
    dashcam.settle()
    (row,) = dashcam.rows()
    assert (row["outcome"], row["content_state"]) == ("interrupted", "truncated")
    assert row["http_status"] == 200
    assert "[redacted:email]" in row["input_preview"]
    wait_until(lambda: not list(dashcam.folder.rglob("bodies/*")), "nothing lies aside")
    assert on_disk(dashcam) == []
