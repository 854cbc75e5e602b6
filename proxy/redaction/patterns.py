"""The built-in patterns: their names, which are labels and stand in the record, and what each of them finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from proxy.redaction.account_numbers import find_cards, find_ibans, find_phones
from proxy.redaction.addresses import find_emails, find_ip_addresses
from proxy.redaction.credentials import find_keys

Finder = Callable[[bytes], Iterable[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Pattern:
    """``find`` yields where it is in a text (UTF-8), ``meaning`` says in words what that is."""

    name: str
    meaning: str
    find: Finder
    is_own: bool = False


BUILT_IN: dict[str, Pattern] = {
    item.name: item
    for item in (
        Pattern("api_key", "keys of the usual providers, bearer tokens, JWTs, private keys", find_keys),
        Pattern("email", "e-mail addresses", find_emails),
        Pattern("payment_card", "payment card numbers that pass the Luhn check", find_cards),
        Pattern("iban", "bank account numbers (IBAN) whose check digits are right", find_ibans),
        Pattern("phone", "telephone numbers: international, North American, German", find_phones),
        Pattern("ip_address", "addresses of IPv4 and IPv6", find_ip_addresses),
    )
}
UNREADABLE = "unreadable"
"""Counted where a body was left out whole, since it could not be looked through."""


def placeholder(name: str) -> str:
    """Return what stands in the place of what was found; no pattern finds anything in it."""
    return f"[redacted:{name}]"
