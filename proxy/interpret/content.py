"""The two bodies of a call as the store keeps them: untouched bytes, with the facts to read them by."""

from __future__ import annotations

import hashlib

from proxy.domain.interaction import Body
from proxy.domain.outcome import ContentState
from proxy.domain.recording import RecordedCall
from proxy.interpret.cutting import cuts_of
from proxy.interpret.texts import clean
from proxy.protocol.decoding import encodings_of
from proxy.protocol.injection import form_rename_edits, is_addition
from proxy.protocol.multipart import boundary_of, model_place


def content_state_of(call: RecordedCall, *, keeps: bool, has_files: bool = False) -> ContentState:
    """Return what became of the bodies; ``keeps`` False: they were not to be kept.

    ``has_files``: the request is a form, which is kept without what is in its files.
    """
    if not keeps:
        return ContentState.OFF
    expected = call.start.request_bytes if call.start.recorded_bytes is None else call.start.recorded_bytes
    has_request = call.request is not None and (has_files or len(call.request) >= expected)
    # Of an answer that is looked through before it is written down, nothing is left by a gateway that died.
    is_cut = call.lost_bytes > 0 or not has_request or _has_gap(call) or (call.end is None and call.is_looked_through)
    whole = ContentState.REDACTED if has_files or call.redactions else ContentState.STORED
    return ContentState.TRUNCATED if is_cut else whole


def _has_gap(call: RecordedCall) -> bool:
    """Tell whether its end counts more than there is: pieces were dropped, or went with the power."""
    if call.end is None:
        return False
    return call.end.bodies_dropped or sum(len(piece.data) for piece in call.pieces) < (call.answer_bytes or 0)


def edits_of(call: RecordedCall) -> tuple[tuple[int, int, str], ...]:
    """Return what turns the client's bytes into those that were answered."""
    end = call.end
    if end is None or (end.edits is None and not end.edits_undone):
        return call.start.edits
    return end.edits if end.edits is not None else tuple(edit for edit in call.start.edits if not is_addition(edit))


def _edits_of_kept(call: RecordedCall, media_type: str | None, *, has_files: bool) -> tuple[tuple[int, int, str], ...]:
    """Return the edits of the bytes that are kept: a form without its files says its model elsewhere."""
    edits = edits_of(call)
    boundary = boundary_of(media_type) if has_files and edits else None
    if boundary is None or call.request is None or call.sent_model is None:
        return edits
    return form_rename_edits(model_place(call.request, boundary), call.sent_model)


def request_body_of(call: RecordedCall, *, has_files: bool = False) -> Body | None:
    """Return the client's own bytes, with what turns them into the ones that were sent; ``has_files`` as above."""
    if call.request is None or (not call.request and call.start.recorded_bytes == 0):
        return None
    headers = dict(call.start.request_headers)
    return Body(
        content=call.request,
        media_type=clean(headers.get("content-type"), 200),
        content_encoding=clean(encodings_of(call.start.request_headers), 50),
        length=call.start.request_bytes if call.start.recorded_bytes is None else call.start.recorded_bytes,
        sha256=call.start.request_sha256,
        cuts=cuts_of(call.request),
        edits=_edits_of_kept(call, headers.get("content-type"), has_files=has_files),
        headers=call.start.request_headers,
    )


def response_body_of(call: RecordedCall, sha256: str | None) -> Body | None:
    """Return the answer as the upstream gave it, with the arrivals of its pieces and the hash of what was sent on."""
    if call.head is None:
        return None
    headers = dict(call.head.headers)
    previous, timings = 0, []
    for piece in call.pieces:
        micros = piece.at_ns // 1000
        timings.append((max(0, micros - previous), len(piece.data)))
        previous = micros
    return Body(
        content=b"".join([piece.data for piece in call.pieces]),
        media_type=clean(headers.get("content-type"), 200),
        content_encoding=clean(encodings_of(call.head.headers), 50),
        length=sum(length for _, length in timings) if call.answer_bytes is None else call.answer_bytes,
        sha256=sha256,
        timings=tuple(timings),
        headers=call.head.headers,
    )


def sent_sha256(call: RecordedCall) -> str | None:
    """Return the hash of what the client was handed; None when that is not wholly here.

    The gateway notes it when it took usage out again, or keeps the answer in another form; else it is that of the first
    ``sent_bytes`` of the pieces.
    """
    end = call.end
    if end is None or end.sha256 is not None or not end.sent_bytes or end.recorded_bytes is not None:
        return end.sha256 if end is not None else None
    digest, left = hashlib.sha256(), end.sent_bytes
    for piece in call.pieces:
        digest.update(piece.data[:left])
        left -= min(left, len(piece.data))
    return None if left or call.lost_bytes else digest.hexdigest()
