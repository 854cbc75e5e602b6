"""From what is said (``layers``) to the settings: checked as a whole, and all mistakes are told at once.

pydantic checks each value (``schema``, ``mistakes``), this how they go together: providers, routes, who may call and
what is sealed. What leaves here is plain frozen values. For the command line only: the child processes get the result
as JSON.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError
from proxy.settings import access, credentials, values
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.settings.folders import data_folder, run_folder
from proxy.settings.keys import adopt_keys, make_keys, wants_keys
from proxy.settings.layers import SECRETS, Layers, read_layers
from proxy.settings.mistakes import check, origin
from proxy.settings.providers import circles_of, providers_of, without_address
from proxy.settings.routes import names_missing, needed_by, routes_of
from proxy.settings.schema import SettingsFile


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
    checked = check(layers, problems)
    problems += [f"{origin(loc, layers)}: {text}" for loc, text in without_address(merged)]
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
        problems += credentials.sealing_problems(_wishes_to_seal(checked))
    if problems or checked is None:
        raise ConfigurationError(problems)
    digests = [credentials.digest(token) if token else None for token in (admin_token, metrics_token)]
    made = _settings(checked, providers, credentials.key_digests(proxy_keys), *digests)
    return replace(made, routes=routes)


def _wishes_to_seal(checked: SettingsFile) -> list[str]:
    """Return in words what a master key is needed for."""
    wishes = {
        "recording.seal": checked.recording.seal,
        "database.seal": checked.database.seal,
        "maintenance.seal_backups": checked.maintenance.seal_backups,
    }
    return [f"{name} is on" for name, is_on in wishes.items() if is_on]


def _secret(name: str, problems: list[str]) -> str | None:
    try:
        return credentials.read_secret(name)
    except ConfigurationError as error:
        problems += error.problems
        return None


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
