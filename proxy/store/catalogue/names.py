"""Names of what is in the catalogue, a few at a time and read-only: what a shell offers after TAB."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES: Mapping[str, str] = {
    "providers": "SELECT name FROM provider",
    "models": "SELECT provider || '/' || name AS name FROM model",
    "routes": "SELECT name FROM route",
    "keys": "SELECT id AS name FROM api_key WHERE revoked_at IS NULL",
    "prompts": "SELECT name FROM prompt_template",
    "views": "SELECT name FROM saved_view",
    "labels": "SELECT prompt || '@' || label AS name FROM prompt_label",
}


def names_beginning(noun: str) -> str:
    """Return the question for names of a noun that begin so; its values are length, beginning and the most.

    A label's name is PROMPT@LABEL.
    """
    return f"SELECT name FROM ({_NAMES[noun]}) AS named WHERE substr(name, 1, ?) = ? ORDER BY name LIMIT ?"  # noqa: S608 - ours
