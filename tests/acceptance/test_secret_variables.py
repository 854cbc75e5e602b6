"""A day of calls with a secret variable: its value reaches the provider and is to be found nowhere else, at no time.

Every way to ask, whole and streamed, refused, failed over, broken by either side, killed in the middle, parked in the
database. Searched are all files (logs, spool, database and its write-ahead log, snapshot), what the admin API, metrics
and commands say, and every error.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.acceptance.conftest import Starter
from tests.support.administrator import INWARD, do
from tests.support.dashcam import RunningDashcam
from tests.support.processes import free_port
from tests.support.raw_http import RawAnswer, RawClient, exchange, request
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until

SECRET = "canary-of-a-variable-8c1f42d97b"
LONG = SECRET * 5
CONTENT = {
    "messages": [{"role": "system", "content": "The account is {{ account }}. Be {{ tone }}."}],
    "parameters": {"temperature": 0.2},
    "variables": {"account": {"secret": True, "max_length": 60}, "tone": {"default": "brief", "max_length": 20}},
}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
DELTA = {"index": 0, "delta": {"content": "Yes"}, "finish_reason": None}
WHOLE = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}  # fmt: skip
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


async def answering(turn: Turn) -> None:
    """Answer as the ``user`` of the request says: whole, with a stream, broken off, or with silence in the middle."""
    asked = json.loads(turn.request.body)
    if not asked.get("stream"):
        await turn.answer(json.dumps(WHOLE).encode(), b"Content-Type: application/json")
        return
    await turn.head(b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
    await turn.chunk(b"data: " + json.dumps({**CHUNK, "choices": [DELTA]}).encode() + b"\n\n")
    if asked.get("user") == "reset":
        await turn.arrived()
        turn.reset()
    elif asked.get("user") == "hang":
        await turn.client_closed()
    else:
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.chunk(b"")


@dataclass
class Day:
    """One instance, and all that it said but for its providers' answers."""

    dashcam: RunningDashcam
    upstream: ScriptedUpstream
    said: list[bytes] = field(default_factory=list)

    def call(self, body: dict[str, Any], *headers: str, path: str = CHAT) -> RawAnswer:
        """Make a call; the head of every answer and the body of an error are kept."""
        answer = exchange(self.dashcam.port, request(json.dumps(body).encode(), *headers, path=path))
        self.said.append(repr(answer.headers).encode())
        if answer.status >= 400:
            self.said.append(answer.body)
        return answer

    @contextlib.contextmanager
    def open_stream(self, **more: object) -> Iterator[RawClient]:
        """Have a stream of which the first event has come, and no more will."""
        body = json.dumps(chat(stream=True, user="hang", **more)).encode()
        with RawClient(self.dashcam.port) as client:
            client.send(request(body, path=CHAT))
            while client.read_line() != b"\r\n":
                pass
            assert client.read_line()
            yield client

    def found_in(self) -> list[str]:
        """Return which files hold the value now."""
        roots = (self.dashcam.folder, self.dashcam.run_root)
        files = [path for root in roots for path in root.rglob("*") if path.is_file()]
        held = {str(path): path.read_bytes() for path in files}
        assert any(name.endswith("dashcam.db") for name in held)
        return [name for name, data in held.items() if SECRET.encode() in data]


def chat(prompt: object = None, **more: object) -> dict[str, Any]:
    """Return a chat request that asks for the prompt, with the secret."""
    asked = {"id": "account", "variables": {"account": SECRET}} if prompt is None else prompt
    return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "prompt": asked, **more}


def variables(**values: object) -> dict[str, Any]:
    return {"variables": {"account": SECRET, **values}}


@pytest.fixture(scope="module")
def day(start_dashcam: Starter, upstream: ScriptedUpstream) -> Day:
    """The calls, well and badly."""
    upstream.scenario = answering
    environment = {**INWARD, "DASHCAM_LOG__LEVEL": "debug", "DASHCAM_FAILPOINTS": "parking.seconds=set:0.2"}
    settings = ("--upstream", f"openai=http://127.0.0.1:{upstream.port}/v1")
    dashcam = start_dashcam(*settings, environment=environment)
    wait_until(lambda: dashcam.get("/api/v1/export")[0] == 200, "the admin API has its database")
    made = Day(dashcam, upstream)
    _set_up(made)
    _ask_in_every_way(made)
    _be_refused(made)
    _be_broken_off(made)
    return made


def _administer(day: Day, path: str, body: dict[str, Any]) -> None:
    sent = request(json.dumps(body).encode(), path=f"/api/v1/{path}")
    answer = exchange(day.dashcam.port, sent)
    assert answer.status in (200, 201), answer.body


def _set_up(day: Day) -> None:
    for name in ("account", "spare"):
        _administer(day, "prompts", {"name": name, "content": CONTENT, "labels": ["production"]})
    nobody = {"name": "nobody", "kind": "custom", "base_url": f"http://127.0.0.1:{free_port()}/v1"}
    _administer(day, "providers", nobody)
    _administer(day, "routes", {"name": "ours", "targets": ["openai/m"], "prompt": "account"})
    _administer(day, "routes", {"name": "moved", "targets": ["nobody/m", "openai/m"], "prompt": "account"})
    _administer(day, "routes", {"name": "dead", "targets": ["nobody/m"], "prompt": "account"})


def _ask_in_every_way(day: Day) -> None:
    by_member, by_name = chat(), chat(variables())
    answers = [
        day.call(by_member),
        day.call(chat(stream=True)),
        day.call(by_name, "x-dashcam-prompt: account@production"),
        day.call({**by_name, "model": "prompt/account@1"}),
        day.call({**by_name, "model": "ours"}),
        day.call({**by_name, "model": "moved"}),
        day.call(by_member, "x-dashcam-record: full"),
        day.call(by_member, "x-dashcam-record: meta", "x-dashcam-tags: eu"),
        day.call(chat({"id": "account@none", **variables(), "fallback": "spare"})),
        day.call({"model": "m", "input": "Hi", "prompt": {"id": "account", **variables()}}, path=RESPONSES),
    ]
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert all(SECRET.encode() in item.body for item in day.upstream.requests[-len(answers) :])


def _be_refused(day: Day) -> None:
    answers = [
        day.call(chat({"id": "account", **variables(tone="x" * 21)})),
        day.call(chat({"id": "account", "variables": {"account": LONG}})),
        day.call(chat({"id": "account", "variables": {"account": {"number": SECRET}}})),
        day.call(chat({"id": "account", "variables": [SECRET]})),
        day.call(chat({"id": "account", **variables(), "code": SECRET})),
        day.call(chat({"id": "none", **variables()})),
        day.call(chat({"id": "account@9", **variables()})),
        day.call(chat(messages="no list")),
        day.call(chat(), path="/nobody/v1/chat/completions"),
        day.call({**chat(variables()), "model": "dead"}),
        day.call(chat(), "x-dashcam-prompt: none"),
    ]
    assert [answer.status for answer in answers if answer.status < 400] == []


def _be_broken_off(day: Day) -> None:
    assert not day.call(chat(stream=True, user="reset")).is_whole
    with day.open_stream():
        assert day.found_in() == [], "while it is under way"
    with day.open_stream():
        parked = "select count(*) as calls from open_call"
        wait_until(lambda: day.dashcam.query(parked)[0]["calls"], "it is kept in the database meanwhile")
        assert day.found_in() == [], "while it is parked"
    with day.open_stream():
        old = day.dashcam.kill("proxy.gateway")
        wait_until(lambda: (new := day.dashcam.pids("proxy.gateway")) and new != old, "another gateway")
    wait_until(day.dashcam.is_settled, "what was open has ended")
    assert day.call(chat()).status == 200


def test_the_value_is_nowhere(day: Day) -> None:
    day.dashcam.settle()
    paths = ("prompts", "prompts/account", "prompts/account/versions/1", "audit", "export", "recorder")
    said = [day.dashcam.get(f"/api/v1/{path}")[1] for path in paths]
    said.append(day.dashcam.get("/metrics")[1])
    rows = day.dashcam.rows()
    shown = [do(day.dashcam, "logs", "--json", "--since", "1h"), do(day.dashcam, "search", SECRET)]
    shown += [do(day.dashcam, "show", rows[number]["id"], "--json") for number in (0, 1, -1)]
    assert [text[:300] for text in (*day.said, *said) if SECRET.encode() in text] == []
    assert [text[:300] for text in shown if SECRET in text] == []
    assert [row for row in rows if SECRET in repr(row)] == []
    assert day.found_in() == []


def test_what_may_be_known_is_there(day: Day) -> None:
    """Name, version and variables with the value taken out, and what else the row says of a call."""
    rows = day.dashcam.rows()
    whole = rows[0]
    assert (whole["prompt_name"], whole["prompt_version"], whole["outcome"]) == ("account", 1, "completed")
    assert json.loads(whole["prompt_variables"]) == {"account": "[redacted]"}
    assert (whole["input_tokens"], whole["content_state"]) == (9, "off")
    asked = {row["outcome"] for row in rows if row["prompt_name"]}
    assert asked >= {"completed", "interrupted", "upstream_aborted", "upstream_unreachable"}
    assert "rejected" in {row["outcome"] for row in rows}


def test_when_all_has_ended_the_value_is_on_no_disk(day: Day) -> None:
    day.dashcam.settle()
    day.dashcam.stop()
    assert day.found_in() == []
