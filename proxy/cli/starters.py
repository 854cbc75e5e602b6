"""Prompts to begin with, which travel with the program: files in ``config/starters``, a prompt each.

They are checked by a test with the examples of their variables, and become a prompt like any other one.
"""

from __future__ import annotations

from typing import Any

from proxy.catalogue.prompt_texts import read_prompt_texts
from proxy.errors import NotFoundError
from proxy.resources import config_folder


def load_starters() -> list[dict[str, Any]]:
    """Return all of them by their names, each as a bundle says a prompt with its first version."""
    return [_load(name) for name in starter_names()]


def starter_names() -> list[str]:
    """Return what there is."""
    return sorted(path.stem for path in (config_folder() / "starters").glob("*.yaml"))


def load_starter(name: str) -> dict[str, Any]:
    """Return one of them; ``NotFoundError`` where there is none of this name."""
    if name not in starter_names():
        raise NotFoundError(f"there is no starter {name[:100]!r}", hint="dashcam prompts starters")
    return _load(name)


def _load(name: str) -> dict[str, Any]:
    (found,) = read_prompt_texts((config_folder() / "starters" / f"{name}.yaml").read_bytes(), ".yaml", name)
    return found
