"""Control asks no address that it may not: a name is judged by what it resolves to, when it is connected to."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from proxy.control.fetching import Manners, ask, fetch, judged
from tests.support.model_server import listed, serving


@pytest.fixture
def turned_inward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name resolve to this machine, as a name server may do from one moment to the next."""

    async def inward(_loop: object, _host: str, port: int, **_more: object) -> list[Any]:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", inward)


@pytest.mark.usefixtures("turned_inward")
async def test_a_name_that_turns_inward_gets_no_key() -> None:
    manners = Manners([(b"authorization", b"Bearer canary")], allow_private=False)
    with serving({"/v1/models": listed("m", owner="o")}) as server:
        url = f"http://public.example:{server.root.rpartition(':')[2]}/v1/models"
        assert await fetch(url, manners) is None
        assert server.credentials == []
        assert await fetch(url, Manners()) is not None


async def test_who_leads_elsewhere_is_not_followed() -> None:
    with (
        serving({"/v1/models": listed("m", owner="o")}) as there,
        serving({"/v1/models": f"{there.root}/v1/models"}) as here,
    ):
        answer = await ask(f"{here.root}/v1/models", Manners([(b"authorization", b"Bearer canary")]))
        assert (answer.status, answer.data) == (302, b"")
        assert (len(here.asked), there.asked) == (1, [])


@pytest.mark.usefixtures("turned_inward")
async def test_a_proxy_whose_name_turns_inward_is_not_asked() -> None:
    with serving({"/v1/models": listed("m", owner="o")}) as server:
        proxy = httpx2.Proxy(f"http://proxy.example:{server.root.rpartition(':')[2]}")
        url = "http://public.example/v1/models"
        headers = [(b"authorization", b"Bearer canary")]
        answer = await ask(url, Manners(headers, proxy=proxy, allow_private_proxy=False))
        assert answer.failure == "not_allowed"
        assert server.credentials == []
        await ask(url, Manners(headers, proxy=proxy))
        assert server.credentials == ["Bearer canary"]


@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "64:ff9b::1"])
async def test_some_addresses_are_asked_for_nobody(host: str) -> None:
    with pytest.raises(OSError, match="may be connected to"):
        await judged(host, 80, allow_private=True)


async def test_what_is_everybody_s_may_be_asked() -> None:
    assert await judged("93.184.216.34", 443, allow_private=False) == "93.184.216.34"
    with pytest.raises(OSError, match="may be connected to"):
        await judged("10.0.0.1", 443, allow_private=False)
