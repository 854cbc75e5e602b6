"""``dashcam redaction``: what is taken out before anything is written down, and a text to try it on."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DataDir, EnvFile, Json
from proxy.cli.resolution import settings_from

redaction = typer.Typer(
    help="See what is kept off the record, and try it.", no_args_is_help=True, rich_markup_mode=None
)


@redaction.command("list")
def list_patterns(
    json: Json = False, color: Color = "auto", data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List the patterns that there are, and which are on for all calls."""
    from proxy.cli.redaction import list_patterns as show

    show(settings_from(config, data_dir, env_file), as_json=json)


@redaction.command("test")
def try_text(
    text: Annotated[str, typer.Argument(metavar="[TEXT|-]", help="A text or JSON; - reads standard input.")] = "-",
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            "--pattern", metavar="NAME", help="Look for this one, on or not.", autocompletion=completion.patterns
        ),
    ] = None,
    own: Annotated[
        list[str] | None, typer.Option("--own", metavar="NAME=RE", help="Look for a pattern of your own.")
    ] = None,
    json: Json = False, color: Color = "auto", data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Show what of a text would be on record; nothing of it is kept.

    As in: dashcam redaction test "write to kim@example.org", or: dashcam redaction test - < request.json
    """
    from proxy.cli.redaction import try_text as show

    show(settings_from(config, data_dir, env_file), text, names=pattern or [], own=own or [], as_json=json)


def add_to(app: typer.Typer) -> None:
    """Put the group into the command line."""
    app.add_typer(redaction, name="redaction")
