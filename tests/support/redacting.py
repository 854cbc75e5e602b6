"""What tests of redaction share: things that must not be on record, and what looks for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hypothesis import strategies as st

from proxy.domain.redaction import MAX_BYTES
from proxy.redaction.patterns import BUILT_IN
from proxy.redaction.redactor import Redactor

CANARIES = {
    "api_key": "sk-proj-C4naryC4naryC4naryC4nary",
    "email": "canary.user@canary-example.org",
    "payment_card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "phone": "+49 171 5550123",
    "ip_address": "203.0.113.77",
}
"""One of each built-in pattern."""
EVERYTHING = Redactor(BUILT_IN.values(), MAX_BYTES)
harmless = st.text(alphabet=st.sampled_from('abc xyzäß漢😀\n\t"\\/{}[],.'), max_size=20)
"""Texts in which nothing is found, with all that JSON must escape."""


def events(deltas: Iterable[str], *, is_ascii: bool = True) -> bytes:
    """Return a stream of chat chunks that says these pieces."""
    chunks = [{"id": "c1", "choices": [{"index": 0, "delta": {"content": text}}]} for text in deltas]
    lines = [f"data: {json.dumps(chunk, ensure_ascii=is_ascii)}\n\n" for chunk in chunks]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def said(stream: bytes) -> str:
    """Return what a stream of chat chunks says."""
    lines = [line[6:] for line in stream.decode().split("\n") if line.startswith("data: {")]
    return "".join(json.loads(line)["choices"][0]["delta"]["content"] for line in lines)
