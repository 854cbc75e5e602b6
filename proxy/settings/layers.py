"""What is said where: shipped defaults ← file ← environment ← flags, read and merged, and not checked yet.

The environment's names are ``DASHCAM_SECTION__KEY``, some have a shorter one. An ``.env`` file fills in what the
environment does not say. A name of ours that sets nothing is a mistake like any other (``mistakes``).
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.errors import ConfigurationError
from proxy.settings import credentials

PREFIX = "DASHCAM_"
ALIASES = {
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "WORKERS": ("server", "workers"),
    "DATA_DIR": ("data_dir",),
    "RUN_DIR": ("run_dir",),
    "DATABASE_URL": ("database", "url"),
}
SECRETS = ("DASHCAM_ADMIN_TOKEN", "DASHCAM_METRICS_TOKEN", "DASHCAM_PROXY_KEYS")
OTHERS = frozenset(
    {"CONFIG", "UPSTREAM", "FIRST_START_KEYS", "FAILPOINTS"}
    | {name.removeprefix(PREFIX) + ending for name in (*SECRETS, credentials.MASTER_KEY) for ending in ("", "_FILE")}
)
_ADDRESS = re.compile(r"\s*\[[0-9A-Fa-f:.]+\]")
"""What begins as a list does and is an address of IPv6."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What was said where, before anything is checked: ``said`` maps a file's path, ``environment`` or ``flag`` to it.

    ``from_env_file`` are the variables that ``env_file`` gave; ``defaults`` is what the shipped file says.
    """

    defaults: dict[str, Any]
    said: dict[str, dict[str, Any]]
    merged: dict[str, Any]
    upstreams: list[str]
    is_upstream_variable: bool
    problems: list[str]
    config: str | None
    env_file: Path | None
    from_env_file: frozenset[str]


def read_layers(
    *,
    defaults: Path,
    config: str | None = None,
    flags: dict[str, Any] | None = None,
    upstreams: list[str] | None = None,
    env_file: str | None = None,
) -> Layers:
    """Read what every place says; ``ConfigurationError`` where a file cannot be read."""
    taken = read_env_file(env_file)
    environment = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    problems: list[str] = []
    path = config or environment.get("DASHCAM_CONFIG")
    shipped = merged = _read_toml(defaults)
    said = {
        **({str(path): _read_toml(Path(path))} if path else {}),
        "environment": _of_environment(environment, shipped, problems),
        "flag": flags or {},
    }
    for origin, layer in said.items():
        merged = _merge(merged, layer, problems, origin)
    used = Path(env_file or ".env") if taken is not None else None
    asked = upstreams or environment.get("DASHCAM_UPSTREAM", "").replace(",", " ").split()
    return Layers(shipped, said, merged, asked, not upstreams, problems, path, used, taken or frozenset())


def read_env_file(path: str | None) -> frozenset[str] | None:
    """Take variables from a file (``.env`` when it is there); what the environment already says wins.

    Returns the names that were taken, None where there is no file.
    """
    from dotenv import dotenv_values

    chosen = Path(path) if path else Path(".env")
    if not chosen.is_file():
        if path:
            raise ConfigurationError(f"--env-file: {path} does not exist")
        return None
    # A setting may be said under another name (DASHCAM_PORT, DASHCAM_SERVER__PORT), a secret may be in a file.
    said = {place for name, value in os.environ.items() if value for place in (_place_of(name), (f"{name}_FILE",))}
    taken = set()
    try:
        for name, value in dotenv_values(chosen).items():
            if value is not None and _place_of(name) not in said and name not in os.environ:
                os.environ[name] = value
                taken.add(name)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{chosen}: cannot be read: {error}") from error
    return frozenset(taken)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        # Not only TOML's own mistakes: whole numbers of thousands of digits, and brackets in brackets without end.
        raise ConfigurationError(f"{path}: is no valid TOML: {error}") from error


def _place_of(name: str) -> tuple[str, ...]:
    """Return the keys that a variable sets; one that sets none is known by its own name."""
    rest = name.removeprefix(PREFIX)
    if rest == name or (rest not in ALIASES and "__" not in rest):
        return (name,)
    return ALIASES.get(rest) or tuple(part.lower() for part in rest.split("__"))


def _of_environment(environment: dict[str, str], shipped: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in sorted(environment.items()):
        if name.removeprefix(PREFIX) in OTHERS or value == "":
            continue
        keys = _place_of(name)
        if keys == (name,):
            problems.append(f"environment: {name} is not a setting; sections are written DASHCAM_SECTION__KEY")
            continue
        nested = _value_of(name, value, _at(shipped, keys), problems)
        for key in reversed(keys):
            nested = {key: nested}
        found = _merge(found, nested, problems, "environment")
    return found


def _at(layer: Any, keys: tuple[str, ...]) -> Any:
    """Return what a layer says at some keys, None for nothing."""
    for key in keys:
        layer = layer.get(key) if isinstance(layer, dict) else None
    return layer


def _value_of(name: str, text: str, usual: object, problems: list[str]) -> Any:
    """Return what a variable says: its text, but for a list that is written as JSON; None for one that is none."""
    if not isinstance(usual, list) or not text.lstrip().startswith("[") or _ADDRESS.match(text):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)
        told = f'is no JSON list ({reason}); write {name}=\'["one", "two"]\', or {name}=one,two'
        problems.append(f"environment: {name} {told} (given: {text[:60]!r})")
        return None


def _merge(base: dict[str, Any], new: dict[str, Any], problems: list[str], origin: str) -> dict[str, Any]:
    merged = dict(base)
    for name, value in new.items():
        if isinstance(merged.get(name), dict) and not isinstance(value, dict):
            problems.append(f"{origin}: {name} is a section, not a value")
        elif isinstance(merged.get(name), dict):
            merged[name] = _merge(merged[name], value, problems, origin)
        elif value is not None:
            merged[name] = value
    return merged
