"""A model's document."""

from __future__ import annotations

import pytest

from proxy.catalogue.model import ModelDocument
from proxy.catalogue.parsing import parse
from proxy.errors import InvalidError


def test_it_is_found_by_provider_and_name_and_says_each_capability_once() -> None:
    found = parse(ModelDocument, {"provider": "acme", "name": "vendor/m", "capabilities": ["tools", "chat", "tools"]})
    assert found.key == ("acme", "vendor/m")
    assert found.capabilities == ["chat", "tools"]


def test_it_is_one_model() -> None:
    with pytest.raises(InvalidError, match="name: a model is one model"):
        parse(ModelDocument, {"provider": "acme", "name": "m-*"})
