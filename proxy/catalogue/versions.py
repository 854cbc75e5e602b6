"""What is done with a prompt: versions are added, labels are moved, drafts kept apart; nothing that was said changes.

A number means one content for ever, since calls on record name it. So going back to an older catalogue takes back
labels and words, but leaves the versions that have been made since; and a change that would make another one of a
version is refused, wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from proxy.catalogue.catalogue import Catalogue, place_of
from proxy.catalogue.fields import check_label
from proxy.catalogue.parsing import parse
from proxy.catalogue.prompt import DraftHead, PromptDocument, VersionHead
from proxy.errors import InvalidError, Problem


def saved_version(
    prompt: PromptDocument,
    sha256: str,
    *,
    author: str,
    at: datetime,
    note: str = "",
    name: str | None = None,
    copied_from: str | None = None,
    above: int = 0,
) -> PromptDocument:
    """Return a prompt with one more version; the same prompt where its latest version says just this.

    Its number is above all that the prompt has, and above ``above``: what a former prompt of this name had.
    """
    latest = prompt.latest
    if latest is not None and latest.sha256 == sha256 and name in (None, latest.name):
        return prompt
    for item in prompt.versions:
        if name is not None and item.name == name:
            raise InvalidError([Problem("version_name", f"version {item.number} has the name {name[:40]!r} already")])
    number = max(above, latest.number if latest else 0) + 1
    head = {"number": number, "name": name, "sha256": sha256, "author": author, "note": note, "made_at": at.isoformat(),
            "copied_from": copied_from}  # fmt: skip
    made = parse(VersionHead, head)
    return _with(prompt, versions=[*(item.to_mapping() for item in prompt.versions), made.to_mapping()])


def moved_label(
    prompt: PromptDocument, label: str, wanted: str | None, *, may_move_protected: bool = False
) -> PromptDocument:
    """Return a prompt whose label stands for a version (by number, name or label), or for none (None)."""
    place = f"labels.{label[:40]}"
    try:
        check_label(label)
    except ValueError as error:
        raise InvalidError([Problem(place, str(error))]) from None
    if label in prompt.protected_labels and not may_move_protected:
        raise InvalidError([Problem(place, "is protected: it is moved with the scope admin only")])
    labels = {name: number for name, number in prompt.labels.items() if name != label}
    if wanted is None:
        if label not in prompt.labels:
            raise InvalidError([Problem(place, "is no label of this prompt")])
        return _with(prompt, labels=labels)
    head = prompt.version(wanted)
    if head is None:
        numbers = ", ".join(str(item.number) for item in prompt.versions[-10:]) or "none"
        raise InvalidError([Problem(place, f"there is no version {wanted[:40]!r}; there are: {numbers}")])
    return _with(prompt, labels={**labels, label: head.number})


def drafted(prompt: PromptDocument, sha256: str | None, *, author: str, at: datetime) -> PromptDocument:
    """Return a prompt with a draft in place of the one it has, or without (None)."""
    if sha256 is None:
        return _with(prompt, draft=None)
    based_on = prompt.draft.based_on if prompt.draft else prompt.latest.number if prompt.latest else None
    draft = {"sha256": sha256, "author": author, "saved_at": at.isoformat(), "based_on": based_on}
    return _with(prompt, draft=parse(DraftHead, draft).to_mapping())


def copied(prompt: PromptDocument, wanted: str, name: str, *, author: str, at: datetime) -> PromptDocument:
    """Return a prompt of another name whose first version says what a version of this one does."""
    head = prompt.version(wanted)
    if head is None:
        raise InvalidError([Problem("version", f"there is no version {wanted[:40]!r} of {prompt.name}")])
    kept = {"goal", "description", "category", "tags", "metadata"}
    made = parse(PromptDocument, {"name": name, **prompt.model_dump(mode="json", include=kept)})
    return saved_version(made, head.sha256, author=author, at=at, copied_from=f"{prompt.name}@{head.number}")


def rolled_back(now: Catalogue, former: Catalogue) -> Catalogue:
    """Return the former catalogue with all versions that its prompts have now, too; drafts stay as they are.

    Of a prompt that was deleted and made anew since, those of both stand: no number was ever given twice.
    """
    prompts = dict(former.prompts)
    for name in former.prompts.keys() & now.prompts.keys():
        both = {item.number: item for prompt in (prompts[name], now.prompts[name]) for item in prompt.versions}
        versions = [both[number].to_mapping() for number in sorted(both)]
        draft = now.prompts[name].draft
        prompts[name] = _with(prompts[name], versions=versions, draft=draft.to_mapping() if draft else None)
    return replace(former, prompts=prompts)


def rewritten(before: Catalogue, after: Catalogue) -> list[Problem]:
    """Return which versions a change would take away or make other ones."""
    return [
        problem
        for name in sorted(before.prompts.keys() & after.prompts.keys())
        for problem in _rewritten(before.prompts[name], after.prompts[name])
    ]


def _rewritten(before: PromptDocument, after: PromptDocument) -> Iterator[Problem]:
    there = {item.number: item for item in after.versions}
    for item in before.versions:
        place = f"{place_of('prompts', before.name)}.versions.{item.number}"
        if item.number not in there:
            yield Problem(place, "cannot be taken away: calls on record name it")
        elif there[item.number] != item:
            yield Problem(place, "never changes; save another version")


def _with(prompt: PromptDocument, **values: Any) -> PromptDocument:
    """Return a changed prompt, looked at as a whole."""
    return parse(PromptDocument, {**prompt.to_mapping(), **values})
