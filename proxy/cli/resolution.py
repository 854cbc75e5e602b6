"""From what a command's flags say to the settings it works with."""

from __future__ import annotations

from typing import Any


def settings_from(
    config: str | None,
    data_dir: str | None,
    env_file: str | None,
    upstreams: list[str] | None = None,
    makes_keys: bool | None = None,
    database_url: str | None = None,
    **server: Any,
) -> Any:
    """Resolve the settings for a command; ``server`` are flags of that section."""
    from proxy.settings.loading import load

    said = sources(config, data_dir, env_file, upstreams, database_url, **server)
    return load(**said, makes_keys=makes_keys)


def admin_from(config: str | None, data_dir: str | None, env_file: str | None, database_url: str | None) -> Any:
    """Return the admin API as a command uses it, with the settings that its flags say."""
    from proxy.cli.admin import Admin

    return Admin(settings_from(config, data_dir, env_file, database_url=database_url))


def sources(
    config: str | None,
    data_dir: str | None,
    env_file: str | None,
    upstreams: list[str] | None = None,
    database_url: str | None = None,
    **server: Any,
) -> dict[str, Any]:
    """Return what a command's flags say, as the loading of settings takes it."""
    from proxy.resources import config_folder

    flags: dict[str, Any] = {"data_dir": data_dir} if data_dir else {}
    if database_url:
        flags["database"] = {"url": database_url}
    given = {name: value for name, value in server.items() if value is not None}
    if given:
        flags["server"] = given
    defaults = config_folder() / "dashcam.toml"
    return {
        "defaults": defaults, "config": config, "flags": flags, "upstreams": upstreams, "env_file": env_file,
    }  # fmt: skip
