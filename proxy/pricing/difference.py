"""What another state of price data would change, by provider and model, for a person to look at first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from genai_prices import data_snapshot, types

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Names such as openai/gpt-5: those that are new, gone, or have other prices."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def to_mapping(self) -> dict[str, Any]:
        """Return how many of each, with the first few names."""
        groups = {"added": self.added, "removed": self.removed, "changed": self.changed}
        return {name: {"count": len(found), "models": list(found[:_SHOWN])} for name, found in groups.items()}


def published() -> list[types.Provider]:
    """Return the price data that came with the package."""
    return list(data_snapshot.get_snapshot().providers)


def difference(before: Iterable[types.Provider], after: Iterable[types.Provider]) -> Difference:
    """Return what differs."""
    old, new = _prices(before), _prices(after)
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name])),
    )


def _prices(providers: Iterable[types.Provider]) -> dict[str, str]:
    # As text: the classes of prices do not all say when two of them are equal.
    return {
        f"{provider.id}/{model.id}": repr((model.prices, model.price_variants))
        for provider in providers
        for model in provider.models
    }
