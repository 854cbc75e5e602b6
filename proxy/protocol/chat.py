"""Putting chat and legacy completions together, streamed or not.

Choices interleave by ``index``; tool calls by theirs, where it is given: a repeated index with a new id is a new call,
and so is one with another name, or with a name after arguments that are whole (Gemini calls each of them 0);
without an index the id decides, else the last call goes on. Only chunks with content count for the first token: a role,
an empty delta, a content filter's annotation do not.
"""

from __future__ import annotations

from typing import Any

from proxy.protocol.assembly import AnswerError, Assembly, Choice, ToolCall, flat_error, read_error
from proxy.protocol.jsontext import MISSING, items, mapping, parse, text, written
from proxy.protocol.sse import Event
from proxy.protocol.usage import merge, read_timings, read_usage, says_something

_MOST_PIECES = 100
"""Who sends several calls under one index sends each one's arguments in few pieces; to look at more takes long."""


def assemble_events(events: list[Event]) -> Assembly:
    """Assemble a stream."""
    assembly = Assembly()
    for event in events:
        if event.data.startswith(b"[DONE]"):
            assembly.is_terminal = True
            break
        chunk = parse(event.data)
        if isinstance(chunk, list):
            # Some providers wrap their errors into an array.
            chunk = next(iter(chunk), None)
        if event.name == "error":
            said = {"message": event.data.decode("utf-8", "replace")}
            assembly.error = flat_error(chunk if isinstance(chunk, dict) else said)
        if isinstance(chunk, dict):
            _take_chunk(assembly, chunk, event.end)
        elif chunk is MISSING and event.name != "error":
            assembly.pass_over(event)
    _finish(assembly)
    return assembly


def assemble_whole(values: dict[str, Any]) -> Assembly:
    """Assemble an answer that came as one JSON object."""
    assembly = Assembly()
    assembly.note_identity(values)
    for position, item in enumerate(items(values.get("choices"))):
        values_of_choice = mapping(item)
        choice = assembly.choice(_index(values_of_choice, position))
        _take_message(choice, mapping(values_of_choice.get("message")))
        _append(choice.content, values_of_choice.get("text"))
        _take_logprobs(choice, values_of_choice.get("logprobs"))
        choice.finish_reason = text(values_of_choice.get("finish_reason"))
    assembly.is_terminal = True
    _take_usage(assembly, values)
    errors = [_error_of(mapping(item)) for item in items(values.get("choices"))]
    assembly.error = read_error(values) or next((error for error in errors if error), None)
    _finish(assembly)
    return assembly


def _take_chunk(assembly: Assembly, chunk: dict[str, Any], end: int) -> None:
    # A provider that breaks off says its error together with the usage and the reason.
    assembly.error = read_error(chunk) or assembly.error
    assembly.note_identity(chunk)
    _take_usage(assembly, chunk)
    for position, item in enumerate(items(chunk.get("choices"))):
        values = mapping(item)
        choice = assembly.choice(_index(values, position))
        said = _take_delta(choice, mapping(values.get("delta")))
        said |= _append(choice.content, values.get("text"))
        _take_logprobs(choice, values.get("logprobs"))
        choice.finish_reason = text(values.get("finish_reason")) or choice.finish_reason
        assembly.error = assembly.error or _error_of(values)
        if said and assembly.first_token_end is None:
            assembly.first_token_end = end


def _take_usage(assembly: Assembly, values: dict[str, Any]) -> None:
    usage = values.get("usage") or mapping(values.get("x_groq")).get("usage")
    if says_something(usage):
        assembly.usage_raw = merge(assembly.usage_raw, usage)
    elif isinstance(usage, dict) and assembly.is_terminal:
        assembly.usage_raw = usage
    if "timings" in values and not assembly.usage_raw:
        assembly.usage = read_timings(values["timings"])


def _finish(assembly: Assembly) -> None:
    if assembly.error is None and "error" in assembly.finish_reasons():
        assembly.error = AnswerError("the provider ended its answer with finish_reason error", None, "finish_error")
    usage = read_usage(assembly.usage_raw)
    if usage.raw is not None:
        assembly.usage = usage


def _error_of(choice: dict[str, Any]) -> AnswerError | None:
    """Return the error of one choice, as OpenRouter tells it where a provider broke off."""
    error = mapping(choice.get("error"))
    return flat_error(error) if error else None


def _take_delta(choice: Choice, delta: dict[str, Any]) -> bool:
    """Add a delta; True when it said something."""
    said = _take_content(choice, delta.get("content"))
    said |= _append(choice.reasoning, delta.get("reasoning_content") or delta.get("reasoning"))
    said |= _append(choice.refusal, delta.get("refusal"))
    said |= _take_audio(choice, delta.get("audio"))
    for call in items(delta.get("tool_calls")):
        said |= _take_tool_call(choice, mapping(call))
    return said | _take_function_call(choice, delta.get("function_call"))


def _take_message(choice: Choice, message: dict[str, Any]) -> None:
    _take_content(choice, message.get("content"))
    _append(choice.reasoning, message.get("reasoning_content") or message.get("reasoning"))
    _append(choice.refusal, message.get("refusal"))
    _take_audio(choice, message.get("audio"))
    for position, item in enumerate(items(message.get("tool_calls"))):
        _take_tool_call(choice, {"index": position, **mapping(item)})
    _take_function_call(choice, message.get("function_call"))


def _take_content(choice: Choice, content: object) -> bool:
    """Add content, which is a text or (Mistral) a list of parts, thoughts among them; True when it said something."""
    if not isinstance(content, list):
        return _append(choice.content, content)
    said = False
    for part in map(mapping, content):
        said |= _append(choice.content, part.get("text"))
        for thought in map(mapping, items(part.get("thinking"))):
            said |= _append(choice.reasoning, thought.get("text"))
    return said


def _take_audio(choice: Choice, audio: object) -> bool:
    """Add what is said aloud; each piece of sound is base64 of its own. True when there was some."""
    values = mapping(audio)
    said = _append(choice.transcript, values.get("transcript"))
    data = values.get("data")
    if not isinstance(data, str) or not data:
        return said
    choice.audio_bytes += len(data) * 3 // 4 - data.count("=", -2)
    return True


def _take_logprobs(choice: Choice, value: object) -> None:
    """Add to each list what came for it: ``content`` and ``refusal``, or the legacy form's."""
    for name, found in mapping(value).items():
        if isinstance(found, list):
            choice.logprobs.setdefault(name, []).extend(found)


def _take_tool_call(choice: Choice, values: dict[str, Any]) -> bool:
    function = mapping(values.get("function") or values.get("custom"))
    identity, name = text(values.get("id")), text(function.get("name"))
    call = _call_of(choice, values.get("index"), identity, name)
    if identity and not call.id:
        call.id = identity
        choice.by_id.setdefault(identity, call)
    call.name = call.name or name
    arguments = function.get("arguments") or function.get("input")
    return _append(call.arguments, written(arguments) if arguments else None) or name is not None


def _call_of(choice: Choice, index: object, identity: str | None, name: str | None) -> ToolCall:
    """Return the call that a delta belongs to, opening a new one where it begins."""
    calls = choice.tool_calls
    known: ToolCall | None
    if isinstance(index, int):
        known = choice.by_index.get(index)
        if known is not None and identity and known.id and identity != known.id:
            known = choice.by_id.get(identity)
        elif known is not None and name and not identity and _is_another(known, name):
            known = None
    elif identity:
        known = choice.by_id.get(identity)
    else:
        known = calls[-1] if calls and not name else None
    if known is None:
        known = ToolCall()
        calls.append(known)
    if isinstance(index, int):
        choice.by_index[index] = known
    return known


def _is_another(known: ToolCall, name: str) -> bool:
    """True when a name that comes without an id cannot be that of the call which has this index already."""
    if known.name is None or known.name != name:
        return known.name is not None
    if len(known.arguments) > _MOST_PIECES:
        return False
    return isinstance(parse("".join(known.arguments).encode("utf-8", "replace")), dict)


def _take_function_call(choice: Choice, value: object) -> bool:
    """Add the legacy form of a single call."""
    values = mapping(value)
    if not values:
        return False
    call = _call_of(choice, -1, None, None)
    call.name = call.name or text(values.get("name"))
    return _append(call.arguments, values.get("arguments")) or "name" in values


def _append(parts: list[str], value: object) -> bool:
    if isinstance(value, str) and value:
        parts.append(value)
        return True
    return False


def _index(values: dict[str, Any], position: int) -> int:
    index = values.get("index")
    return index if isinstance(index, int) else position
