"""``dashcam feedback`` and ``dashcam tag``: what a person thinks of a call, and words to find it by again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.cli.admin import Admin, place
from proxy.cli.opened import check_record
from proxy.cli.terminal import json_text, on_one_line, short_id
from proxy.errors import UsageError
from proxy.settings.values import Settings

_YES, _NO = ("yes", "true", "up", "good", "+1"), ("no", "false", "down", "bad", "-1")
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z", re.ASCII)
_SCALED = re.compile(r"(\d+(?:\.\d+)?)/(5|10)\Z", re.ASCII)
_KINDS = ("boolean", "number", "1-5", "1-10", "category", "text")
_RATIO = re.compile(r"\d+(?:\.\d+)?/\d+\Z", re.ASCII)
_WHOLE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is thought of which call; ``value`` as it was typed."""

    reference: str
    value: str
    name: str = "feedback"
    kind: str | None = None
    comment: str | None = None
    source: str = "us"
    identity: str | None = None


def feedback(settings: Settings, said: Said, *, as_json: bool) -> None:
    """Keep it."""
    check_record(settings)
    admin = Admin(settings)
    value, kind = value_of(said.value, said.kind)
    body = {
        "interaction_id": _call(admin, said.reference, may_come=True), "value": value, "type": kind, "name": said.name,
        "comment": said.comment, "source": said.source, "id": said.identity,
    }  # fmt: skip
    told = admin.ask("POST", "feedback", {name: item for name, item in body.items() if item is not None})
    if as_json:
        print(json_text(told, orjson.OPT_INDENT_2))
        return
    score = "" if told["score"] is None else f", score {told['score']:.2f}"
    waits = "; it waits for that call" if told["is_pending"] else ""
    call = short_id(told["interaction_id"])
    print(f"{on_one_line(told['name'])} of {call}: {_shown(told['value'], told['type'])}{score}{waits}")


def _shown(value: Any, kind: str) -> str:
    """Return a value as it is typed."""
    if kind == "boolean":
        return "yes" if value else "no"
    if kind in ("1-5", "1-10"):
        return f"{value:g}/{kind[2:]}"
    return on_one_line(f"{value:g}" if isinstance(value, float) else value)


def value_of(text: str, kind: str | None) -> tuple[Any, str | None]:
    """Return the value that was typed, and its kind where that shows: yes, no, 0.7, 4/5, 9/10, or words."""
    if not text.strip():
        raise UsageError("there is no value", hint="write yes, no, 0.7, 4/5, 9/10, or words")
    if kind not in (None, *_KINDS):
        raise UsageError(f"--type: {kind[:40]!r} is no type; use one of {', '.join(_KINDS)}")
    if kind in ("category", "text"):
        return text, kind
    lowered = text.lower()
    if lowered in (*_YES, *_NO) and kind in (None, "boolean"):
        return lowered in _YES, "boolean"
    if (scaled := _SCALED.match(text)) and kind in (None, f"1-{scaled[2]}"):
        return float(scaled[1]), f"1-{scaled[2]}"
    if _NUMBER.match(text):
        return float(text), kind
    if _RATIO.match(text) and kind is None:
        raise UsageError(
            f"{text[:40]!r} is on no scale that is known", hint="write 4/5 or 9/10; a text it is with --type text"
        )
    if kind is not None:
        raise UsageError(
            f"{text[:40]!r} is no value of the type {kind}", hint="write yes, no, 0.7, 4/5, 9/10, or words"
        )
    return text, "text"


def tag(settings: Settings, reference: str, add: tuple[str, ...], remove: tuple[str, ...], *, as_json: bool) -> None:
    """Change the tags of a call."""
    if not all(map(str.strip, (*add, *remove))):
        raise UsageError("a tag is empty", hint="as in: dashcam tag last refund")
    if not add and not remove:
        raise UsageError("no tag is named; say some: dashcam tag last refund, or take some off: --remove refund")
    check_record(settings)
    admin = Admin(settings)
    call = _call(admin, reference)
    told = admin.ask("POST", place("interactions", call, "tags"), {"add": list(add), "remove": list(remove)})
    if as_json:
        print(json_text(told, orjson.OPT_INDENT_2))
        return
    print(f"{short_id(told['id'])}: {on_one_line(', '.join(told['tags'])) or 'no tags'}")


def _call(admin: Admin, reference: str, *, may_come: bool = False) -> str:
    """Return the whole id of a call; of one that may still come, its whole id is enough."""
    if may_come and _WHOLE_ID.match(reference):
        return reference
    return str(admin.ask("GET", place("interactions", reference))["id"])
