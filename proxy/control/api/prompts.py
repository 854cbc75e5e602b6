"""Stored prompts: versions that never change, labels that move, a draft apart, and what a version makes of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.contents import read_content
from proxy.catalogue.fields import split_reference
from proxy.catalogue.parsing import parse
from proxy.catalogue.prompt import PromptDocument, VersionHead
from proxy.catalogue.versions import copied, drafted, moved_label, saved_version
from proxy.control.api.changing import change, check_tag, etag_of, said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.listing import QUERY, page
from proxy.control.desk import Changed, ConflictError
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.prompting.checking import read_version
from proxy.prompting.problems import RenderingError
from proxy.prompting.rendering import CompiledPrompt
from proxy.prompting.version import texts_of
from proxy.store.catalogue import documents, prompt_usage

_DESCRIBING = ("goal", "description", "category", "tags", "metadata", "active", "protected_labels")
_SAVING = frozenset(("content", "note", "version_name", "labels"))


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    one, version = "prompts/{name}", "prompts/{name}/versions/{version}"
    rows: tuple[tuple[Any, ...], ...] = (
        ("GET", "prompts", "read", "List prompts", _list, {"query": (*QUERY, "category", "active")}),
        ("POST", "prompts", "write", "Create a prompt", _create, {"takes_object": True, "status": 201}),
        ("GET", one, "read", "Get a prompt", _get, {"gives": PromptDocument}),
        ("PATCH", one, "write", "Change what a prompt is for", _patch, {"takes_object": True, "gives": PromptDocument}),
        ("DELETE", one, "write", "Delete a prompt", _delete, {}),
        (
            "POST",
            f"{one}/copy",
            "write",
            "Copy a version to another prompt",
            _copy,
            {"takes_object": True, "status": 201},
        ),
        ("POST", f"{one}/render", "read", "Render a version without calling", _render, {"takes_object": True}),
        ("GET", f"{one}/versions", "read", "List versions", _versions, {"query": QUERY}),
        ("POST", f"{one}/versions", "write", "Save a version", _save, {"takes_object": True, "status": 201}),
        ("GET", version, "read", "Get a version with its content", _version, {}),
        ("PUT", f"{one}/labels/{{label}}", "write", "Move a label", _label, {"takes_object": True}),
        ("DELETE", f"{one}/labels/{{label}}", "write", "Remove a label", _unlabel, {}),
        ("GET", f"{one}/draft", "read", "Get the draft", _draft, {}),
        ("PUT", f"{one}/draft", "write", "Save the draft", _save_draft, {"takes_object": True}),
        ("DELETE", f"{one}/draft", "write", "Throw the draft away", _drop_draft, {}),
    )
    for method, path, scope, summary, handle, more in rows:
        yield Endpoint(method=method, path=path, scope=scope, summary=summary, handle=handle, **more)


# -- prompts ------------------------------------------------------------------------------------------------


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
    prompt = _find(ask)
    usage = ask.desk.read(lambda within: prompt_usage.usage_of(within.connection, prompt.name))
    last = None
    if usage.last_hour is not None:
        hour = usage.last_hour
        last = ask.desk.read(lambda within: prompt_usage.last_call(within.connection, prompt.name, hour))
    shown = {
        "id": prompt.name,
        **prompt.to_mapping(),
        "calls": usage.calls,
        "calls_by_version": {str(number): calls for number, calls in usage.versions.items()},
        "last_used": last.started_at if last else usage.last_hour,
        "last_call": last.id if last else None,
        "last_output": last.output if last else None,
    }
    return Reply(body=shown, headers={"etag": etag_of(prompt)})


def _create(ask: Ask) -> Reply:
    """Create a prompt, with its first version where a content comes along."""
    body = _object(ask.body)
    prompt = parse(PromptDocument, {name: value for name, value in body.items() if name not in _SAVING})
    if prompt.versions or prompt.draft is not None:
        raise InvalidError([Problem("versions", "are saved one by one; give the first one as content")])

    def made(now: Catalogue) -> Catalogue:
        if prompt.name in now.prompts:
            raise ConflictError(f"there is a prompt {prompt.name!r} already", hint="save a version of it instead")
        return now.put(prompt)

    if "content" not in body:
        changed = change(ask, "create", "prompts", prompt.name, made)
        return said(changed, {"name": prompt.name}, status=201)
    return _saved(ask, prompt, {name: body[name] for name in _SAVING & body.keys()}, is_new=True)


def _patch(ask: Ask) -> Reply:
    former, body = _find(ask), _object(ask.body)
    check_tag(ask, former)
    if unknown := sorted(body.keys() - set(_DESCRIBING)):
        reason = f"is not changed here; there are: {', '.join(_DESCRIBING)}"
        raise InvalidError([Problem(str(unknown[0]), reason)])
    _check_protected(ask, former.protected_labels if "protected_labels" in body else ())
    told = {name: value for name, value in {**former.to_mapping(), **body}.items() if value is not None}
    parse(PromptDocument, told)
    changed = _changed(ask, "change", lambda prompt: parse(PromptDocument, {**prompt.to_mapping(), **_said_of(body)}))
    return said(changed, {"name": former.name}, tag=etag_of(_find(ask)))


def _delete(ask: Ask) -> Reply:
    former = _find(ask)
    check_tag(ask, former)
    _check_protected(ask, [name for name in former.protected_labels if name in former.labels])
    changed = change(ask, "delete", "prompts", former.name, lambda now: now.without("prompts", former.name))
    return said(changed, {"deleted": former.name})


def _copy(ask: Ask) -> Reply:
    former, body = _find(ask), _object(ask.body)
    name, wanted = str(body.get("name", "")), str(body.get("version", "latest"))
    at = _now(ask)

    def made(now: Catalogue) -> Catalogue:
        if name in now.prompts:
            raise ConflictError(f"there is a prompt {name[:100]!r} already")
        return now.put(copied(now.prompts[former.name], wanted, name, author=ask.actor.name, at=at))

    return said(change(ask, "copy", "prompts", name, made), {"name": name}, status=201)


# -- versions -----------------------------------------------------------------------------------------------


def _versions(ask: Ask) -> Reply:
    heads = [{"id": str(item.number), **item.to_mapping()} for item in _find(ask).versions]
    return Reply(body=page(heads, ask.query))


def _version(ask: Ask) -> Reply:
    head = _head(_find(ask), ask.path["version"])
    content = ask.desk.contents([head.sha256])[head.sha256]
    return Reply(body={**head.to_mapping(), "content": content}, headers={"etag": f'"{head.sha256[:20]}"'})


def _save(ask: Ask) -> Reply:
    return _saved(ask, _find(ask), _object(ask.body), is_new=False)


def _saved(ask: Ask, prompt: PromptDocument, body: Mapping[str, Any], *, is_new: bool) -> Reply:
    """Save a version; what the latest one says already is no new one. Labels that are named move to it."""
    if unknown := sorted(body.keys() - _SAVING):
        raise InvalidError([Problem(str(unknown[0]), f"is not a field; there are: {', '.join(sorted(_SAVING))}")])
    content, sha256 = read_content(body.get("content"), "content")
    labels, at, author = body.get("labels") or [], _now(ask), ask.actor.name
    if not isinstance(labels, list):
        raise InvalidError([Problem("labels", "is a list of labels that move to this version")])
    above = ask.desk.read(lambda within: documents.highest_number(within.connection, prompt.name))
    note, version_name = str(body.get("note") or ""), body.get("version_name")

    def made(now: Catalogue) -> Catalogue:
        former = now.prompts.get(prompt.name)
        if former is None and not is_new:
            raise NotFoundError(f"there is no prompt {prompt.name!r}")
        if former is not None and is_new:
            raise ConflictError(f"there is a prompt {prompt.name!r} already", hint="save a version of it instead")
        new = saved_version(former or prompt, sha256, author=author, at=at, above=above, note=note, name=version_name)
        assert new.latest is not None
        for label in labels:
            new = moved_label(new, str(label), str(new.latest.number), may_move_protected=_is_admin(ask))
        return now.put(new)

    changed = change(ask, "save", "prompts", prompt.name, made, contents={sha256: content})
    latest = ask.desk.catalogue()[0].prompts[prompt.name].version("latest")
    told = {"name": prompt.name, "version": latest.number if latest else None, "sha256": sha256}
    return said(changed, {**told, "is_new": bool(changed.changes)}, status=201 if changed.changes else 200)


def _render(ask: Ask) -> Reply:
    """Return the exact messages and parameters that a call would get."""
    prompt, body = _find(ask), _object(ask.body)
    if unknown := sorted(body.keys() - {"version", "variables", "content"}):
        raise InvalidError([Problem(str(unknown[0]), "is not a field; there are: version, variables, content")])
    variables = body.get("variables") or {}
    if not isinstance(variables, dict):
        raise InvalidError([Problem("variables", "is an object of values by name")])
    if "content" in body:
        content, title = read_content(body["content"], "content")[0], f"{prompt.name}@draft"
    else:
        head = _head(prompt, str(body.get("version", "")) or "production")
        content, title = ask.desk.contents([head.sha256])[head.sha256], f"{prompt.name}@{head.number}"
    version, _ = read_version(content)
    try:
        found = CompiledPrompt(version, title, lambda name: _partial(ask, name)).render(variables)
    except RenderingError as error:
        field = f"variables.{error.variable}" if error.variable else ""
        raise InvalidError([Problem(field, error.message)], hint=error.hint) from error
    body_of_call = {"messages": found.messages, **found.parameters}
    if found.tools:
        body_of_call["tools"] = list(found.tools)
    if found.response_format is not None:
        body_of_call["response_format"] = found.response_format
    return Reply(body={"prompt": title, "body": body_of_call, "unused": list(found.unused)})


def _partial(ask: Ask, reference: str) -> str | None:
    """Return the text that another prompt gives where it is included: that of its first message."""
    name, wanted = split_reference(reference)
    prompt = ask.desk.catalogue()[0].prompts.get(name)
    head = None if prompt is None else prompt.version(wanted or "production") or prompt.latest
    if head is None:
        return None
    version, _ = read_version(ask.desk.contents([head.sha256])[head.sha256])
    return next(iter(texts_of(version).values()), None)


# -- labels and drafts --------------------------------------------------------------------------------------


def _label(ask: Ask) -> Reply:
    body, label = _object(ask.body), ask.path["label"]
    if body.keys() != {"version"}:
        raise InvalidError([Problem("version", "says which version the label stands for: a number, name or label")])
    wanted, is_admin = str(body["version"]), _is_admin(ask)
    changed = _changed(ask, "label", lambda prompt: moved_label(prompt, label, wanted, may_move_protected=is_admin))
    return said(changed, {"name": ask.path["name"], "label": label, "version": _find(ask).labels[label]})


def _unlabel(ask: Ask) -> Reply:
    label, is_admin = ask.path["label"], _is_admin(ask)
    changed = _changed(ask, "unlabel", lambda prompt: moved_label(prompt, label, None, may_move_protected=is_admin))
    return said(changed, {"name": ask.path["name"], "label": label})


def _draft(ask: Ask) -> Reply:
    draft = _find(ask).draft
    if draft is None:
        raise NotFoundError(f"the prompt {ask.path['name']!r} has no draft")
    return Reply(body={**draft.to_mapping(), "content": ask.desk.contents([draft.sha256])[draft.sha256]})


def _save_draft(ask: Ask) -> Reply:
    content, sha256 = read_content(_object(ask.body).get("content"), "content")
    at = _now(ask)
    changed = _changed(
        ask, "draft", lambda prompt: drafted(prompt, sha256, author=ask.actor.name, at=at), contents={sha256: content}
    )
    return said(changed, {"name": ask.path["name"], "sha256": sha256})


def _drop_draft(ask: Ask) -> Reply:
    at = _now(ask)
    changed = _changed(ask, "draft", lambda prompt: drafted(prompt, None, author=ask.actor.name, at=at))
    return said(changed, {"name": ask.path["name"]})


# -----------------------------------------------------------------------------------------------------------


def _changed(ask: Ask, action: str, made: Any, contents: Mapping[str, Mapping[str, Any]] | None = None) -> Changed:
    name = _find(ask).name

    def whole(now: Catalogue) -> Catalogue:
        if name not in now.prompts:
            raise NotFoundError(f"there is no prompt {name!r}")
        return now.put(made(now.prompts[name]))

    return change(ask, action, "prompts", name, whole, contents=contents)


def _find(ask: Ask) -> PromptDocument:
    name = ask.path["name"]
    found = ask.desk.catalogue()[0].prompts.get(name)
    if found is None:
        raise NotFoundError(f"there is no prompt {name[:100]!r}", hint="dashcam prompts list")
    return found


def _head(prompt: PromptDocument, wanted: str) -> VersionHead:
    found = prompt.version(wanted) or (prompt.latest if wanted == "production" else None)
    if found is None:
        numbers = ", ".join(str(item.number) for item in prompt.versions[-10:]) or "none yet"
        raise NotFoundError(f"{prompt.name} has no version {wanted[:40]!r}; there are: {numbers}")
    return found


def _is_admin(ask: Ask) -> bool:
    return ask.actor.scope == "admin"


def _check_protected(ask: Ask, labels: Any) -> None:
    if labels and not _is_admin(ask):
        raise InvalidError([Problem("protected_labels", "are for the scope admin")])


def _said_of(body: Mapping[str, Any]) -> dict[str, Any]:
    empty = PromptDocument.model_fields
    return {name: empty[name].get_default() if value is None else value for name, value in body.items()}


def _now(ask: Ask) -> datetime:
    return ask.desk.read(lambda within: within.now())


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidError([Problem("", "the body is an object")])
    return body
