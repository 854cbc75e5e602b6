"""What takes calls elsewhere and brings them back: ``export``, ``import``, ``sql`` and others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from proxy.cli import completion
from proxy.cli.former import settings_from
from proxy.cli.options import (
    Color,
    Config,
    DatabaseUrl,
    DataDir,
    Days,
    EnvFile,
    Fields,
    Json,
    Model,
    Reference,
    Since,
    Until,
    UsedPrompt,
)


def export(
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY…", help="Which calls, as in dashcam logs: model:gpt-* -status:error behind --."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to; .csv, .json, .sql and .parquet (a folder) say the form. Else standard output.",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORM",
            autocompletion=completion.export_forms,
            help="jsonl, json, csv, sql, parquet (a file a day), or openai: examples for fine-tuning.",
        ),
    ] = None,
    since: Since = None,
    days: Days = None,
    until: Until = None,
    model: Model = None,
    prompt: UsedPrompt = None,
    fields: Fields = None,
    content: Annotated[
        bool, typer.Option("--content", help="With both bodies as they were kept, and the texts.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Write calls into a file, the oldest first.

    As in: dashcam export user:kim --content --to kim.jsonl, or: dashcam export --days 30 --format parquet --to calls
    Broken off, the same command goes on where it was. Exits with 7 where calls were recorded late or removed meanwhile.
    """
    from proxy.cli.exporting import Wanted
    from proxy.cli.exporting import export as write
    from proxy.cli.instants import since_of

    wanted = Wanted(
        query=" ".join(query or ()), since=since_of(since, days), until=until, model=model, prompt=prompt,
        form=form, fields=fields, has_content=content, target=to, is_replacing=replace,
    )  # fmt: skip
    raise typer.Exit(write(settings_from(config, data_dir, env_file, database_url=database_url), wanted))


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…", help="Exports of ours: jsonl, json, sql, parquet, also .gz, .zst; - reads a pipe."
        ),
    ],
    check: Annotated[bool, typer.Option("--check", help="Look at them, and write nothing.")] = False,
    told: Annotated[
        bool, typer.Option("--told", help="Lines are calls made elsewhere, as POST /api/v1/interactions takes them.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Read exported calls back, each once and as it was.

    As in: dashcam import kim.jsonl; of Parquet the folder: dashcam import calls
    Calls that are on record stay as they are; lines that are no calls are put aside. Broken off, the same command goes
    on where it was. Exits with 7 where something could not be taken as it is. Exported with --content they are whole.
    """
    from proxy.cli.importing import import_calls

    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    raise typer.Exit(import_calls(settings, files, is_check=check, is_told=told))


class _Asking(TyperCommand):
    """``sql``: a statement that begins with a comment is one, though it begins like an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the line apart; an option has no blanks in its name."""
        comments = [arg for arg in args if arg.startswith("--") and arg[2:3].isspace()]
        if comments and "--" not in args:
            args = [*(arg for arg in args if arg not in comments), "--", *comments]
        return super().parse_args(ctx, args)


def sql(
    statement: Annotated[
        str | None, typer.Argument(metavar="STATEMENT", help="One statement; else from standard input.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=1_000_000, help="At most so many.")
    ] = 1000,
    seconds: Annotated[float, typer.Option(metavar="N", min=0.1, max=86_400, help="So long may it take.")] = 60.0,
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Ask the database in SQL, read-only.

    Without a statement it lists tables and views: dashcam sql "SELECT * FROM v_daily_cost LIMIT 5"
    """
    from proxy.cli.sql import run

    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    run(settings, (statement or "").strip(), limit, seconds, as_json=json)


def datasette(
    port: Annotated[int, typer.Option("--port", "-p", metavar="N", min=1, max=65535, help="Port to listen at.")] = 8001,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Look at the record in Datasette, on this machine only.

    Read-only, with titles, units and the usual questions; keys and secrets cannot be asked for. Datasette is installed
    for itself: pipx install datasette
    """
    from proxy.cli.datasette import serve

    serve(settings_from(config, data_dir, env_file, database_url=database_url), port)


def curl(
    reference: Reference = "last",
    upstream: Annotated[
        bool, typer.Option("--upstream", help="As it left for the provider, with a stored prompt in it.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Print a curl command that makes a call once more.

    Its key is not on record: the command takes it from $OPENAI_API_KEY.
    """
    from proxy.cli.curl import print_curl

    print_curl(settings_from(config, data_dir, env_file, database_url=database_url), reference, is_sent=upstream)


def diff(
    one: Reference,
    other: Reference = "last",
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Show what differs between two calls: facts, request, answer.

    As in: dashcam diff last-1 last
    """
    from proxy.cli.call_diff import print_call_diff

    print_call_diff(settings_from(config, data_dir, env_file, database_url=database_url), one, other)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (diff, curl, datasette, export):
        app.command()(command)
    app.command(cls=_Asking)(sql)
    app.command("import")(import_)
