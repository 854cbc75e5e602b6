"""The commands that say what many calls came to: ``stats``, ``costs``, ``errors``, ``slow``, ``sessions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli import completion
from proxy.cli.former import settings_from
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, Days, EnvFile, Json, Limit, Since, Until, Utc

if TYPE_CHECKING:
    from proxy.cli.figures import Asked


def stats(
    since: Since = None,
    days: Days = None,
    until: Until = None,
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Sum up the last week, or another time.

    As in: dashcam stats --days 30, or: dashcam stats --since 2026-11-01 --until 2026-11-08 --json
    """
    from proxy.cli.stats import stats as show

    show(settings_from(config, data_dir, env_file, database_url=database_url), asked_for(since, days, until, json=json))


def costs(
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="WHAT", help="model, provider, user, prompt, day, …", autocompletion=completion.counted
        ),
    ] = "model",
    since: Since = None,
    days: Days = None,
    until: Until = None,
    limit: Limit = 20,
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Say where the money of the last 30 days went.

    As in: dashcam costs --by user --days 7, or: dashcam costs --by day --since 2026-11-01
    """
    from proxy.cli.costs import costs as show

    asked = asked_for(since, days, until, usual="30d", limit=limit, json=json)
    show(settings_from(config, data_dir, env_file, database_url=database_url), asked, by)


def errors(
    since: Since = None,
    days: Days = None,
    until: Until = None,
    limit: Limit = 20,
    json: Json = False,
    utc: Utc = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Say what failed in the last week, by kind.

    As in: dashcam errors --since today
    """
    from proxy.cli.failures import errors as show

    asked = asked_for(since, days, until, limit=limit, json=json, utc=utc)
    show(settings_from(config, data_dir, env_file, database_url=database_url), asked)


def slow(
    since: Since = None,
    days: Days = None,
    until: Until = None,
    limit: Limit = 20,
    json: Json = False,
    utc: Utc = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """List the slowest calls on record, or of a time.

    As in: dashcam slow --days 1 -n 50; by a filter: dashcam logs model:o3 --sort duration_ms
    """
    from proxy.cli.slow import slow as show

    asked = asked_for(since, days, until, usual=None, limit=limit, json=json, utc=utc)
    show(settings_from(config, data_dir, env_file, database_url=database_url), asked)


def sessions(
    since: Since = None,
    days: Days = None,
    until: Until = None,
    limit: Limit = 20,
    json: Json = False,
    utc: Utc = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """List sessions, the last seen first.

    As in: dashcam sessions --since today, and then: dashcam logs --session ID
    """
    from proxy.cli.sessions import sessions as show

    asked = asked_for(since, days, until, usual=None, limit=limit, json=json, utc=utc)
    show(settings_from(config, data_dir, env_file, database_url=database_url), asked)


def asked_for(
    since: str | None, days: int | None, until: str | None, *, usual: str | None = "7d", limit: int = 20,
    json: bool = False, utc: bool = False,
) -> Asked:  # fmt: skip
    """Return what such a command is asked for; without a beginning it is the ``usual`` one."""
    from proxy.cli.figures import Asked
    from proxy.cli.instants import since_of

    said = since_of(since, days)
    return Asked(since=said, until=until, limit=limit, as_json=json, is_utc=utc, usual=usual)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (stats, costs, errors, slow, sessions):
        app.command()(command)
