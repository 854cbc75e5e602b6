"""How a command changes one document of the catalogue: put with what is said of it, or removed.

What is wrong with a document the admin API says; here is only what a person has to be told who types it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from proxy.cli.admin import Admin, place
from proxy.cli.catalogue import print_change
from proxy.cli.terminal import counted
from proxy.errors import NotFoundError, UsageError


def put(
    admin: Admin, noun: str, name: str, document: Mapping[str, Any], *, usual: Mapping[str, Any] | None = None,
    needs: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """Create a document, or change the one that is there.

    ``usual`` is for a new one that does not say it, ``needs`` what a new one must say, with the option that says it.
    What was found on this machine is no document yet: the catalogue's own takes its place.
    """
    try:
        found = admin.ask("GET", place(noun, name))
    except NotFoundError:
        found = {"origin": "found"}
    if found.get("origin") == "found":
        if missing := [option for field, option in (needs or {}).items() if field not in document]:
            raise UsageError(f"there is no {noun.removesuffix('s')} {name[:80]!r} yet; a new one needs {missing[0]}")
        return admin.ask("POST", noun, {**(usual or {}), **document})
    return admin.ask("PATCH", place(noun, name), document)


def remove(admin: Admin, noun: str, name: str, *, as_json: bool) -> None:
    """Remove a document; print that, and how many models went with a provider."""
    told = admin.ask("DELETE", place(noun, name))
    beside = f", and {counted(told['models'], 'model')} of it" if told.get("models") else ""
    print_change(told, f"{noun.removesuffix('s')} {name} removed{beside}", as_json=as_json)


def parameters(pairs: Sequence[str], flag: str, texts: Collection[str] = ()) -> dict[str, Any]:
    """Return NAME=VALUE pairs; a value that is JSON is that, another one a text, as those of ``texts`` always are."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise UsageError(f"{flag}: {pair[:80]!r} is no pair; write NAME=VALUE, as in: {flag} temperature=0.2")
        try:
            read = orjson.loads(value)
        except orjson.JSONDecodeError:
            read = value
        found[name] = value if name in texts and not isinstance(read, str) else read
    return found
