"""One extractor for credentials; keys are found by their whole digest."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from proxy.domain.access import ProxyKey, key_digest
from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.gateway.authentication import UNAUTHORISED, UNKNOWN_KEY, Caller, KeyIndex
from proxy.gateway.guard import Refusal
from proxy.settings.credentials import digest, key_digests

KEY = "dashcam_proxy_" + "k3Y9" * 10
KEYS = key_digests(KEY)
STORED, OTHER, PEPPER = b"dc_" + b"k3Y9" * 10 + b"abc", b"dc_" + b"k3Y9" * 10 + b"abd", "5e" * 32
ROOT = "http://a.example"
BEARER = b"Bearer "


def identify(
    known: Mapping[bytes, bytes], keys: Mapping[str, str] = {}, target: bytes = b"/v1/models", **values: object
) -> Caller | Refusal:
    """Ask an index of these keys of the environment, and of one of the store."""
    stored = ProxyKey(id="s1", digest=key_digest(STORED, PEPPER), is_peppered=True)
    index = KeyIndex(
        Snapshot(
            revision=1,
            providers=(Provider(name="a", kind="custom", base_url=ROOT, root_url=ROOT),),
            allowed_hosts=(),
            keys=(*(ProxyKey(id=name, digest=text) for text, name in keys.items()), stored),
            key_pepper=PEPPER,
            requires_key=bool(values.get("requires_key", keys)),
        )
    )
    return index.identify(known, target)


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


@pytest.mark.parametrize("requires_key", [False, True])
@pytest.mark.parametrize("place", [b"authorization", b"api-key", b"x-api-key"])
def test_a_key_of_the_store_identifies_whether_or_not_one_is_required(place: bytes, requires_key: bool) -> None:
    told = BEARER if place == b"authorization" else b""
    assert identify({place: told + STORED}, requires_key=requires_key) == Caller("s1", False)
    assert identify({place: told + OTHER}, requires_key=requires_key) is UNKNOWN_KEY


@pytest.mark.parametrize(
    ("known", "target"),
    [
        ({b"authorization": b"Bearer sk-real", b"x-api-key": STORED}, b"/v1/models"),
        ({b"authorization": b"Bearer sk-real", b"x-goog-api-key": STORED}, b"/v1/models"),
        ({}, b"/google/v1beta/models?alt=sse&key=" + STORED),
        ({}, b"/google/v1beta/models?key=%64c%5F" + STORED[3:]),
    ],
)
def test_a_key_of_ours_is_found_wherever_a_provider_would_read_it(known: dict[bytes, bytes], target: bytes) -> None:
    """It identifies its caller, so the client's credentials stay here."""
    assert identify(known, target=target) == Caller("s1", False)


def test_a_digest_without_the_pepper_opens_nothing() -> None:
    assert identify({b"authorization": BEARER + STORED}, {key_digest(b"other"): "k"}) == Caller("s1", False)
    assert identify({b"authorization": BEARER + key_digest(STORED, PEPPER).encode()}, KEYS) is UNAUTHORISED
    assert key_digest(STORED) != key_digest(STORED, PEPPER) != key_digest(STORED, "5f" * 32)


def test_only_a_key_with_terms_brings_them_along() -> None:
    key = ProxyKey(id="s1", digest=key_digest(STORED, PEPPER), is_peppered=True, expires_at=5)
    provider = Provider(name="a", kind="custom", base_url=ROOT, root_url=ROOT)
    index = KeyIndex(Snapshot(revision=1, providers=(provider,), allowed_hosts=(), keys=(key,), key_pepper=PEPPER))
    assert index.identify({b"authorization": BEARER + STORED}) == Caller("s1", False, key)
