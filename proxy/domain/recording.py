"""What the gateway notes about one call, and what the loader reads back.

``CallStart``, ``AnswerHead`` and ``CallEnd`` travel as JSON in spool records; the request's and the answer's
bytes travel beside them untouched. Times inside a call are monotonic nanoseconds since ``accepted_at_ns`` (names end
in ``_ns``); ``None`` means the instant never came. Nothing here interprets a body.

These values are built for every call on the hot path, so they are neither frozen (constructing costs three times as
much) nor slotted (encoding them as JSON costs four times as much). Nobody changes them all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.domain.outcome import Outcome


@dataclass(kw_only=True)
class PromptFact:
    """The stored prompt that was put into a request; ``variables`` are without what is secret.

    Of a call that was refused for its prompt it is the one that was asked for; ``version`` is None where there is none.
    ``label`` is what it was asked for by, if that was a label. ``fallback_for`` is the one that could not be served.
    """

    name: str
    version: int | None
    label: str | None = None
    variables: Mapping[str, Any] | None = None
    fallback_for: str | None = None


@dataclass(kw_only=True)
class CallStart:
    """A call as accepted and planned, written before the upstream is dialled.

    ``edits`` turn the client's request into what was sent: (offset, bytes removed, text inserted), ascending
    offsets in the client's bytes. ``side_file`` names the file in the spool's ``bodies`` folder that holds a
    request too large for a record; ``side_key`` (hex) opens one that was sealed for itself. ``request_headers`` is an
    allow-list without credentials. ``route`` is the route that decided, ``sent_model`` the name that it gave the model.

    ``redacted`` counts what was taken out before it came here, by pattern; None where nothing was looked for. Then
    ``recorded_bytes`` is how long the request on record is, and ``edits`` are of that one.
    """

    accepted_at_ns: int
    method: str
    target: str
    operation: str
    provider: str = ""
    provider_kind: str = ""
    upstream: str = ""
    model: str | None = None
    is_stream: bool = False
    request_bytes: int = 0
    request_sha256: str | None = None
    side_file: str | None = None
    side_key: str | None = None
    edits: tuple[tuple[int, int, str], ...] = ()
    request_headers: tuple[tuple[str, str], ...] = ()
    key_id: str | None = None
    content: str = "stored"
    route: str | None = None
    sent_model: str | None = None
    prompt: PromptFact | None = None
    redacted: Mapping[str, int] | None = None
    recorded_bytes: int | None = None


@dataclass(kw_only=True)
class AnswerHead:
    """Status and allow-listed headers of the answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(kw_only=True)
class AttemptFact:
    """One try against one upstream; ``error`` is a stable word such as ``refused``, None when it answered."""

    number: int
    provider: str
    upstream: str
    started_ns: int
    connected_ns: int | None = None
    sent_ns: int | None = None
    head_ns: int | None = None
    ended_ns: int | None = None
    status: int | None = None
    error: str | None = None
    error_message: str | None = None
    reused: bool = False


@dataclass(kw_only=True)
class CallEnd:
    """How a call ended. ``status`` is what the client was sent; byte counts are of bodies.

    ``sent_bytes`` counts what the client was handed, ``received_bytes`` what the upstream gave. ``sha256`` (hex) is of
    what the client was handed, noted here only when that is not what is recorded: injected usage was taken out again.
    ``bodies_dropped`` says that the full-disk policy kept the facts and not the bodies. ``edits_undone`` says that the
    answer is to a request with nothing added, because the upstream had refused that: what was taken out still holds;
    ``edits`` are those of the request that was answered, where START says others. ``provider`` and the three below it
    are set when another candidate of the route took over. ``redacted`` as in START; ``recorded_bytes`` is how long the
    answer on record is where it is not as it came, ``decoded_from`` the Content-Encoding that was undone for that.
    """

    outcome: Outcome
    ended_ns: int
    status: int | None = None
    head: AnswerHead | None = None
    last_byte_ns: int | None = None
    received_bytes: int = 0
    sent_bytes: int = 0
    sha256: str | None = None
    error_type: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    attempts: tuple[AttemptFact, ...] = ()
    bodies_dropped: bool = False
    edits_undone: bool = False
    edits: tuple[tuple[int, int, str], ...] | None = None
    provider: str | None = None
    provider_kind: str | None = None
    upstream: str | None = None
    sent_model: str | None = None
    redacted: Mapping[str, int] | None = None
    recorded_bytes: int | None = None
    decoded_from: str | None = None


@dataclass(slots=True)
class Piece:
    """One piece of the answer: what one read of the upstream socket gave, and when (ns since accepted)."""

    at_ns: int
    data: bytes


@dataclass(slots=True, kw_only=True)
class RecordedCall:
    """A whole call as found in the spool: the input of ``interpret``.

    ``id`` is the 16-byte interaction id. ``request`` is the client's own bytes (None: not kept). ``end`` is
    None when the gateway died: the outcome is then ``interrupted``. ``lost_bytes`` counts answer bytes that
    were received but not kept, because of a cap or a full disk.
    """

    id: bytes
    start: CallStart
    request: bytes | None
    head: AnswerHead | None
    pieces: tuple[Piece, ...]
    end: CallEnd | None
    lost_bytes: int = 0

    @property
    def is_looked_through(self) -> bool:
        """True when patterns were looked for before anything was written down."""
        return self.start.redacted is not None

    @property
    def redactions(self) -> dict[str, int]:
        """How often each pattern was found, in request and answer."""
        asked, said = self.start.redacted, self.end.redacted if self.end is not None else None
        # Of nearly every call nothing, and this is asked for every one of them.
        return dict(Counter(asked or {}) + Counter(said or {})) if asked or said else {}

    @property
    def answer_bytes(self) -> int | None:
        """How long the whole answer is on record; None where nobody says."""
        if self.end is None:
            return None
        return self.end.received_bytes if self.end.recorded_bytes is None else self.end.recorded_bytes

    @property
    def provider(self) -> str:
        """Who was asked last."""
        return (self.end.provider if self.end is not None else None) or self.start.provider

    @property
    def provider_kind(self) -> str:
        """Of what kind that is."""
        return (self.end.provider_kind if self.end is not None else None) or self.start.provider_kind

    @property
    def upstream(self) -> str:
        """At which address."""
        return (self.end.upstream if self.end is not None else None) or self.start.upstream

    @property
    def sent_model(self) -> str | None:
        """The name of the model as it was sent there."""
        if self.end is not None and self.end.provider is not None:
            return self.end.sent_model or self.start.model
        return self.start.sent_model or self.start.model
