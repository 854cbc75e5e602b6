"""Entries for the store out of calls that were exported: each as it was, or a reason why it cannot be.

What an export says of a call is looked at member by member, and nothing of it is trusted: bodies must be as long as
they say, prices have the id of what they say, an id lies where its call began and not in the future. A call that comes
without its bodies is ``pruned`` where they were kept once, since nothing else would be true of it here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.domain.cost import Price
from proxy.domain.identity import id_time_ns, parse_id
from proxy.domain.interaction import Attempt, Body, Entry, Interaction
from proxy.domain.outcome import SUCCESSFUL, ContentState
from proxy.errors import InvalidError, Problem
from proxy.interpret.cutting import cuts_of
from proxy.pricing.rates import says_what_it_is
from proxy.store.schema.fitting import attempt_of, feedback_of, interaction_of, price_of

BESIDE = ("input_text", "output_text", "request_body", "response_body", "attempts_made", "price", "feedback")
"""What stands with a call's columns where it was exported with its content."""
DAY_MS = 86_400_000
"""By so much an id may be away from the instant of its call, and both ahead of this machine's clock."""
_LONGEST_TEXT = 65_536
_KEPT = (ContentState.STORED, ContentState.TRUNCATED, ContentState.REDACTED)
_FACTS = {"interaction_id", "side", "form", "kept_length"}
"""What is said of a body, and follows from where it stands and what it is."""
_BODY = {"content", "encoding", "length", "sha256", "media_type", "content_encoding", "headers", "edits", "timings"}


def entry_of(values: object, now: int) -> Entry:
    """Return the entry of a call as it was exported; ``now`` is Unix milliseconds.

    Raises ``InvalidError`` with all that is wrong; no reason repeats what was said.
    """
    if not isinstance(values, dict):
        raise _wrong("", "is no object")
    item = interaction_of({name: value for name, value in values.items() if name not in BESIDE})
    check_when(item, now)
    if item.success != (item.outcome in SUCCESSFUL):
        raise _wrong("success", "does not go with outcome")
    _check_texts(values)
    if "request_body" not in values and "response_body" not in values and item.content_state in _KEPT:
        item.content_state = ContentState.PRUNED
    return Entry(
        interaction=item,
        attempts=_attempts(values.get("attempts_made") or [], item.id),
        request=_body(values.get("request_body"), "request_body"),
        response=_body(values.get("response_body"), "response_body"),
        input_text=values.get("input_text") or None,
        output_text=values.get("output_text") or None,
        price=_price(values.get("price"), item),
        feedback=tuple(_feedback(values.get("feedback") or [], item.id)),
    )


def check_when(item: Interaction, now: int) -> None:
    """Raise ``InvalidError`` where a call's id does not lie where it began, or in the future of ``now``."""
    identity = parse_id(item.id)
    if identity[6] >> 4 != 7:
        raise _wrong("id", "is no UUIDv7")
    if abs(id_time_ns(identity) // 1_000_000 - item.started_at) > DAY_MS:
        raise _wrong("id", "was made more than a day before or after started_at")
    if max(item.started_at, id_time_ns(identity) // 1_000_000) > now + DAY_MS:
        raise _wrong("started_at", "or id is in the future, by the clock of this machine")


def _check_texts(values: Mapping[str, Any]) -> None:
    for name in ("input_text", "output_text"):
        text = values.get(name)
        if text is not None and (not isinstance(text, str) or "\0" in text or len(text) > _LONGEST_TEXT):
            raise _wrong(name, f"is no text of at most {_LONGEST_TEXT} characters, without NUL")


def _attempts(said: object, identity: str) -> tuple[Attempt, ...]:
    if not isinstance(said, list):
        raise _wrong("attempts_made", "is no list")
    made = []
    for number, values in enumerate(said):
        place = f"attempts_made.{number}"
        made.append(attempt_of(_object(values, place) | {"interaction_id": identity}, place))
    if len({item.number for item in made}) < len(made):
        raise _wrong("attempts_made", "has two of one number")
    return tuple(made)


def _feedback(said: object, identity: str) -> Iterator[Mapping[str, Any]]:
    """Yield what was thought of a call, as rows."""
    if not isinstance(said, list):
        raise _wrong("feedback", "is no list")
    for number, values in enumerate(said):
        place = f"feedback.{number}"
        yield feedback_of(_object(values, place) | {"interaction_id": identity}, place)


def _price(said: object, item: Interaction) -> Price | None:
    if said is None:
        return None
    price = price_of(_object(said, "price"), "price")
    if price.id != item.price_id or not says_what_it_is(price):
        raise _wrong("price.id", "is not that of what the price says, or not price_id")
    return price


def _body(said: object, place: str) -> Body | None:
    """Return one side as it was kept; ``place`` is the member."""
    if said is None:
        return None
    facts = {name: value for name, value in _object(said, place).items() if name not in _FACTS}
    if unknown := sorted(map(str, facts.keys() - _BODY)):
        raise _wrong(f"{place}.{unknown[0][:60]}", "is not a member; was it made by a newer Dashcam?")
    content = _content(facts, place)
    if said.get("kept_length", len(content)) != len(content):  # type: ignore[attr-defined]
        raise _wrong(f"{place}.content", "is not as long as kept_length says")
    return Body(
        content=content,
        media_type=_text(facts.get("media_type"), f"{place}.media_type", 200),
        content_encoding=_text(facts.get("content_encoding"), f"{place}.content_encoding", 50),
        length=_count(facts.get("length", len(content)), f"{place}.length"),
        sha256=_text(facts.get("sha256"), f"{place}.sha256", 64),
        cuts=cuts_of(content) if place == "request_body" else (),
        timings=tuple(_tuples(facts.get("timings"), f"{place}.timings", (int, int))),
        edits=tuple(_tuples(facts.get("edits"), f"{place}.edits", (int, int, str))),
        headers=tuple(_tuples(facts.get("headers"), f"{place}.headers", (str, str))),
    )


def _content(facts: Mapping[str, Any], place: str) -> bytes:
    said, encoding = facts.get("content"), facts.get("encoding")
    if not isinstance(said, str):
        raise _wrong(f"{place}.content", "is no text")
    if encoding == "utf-8":
        return said.encode()
    if encoding != "base64":
        raise _wrong(f"{place}.encoding", "is neither utf-8 nor base64")
    try:
        return base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(f"{place}.content", "is no base64") from error


def _object(said: object, place: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise _wrong(place, "is no object")
    return said


def _text(said: object, place: str, longest: int) -> str | None:
    if said is not None and (not isinstance(said, str) or len(said) > longest or "\0" in said):
        raise _wrong(place, f"is no text of at most {longest} characters")
    return said


def _count(said: object, place: str) -> int:
    if type(said) is not int or not 0 <= said < 2**63:
        raise _wrong(place, "is no count")
    return said


def _tuples(said: object, place: str, kinds: tuple[type, ...]) -> list[tuple[Any, ...]]:
    """Return a list of lists as tuples, each member of its kind; numbers are counts."""
    if said is None:
        return []
    if not isinstance(said, list):
        raise _wrong(place, "is no list")
    if not all(isinstance(item, list) and len(item) == len(kinds) and all(map(_is_of, item, kinds)) for item in said):
        raise _wrong(place, f"has something else in it than lists of {len(kinds)}")
    return [tuple(item) for item in said]


def _is_of(part: object, kind: type) -> bool:
    return isinstance(part, str) if kind is str else type(part) is int and 0 <= part < 2**63


def _wrong(place: str, reason: str) -> InvalidError:
    return InvalidError([Problem(place, reason)])
