"""What a caller says about a call in headers: ours, and those of other gateways that mean the same.

The gateway knows these names in order to keep them here and on record; what they say is read here, for the reply's
warning and for the row. A value is hostile until read: too long or too many is cut, what cannot be read is left out,
and a warning says so in words of ours, never in the caller's. Nothing raises, nothing stops a call.

What the request's body says, and what wins over what, is not known here (``interpret.tagging``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from proxy.domain.retention import seconds_of
from proxy.protocol.jsontext import parse_object, written

OURS = "x-dashcam-"
GATEWAY_FAMILIES = ("helicone-", "x-portkey-", "x-litellm-", "cf-aig-", "x-tfy-")
"""Headers that speak to a gateway, credentials for it among them: no model's provider has any business with them."""

MAX_TAGS, MAX_TAG = 32, 64
MAX_PAIRS, MAX_KEY, MAX_VALUE = 32, 64, 512
FULL, META, NONE = "full", "meta", "none"

_FIELDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "user": (200, ("x-dashcam-user", "helicone-user-id", "x-litellm-customer-id", "x-litellm-end-user-id")),
    "session": (200, ("x-dashcam-session", "helicone-session-id", "x-portkey-trace-id")),
    "path": (MAX_VALUE, ("x-dashcam-path", "helicone-session-path")),
    "session_name": (MAX_VALUE, ("helicone-session-name",)),
    "trace": (64, ("x-portkey-trace-id",)),
    "app": (100, ("x-dashcam-app",)),
    "environment": (100, ("x-dashcam-environment",)),
}
LIMITS: Mapping[str, int] = {name: limit for name, (limit, _) in _FIELDS.items()}
_ID_NAMES = ("x-dashcam-id", "helicone-request-id")
_TAG_NAMES = ("x-dashcam-tags", "x-litellm-tags")
_PAIR_PREFIXES = ("x-dashcam-meta-", "helicone-property-")
_OBJECT_NAMES = (
    "x-dashcam-metadata", "x-portkey-metadata", "x-litellm-spend-logs-metadata", "cf-aig-metadata", "x-tfy-metadata",
)  # fmt: skip
_RECORD_NAME = "x-dashcam-record"
_RETENTION_NAME = "x-dashcam-retention"
_LESS = {
    "cf-aig-collect-log-payload": "false",
    "x-litellm-enable-message-redaction": "true",
    "helicone-omit-request": "true",
    "helicone-omit-response": "true",
}
"""Other gateways' ways to ask for no content, with the word that asks."""

_KNOWN = frozenset(
    [
        *(name for _, names in _FIELDS.values() for name in names),
        *_ID_NAMES, *_TAG_NAMES, *_OBJECT_NAMES, *_LESS,
        _RECORD_NAME, "x-dashcam-provider", "x-dashcam-timeout", "x-dashcam-retries", "x-dashcam-verbose",
        "x-dashcam-prompt", "x-dashcam-prompt-fallback", _RETENTION_NAME,
    ]
)  # fmt: skip
_MODES = (FULL, META, NONE)


def is_understood(name: str) -> bool:
    """Return True for a header (in lower case) that says something about a call; no credential is among them."""
    return name in _KNOWN or name.startswith(_PAIR_PREFIXES)


def is_for_gateways(name: str) -> bool:
    """Return True for a header (in lower case) that another gateway would keep to itself."""
    return name.startswith(GATEWAY_FAMILIES)


def record_mode(known: Mapping[bytes, bytes], headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return how much of a call may be kept: the least that any of its headers asks for; what is unclear keeps less."""
    if _RECORDING.isdisjoint(known):
        return FULL
    mode = META if any(_asks_for_less(known, name, word) for name, word in _LESS_BYTES) else FULL
    if _RECORD_BYTES in known:
        said = [value.strip().lower().decode("latin-1") for name, value in headers if name.lower() == _RECORD_BYTES]
        mode = max(mode, *(word if word in _MODES else META for word in said), key=_MODES.index)
    return mode


def least_of(*modes: str) -> str:
    """Return the one of some ways of recording by which the least is kept."""
    return max(modes, key=_MODES.index)


_RECORD_BYTES = _RECORD_NAME.encode()
_LESS_BYTES = [(name.encode(), word.encode()) for name, word in _LESS.items()]
_RECORDING = frozenset({_RECORD_BYTES, *(name for name, _ in _LESS_BYTES)})


def _asks_for_less(known: Mapping[bytes, bytes], name: bytes, word: bytes) -> bool:
    value = known.get(name)
    return value is not None and value.strip().lower() == word


@dataclass(slots=True)
class Tagging:
    """``fields`` are the single values by their names in ``LIMITS``; ``call_id`` is the caller's own UUID.

    ``retention`` is how many seconds the call is kept at most, where its caller says so.
    """

    fields: dict[str, str] = field(default_factory=dict)
    call_id: str | None = None
    retention: int | None = None
    tags: dict[str, None] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    cuts: set[str] = field(default_factory=set)
    left_out: dict[str, int] = field(default_factory=dict)

    def say(self, name: str, value: str) -> None:
        """Take a single value, unless one was said before that counts more."""
        value, limit = value.strip(), LIMITS[name]
        if not value or name in self.fields:
            return
        if len(value) > limit:
            self.cuts.add(f"{name} cut to {limit} characters")
        self.fields[name] = value[:limit]

    def tag(self, words: Iterable[str]) -> None:
        """Take tags, each once."""
        for word in map(str.strip, words):
            if len(word) > MAX_TAG:
                self.cuts.add(f"tags cut to {MAX_TAG} characters")
            word = word[:MAX_TAG].rstrip()
            if not word or word in self.tags:
                continue
            if len(self.tags) < MAX_TAGS:
                self.tags[word] = None
            else:
                self._leave_out("tags", MAX_TAGS)

    def describe(self, key: str, value: object) -> None:
        """Take a pair of metadata, unless the key was said before by what counts more."""
        key, text = key.strip(), written(value)
        if len(key) > MAX_KEY or len(text) > MAX_VALUE:
            self.cuts.add(f"metadata cut to {MAX_KEY} characters a key, {MAX_VALUE} a value")
        key = key[:MAX_KEY]
        if not key or value is None or key in self.metadata:
            return
        if len(self.metadata) < MAX_PAIRS:
            self.metadata[key] = text[:MAX_VALUE]
        else:
            self._leave_out("metadata", MAX_PAIRS)

    def identify(self, value: str) -> None:
        """Take the caller's own id."""
        try:
            self.call_id = self.call_id or str(uuid.UUID(value.strip()))
        except ValueError:
            self.cuts.add("id is no UUID and was left out")

    def keep(self, span: str) -> None:
        """Take how long the call is kept at most: of several the shortest."""
        try:
            seconds = seconds_of(span)
        except ValueError:
            seconds = 0
        if not seconds:
            self.cuts.add("retention is no span such as 7d and was left out")
        else:
            self.retention = min(seconds, self.retention or seconds)

    def _leave_out(self, what: str, limit: int) -> None:
        self.left_out[f"{what} beyond {limit} left out"] = self.left_out.get(f"{what} beyond {limit} left out", 0) + 1

    def warnings(self) -> str:
        """Return what was cut or left out, in one line of fixed words; empty when nothing was."""
        return "; ".join([*sorted(self.cuts), *(f"{count} {what}" for what, count in self.left_out.items())])


def read_headers(headers: Iterable[tuple[str, str]]) -> Tagging:
    """Read the understood ones of recorded headers (names in lower case, values decoded as Latin-1)."""
    said: dict[str, list[str]] = {}
    for name, value in headers:
        if is_understood(name):
            said.setdefault(name, []).append(_text(value))
    found = Tagging()
    if not said:
        return found
    for field_name, (_, names) in _FIELDS.items():
        for value in _values(said, names):
            found.say(field_name, value)
    for value in _values(said, _ID_NAMES):
        found.identify(value)
    for value in _values(said, _TAG_NAMES):
        found.tag(value.split(","))
    for value in said.get(_RETENTION_NAME, ()):
        found.keep(value)
    _read_pairs(said, found)
    if any(word.strip().lower() not in _MODES for word in said.get(_RECORD_NAME, ())):
        found.cuts.add("record is none of full, meta, none: kept as meta")
    return found


def _values(said: Mapping[str, list[str]], names: Iterable[str]) -> Iterable[str]:
    return (value for name in names for value in said.get(name, ()))


def _read_pairs(said: Mapping[str, list[str]], found: Tagging) -> None:
    """Headers of one pair count more than those of an object, ours more than others'."""
    for prefix in _PAIR_PREFIXES:
        for name, values in said.items():
            if name.startswith(prefix):
                found.describe(name.removeprefix(prefix), values[0])
    for name in _OBJECT_NAMES:
        for text in said.get(name, ()):
            _read_object(name, text, found)


def _read_object(name: str, text: str, found: Tagging) -> None:
    pairs = parse_object(text.encode())
    if pairs is None:
        found.cuts.add("metadata is no JSON object and was left out")
        return
    for key, value in pairs.items():
        found.describe(key, value)
    if name == "x-portkey-metadata" and isinstance(pairs.get("_user"), str):
        found.say("user", pairs["_user"])


def _text(value: str) -> str:
    """Return a header's text: UTF-8 where the bytes are that, else Latin-1 as HTTP has it."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
