"""What a model list may say, and who may be asked for one."""

from __future__ import annotations

import orjson
import pytest

from proxy.control.discovery import MAX_MODELS, is_private, names_of
from proxy.settings.addresses import leads_home


def listed(*names: object) -> bytes:
    return orjson.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


def test_names_are_taken_in_order_and_once() -> None:
    assert names_of(listed("b", "a", "b")) == ("b", "a")


def test_an_empty_list_is_a_list() -> None:
    assert names_of(listed()) == ()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"data": {"id": "a"}}', b"<html>", b'{"data": null}', b"[" * 9999]
)
def test_anything_else_is_none(data: bytes) -> None:
    assert names_of(data) is None


def test_what_is_no_name_is_passed_over() -> None:
    assert names_of(listed("a", 5, None, "", "x" * 201, "b\n", ["c"])) == ("a",)


def test_a_list_has_an_end() -> None:
    names = names_of(listed(*(f"m-{number}" for number in range(MAX_MODELS + 5))))
    assert names is not None
    assert len(names) == MAX_MODELS


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
