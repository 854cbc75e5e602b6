"""Who may ask for figures, and that an endpoint says who may."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from proxy.catalogue.access import TokenDocument
from proxy.control.access import is_protected, public
from proxy.control.doorkeeper import Doorkeeper
from proxy.control.logins import Logins

TOKEN = "dashcam_adm_" + "k3v9" * 8
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()


async def answer(_request: Request) -> Response:
    return PlainTextResponse("the secret")


def door(
    admin_sha256: str | None,
    *,
    requires_token: bool = False,
    tokens: Mapping[str, TokenDocument] = MappingProxyType({}),
) -> Doorkeeper:
    logins = Logins(lambda *_deeds: None)
    return Doorkeeper(lambda: admin_sha256, lambda: tokens, logins, requires_token=requires_token)


async def status(token_sha256: str | None, *, requires_token: bool = False, **headers: str) -> int:
    sent = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": sent})
    return (await door(token_sha256, requires_token=requires_token).guarded(answer)(request)).status_code


@pytest.mark.parametrize("peer", ["127.0.0.1:5000;http;public", "::1:5000;http;public", "127.9.9.9:1;http;x"])
async def test_without_a_token_loopback_may_ask(peer: str) -> None:
    assert await status(None, x_dashcam_peer=peer) == 200


@pytest.mark.parametrize(
    "peer", ["", "10.0.0.1:5000;http;public", "unix;http;public", "localhost:1;http;x", "127.0.0.1", ";127.0.0.1:1"]
)
async def test_without_a_token_nobody_else_may_ask(peer: str) -> None:
    assert await status(None, x_dashcam_peer=peer) == 403


async def test_where_a_token_is_required_loopback_may_not_ask_without_one() -> None:
    peer = "127.0.0.1:5000;http;public"
    assert await status(None, requires_token=True, x_dashcam_peer=peer) == 401
    assert await status(DIGEST, requires_token=True, x_dashcam_peer=peer, authorization=f"Bearer {TOKEN}") == 200


async def test_who_holds_the_token_may_ask_from_anywhere() -> None:
    assert await status(DIGEST, authorization=f"Bearer {TOKEN}", x_dashcam_peer="10.0.0.1:1;http;public") == 200
    assert await status(DIGEST, authorization=f"bearer  {TOKEN} ") == 200


@pytest.mark.parametrize("admin", [DIGEST, None])
async def test_a_narrow_token_opens_its_own_endpoint_and_no_other(admin: str | None) -> None:
    narrow = "dashcam_met_" + "p7q2" * 8

    async def asked(token: str) -> int:
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"x-dashcam-peer", b"127.0.0.1:1;http;public")]
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers})
        endpoint = door(admin).guarded(answer, lambda: hashlib.sha256(narrow.encode()).hexdigest())
        return (await endpoint(request)).status_code

    assert await asked(narrow) == 200
    assert await asked(TOKEN) == (200 if admin else 401)
    assert await asked("") == 401
    assert await status(DIGEST, authorization=f"Bearer {narrow}") == 401


async def test_a_stored_token_that_may_read_opens_figures_wherever_one_is_needed() -> None:
    stored = TokenDocument(
        id="dct_1", last4="abcd", scope="read", created_at=datetime(2026, 1, 1, tzinfo=UTC), created_by=""
    )
    text = "dashcam_adm_" + "r5t7" * 8
    tokens = {hashlib.sha256(text.encode()).hexdigest(): stored}

    async def asked(token: str, peer: bytes, admin: str | None, narrow: str | None = None) -> int:
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"x-dashcam-peer", peer)]
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers})
        return (await door(admin, tokens=tokens).guarded(answer, lambda: narrow)(request)).status_code

    assert await asked(text, b"10.0.0.1:1;http;public", None) == 200
    assert await asked(text, b"10.0.0.1:1;http;public", DIGEST) == 200
    assert await asked(text, b"127.0.0.1:1;http;public", None, "0" * 64) == 200
    assert await asked("x" * 40, b"127.0.0.1:1;http;public", DIGEST) == 401
    assert await asked("", b"127.0.0.1:1;http;public", None) == 200


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", "Bearer \xff", f"Bearer {TOKEN}x", DIGEST]
)
async def test_nothing_else_counts_once_there_is_a_token(given: str) -> None:
    assert await status(DIGEST, authorization=given, x_dashcam_peer="127.0.0.1:1;http;public") == 401


def test_an_endpoint_says_who_may_ask_or_is_none() -> None:
    assert not is_protected(answer)
    assert is_protected(door(None).guarded(answer))

    async def open_to_all(_request: Request) -> Response:
        return PlainTextResponse("hello")

    assert is_protected(public(open_to_all))
