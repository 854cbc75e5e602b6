"""What came of the versions of prompts: ``prompts performance``, ``compare``, ``trends``."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.cli import completion
from proxy.cli.figure_commands import asked_for
from proxy.cli.former import settings_from
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, Days, EnvFile, Json, Limit, Since, Until

Name = Annotated[str, typer.Argument(metavar="NAME", help="The prompt.", autocompletion=completion.prompts)]
One = Annotated[str, typer.Argument(metavar="V1", help="A number, name or label.", autocompletion=completion.versions)]
Other = Annotated[str, typer.Argument(metavar="V2", help="Another one.", autocompletion=completion.versions)]


def performance(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A prompt; else all.", autocompletion=completion.prompts)
    ] = None,
    since: Since = None, days: Days = None, until: Until = None, limit: Limit = 50, json: Json = False,
    color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Say how often each version was used in the last 30 days, and what came of it.

    Success, duration, tokens and cost are those of a call on average.
    """
    from proxy.cli.prompt_figures import performance as show

    asked = asked_for(since, days, until, usual="30d", limit=limit, json=json)
    show(settings_from(config, data_dir, env_file, database_url=database_url), asked, name)


def compare(
    name: Name, one: One, other: Other = "latest",
    since: Since = None, days: Days = None, until: Until = None, json: Json = False,
    color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Compare what came of two versions in the last 90 days."""
    from proxy.cli.admin import Admin, place
    from proxy.cli.prompt_figures import compare as show

    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    numbers = [
        int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10
        else int(Admin(settings).ask("GET", place("prompts", name, "versions", wanted))["number"])
        for wanted in (one, other)
    ]  # fmt: skip
    show(settings, asked_for(since, days, until, usual="90d", json=json), name, *numbers)


def trends(
    name: Name,
    since: Since = None, days: Days = None, until: Until = None, limit: Limit = 100, json: Json = False,
    color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Say day by day what came of each version in the last 30 days."""
    from proxy.cli.prompt_figures import trends as show

    asked = asked_for(since, days, until, usual="30d", limit=limit, json=json)
    show(settings_from(config, data_dir, env_file, database_url=database_url), asked, name)


def add_to(prompts: typer.Typer) -> None:
    """Add these commands to those of prompts."""
    for command in (performance, compare, trends):
        prompts.command()(command)
