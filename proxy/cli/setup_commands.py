"""Commands around the recording: is all well, which settings are in force, how programs and shells find us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json, Upstreams
from proxy.cli.resolution import settings_from, sources

_KINDS = "sh, fish, powershell, cmd, dotenv; python, javascript, curl."
_SHELLS = "bash, zsh, fish or powershell."

config_app = typer.Typer(help="Say which settings are in force, and why.", no_args_is_help=True, rich_markup_mode=None)


def env(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help=_KINDS, autocompletion=completion.snippets)] = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Print what makes a program's calls come here.

    \b
    sh, bash, zsh  eval "$(dashcam env)"
    fish           dashcam env fish | source
    PowerShell     dashcam env powershell | Invoke-Expression
    a file         dashcam env dotenv >> .env
    """
    from proxy.cli.snippets import print_snippet

    print_snippet(settings_from(config, data_dir, env_file), kind)


def doctor(
    json: Json = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no provider whether it answers.")] = False,
    upstream: Upstreams = None,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Say what is wrong and what to type next.

    Exits with 7 when something is wrong.
    """
    from proxy.cli.doctor.examination import examine

    found = examine(
        lambda: settings_from(config, data_dir, env_file, upstream, database_url=database_url),
        as_json=json,
        is_online=not offline,
    )
    raise typer.Exit(found)


def status(
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Say whether it is up and keeps all calls.

    Exits with 0 when all is well, 5 when it does not run or answer, 7 when something keeps calls from the record.
    """
    from proxy.cli.status import status as tell

    raise typer.Exit(tell(settings_from(config, data_dir, env_file, database_url=database_url), as_json=json))


def completion_script(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help=_SHELLS, autocompletion=completion.shells)],
) -> None:
    """Print what teaches a shell to complete commands.

    It offers models and ids too, from the record. For good, put the line into the shell's start file:

    \b
    bash        source <(dashcam completion bash)
    zsh         source <(dashcam completion zsh)     (after compinit)
    fish        dashcam completion fish | source
    PowerShell  dashcam completion powershell | Out-String | Invoke-Expression
    """
    print(completion.script(shell))


def version(json: Json = False) -> None:
    """Say which Dashcam this is."""
    from proxy.cli.doctor.examination import versions

    versions(as_json=json)


@config_app.command("show")
def config_show(
    json: Json = False,
    upstream: Upstreams = None,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Print every setting and where it was said; secrets as set or not."""
    from proxy.cli.configuration import show as display

    display(sources(config, data_dir, env_file, upstream, database_url=database_url), as_json=json)


@config_app.command("check")
def config_check(
    upstream: Upstreams = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Tell every mistake at once, or that there is none."""
    from proxy.cli.configuration import check

    check(sources(config, data_dir, env_file, upstream, database_url=database_url))


@config_app.command("path")
def config_path(config: Config = None, env_file: EnvFile = None) -> None:
    """Print the files that are read; a later one wins."""
    from proxy.cli.configuration import paths

    paths(sources(config, None, env_file))


@config_app.command("init")
def config_init(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to write it.")] = "dashcam.toml",
    yes: Annotated[bool, typer.Option("--yes", help="Also over a file that is there.")] = False,
) -> None:
    """Write a settings file to begin with.

    Every setting stands in it as a comment, with its default and what it does.
    """
    from proxy.cli.configuration import init

    init(sources(None, None, None)["defaults"], Path(file), is_sure=yes)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (env, status, doctor, version):
        app.command()(command)
    app.command("completion")(completion_script)
    app.add_typer(config_app, name="config")
