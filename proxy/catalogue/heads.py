"""What a text says of versions of a prompt: their heads, with the contents apart, and of the one that comes next.

All that is wrong is added to a list of problems, each with its place; what is returned beside problems is only good for
being looked at further.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from proxy.catalogue.contents import Content, read_content
from proxy.catalogue.plain import below
from proxy.errors import InvalidError, Problem

LONGEST_NOTE = 10_000
SAVING = ("content", "note", "version_name", "labels")
"""What a prompt without numbers says of its next version; its labels are a list of those that move to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextVersion:
    """What the newest version of a prompt is to say; the number comes when it is known what there is."""

    sha256: str
    at: datetime
    note: str = ""
    name: str | None = None
    labels: tuple[str, ...] = ()


def read_next(
    item: dict[str, Any], now: datetime, place: str, contents: dict[str, Content], problems: list[Problem]
) -> NextVersion | None:
    """Return what a prompt with a ``content`` says of its next version; that content goes to ``contents``."""
    found: list[Problem] = []
    labels, note, name = item.get("labels", []), item.get("note", ""), item.get("version_name")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        found.append(Problem(f"{place}.labels", "must be a list of labels that move to this version"))
    if not isinstance(note, str) or len(note) > LONGEST_NOTE:
        found.append(Problem(f"{place}.note", f"must be a text of at most {LONGEST_NOTE:,} characters"))
    if name is not None and not isinstance(name, str):
        found.append(Problem(f"{place}.version_name", "must be a text"))
    found += [
        Problem(f"{place}.{other}", "and content exclude each other: say what the next version says, or give versions")
        for other in ("versions", "draft")
        if other in item
    ]
    try:
        content, sha256 = read_content(item["content"], f"{place}.content")
    except InvalidError as error:
        found += error.problems
    problems += found
    if found:
        return None
    contents[sha256] = content
    return NextVersion(sha256=sha256, at=now, note=note, name=name, labels=tuple(labels))


def read_head(
    values: object, usual: dict[str, Any], place: str, contents: dict[str, Content], problems: list[Problem]
) -> object:
    """Return the head of a version or draft, ``usual`` where it says nothing; its content goes to ``contents``."""
    if not isinstance(values, dict):
        return values
    head = {**usual, **values}
    said = head.pop("content", None)
    try:
        content, sha256 = read_content(said, below(place, "content"))
    except InvalidError as error:
        problems += error.problems
        # The head is looked at all the same, with a hash that it may have.
        return {"sha256": "0" * 64, **head}
    if head.setdefault("sha256", sha256) != sha256:
        problems.append(
            Problem(below(place, "sha256"), "is not that of the content; leave it out where it was changed")
        )
    contents[sha256] = content
    return head
