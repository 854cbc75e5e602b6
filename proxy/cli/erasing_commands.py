"""The commands that take away what is on record: ``purge``, ``anonymise``, ``delete``, ``redact`` and ``prune``."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.cli import completion
from proxy.cli.options import Config, DatabaseUrl, DataDir, EnvFile, Json, Session, Since, Until, User
from proxy.cli.resolution import settings_from

Query = Annotated[
    list[str] | None,
    typer.Argument(metavar="QUERY…", help="As in dashcam logs: model:gpt-* tag.team:eu, words; -user:kim behind --."),
]
Everything = Annotated[bool, typer.Option("--everything", help="Every call.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Calls = Annotated[
    list[str],
    typer.Argument(
        metavar="ID…",
        help="Ids, or their beginnings as dashcam logs shows them; or: last",
        autocompletion=completion.references,
    ),
]


def purge(
    query: Query = None,
    user: User = None,
    session: Session = None,
    since: Since = None,
    until: Until = None,
    everything: Everything = False,
    yes: Yes = False,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Erase calls for good: counted first, done with --yes.

    All that is said must hold: dashcam purge --user kim --until 30d. What still waits in the spool is erased, too.
    """
    from proxy.cli.erasing import Wanted
    from proxy.cli.erasing import purge as start

    wanted = Wanted(
        kind="purge", query=" ".join(query or ()), user=user, session=session, since=since, until=until,
        everything=everything, is_sure=yes, as_json=json,
    )  # fmt: skip
    start(settings_from(config, data_dir, env_file, database_url=database_url), wanted)


def anonymise(
    query: Query = None,
    user: User = None,
    session: Session = None,
    since: Since = None,
    until: Until = None,
    everything: Everything = False,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="KEY", help="A tag or property that stays; repeatable.")
    ] = None,
    pseudonyms: Annotated[
        bool, typer.Option("--pseudonyms", help="Users keep being told apart, by names that lead to nobody.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Take away who it was and what was said.

    User, session, the caller's ids, tags, properties, texts and bodies go; facts, counts and costs stay.
    As in: dashcam anonymise --user kim
    """
    from proxy.cli.erasing import Wanted
    from proxy.cli.erasing import purge as start

    wanted = Wanted(
        kind="anonymise", query=" ".join(query or ()), user=user, session=session, since=since, until=until,
        everything=everything, keep=tuple(keep or ()), pseudonyms=pseudonyms, is_sure=yes, as_json=json,
    )  # fmt: skip
    start(settings_from(config, data_dir, env_file, database_url=database_url), wanted)


def delete(
    calls: Calls,
    yes: Yes = False,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Erase these calls for good."""
    from proxy.cli.erasing import by_ids

    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    by_ids(settings, "delete", calls, is_sure=yes, as_json=json)


def redact(
    calls: Calls,
    yes: Yes = False,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Take the texts of these calls away.

    Facts, counts and costs stay.
    """
    from proxy.cli.erasing import by_ids

    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    by_ids(settings, "redact", calls, is_sure=yes, as_json=json)


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is due, and how the record grows.")] = False,
    force: Annotated[bool, typer.Option("--force", help="The clock is right, though it has jumped.")] = False,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Delete now what is too old by the settings.

    A running Dashcam does it by itself. Nothing is ever too old unless [retention] says so.
    """
    from proxy.cli.pruning import prune as start

    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    start(settings, is_dry=dry_run, is_forced=force, as_json=json)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (purge, anonymise, delete, redact, prune):
        app.command()(command)
