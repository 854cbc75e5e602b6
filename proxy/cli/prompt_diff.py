"""What differs between two versions of a prompt, as lines of their YAML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from proxy.catalogue.contents import read_content
from proxy.catalogue.yaml_text import write_yaml
from proxy.cli.terminal import harmless, on_one_line, paint

_COLOURS = {"+": "green", "-": "red", "@": "dim"}


def print_diff(old: str, new: str, title: str, new_title: str) -> None:
    """Print a unified diff of two texts; nothing where they are the same."""
    for line in diff_lines(harmless(old), harmless(new), on_one_line(title), on_one_line(new_title)):
        print(paint(line, _COLOURS[line[0]]) if line[:1] in _COLOURS else line)


def diff_lines(old: str, new: str, title: str, new_title: str) -> list[str]:
    """Return the lines of a unified diff; none where both texts are the same."""
    return list(difflib.unified_diff(old.split("\n"), new.split("\n"), title, new_title, lineterm=""))


def print_new_versions(
    changes: Sequence[Mapping[str, Any]], former: Sequence[Mapping[str, Any]], prompts: Sequence[Mapping[str, Any]]
) -> None:
    """Print what each new version of a prompt that is there already says otherwise than the one before it."""
    there = {item["name"]: _by_number(item) for item in former}
    come = {item["name"]: item for item in prompts}
    for change in changes:
        if change["noun"] != "prompts" or change["kind"] != "changed":
            continue
        name = change["name"]
        contents = dict(there.get(name, {}))
        for number in sorted(_new_numbers(change)):
            # As it will be kept, so that only what differs is shown.
            contents[number] = read_content(_by_number(come[name]).get(number) or come[name]["content"])[0]
            before = max((item for item in contents if item < number), default=None)
            old = write_yaml(contents[before]) if before is not None else ""
            print_diff(old, write_yaml(contents[number]), f"{name}@{before or 'none'}", f"{name}@{number}")


def _by_number(prompt: Mapping[str, Any]) -> dict[int, Any]:
    return {int(item["number"]): item.get("content", {}) for item in prompt.get("versions", ()) if "number" in item}


def _new_numbers(change: Mapping[str, Any]) -> list[int]:
    fields = (item["field"].removeprefix("versions.") for item in change["fields"] if item["before"] is None)
    return [int(number) for number in fields if number.isdigit()]
