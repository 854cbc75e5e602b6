"""The commands that read the record: ``logs``, ``tail``, ``search``, ``show``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

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
    Limit,
    Model,
    NoHeaders,
    OutcomeName,
    ProviderName,
    Reference,
    Session,
    Since,
    Until,
    UsedPrompt,
    User,
    Utc,
)
from proxy.errors import UsageError

SavedView = Annotated[
    str | None, typer.Option("--view", metavar="NAME", help="A saved search.", autocompletion=completion.views)
]


def logs(
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY…",
            help="What they have in common: status:error 'latency:>2s' model:gpt-* \"refund\"; -user:kim behind --.",
        ),
    ] = None,
    since: Since = None,
    days: Days = None,
    until: Until = None,
    model: Model = None,
    outcome: OutcomeName = None,
    provider: ProviderName = None,
    limit: Limit = 20,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="By this column, the largest last; -COLUMN: the smallest last.",
            autocompletion=completion.columns,
        ),
    ] = None,
    user: User = None,
    session: Session = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="With this tag; repeatable.")] = None,
    meta: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="With this pair; repeatable.")] = None,
    of_app: Annotated[str | None, typer.Option("--app", metavar="NAME", help="An application.")] = None,
    environment: Annotated[str | None, typer.Option(metavar="NAME", help="An environment.")] = None,
    prompt: UsedPrompt = None,
    fields: Fields = None,
    json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
    no_headers: NoHeaders = False,
    utc: Utc = False,
    color: Color = "auto",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new calls.")] = False,
    starts: Annotated[bool, typer.Option("--starts", help="With --follow: show calls also as they begin.")] = False,
    view: SavedView = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """List recorded calls, the newest last.

    As in: dashcam logs 'status:error latency:>2s' --days 1, or: dashcam logs --user kim --since 2026-11-27T15:00
    """
    from proxy.cli.instants import since_of
    from proxy.cli.logs import Listing, list_calls

    if json and jsonl:
        raise UsageError("--json is one document and --jsonl is many; choose one")
    listing = Listing(
        query=" ".join(query or ()), since=since_of(since, days), until=until, model=model, outcome=outcome,
        provider=provider, user=user, session=session, app=of_app, environment=environment,
        prompt=prompt, tags=tuple(tag or ()), metadata=tuple(meta or ()),
        limit=limit, fields=fields, sort=sort, form="json" if json else "jsonl" if jsonl else "table",
        has_headers=not no_headers, is_utc=utc, follow=follow, starts=starts, view=view,
    )  # fmt: skip
    list_calls(settings_from(config, data_dir, env_file, database_url=database_url), listing)


def tail(
    query: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY…", help="What they have in common, as of dashcam logs.")
    ] = None,
    model: Model = None,
    outcome: OutcomeName = None,
    provider: ProviderName = None,
    fields: Fields = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", "--json", help="One JSON object a line.")] = False,
    starts: Annotated[
        bool | None,
        typer.Option("--starts/--no-starts", help="Show calls also as they begin (default: on a terminal)."),
    ] = None,
    view: SavedView = None,
    no_headers: NoHeaders = False,
    utc: Utc = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Show calls as they begin and end, until Ctrl+C.

    As in: dashcam tail model:gpt-*, or: dashcam tail status:error --jsonl
    """
    from proxy.cli.logs import Listing, list_calls

    is_shown = sys.stdout.isatty() and not jsonl if starts is None else starts
    listing = Listing(
        query=" ".join(query or ()), model=model, outcome=outcome, provider=provider, fields=fields, limit=10,
        has_headers=not no_headers, is_utc=utc, form="jsonl" if jsonl else "table", follow=True, starts=is_shown,
        view=view,
    )  # fmt: skip
    list_calls(settings_from(config, data_dir, env_file, database_url=database_url), listing)


def search(
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT…",
            help="Words that must all be there, 'a phrase', begin*, and filters: status:error; -word behind --.",
        ),
    ],
    since: Since = None,
    days: Days = None,
    until: Until = None,
    model: Model = None,
    limit: Limit = 20,
    json: Json = False,
    no_headers: NoHeaders = False,
    utc: Utc = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Find calls by words of question or answer, the newest first.

    As in: dashcam search refund status:error --days 7, or: dashcam search 'a whole phrase' user:kim
    """
    from proxy.cli.instants import since_of
    from proxy.cli.search import Search
    from proxy.cli.search import search as find

    wanted = Search(
        texts=tuple(text), since=since_of(since, days), until=until, model=model, limit=limit,
        form="json" if json else "text", has_headers=not no_headers, is_utc=utc,
    )  # fmt: skip
    find(settings_from(config, data_dir, env_file, database_url=database_url), wanted)


def show(
    reference: Reference = "last",
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they were: request, then answer.")] = False,
    request: Annotated[bool, typer.Option("--request", help="Only the request (with --raw).")] = False,
    response: Annotated[bool, typer.Option("--response", help="Only the answer (with --raw).")] = False,
    sent: Annotated[bool, typer.Option("--sent", help="The request as it left for the provider (with --raw).")] = False,
    json: Json = False,
    utc: Utc = False,
    no_pager: Annotated[bool, typer.Option("--no-pager", help="Print it all at once, also on a terminal.")] = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Read one call back: messages, tool calls, timings, cost.

    As in: dashcam show last-1, or: dashcam show 01a21e51-3f10 --raw --response
    """
    from proxy.cli.show import Wanted
    from proxy.cli.show import show as display

    if raw and json:
        raise UsageError("--raw is bytes and --json is a document; choose one")
    if (request or response or sent) and not raw:
        raise UsageError("--request, --response and --sent choose between bytes; use them with --raw")
    sides = tuple(side for side, chosen in (("request", request or sent), ("response", response)) if chosen)
    form = "raw" if raw else "json" if json else "text"
    wanted = Wanted(reference, sides or ("request", "response"), form, sent, is_utc=utc, has_pager=not no_pager)
    display(settings_from(config, data_dir, env_file, database_url=database_url), wanted)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (logs, tail, search, show):
        app.command()(command)
    app.command("list", hidden=True)(logs)
