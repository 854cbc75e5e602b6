"""What may be told of a body that is no plain JSON, without reading it: a form's model, or a compressed object's.

For routing only, and bounded: 16 kB at either end of a form, the first 16 kB of what is compressed and as much of what
comes out of it. Whatever does not stand there stays unknown, as in any opaque body: the provider decides about it,
and the record, which has the time, finds it all the same. Of such a body nothing is changed but a form's model, where a
route gives it another name.
"""

from __future__ import annotations

from dataclasses import replace

from proxy.protocol.decoding import decode
from proxy.protocol.multipart import peek
from proxy.protocol.requests import OPAQUE, WANTED, RequestFacts, facts_of_members, named_facts
from proxy.protocol.scanning import TopLevelScanner

END_BYTES = 16 * 1024
_DECODED_BYTES = 16 * 1024
"""What is dense with brackets takes half a microsecond a byte to scan: 10 ms at the worst."""
_MAX_BOUNDARY = 202
"""The longest first line of a form, which is its boundary behind two dashes."""


def glimpse(beginning: bytes, end: bytes, encoding: str | None, size: int) -> RequestFacts:
    """Return model and stream as far as they can be told from the two ends of a body of this size."""
    beginning, end = beginning[:END_BYTES], end[-END_BYTES:]
    if encoding:
        return _of_compressed(beginning, encoding)
    first_line = beginning[: _MAX_BOUNDARY + 2].partition(b"\r\n")[0]
    if not first_line.startswith(b"--") or len(first_line) > _MAX_BOUNDARY:
        return OPAQUE
    found: dict[str, str] = {}
    places = set()
    for skipped, part in ((0, beginning), (size - len(end), end)):
        for seen in peek(part, first_line[2:]):
            found[seen.name] = seen.value
            if seen.name == "model":
                places.add((skipped + seen.at, seen.length))
    only = places.pop() if len(places) == 1 else None
    return named_facts(found.get("model"), is_stream=found.get("stream") == "true", model_at=only)


def _of_compressed(beginning: bytes, encoding: str) -> RequestFacts:
    # It is cut, so there is always an error; what came out before it is true all the same.
    decoded, _ = decode(beginning, encoding, _DECODED_BYTES)
    scanner = TopLevelScanner(WANTED)
    scanner.feed(decoded)
    if not scanner.is_sound:
        return OPAQUE
    return replace(facts_of_members(scanner), is_json=False)
