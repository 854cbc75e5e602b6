"""A route: a public model name, or a pattern of names, and who serves it in which order.

``targets`` without weights are tried in their order; with weights one of them is drawn first and the others follow.
``fallbacks`` come after all targets. A target's ``model`` is the name that its provider knows, None the client's own;
a ``*`` in it stands for what the ``*`` of the pattern matched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.domain.model import Parameters, parameters_from
from proxy.domain.redaction import names_from

WILDCARD = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One provider by its name; ``weight`` None or at least 0."""

    provider: str
    model: str | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One public name or pattern (with one ``*``).

    A request gets ``defaults`` where it does not say them itself, and ``forced`` whatever it says. ``prompt`` is put
    into every call ("name", "name@label" or "name@7"), ``prompt_fallback`` where that one cannot be. ``recording``
    (full, meta or none) and ``on_client_gone`` (cancel or drain) stand above what is said elsewhere; None: as there.
    ``redaction`` names patterns that are taken out of the record of its calls, beside those of all calls.
    """

    model: str
    targets: tuple[Target, ...]
    fallbacks: tuple[Target, ...] = ()
    defaults: Parameters = ()
    forced: Parameters = ()
    prompt: str | None = None
    prompt_fallback: str | None = None
    recording: str | None = None
    on_client_gone: str | None = None
    redaction: tuple[str, ...] = ()

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
        defaults=parameters_from(values.get("defaults")),
        forced=parameters_from(values.get("forced")),
        prompt=_text(values.get("prompt")),
        prompt_fallback=_text(values.get("prompt_fallback")),
        recording=_text(values.get("recording")),
        on_client_gone=_text(values.get("on_client_gone")),
        redaction=names_from(values.get("redaction")),
    )


def _text(value: object) -> str | None:
    return str(value) if value is not None else None


def _targets(values: object) -> tuple[Target, ...]:
    found = []
    for item in values if isinstance(values, list | tuple) else ():
        found.append(Target(provider=item["provider"], model=item.get("model"), weight=item.get("weight")))
    return tuple(found)
