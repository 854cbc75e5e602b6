"""What versions of prompts say, held against each other: contents can be read, and what they include leads somewhere.

A content is a JSON object whose meaning is ``proxy.prompting``'s, known by the SHA-256 of what it says. Only versions
that a call can reach without naming their number are held against the rest of the catalogue: the latest, labelled ones,
those that a route names, drafts not, and whatever these include. An old version may include what is long gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.catalogue.catalogue import Catalogue, place_of
from proxy.catalogue.checking import kinds_of, reason_against_reference
from proxy.catalogue.fields import split_reference
from proxy.catalogue.plain import below, impurities
from proxy.catalogue.prompt import VersionHead
from proxy.catalogue.surroundings import Surroundings
from proxy.errors import InvalidError, Problem
from proxy.prompting.checking import cycle_of, includes_of, read_version
from proxy.prompting.parameters import problems_of

Content = Mapping[str, Any]
Load = Callable[[str], Content | None]
"""SHA-256 → content, None where it is not there."""


def read_content(values: object, place: str = "") -> tuple[dict[str, Any], str]:
    """Return (the content as it is kept, its SHA-256); ``InvalidError`` holds all that is wrong with it."""
    if problems := impurities(values, place):
        raise InvalidError(problems)
    version, found = read_version(values)
    if found:
        raise InvalidError([Problem(below(place, item.field) if item.field else place, item.reason) for item in found])
    return version.to_mapping(), version.sha256


_MOST_KNOWN = 20_000
_known: dict[str, tuple[tuple[str, ...], Content]] = {}
"""What contents that could be read include, and their parameters, by SHA-256: under one it never is anything else."""


@dataclass(slots=True)
class Contents:
    """Contents on demand; what could be read is remembered beyond this question, what could not only for it."""

    load: Load
    _unread: set[str] = field(default_factory=set)

    def includes(self, sha256: str) -> tuple[str, ...]:
        """Return what a content includes, as it writes it; nothing where it cannot be had or read."""
        return self._content(sha256)[0]

    def parameters(self, sha256: str) -> Content:
        """Return the parameters of a content; none where it cannot be had or read."""
        return self._content(sha256)[1]

    def _content(self, sha256: str) -> tuple[tuple[str, ...], Content]:
        found = _known.get(sha256)
        if found is not None or sha256 in self._unread:
            return found or ((), {})
        content = self.load(sha256)
        version, problems = read_version(content) if content is not None else (None, [])
        if version is None or problems:
            self._unread.add(sha256)
            return (), {}
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[sha256] = tuple(includes_of(version)), version.parameters
        return found


def checked_contents(catalogue: Catalogue, contents: Contents, surroundings: Surroundings) -> list[Problem]:
    """Return what is wrong with the versions that can be reached: includes of nothing, circles, parameters.

    The parameters of what a route gives are bounded as the kinds of its providers have it.
    """
    problems = list(_of_parameters(catalogue, contents, surroundings))
    for name, number in _reachable(catalogue, contents):
        place = f"{place_of('prompts', name)}.versions.{number}"
        for reference in _includes(catalogue, contents, f"{name}@{number}"):
            if reason := _reason_against_include(reference, catalogue):
                problems.append(Problem(place, f"includes {reference!r}: {reason}"))
        circle = cycle_of(f"{name}@{number}", lambda node: _neighbours(catalogue, contents, node))
        if circle and circle[0] == f"{name}@{number}":
            problems.append(Problem(place, f"includes itself: {' → '.join(circle)}"))
    return problems


def _of_parameters(catalogue: Catalogue, contents: Contents, surroundings: Surroundings) -> Iterator[Problem]:
    for name, route in sorted(catalogue.routes.items()):
        for place, reference in (("prompt", route.prompt), ("prompt_fallback", route.prompt_fallback)):
            found = _head(catalogue, reference) if reference else None
            if found is None:
                continue
            parameters = contents.parameters(found[1].sha256)
            for kind in kinds_of(route, catalogue, surroundings):
                for problem in problems_of(parameters, f"{found[0]}@{found[1].number}", kind):
                    yield Problem(f"{place_of('routes', name)}.{place}", f"{problem.field} {problem.reason}")


def _reason_against_include(reference: str, catalogue: Catalogue) -> str | None:
    try:
        return reason_against_reference(reference, catalogue)
    except ValueError as error:
        return str(error)


def _head(catalogue: Catalogue, reference: str) -> tuple[str, VersionHead] | None:
    try:
        name, wanted = split_reference(reference)
    except ValueError:
        return None
    prompt = catalogue.prompts.get(name)
    head = prompt.version(wanted) if prompt else None
    return (name, head) if head else None


def _includes(catalogue: Catalogue, contents: Contents, node: str) -> tuple[str, ...]:
    found = _head(catalogue, node)
    return contents.includes(found[1].sha256) if found else ()


def _neighbours(catalogue: Catalogue, contents: Contents, node: str) -> list[str]:
    """Return the versions (name@number) that a version includes."""
    found = (_head(catalogue, reference) for reference in _includes(catalogue, contents, node))
    return [f"{name}@{head.number}" for name, head in filter(None, found)]


def _reachable(catalogue: Catalogue, contents: Contents) -> Iterator[tuple[str, int]]:
    """Yield (name, number) of each version that a call reaches without its number, in a fixed order."""
    waiting = [f"{name}@{head.number}" for name, head in _roots(catalogue)]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop(0)
        if node in seen:
            continue
        seen.add(node)
        name, _, number = node.partition("@")
        yield name, int(number)
        waiting += _neighbours(catalogue, contents, node)


def _roots(catalogue: Catalogue) -> Iterator[tuple[str, VersionHead]]:
    for name, prompt in sorted(catalogue.prompts.items()):
        for wanted in ("latest", *sorted(prompt.labels)):
            if head := prompt.version(wanted):
                yield name, head
    for _, route in sorted(catalogue.routes.items()):
        for reference in (route.prompt, route.prompt_fallback):
            if reference and (found := _head(catalogue, reference)):
                yield found
