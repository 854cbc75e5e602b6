"""``dashcam export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.former import settings_from
from proxy.cli.options import Config, DatabaseUrl, DataDir, Days, EnvFile, Fields, Model, Since, Until, UsedPrompt


def export(
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY…", help="Which calls, as in dashcam logs: model:gpt-* -status:error behind --."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to; .csv and .json say the form. Else standard output."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORM", help="jsonl, json, csv, or openai: examples for fine-tuning."),
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


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(export)
