"""What reads a line that was typed: only as much of it as the line names, and made once.

To make all of it takes a tenth of a second, which is half of what a small command takes; so whoever types ``logs`` gets
what reads ``logs``. Help, mistakes and a shell that asks what there is get all of it.
"""

from __future__ import annotations

import copy
import functools

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_command_name


def parser_of(app: typer.Typer, word: str | None) -> TyperGroup:
    """Return what reads a line whose first word is this; None where it is not to be trusted, or there is none."""
    return _made(app, word if word in _words(app) else None)


def _words(app: typer.Typer) -> set[str]:
    groups = {str(item.name) for item in app.registered_groups}
    return groups | {_word(item) for item in app.registered_commands}


def _word(command: typer.models.CommandInfo) -> str:
    assert command.callback is not None
    return command.name or get_command_name(command.callback.__name__)


@functools.cache
def _made(app: typer.Typer, word: str | None) -> TyperGroup:
    part = copy.copy(app)
    if word is not None:
        part.registered_commands = [item for item in app.registered_commands if _word(item) == word]
        part.registered_groups = [item for item in app.registered_groups if item.name == word]
    made = get_command(part)
    assert isinstance(made, TyperGroup)
    return made
