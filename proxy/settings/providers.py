"""Which providers there are: what flags and the file name; where they name none, what the environment implies.

What is wrong with them is told as texts, with all other mistakes of the settings (``loading``).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from proxy.domain.provider import Provider
from proxy.settings import presets
from proxy.settings.access import leads_home
from proxy.settings.addresses import parse_upstreams, provider_of
from proxy.settings.schema import SettingsFile


def providers_of(checked: SettingsFile | None, upstreams: list[str], problems: list[str]) -> tuple[Provider, ...]:
    """Return what the flags and the file name; where they name nothing, what the environment implies."""
    found: dict[str, Provider] = {}
    wanted: list[tuple[str, str, dict[str, Any]]] = [(name, url, {}) for name, url in parse_upstreams(upstreams)]
    for name, item in (checked.providers if checked else {}).items():
        given = item.model_dump(exclude={"url"}, exclude_none=True)
        given["headers"] = tuple((item.headers or {}).items())
        if url := item.url or presets.usual_address(item.kind or name):
            wanted.append((name, url, given))
    if not wanted:
        wanted = _implied(checked.server.port if checked else presets.DEFAULT_PORT)
    for name, url, given in wanted:
        try:
            if name in found:
                raise ValueError("this name is used twice")
            found[name] = provider_of(name, url, **given)
        except ValueError as error:
            variable = presets.PRESETS[name].url_env if given.get("source") == "environment" else None
            problems.append(f"environment: {variable}: {error}" if variable else f"providers.{name}: {error}")
    return tuple(found.values())


def _implied(port: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what the environment implies. At an address of the user's own, ``openai`` need not be OpenAI."""
    found = []
    for name, url in presets.present(port):
        given: dict[str, Any] = {"source": "environment"}
        if name == "openai":
            host = urlsplit(url).hostname if "://" in url else None
            given |= {"kind": presets.kind_of("", host or ""), "key_env": "OPENAI_API_KEY"}
        found.append((name, url, given))
    return found


def without_address(merged: dict[str, Any]) -> list[tuple[tuple[int | str, ...], str]]:
    """Return the providers without an address whose kind has none either, each with its place."""
    told = "is missing; only a kind with an address of its own needs none"
    tables = merged.get("providers")
    return [
        (("providers", name), f"providers.{name}.url: {told}")
        for name, item in (tables if isinstance(tables, dict) else {}).items()
        if isinstance(item, dict) and "url" not in item and not presets.usual_address(str(item.get("kind") or name))
    ]


def circles_of(providers: tuple[Provider, ...], port: int, names: list[str]) -> list[str]:
    """Return a mistake for each provider whose address is our own: every call would come back to us."""
    return [
        f"providers.{item.name}: {item.base_url} is this Dashcam's own address; say where the provider listens, or "
        "choose another port for Dashcam with --port"
        for item in providers
        if leads_home(item.base_url, port, names)
    ]
