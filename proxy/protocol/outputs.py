"""Answers of which identity, usage, status and plain text are read and nothing more: embeddings, images, speech,
transcripts, runs of assistants and agents, batches, Anthropic's messages, and whatever nobody knows yet.

Their objects are alike enough for one reading: ``id``, ``model``, ``usage`` and ``status`` stand in the object itself,
or in the one that an event wraps (``response``, ``message``, ``run``, ``turn``). Streams say what an event is by its
name or its ``type``; those that end in ``.delta`` or ``partial_image`` bring content, the ones below end the stream.
Pictures and sound are not taken out of their events: the bytes are kept as they came.
"""

from __future__ import annotations

from typing import Any

from proxy.domain.usage import Usage
from proxy.protocol.assembly import AnswerError, Assembly, flat_error, read_error
from proxy.protocol.jsontext import items, mapping, parse_object, text
from proxy.protocol.sse import Event
from proxy.protocol.usage import merge, read_usage, says_something

UNFINISHED = frozenset(
    {"queued", "in_progress", "validating", "finalizing", "cancelling", "requires_action", "processing", "running"}
)
"""States of an object whose answer, and whose final counts, are still to come."""
_ENDS = (".completed", ".done", ".failed", ".cancelled", ".expired", ".incomplete")
_INNER = (".item.", "_item.", ".part.", ".step.", ".message.", "_part.", "_text.")
_WRAPPED = ("response", "message", "run", "turn")
_STOPS = frozenset({"message_stop", "done"})


def assemble_whole(values: dict[str, Any]) -> Assembly:
    """Assemble an answer that came as one JSON object."""
    assembly = Assembly()
    _take_object(assembly, values)
    said = text(values.get("text")) or _parts(values.get("content"))
    if said:
        assembly.choice(0).content.append(said)
    error = read_error(values)
    # What was made and failed later has an ``error`` too, and asking for it has not failed.
    assembly.error = None if error and "id" in values and "status" in values else error
    status = text(values.get("status"))
    assembly.is_terminal = status not in UNFINISHED
    if status == "failed":
        assembly.error = _last_error(values) or error
    if not assembly.is_terminal:
        # Counts of what is still under way are not the final ones.
        assembly.usage = Usage(raw=assembly.usage_raw)
        return assembly
    _read_counts(assembly)
    return assembly


def assemble_events(events: list[Event]) -> Assembly:
    """Assemble a stream; a single JSON value that is none of the known events counts for its usage and its error."""
    assembly = Assembly()
    for event in events:
        if event.data.startswith(b"[DONE]"):
            assembly.is_terminal = True
            break
        values = parse_object(event.data)
        if values is None:
            assembly.pass_over(event)
        else:
            _take_event(assembly, values, text(values.get("type")) or event.name, event.end)
    _read_counts(assembly)
    return assembly


def _take_event(assembly: Assembly, values: dict[str, Any], kind: str, end: int) -> None:
    if kind == "error" or (not kind and "error" in values):
        assembly.error = read_error(values) or flat_error(values)
        return
    _take_object(assembly, values)
    for name in _WRAPPED:
        _take_object(assembly, mapping(values.get(name)))
    if kind.endswith((".delta", "_delta", "partial_image")):
        said = _delta(values)
        if said:
            assembly.choice(0).content.append(said)
        if assembly.first_token_end is None and (said or kind.endswith("partial_image") or values.get("audio")):
            assembly.first_token_end = end
    elif kind in _STOPS or (kind.endswith(_ENDS) and not any(part in kind for part in _INNER)):
        _take_end(assembly, values, kind)


def _take_end(assembly: Assembly, values: dict[str, Any], kind: str) -> None:
    assembly.is_terminal = True
    choice = assembly.choices.get(0)
    whole = text(values.get("text"))
    if whole and (choice is None or not choice.content):
        assembly.choice(0).content.append(whole)
    if kind.endswith(".failed"):
        assembly.error = _last_error(values) or AnswerError(f"{kind}: it gave no reason", None, "failed")


def _take_object(assembly: Assembly, values: dict[str, Any]) -> None:
    if not values:
        return
    assembly.note_identity(values)
    usage = values.get("usage")
    if says_something(usage):
        assembly.usage_raw = merge(assembly.usage_raw, usage)
    elif isinstance(usage, dict) and usage and assembly.usage_raw is None:
        assembly.usage_raw = usage
    if says_something(values.get("svg_usage")):
        # Tokens of the model that drew, beside those of the one that was asked.
        assembly.usage_raw = merge(assembly.usage_raw, {"svg_usage": values["svg_usage"]})


def _delta(values: dict[str, Any]) -> str | None:
    """Return the text of a delta: it is one, has one, or has parts with one (a thread's message)."""
    delta = values.get("delta")
    if isinstance(delta, dict):
        return text(delta.get("text")) or _parts(delta.get("content"))
    return text(delta)


def _parts(content: object) -> str | None:
    said = []
    for part in map(mapping, items(content)):
        inner = part.get("text")
        said.append(text(inner) or text(mapping(inner).get("value")) or "")
    return "".join(said) or None


def _last_error(values: dict[str, Any], levels: int = 2) -> AnswerError | None:
    """Return why it failed, said here or a few levels further in."""
    for name in ("last_error", "error"):
        if isinstance(values.get(name), dict) and values[name]:
            return flat_error(values[name])
    inside = (mapping(values.get(name)) for name in _WRAPPED) if levels else ()
    return next((_last_error(part, levels - 1) for part in inside if part), None)


def _read_counts(assembly: Assembly) -> None:
    """Read the usage; zeros that come before the work is done are no counts."""
    raw = assembly.usage_raw
    is_said = assembly.is_terminal or says_something(raw)
    assembly.usage = read_usage(raw) if is_said else Usage(raw=raw)
