"""What is known of a provider's model beside its name, for those models of which something is said.

``name`` is the provider's own name of it. ``defaults`` are parameters that a request gets where it does not say them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Parameters = tuple[tuple[str, str], ...]
"""Parameters of a request by name, each value as JSON text: (("temperature", "0.2"), …)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of one provider."""

    provider: str
    name: str
    defaults: Parameters = ()
    max_output_tokens: int | None = None


def parameters_from(values: object) -> Parameters:
    """Build parameters from decoded JSON: a list of pairs."""
    return tuple((str(name), str(text)) for name, text in values) if isinstance(values, list | tuple) else ()


def model_from_mapping(values: Mapping[str, object]) -> Model:
    """Build a model from decoded JSON, ignoring members of a newer minor version."""
    most = values.get("max_output_tokens")
    return Model(
        provider=str(values["provider"]),
        name=str(values["name"]),
        defaults=parameters_from(values.get("defaults")),
        max_output_tokens=most if isinstance(most, int) else None,
    )
