"""What networks and upstreams do (N): resets, silence, slices, narrow and lossy lines, links that go down."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.faults.conftest import Amount, Start, slow
from tests.support import oracle as answers
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.namespaces import namespace
from tests.support.toxic import DOWN, UP, ToxicProxy
from tests.support.verdict import OUTCOMES, assert_nothing_lost
from tests.support.waiting import wait_until_async

BREAKING = ["reset@0", "reset@3", "reset@9", "close@0", "close@5", "hang@0", "hang@4", "mute"]
ANSWERING = ["", "crumbs", "status@503", "status@429", "status@500"]


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


async def test_n1_n3_n4_upstreams_that_break_at_any_place(start: Start, amount: Amount) -> None:
    """A reset or silence at each stage, errors and single bytes, in one crowd: each call ends as its script says."""
    dashcam = start()
    load = Load(dashcam.url, scripts=[*BREAKING, *ANSWERING, *ANSWERING])
    async with load.running(clients=24):
        await load.progress(amount(60, 2000), seconds=600)
    await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    outcomes = {row["input_preview"]: row["outcome"] for row in dashcam.query("select * from interaction")}
    assert [call for call in load.calls if outcomes[call.nonce] not in OUTCOMES[call.script]] == []
    broken = [call for call in load.calls if call.script in ("reset", "close", "hang", "mute")]
    assert {call.status for call in broken if call.is_answered} == {502, 504}
    assert [call for call in broken if b"[DONE]" in call.received or (call.is_answered and call.is_finished)] == []
    assert Counter(call.status for call in load.calls if call.script == "status").keys() == {503, 429, 500}


async def test_n1_a_reset_of_every_connection_at_once(start: Start, oracle: str, rounds: int) -> None:
    with ToxicProxy(port_of(oracle)).running() as toxic:
        dashcam = start(upstream=f"http://127.0.0.1:{toxic.port}")
        load = Load(dashcam.url, scripts=["slow@30"])
        async with load.running(clients=16):
            for _ in range(rounds):
                await load.progress(16)
                toxic.reset_all()
            await load.progress(16)
        endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["upstream_aborted"] >= rounds


@pytest.mark.parametrize("size", [slow(1), 7, slow(1000)])
async def test_n4_answers_in_slices_are_the_same_answers(start: Start, oracle: str, size: int) -> None:
    with ToxicProxy(port_of(oracle)).running() as toxic:
        toxic.be(DOWN, slice=size)
        toxic.be(UP, slice=size)
        dashcam = start(upstream=f"http://127.0.0.1:{toxic.port}")
        load = Load(dashcam.url)
        async with load.running(clients=4):
            await load.progress(8, seconds=60)
        endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


async def test_n5_a_narrow_late_and_lossy_line(start: Start, oracle: str, amount: Amount) -> None:
    """64 kbit/s, half a second late give or take 0.2 (a twentieth of both in the short form), 2 % resets."""
    slow = amount(5, 100) / 100
    with ToxicProxy(port_of(oracle), seed=5).running() as toxic:
        line = {"latency": 0.5 * slow, "jitter": 0.2 * slow, "bytes_per_second": int(8000 / slow)}
        toxic.be(DOWN, **line, chance_of_reset=0.02)
        toxic.be(UP, **line)
        dashcam = start(upstream=f"http://127.0.0.1:{toxic.port}")
        load = Load(dashcam.url)
        async with load.running(clients=16):
            await load.progress(60, seconds=600)
        endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert set(endings) <= {"completed", "upstream_aborted", "upstream_unreachable"}


async def test_n3_a_hole_in_the_line_frees_its_slots_when_time_is_up(start: Start, oracle: str) -> None:
    with ToxicProxy(port_of(oracle)).running() as toxic:
        dashcam = start(upstream=f"http://127.0.0.1:{toxic.port}")
        load = Load(dashcam.url, scripts=["slow@20"])
        async with load.running():
            await load.progress(8)
            toxic.be(DOWN, is_hole=True)
            await wait_until_async(lambda: any(call.status == 504 for call in load.calls), "somebody is told")
            toxic.heal()
            await load.progress(8)
        endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["timed_out"] > 0


async def test_n6_a_link_that_goes_down_and_up_again(start: Start, rounds: int) -> None:
    """To the upstream: nothing is refused, nothing comes back; the timers end the calls, and it recovers by itself."""
    with namespace("tests.support.oracle") as island:
        dashcam = start(upstream=island.address)
        load = Load(dashcam.url, scripts=["slow@20"])
        async with load.running():
            for _ in range(rounds):
                await load.progress(8)
                timed_out = ended(load, 504)
                island.link("down")
                await wait_until_async(lambda: ended(load, 504) > timed_out, "somebody is told")  # noqa: B023
                island.link("up")
            await load.progress(8)
        endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["timed_out"] >= rounds
    assert set(endings) <= {"completed", "timed_out", "upstream_aborted", "upstream_unreachable"}


def ended(load: Load, status: int) -> int:
    return sum(call.status == status for call in load.calls)


ROUTED = """
[providers.first]
kind = "openai"
url = "http://127.0.0.1:{first}/v1"
[providers.second]
kind = "openai"
url = "{second}/v1"
[[routes]]
model = "{model}"
targets = ["first", "second"]
"""


async def test_n9_a_storm_of_failures_is_taken_over_within_the_budget(start: Start, oracle: str) -> None:
    """The first candidate refuses everything: second tries stay in their budget, and the breaker opens."""
    with ToxicProxy(port_of(oracle)).running() as toxic:
        dashcam = start(settings=ROUTED.format(first=toxic.port, second=oracle, model=answers.MODEL))
        load = Load(dashcam.url)
        async with load.running():
            await load.progress(40)
            toxic.refuse()
            await load.progress(200)
            toxic.heal()
        await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    rows = dashcam.query("select id, attempts, provider, outcome from interaction")
    tries = Counter(row["interaction_id"] for row in dashcam.query("select interaction_id from attempt"))
    assert {row["id"]: row["attempts"] for row in rows} == dict(tries)
    samples = dashcam.samples()
    assert samples["dashcam_breaker_openings_total"][frozenset()] >= 1
    second = samples["dashcam_takeovers_total"][frozenset()]
    assert 0 < second <= max(3 + 5, 0.2 * len(rows))
    assert sum(row["attempts"] - 1 for row in rows if row["outcome"] == "completed") >= second


def test_the_oracle_says_the_same_twice(start: Start) -> None:
    """What all of this leans on: the answer follows from the question, word by word."""
    first = answers.answer(answers.question("nonce-1", True, 5))
    assert first == answers.answer(answers.question("nonce-1", True, 5))
    assert first != answers.answer(answers.question("nonce-2", True, 5))
    assert isinstance(start(), RunningDashcam)
