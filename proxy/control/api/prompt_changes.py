"""What changes of prompts have in common: the prompt of the path, a version saved, who may move what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.contents import read_content
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.versions import moved_label, saved_version
from proxy.control.api.changing import change, check_tag, object_of, said
from proxy.control.api.endpoint import Ask, Reply
from proxy.control.desk import Changed, ConflictError
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.store.catalogue import prompt_versions

SAVING = frozenset(("content", "note", "version_name", "labels"))
"""What is said of a version that is saved."""


def change_prompt(
    ask: Ask,
    action: str,
    made: Callable[[PromptDocument], PromptDocument],
    contents: Mapping[str, Mapping[str, Any]] | None = None,
) -> Changed:
    """Change the prompt of the path, if it is the one that ``If-Match`` names."""
    name = ask.path["name"]

    def whole(now: Catalogue) -> Catalogue:
        former = prompt_in(now, name)
        check_tag(ask, former)
        return now.put(made(former))

    return change(ask, action, "prompts", name, whole, contents=contents)


def find_prompt(ask: Ask) -> PromptDocument:
    """Return the prompt of the path, of the catalogue that is published."""
    return prompt_in(ask.desk.catalogue()[0], ask.path["name"])


def prompt_in(catalogue: Catalogue, name: str) -> PromptDocument:
    """Return a prompt; ``NotFoundError`` where there is none of this name."""
    found = catalogue.prompts.get(name)
    if found is None:
        raise NotFoundError(f"there is no prompt {name[:100]!r}", hint="dashcam prompts list")
    return found


def save_version(ask: Ask, prompt: PromptDocument, body: Mapping[str, Any], *, is_new: bool) -> Reply:
    """Save a version; what the latest one says already is no new one. Labels that are named move to it."""
    object_of(body, SAVING)
    content, sha256 = read_content(body.get("content"), "content")
    labels, at, author = body.get("labels") or [], now_of(ask), ask.actor.name
    if not isinstance(labels, list):
        raise InvalidError([Problem("labels", "must be a list of labels that move to this version")])
    above = ask.desk.read(lambda within: prompt_versions.highest_number(within.connection, prompt.name))
    note, version_name = str(body.get("note") or ""), body.get("version_name")

    def made(now: Catalogue) -> Catalogue:
        former = now.prompts.get(prompt.name)
        if former is None and not is_new:
            raise NotFoundError(f"there is no prompt {prompt.name!r}")
        if former is not None and is_new:
            raise ConflictError(f"there is a prompt {prompt.name!r} already", hint="save a version of it instead")
        if former is not None:
            check_tag(ask, former)
        new = saved_version(former or prompt, sha256, author=author, at=at, above=above, note=note, name=version_name)
        assert new.latest is not None
        for label in labels:
            new = moved_label(new, str(label), str(new.latest.number), may_move_protected=is_admin(ask))
        return now.put(new)

    changed = change(ask, "save", "prompts", prompt.name, made, contents={sha256: content})
    latest = prompt_in(changed.after, prompt.name).latest
    told = {"name": prompt.name, "version": latest.number if latest else None, "sha256": sha256}
    return said(changed, {**told, "is_new": bool(changed.changes)}, status=201 if changed.changes else 200)


def is_admin(ask: Ask) -> bool:
    """Tell whether who asks may move what is protected."""
    return ask.actor.scope == "admin"


def now_of(ask: Ask) -> datetime:
    """Return the database's own time."""
    return ask.desk.read(lambda within: within.now())
