"""``views``: searches under a name; ``dashcam logs --view NAME`` opens one."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Fields, Json
from proxy.cli.resolution import admin_from

views = typer.Typer(help="Keep searches under names.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The view.", autocompletion=completion.views)]


@views.command("list")
def list_views(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List saved views."""
    from proxy.cli.catalogue import print_list

    print_list("views", admin_from(config, data_dir, env_file, database_url).all("views"), as_json=json)


@views.command("show")
def show_view(
    name: Name, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Show what a view says, as YAML."""
    from proxy.catalogue.yaml_text import write_yaml
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_document
    from proxy.cli.terminal import harmless

    found = admin_from(config, data_dir, env_file, database_url).ask("GET", place("views", name))
    if json:
        print_document(found)
        return
    said = {member: value for member, value in found.items() if member != "id" and value not in (None, [], "")}
    print(harmless(write_yaml(said)), end="")


@views.command("save")
def save_view(
    name: Name,
    query: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY…", help="As of dashcam logs: status:error 'latency:>2s'.")
    ] = None,
    fields: Fields = None,
    sort: Annotated[str | None, typer.Option(
        metavar="COLUMN", help="As of dashcam logs: COLUMN or -COLUMN.", autocompletion=completion.columns)] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    json: Json = False, database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Save a search under a name, in place of the one that has it."""
    from proxy.cli.catalogue import print_document
    from proxy.cli.documents import put
    from proxy.cli.terminal import on_one_line

    said: dict[str, Any] = {"name": name, "query": " ".join(query or ()), "sort": sort, "note": note or ""}
    said["columns"] = [column.strip() for column in fields.split(",")] if fields else []
    told = put(admin_from(config, data_dir, env_file, database_url), "views", name, said)
    if json:
        print_document(told)
        return
    print(f"{on_one_line(told['name'])}: {on_one_line(told['query']) or 'every call'}")
    if sys.stdout.isatty():
        print(f"Open it with: dashcam logs --view {told['name']}", file=sys.stderr)


@views.command("remove")
def remove_view(
    name: Name, json: Json = False, database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Take a view away; no call goes with it."""
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_document
    from proxy.cli.terminal import on_one_line

    told = admin_from(config, data_dir, env_file, database_url).ask("DELETE", place("views", name))
    if json:
        print_document(told)
    else:
        print(f"removed {on_one_line(told['deleted'])}")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(views, name="views")
