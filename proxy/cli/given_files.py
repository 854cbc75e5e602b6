"""Files that a command is given: read up to a size, and what is wrong with one told with its name.

``-`` is standard input. What a file says is read by the catalogue's readers, and by the admin API.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proxy.cli.terminal import on_one_line
from proxy.errors import InvalidError, UsageError

LARGEST_FILE = 10 * 1024 * 1024


def read_file(name: str) -> bytes:
    """Return what is in a file, or on standard input for ``-``; ``UsageError`` where it is no file to be read."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_FILE:
        raise UsageError(f"{_named(name)} is larger than {LARGEST_FILE // 1024 // 1024} MB, which is the most")
    return data


@contextlib.contextmanager
def about_file(name: str) -> Iterator[None]:
    """Name the file in all that is refused of it, a line each."""
    try:
        yield
    except UsageError as error:
        told = error.message.replace("\n  ", f"\n  {_named(name)}: ")
        raise UsageError(f"{_named(name)}: {told}", hint=error.hint) from error


def read_content(name: str) -> dict[str, Any]:
    """Return a prompt's content from a YAML or JSON file; a plain text is one system message."""
    from proxy.catalogue.prompt_texts import read_content_text

    data = read_file(name)
    try:
        content, rest = read_content_text(data, "" if name == "-" else Path(name).suffix)
    except InvalidError as error:
        raise UsageError(problems_in(name, error)) from error
    if rest:
        left = f"only the content of {_named(name)} counts here, not its {', '.join(rest)}"
        print(f"dashcam: {on_one_line(left)}; dashcam prompts import takes that in", file=sys.stderr)
    return content


def problems_in(name: str, error: InvalidError) -> str:
    """Return what is wrong with a file, a line each, every one with the file's name."""
    lines = (f": {item}" if item.field else f" {item.reason}" for item in error.problems)
    return "\n  ".join(f"{_named(name)}{line}" for line in lines)


def _named(name: str) -> str:
    return "standard input" if name == "-" else name
