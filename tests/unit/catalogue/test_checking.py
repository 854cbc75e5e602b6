"""The catalogue as a whole: each reference leads somewhere, each name is free, each mistake names its field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.catalogue.checking import checked
from proxy.catalogue.surroundings import Surroundings
from proxy.domain.route import Route, Target
from proxy.settings.addresses import provider_of
from tests.support.catalogues import catalogues, prompts

SURROUNDINGS = Surroundings(
    providers=(
        provider_of("own", "https://own.example"),
        provider_of("seen", "http://127.0.0.1:9", source="found"),
    ),
    routes=(Route(model="taken", targets=(Target(provider="own"),)),),
    key_prefixes=("PROVIDER_KEY_",),
    port=8484,
    hosts=("127.0.0.1", "proxy.example"),
)
ACME = {"name": "acme", "kind": "custom", "base_url": "https://acme.example/v1"}


def catalogue_with(**nouns: Any) -> Catalogue:
    return catalogue_from_mapping({"format": 1, "providers": [ACME], **nouns})


def problems_of(catalogue: Catalogue, surroundings: Surroundings = SURROUNDINGS) -> dict[str, str]:
    return dict(checked(catalogue, surroundings))


def route(name: str = "fast", **values: Any) -> dict[str, Any]:
    return {"name": name, "targets": ["acme"], **values}


@settings(max_examples=40)
@given(catalogues())
def test_what_refers_to_what_is_there_can_be_used(catalogue: Catalogue) -> None:
    assert checked(catalogue, SURROUNDINGS) == []


def test_references_to_nothing_are_told_with_what_there_is() -> None:
    found = problems_of(
        catalogue_with(
            models=[{"provider": "nobody", "name": "m"}],
            prices=[{"model": "m", "provider": "nobody", "rates": {"input_mtok": 1}}],
            routes=[
                route(targets=["nobody/m", "own", "ollama", "dashcam/dashcam/echo"], fallbacks=[{"route": "gone"}]),
                route("asked", prompt="greeting"),
            ],
        )
    )
    price = next(field for field in found if field.startswith("prices."))
    assert list(found) == [
        "models.nobody/m.provider",
        price,
        "routes.asked.prompt",
        "routes.fast.targets.0.provider",
        "routes.fast.fallbacks.0.route",
    ]
    assert found["routes.fast.targets.0.provider"] == "there is no provider 'nobody'; there are: acme, own, seen"
    assert found["routes.asked.prompt"] == "there is no prompt 'greeting'"


def test_a_prompt_must_have_the_version_that_is_referred_to() -> None:
    catalogue = catalogue_with(routes=[route("a", prompt="greeting@9"), route("b", prompt="greeting@1.2")])
    found = problems_of(catalogue.put(prompts("greeting", ["One.", "Two."])))
    assert found == {"routes.a.prompt": "the prompt 'greeting' has no version, name or label '9'"}


def test_names_of_the_settings_are_taken_and_found_ones_give_way() -> None:
    catalogue = catalogue_with(providers=[{**ACME, "name": "own"}, {**ACME, "name": "seen"}])
    taken = catalogue.put(*catalogue_with(routes=[route("taken", targets=["own"])]).routes.values())
    assert list(problems_of(taken)) == ["providers.own.name", "routes.taken.name"]


def test_routes_in_a_circle_are_told_with_the_way_round() -> None:
    routes = [
        route("a", fallbacks=[{"route": "b"}]),
        route("b", fallbacks=["acme", {"route": "c"}]),
        route("c", fallbacks=[{"route": "a"}]),
        route("d", fallbacks=[{"route": "a"}]),
        route("e", fallbacks=[{"route": "e"}]),
    ]
    found = problems_of(catalogue_with(routes=routes))
    assert found["routes.a.fallbacks"] == "goes in a circle: a → b → c → a"
    assert found["routes.e.fallbacks"] == "goes in a circle: e → e"
    assert "routes.d.fallbacks" not in found


def test_a_pattern_cannot_be_the_fallback_of_a_name() -> None:
    routes = [route("a", fallbacks=[{"route": "x/*"}]), route("x/*", targets=["acme/big-*"])]
    assert list(problems_of(catalogue_with(routes=routes))) == ["routes.a.fallbacks.0.route"]


def price(since: str | None, until: str | None = None, **values: Any) -> dict[str, Any]:
    rates = {"input_mtok": "1"}
    return {"model": "m", "provider": "acme", "valid_from": since, "valid_until": until, "rates": rates, **values}


@pytest.mark.parametrize(
    ("former", "latter", "overlap"),
    [
        (price(None, "2026-11-01"), price("2026-11-01"), False),
        (price(None), price("2026-11-01"), True),
        (price("2026-10-01", "2026-11-02"), price("2026-11-01"), True),
        (price("2026-10-01"), price("2026-11-01", tier="batch"), False),
        (price("2026-10-01"), price("2026-11-01", provider=""), False),
    ],
)
def test_prices_of_the_same_thing_hold_one_after_the_other(
    former: dict[str, Any], latter: dict[str, Any], overlap: bool
) -> None:
    found = problems_of(catalogue_with(prices=[latter, former]))
    assert [field.rpartition(".")[2] for field in found] == (["valid_from"] if overlap else [])


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("https://models.example", False),
        ("http://8.8.8.8", False),
        ("http://proxy.example:8484", True),
        ("http://127.0.0.1:8000", True),
        ("http://10.1.2.3", False),
        ("http://10.2.0.1", True),
        ("http://gpu.lan:8000", False),
    ],
)
def test_addresses_lead_outward_or_where_the_settings_say(url: str, is_told: bool) -> None:
    surroundings = Surroundings(allow_private=("10.1.0.0/16", "GPU.lan"), port=8484, hosts=("proxy.example",))
    found = problems_of(catalogue_with(providers=[{**ACME, "base_url": url}]), surroundings)
    assert list(found) == (["providers.acme.base_url"] if is_told else [])


def test_an_outgoing_proxy_is_an_address_too() -> None:
    found = problems_of(catalogue_with(providers=[{**ACME, "proxy": "http://169.254.169.254:80"}]))
    assert list(found) == ["providers.acme.proxy"]
    found = problems_of(catalogue_with(providers=[{**ACME, "proxy": "http://proxy.example:8484"}]))
    assert "own address" in found["providers.acme.proxy"]


def test_no_outgoing_proxy_reads_a_key() -> None:
    proxied = {**ACME, "proxy": "http://outward.example:3128"}
    assert problems_of(catalogue_with(providers=[proxied])) == {}
    found = problems_of(catalogue_with(providers=[{**proxied, "base_url": "http://acme.example/v1"}]))
    assert "could read the key" in found["providers.acme.proxy"]


@pytest.mark.parametrize(
    ("kind", "url", "variable", "is_told"),
    [
        ("custom", "https://acme.example", "PROVIDER_KEY_ACME", False),
        ("custom", "https://acme.example", "DASHCAM_MASTER_KEY", True),
        ("openai", "https://acme.example", "OPENAI_API_KEY", True),
        ("openai", "https://api.openai.com", "OPENAI_API_KEY", False),
        ("openai", "http://api.openai.com", "OPENAI_API_KEY", True),
        ("openai", "https://api.openai.com", "GROQ_API_KEY", True),
        ("azure", "https://anybody.openai.azure.com", "AZURE_OPENAI_API_KEY", True),
    ],
)
def test_a_key_of_the_environment_goes_only_where_it_belongs(kind: str, url: str, variable: str, is_told: bool) -> None:
    found = problems_of(catalogue_with(providers=[{**ACME, "kind": kind, "base_url": url, "key_env": variable}]))
    assert list(found) == (["providers.acme.key_env"] if is_told else [])


def test_all_problems_are_told_at_once() -> None:
    found = checked(catalogue_with(routes=[route(targets=["x"]), route("b", targets=["y"])]), SURROUNDINGS)
    assert len(found) == 2


def test_parameters_are_bounded_as_the_kinds_of_providers_have_it() -> None:
    anthropic = {**ACME, "name": "claude", "kind": "anthropic"}
    warm = {"temperature": 1.5}
    found = problems_of(
        catalogue_with(
            providers=[ACME, anthropic],
            models=[
                {"provider": "claude", "name": "m", "defaults": warm},
                {"provider": "acme", "name": "m", "defaults": warm},
            ],
            routes=[route("a", forced=warm, fallbacks=["claude"]), route("b", defaults=warm)],
        )
    )
    assert list(found) == ["models.claude/m.defaults.temperature", "routes.a.forced.temperature"]


def test_a_route_names_patterns_that_there_are() -> None:
    surroundings = replace(SURROUNDINGS, patterns=("ticket",))
    assert problems_of(catalogue_with(routes=[route(redaction=["email", "ticket"])]), surroundings) == {}
    found = problems_of(catalogue_with(routes=[route(redaction=["email", "ticket"])]))
    assert list(found) == ["routes.fast.redaction.1"]
    assert found["routes.fast.redaction.1"].startswith("there is no pattern 'ticket'; there are: api_key")
