"""Options that several commands have, declared once, so that they are called and mean the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.cli import completion, terminal


def _settle_colours(when: str) -> str:
    terminal.settle_colours(when)
    return when


Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Settings file (TOML).")]
DataDir = Annotated[str | None, typer.Option("--data-dir", metavar="DIR", help="Where the data is.")]
EnvFile = Annotated[str | None, typer.Option("--env-file", metavar="FILE", help="Variables to read (default: .env).")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", metavar="URL", help="postgresql://USER@HOST/NAME or sqlite:///PATH."),
]
Upstreams = Annotated[
    list[str] | None, typer.Option("--upstream", metavar="[NAME=]URL", help="Where calls go; repeatable.")
]
Color = Annotated[
    str,
    typer.Option(
        "--color",
        metavar="WHEN",
        help="auto, always or never.",
        callback=_settle_colours,
        autocompletion=completion.colours,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="YAML, JSON, .txt or .md; - for standard input.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Any field of it; repeatable.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="7d, 3h, today, 2026-11-01, 2026-11-01T15:00, an id or last."),
]
Days = Annotated[
    int | None, typer.Option("--days", metavar="N", min=1, max=36_500, help="The last N days: --since Nd.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="The same, exclusive.")]
Fields = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", help="Columns; a wrong one lists all.", autocompletion=completion.column_lists),
]
User = Annotated[
    str | None, typer.Option("--user", metavar="ID", help="Calls of this user.", autocompletion=completion.users)
]
Session = Annotated[
    str | None,
    typer.Option("--session", metavar="ID", help="Calls of this session.", autocompletion=completion.sessions),
]
NoHeaders = Annotated[bool, typer.Option("--no-headers", help="Leave the heading out.")]
Utc = Annotated[bool, typer.Option("--utc", help="Times in UTC.")]
Model = Annotated[
    str | None, typer.Option(metavar="NAME", help="A model; may end in *.", autocompletion=completion.models)
]
OutcomeName = Annotated[
    str | None,
    typer.Option(
        "--outcome",
        metavar="OUTCOME",
        help="completed, upstream_error, client_gone, …",
        autocompletion=completion.outcomes,
    ),
]
ProviderName = Annotated[
    str | None, typer.Option(metavar="NAME", help="A provider.", autocompletion=completion.providers)
]
Reference = Annotated[
    str,
    typer.Argument(
        metavar="ID|last|last-1",
        help="An id, or its beginning as dashcam logs shows it.",
        autocompletion=completion.references,
    ),
]
UsedPrompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        metavar="NAME[@WHICH]",
        help="A stored prompt, or one number or label of it.",
        autocompletion=completion.references_to_prompts,
    ),
]
Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=100_000, help="At most so many.")]
