"""Calls are followed while they are made: over the API as events, and at the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from typing import IO, Any

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok


async def held(turn: Turn) -> None:
    """Answer once it is let go."""
    await turn.released()
    await answer_ok(turn)


def call(dashcam: RunningDashcam, user: str) -> threading.Thread:
    body = json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": "a secret question"}]}).encode()
    headers = {"content-type": "application/json", "x-dashcam-user": user}
    request = urllib.request.Request(f"{dashcam.url}/v1/chat/completions", body, headers)
    thread = threading.Thread(target=lambda: urllib.request.urlopen(request, timeout=60).read())
    thread.start()
    return thread


def events(stream: IO[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in stream:
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


@pytest.fixture
def dashcam(start_dashcam: Starter, upstream: ScriptedUpstream) -> RunningDashcam:
    upstream.scenario = held
    upstream.gate.clear()
    return start_dashcam("--upstream", f"openai={upstream.url}/v1", "--workers", "2")


def test_a_call_is_told_as_it_begins_and_as_it_ends(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    dashcam.settle()
    with urllib.request.urlopen(f"{dashcam.url}/api/v1/live?user=kim", timeout=60) as stream:
        told = events(stream)
        assert next(told)[0] == "hello"
        others = call(dashcam, "lee")
        ours = call(dashcam, "kim")
        name, begun = next(told)
        assert (name, begun["user_id"], begun["model"]) == ("start", "kim", "gpt-x")
        assert "secret" not in str(begun)
        upstream.release()
        name, ended = next(told)
        assert (name, ended["id"], ended["outcome"]) == ("end", begun["id"], "completed")
        assert "secret" not in str(ended)
        others.join()
        ours.join()
        # Whoever listens is told of a new control, and does not keep the former one from leaving.
        (pid,) = dashcam.pids("proxy.control")
        os.kill(pid, signal.SIGTERM)
        assert [(name, data["reason"]) for name, data in told] == [("closing", "leaving")]


def test_tail_shows_a_call_as_it_begins_and_as_it_is_recorded(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    environment = {**dashcam.environment, "DASHCAM_DATA_DIR": str(dashcam.data_dir)}
    dashcam.settle()
    command = [sys.executable, "-m", "proxy", "tail", "--json", "--starts", "user:kim"]
    following = subprocess.Popen(command, cwd=dashcam.folder, env=environment, stdout=subprocess.PIPE)
    assert following.stdout is not None
    try:
        ours = call(dashcam, "kim")
        begun = json.loads(following.stdout.readline())
        assert (begun["outcome"], begun["model"], begun["duration_ms"]) == ("begun", "gpt-x", None)
        upstream.release()
        ended = json.loads(following.stdout.readline())
        assert (ended["id"], ended["outcome"]) == (begun["id"], "completed")
        ours.join()
        following.send_signal(signal.SIGINT)
        following.wait(10)
    finally:
        following.kill()
        following.stdout.close()
