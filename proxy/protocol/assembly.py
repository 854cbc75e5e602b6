"""What an answer says once it is put together: one value for all dialects, filled by ``chat`` and ``responses``.

Mutable while it is being assembled, then only read. Texts are per choice; an answer with one choice has one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proxy.domain.usage import NO_USAGE, Usage
from proxy.protocol.jsontext import mapping, text, written
from proxy.protocol.sse import Event


@dataclass(slots=True)
class ToolCall:
    """One call of a tool; ``arguments`` is the JSON text as the model wrote it."""

    id: str | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Choice:
    """One of the answers to a call (``n`` > 1 gives several). ``logprobs`` are as they came, under their names.

    Of sound that is said in the answer, ``audio_bytes`` counts what it is when decoded.
    """

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    audio_bytes: int = 0
    logprobs: dict[str, list[Any]] = field(default_factory=dict)
    tool_calls: list[ToolCall] = field(default_factory=list)
    by_index: dict[int, ToolCall] = field(default_factory=dict)
    by_id: dict[str, ToolCall] = field(default_factory=dict)
    finish_reason: str | None = None


@dataclass(slots=True, frozen=True)
class AnswerError:
    """An error inside an answer, whatever its shape."""

    message: str | None = None
    kind: str | None = None
    code: str | None = None


@dataclass(slots=True)
class Assembly:
    """An answer put together. ``first_token_end`` is the stream offset of the first event with content.

    ``is_remote``: a local server had the answer made by a cloud, so that its price is not known. ``is_background``: it
    is made whether or not anybody waits, and read later. ``passed_over`` counts events that could not be read.
    """

    response_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    fingerprint: str | None = None
    choices: dict[int, Choice] = field(default_factory=dict)
    usage_raw: dict[str, Any] | None = None
    usage: Usage = NO_USAGE
    error: AnswerError | None = None
    first_token_end: int | None = None
    is_terminal: bool = False
    is_remote: bool = False
    is_background: bool = False
    passed_over: int = 0

    @property
    def has_ended(self) -> bool:
        """True when the answer says itself that it is over: a terminal marker, a reason on each choice, or an error."""
        reasons = self.finish_reasons()
        return self.is_terminal or self.error is not None or (bool(reasons) and None not in reasons)

    def pass_over(self, event: Event) -> None:
        """Count an event that is not the JSON it should be; one without data, or one that was cut off, is no wonder."""
        if event.is_whole and event.data.strip() and not event.data.startswith(b"[DONE]"):
            self.passed_over += 1

    def choice(self, index: int) -> Choice:
        """Return a choice, made when it is first spoken of."""
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = Choice()
        return found

    def note_identity(self, values: dict[str, Any]) -> None:
        """Keep ids and names: the first non-empty id, the last non-empty of the rest (Azure's first chunk has none)."""
        self.response_id = self.response_id or text(values.get("id"))
        self.model = text(values.get("model")) or self.model
        self.service_tier = text(values.get("service_tier")) or self.service_tier
        self.fingerprint = text(values.get("system_fingerprint")) or self.fingerprint

    def output_text(self) -> str:
        """Return what was said, as plain text: content, else refusal, transcript or the tools that were called."""
        if len(self.choices) == 1:
            return _say(*self.choices.values())
        said = [_say(self.choices[index]) for index in sorted(self.choices)]
        return "\n\n".join(part for part in said if part)

    def finish_reasons(self) -> list[str | None]:
        """Return the raw reasons in the order of the choices."""
        choices = self.choices
        return [choices[index].finish_reason for index in (sorted(choices) if len(choices) > 1 else choices)]


def _say(choice: Choice) -> str:
    said = "".join(choice.content) or "".join(choice.refusal) or "".join(choice.transcript)
    if not choice.tool_calls:
        return said
    calls = [f"{call.name or 'tool'}({''.join(call.arguments)})" for call in choice.tool_calls]
    return "\n".join(part for part in (said, *calls) if part)


def read_error(value: object) -> AnswerError | None:
    """Return an error from any shape of it: an object, a bare text, FastAPI's ``detail``; None when there is none."""
    values = mapping(value)
    error = values.get("error")
    if isinstance(error, dict) and error:
        return AnswerError(_word(error.get("message")), _word(error.get("type")), _word(error.get("code")))
    if isinstance(error, str) and error:
        return AnswerError(message=error)
    if error:
        return AnswerError(message=written(error))
    if "error" in (values.get("object"), values.get("type")):
        return flat_error(values)
    if "detail" in values and "choices" not in values:
        return AnswerError(message=written(values["detail"]))
    return None


def flat_error(values: dict[str, Any]) -> AnswerError:
    """Return an error whose members stand alone, as in events that are named so and in older servers' answers."""
    return AnswerError(_word(values.get("message")), _word(values.get("type")), _word(values.get("code")))


def _word(value: object) -> str | None:
    return None if value is None or value == "" else written(value)
