"""What the catalogue's commands print: lists in columns, one document as JSON, and what a change came to.

An empty list names the command that fills it. What is printed of a prompt alone is ``prompt_output``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from proxy.cli.rows import print_rows, shown
from proxy.cli.terminal import counted, json_text, local_time, on_one_line, paint

COLUMNS: Mapping[str, Sequence[str]] = {
    "providers": ("name", "kind", "base_url", "origin", "active"),
    "models": ("id", "display_name", "context_window", "max_output_tokens", "active"),
    "prices": ("id", "provider", "model", "tier", "valid_from", "rates"),
    "routes": ("name", "targets", "prompt", "origin", "active"),
    "keys": ("id", "owner", "last4", "state", "routes", "limits", "recording", "retention", "expires_at", "revoked_at"),
    "prompts": ("name", "labels", "latest", "calls", "last_used", "goal"),
    "starters": ("name", "category", "variables", "goal"),
    "revisions": ("number", "made_at", "author", "reason", "changes"),
    "views": ("name", "query", "columns", "sort", "author", "note"),
    "audit": ("at", "actor", "action", "noun", "object", "outcome", "revision"),
}
_SHORT = {"requests_per_minute": "rpm", "tokens_per_minute": "tpm"}
"""What limits are called where they are typed, and in a table."""
_INSTANTS = frozenset(("at", "made_at", "expires_at", "revoked_at"))
_HOURS = frozenset(("last_used",))
"""Instants out of the sums by the hour, of which no more is known."""
_CUT = frozenset(("changes", "goal"))
"""Texts that are cut where a terminal is too narrow, before what stands beside them goes."""
EMPTY = {
    "providers": "No providers. Add one: dashcam providers add NAME --kind openai --url https://…/v1",
    "models": "No models are described. Describe one: dashcam models add PROVIDER/NAME",
    "prices": "No prices were entered; the published ones count: dashcam prices list",
    "routes": "No routes. Make one: dashcam routes set NAME --target PROVIDER/MODEL",
    "keys": "No keys. Make one: dashcam keys create --owner NAME",
    "prompts": "No prompts. Make one: dashcam prompts create NAME FILE, or begin with one of: dashcam prompts starters",
    "revisions": "Nothing was changed yet. To begin with: dashcam providers add NAME --url https://…/v1",
    "views": "No views. Save one: dashcam views save NAME status:error",
    "audit": "Nothing was done yet.",
}


def print_list(noun: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print a list; an empty one names the command that fills it."""
    columns = COLUMNS[noun]
    told = list(rows) if as_json else [{name: _cell(row.get(name)) for name in columns} for row in rows]
    if rows or as_json or not sys.stdout.isatty():
        looks = {name: _instant if name in _INSTANTS else shown for name in columns}
        looks |= {name: _hour for name in columns if name in _HOURS}
        shed = [name for name in columns[:1:-1] if name not in _CUT]
        print_rows(told, looks, as_json=as_json, shed=shed, cutting=next(filter(_CUT.__contains__, columns), None))
    if not rows and not as_json:
        print(EMPTY[noun], file=sys.stderr)


def _instant(text: str | None) -> str:
    return local_time(text, is_utc=False)


def _hour(text: str | None) -> str:
    return f"{local_time(text, is_utc=False)[:13]} h" if text else "-"


def print_document(document: object) -> None:
    """Print a document as JSON."""
    print(json_text(document, orjson.OPT_INDENT_2))


def print_change(told: Mapping[str, Any], what: str, *, as_json: bool) -> None:
    """Print what a change came to."""
    if as_json:
        print_document(told)
        return
    live = "in use" if told.get("live") else paint("not yet in use by every gateway", "yellow")
    print(f"{on_one_line(what)} · revision {told.get('revision')} · {live}")


def print_changes(changes: Sequence[Mapping[str, Any]]) -> None:
    """Print what differs, a line each."""
    for item in changes:
        print(f"{item['kind']:8} {item['noun'].removesuffix('s')} {on_one_line(_title(item))}")
        for field in item["fields"]:
            before, after = (_cell("nothing" if field[side] is None else field[side]) for side in ("before", "after"))
            print(f"           {on_one_line(field['field'])}: {on_one_line(before)} → {on_one_line(after)}")


def tell_resting(changes: Sequence[Mapping[str, Any]]) -> None:
    """Say of the providers that a bundle has added how they are switched on: it cannot know whom one trusts here."""
    names = [str(item["name"]) for item in changes if (item["noun"], item["kind"]) == ("providers", "added")]
    if names:
        print(f"dashcam: new providers are not active yet: {on_one_line(', '.join(names))}", file=sys.stderr)
        print(f"  next: dashcam providers add {on_one_line(names[0])} --set active=true", file=sys.stderr)


def print_what_yes_does(changes: Sequence[object], *words: str) -> None:
    """Print below changes that were only looked at how they are made; ``words`` stand before and behind them."""
    if not changes:
        print("nothing would change", file=sys.stderr)
        return
    before, *behind = words
    them = "it" if len(changes) == 1 else "them"
    print(f"{counted(len(changes), 'change')}; --yes {' '.join([before, them, *behind])}", file=sys.stderr)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(map(_brief, value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{_SHORT.get(name, name)}={item}" for name, item in value.items() if item is not None)
    return value


def _title(change: Mapping[str, Any]) -> str:
    return str(change.get("title") or change["name"])


def _brief(item: Mapping[str, Any]) -> str:
    """Return a target, or a change, in a word."""
    if "provider" in item:
        return f"{item['provider']}/{item['model']}" if item.get("model") else str(item["provider"])
    return f"{item['noun'].removesuffix('s')} {_title(item)} {item['kind']}" if "noun" in item else str(item)
