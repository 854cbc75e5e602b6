"""What may be told of a body that is no plain JSON, without reading it: a form's model, or a compressed object's.

For routing only, and bounded: 16 kB at either end of a form, the first 16 kB of what is compressed and as much of what
comes out of it. Whatever does not stand there stays unknown, as in any opaque body: the provider decides about it,
and the record, which has the time, finds it all the same. Of such a body nothing is changed but a form's model, where a
route gives it another name. ``Mentions`` goes through all of a form, without reading it: one that may name a model
where nobody looked has none for sure.
"""

from __future__ import annotations

import re
from dataclasses import replace

from proxy.protocol.decoding import decode
from proxy.protocol.multipart import peek
from proxy.protocol.requests import OPAQUE, WANTED, RequestFacts, facts_of_members, named_facts
from proxy.protocol.scanner import TopLevelScanner

END_BYTES = 16 * 1024
_DECODED_BYTES = 16 * 1024
"""What is dense with brackets takes half a microsecond a byte to scan: 10 ms at the worst."""
_MAX_BOUNDARY = 202
"""The longest first line of a form, which is its boundary behind two dashes."""
_MENTION = re.compile(rb'(?<![\w-])name[ \t]*(?:\*|=[ \t]*(?:"?model(?![\w.-])|"[^"\r\n]{0,40}\\\\))', re.IGNORECASE)
_LONGEST_MENTION = 64


class Mentions:
    """Counts, slice by slice, where a form may name a field "model", as the most lenient of providers would read it."""

    def __init__(self) -> None:
        self.count = 0
        self._before = b""

    def __repr__(self) -> str:
        return f"<Mentions {self.count}>"

    def feed(self, data: bytes) -> None:
        """Take the next slice; a mention across two slices is found in the second."""
        window = self._before + data
        # In most slices of a file there is none, which this tells at some GB/s; the expression takes its time.
        if b"name" in window.lower():
            known = len(self._before)
            self.count += sum(found.end() > known for found in _MENTION.finditer(window))
        self._before = window[-_LONGEST_MENTION:]


def glimpse(
    beginning: bytes, end: bytes, encoding: str | None, size: int, mentions: Mentions | None = None
) -> RequestFacts:
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
    is_sure = len(places) == 1 and (mentions is None or mentions.count <= 1)
    only = places.pop() if is_sure else None
    return named_facts(found.get("model"), is_stream=found.get("stream") == "true", model_at=only)


def _of_compressed(beginning: bytes, encoding: str) -> RequestFacts:
    # It is cut, so there is always an error; what came out before it is true all the same.
    decoded, _ = decode(beginning, encoding, _DECODED_BYTES)
    scanner = TopLevelScanner(WANTED)
    scanner.feed(decoded)
    if not scanner.is_sound:
        return OPAQUE
    return replace(facts_of_members(scanner), is_json=False)
