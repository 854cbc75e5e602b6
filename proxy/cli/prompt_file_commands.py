"""``prompts export``, ``import``, ``starters``, ``test``: prompts as files, some to begin with, and cases of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json
from proxy.cli.resolution import admin_from
from proxy.cli.terminal import on_one_line
from proxy.errors import NotFoundError, UsageError


def export(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where to; it is made where there is none.")],
    name: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="One prompt; repeatable.", autocompletion=completion.prompts),
    ] = None,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Write prompts as files for version control.

    Each has a folder, and each of its versions a file.
    """
    from proxy.catalogue.prompt_files import write_prompts
    from proxy.cli.catalogue import print_document
    from proxy.cli.prompt_folders import prompt_folders, write_folder

    prompts = _exported(admin_from(config, data_dir, env_file, database_url), name or [])
    files = write_prompts(prompts)
    written = write_folder(Path(folder), files)
    names = [prompt["name"] for prompt in prompts]
    left = [] if name else sorted(set(prompt_folders(Path(folder))) - set(names))
    if json:
        print_document({"prompts": names, "files": len(files), "written": written, "left": left})
        return
    print(f"prompts: {len(names)}, files in {folder}: {len(files)}, of them written anew: {written}")
    if left:
        print(f"dashcam: not in Dashcam, and left as they are: {on_one_line(', '.join(left))}", file=sys.stderr)


def _exported(admin: Any, wanted: list[str]) -> list[dict[str, Any]]:
    """Return prompts as a bundle has them, contents in place; ``NotFoundError`` names one that there is not."""
    from proxy.catalogue.yaml_text import read_yaml

    # What a Dashcam writes is as large as what it holds, and is read whole.
    text = admin.ask("GET", "export", only="prompts", whole="true")
    found: list[dict[str, Any]] = read_yaml(text, most_bytes=2**40, most_values=2**40).get("prompts", [])
    if unknown := sorted(set(wanted) - {prompt["name"] for prompt in found}):
        raise NotFoundError(f"there is no prompt {unknown[0]!r}", hint="dashcam prompts list")
    return [prompt for prompt in found if not wanted or prompt["name"] in wanted]


def take_in(
    source: Annotated[str, typer.Argument(metavar="FOLDER|FILE", help="An exported folder, or .txt .md .yaml .json.")],
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="What a file's prompt is called.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Take it in; without, only show what would change.")] = False,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Take prompts in from a folder or a file.

    A folder is what export wrote; a text, Markdown, YAML or JSON is the next version of each prompt in it.
    """
    from proxy.cli.catalogue import print_change, print_changes, print_document, print_what_yes_does
    from proxy.cli.given_files import about_file
    from proxy.cli.prompt_diff import print_new_versions
    from proxy.cli.prompt_folders import bundle_of, read_any
    from proxy.cli.terminal import counted

    prompts, passed = read_any(source, name)
    for item in passed:
        print(f"dashcam: passed over: {on_one_line(item)}", file=sys.stderr)
    admin = admin_from(config, data_dir, env_file, database_url)
    former = [] if yes or json else _exported(admin, [])
    data = bundle_of(prompts)
    with about_file(source):
        told = admin.ask("POST", "import", text=data, dry_run=str(not yes).lower())
    if json:
        print_document(told)
        return
    print_changes(told["changes"])
    if yes:
        print_change(told, f"{counted(len(told['changes']), 'change')} taken in", as_json=False)
        return
    print_new_versions(told["changes"], former, prompts)
    print_what_yes_does(told["changes"], "takes", "in")


def starters(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show one.", autocompletion=completion.starters)
    ] = None,
    as_name: Annotated[str | None, typer.Argument(metavar="AS", help="What the prompt made of it is called.")] = None,
    create: Annotated[bool, typer.Option("--create", help="Make a prompt of it.")] = False,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List prompts to begin with, or show one.

    Make one yours: dashcam prompts starters summarise --create short
    """
    from proxy.catalogue.yaml_text import write_yaml
    from proxy.cli.catalogue import print_change, print_document, print_list
    from proxy.cli.starters import load_starter, load_starters

    if name is None:
        print_list("starters", [_brief(item) for item in load_starters()], as_json=json)
        return
    if as_name is not None and not create:
        raise UsageError("a second name is what the prompt is called", hint=f"dashcam prompts starters {name} --create")
    found = load_starter(name)
    if create:
        body = {**found, "name": as_name or name, "note": f"from the starter {name}"}
        told = admin_from(config, data_dir, env_file, database_url).ask("POST", "prompts", body)
        print_change(told, f"{body['name']}@{told['version']} saved", as_json=json)
    elif json:
        print_document(found)
    else:
        print(write_yaml(found), end="")
        print(f"# make it yours: dashcam prompts starters {name} --create", file=sys.stderr)


def render_cases(
    source: Annotated[str, typer.Argument(metavar="FOLDER|FILE", help="An exported folder, or a file of cases.")],
    update: Annotated[bool, typer.Option("--update", help="Write what is rendered now as what is expected.")] = False,
    from_folder: Annotated[
        bool, typer.Option("--from-folder", help="Render the prompts of the folder, not those that are stored.")
    ] = False,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Render saved cases (cases.yaml) and compare.

    Exits with 7 where one is not as expected.
    """
    from proxy.cli.prompt_cases import find_cases, run_cases, stored_from, update_cases
    from proxy.cli.prompt_folders import read_any

    files = find_cases(source)
    if from_folder:
        if not Path(source).is_dir():
            raise UsageError(f"--from-folder renders the prompts of a folder, and {source} is none")
        stored = stored_from(read_any(source, None)[0])
    else:
        stored = stored_from(_exported(admin_from(config, data_dir, env_file, database_url), []))
    raise typer.Exit(update_cases(files, stored) if update else run_cases(files, stored, as_json=json))


def _brief(starter: dict[str, Any]) -> dict[str, Any]:
    variables = list(starter["content"].get("variables", {}))
    return {**{member: starter.get(member) for member in ("name", "category", "goal")}, "variables": variables}


def add_to(prompts: typer.Typer) -> None:
    """Add the commands to those of prompts."""
    prompts.command("export")(export)
    prompts.command("import")(take_in)
    prompts.command("starters")(starters)
    prompts.command("test")(render_cases)
