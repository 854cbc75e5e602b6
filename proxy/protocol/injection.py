"""The changes made to requests, by editing only the bytes that say so.

A stream that did not ask for usage is asked for it; ``metadata`` that the provider would refuse is taken out; a route
may give the model another name.

An edit is (offset, bytes removed, text inserted). The rest of the client's body leaves as it came: same key
order, same spelling, so that provider-side prompt caches still match. Works on the whole small body, or on the
scan of a large one; a body it cannot edit exactly is left alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import orjson

from proxy.protocol.requests import WANTED, RequestFacts
from proxy.protocol.scanner import Member, TopLevelScanner
from proxy.protocol.scanning import scan

Edit = tuple[int, int, str]

_MEMBER = '"stream_options":{"include_usage":true},'
_OPTION = '"include_usage":true'


def usage_edits(body: bytes, facts: RequestFacts) -> tuple[Edit, ...]:
    """Return the edits that make a small body ask for usage; empty when none is needed or possible."""
    if not facts.is_stream or facts.include_usage is True:
        return ()
    if not facts.usage_options:
        return ((body.index(b"{") + 1, 0, _MEMBER),)
    return edits_of_scan(scan(body, WANTED))


def edits_of_scan(scanner: TopLevelScanner) -> tuple[Edit, ...]:
    """Return the same edits from a finished scan."""
    if not scanner.is_sound:
        return ()
    options = scanner.members.get(b"stream_options")
    if options is None:
        return ((scanner.open_brace + 1, 0, _MEMBER),)
    if options.raw == b"null":
        return ((options.start, 4, "{" + _OPTION + "}"),)
    return _inside(options) if options.raw and options.raw.startswith(b"{") else ()


def rename_edits(scanner: TopLevelScanner, model: str) -> tuple[Edit, ...]:
    """Return the edits that put another name in the place of the model's in a scanned body.

    Empty when the body does not say its model where it can be replaced exactly. Of a model that is said twice the last
    one counts, here as at the provider.
    """
    member = scanner.members.get(b"model") if scanner.is_sound else None
    if member is None or member.raw is None or not member.raw.startswith(b'"'):
        return ()
    return rename_edits_at((member.start, member.end - member.start), model)


def rename_edits_at(place: tuple[int, int], model: str) -> tuple[Edit, ...]:
    """Return the same where it is known where the model stands (offset, length)."""
    return ((*place, orjson.dumps(model).decode()),)


def form_rename_edits(place: tuple[int, int] | None, model: str) -> tuple[Edit, ...]:
    """Return the same for a form that says its model in one place (offset, length); empty where it does not."""
    return () if place is None else ((*place, model),)


def _inside(options: Member) -> tuple[Edit, ...]:
    """Edit inside the existing object: turn a false into true, or add the member."""
    assert options.raw is not None
    inner = scan(options.raw, frozenset({b"include_usage"}))
    if not inner.is_sound:
        return ()
    said = inner.members.get(b"include_usage")
    if said is not None:
        return () if said.raw is None else ((options.start + said.start, said.end - said.start, "true"),)
    comma = "," if options.raw[1:-1].strip() else ""
    return ((options.start + 1, 0, _OPTION + comma),)


def metadata_edits(scanner: TopLevelScanner) -> tuple[Edit, ...]:
    """Return the edits that take the top-level ``metadata`` out of a scanned body, each time it stands there."""
    if not scanner.is_sound or b"metadata" not in scanner.members:
        return ()
    doubles = [member for key, member in scanner.doubles if key == b"metadata"]
    return removal_edits(scanner, [*doubles, scanner.members[b"metadata"]])[0]


def removal_edits(scanner: TopLevelScanner, members: Sequence[Member]) -> tuple[tuple[Edit, ...], bool]:
    """Return the edits that take members out of a scanned body, in the order they stand there; True: none is left."""
    edits: list[Edit] = []
    begins_at = scanner.open_brace
    for member in members:
        if member.before != begins_at:
            edits.append((member.before, member.after - member.before, ""))
            continue
        # Nothing is left before it: the comma behind it goes, if there is one, and the next one begins the object.
        end = member.after + member.has_next
        edits.append((member.before + 1, end - member.before - 1, ""))
        begins_at = member.after
    is_emptied = bool(members) and begins_at == members[-1].after and not members[-1].has_next
    return tuple(edits), is_emptied or not scanner.has_members


def is_addition(edit: Edit) -> bool:
    """Return True for an edit that adds something to a request; what only takes out is none."""
    return bool(edit[2])


def apply(body: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the body with the edits made; offsets are ascending and refer to ``body``."""
    parts = []
    position = 0
    for offset, removed, inserted in edits:
        parts.append(body[position:offset])
        parts.append(inserted.encode())
        position = offset + removed
    parts.append(body[position:])
    return b"".join(parts)


def combine(first: Sequence[Edit], second: Sequence[Edit]) -> tuple[Edit, ...]:
    """Return the edits that do at once what two lists do one after the other: the second is of what the first leaves.

    What the second changes inside a text of the first begins and ends between two characters.
    """
    if not first or not second:
        return tuple(first or second)
    if first[0][0] == 0 and second[-1][0] + second[-1][1] <= len(text := first[0][2].encode()):
        return ((0, first[0][1], apply(text, second).decode()), *first[1:])
    pieces = _pieces(first)
    kept: list[_Piece] = []
    position = 0
    for offset, removed, inserted in second:
        kept += _taken(pieces, offset - position)
        _taken(pieces, removed)
        kept.append(inserted.encode())
        position = offset + removed
    return _edits_between([*kept, *pieces])


_Piece = tuple[int, int] | bytes
"""A run of the original bytes (start, end), or bytes that are new."""
_FAR = 1 << 62
"""Where the original ends, wherever that is."""


def _pieces(edits: Sequence[Edit]) -> deque[_Piece]:
    pieces: deque[_Piece] = deque()
    position = 0
    for offset, removed, inserted in edits:
        pieces += ((position, offset), inserted.encode())
        position = offset + removed
    pieces.append((position, _FAR))
    return pieces


def _taken(pieces: deque[_Piece], count: int) -> list[_Piece]:
    """Take so many bytes off the beginning."""
    taken: list[_Piece] = []
    while count:
        piece = pieces.popleft()
        size = len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
        if size > count:
            piece, rest = _cut(piece, count)
            pieces.appendleft(rest)
            size = count
        taken.append(piece)
        count -= size
    return taken


def _cut(piece: _Piece, count: int) -> tuple[_Piece, _Piece]:
    if isinstance(piece, bytes):
        return piece[:count], piece[count:]
    start, end = piece
    return (start, start + count), (start + count, end)


def _edits_between(pieces: Sequence[_Piece]) -> tuple[Edit, ...]:
    """Return what stands between the runs of original bytes."""
    edits: list[Edit] = []
    position, new = 0, b""
    for piece in pieces:
        if isinstance(piece, bytes):
            new += piece
        elif piece[0] < piece[1]:
            if new or piece[0] > position:
                edits.append((position, piece[0] - position, new.decode()))
            position, new = piece[1], b""
    return tuple(edits)
