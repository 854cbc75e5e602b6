"""Where a call goes, and what of it is changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.domain.snapshot import Snapshot
from proxy.gateway.body import Inbound
from proxy.gateway.plan import Plan, decide, destination
from proxy.gateway.routing import ECHO, Routing
from proxy.protocol.injection import apply
from proxy.protocol.requests import read

FIRST = Provider(
    name="main", kind="openai", base_url="https://a.example/v1", root_url="https://a.example", stream_usage="inject"
)
LOCAL = Provider(
    name="ollama", kind="ollama", base_url="http://l:1/v1", root_url="http://l:1", models=("llama3", "x/y")
)
AZURE = Provider(name="azure", kind="azure", base_url="https://z/openai/v1", root_url="https://z/base")
SNAPSHOT = Snapshot(revision=1, providers=(FIRST, LOCAL, AZURE), allowed_hosts=())


def plan(target: bytes, body: bytes = b"", *, without: frozenset[str] = frozenset()) -> Plan:
    place = destination("POST", target, SNAPSHOT)
    assert place is not None
    return decide(place, Inbound(body, len(body), read(body)[0]), Routing(SNAPSHOT), without)


@pytest.mark.parametrize(
    ("target", "body", "provider", "sent"),
    [
        (b"/v1/chat/completions", b'{"model":"gpt-5"}', "main", b"/v1/chat/completions"),
        (b"/v1/chat/completions?a=1&b", b'{"model":"llama3"}', "ollama", b"/v1/chat/completions?a=1&b"),
        (b"/v1/models/openai%2Fgpt-5", b"", "main", b"/v1/models/openai%2Fgpt-5"),
        (b"/v1/brand_new_thing", b"", "main", b"/v1/brand_new_thing"),
        (b"/ollama/api/generate", b"", "ollama", b"/api/generate"),
        (b"/azure/openai/deployments/d/x?api-version=1", b"", "azure", b"/base/openai/deployments/d/x?api-version=1"),
        (b"/ollama/v1/chat/completions", b'{"model":"gpt-5"}', "ollama", b"/v1/chat/completions"),
    ],
)
def test_the_path_and_the_model_choose_the_provider(target: bytes, body: bytes, provider: str, sent: bytes) -> None:
    made = plan(target, body)
    assert (made.provider.name, made.target, made.edits) == (provider, sent, ())


@pytest.mark.parametrize(
    "target", [b"/metrics", b"/api/v1/recorder", b"/", b"/ollama", b"/nobody/x", b"/v1x/chat", b"*"]
)
def test_other_paths_are_not_the_data_planes(target: bytes) -> None:
    assert destination("GET", target, SNAPSHOT) is None


def test_the_echo_model_is_ours() -> None:
    assert plan(b"/v1/chat/completions", b'{"model":"dashcam/echo"}').provider is ECHO


STREAM = b'{"model":"gpt-5","stream":true}'


def test_usage_is_asked_for_where_the_provider_is_known_to_understand() -> None:
    made = plan(b"/v1/chat/completions", STREAM)
    assert apply(STREAM, made.edits).startswith(b'{"stream_options":{"include_usage":true},')
    assert made.without_usage().edits == ()


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (b"/v1/responses", STREAM),
        (b"/v1/chat/completions", b'{"model":"gpt-5"}'),
        (b"/azure/chat/completions", STREAM),
        (b"/v1/chat/completions", b'{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true}}'),
    ],
)
def test_nothing_is_changed_elsewhere(target: bytes, body: bytes) -> None:
    assert plan(target, body).edits == ()


def test_a_provider_that_refused_the_option_is_left_alone() -> None:
    assert plan(b"/v1/chat/completions", STREAM, without=frozenset({"main"})).edits == ()


ROUTED = replace(
    SNAPSHOT,
    routes=(
        Route(
            model="fast",
            targets=(Target(provider="main", model="gpt-5-mini"), Target(provider="ollama", model="llama3")),
            fallbacks=(Target(provider="azure"),),
        ),
    ),
)


def routed(body: bytes) -> Plan:
    place = destination("POST", b"/v1/chat/completions", ROUTED)
    assert place is not None
    return decide(place, Inbound(body, len(body), read(body)[0]), Routing(ROUTED), frozenset())


def test_a_route_gives_the_model_another_name_and_names_who_may_take_over() -> None:
    body = b'{"model": "fast", "messages": []}'
    plans = (made := routed(body), *made.alternatives)
    assert [item.provider.name for item in plans] == ["main", "ollama", "azure"]
    assert [apply(body, item.edits) for item in plans] == [
        b'{"model": "gpt-5-mini", "messages": []}',
        b'{"model": "llama3", "messages": []}',
        body,
    ]
    assert (made.route, made.model, made.sent_model, made.asks_usage) == ("fast", "fast", "gpt-5-mini", False)
    assert [item.sent_model for item in made.alternatives] == ["llama3", None]


def test_a_renamed_stream_asks_for_usage_too_and_keeps_its_name_without() -> None:
    body = b'{"model":"fast","stream":true}'
    made = routed(body)
    assert apply(body, made.edits) == b'{"stream_options":{"include_usage":true},"model":"gpt-5-mini","stream":true}'
    assert made.asks_usage
    plain = made.without_usage()
    assert apply(body, plain.edits) == b'{"model":"gpt-5-mini","stream":true}'
    assert not plain.asks_usage


def test_what_nobody_lists_is_told_apart() -> None:
    assert not plan(b"/v1/chat/completions", b'{"model":"never heard of"}').is_known
    assert plan(b"/v1/chat/completions", b'{"model":"llama3"}').is_known
    assert plan(b"/v1/files").is_known
    assert plan(b"/ollama/v1/chat/completions", b'{"model":"never heard of"}').is_known


@pytest.mark.parametrize(
    ("target", "provider", "sent"),
    [
        (b"/v1/models/llama3", "ollama", b"/v1/models/llama3"),
        (b"/v1/models/x%2Fy", "ollama", b"/v1/models/x%2Fy"),
        (b"/v1/models/gpt-5", "main", b"/v1/models/gpt-5"),
        (b"/ollama/v1/models/gpt-5", "ollama", b"/v1/models/gpt-5"),
    ],
)
def test_a_model_in_the_path_leads_to_who_has_it(target: bytes, provider: str, sent: bytes) -> None:
    place = destination("GET", target, SNAPSHOT)
    assert place is not None
    made = decide(place, Inbound(b"", 0, read(b"")[0]), Routing(SNAPSHOT), frozenset())
    assert (made.provider.name, made.target) == (provider, sent)


@pytest.mark.parametrize(
    ("method", "target", "lists"),
    [
        ("GET", b"/v1/models", True),
        ("GET", b"/v1/models/", True),
        ("GET", b"/v1/models?limit=3", True),
        ("GET", b"/v1/models/a", False),
        ("POST", b"/v1/models", False),
        ("GET", b"/ollama/v1/models", False),
        ("GET", b"/v1/fine_tuning/models", False),
    ],
)
def test_who_asks_for_all_models(method: str, target: bytes, lists: bool) -> None:
    place = destination(method, target, SNAPSHOT)
    assert place is not None
    assert place.lists_models is lists
