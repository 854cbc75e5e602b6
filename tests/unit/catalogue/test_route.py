"""A route's document: short forms, and what cannot stand together."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.catalogue.parsing import parse
from proxy.catalogue.route import FallbackDocument, RouteDocument, TargetDocument
from proxy.errors import InvalidError


def route(**values: Any) -> RouteDocument:
    return parse(RouteDocument, {"name": "fast", "targets": ["acme"], **values})


def test_targets_are_read_in_their_short_and_their_long_form() -> None:
    found = route(targets=["acme/vendor/m", {"provider": "bolt", "weight": 2}], fallbacks=["coil", {"route": "slow"}])
    assert found.targets == [
        TargetDocument(provider="acme", model="vendor/m"),
        TargetDocument(provider="bolt", weight=2),
    ]
    assert found.fallbacks == [FallbackDocument(provider="coil"), FallbackDocument(route="slow")]
    assert found.models == ["vendor/m"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"targets": []}, "targets"),
        ({"targets": [{"provider": "a", "weight": -1}]}, "targets.0.weight"),
        ({"targets": [{"provider": "a", "url": "http://x"}]}, "targets.0.url"),
        ({"fallbacks": [{"provider": "a", "weight": 1}]}, "fallbacks.0.weight"),
        ({"fallbacks": [{}]}, "fallbacks.0"),
        ({"fallbacks": [{"route": "x", "provider": "a"}]}, "fallbacks.0"),
        ({"fallbacks": [{"route": "x", "model": "m"}]}, "fallbacks.0.model"),
        ({"name": "prompt/x"}, "name"),
        ({"name": "a*b*"}, "name"),
        ({"prompt": "Not A Name"}, "prompt"),
        ({"prompt": "a@"}, "prompt"),
        ({"prompt_fallback": "a"}, "prompt_fallback"),
        ({"forced": {"seed": 1}, "defaults": {"seed": 2}}, "forced"),
        ({"defaults": {"messages": []}}, "defaults.messages"),
        ({"recording": "some"}, "recording"),
    ],
)
def test_what_is_no_route_names_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        route(**values)
    assert caught.value.problems[0].field == field
