"""A gateway with two stored prompts and a route that carries one, and what is asked of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from proxy.control.prompt_files import PromptFiles
from proxy.domain.prompt import PublishedPrompt, PublishedVersion
from proxy.domain.route import Route, Target
from proxy.prompting.checking import read_version
from proxy.settings.values import LimitSettings, Settings
from tests.support.client import Client, Reply
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream

LIMITS = LimitSettings(drain=1.0, linger_seconds=0.2, header_timeout=1.0, body_idle_timeout=1.0)
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
ONE = {
    "messages": [{"role": "system", "content": "Be {{ tone }}. {% include 'style' %}"}],
    "parameters": {"model": "gpt", "temperature": 0.2},
    "variables": {"tone": {"default": "brief"}, "key": {"required": False, "secret": True}},
}
TWO = {
    **ONE,
    "messages": [{"role": "system", "content": "Version two for {{ name }}."}],
    "variables": {"name": "string"},
}
STYLE = {"messages": [{"role": "system", "content": "No jargon."}]}
TARGET = Target(provider="main", model="gpt-x")
ROUTE = Route(model="summarise", targets=(TARGET,), prompt="short@next", prompt_fallback="short@1")
MESSAGE = {"role": "user", "content": "Hi"}


def published(files: PromptFiles, name: str, *contents: dict[str, Any], **labels: int) -> PublishedPrompt:
    versions = []
    for number, content in enumerate(contents, 1):
        version, problems = read_version(content)
        assert problems == []
        files.write({version.sha256: version.to_mapping()})
        versions.append(PublishedVersion(number=number, sha256=version.sha256, name=f"{number}.0"))
    return PublishedPrompt(name=name, versions=tuple(versions), labels=tuple(labels.items()))


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, upstream: ScriptedUpstream, *, publishes: bool = True, **values: Any
) -> AsyncIterator[tuple[RunningGateway, Client]]:
    settings = Settings(
        data_dir=str(folder), run_dir=str(folder / "run"), limits=LIMITS,
        providers=(provider(upstream.port, **values),), routes=(ROUTE,) if publishes else (),
    )  # fmt: skip
    files = PromptFiles(settings.prompts_dir)
    async with running_gateway(folder, settings) as running, Client(running.port) as client:
        prompts = (published(files, "short", ONE, TWO, production=1, next=2), published(files, "style", STYLE))
        if publishes:
            running.gateway.use(replace(running.gateway.snapshot, prompts=prompts))
        yield running, client


async def ask(client: Client, body: dict[str, Any], path: str = CHAT, **headers: str) -> Reply:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return await client.ask("POST", path, orjson.dumps(body), *lines)


def sent(upstream: ScriptedUpstream) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(upstream.requests[-1].body)
    return found


def error_of(reply: Reply) -> tuple[int, str, str | None]:
    error = orjson.loads(reply.body)["error"]
    return reply.status, error["code"], error["param"]
