"""The head of the client's reply: the upstream's headers in one pass, without those of its connection.

What passes, what is recorded and what the gateway itself must know (type, length, encoding) is decided by one rule per
name, looked up once for each header. Everything but hop-by-hop headers and our own names goes to the client as it came.
"""

from __future__ import annotations

from proxy.gateway.client_head import Headers
from proxy.gateway.headers import HOP_BY_HOP, Recorded, is_recorded, named_by

_DROP, _RECORD, _CONNECTION, _TYPE, _LENGTH, _ENCODING, _CODING = 1, 2, 4, 8, 16, 32, 64
_NOTED = _TYPE | _LENGTH | _ENCODING | _CODING
_SPECIAL = {
    b"connection": _CONNECTION,
    b"content-type": _TYPE,
    b"content-length": _LENGTH,
    b"content-encoding": _ENCODING,
    b"transfer-encoding": _CODING,
}
_FRAMING = frozenset((b"chunked", b"identity", b""))
_MAX_CACHED = 4096
_LONGEST_NAME = 64
_rules: dict[bytes, tuple[int, str]] = {}


def _rule_of(raw: bytes) -> tuple[int, str]:
    """Return what a name means, and how it is recorded."""
    name = raw.lower()
    is_dropped = name in HOP_BY_HOP or name.startswith(b"x-dashcam-")
    rule = _SPECIAL.get(name, 0) | _DROP * is_dropped | _RECORD * is_recorded(name)
    if len(_rules) < _MAX_CACHED and len(raw) <= _LONGEST_NAME:
        _rules[raw] = rule, name.decode("latin-1")
    return rule, name.decode("latin-1")


class ReplyHead:
    """Header lines as they leave; ``recorded`` is the allow-listed part for the record.

    ``coding`` is a ``Transfer-Encoding`` that says more than how the body is framed; empty: there is none.
    """

    __slots__ = ("coding", "content_type", "has_length", "is_encoded", "lines", "recorded")

    def __init__(self, headers: Headers) -> None:
        self.content_type = self.coding = b""
        self.has_length = self.is_encoded = False
        lines: list[bytes] = []
        recorded: list[tuple[str, str]] = []
        named: frozenset[bytes] = frozenset()
        for name, value in headers:
            rule, text = _rules.get(name) or _rule_of(name)
            if rule & _RECORD:
                recorded.append((text, value.decode("latin-1")))
            if rule & _CONNECTION:
                named |= named_by(value) - _SPECIAL.keys()
            elif rule & _NOTED:
                self._note(rule, value)
            if not rule & _DROP:
                lines += (name, b": ", value, b"\r\n")
        self.lines = lines
        self.recorded: Recorded = tuple(recorded)
        if named:
            self._remove(named)

    def __repr__(self) -> str:
        return f"<ReplyHead {self.content_type!r} lines={len(self.lines) // 4}>"

    def _note(self, rule: int, value: bytes) -> None:
        if rule & _TYPE:
            self.content_type = self.content_type or value.lower()
        elif rule & _LENGTH:
            self.has_length = True
        elif rule & _ENCODING:
            self.is_encoded = self.is_encoded or value.strip().lower() not in (b"", b"identity")
        elif value != b"chunked" and not {_coding_in(part) for part in value.split(b",")} <= _FRAMING:
            self.coding = value

    def add(self, name: bytes, value: bytes) -> None:
        """Add a header of ours."""
        self.lines += (name, b": ", value, b"\r\n")

    def drop_length(self) -> None:
        """The body will not have the length that was announced."""
        self._remove(frozenset({b"content-length"}))
        self.has_length = False

    def _remove(self, names: frozenset[bytes]) -> None:
        lines = self.lines
        kept = [index for index in range(0, len(lines), 4) if lines[index].lower() not in names]
        self.lines = [part for index in kept for part in lines[index : index + 4]]


def _coding_in(part: bytes) -> bytes:
    return part.partition(b";")[0].strip().lower()
