"""Prompts on a disk: a folder of them written so that nothing changes without need, and read with every file's name.

Links are not followed and nothing but ordinary files is opened: a folder may be somebody else's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from proxy.catalogue.bundle import FORMAT
from proxy.catalogue.prompt_files import SUFFIXES, is_of_a_prompt, read_prompts
from proxy.catalogue.prompt_texts import SUFFIXES as TEXT_SUFFIXES
from proxy.catalogue.prompt_texts import read_prompt_texts
from proxy.catalogue.yaml_text import MAX_BYTES
from proxy.cli.given_files import LARGEST_FILE, problems_in, read_file
from proxy.errors import InvalidError, NotFoundError, UsageError

_MOST_FILES = 20_000


def write_folder(folder: Path, files: Mapping[str, str]) -> int:
    """Write files by their paths below a folder, each whole or not at all; return how many are others than before."""
    written = 0
    try:
        for name, text in files.items():
            path, data = folder / name, text.encode()
            if path.is_file() and path.read_bytes() == data:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, data)
            written += 1
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    return written


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)


def prompt_folders(folder: Path) -> list[str]:
    """Return the names of the folders below that are prompts'."""
    if not folder.is_dir():
        return []
    return [item.name for item in _entries(folder) if item.is_dir() and _is_of_a_prompt(item)]


def read_any(source: str, name: str | None) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the prompts of a file or folder, as a bundle has them, and the names of what was passed over.

    ``name`` is for the one prompt of a file. ``NotFoundError`` where there is nothing; ``UsageError`` names file, field
    and reason of all that is wrong.
    """
    path = Path(source)
    if source != "-" and path.is_dir():
        if name is not None:
            raise UsageError(f"--as names the prompt of a file, and {source} is a folder")
        return _read_folder(path)
    if source == "-" and name is None:
        raise UsageError("what comes from standard input has no name", hint="--as NAME gives it one")
    prompts = _read_text(source, name or path.stem)
    if name is None:
        return prompts, []
    if len(prompts) > 1:
        raise UsageError(f"--as names one prompt, and {source} holds {len(prompts)}")
    return [{**prompts[0], "name": name}], []


def _read_folder(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    files, texts, passed = (_files_of(folder), [], []) if _is_of_a_prompt(folder) else _sorted(folder)
    try:
        prompts = read_prompts(files)
    except InvalidError as error:
        inside = folder.parent if _is_of_a_prompt(folder) else folder
        raise UsageError("\n  ".join(str(inside / str(item)) for item in error.problems)) from error
    prompts += [prompt for text in texts for prompt in _read_text(str(text), text.stem)]
    if not prompts:
        hint = "a prompt is a folder with prompt.yaml, or a file .txt, .md, .yaml or .json"
        raise NotFoundError(f"there is no prompt in {folder}", hint=hint)
    _refuse_twice(prompts)
    return prompts, passed


def _sorted(folder: Path) -> tuple[dict[str, bytes], list[Path], list[str]]:
    """Return the files of prompts in a folder of them, texts that are prompts by themselves, and what is neither."""
    files: dict[str, bytes] = {}
    texts: list[Path] = []
    passed: list[str] = []
    for item in _entries(folder):
        if item.is_symlink():
            passed.append(str(item))
        elif item.is_dir() and _is_of_a_prompt(item):
            files |= _files_of(item)
        elif item.is_file() and item.suffix.lower() in TEXT_SUFFIXES and item.stem.lower() != "readme":
            texts.append(item)
        else:
            passed.append(str(item))
        if len(files) + len(texts) > _MOST_FILES:
            raise UsageError(f"{folder} has more than {_MOST_FILES:,} files; take its prompts in one by one")
    return files, texts, passed


def _read_text(source: str, name: str) -> list[dict[str, Any]]:
    try:
        return read_prompt_texts(read_file(source), "" if source == "-" else Path(source).suffix, name)
    except InvalidError as error:
        raise UsageError(problems_in(source, error)) from error


def _refuse_twice(prompts: list[dict[str, Any]]) -> None:
    names = [str(prompt["name"]) for prompt in prompts]
    if twice := sorted(name for name, number in Counter(names).items() if number > 1):
        raise UsageError(f"{twice[0]} is there twice: each prompt has one place in a folder")


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, in a fixed order, without what is hidden."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from error
    yield from (item for item in found if not item.name.startswith("."))


def _is_of_a_prompt(folder: Path) -> bool:
    return any(item.is_file() and is_of_a_prompt(item.name) for item in _entries(folder))


def _files_of(folder: Path) -> dict[str, bytes]:
    name = folder.name or folder.resolve().name
    found: dict[str, bytes] = {}
    for item in _entries(folder):
        if item.suffix.lower() not in SUFFIXES:
            continue
        if item.is_symlink():
            raise UsageError(f"{item} leads elsewhere, and links are not followed")
        if item.is_file():
            found[f"{name}/{item.name}"] = read_file(str(item))
            if len(found) > _MOST_FILES:
                raise UsageError(f"{folder} has more than {_MOST_FILES:,} files")
    return found


def bundle_of(prompts: list[dict[str, Any]]) -> bytes:
    """Return what the admin API takes in; ``UsageError`` where it is more than that takes."""
    data = orjson.dumps({"format": FORMAT, "prompts": prompts})
    if len(data) > min(MAX_BYTES, LARGEST_FILE):
        reason = f"the prompts are {len(data):,} bytes together; at most {MAX_BYTES:,} can be taken in at once"
        each = 'for each in FOLDER/*/; do dashcam prompts import "$each" --yes; done'
        raise UsageError(reason, hint=f"take them in one by one, those that others include first: {each}")
    return data
