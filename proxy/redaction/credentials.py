"""Keys of the usual providers, tokens and private keys, by the letters they begin with.

A beginning is searched for by itself, and what follows it is read once, without backtracking; after that the search
goes on behind what was read. So each byte is looked at a fixed number of times for each beginning, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_WORD = re.compile(rb"[A-Za-z0-9_-]*+")
_LETTERS = re.compile(rb"[A-Za-z0-9]*+")
_CAPITALS = re.compile(rb"[A-Z0-9]*+")
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]*+=*+")
_BEGINNINGS: tuple[tuple[bytes, re.Pattern[bytes], int], ...] = (
    *((each, _WORD, 16) for each in (b"sk-", b"glpat-", b"nvapi-", b"github_pat_", b"ya29.")),
    *((each, _LETTERS, 20) for each in (b"dc_", b"gsk_", b"xai-", b"pplx-", b"hf_", b"r8_")),
    *((each, _LETTERS, 20) for each in (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_")),
    *((each, _WORD, 10) for each in (b"xoxa-", b"xoxb-", b"xoxp-", b"xoxr-", b"xoxs-", b"xapp-")),
    *((each, _LETTERS, 10) for each in (b"sk_live_", b"sk_test_", b"rk_live_", b"rk_test_", b"whsec_")),
    *((each, _CAPITALS, 16) for each in (b"AKIA", b"ASIA")),
    *((each, _WORD, 30) for each in (b"AIza", b"npm_", b"pypi-")),
    (b"SG.", _TOKEN, 30),
)
"""What a key begins with, what it goes on with, and how long that is at least."""
_SCHEMES = (b"Bearer ", b"bearer ", b"Basic ", b"basic ")
_LEAST_TOKEN = 16
_JWT = b"eyJ"
_LEAST_PART = 8
_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_KEY_BEGINS = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}+-----")
SEPARATOR = b"\x1e\x00\x1e"
"""Stands between texts that are searched in one go: nothing goes over it."""
_ALNUM = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_NO_DIGITS = bytes.maketrans(b"0123456789", bytes(10))


def find_keys(text: bytes) -> Iterator[Span]:
    """Yield where keys and tokens stand; spans of different kinds may overlap."""
    for beginning, goes_on, least in _BEGINNINGS:
        if beginning in text:
            yield from _with_beginning(text, beginning, goes_on, least)
    for scheme in _SCHEMES:
        for start, end in _with_beginning(text, scheme, _TOKEN, _LEAST_TOKEN):
            # "Basic understanding" is none: what is drawn at random has a digit.
            if 0 in text[start:end].translate(_NO_DIGITS):
                yield start, end
    yield from _signed_tokens(text)
    yield from _private_keys(text)


def _with_beginning(text: bytes, beginning: bytes, goes_on: re.Pattern[bytes], least: int) -> Iterator[Span]:
    at = text.find(beginning)
    while at >= 0:
        start = end = at + len(beginning)
        if _is_free(text, at) and (found := goes_on.match(text, start)) is not None:
            end = found.end()
            if end - start >= least:
                yield at, end
        at = text.find(beginning, end)


def _signed_tokens(text: bytes) -> Iterator[Span]:
    """JSON Web Tokens: three parts, of which the first begins like every JSON object in base64."""
    at = text.find(_JWT)
    while at >= 0:
        if not _is_free(text, at):
            at = text.find(_JWT, at + len(_JWT))
            continue
        parts = [_part_end(text, at)]
        while len(parts) < 3 and text[parts[-1] : parts[-1] + 1] == b".":
            parts.append(_part_end(text, parts[-1] + 1))
        if len(parts) > 1 and parts[1] - parts[0] > _LEAST_PART:
            yield at, parts[-1]
        at = text.find(_JWT, parts[-1])


def _part_end(text: bytes, start: int) -> int:
    found = _WORD.match(text, start)
    return start if found is None else found.end()


def _private_keys(text: bytes) -> Iterator[Span]:
    """A private key lasts to the line that ends it; where that does not come, to the end."""
    at = text.find(_BEGIN)
    while at >= 0:
        found = _KEY_BEGINS.match(text, at)
        if found is None or b"PRIVATE KEY" not in found[0]:
            at = text.find(_BEGIN, at + 1)
            continue
        border = text.find(SEPARATOR, found.end())
        border = len(text) if border < 0 else border
        ends = text.find(_END, found.end(), border)
        closing = text.find(_DASHES, ends + len(_END), border) if ends >= 0 else -1
        end = closing + len(_DASHES) if closing >= 0 else border
        yield at, end
        at = text.find(_BEGIN, end)


def _is_free(text: bytes, at: int) -> bool:
    return at == 0 or text[at - 1] not in _ALNUM
