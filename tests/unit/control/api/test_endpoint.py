"""An endpoint among others: what takes long leaves room for the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request

from proxy.catalogue.access import Scope
from proxy.control.api.endpoint import Ask, Endpoint, Reply, route_of
from proxy.control.api.table import ENDPOINTS
from proxy.control.desk import Actor, Desk
from proxy.settings.values import Settings

SETTINGS = Settings(data_dir="data", run_dir="run")


class _Open:
    def enter(self, _request: Request, _scope: Scope) -> Actor:
        return Actor(name="kim")


def no_desk() -> Desk:
    return None  # type: ignore[return-value]


async def test_what_takes_long_leaves_threads_to_the_others() -> None:
    entered: list[str] = []
    release = threading.Event()

    def slow(_ask: Ask) -> Reply:
        entered.append("slow")
        release.wait(10)
        return Reply(body={})

    def quick(_ask: Ask) -> Reply:
        return Reply(body={"entered": len(entered)})

    usual = {"method": "GET", "scope": "read", "summary": "x"}
    rows = [
        Endpoint(path="slow", handle=slow, takes_long=True, **usual),  # type: ignore[arg-type]
        Endpoint(path="quick", handle=quick, **usual),  # type: ignore[arg-type]
    ]
    room = asyncio.Semaphore(2)
    app = Starlette(routes=[route_of(row, _Open(), no_desk, SETTINGS, room) for row in rows])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://dashcam") as client:
        # More than there are threads for all of them.
        waiting = [asyncio.ensure_future(client.get("/api/v1/slow")) for _ in range(40)]
        while len(entered) < 2:
            await asyncio.wait(waiting, timeout=0.01)
        assert (await client.get("/api/v1/quick")).json() == {"entered": 2}
        release.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}


async def test_of_what_waits_for_room_the_body_is_not_read() -> None:
    """Parsed it takes several times its length, for as long as it waits."""
    entered: list[str] = []
    read: list[int] = []
    release = threading.Event()

    def slow(_ask: Ask) -> Reply:
        entered.append("slow")
        release.wait(10)
        return Reply(body={})

    async def body(number: int) -> AsyncIterator[bytes]:
        read.append(number)
        yield b"{}"

    row = Endpoint(
        method="POST", path="large", scope="write", summary="x", handle=slow, takes_long=True, takes_object=True
    )
    app = Starlette(routes=[route_of(row, _Open(), no_desk, SETTINGS, asyncio.Semaphore(2))])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://dashcam") as client:
        kind = {"content-type": "application/json"}
        asked = [client.post("/api/v1/large", content=body(number), headers=kind) for number in range(20)]
        waiting = [asyncio.ensure_future(ask) for ask in asked]
        while len(entered) < 2:
            await asyncio.wait(waiting, timeout=0.01)
        await asyncio.wait(waiting, timeout=0.01)
        assert len(read) == 2
        release.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
    assert len(read) == 20


def test_whoever_is_asked_outside_may_take_long() -> None:
    outside = {"providers/{name}/test", "providers/{name}/models/sync", "prices/refresh"}
    assert outside <= {item.path for item in ENDPOINTS if item.takes_long}
