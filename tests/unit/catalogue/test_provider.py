"""A provider's document: headers that are its own, and nothing that reads the server's files or secrets."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.catalogue.parsing import parse
from proxy.catalogue.provider import ProviderDocument
from proxy.errors import InvalidError

ACME = {"name": "acme", "kind": "custom", "base_url": "https://acme.example"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x"}, {"x-api-key": "x"}, {"Cookie": "a=b"}, {"Host": "a"}, {"x-dashcam-id": "1"},
        {"Proxy-Connection": "x"}, {"Transfer-Encoding": "chunked"}, {"x-a": "1", "X-A": "2"}, {"x a": "1"},
        {"Ocp-Apim-Subscription-Key": "x"}, {"X_Auth_Token": "x"}, {"x-client-secret": "x"}, {"apikey": "x"},
        {"X-AccessToken": "x"}, {"x-vendor.apikey": "x"}, {"x-bearer": "x"}, {"X-ClientSecret": "x"},
    ],
)  # fmt: skip
def test_headers_carry_no_credentials_and_nothing_of_ours(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidError, match=r"^headers"):
        parse(ProviderDocument, {**ACME, "headers": headers})


@pytest.mark.parametrize("name", ["anthropic-version", "x-title", "x-author", "x-tokens-max", "x-keyboard", "x-team"])
def test_other_headers_may_be_said(name: str) -> None:
    assert parse(ProviderDocument, {**ACME, "headers": {name: "a"}}).headers == {name: "a"}


@pytest.mark.parametrize(
    "name", ["ca_file", "client_cert", "client_key", "key", "key_sealed", "allow_private", "source"]
)
def test_files_and_secrets_are_no_fields(name: str) -> None:
    with pytest.raises(InvalidError, match=f"{name}: is not a field"):
        parse(ProviderDocument, {**ACME, name: "x"})


def test_it_is_found_by_its_name() -> None:
    values: dict[str, Any] = {**ACME, "headers": {"x-team": "a"}, "limits": {"requests_per_minute": 5}}
    assert parse(ProviderDocument, values).key == "acme"
