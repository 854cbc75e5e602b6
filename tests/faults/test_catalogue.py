"""What is edited while Dashcam runs (E), when something breaks at that moment: a change is whole or absent, what serves
is the last good state, and the next start knows the truth. No call is refused for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.conftest import HURRIED, Amount, Start, opened
from tests.faults.test_killing import another
from tests.faults.test_store import locked
from tests.support.administrator import do
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until, wait_until_async

INWARD = {"DASHCAM_ADMIN__ALLOW_PRIVATE_UPSTREAMS": "127.0.0.1", "DASHCAM_SERVER__WORKERS": "2"}
OLD, NEW = "7b1e90d2a5f8361e9d4c" * 3, "c4d9e1638f5a2d09e1b7" * 3


class Answer(NamedTuple):
    """An answer of ours: its status, and what it says."""

    status: int
    said: dict[str, Any]
    prompt: str = ""


def ask(dashcam: RunningDashcam, method: str, path: str, body: object = None, key: str = "sk-load") -> Answer:
    """Ask anything over HTTP; ``OSError`` where nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(dashcam.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return Answer(answer.status, json.loads(answer.read()), answer.headers.get("x-dashcam-prompt", ""))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, json.loads(error.read()))


def call(dashcam: RunningDashcam) -> Answer:
    """Make a call of the route that has a prompt."""
    body = {"model": "summarise", "max_tokens": 3, "messages": [{"role": "user", "content": "nonce-of-ours"}]}
    return ask(dashcam, "POST", "/v1/chat/completions", body)


def save(dashcam: RunningDashcam, text: str) -> Answer:
    """Save a version of the prompt and let ``production`` stand for it: two things in one change."""
    content = {"messages": [{"role": "system", "content": text}]}
    return ask(dashcam, "POST", "/api/v1/prompts/short/versions", {"content": content, "labels": ["production"]})


def saved(dashcam: RunningDashcam, text: str) -> Answer | None:
    """Save a version; None while control is not there."""
    answer = save(dashcam, text)
    return answer if answer.status == 201 else None


def set_up(dashcam: RunningDashcam, oracle: str) -> None:
    """Make a provider, a prompt and a route, each in a change of its own."""
    content = {"messages": [{"role": "system", "content": "Be brief."}]}
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("providers", {"name": "acme", "kind": "openai", "base_url": f"{oracle}/v1"}),
        ("prompts", {"name": "short", "content": content, "labels": ["production"]}),
        ("routes", {"name": "summarise", "targets": ["acme/gpt-4o-mini"], "prompt": "short@production"}),
    )
    for noun, document in changes:
        answer = ask(dashcam, "POST", f"/api/v1/{noun}", document)
        assert (answer.status, answer.said["live"]) == (201, True), answer


def production(dashcam: RunningDashcam) -> tuple[int, int]:
    """Return which version ``production`` stands for, and how many there are, as the store says."""
    found = wait_until(lambda: (said := ask(dashcam, "GET", "/api/v1/prompts/short")).status == 200 and said, "it says")
    assert found
    return found.said["labels"]["production"], len(found.said["versions"])


def serves(dashcam: RunningDashcam, version: int) -> bool:
    """Tell whether a call gets this version; where a gateway is gone for a moment, none does."""
    with contextlib.suppress(OSError):
        return call(dashcam).prompt == f"short@{version}"
    return False


def all_finished(load: Load) -> bool:
    return [item for item in load.calls if not item.is_finished] == []


# -- E1: the master key -------------------------------------------------------------------------------------


async def test_e1_another_master_key_while_calls_run(start: Start, oracle: str, tmp_path: Path, rounds: int) -> None:
    """The file of master keys gets a new first one, everything is sealed with it, and the old one is taken away."""
    master = tmp_path / "master"
    master.write_text(OLD)
    master.chmod(0o600)
    dashcam = opened(start(environment={**INWARD, "DASHCAM_MASTER_KEY_FILE": str(master)}))
    set_up(dashcam, oracle)
    stored = await asyncio.to_thread(ask, dashcam, "PUT", "/api/v1/providers/acme/key", {"key": "sk-of-acme-1234"})
    assert (stored.status, stored.said["live"]) == (200, True)
    load = Load(dashcam.url, path="/acme/v1/chat/completions")
    async with load.running():
        await load.progress()
        for now, then in ((OLD, NEW), (NEW, OLD)) * (rounds // 2):
            master.write_text(f"{then}\n{now}\n")
            told = await asyncio.to_thread(do, dashcam, "providers", "reseal")
            assert "1 key sealed anew" in told
            master.write_text(then)
            await load.progress()
    assert all_finished(load)
    # Who starts now knows the last one only; and one that is set too late is enough, without a restart.
    await asyncio.to_thread(dashcam.stop)
    right = master.read_text()
    master.write_text("0f" * 20)
    await asyncio.to_thread(dashcam.start)
    refused = await asyncio.to_thread(ask, dashcam, "POST", "/acme/v1/chat/completions", load.calls[0].question)
    assert (refused.status, refused.said["error"]["code"]) == (502, "proxy_config_error")
    master.write_text(right)
    await wait_until_async(lambda: call(dashcam).status == 200, "it is usable again")


# -- E2: control dies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "is_whole"), [("change.written", False), ("change.committed", True)])
async def test_e2_control_is_killed_in_the_middle_of_a_change(
    start: Start, oracle: str, amount: Amount, place: str, is_whole: bool
) -> None:
    """Each life of control ends with its fourth change, before its commit or behind it and before it is published."""
    dashcam = opened(start(environment={**INWARD, "DASHCAM_FAILPOINTS": f"{place}=kill@4"}))
    await asyncio.to_thread(set_up, dashcam, oracle)
    load = Load(dashcam.url)
    async with load.running(4):
        for number in range(amount(1, 50)):
            before = await asyncio.to_thread(production, dashcam)
            for text in () if number == 0 else ("x", "y", "z"):
                assert (await asyncio.to_thread(save, dashcam, f"{text} {number}")).status == 201
                before = before[0] + 1, before[1] + 1
            old = dashcam.pids("proxy.control")
            broken = await asyncio.to_thread(save, dashcam, f"killed {number}")
            assert broken.status >= 500
            # The last good snapshot serves meanwhile.
            served = await asyncio.to_thread(call, dashcam)
            assert (served.status, served.prompt) == (200, f"short@{before[0]}")
            await another(dashcam, "proxy.control", old)
            after = await asyncio.to_thread(production, dashcam)
            assert after == ((before[0] + 1, before[1] + 1) if is_whole else before)
            await wait_until_async(partial(serves, dashcam, after[0]), "the truth is in use")
        await load.progress(5)
    assert all_finished(load)


# -- E3, E4: files are damaged ------------------------------------------------------------------------------


async def test_e3_a_damaged_snapshot_is_refused_told_and_written_anew(start: Start, oracle: str, rounds: int) -> None:
    """Whoever runs goes on with the last good one, also where control is another one meanwhile."""
    dashcam = opened(start(environment=INWARD))
    set_up(dashcam, oracle)
    path, load = dashcam.data_dir / "snapshot.json", Load(dashcam.url)
    async with load.running(4):
        for number in range(rounds):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2] if number % 2 else b"")
            assert call(dashcam).prompt == f"short@{number + 1}"
            if number % 2:
                old = dashcam.kill("proxy.control")
                await another(dashcam, "proxy.control", old)
            await wait_until_async(lambda: is_good(path), "it is written anew")
            changed = await wait_until_async(partial(saved, dashcam, f"be {number}"), "a change is taken")
            assert changed is not None
            assert changed.said["live"] is True
            assert {call(dashcam).prompt for _ in range(6)} == {f"short@{number + 2}"}
            await load.progress(5)
    assert all_finished(load)
    assert "snapshot_refused" in dashcam.log()


def is_good(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_bytes())["revision"])
    except (OSError, ValueError):
        return False


async def test_e4_a_damaged_content_of_a_prompt_is_told_and_written_anew(start: Start, oracle: str) -> None:
    """Gateways keep what they have read; one that is new could not, until it is mended without anybody's doing."""
    dashcam = opened(start(environment=INWARD))
    set_up(dashcam, oracle)
    assert call(dashcam).prompt == "short@1"
    (path,) = (dashcam.data_dir / "prompts").glob("*.json")
    whole = path.read_bytes()
    for damaged in (whole[:-7], None):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        await wait_until_async(lambda: path.exists() and path.read_bytes() == whole, "it is written anew")
    assert "damaged_on_disk" in dashcam.log()
    path.write_bytes(b"{}")
    old = dashcam.kill("proxy.gateway")
    await another(dashcam, "proxy.gateway", old)
    await wait_until_async(partial(serves, dashcam, 1), "it serves")


# -- E5: the store is away ----------------------------------------------------------------------------------


async def assert_refused_and_untouched(dashcam: RunningDashcam) -> None:
    """A change is refused with the reason, and what serves is what served before."""
    await wait_until_async(lambda: "code" in save(dashcam, "never").said, "control is there to say it")
    refused = await asyncio.to_thread(save, dashcam, "never")
    assert (refused.status, refused.said["code"].partition("_")[0]) == (503, "store"), refused
    assert refused.said["hint"]
    assert (await asyncio.to_thread(call, dashcam)).prompt == "short@1"


@pytest.mark.engines("sqlite")
async def test_e5_a_change_while_the_database_is_locked_leaves_no_trace(start: Start, oracle: str) -> None:
    dashcam = opened(start(environment={**INWARD, **HURRIED}))
    await asyncio.to_thread(set_up, dashcam, oracle)
    load = Load(dashcam.url)
    async with load.running(2):
        with locked(dashcam):
            await load.progress()
            await assert_refused_and_untouched(dashcam)
        await wait_until_async(lambda: save(dashcam, "at last").status == 201, "changes are taken again")
    assert all_finished(load)
    assert production(dashcam) == (2, 2)


@pytest.mark.engines("postgres")
async def test_e5_a_change_and_a_restart_while_postgres_is_away(
    start: Start, oracle: str, server: PostgresServer
) -> None:
    """The catalogue and its keys serve across a restart without the database."""
    dashcam = opened(start(environment={**INWARD, **HURRIED}))
    await asyncio.to_thread(set_up, dashcam, oracle)
    await asyncio.to_thread(server.stop)
    await assert_refused_and_untouched(dashcam)
    said = await asyncio.to_thread(dashcam.cli, "prompts", "label", "short", "production", "1")
    assert said.returncode != 0
    assert b"Traceback" not in said.stderr
    await asyncio.to_thread(dashcam.stop)
    await asyncio.to_thread(dashcam.start)
    assert [(await asyncio.to_thread(call, dashcam)).prompt for _ in range(4)] == ["short@1"] * 4
    await assert_refused_and_untouched(dashcam)
    await asyncio.to_thread(server.start)
    await wait_until_async(lambda: save(dashcam, "at last").status == 201, "changes are taken again")
    assert production(dashcam) == (2, 2)


# -- a restart ----------------------------------------------------------------------------------------------


@pytest.mark.engines("sqlite")
async def test_e6_the_first_call_after_a_restart_has_its_route_and_its_key(start: Start, oracle: str) -> None:
    """The gateway is ready before the database is open."""
    dashcam = opened(start(environment={**INWARD, "DASHCAM_SERVER__REQUIRE_KEY": "always"}))
    set_up(dashcam, oracle)
    made = ask(dashcam, "POST", "/api/v1/keys", {"owner": "eu"})
    key = made.said["key"]
    for is_killed in (False, True):
        await asyncio.to_thread(dashcam.kill_everything if is_killed else dashcam.stop)
        with locked(dashcam):
            await asyncio.to_thread(dashcam.start)
            assert not dashcam.ledger()["is_open"]
            body = {"model": "summarise", "max_tokens": 3, "messages": [{"role": "user", "content": "nonce-x"}]}
            answer = await asyncio.to_thread(ask, dashcam, "POST", "/v1/chat/completions", body, key)
            assert (answer.status, answer.prompt) == (200, "short@1")
