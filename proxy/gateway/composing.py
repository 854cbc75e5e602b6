"""A stored prompt put into a request: pure, bytes and values in, edits out.

The template's messages come first, then the client's own, in their order. Parameters, tools and the answer's format
are the prompt's where the client says none; nothing that the client says is taken away, but for ``prompt`` itself and a
model that only names the prompt. A Responses request gets the messages into its ``input``, in the words of that API.

What the client says itself leaves byte for byte as it was written: big numbers, 1.10, blanks, a name that stands there
twice. Only the members that the prompt concerns are edited; a request where one of those stands there twice, or is
where a name is spelled with escapes, so that nobody knows what counts, is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import orjson

from proxy.gateway.asks import MODEL_PREFIX
from proxy.gateway.body import Inbound
from proxy.gateway.guard import Refusal
from proxy.gateway.items import flat_format, flat_tool, items_of, renamed
from proxy.prompting.rendering import Extras, Rendered
from proxy.prompting.variables import type_of
from proxy.protocol.compact import is_compact, place_of
from proxy.protocol.injection import Edit, apply, removal_edits
from proxy.protocol.requests import RequestFacts, facts_of_values, read
from proxy.protocol.scanner import Member, TopLevelScanner
from proxy.protocol.scanning import measured, scan

Edits = tuple[Edit, ...]
_CONVERSATION = {"chat": "messages", "responses": "input"}
_WANTED = {
    "chat": frozenset((b"prompt", b"model", b"messages")),
    "responses": frozenset((b"prompt", b"model", b"input", b"text")),
}
_SHORT = 4096
"""Bytes of a body that is written anew whole, which is quicker; the record of a longer one has its edits only."""
_FACTS = frozenset(("model", "stream", "stream_options", "metadata", "store"))
"""Members that the facts of a request are read from: where a prompt adds none of them, these stay as they are."""
_LENGTHS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_BOUNDS = frozenset(_LENGTHS)


class Composable:
    """A chat or responses request that a prompt can be put into: what it says, and where it says what is concerned.

    ``found`` is None where it is ``compact``: short, and written as we would write it. ``name`` is what its route calls
    the model that it asks for, where that is known: one that is written anew says that.
    """

    def __init__(
        self, operation: str, body: bytes, values: dict[str, Any], found: TopLevelScanner | None, name: str | None
    ) -> None:
        self.name = name
        self.operation = operation
        self.body = body
        self.values = values
        self.found = found

    def __repr__(self) -> str:
        return f"<Composable {self.operation} bytes={len(self.body)} compact={self.found is None}>"

    def place(self, name: str) -> Member:
        """Return where a member stands that a prompt concerns, and that is there."""
        assert self.found is not None
        return self.found.members[name.encode()]

    def raw_prompt(self) -> bytes:
        """Return what an object ``prompt`` says, as it is written; empty where everybody reads it alike."""
        if self.found is None or not isinstance(self.values.get("prompt"), dict):
            return b""
        place = self.place("prompt")
        return self.body[place.start : place.end]


def composable(operation: str, body: bytes, values: dict[str, Any], name: str | None = None) -> Composable | Refusal:
    """Return a request that says these values in a form that a prompt can be put into, or why none can."""
    member = _CONVERSATION[operation]
    said = values.get(member)
    if not (said is None or isinstance(said, list) or (isinstance(said, str) and operation == "responses")):
        wanted = "a list of messages" if operation == "chat" else "a text or a list of items"
        return _invalid(member, f"must be {wanted}, not {type_of(said)}: the stored prompt's messages come before them")
    if len(body) <= _SHORT and is_compact(body, values):
        return Composable(operation, body, values, None, name)
    found = measured(body, values, _WANTED[operation]) or scan(body, _WANTED[operation])
    if found.doubles:
        return _invalid(found.doubles[0][0].decode(), "stands in this body twice; a stored prompt needs it once")
    if found.has_escaped_key or not found.is_sound:
        told = (
            "A stored prompt cannot be put into a body of thousands of members, or one that spells names with escapes."
        )
        return Refusal(400, "prompt_body_invalid", told)
    return Composable(operation, body, values, found, name)


def _invalid(member: str, reason: str) -> Refusal:
    return Refusal(400, "prompt_body_invalid", f"{member} {reason}.", param=member)


def compose(request: Composable, rendered: Rendered, facts: RequestFacts) -> tuple[Inbound, Edits]:
    """Put a rendered prompt into a request that says these facts; the edits make it of the client's body."""
    own = dict(request.values)
    if isinstance(own.get("prompt"), dict):
        del own["prompt"]
    model = own.get("model")
    if isinstance(model, str) and model.startswith(MODEL_PREFIX):
        del own["model"]
    changes = _responses(own, rendered) if request.operation == "responses" else _chat(request, own, rendered)
    return _anew(request, own, changes, facts) if request.found is None else _spliced(request, own, changes)


_Changes = tuple[bytes, dict[str, Any], dict[str, Any] | None]
"""What a prompt adds: messages (what stands in their list), members, a format to the ``text`` that the client says."""


def _chat(request: Composable, own: Mapping[str, Any], rendered: Rendered) -> _Changes:
    # A body that is short has few names, so that what comes of them may be remembered.
    members_of = _members_again if request.found is None else _members
    return rendered.said, members_of(rendered.extras, tuple(own)), None


def _members(extras: Extras, own: Collection[str]) -> dict[str, Any]:
    """Return what a chat gets that has its own of these names; nobody changes it."""
    members = _parameters(own, extras.parameters, "max_tokens")
    if extras.tools and "tools" not in own:
        members["tools"] = extras.tools
    if extras.response_format is not None and "response_format" not in own:
        members["response_format"] = extras.response_format
    return members


_members_again = lru_cache(maxsize=512)(_members)


def _responses(own: Mapping[str, Any], rendered: Rendered) -> _Changes:
    items = [item for message in rendered.messages for item in items_of(message)]
    messages, extras = orjson.dumps(items)[1:-1], rendered.extras
    members = _parameters(own, renamed(extras.parameters), "max_output_tokens")
    if extras.tools and "tools" not in own:
        members["tools"] = [flat_tool(tool) for tool in extras.tools]
    if extras.response_format is None:
        return messages, members, None
    text_format, said = flat_format(extras.response_format), own.get("text")
    if "text" not in own:
        members["text"] = {**members.get("text", {}), "format": text_format}
    joins = isinstance(said, dict) and "format" not in said
    return messages, members, text_format if joins else None


def _parameters(own: Collection[str], parameters: Mapping[str, Any], length: str) -> dict[str, Any]:
    """Return the prompt's parameters that the client does not say; a bound of the answer under the API's own name."""
    found = {name: value for name, value in parameters.items() if name not in own}
    if _BOUNDS.isdisjoint(found):
        return found
    bounds = [found.pop(name) for name in _LENGTHS if name in found]
    if not any(name in own for name in _LENGTHS):
        kept = next((name for name in _LENGTHS if name in parameters), length)
        found[length if length == "max_output_tokens" or kept == "max_output_tokens" else kept] = bounds[0]
    return found


def _anew(request: Composable, own: dict[str, Any], changes: _Changes, facts: RequestFacts) -> tuple[Inbound, Edits]:
    """Write a compact body anew, its conversation last: of that the client's own stays as it stands there."""
    is_named = request.name is not None and "model" in own
    if is_named:
        own["model"] = request.name
    messages, members, text_format = changes
    member = _CONVERSATION[request.operation]
    said = own.pop(member, None)
    if text_format is not None:
        own["text"] = {"format": text_format, **own["text"]}
    start, end = _inside_of_list(request, member) if isinstance(said, list) and said else (0, 0)
    # The model first, where there is one: a route that gives it another name finds it without looking.
    values = {"model": own["model"], **members, **own} if "model" in own else {**members, **own}
    values[member] = _joined(messages, said, request.body[start:end])
    body = orjson.dumps(values)
    inbound = Inbound(body, len(body), _facts_anew(facts, members, values, is_named=is_named), values)
    inbound.is_ours = True
    if is_named:
        inbound.named = request.name
    return inbound, _edits_anew(request.body, body, start, end)


def _inside_of_list(request: Composable, member: str) -> tuple[int, int]:
    """Return from where to where a compact body says what is in a list, which is not empty."""
    if member == next(reversed(request.values)):
        return len(request.body) - len(orjson.dumps(request.values[member])), len(request.body) - 2
    place = place_of(request.body, request.values, member, is_known=True)
    assert place is not None
    return place[0] + 1, place[0] + place[1] - 1


def _joined(messages: bytes, said: object, own: bytes) -> orjson.Fragment | str:
    """Return a conversation of the prompt's messages and what the client says, which a list says in these bytes."""
    if isinstance(said, str):
        if not messages:
            return said
        own = orjson.dumps({"role": "user", "content": said})
    return orjson.Fragment(b"[%b%b%b]" % (messages, b"," if messages and own else b"", own))


def _facts_anew(
    facts: RequestFacts, members: Collection[str], values: dict[str, Any], *, is_named: bool
) -> RequestFacts:
    """Return what a body says that is written anew: of its model what the client does."""
    if _FACTS.isdisjoint(members) and (is_named or facts.model == values.get("model")):
        return facts
    return facts_of_values({**values, "model": facts.model} if is_named else values)


def _edits_anew(own: bytes, body: bytes, start: int, end: int) -> Edits:
    """Return what makes a body of the client's, of which it keeps what is from ``start`` to ``end``."""
    if start == end:
        return ((0, len(own), body.decode()),)
    before = (0, start, body[: start - end - 2].decode())
    return (before,) if len(own) == end + 2 else (before, (end, len(own) - end, "]}"))


def _spliced(request: Composable, own: Mapping[str, Any], changes: _Changes) -> tuple[Inbound, Edits]:
    """Edit what the prompt concerns and leave all else as it stands there."""
    messages, members, text_format = changes
    members, found = dict(members), request.found
    assert found is not None
    edits: list[Edit] = []
    leaving = []
    for name in request.values.keys() - own.keys():
        place = request.place(name)
        if name in members:
            edits.append((place.start, place.end - place.start, _json(members.pop(name))))
        else:
            leaving.append(place)
    removals, is_emptied = removal_edits(found, sorted(leaving))
    edits += [*removals, *_conversation(request, messages, members)]
    if text_format is not None:
        at = request.body.index(b"{", request.place("text").start) + 1
        edits.append((at, 0, f'"format":{_json(text_format)}' + "," * bool(request.values["text"])))
    if members:
        edits.append((found.open_brace + 1, 0, _json(members)[1:-1] + "," * (not is_emptied)))
    edits.sort(key=lambda edit: edit[:2])
    body = apply(request.body, edits)
    return Inbound(body, len(body), *read(body)), tuple(edits)


def _conversation(request: Composable, messages: bytes, members: dict[str, Any]) -> list[Edit]:
    """Return the edits that put messages first; where there is no conversation yet it becomes one of the members."""
    member = _CONVERSATION[request.operation]
    if member not in request.values:
        members[member] = orjson.Fragment(b"[%b]" % messages)
        return []
    place, said, text = request.place(member), request.values[member], messages.decode()
    if said is None:
        return [(place.start, place.end - place.start, f"[{text}]")]
    if not text:
        return []
    if isinstance(said, list):
        return [(request.body.index(b"[", place.start) + 1, 0, text + "," * bool(said))]
    return [(place.start, 0, f'[{text},{{"role":"user","content":'), (place.end, 0, "}]")]


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
