"""How much is kept of a call: of all, by its route, its key, its caller. The least counts, with one exception."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.access import ProxyKey, key_digest
from proxy.domain.route import Route, Target
from proxy.settings.values import RecordingSettings, Settings
from tests.integration.gateway.conftest import LIMITS
from tests.support.client import Client
from tests.support.gateway import provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.waiting import wait_until_async

SAID = (None, "full", "meta", "none")
USUAL = ("full", "meta", "none")
ORDER = ("full", "meta", "none")
KEYS = {said: f"the-key-of-somebody-who-keeps-{said}" for said in SAID}


def expected(usual: str, route: str | None, key: str | None, call: str | None) -> str:
    """The documented rule: what a route says takes the place of what is usual; the least of all counts."""
    said = [item for item in (usual if route is None else route, key, call) if item is not None]
    return max(said, key=ORDER.index)


@pytest.mark.parametrize("usual", USUAL)
async def test_the_least_that_anybody_says_is_kept(tmp_path: Path, upstream: ScriptedUpstream, usual: str) -> None:
    routes = tuple(Route(model=f"route-{said}", targets=(Target(provider="main"),), recording=said) for said in SAID)
    settings = Settings(
        data_dir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        limits=LIMITS,
        recording=RecordingSettings(depth=usual),
        providers=(provider(upstream.port),),
        routes=routes,
        proxy_keys={key_digest(text.encode()): f"key-{said}" for said, text in KEYS.items()},
    )
    async with running_gateway(tmp_path, settings) as proxy, Client(proxy.port) as client:
        keys = tuple(
            ProxyKey(id=f"key-{said}", digest=key_digest(text.encode()), recording=said) for said, text in KEYS.items()
        )
        proxy.gateway.use(replace(proxy.gateway.snapshot, keys=keys))
        wanted: dict[str, str] = {}
        for route, key, call in itertools.product(SAID, SAID, SAID):
            name = f"{route}/{key}/{call}"
            wanted[name] = expected(usual, route, key, call)
            headers = [f"Authorization: Bearer {KEYS[key]}", f"x-dashcam-user: {name}", "x-dashcam-verbose: 1"]
            headers += [] if call is None else [f"x-dashcam-record: {call}"]
            body = json.dumps({"model": f"route-{route}", "messages": []}).encode()
            reply = await client.ask("POST", "/v1/chat/completions", body, *headers)
            assert reply.status == 200
            assert reply.headers("x-dashcam-record") == [wanted[name]], name
        calls = proxy.calls()
        await wait_until_async(lambda: all(call.end is not None for call in proxy.calls()), "all have ended")
        kept = {dict(call.start.request_headers)["x-dashcam-user"]: call.start.content for call in calls}
        words = {"full": "stored", "meta": "off"}
        assert kept == {name: words[depth] for name, depth in wanted.items() if depth != "none"}


@pytest.mark.parametrize(
    ("bodies", "depth", "found"), [(True, "full", "full"), (False, "full", "meta"), (False, "none", "none")]
)
def test_what_is_usual_is_the_less_of_two_settings(bodies: bool, depth: str, found: str) -> None:
    assert RecordingSettings(bodies=bodies, depth=depth).usual == found


async def test_where_nothing_is_kept_a_refused_call_is_only_counted(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    settings = Settings(
        data_dir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        limits=LIMITS,
        recording=RecordingSettings(depth="none"),
        providers=(provider(upstream.port),),
    )
    async with running_gateway(tmp_path, settings) as proxy, Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}", "x-dashcam-provider: nobody")
        assert reply.status == 400
        assert proxy.calls() == []
        assert proxy.page.get(proxy.page.ACCEPTED) == proxy.page.get(proxy.page.DROPPED_POLICY) == 1
