"""``prompts export`` and ``prompts import``: prompts as files for version control, and from files of any kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json
from proxy.cli.resolution import settings_from


def _admin(config: str | None, data_dir: str | None, env_file: str | None, url: str | None) -> Any:
    from proxy.cli.admin import Admin

    return Admin(settings_from(config, data_dir, env_file, database_url=url))


def export(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where to; it is made where there is none.")],
    name: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="One prompt; repeatable.")] = None,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Write prompts as files for version control: a folder each, a file for each version."""
    from proxy.catalogue.prompt_files import write_prompts
    from proxy.cli.catalogue import print_document
    from proxy.cli.prompt_folders import prompt_folders, write_folder

    prompts = _exported(_admin(config, data_dir, env_file, database_url), name or [])
    files = write_prompts(prompts)
    written = write_folder(Path(folder), files)
    names = [prompt["name"] for prompt in prompts]
    left = [] if name else sorted(set(prompt_folders(Path(folder))) - set(names))
    if json:
        print_document({"prompts": names, "files": len(files), "written": written, "left": left})
        return
    print(f"prompts: {len(names)}, files in {folder}: {len(files)}, of them written anew: {written}")
    if left:
        print(f"dashcam: not in Dashcam, and left as they are: {', '.join(left)}", file=sys.stderr)


def _exported(admin: Any, wanted: list[str]) -> list[dict[str, Any]]:
    """Return prompts as a bundle has them, contents in place; ``NotFoundError`` names one that there is not."""
    from proxy.catalogue.yaml_text import read_yaml
    from proxy.errors import NotFoundError

    # What a Dashcam writes is as large as what it holds, and is read whole.
    text = admin.ask("GET", "export")
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
    """Take prompts in: what export wrote, or the next version of each from texts, Markdown, YAML or JSON."""
    from proxy.cli.catalogue import print_change, print_changes, print_document
    from proxy.cli.prompt_diff import print_new_versions
    from proxy.cli.prompt_folders import bundle_of, read_any

    prompts, passed = read_any(source, name)
    for item in passed:
        print(f"dashcam: passed over: {item}", file=sys.stderr)
    admin = _admin(config, data_dir, env_file, database_url)
    former = [] if yes or json else _exported(admin, [])
    told = admin.ask("POST", "import", text=bundle_of(prompts), dry_run=str(not yes).lower())
    if json:
        print_document(told)
        return
    print_changes(told["changes"])
    if yes:
        print_change(told, f"{len(told['changes'])} changes taken in", as_json=False)
        return
    print_new_versions(told["changes"], former, prompts)
    print(f"{len(told['changes'])} changes; --yes takes them in", file=sys.stderr)


def add_to(prompts: typer.Typer) -> None:
    """Add the commands to those of prompts."""
    prompts.command("export")(export)
    prompts.command("import")(take_in)
