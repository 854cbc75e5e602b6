"""Where settings come from: shipped defaults ← file ← environment ← flags; all mistakes are told at once.

pydantic checks; what leaves here is plain frozen values. Unknown keys are mistakes, also in the environment's
``DASHCAM_SECTION__KEY``. For the command line only: the child processes get the result as JSON.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError
from proxy.settings import access, credentials, values
from proxy.settings.addresses import parse_upstreams, provider_of
from proxy.settings.schema import SettingsFile

PREFIX = "DASHCAM_"
ALIASES = {
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "WORKERS": ("server", "workers"),
    "DATA_DIR": ("data_dir",),
    "RUN_DIR": ("run_dir",),
}
OTHERS = frozenset({"CONFIG", "UPSTREAM", "ADMIN_TOKEN", "ADMIN_TOKEN_FILE", "PROXY_KEYS", "PROXY_KEYS_FILE"})
_SOCKET_ROOM = 90
_NOT_SHOWN = frozenset({"headers", "url", "key_env"})
_IS_SECTION = frozenset({"model_type", "dict_type"})


def load(
    *,
    defaults: Path,
    config: str | None = None,
    flags: dict[str, Any] | None = None,
    upstreams: list[str] | None = None,
    env_file: str | None = None,
) -> values.Settings:
    """Return the settings; ``ConfigurationError`` holds every mistake with its file and key.

    ``defaults`` is the shipped ``dashcam.toml``.
    """
    read_env_file(env_file)
    environment = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    problems: list[str] = []
    path = config or environment.get("DASHCAM_CONFIG")
    layers = {
        **({str(path): _read_toml(Path(path))} if path else {}),
        "environment": _of_environment(environment, problems),
        "flag": flags or {},
    }
    merged = _read_toml(defaults)
    for origin, layer in layers.items():
        merged = _merge(merged, layer, problems, origin)
    checked = _check(merged, problems, layers)
    upstreams = upstreams or environment.get("DASHCAM_UPSTREAM", "").replace(",", " ").split()
    providers = _providers(checked, upstreams, problems)
    admin_token, proxy_keys = _secret("DASHCAM_ADMIN_TOKEN", problems), _secret("DASHCAM_PROXY_KEYS", problems)
    host = str(merged["server"].get("host"))
    allowed = checked.server.allowed_hosts if checked else merged["server"].get("allowed_hosts")
    problems += access.problems_of(host, bool(allowed), admin_token, proxy_keys)
    if problems or checked is None:
        raise ConfigurationError(problems)
    return _settings(checked, providers, admin_token, proxy_keys)


def read_env_file(path: str | None) -> None:
    """Take variables from a file (``.env`` when it is there); what the environment already says wins."""
    from dotenv import dotenv_values

    chosen = Path(path) if path else Path(".env")
    if not chosen.is_file():
        if path:
            raise ConfigurationError(f"--env-file: {path} does not exist")
        return
    # A setting may be said under another name (DASHCAM_PORT, DASHCAM_SERVER__PORT), a secret may be in a file.
    said = {place for name, value in os.environ.items() if value for place in (_place_of(name), (f"{name}_FILE",))}
    try:
        for name, value in dotenv_values(chosen).items():
            if value is not None and _place_of(name) not in said:
                os.environ.setdefault(name, value)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{chosen}: cannot be read: {error}") from error


def _secret(name: str, problems: list[str]) -> str | None:
    try:
        return credentials.read_secret(name)
    except ConfigurationError as error:
        problems += error.problems
        return None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is no valid TOML: {error}") from error


def _place_of(name: str) -> tuple[str, ...]:
    """Return the keys that a variable sets; one that sets none is known by its own name."""
    rest = name.removeprefix(PREFIX)
    if rest == name or (rest not in ALIASES and "__" not in rest):
        return (name,)
    return ALIASES.get(rest) or tuple(part.lower() for part in rest.split("__"))


def _of_environment(environment: dict[str, str], problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in sorted(environment.items()):
        if name.removeprefix(PREFIX) in OTHERS or value == "":
            continue
        keys = _place_of(name)
        if keys == (name,):
            problems.append(f"environment: {name} is not a setting; sections are written DASHCAM_SECTION__KEY")
            continue
        nested: Any = value
        for key in reversed(keys):
            nested = {key: nested}
        found = _merge(found, nested, problems, "environment")
    return found


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


def _check(merged: dict[str, Any], problems: list[str], layers: dict[str, dict[str, Any]]) -> SettingsFile | None:
    try:
        return SettingsFile.model_validate(merged)
    except ValidationError as error:
        problems += [f"{_origin(item['loc'], layers)}: {_told(item)}" for item in error.errors()]
        return None


def _origin(loc: tuple[int | str, ...], layers: dict[str, dict[str, Any]]) -> str:
    """Return where the value that is wrong was said: in the last layer that says most of its keys."""

    def depth(layer: Any) -> int:
        count = 0
        for part in loc:
            if not isinstance(layer, dict) or part not in layer:
                break
            layer, count = layer[part], count + 1
        return count

    return max(reversed(layers), key=lambda origin: depth(layers[origin]))


def _told(item: ErrorDetails) -> str:
    """Return key, what is wrong with it, and what was given, unless a secret may stand there."""
    key = ".".join(str(part) for part in item["loc"] if part != "[key]")
    if item["type"] == "extra_forbidden":
        return f"{key}: is not a setting"
    if item["type"] in _IS_SECTION:
        return f"{key}: is a section, not a value"
    said = item["msg"].removeprefix("Value error, ")
    is_shown = item["type"] != "missing" and not _NOT_SHOWN.intersection(item["loc"])
    return f"{key}: {said}" + (f" (given: {str(item['input'])[:60]!r})" if is_shown else "")


def _providers(checked: SettingsFile | None, upstreams: list[str], problems: list[str]) -> tuple[Provider, ...]:
    found: dict[str, Provider] = {}
    wanted: list[tuple[str, str, dict[str, Any]]] = [(name, url, {}) for name, url in parse_upstreams(upstreams)]
    for name, item in (checked.providers if checked else {}).items():
        given = item.model_dump(exclude={"url"}, exclude_none=True)
        given["headers"] = tuple((item.headers or {}).items())
        wanted.append((name, item.url, given))
    if not wanted:
        wanted = [("openai", "https://api.openai.com/v1", {})]
    for name, url, given in wanted:
        try:
            if name in found:
                raise ValueError("this name is used twice")
            found[name] = provider_of(name, url, **given)
        except ValueError as error:
            problems.append(f"providers.{name}: {error}")
    return tuple(found.values())


def _settings(
    checked: SettingsFile, providers: tuple[Provider, ...], admin_token: str | None, proxy_keys: str | None
) -> values.Settings:
    data_dir = data_folder(checked.data_dir)
    server, log = checked.server.model_dump(), checked.log.model_dump()
    return values.Settings(
        data_dir=str(data_dir),
        run_dir=str(run_folder(checked.run_dir, data_dir)),
        server=values.ServerSettings(**{**server, "allowed_hosts": tuple(server["allowed_hosts"])}),
        recording=values.RecordingSettings(**checked.recording.model_dump()),
        limits=values.LimitSettings(**checked.limits.model_dump()),
        log=values.LogSettings(**{**log, "file": log["file"] or None}),
        providers=providers,
        proxy_keys=credentials.key_digests(proxy_keys),
        admin_token_sha256=credentials.digest(admin_token) if admin_token else None,
    )


def data_folder(configured: str) -> Path:
    """Return the data folder: as configured, else the user's own for such files."""
    if configured:
        return _folder(configured)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "dashcam"
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share") / "dashcam"


def _folder(configured: str) -> Path:
    try:
        return Path(configured).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{configured!r} is no folder: {error}") from error


def run_folder(configured: str, data_dir: Path) -> Path:
    """Return the run folder: one per data folder, short enough for a socket's path."""
    if configured:
        return _folder(configured)
    mark = hashlib.sha256(str(data_dir).encode()).hexdigest()[:10]
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(base) and Path(base).is_dir() and len(base) < _SOCKET_ROOM - 40:
        return Path(base) / "dashcam" / mark
    return Path(tempfile.gettempdir()) / f"dashcam-{os.getuid()}-{mark}"
