"""The commands that say something about calls on record: ``feedback`` and ``tag``."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.cli import completion
from proxy.cli.options import Config, DatabaseUrl, DataDir, EnvFile, Json, Reference
from proxy.cli.resolution import settings_from


def feedback(
    reference: Reference,
    value: Annotated[
        str,
        typer.Argument(metavar="VALUE", help="yes, no, 0.7, 4/5, 9/10, or words.", autocompletion=completion.opinions),
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What is judged: tone, correct, …")] = "feedback",
    kind: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="boolean, number, 1-5, 1-10, category or text.")
    ] = None,
    comment: Annotated[str | None, typer.Option("--comment", metavar="TEXT", help="Why.")] = None,
    source: Annotated[str, typer.Option("--source", metavar="WHO", help="us, user, code or judge.")] = "us",
    identity: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The same again replaces what it said before.")
    ] = None,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Say what you think of a call.

    As in: dashcam feedback last yes, or: dashcam feedback last 4/5 --name tone
    """
    from proxy.cli.feedback import Said
    from proxy.cli.feedback import feedback as give

    said = Said(
        reference=reference, value=value, name=name, kind=kind, comment=comment, source=source, identity=identity
    )
    give(settings_from(config, data_dir, env_file, database_url=database_url), said, as_json=json)


def tag(
    reference: Reference,
    tags: Annotated[list[str] | None, typer.Argument(metavar="TAG…", help="Tags that it gets.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="TAG", help="A tag that it loses; repeatable.")
    ] = None,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Put tags on a call, or take them off."""
    from proxy.cli.feedback import tag as change

    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    change(settings, reference, tuple(tags or ()), tuple(remove or ()), as_json=json)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (feedback, tag):
        app.command()(command)
