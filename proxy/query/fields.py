"""The filters there are: name, what a value of it is, and what it is about. One table for grammar, API and help.

A filter that is not here is an error wherever it is typed. Which column each one looks at is the store's business
(``store/filters/terms.py``); a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from proxy.domain.outcome import ContentState, CostStatus, FinishKind, Outcome, UsageSource


class Kind(Enum):
    """What stands behind a filter's colon."""

    TEXT = auto()
    WORD = auto()
    IDENTITY = auto()
    NUMBER = auto()
    WHOLE = auto()
    DURATION = auto()
    MONEY = auto()
    STATUS = auto()
    TRUTH = auto()
    INSTANT = auto()


COMPARABLE = frozenset({Kind.NUMBER, Kind.WHOLE, Kind.DURATION, Kind.MONEY, Kind.STATUS})
"""Kinds that can be more, less or between."""


@dataclass(frozen=True, slots=True)
class Field:
    """One filter; ``words`` are all that it takes, where that is a closed set."""

    name: str
    kind: Kind
    about: str
    words: tuple[str, ...] = ()


META = "meta"
"""Has a key of its own: ``meta.team:eu``, also written ``tag.team:eu``."""
PRESENT = (
    "user", "session", "trace", "app", "environment", "key", "route", "provider", "model", "prompt", "experiment",
    "variant", "cost", "tokens", "latency", "ttft", "status", "error", "score", "tag", "tool", "cache", "language",
    "tier",
)  # fmt: skip
"""What may be missing of a call: ``has:cost``, ``-has:user``."""
TRUE, FALSE = "yes", "no"


def _words(kind: type[Outcome | FinishKind | CostStatus | ContentState | UsageSource]) -> tuple[str, ...]:
    return tuple(item.value for item in kind)


_ALL = (
    Field("status", Kind.STATUS, "ok, error, 404, 4xx, >=500, 400..499"),
    Field("outcome", Kind.WORD, "how the call ended", _words(Outcome)),
    Field("error", Kind.TEXT, "the error's code or type"),
    Field("model", Kind.TEXT, "the model that answered; gpt-* is any that begins so"),
    Field("requested", Kind.TEXT, "the model that was asked for"),
    Field("provider", Kind.TEXT, "who served it"),
    Field("route", Kind.TEXT, "the route it took"),
    Field("operation", Kind.TEXT, "chat, responses, embeddings, …"),
    Field("endpoint", Kind.TEXT, "the path that was called"),
    Field("prompt", Kind.TEXT, "a stored prompt: name, name@3, name@label"),
    Field("experiment", Kind.TEXT, "an experiment"),
    Field("variant", Kind.TEXT, "a variant of it"),
    Field("user", Kind.TEXT, "a user"),
    Field("session", Kind.TEXT, "a session"),
    Field("trace", Kind.TEXT, "a trace"),
    Field("app", Kind.TEXT, "an application"),
    Field("environment", Kind.TEXT, "an environment"),
    Field("key", Kind.TEXT, "the id of a proxy key"),
    Field("tag", Kind.TEXT, "a tag; meta.team:eu and tag.team:eu are a property's value"),
    Field("tool", Kind.TEXT, "a tool that was offered"),
    Field("latency", Kind.DURATION, "how long it took: >2s, 200ms..1m"),
    Field("ttft", Kind.DURATION, "until the first token"),
    Field("overhead", Kind.DURATION, "our own part of the time"),
    Field("cost", Kind.MONEY, "US dollars: >0.01"),
    Field("cost_status", Kind.WORD, "how far the amount may be trusted", _words(CostStatus)),
    Field("tokens", Kind.WHOLE, "tokens in all: >1k"),
    Field("input_tokens", Kind.WHOLE, "tokens of the request"),
    Field("output_tokens", Kind.WHOLE, "tokens of the answer"),
    Field("cached_tokens", Kind.WHOLE, "tokens that the provider had cached"),
    Field("reasoning_tokens", Kind.WHOLE, "tokens of reasoning"),
    Field("usage", Kind.WORD, "where the tokens are from", _words(UsageSource)),
    Field("tier", Kind.TEXT, "the service tier"),
    Field("finish", Kind.WORD, "why the model stopped", _words(FinishKind)),
    Field("attempts", Kind.WHOLE, "tries against providers"),
    Field("stream", Kind.TRUTH, "yes or no"),
    Field("cache", Kind.TEXT, "the cache's state"),
    Field("content", Kind.WORD, "what became of the bodies", _words(ContentState)),
    Field("language", Kind.TEXT, "the language of the question"),
    Field("score", Kind.NUMBER, "the score it was given"),
    Field("id", Kind.IDENTITY, "a call: at least 6 characters of its id"),
    Field("has", Kind.WORD, "what is known of the call", PRESENT),
    Field("since", Kind.INSTANT, "7d, 3h, 2026-11-01 (UTC)"),
    Field("until", Kind.INSTANT, "the same, exclusive"),
)
FIELDS = {field.name: field for field in _ALL}
ALIASES = {"env": "environment", "duration": "latency"}
META_FIELD = Field(META, Kind.TEXT, "the value of a property")
NAMES = (*FIELDS, f"{META}.KEY")
"""What an error lists."""
