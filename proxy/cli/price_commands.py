"""The commands about money and about reading the record again: ``prices``, ``recost``, ``reinterpret``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json, Model, ProviderName, Since, Until, Utc
from proxy.cli.resolution import settings_from
from proxy.errors import UsageError

prices = typer.Typer(help="Say what calls cost, and which have no price.", no_args_is_help=True, rich_markup_mode=None)

_SHOWN = 5
Yes = Annotated[bool, typer.Option("--yes", help="Write it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change (the default).")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept with each change.")]


@prices.command("list")
def list_prices(
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="A model; * stands for anything.")
    ] = None,
    provider: ProviderName = None,
    json: Json = False,
    color: Color = "auto",
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """List the prices that count now."""
    from proxy.cli.prices import list_prices as show

    show(settings_from(config, data_dir, env_file), model=model, provider=provider, as_json=json)


@prices.command("show")
def show_price(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name, as calls say it.")],
    provider: ProviderName = None,
    json: Json = False,
    color: Color = "auto",
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Show all unit prices of a model, tier by tier."""
    from proxy.cli.prices import show_price as show

    show(settings_from(config, data_dir, env_file), model, provider=provider, as_json=json)


@prices.command("refresh")
def refresh(
    source: Annotated[str | None, typer.Option("--from", metavar="FILE", help="A file, without the network.")] = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Another address than prices.url.")] = None,
    json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Get newer prices; they count for later calls only.

    Downloads the data of genai-prices, checks it and keeps it in the data folder. A running Dashcam takes it up itself.
    """
    from proxy.cli.price_refresh import refresh as fetch

    fetch(settings_from(config, data_dir, env_file), url=url, path=source, as_json=json)


@prices.command("import")
def import_prices(
    file: Annotated[str, typer.Argument(metavar="FILE", help="data.json of genai-prices, or LiteLLM's file.")],
    since: Annotated[str | None, typer.Option("--since", metavar="DAY", help="From which day on they count.")] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="KIND,…", help="Kinds of providers.")] = None,
    yes: Yes = False,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Take prices of a file into the catalogue; without --yes only say how many there are."""
    from proxy.cli.admin import Admin
    from proxy.cli.catalogue import print_change, print_document
    from proxy.cli.given_files import about_file, read_file
    from proxy.cli.terminal import counted

    admin = Admin(settings_from(config, data_dir, env_file, database_url=database_url))
    query = {"since": since, "only": only, "dry_run": None if yes else "true"}
    data = read_file(file)
    with about_file(file):
        told = admin.ask("POST", "prices/import", text=data, **query)
    found = f"{counted(told['prices'], 'price')} of {told['origin']}, {told['skipped']:,} left out"
    if json:
        print_document(told)
    elif yes:
        print_change(told, f"{found}, {told['changed']:,} changed", as_json=False)
    else:
        print(f"{found}; --yes takes {'it' if told['prices'] == 1 else 'them'} in")
    if not json:
        _tell_left_out(told["left_out"], told["skipped"])


def _tell_left_out(first: Sequence[Mapping[str, str]], count: int) -> None:
    """Say of the first that were left out why; of LiteLLM's own file that is most."""
    from proxy.cli.terminal import on_one_line

    for item in first[:_SHOWN]:
        print(f"left out: {on_one_line(item['field'])}: {on_one_line(item['reason'])}", file=sys.stderr)
    if count > _SHOWN:
        print(f"left out as well: {count - _SHOWN:,} more", file=sys.stderr)


@prices.command("unpriced")
def unpriced(
    since: Since = None,
    until: Until = None,
    utc: Utc = False,
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """List calls whose price nobody knew."""
    from proxy.cli.prices import unpriced as show

    show(
        settings_from(config, data_dir, env_file, database_url=database_url),
        since=since,
        until=until,
        is_utc=utc,
        as_json=json,
    )


def recost(
    since: Since = None,
    until: Until = None,
    model: Model = None,
    provider: ProviderName = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Price recorded calls again, with the prices of now.

    Shows the difference by model; --yes writes it. Old amounts are kept, counters of /metrics are not changed.
    """
    from proxy.cli.recost import recost as start
    from proxy.cli.rewriting import Range

    _check(yes, dry_run)
    wanted = Range(since=since, until=until, model=model, provider=provider, reason=reason, writes=yes, as_json=json)
    start(settings_from(config, data_dir, env_file, database_url=database_url), wanted)


def reinterpret(
    since: Since = None,
    until: Until = None,
    model: Model = None,
    provider: ProviderName = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Read recorded calls again from their kept bytes.

    Shows what would differ, by column; --yes writes it. Old values are kept, counters of /metrics are not changed.
    """
    from proxy.cli.reinterpret import reinterpret as start
    from proxy.cli.rewriting import Range

    _check(yes, dry_run)
    wanted = Range(since=since, until=until, model=model, provider=provider, reason=reason, writes=yes, as_json=json)
    start(settings_from(config, data_dir, env_file, database_url=database_url), wanted)


def _check(yes: bool, dry_run: bool) -> None:
    if yes and dry_run:
        raise UsageError("--yes writes and --dry-run does not; choose one")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(prices, name="prices")
    app.command()(recost)
    app.command()(reinterpret)
