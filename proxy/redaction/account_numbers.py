"""Numbers that belong to somebody: payment cards, bank accounts, telephones.

Cards and accounts say by a check digit that they are some; one is tried wherever a group of digits begins, since
"2024 4111 1111 1111 1111" is a card behind a year. Every expression here has a longest match, so that one try takes
bounded time, and there is at most one try for each byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

# A set of signs comes first, and what must not stand before it is asked for behind it: so the search skips quickly.
_CARD = re.compile(
    rb"[2-6](?<![0-9A-Za-z].)(?:"
    rb"[0-9]{3}([ .-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3}(?![0-9A-Za-z]))?"
    rb"|[0-9]{3}([ .-])[0-9]{6}\2[0-9]{4,5}"
    rb"|[0-9]{12,18}"
    rb")(?![0-9A-Za-z])",
    re.DOTALL,
)
_CARD_DIGITS = 16
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

_IBAN = re.compile(rb"[A-Z](?<![0-9A-Za-z].)[A-Z][0-9]{2}", re.DOTALL)
_IBAN_LENGTHS = {
    country: number
    for number, countries in (
        (15, "NO"), (16, "BE"), (18, "DK FK FI FO GL NL SD"), (19, "MK SI"), (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH HR LI LV"), (22, "BG BH CR DE GB GE IE ME RS VA"), (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"), (25, "LY PT ST"), (26, "IS TR"),
        (27, "BI DJ FR GR IT MC MR SM"), (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"), (29, "BR EG PS QA UA"),
        (30, "JO KW MU YE"), (31, "MT SC"), (32, "LC"), (33, "RU"),
    )
    for country in countries.split()
}  # fmt: skip
_IBAN_RESTS = {
    number: re.compile(rb"(?: ?+[A-Z0-9]){%d}(?![0-9A-Za-z])" % (number - 4)) for number in set(_IBAN_LENGTHS.values())
}
_IBAN_DIGITS = {ord(sign): str(int(sign, 36)) for sign in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

_PHONE = re.compile(
    rb"[+(0-9](?<![0-9A-Za-z+./-].)(?:"
    rb"(?<=\+)[1-9](?:[ .()/-]{0,2}+[0-9]){6,13}"
    rb"|(?<=0)0[1-9][0-9]{0,2}[ .()/-](?:[ .()/-]{0,2}+[0-9]){5,12}"
    rb"|(?<=\()[2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}"
    rb"|(?<=[2-9])[0-9]{2}[-.][2-9][0-9]{2}[-.][0-9]{4}"
    rb"|(?<=0)[1-9][0-9]{1,4}[ /-][0-9]{5,9}"
    rb")(?![0-9A-Za-z])",
    re.DOTALL,
)


def find_cards(text: bytes) -> Iterator[Span]:
    """Yield where payment cards stand: 13 to 19 digits, in the usual groups or in none, that pass the check."""
    at = 0
    while (found := _CARD.search(text, at)) is not None:
        start, end = found.span()
        at = start + 1
        for stop in (end, end - 4) if found[1] and end - start > _CARD_DIGITS + 3 else (end,):
            if _passes_luhn(text[start:stop].translate(None, b" .-")):
                yield start, stop
                at = stop
                break


def _passes_luhn(digits: bytes) -> bool:
    every, second = digits[-1::-2], digits[-2::-2].translate(_DOUBLED)
    return (sum(every) + sum(second) - 48 * len(digits)) % 10 == 0


def find_ibans(text: bytes) -> Iterator[Span]:
    """Yield where international bank account numbers stand, in groups or not, of the length their country has."""
    at = 0
    while (found := _IBAN.search(text, at)) is not None:
        start = found.start()
        at = start + 1
        rest = _IBAN_RESTS.get(_IBAN_LENGTHS.get(found[0][:2].decode(), 0))
        whole = rest.match(text, found.end()) if rest is not None else None
        if whole is not None and _remainder(text[start : whole.end()].replace(b" ", b"")) == 1:
            yield start, whole.end()
            at = whole.end()


def _remainder(said: bytes) -> int:
    return int("".join([_IBAN_DIGITS[sign] for sign in said[4:] + said[:4]])) % 97


def find_phones(text: bytes) -> Iterator[Span]:
    """Yield where telephone numbers stand that are written internationally, or as in North America and Germany."""
    return (found.span() for found in _PHONE.finditer(text))
