"""What is known of each kind of provider, so that a key or an address is all that must be said.

A kind's usual address, the variables that its key usually stands in, its hosts, and where below its root the
OpenAI-compatible API lies. A provider of the public ones whose key variable is set is there without configuration
(``present``), and ``openai`` always is, since clients bring its key themselves. How a kind wants its key is in
``domain.provider.key_header``; which kinds are asked for usage, and which cost nothing, is there too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.domain.provider import KNOWN_KINDS
from proxy.settings.access import leads_home

DEFAULT_PORT = 8484


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One kind. ``url`` is None where everybody has an address of their own, then ``url_env`` names its variable.

    ``keys`` are the names its key usually has, the first one preferred; ``is_keyed``: it is of no use without. ``path``
    is where the OpenAI-compatible API lies; ``is_below_root``: other APIs lie beside all of it, not beside ``/v1``.
    """

    url: str | None
    keys: tuple[str, ...] = ()
    is_keyed: bool = True
    hosts: tuple[str, ...] = ()
    path: str = "/v1"
    is_below_root: bool = False
    url_env: str | None = None


PRESETS: Mapping[str, Preset] = {
    "openai": Preset(
        url="https://api.openai.com/v1",
        keys=("OPENAI_API_KEY",),
        hosts=("api.openai.com", ".api.openai.com"),
        url_env="OPENAI_BASE_URL",
    ),
    "anthropic": Preset(url="https://api.anthropic.com/v1", keys=("ANTHROPIC_API_KEY",), hosts=("api.anthropic.com",)),
    "google": Preset(
        url="https://generativelanguage.googleapis.com/v1beta/openai",
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        hosts=("generativelanguage.googleapis.com",),
        path="/v1beta/openai",
        is_below_root=True,
    ),
    "openrouter": Preset(
        url="https://openrouter.ai/api/v1", keys=("OPENROUTER_API_KEY",), hosts=("openrouter.ai",), path="/api/v1"
    ),
    "azure": Preset(
        url=None,
        keys=("AZURE_OPENAI_API_KEY",),
        hosts=(".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
        path="/openai/v1",
        is_below_root=True,
        url_env="AZURE_OPENAI_ENDPOINT",
    ),
    "groq": Preset(
        url="https://api.groq.com/openai/v1", keys=("GROQ_API_KEY",), hosts=("api.groq.com",), path="/openai/v1"
    ),
    "mistral": Preset(url="https://api.mistral.ai/v1", keys=("MISTRAL_API_KEY",), hosts=("api.mistral.ai",)),
    "deepseek": Preset(url="https://api.deepseek.com/v1", keys=("DEEPSEEK_API_KEY",), hosts=("api.deepseek.com",)),
    "xai": Preset(url="https://api.x.ai/v1", keys=("XAI_API_KEY",), hosts=("api.x.ai",)),
    "vllm": Preset(url="http://127.0.0.1:8000/v1", keys=("VLLM_API_KEY",), is_keyed=False),
    "llamacpp": Preset(url="http://127.0.0.1:8080/v1", keys=("LLAMA_API_KEY",), is_keyed=False),
    "lmstudio": Preset(url="http://127.0.0.1:1234/v1", is_keyed=False),
    "ollama": Preset(url="http://127.0.0.1:11434/v1", is_keyed=False),
}

FINDABLE = ("ollama", "lmstudio", "vllm", "llamacpp")
"""Kinds whose servers are looked for on this machine."""


def usual_address(name: str) -> str | None:
    """Return where a kind of this name usually is, or where its variable says; None when nobody knows."""
    preset = PRESETS.get(name)
    if preset is None:
        return None
    return preset.url or (os.environ.get(preset.url_env, "").strip() or None if preset.url_env else None)


def kind_of(name: str, host: str) -> str:
    """Return the kind that a name or a well-known host implies; ``custom`` when neither does."""
    if name in KNOWN_KINDS:
        return name
    return next((kind for kind in PRESETS if is_host_of(kind, host)), "custom")


def is_host_of(kind: str, host: str) -> bool:
    """Return True for a host that belongs to this kind."""
    hosts = PRESETS[kind].hosts if kind in PRESETS else ()
    return any(host == item or (item[0] == "." and host.endswith(item)) for item in hosts)


def paths_of(kind: str, host: str) -> tuple[str, str]:
    """Return (path of the OpenAI-compatible API where an address names none, what of it is not the root's).

    The kind's own path is meant at its own hosts only: whoever stands in for it elsewhere has ``/v1``.
    """
    preset = PRESETS.get(kind)
    if preset is None or not (preset.url is None or is_host_of(kind, host)):
        return "/v1", "/v1"
    return preset.path, preset.path if preset.is_below_root else "/v1"


def key_variable(kind: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the variable that holds the key of this kind: the one that is set, else its usual name if it needs one."""
    values = os.environ if environment is None else environment
    preset = PRESETS.get(kind)
    if preset is None:
        return None
    usual = preset.keys[0] if preset.is_keyed else None
    return next((name for name in preset.keys if is_set(name, values)), usual)


def is_usual_variable(name: str, kind: str, url: str) -> bool:
    """Return True for a variable that holds a kind's key, when the address is the kind's own and nobody else's."""
    preset, parts = PRESETS.get(kind), urlsplit(url.strip())
    return preset is not None and name in preset.keys and parts.scheme == "https" and parts.hostname in preset.hosts


def is_set(name: str, environment: Mapping[str, str]) -> bool:
    """Return True when a secret of this name is set, itself or as a file."""
    return bool(environment.get(name, "").strip() or environment.get(f"{name}_FILE"))


def present(port: int, environment: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return (kind, address) of what is there without configuration, ``openai`` first; ``port`` is our own."""
    values = os.environ if environment is None else environment
    found = [("openai", own_openai_address(port, values) or usual_address("openai") or "")]
    for kind, preset in PRESETS.items():
        if kind == "openai" or not preset.is_keyed or not any(is_set(name, values) for name in preset.keys):
            continue
        address = values.get(preset.url_env, "").strip() if preset.url_env else preset.url
        if address:
            found.append((kind, address))
    return found


def own_openai_address(port: int, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the server's own ``OPENAI_BASE_URL``; None when there is none, or when it is meant for our clients."""
    values = os.environ if environment is None else environment
    address = values.get("OPENAI_BASE_URL", "").strip()
    return address if address and not is_for_clients(address, port) else None


def is_for_clients(address: str, port: int) -> bool:
    """Return True for an address of ours: following it, we would call ourselves. Our default port is ours always."""
    try:
        return leads_home(address, port) or leads_home(address, DEFAULT_PORT)
    except ValueError:
        return False


def ollama_host() -> str:
    """Return what ``OLLAMA_HOST`` says, empty when nothing."""
    return os.environ.get("OLLAMA_HOST", "")
