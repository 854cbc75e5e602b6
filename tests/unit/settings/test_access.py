"""Loopback is open; anything wider needs a token, keys and names, and the refusal says how."""

from __future__ import annotations

import pytest

from proxy.settings.access import is_loopback, is_private, leads_home, problems_of

TOKEN = "t0ken-of-the-operator-9182736450-xyz"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_loopback_needs_nothing(host: str) -> None:
    assert is_loopback(host)
    assert problems_of(host, False, None, None) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "box.example", "localhost.example"])
def test_anything_else_needs_all_three(host: str) -> None:
    assert not is_loopback(host)
    assert problems_of(host, True, TOKEN, TOKEN) == []
    for has_hosts, token, keys in ((False, TOKEN, TOKEN), (True, None, TOKEN), (True, TOKEN, None)):
        (told,) = problems_of(host, has_hosts, token, keys)
        assert told.count("export ") == 1


@pytest.mark.parametrize(("token", "why"), [("tiny-one", "shorter"), ("password" * 5, "easy"), ("ab" * 20, "easy")])
def test_a_weak_token_is_told_without_its_words(token: str, why: str) -> None:
    told = problems_of("127.0.0.1", True, token, f"{TOKEN} {token}")
    assert [why in line for line in told] == [True, True]
    assert token not in "".join(told)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "10.1.2.3", "::1", "fd00::1", "ollama", "gpu.local"])
def test_a_private_host_may_be_asked(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize("host", ["api.openai.com", "8.8.8.8", "2606:4700::1111", "local.example.com"])
def test_a_public_host_may_not(host: str) -> None:
    assert not is_private(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_we_do_not_ask_ourselves(host: str) -> None:
    assert leads_home(f"http://{host}:8484/v1", 8484)
    assert not leads_home(f"http://{host}:8485/v1", 8484)
    assert not leads_home("http://other.lan:8484/v1", 8484)
