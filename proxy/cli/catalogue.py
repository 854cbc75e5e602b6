"""What the catalogue's commands print: lists in columns, one document as JSON, and what a change came to."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from proxy.cli.admin import Admin, part
from proxy.cli.rows import print_rows, shown
from proxy.cli.terminal import counted, harmless, json_text, local_time, on_one_line, paint
from proxy.errors import InvalidError, NotFoundError, UsageError

LARGEST_FILE = 10 * 1024 * 1024
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


def put(
    admin: Admin, noun: str, name: str, document: Mapping[str, Any], *, usual: Mapping[str, Any] | None = None,
    needs: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """Create a document, or change the one that is there.

    ``usual`` is for a new one that does not say it, ``needs`` what a new one must say, with the option that says it.
    What was found on this machine is no document yet: the catalogue's own takes its place.
    """
    try:
        found = admin.ask("GET", f"{noun}/{part(name)}")
    except NotFoundError:
        found = {"origin": "found"}
    if found.get("origin") == "found":
        if missing := [option for field, option in (needs or {}).items() if field not in document]:
            raise UsageError(f"there is no {noun.removesuffix('s')} {name[:80]!r} yet; a new one needs {missing[0]}")
        return admin.ask("POST", noun, {**(usual or {}), **document})
    return admin.ask("PATCH", f"{noun}/{part(name)}", document)


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


def read_file(name: str) -> bytes:
    """Return what is in a file, or on standard input for ``-``; ``UsageError`` where it is no file to be read."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_FILE:
        raise UsageError(f"{_named(name)} is larger than {LARGEST_FILE // 1024 // 1024} MB, which is the most")
    return data


@contextlib.contextmanager
def about_file(name: str) -> Iterator[None]:
    """Name the file in all that is refused of it, a line each."""
    try:
        yield
    except UsageError as error:
        told = error.message.replace("\n  ", f"\n  {_named(name)}: ")
        raise UsageError(f"{_named(name)}: {told}", hint=error.hint) from error


def read_content(name: str) -> dict[str, Any]:
    """Return a prompt's content from a YAML or JSON file; a plain text is one system message."""
    from proxy.catalogue.prompt_texts import read_content_text

    data = read_file(name)
    try:
        content, rest = read_content_text(data, "" if name == "-" else Path(name).suffix)
    except InvalidError as error:
        raise UsageError(problems_in(name, error)) from error
    if rest:
        left = f"only the content of {_named(name)} counts here, not its {', '.join(rest)}"
        print(f"dashcam: {on_one_line(left)}; dashcam prompts import takes that in", file=sys.stderr)
    return content


def problems_in(name: str, error: InvalidError) -> str:
    """Return what is wrong with a file, a line each, every one with the file's name."""
    lines = (f": {item}" if item.field else f" {item.reason}" for item in error.problems)
    return "\n  ".join(f"{_named(name)}{line}" for line in lines)


def _named(name: str) -> str:
    return "standard input" if name == "-" else name


def print_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Print messages as people read them."""
    for item in messages:
        content = item.get("content")
        text = content if isinstance(content, str) else json_text(content, orjson.OPT_INDENT_2)
        print(f"{paint(str(item.get('role')), 'bold')}\n{harmless(text)}\n")


def print_version(name: str, found: Mapping[str, Any], prompt: Mapping[str, Any]) -> None:
    """Print as comments who saved a version and why, and which others of the prompt there are."""
    number, called = found["number"], f" ({found['name']})" if found.get("name") else ""
    saved = f"# {name}@{number}{called}, saved by {found['author']} at {found['made_at']}"
    print(saved + (f": {on_one_line(found['note'])}" if found.get("note") else ""), file=sys.stderr)
    others = [item["number"] for item in prompt.get("versions", ()) if item["number"] != number]
    labels = [f"{label} is {at}" for label, at in prompt.get("labels", {}).items()]
    if others or labels:
        told = [f"other versions: {_spans(others)}"] if others else []
        print(f"# {'; '.join(told + labels)}", file=sys.stderr)


def _spans(numbers: Sequence[int]) -> str:
    """Return numbers in order in a few words: "1 to 4, 6"."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)


def print_use(prompt: Mapping[str, Any]) -> None:
    """Print how often a prompt was used, and what came of its last call as comments, where that is told."""
    if not prompt["calls"]:
        print("# never used" if prompt["calls"] == 0 else "# this prompt was deleted", file=sys.stderr)
        return
    call = f": dashcam show {prompt['last_call']}" if prompt["last_call"] else ""
    print(f"# used {counted(prompt['calls'], 'time')}, last at {_instant(prompt['last_used'])}{call}", file=sys.stderr)
    if "last_output" not in prompt:
        return
    output = prompt["last_output"]
    print("# its last call answered:" if output else "# of its last call no answer is on record")
    for line in harmless(output or "").splitlines():
        print(f"#   {line}")


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
