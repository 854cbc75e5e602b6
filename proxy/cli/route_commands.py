"""``routes``: public names of models, and who serves each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json, Set
from proxy.cli.resolution import admin_from

routes = typer.Typer(help="Give models public names.", no_args_is_help=True, rich_markup_mode=None)

Route = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=completion.routes)]
_UNSAID: tuple[Any, ...] = (None, [], {}, "")


@routes.command("list")
def list_routes(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List routes, with where each is from."""
    from proxy.cli.catalogue import print_list

    print_list("routes", admin_from(config, data_dir, env_file, database_url).all("routes"), as_json=json)


@routes.command("show")
def show_route(
    name: Route, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Show a route as YAML: all that is said of it."""
    from proxy.catalogue.yaml_text import write_yaml
    from proxy.cli.catalogue import print_document
    from proxy.cli.terminal import harmless
    from proxy.errors import NotFoundError

    # Asked for as one of the list, which has those of the settings file, too.
    routes = admin_from(config, data_dir, env_file, database_url).all("routes")
    found = next((item for item in routes if item["name"] == name), None)
    if found is None:
        raise NotFoundError(f"there is no route {name[:200]!r}", hint="dashcam routes list")
    if json:
        print_document(found)
    else:
        print(harmless(write_yaml(_what_is_said(found))), end="")


def _what_is_said(value: Any) -> Any:
    """Return a document without what it does not say."""
    if isinstance(value, list):
        return [_what_is_said(item) for item in value]
    if isinstance(value, dict):
        return {name: _what_is_said(item) for name, item in value.items() if item not in _UNSAID}
    return value


@routes.command("set")
def set_route(
    name: Route,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", metavar="PROVIDER/MODEL", help="Who serves it; repeatable. A new one needs it.",
            autocompletion=completion.catalogue_models,
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", metavar="NAME@LABEL", help="A stored prompt.", autocompletion=completion.references_to_prompts
        ),
    ] = None,
    values: Set = None, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None,
    data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Make a route, or change one."""
    from proxy.cli.catalogue import print_change
    from proxy.cli.documents import parameters, put

    document: dict[str, Any] = {"name": name, **parameters(values or [], "--set")}
    document.update({field: said for field, said in (("targets", target), ("prompt", prompt)) if said})
    admin = admin_from(config, data_dir, env_file, database_url)
    told = put(admin, "routes", name, document, needs={"targets": "--target PROVIDER/MODEL"})
    print_change(told, f"route {name}", as_json=json)


@routes.command("remove")
def remove_route(
    name: Route, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Remove a route."""
    from proxy.cli.documents import remove

    remove(admin_from(config, data_dir, env_file, database_url), "routes", name, as_json=json)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(routes, name="routes")
