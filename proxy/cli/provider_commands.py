"""The commands of who serves models: ``providers``, and ``models`` of theirs.

A provider's key is read from standard input and never an argument: arguments are seen by others and stay in histories.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json, Set
from proxy.cli.resolution import admin_from
from proxy.errors import DashcamError, UsageError

providers = typer.Typer(help="Say who serves models.", no_args_is_help=True, rich_markup_mode=None)
models = typer.Typer(help="Describe models of providers.", no_args_is_help=True, rich_markup_mode=None)

Provider = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=completion.providers)]


@providers.command("list")
def list_providers(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List providers, with where each is from."""
    from proxy.cli.catalogue import print_list

    print_list("providers", admin_from(config, data_dir, env_file, database_url).all("providers"), as_json=json)


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
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_change
    from proxy.cli.documents import parameters, put

    admin = admin_from(config, data_dir, env_file, database_url)
    text = _read_key(name) if key else None
    document: dict[str, Any] = {"name": name, **parameters(values or [], "--set")}
    document.update({field: said for field, said in (("base_url", url), ("kind", kind)) if said is not None})
    told = put(admin, "providers", name, document, usual={"kind": "custom"}, needs={"base_url": "--url URL"})
    if text is not None:
        try:
            told = admin.ask("PUT", place("providers", name, "key"), {"key": text})
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
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_document
    from proxy.cli.findings import FOUND_PROBLEMS

    told = admin_from(config, data_dir, env_file, database_url).ask("POST", place("providers", name, "test"))
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
    from proxy.cli.documents import remove

    remove(admin_from(config, data_dir, env_file, database_url), "providers", name, as_json=json)


@providers.command("reseal")
def reseal_keys(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Seal every kept key anew with the newest master key.

    It is the first one of DASHCAM_MASTER_KEY; the others are not needed any more then.
    """
    from proxy.cli.catalogue import print_change

    told = admin_from(config, data_dir, env_file, database_url).ask("POST", "secrets/rotate")
    count = len(told["providers"])
    print_change(told, f"{count} {'key' if count == 1 else 'keys'} sealed anew", as_json=json)


@models.command("list")
def list_models(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List the models that are described."""
    from proxy.cli.catalogue import print_list

    print_list("models", admin_from(config, data_dir, env_file, database_url).all("models"), as_json=json)


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
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_change

    told = admin_from(config, data_dir, env_file, database_url).ask("POST", place("providers", name, "models", "sync"))
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
    from proxy.cli.catalogue import print_change
    from proxy.cli.documents import parameters, put

    provider, slash, model = name.partition("/")
    if not slash:
        raise UsageError(f"{name[:80]!r} is no PROVIDER/NAME")
    document = {"provider": provider, "name": model, **parameters(values or [], "--set")}
    told = put(admin_from(config, data_dir, env_file, database_url), "models", name, document)
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
    from proxy.cli.documents import remove

    remove(admin_from(config, data_dir, env_file, database_url), "models", name, as_json=json)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(providers, name="providers")
    app.add_typer(models, name="models")
