"""From documents to the gateway's values: nobody gets a key that is not his, a switch sends no call elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.catalogue.compiled import compiled, own_prices
from proxy.catalogue.surroundings import Surroundings
from proxy.domain.access import Limits
from proxy.domain.model import Model
from proxy.domain.route import Route, Target
from proxy.domain.snapshot import Snapshot, snapshot_from_mapping
from proxy.settings.addresses import provider_of
from tests.support.catalogues import catalogues, prompts

OWN = provider_of("own", "https://own.example", models=("a", "b"), entries=('{"id":"a","x":1}', '{"id":"b"}'))
SEEN = provider_of("seen", "http://127.0.0.1:9", source="found")
SURROUNDINGS = Surroundings(providers=(OWN, SEEN), allow_private=("127.0.0.0/8",))
ACME = {"name": "acme", "kind": "openai", "base_url": "https://acme.example"}
BOLT = {"name": "bolt", "kind": "custom", "base_url": "http://127.0.0.1:7"}


def catalogue_with(**nouns: Any) -> Catalogue:
    return catalogue_from_mapping({"format": 1, **nouns})


@settings(max_examples=30)
@given(catalogues())
def test_what_is_compiled_travels_in_a_snapshot(catalogue: Catalogue) -> None:
    made = compiled(catalogue, SURROUNDINGS)
    snapshot = Snapshot(revision=1, allowed_hosts=(), providers=made.providers, routes=made.routes, models=made.models,
                        prompts=made.prompts)  # fmt: skip
    assert snapshot_from_mapping(json.loads(json.dumps(snapshot.to_mapping()))) == snapshot
    names = {item.name for item in made.providers}
    assert {target.provider for route in made.routes for target in route.targets + route.fallbacks} <= names
    assert all(route.targets for route in made.routes)


def test_a_provider_has_what_its_document_says_and_else_the_manners_of_its_kind() -> None:
    said = {"headers": {"x-team": "a"}, "limits": {"concurrent": 3}, "first_byte_timeout": 9, "max_tokens": 100}
    (found,) = [item for item in compiled(catalogue_with(providers=[{**ACME, **said}]), SURROUNDINGS).providers
                if item.name == "acme"]  # fmt: skip
    assert (found.source, found.base_url, found.root_url) == (
        "catalogue", "https://acme.example/v1", "https://acme.example")  # fmt: skip
    assert (found.stream_usage, found.unstored_metadata) == ("inject", "keep")
    assert (found.headers, found.limits, found.max_tokens) == ((("x-team", "a"),), Limits(concurrent=3), 100)
    assert found.first_byte_timeout == 9
    assert not found.allow_private


@pytest.mark.parametrize(
    ("said", "sealed", "variable"),
    [
        ({}, None, None),
        ({"base_url": "https://api.openai.com"}, None, "OPENAI_API_KEY"),
        ({"base_url": "https://api.openai.com"}, "sealed-text", None),
        ({"key_env": "PROVIDER_KEY_A"}, None, "PROVIDER_KEY_A"),
    ],
)
def test_a_key_of_the_environment_is_meant_only_where_it_belongs(
    said: dict[str, Any], sealed: str | None, variable: str | None
) -> None:
    catalogue = catalogue_with(providers=[{**ACME, **said}])
    made = compiled(catalogue, SURROUNDINGS, {"acme": sealed} if sealed else None)
    assert [(item.key_env, item.key_sealed) for item in made.providers if item.name == "acme"] == [(variable, sealed)]


def test_the_settings_come_first_and_found_ones_give_way() -> None:
    catalogue = catalogue_with(providers=[{**ACME, "name": "own"}, {**BOLT, "name": "seen"}, ACME])
    made = compiled(catalogue, SURROUNDINGS)
    assert [(item.name, item.source) for item in made.providers] == [
        ("own", "configured"), ("acme", "catalogue"), ("seen", "catalogue")]  # fmt: skip
    assert made.providers[2].allow_private
    assert made.warnings == ("provider own of the catalogue is not used: the settings have one of this name",)


@pytest.mark.parametrize(("proxy", "may"), [("http://127.0.0.1:3128", True), ("http://outward.example:3128", False)])
def test_a_proxy_may_be_private_where_the_settings_name_it_whatever_the_address_may(proxy: str, may: bool) -> None:
    made = compiled(catalogue_with(providers=[{**ACME, "proxy": proxy}]), SURROUNDINGS)
    (found,) = [item for item in made.providers if item.name == "acme"]
    assert (found.allow_private, found.allow_private_proxy) == (False, may)


def test_models_join_those_that_a_provider_lists() -> None:
    models = [
        {"provider": "own", "name": "b", "active": False},
        {"provider": "own", "name": "c", "defaults": {"temperature": 0.5, "stop": ["x"]}, "max_output_tokens": 9},
    ]
    made = compiled(catalogue_with(models=models), SURROUNDINGS)
    assert made.providers[0].models == ("a", "c")
    assert made.providers[0].entries[0] == '{"id":"a","x":1}'
    defaults = (("stop", '["x"]'), ("temperature", "0.5"))
    assert made.models == (Model(provider="own", name="c", defaults=defaults, max_output_tokens=9),)


def test_a_fallback_to_a_route_is_all_that_it_has() -> None:
    routes = [
        {"name": "a", "targets": [{"provider": "own", "weight": 1}], "fallbacks": [{"route": "b"}, "acme/z"]},
        {"name": "b", "targets": ["acme/x"], "fallbacks": [{"route": "a"}, "own/y"]},
    ]
    made = compiled(catalogue_with(providers=[ACME], routes=routes), SURROUNDINGS)
    assert made.routes[0] == Route(
        model="a",
        targets=(Target(provider="own", weight=1),),
        fallbacks=tuple(Target(provider=p, model=m) for p, m in (("acme", "x"), ("own", "y"), ("acme", "z"))),
    )


def test_who_is_not_active_is_passed_over_and_his_place_is_kept_where_nobody_is_left() -> None:
    routes = [{"name": "a", "targets": ["acme", "own"]}, {"name": "b", "targets": ["acme"]},
              {"name": "c", "targets": ["acme"], "fallbacks": ["own"]},
              {"name": "d", "targets": ["own"], "active": False}]  # fmt: skip
    made = compiled(catalogue_with(providers=[{**ACME, "active": False}], routes=routes), SURROUNDINGS)
    assert [[target.provider for target in route.targets] for route in made.routes] == [["own"], ["acme"], ["own"]]
    (kept,) = [item for item in made.providers if item.name == "acme"]
    assert kept.is_away
    assert kept.host.endswith(".invalid")


def test_a_server_of_this_machine_that_a_route_names_has_its_place() -> None:
    made = compiled(catalogue_with(routes=[{"name": "a", "targets": ["lmstudio"]}]), SURROUNDINGS)
    assert [(item.name, item.is_away) for item in made.providers[2:]] == [("lmstudio", True)]


def test_whole_names_come_before_patterns_and_what_says_more_before_what_says_less() -> None:
    names = ["x*", "z", "x-large*", "*"]
    made = compiled(catalogue_with(routes=[{"name": name, "targets": ["own"]} for name in names]), SURROUNDINGS)
    assert [route.model for route in made.routes] == ["z", "x-large*", "x*", "*"]


def test_a_prompt_that_is_active_and_has_versions_is_published() -> None:
    prompt = prompts("greeting", ["One.", "Two."])
    off, empty = (
        prompt.model_copy(update=said) for said in ({"name": "off", "active": False}, {"name": "e", "versions": []})
    )
    (found,) = compiled(Catalogue().put(prompt, off, empty), SURROUNDINGS).prompts
    assert (found.name, found.latest, found.labels) == ("greeting", 2, (("production", 1),))
    assert [(item.number, item.name) for item in found.versions] == [(1, "1.1"), (2, "1.2")]


def test_prices_win_as_in_the_users_own_file() -> None:
    prices = [
        {"model": "big*", "rates": {"input_mtok": 3}},
        {"model": "Big-1", "rates": {"input_mtok": "2"}, "valid_from": "2026-11-01", "valid_until": "2026-12-01"},
        {"model": "big-1", "rates": {"input_mtok": "0.10"}, "provider": "acme"},
    ]
    own = own_prices(catalogue_with(prices=prices))
    days = [("acme", "2026-11-02"), ("x", "2026-11-02"), ("x", "2026-12-01")]
    found = [own.find((name, "custom"), "big-1", "default", day) for name, day in days]
    assert [rule.rates if rule else None for rule in found] == [
        (("input_mtok", "0.10"),), (("input_mtok", "2"),), (("input_mtok", "3"),)]  # fmt: skip
    assert {rule.source for rule in own.rules} == {"catalogue"}


def test_a_change_of_one_price_leaves_the_others_what_they_were() -> None:
    one, other = {"model": "a", "rates": {"input_mtok": "1"}}, {"model": "b", "rates": {"input_mtok": "2"}}
    alone, both = own_prices(catalogue_with(prices=[one])), own_prices(catalogue_with(prices=[other, one]))
    versions = {rule.model: rule.version for rule in both.rules}
    assert versions["a"] == alone.rules[0].version
    assert versions["a"] != versions["b"]
