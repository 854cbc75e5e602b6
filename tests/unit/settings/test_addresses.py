"""Addresses as people write them: ``[NAME=]URL``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.provider import KNOWN_KINDS
from proxy.settings.addresses import RESERVED, check_name, parse_upstreams, provider_of, split_address


@pytest.mark.parametrize(
    ("url", "base", "root"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1", "http://127.0.0.1:11434"),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1", "http://127.0.0.1:11434"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1", "https://api.openai.com"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1", "https://openrouter.ai/api"),
        ("https://X.example/openai/deployments", *["https://x.example/openai/deployments"] * 2),
        (" http://[::1]:8000/v1 ", "http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_base_and_root(url: str, base: str, root: str) -> None:
    assert split_address(url) == (base, root)


@pytest.mark.parametrize(
    "url",
    ["", "api.openai.com", "ftp://x", "http://", "http://u:p@x", "http://x?a=1", "http://x#a", "http://x:99999", "http://x:y"],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        split_address(url)


@pytest.mark.parametrize(
    ("name", "url", "kind", "stream_usage", "key_env"),
    [
        ("openai", "http://127.0.0.1:1", "openai", "inject", "OPENAI_API_KEY"),
        ("ollama", "http://10.0.0.1:1", "ollama", "inject", None),
        ("mine", "https://api.openai.com/v1", "openai", "inject", "OPENAI_API_KEY"),
        ("mine", "https://openrouter.ai/api/v1", "openrouter", "passive", "OPENROUTER_API_KEY"),
        ("mine", "http://localhost:1", "custom", "passive", None),
    ],
)
def test_a_known_name_or_host_brings_its_manners(
    name: str, url: str, kind: str, stream_usage: str, key_env: str | None
) -> None:
    found = provider_of(name, url)
    assert (found.kind, found.stream_usage, found.key_env) == (kind, stream_usage, key_env)


def test_what_is_said_wins_over_what_is_implied() -> None:
    found = provider_of("openai", "http://x", kind="vllm", stream_usage="inject", key_env="MINE", idle_timeout=None)
    assert (found.kind, found.stream_usage, found.key_env, found.idle_timeout) == ("vllm", "inject", "MINE", 660.0)


def test_nameless_upstreams_are_numbered_and_an_equals_sign_in_a_path_is_no_name() -> None:
    texts = ["http://a", "ollama=http://b", "http://c/x=y", " d = http://d "]
    named = [("upstream", "http://a"), ("ollama", "http://b"), ("upstream3", "http://c/x=y"), ("d", "http://d")]
    assert parse_upstreams(texts) == named


@given(st.text(max_size=50))
def test_a_name_is_a_path_s_first_part_or_refused(name: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        assert repr(name) in str(error)  # noqa: PT017 - either way is right
    else:
        assert name.isascii()
        assert name == name.lower()
        assert not set(name) & set("/?#% ")
        assert name not in RESERVED


def test_no_kind_is_reserved_but_our_own() -> None:
    assert RESERVED & set(KNOWN_KINDS) == {"dashcam"}


@pytest.mark.parametrize(
    ("name", "kept"), [("openai", "keep"), ("azure", "send"), ("ollama", "send"), ("mine", "send")]
)
def test_only_openai_is_spared_metadata_that_is_not_to_be_stored(name: str, kept: str) -> None:
    made = provider_of(name, "http://127.0.0.1:1/v1")
    assert (made.unstored_metadata, made.gateway_headers) == (kept, "keep")
    assert provider_of(name, "http://127.0.0.1:1", unstored_metadata="send").unstored_metadata == "send"
