"""Who serves a model."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.domain.snapshot import Snapshot
from proxy.gateway.authentication import Caller
from proxy.gateway.routing import ECHO, Routing


def provider(name: str, *models: str, **values: object) -> Provider:
    made: dict[str, object] = {"kind": "custom", "source": "configured", **values}
    root = f"https://{name}.example"
    return Provider(name=name, base_url=f"{root}/v1", root_url=root, models=models, **made)  # type: ignore[arg-type]


FIRST = provider("first", "shared", "own", kind="openai")
SECOND = provider("second", "shared", "two", "three")
ENVIRONMENT = provider("env", "three", "four", source="environment")
FOUND = provider("ollama", "shared", "three", "four", "llama3:latest", "gpt-oss:20b", kind="ollama", source="found")


def routing(*providers: Provider, routes: tuple[Route, ...] = (), keyed: tuple[str, ...] = ()) -> Routing:
    made = Snapshot(revision=1, providers=providers, allowed_hosts=(), routes=routes)
    return Routing(made, keyed)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("own", "first"),
        ("shared", "second"),
        ("three", "second"),
        ("four", "ollama"),
        ("llama3:latest", "ollama"),
        ("llama3", "ollama"),
        ("unheard-of", "first"),
        (None, "first"),
        ("dashcam/echo", "dashcam"),
    ],
)
def test_a_configured_provider_then_this_machine_then_the_rest_then_the_first(model: str | None, name: str) -> None:
    choice = routing(FIRST, SECOND, ENVIRONMENT, FOUND).choose(model)
    assert choice.provider.name == name
    assert choice.is_known == (model != "unheard-of")
    assert choice.route is None


def test_what_is_edited_counts_as_much_as_what_is_configured() -> None:
    edited = provider("edited", "shared", "four", source="catalogue")
    names = [routing(FIRST, edited, ENVIRONMENT, FOUND).choose(model).provider.name for model in ("shared", "four")]
    assert names == ["edited", "edited"]


def test_this_machine_s_exact_name_wins_over_the_default_provider() -> None:
    assert routing(FIRST, FOUND).choose("shared").provider is FOUND


def test_who_is_away_keeps_its_names_unless_somebody_else_has_them() -> None:
    found = routing(FIRST, replace(FOUND, is_away=True))
    assert found.choose("gpt-oss:20b").provider.name == "ollama"
    assert found.choose("shared").provider is FIRST


def test_gemini_names_are_known_with_and_without_their_prefix() -> None:
    google = provider("google", "models/gemini-3", kind="google", source="environment")
    assert routing(FIRST, google).choose("gemini-3").provider is google
    assert routing(FIRST, google).choose("models/gemini-3").provider is google


ROUTES = (
    Route(model="fast", targets=(Target(provider="second", model="two"),), fallbacks=(Target(provider="first"),)),
    Route(model="x/*", targets=(Target(provider="second", model="vendor/*", weight=1),)),
    Route(model="x/special*", targets=(Target(provider="first"),)),
    Route(model="own", targets=(Target(provider="second"),)),
)


def test_a_route_comes_before_who_lists_the_model() -> None:
    found = routing(FIRST, SECOND, routes=ROUTES)
    choice = found.choose("fast")
    assert (choice.route, choice.candidates) == ("fast", ((SECOND, "two"), (FIRST, None)))
    assert found.choose("own").candidates == ((SECOND, None),)


def test_the_first_pattern_that_matches_decides_and_what_it_matched_goes_into_the_name() -> None:
    found = routing(FIRST, SECOND, routes=ROUTES)
    for _ in range(2):
        choice = found.choose("x/special-1")
        assert (choice.route, choice.candidates) == ("x/*", ((SECOND, "vendor/special-1"),))
    assert found.choose("y").is_known is False


def test_an_exact_name_that_somebody_lists_comes_before_a_pattern() -> None:
    found = routing(FIRST, provider("other", "x/real"), SECOND, routes=ROUTES)
    assert found.choose("x/real").provider.name == "other"


def test_weights_are_those_of_the_targets() -> None:
    weighted = Route(
        model="m", targets=(Target(provider="first", weight=3), Target(provider="second")),
        fallbacks=(Target(provider="env"),),
    )  # fmt: skip
    choice = routing(FIRST, SECOND, ENVIRONMENT, routes=(weighted,)).choose("m")
    assert choice.weights == (3, 0)
    assert len(choice.candidates) == 3


def listed(found: Routing) -> list[dict[str, object]]:
    data: list[dict[str, object]] = orjson.loads(found.listing())["data"]
    return data


def test_the_list_has_each_name_once_with_the_entry_of_who_serves_it() -> None:
    entries = ('{"id":"shared","owned_by":"me","x":1}', '{"id":"two"}', '{"id":"three"}')
    found = listed(routing(FIRST, replace(SECOND, entries=entries), FOUND))
    assert [item["id"] for item in found].count("shared") == 1
    assert {"id": "shared", "owned_by": "me", "x": 1} in found
    assert {"id": "own", "object": "model", "created": 0, "owned_by": "first"} in found
    assert {"id": "gpt-oss:20b", "object": "model", "created": 0, "owned_by": "ollama"} in found


def test_the_list_names_routes_and_leaves_out_who_is_away() -> None:
    found = [item["id"] for item in listed(routing(FIRST, SECOND, replace(FOUND, is_away=True), routes=ROUTES))]
    assert found == ["fast", "own", "shared", "two", "three"]


HAS_KEY, HAS_NONE = Caller(None, True), Caller(None, False)


def test_one_provider_answers_for_itself() -> None:
    assert not routing(FIRST).merges_lists(HAS_NONE)
    assert routing(FIRST, routes=ROUTES[:1]).merges_lists(HAS_NONE)


def test_a_list_that_only_the_client_s_key_opens_is_not_replaced_by_one_without_it() -> None:
    assert not routing(FIRST, FOUND).merges_lists(HAS_KEY)
    assert routing(FIRST, FOUND).merges_lists(HAS_NONE)
    assert routing(FIRST, FOUND, keyed=("first",)).merges_lists(HAS_KEY)
    near = Provider(name="near", kind="custom", base_url="http://127.0.0.1:1/v1", root_url="http://127.0.0.1:1")
    assert routing(near, FOUND).merges_lists(HAS_KEY)


def test_the_echo_model_is_not_anybody_s() -> None:
    assert routing(provider("thief", "dashcam/echo")).choose("dashcam/echo").provider is ECHO
