"""The commands of what is edited while Dashcam runs: ``providers``, ``models``, ``routes``, ``audit``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json
from proxy.cli.resolution import settings_from
from proxy.errors import DashcamError, UsageError

providers = typer.Typer(help="Say who serves models.", no_args_is_help=True, rich_markup_mode=None)
models = typer.Typer(help="Describe models of providers.", no_args_is_help=True, rich_markup_mode=None)
routes = typer.Typer(help="Give models public names.", no_args_is_help=True, rich_markup_mode=None)

Provider = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=completion.providers)]
Route = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=completion.routes)]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Any field of it; repeatable.")]


_UNSAID: tuple[Any, ...] = (None, [], {}, "")


def _admin(config: str | None, data_dir: str | None, env_file: str | None, url: str | None) -> Any:
    from proxy.cli.admin import Admin

    return Admin(settings_from(config, data_dir, env_file, database_url=url))


@providers.command("list")
def list_providers(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List providers, with where each is from."""
    from proxy.cli.catalogue import print_list

    print_list("providers", _admin(config, data_dir, env_file, database_url).all("providers"), as_json=json)


@providers.command("add")
def add_provider(
    name: Provider,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Its address, with /v1; a new one needs it.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="openai, … (default: custom).")] = None,
    key: Annotated[bool, typer.Option("--key", help="Read its key from standard input, and seal it.")] = False,
    values: Set = None, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None,
    data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Add a provider, or change one."""
    from proxy.cli.admin import part
    from proxy.cli.catalogue import parameters, print_change, put

    admin = _admin(config, data_dir, env_file, database_url)
    text = _read_key(name) if key else None
    document: dict[str, Any] = {"name": name, **parameters(values or [], "--set")}
    document.update({field: said for field, said in (("base_url", url), ("kind", kind)) if said is not None})
    told = put(admin, "providers", name, document, usual={"kind": "custom"}, needs={"base_url": "--url URL"})
    if text is not None:
        try:
            told = admin.ask("PUT", f"providers/{part(name)}/key", {"key": text})
        except DashcamError as error:
            error.message += f"\n  provider {name} is saved, without this key"
            raise
    print_change(told, f"provider {name}", as_json=json)
    if text is None and (told.get("stored_key") or {}).get("fits") is False:
        print("dashcam: its stored key was given for another address, and is not sent to this one", file=sys.stderr)
        print(f"  next: dashcam providers add {name} --key", file=sys.stderr)


def _read_key(name: str) -> str:
    import getpass

    text = getpass.getpass(f"Key of {name}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise UsageError("no key was given", hint=f"printenv THE_KEY | dashcam providers add {name} --key …")
    return text.strip()


@providers.command("test")
def ask_provider(
    name: Provider, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None,
    data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Ask a provider for its models, and say what came of it."""
    from proxy.cli.admin import part
    from proxy.cli.catalogue import print_document
    from proxy.cli.findings import FOUND_PROBLEMS

    told = _admin(config, data_dir, env_file, database_url).ask("POST", f"providers/{part(name)}/test")
    if json:
        print_document(told)
    elif told["result"] == "ok":
        print(f"{name} answers in {told['latency_ms']:,.0f} ms and lists {told['models']:,} models")
    else:
        print(f"{name} does not answer as it should: {told['result'].replace('_', ' ')}", file=sys.stderr)
        if told["hint"]:
            print(f"  next: {told['hint']}", file=sys.stderr)
    if told["result"] != "ok":
        raise typer.Exit(FOUND_PROBLEMS)


@providers.command("remove")
def remove_provider(
    name: Provider, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None,
    data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Remove a provider, with what is said of its models."""
    _remove("providers", name, _admin(config, data_dir, env_file, database_url), as_json=json)


@providers.command("reseal")
def reseal_keys(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Seal every kept key anew with the newest master key.

    It is the first one of DASHCAM_MASTER_KEY; the others are not needed any more then.
    """
    from proxy.cli.catalogue import print_change

    told = _admin(config, data_dir, env_file, database_url).ask("POST", "secrets/rotate")
    count = len(told["providers"])
    print_change(told, f"{count} {'key' if count == 1 else 'keys'} sealed anew", as_json=json)


def _remove(noun: str, name: str, admin: Any, *, as_json: bool) -> None:
    from proxy.cli.admin import part
    from proxy.cli.catalogue import print_change
    from proxy.cli.terminal import counted

    told = admin.ask("DELETE", f"{noun}/{part(name)}")
    beside = f", and {counted(told['models'], 'model')} of it" if told.get("models") else ""
    print_change(told, f"{noun.removesuffix('s')} {name} removed{beside}", as_json=as_json)


@models.command("list")
def list_models(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List the models that are described."""
    from proxy.cli.catalogue import print_list

    print_list("models", _admin(config, data_dir, env_file, database_url).all("models"), as_json=json)


@models.command("sync")
def sync_models(
    name: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="Whose list.", autocompletion=completion.providers)
    ],
    json: Json = False,
    color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Describe every model that a provider lists; none is taken away."""
    from proxy.cli.admin import part
    from proxy.cli.catalogue import print_change

    told = _admin(config, data_dir, env_file, database_url).ask("POST", f"providers/{part(name)}/models/sync")
    print_change(told, f"{len(told['added'])} of {told['listed']} models are new", as_json=json)


@models.command("add")
def add_model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="PROVIDER/NAME", help="The provider's own name of it.", autocompletion=completion.catalogue_models
        ),
    ],
    values: Set = None, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None,
    data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Describe a model, or change that: --set max_output_tokens=4096 --set 'defaults={"temperature":0.2}'."""
    from proxy.cli.catalogue import parameters, print_change, put

    provider, slash, model = name.partition("/")
    if not slash:
        raise UsageError(f"{name[:80]!r} is no PROVIDER/NAME")
    document = {"provider": provider, "name": model, **parameters(values or [], "--set")}
    told = put(_admin(config, data_dir, env_file, database_url), "models", name, document)
    print_change(told, f"model {name}", as_json=json)


@models.command("remove")
def remove_model(
    name: Annotated[
        str, typer.Argument(metavar="PROVIDER/NAME", help="The model.", autocompletion=completion.catalogue_models)
    ],
    json: Json = False,
    color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Say nothing of a model any more."""
    _remove("models", name, _admin(config, data_dir, env_file, database_url), as_json=json)


@routes.command("list")
def list_routes(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List routes, with where each is from."""
    from proxy.cli.catalogue import print_list

    print_list("routes", _admin(config, data_dir, env_file, database_url).all("routes"), as_json=json)


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
    routes = _admin(config, data_dir, env_file, database_url).all("routes")
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
    from proxy.cli.catalogue import parameters, print_change, put

    document: dict[str, Any] = {"name": name, **parameters(values or [], "--set")}
    document.update({field: said for field, said in (("targets", target), ("prompt", prompt)) if said})
    admin = _admin(config, data_dir, env_file, database_url)
    told = put(admin, "routes", name, document, needs={"targets": "--target PROVIDER/MODEL"})
    print_change(told, f"route {name}", as_json=json)


@routes.command("remove")
def remove_route(
    name: Route, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Remove a route."""
    _remove("routes", name, _admin(config, data_dir, env_file, database_url), as_json=json)


def audit(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=500, help="At most so many.")] = 20,
    actor: Annotated[str | None, typer.Option("--actor", metavar="NAME", help="By whom.")] = None,
    action: Annotated[str | None, typer.Option("--action", metavar="WORD", help="Such as create or login.")] = None,
    noun: Annotated[str | None, typer.Option("--noun", metavar="NOUN", help="Such as providers or keys.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", metavar="WORD", help="done, refused or failed.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="2026-11-01 or an instant.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="The same, exclusive.")] = None,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List who changed what and who asked to, the newest first."""
    from proxy.cli.catalogue import print_list

    found = _admin(config, data_dir, env_file, database_url).ask(
        "GET", "audit", limit=limit, actor=actor, action=action, noun=noun, outcome=outcome, since=since, until=until
    )
    print_list("audit", found["data"], as_json=json)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for name, group in (("providers", providers), ("models", models), ("routes", routes)):
        app.add_typer(group, name=name)
    app.command()(audit)
