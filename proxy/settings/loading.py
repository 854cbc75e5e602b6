"""Where settings come from: shipped defaults ← file ← environment ← flags; all mistakes are told at once.

pydantic checks; what leaves here is plain frozen values. Unknown keys are mistakes, also in the environment's
``DASHCAM_SECTION__KEY``. For the command line only: the child processes get the result as JSON.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import sys
import tempfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError
from proxy.settings import access, credentials, values
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.settings.keys import adopt_keys, make_keys, wants_keys
from proxy.settings.providers import circles_of, providers_of, without_address
from proxy.settings.routes import names_missing, needed_by, routes_of
from proxy.settings.schema import SettingsFile

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
_SOCKET_ROOM = 90
_NOT_SHOWN = frozenset({"headers", "url", "read_url", "database", "key_env", "proxy", "proxy_auth_env"})
_IS_SECTION = frozenset({"model_type", "dict_type"})


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
    said = {
        **({str(path): _read_toml(Path(path))} if path else {}),
        "environment": _of_environment(environment, problems),
        "flag": flags or {},
    }
    shipped = merged = _read_toml(defaults)
    for origin, layer in said.items():
        merged = _merge(merged, layer, problems, origin)
    used = Path(env_file or ".env") if taken is not None else None
    asked = upstreams or environment.get("DASHCAM_UPSTREAM", "").replace(",", " ").split()
    return Layers(shipped, said, merged, asked, not upstreams, problems, path, used, taken or frozenset())


def load(
    *,
    defaults: Path,
    config: str | None = None,
    flags: dict[str, Any] | None = None,
    upstreams: list[str] | None = None,
    env_file: str | None = None,
    makes_keys: bool | None = None,
) -> values.Settings:
    """Return the settings; ``ConfigurationError`` holds every mistake with its file and key.

    ``defaults`` is the shipped ``dashcam.toml``. ``makes_keys`` None uses the keys of a first start that are there;
    else those that are not are made, when it is True or the environment wants it.
    """
    layers = read_layers(defaults=defaults, config=config, flags=flags, upstreams=upstreams, env_file=env_file)
    return settings_of(layers, makes_keys=makes_keys)


def settings_of(layers: Layers, *, makes_keys: bool | None = None) -> values.Settings:
    """Return the settings that the layers say; errors as ``load``."""
    problems, merged = list(layers.problems), layers.merged
    checked = _check(merged, problems, layers)
    problems += [f"{_origin(loc, layers.said)}: {text}" for loc, text in without_address(merged)]
    providers = providers_of(checked, layers.upstreams, problems)
    routes = routes_of(checked.routes, problems) if checked else ()
    providers += needed_by(routes, providers, problems) if checked and checked.discovery.local_servers else ()
    problems += names_missing(routes, providers)
    if checked:
        is_making = makes_keys is not None and wants_keys(is_flag=makes_keys)
        (make_keys if is_making else adopt_keys)(data_folder(checked.data_dir))
    admin_token, metrics_token, proxy_keys = (_secret(name, problems) for name in SECRETS)
    host = str(merged["server"].get("host"))
    allowed = checked.server.allowed_hosts if checked else merged["server"].get("allowed_hosts")
    problems += access.problems_of(host, bool(allowed), admin_token, proxy_keys, metrics_token)
    if checked:
        problems += circles_of(providers, checked.server.port, [host, *checked.server.allowed_hosts])
        wishes = {
            "recording.seal": checked.recording.seal,
            "database.seal": checked.database.seal,
            "maintenance.seal_backups": checked.maintenance.seal_backups,
        }
        problems += credentials.sealing_problems([f"{name} is on" for name, is_on in wishes.items() if is_on])
    if problems or checked is None:
        raise ConfigurationError(problems)
    digests = [credentials.digest(token) if token else None for token in (admin_token, metrics_token)]
    made = _settings(checked, providers, credentials.key_digests(proxy_keys), *digests)
    return replace(made, routes=routes)


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
    except (ValueError, RecursionError) as error:
        # Not only TOML's own mistakes: whole numbers of thousands of digits, and brackets in brackets without end.
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


def _check(merged: dict[str, Any], problems: list[str], layers: Layers) -> SettingsFile | None:
    try:
        return SettingsFile.model_validate(merged)
    except ValidationError as error:
        problems += [f"{_origin(item['loc'], layers.said)}: {_told(item, layers.defaults)}" for item in error.errors()]
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


def _told(item: ErrorDetails, known: dict[str, Any]) -> str:
    """Return key, what is wrong with it, and what was given, unless a secret may stand there."""
    key = ".".join(str(part) for part in item["loc"] if part != "[key]")
    if item["type"] == "extra_forbidden":
        return f"{key}: is not a setting{_meant(item['loc'], known)}"
    if item["type"] in _IS_SECTION:
        return f"{key}: is a section, not a value"
    said = item["msg"].removeprefix("Value error, ")
    # Of a section as a whole its settings are named in what is wrong with it.
    is_shown = item["type"] != "missing" and not isinstance(item["input"], dict)
    is_shown = is_shown and not _NOT_SHOWN.intersection(item["loc"])
    return f"{key}: {said}" + (f" (given: {str(item['input'])[:60]!r})" if is_shown else "")


def _meant(loc: tuple[int | str, ...], known: Any) -> str:
    """Return which setting of the same section may be meant, as a remark in brackets, or nothing."""
    *sections, name = loc
    for section in sections:
        known = known.get(section) if isinstance(known, dict) else None
    close = difflib.get_close_matches(str(name), known, n=1) if isinstance(known, dict) else []
    return f" (did you mean {close[0]}?)" if close else ""


def _settings(
    checked: SettingsFile,
    providers: tuple[Provider, ...],
    proxy_keys: dict[str, str],
    admin_token_sha256: str | None,
    metrics_token_sha256: str | None,
) -> values.Settings:
    data_dir = data_folder(checked.data_dir)
    server, log = checked.server.model_dump(), checked.log.model_dump()
    return values.Settings(
        data_dir=str(data_dir),
        run_dir=str(run_folder(checked.run_dir, data_dir)),
        server=values.ServerSettings(**{**server, "allowed_hosts": tuple(server["allowed_hosts"])}),
        database=_database(checked.database.model_dump()),
        recording=_recording(checked),
        redaction=checked.redaction.to_domain(),
        limits=values.LimitSettings(**checked.limits.model_dump()),
        admin=values.AdminSettings(
            require_token=checked.admin.require_token,
            allow_private_upstreams=tuple(checked.admin.allow_private_upstreams),
            key_prefixes=tuple(checked.admin.key_prefixes),
            audit_days=checked.admin.audit_days,
        ),
        secrets=values.SecretSettings(**checked.secrets.model_dump()),
        discovery=values.DiscoverySettings(**checked.discovery.model_dump()),
        maintenance=values.MaintenanceSettings(**checked.maintenance.model_dump()),
        retention=_retention(checked.retention.model_dump()),
        log=values.LogSettings(**{**log, "file": log["file"] or None}),
        prices=values.PriceSettings(file=_own_prices(checked.prices.file), url=checked.prices.url),
        providers=providers,
        proxy_keys=proxy_keys,
        admin_token_sha256=admin_token_sha256,
        metrics_token_sha256=metrics_token_sha256,
    )


def _recording(checked: SettingsFile) -> values.RecordingSettings:
    """Return how calls are recorded; what is sealed in the database is sealed on its way there."""
    said = checked.recording.model_dump()
    return values.RecordingSettings(**{**said, "seal": said["seal"] or checked.database.seal})


def _database(said: dict[str, Any]) -> DatabaseSettings:
    """Return the database; a file's path is made absolute, since the child processes have another working folder."""
    made = DatabaseSettings(**said)
    if made.url and not made.is_postgres:
        made = replace(made, url=sqlite_at(made.path.absolute()).url)
    return made


def _retention(said: dict[str, Any]) -> values.RetentionSettings:
    archive = said.pop("archive")
    folder = str(Path(archive).expanduser().absolute()) if archive else None
    return values.RetentionSettings(archive=folder, **said)


def _own_prices(configured: str) -> str | None:
    """Return the absolute path: the child processes have another working folder, or none."""
    return str(Path(configured).expanduser().absolute()) if configured else None


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
