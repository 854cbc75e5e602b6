"""What a reply says of us: ``x-dashcam-provider``, ``-attempts``, ``-warning``, and more where the caller wants more.

Beside ``x-dashcam-id`` these are all: the provider's own headers pass as they came, under their own names. Lines that
follow from the head alone are made once for it. Cost and tokens are not known when a reply begins; the store tells
them. Nothing a caller sent is said back as it was: a model's name is escaped, a warning has words of ours.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from proxy.gateway.client_head import ClientHead
from proxy.gateway.headers import Recorded, has_tags
from proxy.protocol.tagging import OURS, is_understood, read_headers

if TYPE_CHECKING:
    from proxy.gateway.observation import Observation
    from proxy.gateway.plan import Plan
    from proxy.gateway.reply_head import ReplyHead

_OURS = OURS.encode()
_SAFE = "/:.-_@+ "
_NUMBERS = [b"%d" % number for number in range(16)]


Record = tuple[str, str]
"""How much of a call caller and key let us keep, and how much is usual."""


class ReplyFacts:
    """What replies to one head say. How much is kept is told where the caller wants to hear all."""

    __slots__ = ("_is_verbose", "_lines", "_record")

    def __init__(self, head: ClientHead, provider: str, recorded: Recorded, record: Record) -> None:
        self._is_verbose = head.known.get(b"x-dashcam-verbose") in (b"1", b"true")
        self._record = record
        self._lines = _line(b"provider", provider.encode())
        warning = _warning(head, recorded) if has_tags(head.headers) else ""
        if warning:
            self._lines += _line(b"warning", warning.encode("ascii"))

    def add_to(self, head: ReplyHead, plan: Plan, observation: Observation) -> None:
        """Add the lines to a reply that is about to begin."""
        count = len(observation.attempts)
        head.lines += self._lines
        head.lines += _line(b"attempts", _NUMBERS[count] if count < len(_NUMBERS) else b"%d" % count)
        if plan.told:
            head.lines += plan.told
        if self._is_verbose:
            head.lines += _line(b"record", plan.record(*self._record).encode())
            head.lines += _plan_lines(plan)
            head.lines += _time_lines(observation)


def _line(name: bytes, value: bytes) -> list[bytes]:
    """Return one header in the parts of ``ReplyHead.lines``."""
    return [_OURS + name, b": ", value, b"\r\n"]


def _warning(head: ClientHead, recorded: Recorded) -> str:
    """Return what of the tags was cut or not understood."""
    return "; ".join(filter(None, (read_headers(recorded).warnings(), _unknown(head))))


def _unknown(head: ClientHead) -> str:
    """Return a warning about headers of ours that do not exist: they may be misspelt."""
    names = [name.decode("latin-1") for name in head.known if name.startswith(_OURS)]
    count = sum(not is_understood(name) for name in names)
    return f"{count} {OURS}* header{'s are' if count > 1 else ' is'} not known" if count else ""


def _plan_lines(plan: Plan) -> list[bytes]:
    lines = _line(b"operation", plan.operation.encode())
    if plan.model is not None:
        lines += _line(b"model", quote(plan.model, safe=_SAFE, errors="replace").encode())
    return lines + _line(b"request-modified", b"true" if plan.edits or plan.composed else b"false")


def _time_lines(observation: Observation) -> list[bytes]:
    """How long it took up to now, and what of that was not waiting for the upstream."""
    elapsed = observation.offset(time.monotonic_ns())
    tries = observation.attempts
    waited = sum((fact.head_ns or fact.ended_ns or fact.started_ns) - fact.started_ns for fact in tries)
    lines = _line(b"duration-ms", b"%.3f" % (elapsed / 1e6))
    return lines + _line(b"overhead-ms", b"%.3f" % (max(0, elapsed - waited) / 1e6))
