"""The catalogue as a value: changes make new ones, its JSON form comes back as it went, doubles are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.catalogue.provider import ProviderDocument
from proxy.errors import InvalidError, NotFoundError
from tests.support.catalogues import catalogues

ACME = ProviderDocument(name="acme", kind="custom", base_url="https://acme.example/v1")


def problems_with(values: object) -> list[str]:
    with pytest.raises(InvalidError) as caught:
        catalogue_from_mapping(values)
    return [str(problem) for problem in caught.value.problems]


@settings(max_examples=40)
@given(catalogues())
def test_the_json_form_comes_back_as_it_went(catalogue: Catalogue) -> None:
    assert catalogue_from_mapping(json.loads(json.dumps(catalogue.to_mapping()))) == catalogue


def test_a_change_leaves_the_former_catalogue_as_it_was() -> None:
    empty = Catalogue()
    one = empty.put(ACME)
    changed = one.put(ACME.model_copy(update={"active": False}))
    assert [len(item.providers) for item in (empty, one, changed)] == [0, 1, 1]
    assert one.find("providers", "acme").active
    assert not changed.find("providers", "acme").active
    assert changed.without("providers", "acme") == empty


def test_what_is_not_there_is_told_by_name() -> None:
    with pytest.raises(NotFoundError, match="no model 'acme/m'"):
        Catalogue().find("models", ("acme", "m"))
    with pytest.raises(NotFoundError, match="no route 'fast'"):
        Catalogue().without("routes", "fast")


def test_every_mistake_is_told_at_once_with_its_field() -> None:
    provider = {"name": "acme", "kind": "custom", "base_url": "https://acme.example/v1"}
    found = problems_with(
        {
            "format": 1,
            "secrets": [],
            "providers": [provider, provider, {**provider, "name": "other", "max_tokenz": 3, "active": "maybe"}],
            "routes": [{"name": "fast"}],
            "models": {},
        }
    )
    assert found == [
        "secrets: is no noun of a catalogue",
        "providers.acme: 'acme' is there twice; each name is for one",
        "providers.other.active: must be true or false",
        "providers.other.max_tokenz: is not a field; did you mean max_tokens?",
        "models: must be a list",
        "routes.fast.targets: is missing",
    ]


@pytest.mark.parametrize("values", [None, [], "text", {}, {"format": 2}])
def test_what_is_no_catalogue_is_refused(values: object) -> None:
    assert problems_with(values)
