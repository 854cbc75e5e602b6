"""``prompts``: kept version by version, labelled, tried. Those for files and for figures are beside it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, File, Json
from proxy.cli.resolution import admin_from

prompts = typer.Typer(help="Keep prompts, version by version.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The prompt.", autocompletion=completion.prompts)]
Version = Annotated[
    str,
    typer.Option("--version", metavar="V", help="A number, name or label.", autocompletion=completion.versions),
]
Labels = Annotated[list[str] | None, typer.Option("--label", metavar="NAME", help="Label it; repeatable.")]


@prompts.command("list")
def list_prompts(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List prompts, how often each was used and in which hour last (last_used is its beginning)."""
    from proxy.cli.catalogue import print_list

    print_list("prompts", admin_from(config, data_dir, env_file, database_url).all("prompts"), as_json=json)


@prompts.command("show")
def show_prompt(
    name: Name, version: Version = "latest",
    last_output: Annotated[bool, typer.Option("--last-output", help="And what its last call answered.")] = False,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Show a version as YAML, as it can be saved again; and how often the prompt was used."""
    from proxy.catalogue.yaml_text import write_yaml
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_document
    from proxy.cli.prompt_output import print_use, print_version
    from proxy.cli.terminal import harmless
    from proxy.errors import NotFoundError

    admin = admin_from(config, data_dir, env_file, database_url)
    found = admin.ask("GET", place("prompts", name, "versions", version))
    try:
        use = admin.ask("GET", place("prompts", name), include="last_output" if last_output else None)
    except NotFoundError:
        # It was deleted; what calls on record were made of can be read all the same.
        use = {"calls": None, "last_used": None, "last_call": None, "last_output": None}
    if json:
        shown = ("calls", "last_used", "last_call", *(["last_output"] if last_output else []))
        print_document({**found, **{member: use[member] for member in shown}})
        return
    print(harmless(write_yaml(found["content"])), end="")
    print_version(name, found, use)
    print_use(use)


@prompts.command("create")
def create_prompt(
    name: Name, file: File,
    label: Labels = None,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What is new.")] = "",
    goal: Annotated[str | None, typer.Option("--goal", metavar="TEXT", help="What it is for.")] = None,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Save a version of a prompt; the first one makes it. Without a change there is no new one."""
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_change
    from proxy.cli.given_files import read_content
    from proxy.errors import NotFoundError

    admin = admin_from(config, data_dir, env_file, database_url)
    body: dict[str, Any] = {"content": read_content(file), "note": note, "labels": label or []}
    try:
        admin.ask("GET", place("prompts", name))
    except NotFoundError:
        told = admin.ask("POST", "prompts", {**body, "name": name, **({"goal": goal} if goal else {})})
    else:
        told = admin.ask("POST", place("prompts", name, "versions"), body)
    print_change(told, f"{name}@{told['version']} {'saved' if told['is_new'] else 'says this already'}", as_json=json)


@prompts.command("edit")
def edit_prompt(
    name: Name, version: Version = "latest",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What is new.")] = "",
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Open a version in $EDITOR and save what comes of it."""
    from proxy.catalogue.yaml_text import read_yaml, write_yaml
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_change
    from proxy.cli.editing import edited, kept_where_refused

    admin = admin_from(config, data_dir, env_file, database_url)
    before = admin.ask("GET", place("prompts", name, "versions", version))["content"]
    data = edited(write_yaml(before), name, ".yaml")
    with kept_where_refused(data, name, ".yaml"):
        content = read_yaml(data)
        if content == before:
            print("Nothing was changed.", file=sys.stderr)
            return
        told = admin.ask("POST", place("prompts", name, "versions"), {"content": content, "note": note})
    print_change(told, f"{name}@{told['version']} {'saved' if told['is_new'] else 'says this already'}", as_json=json)


@prompts.command("render")
def render_prompt(
    name: Name,
    values: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="Its variables.")] = None,
    version: Version = "", json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None,
    data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Show what a call would get, without calling.

    A call that says no version gets the one labelled production, else the latest.
    """
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_document
    from proxy.cli.documents import parameters
    from proxy.cli.prompt_output import print_messages
    from proxy.cli.terminal import on_one_line

    admin = admin_from(config, data_dir, env_file, database_url)
    labels = () if version else admin.ask("GET", place("prompts", name))["labels"]
    wanted = version or ("production" if "production" in labels else "latest")
    declared = admin.ask("GET", place("prompts", name, "versions", wanted))["content"].get("variables", {})
    texts = [variable for variable, said in declared.items() if said["type"] == "string"]
    body = {"version": version, "variables": parameters(values or [], "a variable", texts)}
    told = admin.ask("POST", place("prompts", name, "render"), body)
    if told["unused"]:
        print(f"dashcam: not used by {told['prompt']}: {on_one_line(', '.join(told['unused']))}", file=sys.stderr)
    if json:
        print_document(told["body"])
        return
    print_messages(told["body"].pop("messages"))
    if told["body"]:
        print_document(told["body"])


@prompts.command("diff")
def diff_prompt(
    name: Name,
    one: Annotated[
        str, typer.Argument(metavar="V1", help="A number, name or label.", autocompletion=completion.versions)
    ],
    other: Annotated[
        str, typer.Argument(metavar="V2", help="Another one.", autocompletion=completion.versions)
    ] = "latest",
    color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None,
    env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Show what differs between two versions."""
    from proxy.catalogue.yaml_text import write_yaml
    from proxy.cli.admin import place
    from proxy.cli.prompt_diff import print_diff

    admin = admin_from(config, data_dir, env_file, database_url)
    found = [admin.ask("GET", place("prompts", name, "versions", wanted)) for wanted in (one, other)]
    print_diff(*(write_yaml(item["content"]) for item in found), *(f"{name}@{item['number']}" for item in found))


@prompts.command("label")
def label_prompt(
    name: Name,
    label: Annotated[
        str, typer.Argument(metavar="LABEL", help="Such as production.", autocompletion=completion.labels)
    ],
    version: Annotated[
        str,
        typer.Argument(
            metavar="V", help="The version it stands for; - for none.", autocompletion=completion.versions
        ),
    ],
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Move a label: the next call uses what it stands for."""
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_change

    admin, path = admin_from(config, data_dir, env_file, database_url), place("prompts", name, "labels", label)
    told = admin.ask("DELETE", path) if version == "-" else admin.ask("PUT", path, {"version": version})
    print_change(told, f"{name}@{label} is {told.get('version', 'nothing')}", as_json=json)


@prompts.command("rollback")
def rollback_prompt(
    name: Name,
    label: Annotated[
        str, typer.Option("--label", metavar="LABEL", help="Which label.", autocompletion=completion.labels)
    ] = "production",
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Move a label back to the version it stood for before."""
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_change
    from proxy.cli.former_label import former_number

    admin = admin_from(config, data_dir, env_file, database_url)
    current = admin.ask("GET", place("prompts", name))["labels"].get(label)
    number = former_number(admin, name, label, current)
    told = admin.ask("PUT", place("prompts", name, "labels", label), {"version": str(number)})
    print_change(told, f"{name}@{label} is {number} again (it was {current or 'nothing'})", as_json=json)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(prompts, name="prompts")
