"""The commands of the catalogue as a whole: ``config export``, ``import``, ``revisions``, ``rollback``, and ``audit``.

What only shows what would change says so, and what does it (``--yes``). What is in the catalogue has commands of its
own: ``provider_commands``, ``route_commands``, ``prompt_commands``, ``key_commands``, ``price_commands``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, File, Json
from proxy.cli.resolution import admin_from


def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - for standard output.")] = "-",
    database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Write the catalogue as one YAML file, without secrets."""
    from proxy.errors import UsageError

    text = admin_from(config, data_dir, env_file, database_url).ask("GET", "export")
    if file == "-":
        print(text, end="")
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error


def take_in(
    file: File,
    yes: Annotated[bool, typer.Option("--yes", help="Take it in; without, only show what would change.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Also remove what it does not name.")] = False,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Take a YAML file of the catalogue in.

    New providers rest until they are switched on: dashcam providers add NAME --set active=true
    """
    from proxy.cli.catalogue import print_change, print_changes, print_document, print_what_yes_does, tell_resting
    from proxy.cli.given_files import about_file, read_file
    from proxy.cli.terminal import counted

    query = {"dry_run": str(not yes).lower(), "replace": str(replace).lower()}
    data, admin = read_file(file), admin_from(config, data_dir, env_file, database_url)
    with about_file(file):
        told = admin.ask("POST", "import", text=data, **query)
    if json:
        print_document(told)
        return
    print_changes(told["changes"])
    if yes:
        print_change(told, f"{counted(len(told['changes']), 'change')} taken in", as_json=False)
        tell_resting(told["changes"])
    else:
        print_what_yes_does(told["changes"], "takes", "in")


def revisions(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=500, help="At most so many.")] = 20,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List what was changed, the newest first."""
    from proxy.cli.catalogue import print_list

    found = admin_from(config, data_dir, env_file, database_url).ask("GET", "revisions", limit=limit)
    print_list("revisions", found["data"], as_json=json)


def rollback(
    number: Annotated[int, typer.Argument(metavar="REVISION", help="Its number: dashcam config revisions.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only show what would change.")] = False,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Go back to a revision of the catalogue."""
    from proxy.cli.catalogue import print_change, print_changes, print_document, print_what_yes_does

    admin = admin_from(config, data_dir, env_file, database_url)
    told = admin.ask("POST", f"revisions/{number}/rollback") if yes else admin.ask("GET", f"revisions/{number}/diff")
    if json:
        print_document(told)
        return
    print_changes(told["changes"])
    if yes:
        print_change(told, f"back to revision {number}", as_json=False)
    else:
        print_what_yes_does(told["changes"], "makes")


def audit(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=500, help="At most so many.")] = 20,
    actor: Annotated[str | None, typer.Option("--actor", metavar="NAME", help="By whom.")] = None,
    action: Annotated[str | None, typer.Option("--action", metavar="WORD", help="Such as create or login.")] = None,
    noun: Annotated[str | None, typer.Option("--noun", metavar="NOUN", help="Such as providers or keys.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", metavar="WORD", help="done, refused or failed.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="2026-11-01 or an instant.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="The same, exclusive.")] = None,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List who changed what and who asked to, the newest first."""
    from proxy.cli.catalogue import print_list

    found = admin_from(config, data_dir, env_file, database_url).ask(
        "GET", "audit", limit=limit, actor=actor, action=action, noun=noun, outcome=outcome, since=since, until=until
    )
    print_list("audit", found["data"], as_json=json)


def add_to(app: typer.Typer, config_app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for name, command in (("export", export), ("import", take_in), ("revisions", revisions), ("rollback", rollback)):
        config_app.command(name)(command)
    app.command()(audit)
