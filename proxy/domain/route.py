"""A route: a public model name, or a pattern of names, and who serves it in which order.

``targets`` without weights are tried in their order; with weights one of them is drawn first and the others follow.
``fallbacks`` come after all targets. A target's ``model`` is the name that its provider knows, None the client's own;
a ``*`` in it stands for what the ``*`` of the pattern matched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WILDCARD = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One provider by its name; ``weight`` None or at least 0."""

    provider: str
    model: str | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One public name or pattern (with one ``*``)."""

    model: str
    targets: tuple[Target, ...]
    fallbacks: tuple[Target, ...] = ()

    @property
    def is_pattern(self) -> bool:
        """True when it stands for many names."""
        return WILDCARD in self.model

    def match(self, name: str) -> str | None:
        """Return what the wildcard stands for, empty for an exact name; None when the name is not meant."""
        before, wildcard, after = self.model.partition(WILDCARD)
        if not wildcard:
            return "" if name == self.model else None
        if len(name) < len(before) + len(after) or not (name.startswith(before) and name.endswith(after)):
            return None
        return name[len(before) : len(name) - len(after)]


def route_from_mapping(values: Mapping[str, object]) -> Route:
    """Build a route from decoded JSON, ignoring members of a newer minor version."""
    return Route(
        model=str(values["model"]),
        targets=_targets(values["targets"]),
        fallbacks=_targets(values.get("fallbacks", ())),
    )


def _targets(values: object) -> tuple[Target, ...]:
    found = []
    for item in values if isinstance(values, list | tuple) else ():
        found.append(Target(provider=item["provider"], model=item.get("model"), weight=item.get("weight")))
    return tuple(found)
