"""E-mail and IP addresses. An address is found by the sign that it must have, and read once to either side of it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

Span = tuple[int, int]

_MAX_LOCAL = 64
_ACCENTS = bytes(range(0xC3, 0xCA)) + bytes(range(0x80, 0xC0))
"""Latin letters with accents in UTF-8; what other scripts begin with is not among them."""
_FOLLOWING = bytes(range(0x80, 0xC0))
_LOCAL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-" + _ACCENTS
_DOMAIN = re.compile(
    rb"@(?:[A-Za-z0-9\xc3-\xc9][A-Za-z0-9\xc3-\xc9\x80-\xbf-]{0,62}+\.){1,8}"
    rb"[A-Za-z\xc3-\xc9][A-Za-z0-9\xc3-\xc9\x80-\xbf-]{1,62}+"
)
# A set of signs comes first, and what must not stand before it is asked for behind it: so the search skips quickly.
_IPV4 = re.compile(
    rb"[0-9](?<![0-9A-Za-z.].)[0-9]{0,2}+(?:\.[0-9]{1,3}+){3}(?![0-9A-Za-z]|\.[0-9])",
    re.DOTALL,
)
_MAYBE_IPV6 = re.compile(rb"[0-9A-Fa-f:](?<![0-9A-Za-z:.].)[0-9A-Fa-f:.]{1,44}+", re.DOTALL)
_ALNUM = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def find_emails(text: bytes) -> Iterator[Span]:
    """Yield where e-mail addresses stand."""
    low, at = 0, text.find(b"@")
    while at >= 0:
        before = text[max(low, at - _MAX_LOCAL) : at]
        local = before[len(before.rstrip(_LOCAL)) :].lstrip(_FOLLOWING)
        found = _DOMAIN.match(text, at) if local else None
        if found is None:
            at = text.find(b"@", at + 1)
            continue
        yield at - len(local), found.end()
        low = found.end()
        at = text.find(b"@", low)


def find_ip_addresses(text: bytes) -> Iterator[Span]:
    """Yield where addresses of IPv4 and IPv6 stand."""
    for found in _IPV4.finditer(text):
        if _is_address(found[0]):
            yield found.span()
    if b":" in text:
        yield from _find_ipv6(text)


def _find_ipv6(text: bytes) -> Iterator[Span]:
    for found in _MAYBE_IPV6.finditer(text):
        start, end = found.span()
        if text.count(b":", start, end) < 2:
            continue
        while end > start and text[end - 1] in b".:" and text[end - 2 : end] != b"::":
            end -= 1
        if end - start > 2 and (end == len(text) or text[end] not in _ALNUM) and _is_address(text[start:end]):
            yield start, end


def _is_address(said: bytes) -> bool:
    try:
        ipaddress.ip_address(said.decode("ascii"))
    except ValueError:
        return False
    return True
