"""What is known of each kind: addresses, key variables, paths."""

from __future__ import annotations

import pytest

from proxy.domain.provider import KNOWN_KINDS, Provider, key_header
from proxy.settings.addresses import provider_of
from proxy.settings.presets import PRESETS, key_variable, kind_of, present


def test_every_kind_but_our_own_has_a_preset() -> None:
    assert set(PRESETS) == set(KNOWN_KINDS) - {"custom", "dashcam"}


@pytest.mark.parametrize("kind", sorted(set(PRESETS) - {"azure"}))
def test_the_usual_address_is_its_own(kind: str) -> None:
    usual = PRESETS[kind].url
    assert usual is not None
    found = provider_of(kind, usual)
    assert (found.kind, found.base_url) == (kind, usual)
    if PRESETS[kind].is_keyed:
        assert kind_of("mine", found.host) == kind
        assert provider_of("mine", f"https://{found.host}").base_url == usual


@pytest.mark.parametrize(
    ("url", "base", "root"),
    [
        ("https://a.openai.azure.com", "https://a.openai.azure.com/openai/v1", "https://a.openai.azure.com"),
        ("https://a.openai.azure.com/openai/v1", "https://a.openai.azure.com/openai/v1", "https://a.openai.azure.com"),
        ("https://gw.example/x/openai/v1", "https://gw.example/x/openai/v1", "https://gw.example/x"),
        ("https://gw.example/v1", "https://gw.example/v1", "https://gw.example"),
    ],
)
def test_azure_has_its_classic_paths_beside_the_compatible_ones(url: str, base: str, root: str) -> None:
    found = provider_of("azure", url)
    assert (found.base_url, found.root_url) == (base, root)


def test_gemini_has_its_native_paths_beside_the_compatible_ones() -> None:
    found = provider_of("google", PRESETS["google"].url or "")
    assert found.root_url == "https://generativelanguage.googleapis.com"


def test_whoever_stands_in_for_a_kind_elsewhere_has_v1() -> None:
    assert provider_of("groq", "http://127.0.0.1:1").base_url == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize("host", ["us.api.openai.com", "eu.api.openai.com"])
def test_regional_hosts_are_openai(host: str) -> None:
    assert kind_of("mine", host) == "openai"
    assert kind_of("mine", f"evil-{host}.example") == "custom"


def test_the_variable_that_is_set_holds_the_key() -> None:
    assert key_variable("google", {}) == "GEMINI_API_KEY"
    assert key_variable("google", {"GOOGLE_API_KEY": "k"}) == "GOOGLE_API_KEY"
    assert key_variable("google", {"GOOGLE_API_KEY": "k", "GEMINI_API_KEY_FILE": "/f"}) == "GEMINI_API_KEY"
    assert key_variable("vllm", {}) is None
    assert key_variable("vllm", {"VLLM_API_KEY": "k"}) == "VLLM_API_KEY"


def test_an_empty_variable_is_not_set() -> None:
    assert [kind for kind, _ in present(8484, {"XAI_API_KEY": " ", "MISTRAL_API_KEY": "k"})] == ["openai", "mistral"]


def test_a_key_of_a_server_at_home_does_not_say_that_it_is_there() -> None:
    assert [kind for kind, _ in present(8484, {"VLLM_API_KEY": "k"})] == ["openai"]


@pytest.mark.parametrize(
    ("kind", "path", "name"),
    [
        ("openai", b"/v1/chat/completions", b"Authorization"),
        ("azure", b"/openai/deployments/d/chat/completions?api-version=1", b"api-key"),
        ("anthropic", b"/v1/messages", b"x-api-key"),
        ("anthropic", b"/v1/models?limit=1000", b"x-api-key"),
        ("anthropic", b"/v1/chat/completions", b"Authorization"),
        ("google", b"/v1beta/openai/chat/completions", b"Authorization"),
        ("google", b"/v1beta/models/gemini-3:generateContent", b"x-goog-api-key"),
    ],
)
def test_each_kind_gets_its_key_where_it_looks_for_it(kind: str, path: bytes, name: bytes) -> None:
    provider = Provider(name="p", kind=kind, base_url="https://x/v1", root_url="https://x")
    assert key_header(provider, b"K", path) == (name, b"Bearer K" if name == b"Authorization" else b"K")
