"""One extractor for credentials; keys are found by their whole digest."""

from __future__ import annotations

import pytest

from proxy.gateway.authentication import UNAUTHORISED, Caller, identify
from proxy.settings.credentials import digest, key_digests

KEY = "dashcam_proxy_" + "k3Y9" * 10
KEYS = key_digests(KEY)


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": f"Bearer {KEY}".encode()},
        {b"authorization": f"bearer  {KEY} ".encode()},
        {b"api-key": KEY.encode()},
        {b"x-api-key": KEY.encode()},
    ],
)
def test_a_key_is_known_in_each_form(headers: dict[bytes, bytes]) -> None:
    assert identify(headers, KEYS) == Caller(digest(KEY)[:8], False)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b""},
        {b"authorization": b"Bearer "},
        {b"authorization": f"Bearer {KEY[:-1]}".encode()},
        {b"authorization": f"Bearer {KEY}x".encode()},
        {b"authorization": b"Bearer ' OR 1=1 --"},
        {b"authorization": b"Bearer \xff\xfe"},
        {b"authorization": b"Bearer wrong", b"api-key": KEY.encode()},
        {b"authorization": b"Bearer " + b"x" * 10_000},
    ],
)
def test_everything_else_is_refused_alike(headers: dict[bytes, bytes]) -> None:
    assert identify(headers, KEYS) is UNAUTHORISED


@pytest.mark.parametrize("token", [b"", b"x", b"sk-dummy", b"DUMMY", b"ollama"])
def test_a_placeholder_is_no_key_of_the_client(token: bytes) -> None:
    assert identify({b"authorization": b"Bearer " + token}, {}) == Caller(None, False)


def test_without_proxy_keys_a_real_key_is_the_providers_business() -> None:
    assert identify({b"authorization": b"Bearer sk-real-key"}, {}) == Caller(None, True)
