"""``dashcam db copy``: the command's flags; ``copying`` does the work."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.cli.options import Config, DataDir, EnvFile, Json
from proxy.cli.resolution import settings_from

From = Annotated[str | None, typer.Option("--from", metavar="URL", help="Where the record is (default: database.url).")]
To = Annotated[str | None, typer.Option("--to", metavar="URL", help="postgresql://USER@HOST/NAME or sqlite:///PATH.")]


def db_copy(
    source: From = None,
    target: To = None,
    verify: Annotated[bool, typer.Option("--verify", help="Only compare the two; writes nothing.")] = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="Copy and compare, but leave the record where it is for now.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Move the record also while other hosts record there.")
    ] = False,
    json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Move the record into another database, while Dashcam serves.

    \b
    dashcam db copy --to postgresql://dashcam@localhost/dashcam
    dashcam serve --database-url postgresql://dashcam@localhost/dashcam

    The target must be empty. Stopped by Ctrl+C, kill or a lost connection, the same command goes on. At the end a
    running Dashcam keeps new calls in its spool, until it is started with the new address. The source stays as it is.
    Exits with 7 when the two differ.
    """
    from proxy.cli.copying import Wanted, run

    wanted = Wanted(source, target, verifies=verify, stays=stay, forces=force, as_json=json)
    raise typer.Exit(run(settings_from(config, data_dir, env_file), wanted))


def add_to(group: typer.Typer) -> None:
    """Add the command to ``dashcam db``."""
    group.command("copy")(db_copy)
