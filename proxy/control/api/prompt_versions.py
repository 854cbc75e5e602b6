"""Versions of prompts that never change, labels that move, a draft apart, and what a version makes of values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from proxy.catalogue.contents import read_content
from proxy.catalogue.prompt import VersionHead
from proxy.catalogue.rendered import head_of, partials_of
from proxy.catalogue.versions import drafted, moved_label
from proxy.control.api import replies
from proxy.control.api.changing import object_of, said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.listing import QUERY, page
from proxy.control.api.prompt_changes import (
    change_prompt,
    find_prompt,
    is_admin,
    now_of,
    prompt_in,
    save_version,
)
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.prompting.checking import read_version
from proxy.prompting.problems import RenderingError
from proxy.prompting.rendering import CompiledPrompt
from proxy.store.catalogue import prompt_versions

_SAVES = "content: messages, parameters, variables, tools; and note, version_name, labels that move to it."
_MOST_DIGITS = 9
_RENDERS = (
    "variables by name; version (a number, name or label, else what a call gets), or a content that is not saved."
)


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    one, version = "prompts/{name}", "prompts/{name}/versions/{version}"
    label, draft = f"{one}/labels/{{label}}", f"{one}/draft"
    guarded, saved = {"is_guarded": True}, replies.SavedVersion
    rows: tuple[tuple[Any, ...], ...] = (
        ("POST", f"{one}/render", "read", "Render a version without calling", _render, {
            "says": _RENDERS, "gives": replies.Rendered, "is_change": False,
        }),
        ("GET", f"{one}/versions", "read", "List versions", _versions, {"query": QUERY, "gives": replies.VersionRow}),
        ("POST", f"{one}/versions", "write", "Save a version", _save, {
            "says": _SAVES, "status": 201, "gives": saved, **guarded,
        }),
        ("GET", version, "read", "Get a version with its content", _version, {
            "gives": replies.Version, "has_tag": True,
        }),
        ("PUT", label, "write", "Move a label", _label, {
            "says": "version: a number, name or label.", "gives": replies.Labelled, **guarded,
        }),
        ("DELETE", label, "write", "Remove a label", _unlabel, {"gives": replies.Labelled, **guarded}),
        ("GET", draft, "read", "Get the draft", _draft, {"gives": replies.Draft}),
        ("PUT", draft, "write", "Save the draft", _save_draft, {
            "says": "content, as of a version.", "gives": replies.SavedDraft, **guarded,
        }),
        ("DELETE", draft, "write", "Throw the draft away", _drop_draft, {"gives": replies.Named, **guarded}),
    )  # fmt: skip
    for method, path, scope, summary, handle, more in rows:
        told = {**more, "takes_object": "says" in more}
        yield Endpoint(method=method, path=path, scope=scope, summary=summary, handle=handle, **told)


def _versions(ask: Ask) -> Reply:
    heads = [{"id": str(item.number), **item.to_mapping()} for item in find_prompt(ask).versions]
    return Reply(body=page(heads, ask.query))


def _version(ask: Ask) -> Reply:
    head = _head(ask, ask.path["version"])
    return Reply(
        body={**head.to_mapping(), "content": _content(ask, head.sha256)}, headers={"etag": f'"{head.sha256[:20]}"'}
    )


def _head(ask: Ask, wanted: str) -> VersionHead:
    """Return the head of a version; by its number also one of a prompt that is gone, since calls on record name it."""
    try:
        return head_of(find_prompt(ask), wanted)
    except NotFoundError:
        if wanted.isascii() and wanted.isdigit() and len(wanted) <= _MOST_DIGITS:
            with contextlib.suppress(NotFoundError):
                name, number = ask.path["name"], int(wanted)
                return ask.desk.read(lambda within: prompt_versions.former_version(within.connection, name, number))
        raise


def _save(ask: Ask) -> Reply:
    return save_version(ask, find_prompt(ask), object_of(ask.body), is_new=False)


def _render(ask: Ask) -> Reply:
    """Return the exact messages and parameters that a call would get."""
    name, body = ask.path["name"], object_of(ask.body, ("version", "variables", "content"))
    variables = body.get("variables") or {}
    if not isinstance(variables, dict):
        raise InvalidError([Problem("variables", "must be an object of values by name")])
    if "content" in body:
        content, title = read_content(body["content"], "content")[0], f"{find_prompt(ask).name}@draft"
    else:
        head = _head(ask, str(body.get("version") or ""))
        content, title = _content(ask, head.sha256), f"{name}@{head.number}"
    version, _ = read_version(content)
    partials = partials_of(ask.desk.catalogue()[0].prompts, lambda sha256: _content(ask, sha256))
    try:
        found = CompiledPrompt(version, title, partials).render(variables)
    except RenderingError as error:
        field = f"variables.{error.variable}" if error.variable else ""
        raise InvalidError([Problem(field, error.message)], hint=error.hint) from error
    body_of_call = {"messages": found.messages, **found.extras.parameters}
    if found.extras.tools:
        body_of_call["tools"] = list(found.extras.tools)
    if found.extras.response_format is not None:
        body_of_call["response_format"] = found.extras.response_format
    return Reply(body={"prompt": title, "body": body_of_call, "unused": list(found.unused)})


def _content(ask: Ask, sha256: str) -> dict[str, Any]:
    return ask.desk.contents([sha256])[sha256]


def _label(ask: Ask) -> Reply:
    body, label, name = object_of(ask.body), ask.path["label"], ask.path["name"]
    if body.keys() != {"version"}:
        raise InvalidError([Problem("version", "says which version the label stands for: a number, name or label")])
    wanted, may = str(body["version"]), is_admin(ask)
    changed = change_prompt(ask, "label", lambda prompt: moved_label(prompt, label, wanted, may_move_protected=may))
    return said(changed, {"name": name, "label": label, "version": prompt_in(changed.after, name).labels[label]})


def _unlabel(ask: Ask) -> Reply:
    label, may = ask.path["label"], is_admin(ask)
    changed = change_prompt(ask, "unlabel", lambda prompt: moved_label(prompt, label, None, may_move_protected=may))
    return said(changed, {"name": ask.path["name"], "label": label})


def _draft(ask: Ask) -> Reply:
    draft = find_prompt(ask).draft
    if draft is None:
        raise NotFoundError(f"the prompt {ask.path['name']!r} has no draft")
    return Reply(body={**draft.to_mapping(), "content": _content(ask, draft.sha256)})


def _save_draft(ask: Ask) -> Reply:
    content, sha256 = read_content(object_of(ask.body, ("content",)).get("content"), "content")
    at = now_of(ask)
    changed = change_prompt(
        ask, "draft", lambda prompt: drafted(prompt, sha256, author=ask.actor.name, at=at), contents={sha256: content}
    )
    return said(changed, {"name": ask.path["name"], "sha256": sha256})


def _drop_draft(ask: Ask) -> Reply:
    at = now_of(ask)
    changed = change_prompt(ask, "draft", lambda prompt: drafted(prompt, None, author=ask.actor.name, at=at))
    return said(changed, {"name": ask.path["name"]})
