"""Everything that a change of the catalogue must hold to, in one question; whoever stores a change asks it."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.catalogue.catalogue import Catalogue, place_of
from proxy.catalogue.checking import checked
from proxy.catalogue.contents import Contents, Load, checked_contents
from proxy.catalogue.surroundings import Surroundings
from proxy.catalogue.versions import rewritten
from proxy.errors import InvalidError, Problem

_NAMED_BY_ADDRESS = ("models", "routes")


def accept(before: Catalogue, after: Catalogue, surroundings: Surroundings, load: Load) -> Catalogue:
    """Return the catalogue that is to count; ``InvalidError`` holds all that is wrong with it.

    ``load`` gives the contents of prompts by SHA-256, those that come with the change among them.
    """
    problems = [*rewritten(before, after), *_nameless(before, after), *checked(after, surroundings)]
    if any(after.of(noun) != before.of(noun) for noun in ("prompts", "routes", "providers")):
        problems += checked_contents(after, Contents(load), surroundings)
    if problems:
        raise InvalidError(problems)
    return after


def has_address(name: str) -> bool:
    """Tell whether a model's or route's name can stand in an address, which knows "." and ".." as ways."""
    return {".", ".."}.isdisjoint(name.split("/"))


def _nameless(before: Catalogue, after: Catalogue) -> Iterator[Problem]:
    """Refuse names that no command could say again; what is there already, or is a provider's own, is no matter."""
    for noun in _NAMED_BY_ADDRESS:
        for key in sorted(after.of(noun).keys() - before.of(noun).keys()):
            if not has_address(after.of(noun)[key].name):
                reason = "has '.' or '..' between slashes: no address could name it"
                yield Problem(f"{place_of(noun, key)}.name", reason)
