"""Host, path and Origin are checked before anything decides on them."""

from __future__ import annotations

import pytest

from proxy.gateway.guard import Guard, check_path

OPEN = Guard(("box.example",), has_keys=False)
KEYED = Guard((), has_keys=True)
PATH = b"/v1/chat/completions"


def code(guard: Guard, target: bytes = PATH, **headers: str) -> str | None:
    known = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    refusal = guard.check(target, known)
    return refusal.code if refusal else None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8484", "127.0.0.1:1", "[::1]:8484", "box.example"])
def test_our_own_names_are_answered(host: str) -> None:
    assert code(OPEN, host=host) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil", "localhost:x", "localhost/", "", "a b", "[::1"]
)
def test_other_names_are_refused(host: str) -> None:
    assert code(OPEN, host=host) == "host_not_allowed"


def test_long_names_and_paths_are_looked_at_and_not_kept() -> None:
    guard = Guard((), has_keys=True)
    for number in range(50):
        assert code(guard, host=f"{number}" + "x" * 5000) == "host_not_allowed"
        assert code(guard, PATH + b"/" + b"x" * 5000 + b"/..", host="localhost") == "invalid_path"
    assert list(guard._seen) == [b"localhost"]


def test_a_missing_host_is_refused() -> None:
    assert code(OPEN) == "invalid_host"


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost.evil.example", "file://", "http://[x", "http://localhost:3000"],
)
def test_foreign_pages_cannot_spend_money_without_keys(origin: str) -> None:
    assert code(OPEN, host="localhost", origin=origin) == "browser_origin_refused"
    assert code(KEYED, host="localhost", origin=origin) is None


def test_a_page_request_without_origin_is_known_by_fetch_metadata() -> None:
    assert code(OPEN, host="localhost", sec_fetch_site="cross-site") == "browser_origin_refused"
    assert code(OPEN, host="localhost", sec_fetch_site="same-origin") is None


def test_our_own_pages_are_welcome() -> None:
    assert code(OPEN, host="localhost:8484", origin="http://localhost:8484") is None
    assert code(OPEN, host="127.0.0.1:8484", origin="https://box.example") is None


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8484", "http://box.example:3000"])
def test_another_port_of_this_machine_is_another_page(origin: str) -> None:
    assert code(OPEN, host="localhost:8484", origin=origin) == "browser_origin_refused"


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/../api",
        b"/v1/%2e%2e/api",
        b"/v1/..%2fapi",
        b"/v1/x%2F..%2F..%2Fapi",
        b"/v1/.%2E/x",
        b"/v1/./x",
        b"/v1//x",
        b"/v1/x\\y",
        b"/v1/x%5Cy",
        b"/v1/%00",
        b"/v1/ x",
        b"/v1/\x7f",
        b"/v1#x",
        b"http://evil.example/v1/x",
        b"*",
        b"",
    ],
)
def test_paths_that_could_climb_or_confuse_are_refused(target: bytes) -> None:
    refusal = check_path(target)
    assert refusal is not None
    assert refusal.code == "invalid_path"


@pytest.mark.parametrize(
    "target", [b"/v1/models/openai%2Fgpt-5", b"/v1/models/a..b", b"/v1/x?u=http://e//../x", b"/v1/x%20y+z%7B?a", b"/"]
)
def test_legitimate_paths_pass(target: bytes) -> None:
    assert check_path(target) is None
