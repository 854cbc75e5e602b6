"""Where model servers of this machine are looked for."""

from __future__ import annotations

import pytest

from proxy.control.listing import bare_listing
from proxy.control.probing import Place, found_provider, places
from proxy.domain.provider import Provider
from proxy.settings.addresses import ollama_root


@pytest.mark.parametrize(
    ("said", "root"),
    [
        ("", "http://127.0.0.1:11434"),
        ("  ", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("gpu", "http://gpu:11434"),
        ("gpu:8000", "http://gpu:8000"),
        ("http://gpu", "http://gpu:80"),
        ("https://gpu.example", "https://gpu.example:443"),
        ("http://gpu:1/", "http://gpu:1"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:5", "http://[::1]:5"),
        ("[::]:5", "http://[::1]:5"),
        ("'10.0.0.1:3'", "http://10.0.0.1:3"),
        ("gpu:99999", None),
        ("gpu:x", None),
        ("ftp://gpu", None),
        ("u:p@gpu", None),
    ],
)
def test_ollama_is_where_its_variable_says(said: str, root: str | None) -> None:
    assert ollama_root(said) == root


def provider(url: str, **values: object) -> Provider:
    return Provider(name="p", kind="custom", base_url=f"{url}/v1", root_url=url, **values)  # type: ignore[arg-type]


def test_the_usual_ports_are_looked_at() -> None:
    assert [item.root for item in places("", 8484, ())] == [
        "http://127.0.0.1:11434", "http://127.0.0.1:1234", "http://127.0.0.1:8000", "http://127.0.0.1:8080",
    ]  # fmt: skip


def test_our_own_port_and_what_is_a_provider_already_are_not() -> None:
    taken = (provider("http://localhost:1234"), provider("http://127.0.0.1:11434"))
    assert [item.kind for item in places("", 8000, taken)] == ["llamacpp"]


def test_what_was_found_once_is_looked_at_again() -> None:
    assert "ollama" in [item.kind for item in places("", 1, (provider("http://127.0.0.1:11434", source="found"),))]


def test_a_variable_that_means_no_address_is_passed_over() -> None:
    assert [item.kind for item in places("nonsense://", 1, ())] == ["lmstudio", "vllm", "llamacpp"]


def test_a_found_server_is_a_provider_of_its_kind_with_a_name_that_is_free() -> None:
    place, listing = Place("ollama", "http://127.0.0.1:11434"), bare_listing(["llama3"], "library")
    found = found_provider(place, listing, ["openai"])
    assert (found.name, found.kind, found.source, found.models) == ("ollama", "ollama", "found", ("llama3",))
    assert (found.base_url, found.key_env) == ("http://127.0.0.1:11434/v1", None)
    assert found_provider(place, listing, ["ollama"]).name == "ollama-local"
