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
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.gateway.asks import MODEL_PREFIX
from proxy.gateway.guard import Refusal
from proxy.gateway.items import flat_format, flat_tool, items_of, renamed
from proxy.prompting.rendering import Rendered
from proxy.prompting.variables import type_of
from proxy.protocol.injection import Edit, removal_edits
from proxy.protocol.scanning import Member, TopLevelScanner, measured, scan

_CONVERSATION = {"chat": "messages", "responses": "input"}
_WANTED = {
    "chat": frozenset((b"prompt", b"model", b"messages")),
    "responses": frozenset((b"prompt", b"model", b"input", b"text")),
}
_LENGTHS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


@dataclass(slots=True)
class Composable:
    """A chat or responses request that a prompt can be put into: what it says, and where it says what is concerned."""

    operation: str
    body: bytes
    values: Mapping[str, Any]
    found: TopLevelScanner

    def span(self, name: str) -> Member | None:
        """Return where a member stands that a prompt concerns."""
        return self.found.members.get(name.encode())

    def raw(self, name: str) -> bytes:
        """Return the bytes of such a member's value, empty where it has none."""
        place = self.span(name)
        return b"" if place is None else self.body[place.start : place.end]


def composable(operation: str, body: bytes, values: Mapping[str, Any]) -> Composable | Refusal:
    """Return a request that says these values in a form that a prompt can be put into, or why none can."""
    member = _CONVERSATION[operation]
    said = values.get(member)
    if not (said is None or isinstance(said, list) or (isinstance(said, str) and operation == "responses")):
        wanted = "a list of messages" if operation == "chat" else "a text or a list of items"
        return _invalid(member, f"must be {wanted}, not {type_of(said)}: the stored prompt's messages come before them")
    wanted_names = _WANTED[operation]
    found = measured(body, values, wanted_names) or scan(body, wanted_names)
    if found.doubles:
        return _invalid(found.doubles[0][0].decode(), "stands in this body twice; a stored prompt needs it once")
    if found.has_escaped_key or not found.is_sound:
        told = (
            "A stored prompt cannot be put into a body of thousands of members, or one that spells names with escapes."
        )
        return Refusal(400, "prompt_body_invalid", told)
    return Composable(operation, body, values, found)


def _invalid(member: str, reason: str) -> Refusal:
    return Refusal(400, "prompt_body_invalid", f"{member} {reason}.", param=member)


def compose(request: Composable, rendered: Rendered) -> tuple[Edit, ...]:
    """Return the edits that put a rendered prompt into a request."""
    values = request.values
    leaving = {name for name in ("prompt", "model") if _is_ours(name, values.get(name))}
    own = values.keys() - leaving
    given = _responses(own, rendered) if request.operation == "responses" else _chat(own, rendered)
    edits = _conversation(request, rendered, given) + _format(request, rendered)
    places = []
    for place, name in sorted((request.found.members[name.encode()], name) for name in leaving):
        if name in given:
            edits.append((place.start, place.end - place.start, _json(given.pop(name))))
        else:
            places.append(place)
    removals, is_emptied = removal_edits(request.found, places)
    if given:
        edits.append((request.found.open_brace + 1, 0, _json(given)[1:-1] + "," * (not is_emptied)))
    return tuple(sorted((*edits, *removals), key=lambda edit: edit[:2]))


def _is_ours(name: str, said: object) -> bool:
    """Tell whether a member is said to us, not to the provider."""
    return isinstance(said, dict) if name == "prompt" else isinstance(said, str) and said.startswith(MODEL_PREFIX)


def _conversation(request: Composable, rendered: Rendered, given: dict[str, Any]) -> list[Edit]:
    """Return the edits that put the prompt's messages first; where there is no conversation they are ``given``."""
    is_chat = request.operation == "chat"
    member = _CONVERSATION[request.operation]
    messages = rendered.messages
    if not is_chat:
        messages = [item for message in messages for item in items_of(message)]
    place, said = request.span(member), request.values.get(member)
    if place is None:
        given[member] = messages
        return []
    if said is None:
        return [(place.start, place.end - place.start, _json(messages))]
    if not messages:
        return []
    text = _json(messages)[1:-1]
    if isinstance(said, list):
        return [(request.body.index(b"[", place.start) + 1, 0, text + "," * bool(said))]
    return [(place.start, 0, f'[{text},{{"role":"user","content":'), (place.end, 0, "}]")]


def _chat(own: Collection[str], rendered: Rendered) -> dict[str, Any]:
    given = _parameters(own, rendered.parameters, "max_tokens")
    if rendered.tools and "tools" not in own:
        given["tools"] = list(rendered.tools)
    if rendered.response_format is not None and "response_format" not in own:
        given["response_format"] = rendered.response_format
    return given


def _responses(own: Collection[str], rendered: Rendered) -> dict[str, Any]:
    given = _parameters(own, renamed(rendered.parameters), "max_output_tokens")
    if rendered.tools and "tools" not in own:
        given["tools"] = [flat_tool(tool) for tool in rendered.tools]
    if rendered.response_format is not None and "text" not in own:
        given["text"] = {**given.get("text", {}), "format": flat_format(rendered.response_format)}
    return given


def _format(request: Composable, rendered: Rendered) -> list[Edit]:
    """Return the edit that puts the prompt's format into what a Responses request says of its ``text`` otherwise."""
    said = request.values.get("text")
    if request.operation != "responses" or rendered.response_format is None:
        return []
    if not isinstance(said, dict) or "format" in said:
        return []
    at = request.body.index(b"{", request.found.members[b"text"].start) + 1
    return [(at, 0, f'"format":{_json(flat_format(rendered.response_format))}' + "," * bool(said))]


def _parameters(own: Collection[str], parameters: Mapping[str, Any], length: str) -> dict[str, Any]:
    """Return the prompt's parameters that the client does not say; a bound of the answer under the API's own name."""
    found = {name: value for name, value in parameters.items() if name not in own}
    bounds = [found.pop(name) for name in _LENGTHS if name in found]
    if bounds and not any(name in own for name in _LENGTHS):
        kept = next((name for name in _LENGTHS if name in parameters), length)
        found[length if length == "max_output_tokens" or kept == "max_output_tokens" else kept] = bounds[0]
    return found


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
