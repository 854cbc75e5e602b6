"""Everything that a change of the catalogue must hold to, in one question; whoever stores a change asks it."""

from __future__ import annotations

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.checking import checked
from proxy.catalogue.contents import Contents, Load, checked_contents
from proxy.catalogue.surroundings import Surroundings
from proxy.catalogue.versions import rewritten
from proxy.errors import InvalidError


def accept(before: Catalogue, after: Catalogue, surroundings: Surroundings, load: Load) -> Catalogue:
    """Return the catalogue that is to count; ``InvalidError`` holds all that is wrong with it.

    ``load`` gives the contents of prompts by SHA-256, those that come with the change among them.
    """
    problems = [*rewritten(before, after), *checked(after, surroundings)]
    if any(after.of(noun) != before.of(noun) for noun in ("prompts", "routes", "providers")):
        problems += checked_contents(after, Contents(load), surroundings)
    if problems:
        raise InvalidError(problems)
    return after
