"""Two hosts on one Postgres: what is changed on one is in use on the other within seconds, also taken back, and no call
meanwhile is refused or gets half of a change.
"""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import openai
import pytest

from tests.support.administrator import INWARD, OPENAI, Application, Reply, do, set_up, tell
from tests.support.dashcam import RunningDashcam
from tests.support.postgres import Databases
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.together import Together, on
from tests.support.waiting import wait_until

SAID = {"short@1": "Be brief.", "short@2": "Always be brief."}
SECONDS = 10.0
"""Far more than it takes (a notification, else a round of two seconds), on a machine that does other things too."""


async def repeating(turn: Turn) -> None:
    """Answer with the first message that was asked: what the prompt made of the call."""
    asked = json.loads(turn.request.body)
    message = {"role": "assistant", "content": asked["messages"][0]["content"]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": asked["model"], "choices": [choice]}
    await turn.answer(json.dumps(body).encode(), b"Content-Type: application/json")


@pytest.fixture(scope="module")
def hosts(
    postgres: Databases, upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningDashcam, RunningDashcam]]:
    """Two hosts, the first with two gateways, each with a folder and an address of its own."""
    upstream.scenario = repeating
    database = postgres.migrated()
    environment = {**INWARD, "DASHCAM_DATABASE_URL": database.url, "DASHCAM_SERVER__REQUIRE_KEY": "always"}
    with contextlib.ExitStack() as running:
        made = []
        for address, workers in (("127.0.0.1", "2"), ("127.0.0.2", "1")):
            folder = tmp_path_factory.mktemp("host")
            dashcam = RunningDashcam(folder, "--host", address, "--workers", workers, *OPENAI, environment=environment)
            running.callback(dashcam.close)
            made.append(on(dashcam, address))
        for dashcam in made:
            wait_until(dashcam.is_settled, "the database is open")
        yield made[0], made[1]


class Asking:
    """An application that asks one host again and again; ``replies`` are all it got, in order."""

    def __init__(self, dashcam: RunningDashcam, key: str) -> None:
        self.replies: list[Reply] = []
        self.faults: list[Exception] = []
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(dashcam, key))

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()

    def _run(self, dashcam: RunningDashcam, key: str) -> None:
        with Application(dashcam, key) as application:
            while not self._leaving.wait(0.01):
                try:
                    self.replies.append(application.ask())
                except openai.OpenAIError as fault:
                    self.faults.append(fault)

    def gets(self, prompt: str) -> Callable[[], bool]:
        """Return what tells whether the newest reply is this prompt's."""
        return lambda: bool(self.replies) and self.replies[-1].prompt == prompt

    def runs(self) -> list[str]:
        """Return the prompts of the replies, each as often as it came anew."""
        names = [reply.prompt for reply in self.replies]
        return [name for before, name in zip(["", *names], names, strict=False) if before != name]


def test_a_change_on_one_host_counts_on_the_other_and_so_does_taking_it_back(
    hosts: tuple[RunningDashcam, RunningDashcam], upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    alpha, beta = hosts
    key = set_up(alpha, tmp_path, upstream.port)
    wait_until(lambda: is_let_in(beta, key), "the key of one host opens the other", seconds=SECONDS)
    # It is the other host that changes, and the first one that is waited for as well.
    do(beta, "prompts", "create", "short", str(tmp_path / "two.yaml"))
    before = json.loads(do(beta, "config", "revisions", "--json"))[0]["number"]
    with Asking(alpha, key) as first, Asking(beta, key) as second:
        for asking in (first, second):
            wait_until(asking.gets("short@1"), "it is served")
        do(alpha, "prompts", "label", "short", "production", "2")
        for asking in (first, second):
            wait_until(asking.gets("short@2"), "the label has moved there", seconds=SECONDS)
        do(beta, "config", "rollback", str(before), "--yes")
        for asking in (first, second):
            wait_until(asking.gets("short@1"), "it was taken back there", seconds=SECONDS)
    for asking in (first, second):
        assert asking.faults == []
        assert {reply.text == SAID[reply.prompt] for reply in asking.replies} == {True}
    # One gateway never goes back by itself; two of them are a moment apart.
    assert second.runs() == ["short@1", "short@2", "short@1"]
    do(beta, "keys", "revoke", json.loads(do(beta, "keys", "list", "--json"))[0]["id"])
    for host in hosts:
        wait_until(partial(is_kept_out, host, key), "a key that was revoked opens no host", seconds=SECONDS)
    assert do(alpha, "config", "export") == do(beta, "config", "export")
    assert {row["prompt_version"] for row in Together(alpha, beta).rows() if row["success"]} == {1, 2}


def is_let_in(dashcam: RunningDashcam, key: str) -> bool:
    with Application(dashcam, key) as application:
        try:
            return application.ask().text is not None
        except openai.AuthenticationError:
            return False


def is_kept_out(dashcam: RunningDashcam, key: str) -> bool:
    return not is_let_in(dashcam, key)


def test_two_administrators_on_two_hosts_lose_nothing_of_each_other(
    hosts: tuple[RunningDashcam, RunningDashcam],
) -> None:
    """All at once: versions of one prompt, labels, keys; of two that change one document, one is told to look again."""
    many = 6
    assert tell(hosts[0], "POST", "prompts", {"name": "both", "content": saying("0")})[0] == 201
    wanted = [
        (host, *change)
        for number in range(many)
        for at, host in enumerate(hosts)
        for change in (
            ("POST", "prompts/both/versions", {"content": saying(f"{at} {number}"), "labels": [f"of-{at}-{number}"]}),
            ("POST", "keys", {"owner": f"both-{at}-{number}"}),
        )
    ]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda change: tell(*change), wanted))
    assert {status for status, _ in answers} == {201}, answers
    wait_until(lambda: told(hosts[0]) == told(hosts[1]), "both say the same", seconds=SECONDS)
    prompt = json.loads(hosts[1].get("/api/v1/prompts/both")[1])
    assert [item["number"] for item in prompt["versions"]] == list(range(1, 2 * many + 2))
    assert {name: prompt["versions"][number - 1]["number"] for name, number in prompt["labels"].items()} == prompt[
        "labels"
    ]
    assert len(prompt["labels"]) == 2 * many
    owners = [item["owner"] for item in json.loads(hosts[0].get("/api/v1/keys?limit=500")[1])["data"]]
    assert len({name for name in owners if name.startswith("both-")}) == 2 * many

    with urllib.request.urlopen(f"{hosts[0].url}/api/v1/prompts/both", timeout=10) as answer:
        tag = answer.headers["etag"]
    with ThreadPoolExecutor(2) as pool:
        goals = [(host, "PATCH", "prompts/both", {"goal": f"of {at}"}, tag) for at, host in enumerate(hosts)]
        statuses = sorted(status for status, _ in pool.map(lambda change: tell(*change), goals))
    assert statuses == [200, 412]


def saying(text: str) -> dict[str, object]:
    return {"messages": [{"role": "system", "content": text}]}


def told(dashcam: RunningDashcam) -> tuple[bytes, ...]:
    return tuple(dashcam.get(f"/api/v1/{path}")[1] for path in ("export", "keys?limit=500", "prompts/both"))
