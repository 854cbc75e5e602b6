"""A sealed provider key opens with its master key, for its provider and its address, and in no other way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.provider_secret import SecretError, master_of, origin_of, seal, unseal

MASTER = b"m" * 32
URL = "https://api.acme.example/v1"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_what_is_sealed_is_opened(key: str) -> None:
    sealed = seal(key, "acme", URL, MASTER)
    assert unseal(sealed, "acme", URL, [b"x" * 32, MASTER]) == key
    assert key not in sealed or len(key) < 4


def test_each_sealing_is_another_text() -> None:
    assert seal("k", "acme", URL, MASTER) != seal("k", "acme", URL, MASTER)


@pytest.mark.parametrize(
    ("provider", "url"),
    [("acme2", URL), ("acme", "https://evil.example/v1"), ("acme", "http://api.acme.example/v1"),
     ("acme", "https://api.acme.example:8443/v1")],
)  # fmt: skip
def test_it_is_bound_to_provider_scheme_host_and_port(provider: str, url: str) -> None:
    with pytest.raises(SecretError, match="another provider or address"):
        unseal(seal("k", "acme", URL, MASTER), provider, url, [MASTER])


def test_the_path_of_an_address_may_change() -> None:
    assert unseal(seal("k", "acme", URL, MASTER), "acme", "https://api.acme.example:443/v2", [MASTER]) == "k"
    assert origin_of(URL) == "https://api.acme.example:443"


def test_a_missing_master_key_is_named() -> None:
    sealed = seal("k", "acme", URL, MASTER)
    with pytest.raises(SecretError, match=master_of(sealed)) as caught:
        unseal(sealed, "acme", URL, [])
    assert "DASHCAM_MASTER_KEY" in (caught.value.hint or "")


@pytest.mark.parametrize("sealed", ["", "v1", "v1.ab.", "v1.ab.###", "v2.ab.AAAA", "v1.ab.AAAA"])
def test_what_is_no_sealed_key_says_so(sealed: str) -> None:
    with pytest.raises(SecretError, match="damaged"):
        unseal(sealed, "acme", URL, [MASTER])
