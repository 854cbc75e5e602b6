"""What was worked out by hand is what the running program puts on record (section K of the cases).

The cases of tests/data/prices that need no time of their own, no prices of one's own and no host of a provider's are
answered by the scripted upstream, below each provider's name; rows and the command line must say the amount exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import Row, RunningDashcam
from tests.support.priced_cases import Case, answer_of, cases
from tests.support.raw_http import exchange, request
from tests.support.scenarios import JSON, answers
from tests.support.scripted_upstream import ScriptedUpstream

PATHS = {
    "chat": "POST /chat/completions", "completions": "POST /completions", "responses": "POST /responses",
    "messages": "POST /messages", "embeddings": "POST /embeddings", "decisions": "POST /decisions",
    "images": "POST /images/generations", "transcription": "POST /audio/transcriptions",
    "translation": "POST /audio/translations", "moderations": "POST /moderations",
    "input_tokens": "POST /responses/input_tokens", "batches_read": "GET /batches/{}",
    "responses_read": "GET /responses/{}", "runs_read": "GET /threads/t/runs/{}",
}  # fmt: skip
MAKERS = {"batches_read": "POST /batches", "responses_read": "POST /responses", "runs_read": "POST /threads/t/runs"}
CASES = [
    case
    for case in cases()
    if case["operation"] in PATHS and case["at"] >= "2026-11" and not {"own_prices", "upstream"} & case.keys()
]
KINDS = sorted({case["kind"] for case in CASES})


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, upstream: ScriptedUpstream) -> RunningDashcam:
    return start_dashcam(*(word for kind in KINDS for word in ("--upstream", f"{kind}={upstream.url}/v1")))


@pytest.fixture(scope="module")
def recorded(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> Callable[[Case], Row]:
    """Ask all of them, one after the other; return what gives the row of one."""

    def ask(case: Case, line: str, answer: object) -> str | None:
        upstream.scenario = answers(json.dumps(answer).encode(), JSON)
        method, _, path = line.partition(" ")
        asked = {"model": case["model"], **case.get("request", {})} if method == "POST" else None
        body = b"" if asked is None else json.dumps(asked).encode()
        reply = exchange(dashcam.port, request(body, path=f"/{case['kind']}/v1{path}", method=method), method)
        assert reply.status == 200
        return reply.header("x-dashcam-id")

    def ask_all() -> Iterator[tuple[str, str | None]]:
        for number, case in enumerate(CASES):
            answer = {**answer_of(case), "id": f"x-{number}"}
            if case["operation"] in MAKERS:
                # What is read was made by a call of its own, which could not say yet what it would cost.
                ask(case, MAKERS[case["operation"]], {**answer, "status": "queued", "usage": None, "background": True})
            yield case["name"], ask(case, PATHS[case["operation"]].format(answer["id"]), answer)

    ids = dict(ask_all())
    rows = {row["id"]: row for row in dashcam.rows()}
    return lambda case: rows[ids[case["name"]]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_amount_on_record_is_the_one_worked_out(recorded: Callable[[Case], Row], case: Case) -> None:
    row = recorded(case)
    assert (row["operation"], row["provider"]) == (case["operation"], case["kind"])
    assert (row["cost_pico_usd"], row["cost_status"]) == (case["pico_usd"], case["status"])
    # Unknown is NULL in the column that tools sum, too, and never 0.
    assert (row["cost_usd"] is None) == (case["pico_usd"] is None)


def test_the_command_line_says_it_exactly(dashcam: RunningDashcam, recorded: Callable[[Case], Row]) -> None:
    case = next(case for case in CASES if case["name"].startswith("the worked example"))
    shown = json.loads(dashcam.cli("show", recorded(case)["id"], "--json").stdout)
    assert Decimal(shown["cost_pico_usd"]).scaleb(-12) == Decimal("0.00906")
    assert (shown["cost_usd"], shown["price"]["rates"]["cache_write_mtok"]) == (0.00906, "5")


def test_each_kind_of_case_is_among_them() -> None:
    assert len(CASES) >= 60
    assert {case["status"] for case in CASES} >= {"computed", "reported", "local", "free", "unpriced", "lower_bound"}
