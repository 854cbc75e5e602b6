"""From a provider to where its connections go."""

from __future__ import annotations

import pytest

from proxy.domain.provider import Provider
from proxy.upstream.origins import Origin, origin_of


def provider(url: str, **values: object) -> Provider:
    return Provider(name="p", kind="custom", base_url=url, root_url=url, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "host", "text"),
    [
        ("https://api.openai.com/v1", b"api.openai.com", "https://api.openai.com:443"),
        ("https://api.openai.com:8443/v1", b"api.openai.com:8443", "https://api.openai.com:8443"),
        ("http://localhost:11434", b"localhost:11434", "http://localhost:11434"),
        ("http://models/v1", b"models", "http://models:80"),
        ("http://models:443/v1", b"models:443", "http://models:443"),
        ("http://[::1]:8000/v1", b"[::1]:8000", "http://[::1]:8000"),
        ("https://bücher.example/v1", b"xn--bcher-kva.example", "https://bücher.example:443"),
    ],
)
def test_host_header_and_name(url: str, host: bytes, text: str) -> None:
    origin = origin_of(provider(url))
    assert (origin.host_header, str(origin)) == (host, text)


def test_what_makes_connections_differ_is_part_of_it() -> None:
    url = "https://one.example/v1"
    variants: list[dict[str, object]] = [
        {},
        {"ca_file": "a"},
        {"client_cert": "c", "client_key": "k"},
        {"allow_private": False},
    ]
    assert len({origin_of(provider(url, **values)) for values in variants}) == len(variants)
    assert origin_of(provider(url)) == origin_of(provider(url + "/other"))


def test_a_unix_socket_is_named_by_its_path() -> None:
    assert str(Origin(host="control", port=80, unix_path="/run/s")) == "/run/s"
