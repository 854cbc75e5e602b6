"""What a call is given stands in one order: forced, the caller's own, the route's, the model's, the provider's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.model import Model
from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.domain.snapshot import Snapshot
from proxy.gateway.body import Inbound
from proxy.gateway.plan import Plan, decide, destination
from proxy.gateway.routing import Routing
from proxy.protocol.injection import apply
from proxy.protocol.requests import read

ROOT = "https://a.example"
MAIN = Provider(name="main", kind="groq", base_url=f"{ROOT}/v1", root_url=ROOT, max_tokens=900, default_model="small")
OTHER = replace(MAIN, name="other", kind="openai", max_tokens=None, default_model=None, stream_usage="inject")
FAST = Route(
    model="fast",
    targets=(Target(provider="main", model="big"), Target(provider="other")),
    defaults=(("temperature", "0.2"), ("seed", "7")),
    forced=(("user", '"ours"'),),
)
BIG = Model(provider="main", name="big", defaults=(("temperature", "0.9"), ("top_p", "0.5")), max_output_tokens=500)
SNAPSHOT = Snapshot(revision=1, providers=(MAIN, OTHER), allowed_hosts=(), routes=(FAST,), models=(BIG,))


def plan(body: bytes, target: bytes = b"/v1/chat/completions", snapshot: Snapshot = SNAPSHOT) -> Plan:
    place = destination("POST", target, snapshot)
    assert place is not None
    return decide(place, Inbound(body, len(body), read(body)[0]), Routing(snapshot), frozenset())


def sent(values: dict[str, Any], target: bytes = b"/v1/chat/completions") -> dict[str, Any]:
    body = json.dumps(values).encode()
    return dict(json.loads(apply(body, plan(body, target).edits)))


def test_each_stands_above_the_next() -> None:
    assert sent({"model": "fast"}) == {
        "model": "big",
        "user": "ours",
        "temperature": 0.2,
        "seed": 7,
        "top_p": 0.5,
        "max_tokens": 500,
    }
    said = {"model": "fast", "user": "mine", "temperature": 1, "max_completion_tokens": 3, "top_p": None}
    assert sent(said) == {**said, "model": "big", "user": "ours", "seed": 7}


def test_another_candidate_is_given_its_own() -> None:
    made = plan(b'{"model":"fast","stream":true}')
    (other,) = made.alternatives
    given = json.loads(apply(b'{"model":"fast","stream":true}', other.edits))
    assert given == {
        "stream_options": {"include_usage": True},
        "user": "ours",
        "temperature": 0.2,
        "seed": 7,
        "model": "fast",
        "stream": True,
    }
    # Asked without usage, it still has what it was given.
    assert json.loads(apply(b'{"model":"fast","stream":true}', other.without_usage().edits))["user"] == "ours"


def test_a_request_that_names_no_model_asks_for_the_provider_s() -> None:
    made = plan(b'{"messages":[]}')
    assert (made.model, made.sent_model) == (None, "small")
    assert sent({"messages": []}) == {"model": "small", "max_tokens": 900, "messages": []}
    assert sent({}, b"/main/v1/chat/completions") == {"model": "small", "max_tokens": 900}
    assert sent({"input": "x"}, b"/v1/embeddings") == {"input": "x"}
    assert sent({"model": 7}) == {"model": 7, "max_tokens": 900}


def test_what_names_a_provider_is_no_route_s() -> None:
    assert sent({"model": "fast"}, b"/other/v1/chat/completions") == {"model": "fast"}


@pytest.mark.parametrize("body", [b'{"model":"fast","\\u0075ser":"x"}', b'{"model":"fast","\\u006dodel":"fast"}'])
def test_what_nothing_can_be_forced_upon_is_refused(body: bytes) -> None:
    made = plan(body)
    assert made.unfit is not None
    refusal = made.unfit(made.route)
    assert refusal.status == 400
    assert "fast" in refusal.message


def test_a_snapshot_that_gives_nothing_costs_nothing() -> None:
    bare = replace(SNAPSHOT, routes=(), models=(), providers=(OTHER,))
    assert Routing(bare).parameters.is_empty
    assert plan(b'{"model":"gpt"}', snapshot=bare).edits == ()


@pytest.mark.parametrize(
    ("asked", "said", "found"),
    [
        ("full", None, "full"),
        ("none", "full", "none"),
        ("full", "meta", "meta"),
        ("meta", "none", "none"),
        ("meta", "full", "meta"),
    ],
)
def test_of_what_is_kept_the_less_counts(asked: str, said: str | None, found: str) -> None:
    snapshot = replace(SNAPSHOT, routes=(replace(FAST, recording=said),))
    made = plan(b'{"model":"fast"}', snapshot=snapshot)
    assert made.record(asked) == found
    assert plan(b'{"model":"gpt"}').record(asked) == asked
    assert made.record(asked, "none") == (asked if said == "full" else found if said else "none")


def test_a_route_says_what_becomes_of_a_call_whose_client_left() -> None:
    drained = replace(SNAPSHOT, routes=(replace(FAST, on_client_gone="drain"),))
    assert plan(b'{"model":"fast"}').on_client_gone == "cancel"
    made = plan(b'{"model":"fast"}', snapshot=drained)
    assert {one.on_client_gone for one in (made, *made.alternatives)} == {"drain"}
