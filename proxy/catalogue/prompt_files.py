"""Prompts as files for version control: a folder for each, in it ``prompt.yaml`` and a file for each version.

A version's file is called by its number and never changes, as the version. What moves (labels, the draft, what the
prompt is for) is in the small file beside it, so that a change is a small difference. The same prompts are the same
bytes. Nothing is read from or written to a disk here: files are texts by their paths, "short/0001.yaml".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from proxy.catalogue.heads import read_head
from proxy.catalogue.parsing import parse
from proxy.catalogue.prompt import PromptDocument, VersionHead
from proxy.catalogue.yaml_text import read_yaml, write_yaml
from proxy.errors import InvalidError, Problem

FORMAT = "dashcam-prompt/1"
HEAD = "prompt.yaml"
CASES = "cases.yaml"
"""Beside a prompt: what ``dashcam prompts test`` renders."""
SUFFIXES = (".yaml", ".yml")
_VERSION = re.compile(r"([0-9]{1,12})\.ya?ml")
_SORTED = ("labels", "metadata")
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC).isoformat()


def write_prompts(prompts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the files of prompts, by path; prompts as a bundle has them, contents in place."""
    files: dict[str, str] = {}
    for prompt in prompts:
        rest = {name: value for name, value in prompt.items() if name != "versions"}
        for name in _SORTED:
            if isinstance(rest.get(name), dict):
                rest[name] = dict(sorted(rest[name].items()))
        files[f"{prompt['name']}/{HEAD}"] = write_yaml({"format": FORMAT, **rest})
        for head in prompt.get("versions", ()):
            said = {name: value for name, value in head.items() if name != "number"}
            files[f"{prompt['name']}/{head['number']:04}.yaml"] = write_yaml(said)
    return files


def is_of_a_prompt(name: str) -> bool:
    """Tell whether a file is one by which a folder is known as that of a prompt."""
    return name == HEAD or _VERSION.fullmatch(name) is not None


def read_prompts(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return the prompts of files, as a bundle has them; ``InvalidError`` has every mistake by its file and field."""
    problems: list[Problem] = []
    folders: dict[str, dict[str, bytes]] = {}
    for path, data in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, {})[name] = data
    made: dict[str, dict[str, Any]] = {}
    for folder, inside in folders.items():
        prompt = _prompt(folder, inside, problems)
        name = str(prompt["name"])
        if name in made:
            problems.append(Problem(f"{folder}/{HEAD}: name", f"{name[:100]!r} is the name of another folder's prompt"))
        made[name] = prompt
    if problems:
        raise InvalidError(problems)
    return list(made.values())


def _prompt(folder: str, files: Mapping[str, bytes], problems: list[Problem]) -> dict[str, Any]:
    said = _head(f"{folder}/{HEAD}", files[HEAD], problems) if HEAD in files else {}
    prompt = {"name": folder.rpartition("/")[2], **said}
    versions = sorted(_versions(folder, files, problems), key=lambda item: item["number"])
    numbers = [item["number"] for item in versions]
    for number in sorted({number for number in numbers if numbers.count(number) > 1}):
        problems.append(Problem(folder, f"has two files for the version {number}"))
    if not problems:
        _check(folder, prompt, versions, problems)
    return {**prompt, "versions": versions}


def _head(path: str, data: bytes, problems: list[Problem]) -> dict[str, Any]:
    values = _object(path, data, problems)
    if values and values.pop("format", None) != FORMAT:
        problems.append(Problem(f"{path}: format", f"is not {FORMAT}"))
    if "versions" in values:
        problems.append(Problem(f"{path}: versions", "are files beside it, such as 0001.yaml"))
    return values


def _versions(folder: str, files: Mapping[str, bytes], problems: list[Problem]) -> Iterator[dict[str, Any]]:
    for name, data in files.items():
        found = _VERSION.fullmatch(name)
        if found:
            yield _version(f"{folder}/{name}", int(found[1]), data, problems)
        elif name not in (HEAD, CASES):
            reason = f"is neither {HEAD} nor {CASES} nor a version: that is called by its number, such as 0002.yaml"
            problems.append(Problem(f"{folder}/{name}", reason))


def _version(path: str, number: int, data: bytes, problems: list[Problem]) -> dict[str, Any]:
    """Return a version with its number; a file that holds messages alone is the content."""
    values = _object(path, data, problems)
    if "content" not in values and "messages" in values:
        values = {"content": values}
    if not values:
        return {"number": number}
    found: list[Problem] = []
    if values.setdefault("number", number) != number:
        found.append(Problem("number", "is not what the file is called by; leave it out"))
    head = read_head({**values, "number": number}, {"made_at": _SOME_TIME}, "", {}, found)
    try:
        parse(VersionHead, head)
    except InvalidError as error:
        found += error.problems
    problems += [_in_file(path, item) for item in found]
    return {**values, "number": number}


def _check(folder: str, prompt: Mapping[str, Any], versions: Iterable[dict[str, Any]], problems: list[Problem]) -> None:
    """Look at the small file with all versions beside it."""
    found: list[Problem] = []
    whole = {**prompt, "versions": [read_head(item, {"made_at": _SOME_TIME}, "", {}, found) for item in versions]}
    if prompt.get("draft") is not None:
        whole["draft"] = read_head(prompt["draft"], {"saved_at": _SOME_TIME}, "draft", {}, found)
    try:
        parse(PromptDocument, whole)
    except InvalidError as error:
        found += error.problems
    problems += [_in_file(f"{folder}/{HEAD}", item) for item in found]


def _object(path: str, data: bytes, problems: list[Problem]) -> dict[str, Any]:
    try:
        values = read_yaml(data)
    except InvalidError as error:
        problems += [_in_file(path, item) for item in error.problems]
        return {}
    if not isinstance(values, dict) or not values:
        problems.append(Problem(path, "holds no object of names and values"))
        return {}
    return values


def _in_file(path: str, problem: Problem) -> Problem:
    return Problem(f"{path}: {problem.field}" if problem.field else path, problem.reason)
