"""Stored prompts: what each is for, which versions and labels it has, how often it was used, and what came of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.parsing import parse
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.versions import copied
from proxy.control.api import replies
from proxy.control.api.changing import change, check_tag, etag_of, note_reading, object_of, said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.listing import QUERY, page
from proxy.control.api.parameters import words
from proxy.control.api.prompt_changes import (
    SAVING,
    change_prompt,
    find_prompt,
    is_admin,
    now_of,
    prompt_in,
    save_version,
)
from proxy.control.desk import ConflictError
from proxy.errors import InvalidError, Problem
from proxy.store.catalogue import prompt_usage

_DESCRIBING = ("goal", "description", "category", "tags", "metadata", "active", "protected_labels")
_OUTPUT = "last_output"
_CREATES = "A prompt's members, and of its first version: content, note, version_name, labels that stand for it."


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    one = "prompts/{name}"
    lists, gives = (*QUERY, "category", "active"), replies.Prompt
    rows: tuple[tuple[Any, ...], ...] = (
        ("GET", "prompts", "read", "List prompts", _list, {"query": lists, "gives": replies.PromptRow}),
        ("POST", "prompts", "write", "Create a prompt", _create, {
            "says": _CREATES, "gives": replies.SavedVersion, "status": 201,
        }),
        ("GET", one, "read", "Get a prompt", _get, {"gives": gives, "query": ("include",), "has_tag": True}),
        ("PATCH", one, "write", "Change what a prompt is for", _patch, {
            "says": f"Members that change: {', '.join(_DESCRIBING)}.", "gives": replies.Named,
            "has_tag": True, "is_guarded": True,
        }),
        ("DELETE", one, "write", "Delete a prompt", _delete, {"gives": replies.Deleted, "is_guarded": True}),
        ("POST", f"{one}/copy", "write", "Copy a version to another prompt", _copy, {
            "says": "name, of the prompt that it becomes a version of; version: a number, name or label.",
            "gives": replies.Named, "status": 201,
        }),
    )  # fmt: skip
    for method, path, scope, summary, handle, more in rows:
        told = {**more, "takes_object": "says" in more}
        yield Endpoint(method=method, path=path, scope=scope, summary=summary, handle=handle, **told)


def _list(ask: Ask) -> Reply:
    usage = ask.desk.read(lambda within: prompt_usage.all_usage(within.connection))
    found = []
    for name, prompt in sorted(ask.desk.catalogue()[0].prompts.items()):
        used = usage.get(name, prompt_usage.PromptUsage())
        latest = prompt.latest.number if prompt.latest else None
        kept = prompt.model_dump(mode="json", exclude={"versions", "draft"})
        told = {"latest": latest, "versions": len(prompt.versions), "has_draft": prompt.draft is not None}
        found.append({"id": name, **kept, **told, "calls": used.calls, "last_used": used.last_hour})
    return Reply(body=page(found, ask.query))


def _get(ask: Ask) -> Reply:
    """Show a prompt with its use; what came of its last call is somebody's business, and noted where it is shown."""
    prompt, wants = find_prompt(ask), words(ask.query, "include", (_OUTPUT,))
    usage = ask.desk.read(lambda within: prompt_usage.usage_of(within.connection, prompt.name))
    last = None
    if usage.last_hour is not None:
        hour = usage.last_hour
        last = ask.desk.read(
            lambda within: prompt_usage.last_call(within.connection, prompt.name, hour, with_output=bool(wants))
        )
    shown = {
        "id": prompt.name,
        **prompt.to_mapping(),
        "calls": usage.calls,
        "calls_by_version": {str(number): calls for number, calls in usage.versions.items()},
        "last_used": last.started_at if last else usage.last_hour,
        "last_call": last.id if last else None,
    }
    if wants:
        if last is not None and last.output is not None:
            note_reading(ask, last.id, prompt=prompt.name)
        shown[_OUTPUT] = last.output if last else None
    return Reply(body=shown, headers={"etag": etag_of(prompt)})


def _create(ask: Ask) -> Reply:
    """Create a prompt, with its first version where a content comes along."""
    body = object_of(ask.body)
    prompt = parse(PromptDocument, {name: value for name, value in body.items() if name not in SAVING})
    if prompt.versions or prompt.draft is not None:
        raise InvalidError([Problem("versions", "are saved one by one; give the first one as content")])

    def made(now: Catalogue) -> Catalogue:
        if prompt.name in now.prompts:
            raise ConflictError(f"there is a prompt {prompt.name!r} already", hint="save a version of it instead")
        return now.put(prompt)

    if "content" not in body:
        changed = change(ask, "create", "prompts", prompt.name, made)
        return said(changed, {"name": prompt.name}, status=201)
    return save_version(ask, prompt, {name: body[name] for name in SAVING & body.keys()}, is_new=True)


def _patch(ask: Ask) -> Reply:
    body = object_of(ask.body, _DESCRIBING)

    def described(prompt: PromptDocument) -> PromptDocument:
        _check_protected(ask, prompt.protected_labels if "protected_labels" in body else ())
        return parse(PromptDocument, {**prompt.to_mapping(), **_said_of(body)})

    changed = change_prompt(ask, "change", described)
    return said(changed, {"name": ask.path["name"]}, tag=etag_of(prompt_in(changed.after, ask.path["name"])))


def _delete(ask: Ask) -> Reply:
    name = ask.path["name"]

    def made(now: Catalogue) -> Catalogue:
        former = prompt_in(now, name)
        check_tag(ask, former)
        _check_protected(ask, [label for label in former.protected_labels if label in former.labels])
        return now.without("prompts", name)

    return said(change(ask, "delete", "prompts", name, made), {"deleted": name})


def _copy(ask: Ask) -> Reply:
    former, body = find_prompt(ask), object_of(ask.body, ("name", "version"))
    name, wanted = str(body.get("name", "")), str(body.get("version", "latest"))
    at = now_of(ask)

    def made(now: Catalogue) -> Catalogue:
        if name in now.prompts:
            raise ConflictError(f"there is a prompt {name[:100]!r} already")
        return now.put(copied(now.prompts[former.name], wanted, name, author=ask.actor.name, at=at))

    return said(change(ask, "copy", "prompts", name, made), {"name": name}, status=201)


def _check_protected(ask: Ask, labels: Any) -> None:
    if labels and not is_admin(ask):
        raise InvalidError([Problem("protected_labels", "are for the scope admin")])


def _said_of(body: Mapping[str, Any]) -> dict[str, Any]:
    empty = PromptDocument.model_fields
    return {name: empty[name].get_default() if value is None else value for name, value in body.items()}
