"""Loopback is open; anything wider needs a token, keys and names, and the refusal says how."""

from __future__ import annotations

import pytest

from proxy.settings.access import is_loopback, problems_of

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
