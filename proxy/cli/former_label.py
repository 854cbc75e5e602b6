"""What a label stood for before: the revisions know, each with the fields that it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.cli.admin import Admin
from proxy.errors import NotFoundError

_PAGE = 500


def former_number(admin: Admin, prompt: str, label: str, current: int | None) -> int:
    """Return the number of the version that a label stood for before it stood for ``current`` (None: for nothing).

    ``NotFoundError`` where it never stood for another one that is known.
    """
    for change in _changes(admin, prompt):
        if change["kind"] != "changed":
            # The prompt was made then, or deleted: what was before was another one's.
            break
        for field in change["fields"]:
            if field["field"] == f"labels.{label}" and field["before"] not in (None, current):
                return int(field["before"])
    what = f"stands for {current}" if current is not None else "stands for nothing"
    raise NotFoundError(
        f"{prompt}@{label} {what}, and no version is known that it stood for before",
        hint=f"dashcam prompts label {prompt} {label} VERSION",
    )


def _changes(admin: Admin, prompt: str) -> Iterator[Mapping[str, Any]]:
    """Yield the changes of a prompt, the newest first."""
    after = None
    while True:
        page = admin.ask("GET", "revisions", limit=_PAGE, after=after)
        for revision in page["data"]:
            for change in revision["changes"]:
                if (change["noun"], change["name"]) == ("prompts", prompt):
                    yield change
        if not page["has_more"]:
            return
        after = page["last_id"]
