"""What the kept bodies of a call come to: the request as it was sent, the answer put together."""

from __future__ import annotations

from proxy.domain.recording import AnswerHead, CallStart, Piece, RecordedCall
from proxy.interpret.reading import read_answer
from proxy.protocol.assembly import Assembly
from proxy.protocol.injection import apply
from proxy.store.contents.parts import StoredBody
from proxy.store.schema.decoding import Row


def sent_form(body: StoredBody) -> bytes:
    """Return a request as it left for the upstream."""
    edits = tuple((offset, removed, text) for offset, removed, text in body.facts["edits"] or ())
    return apply(body.content, edits)


def assembly_of(row: Row, body: StoredBody | None) -> Assembly | None:
    """Return the answer of a call put together, None where nothing of it was kept."""
    if body is None:
        return None
    headers = tuple((name, value) for name, value in body.facts["headers"] or ())
    start = CallStart(accepted_at_ns=0, method=row["method"], target=row["endpoint"], operation=row["operation"])
    head, pieces = AnswerHead(status=row["http_status"] or 200, headers=headers), (Piece(0, body.content),)
    call = RecordedCall(id=bytes(16), start=start, request=None, head=head, pieces=pieces, end=None)
    return read_answer(call).assembly
