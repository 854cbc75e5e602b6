"""What changed: nothing between equals, each field of what differs, the way back from the way there."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.changes import changes
from proxy.catalogue.price import PriceDocument
from proxy.catalogue.provider import ProviderDocument
from tests.support.catalogues import catalogues, prompts

ACME = ProviderDocument(name="acme", kind="custom", base_url="https://a.example", headers={"x-a": "1"})


@settings(max_examples=40)
@given(catalogues(), catalogues())
def test_changes_are_empty_between_equals_only_and_mirror_each_other(one: Catalogue, other: Catalogue) -> None:
    assert changes(one, one) == ()
    there, back = changes(one, other), changes(other, one)
    assert bool(there) == (one != other)
    mirror = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(item.noun, item.key, mirror[item.kind]) for item in there] == [(i.noun, i.key, i.kind) for i in back]


def test_each_field_is_told_with_before_and_after() -> None:
    new = ACME.model_copy(update={"base_url": "https://b.example", "headers": {"x-b": "2"}, "active": False})
    (change,) = changes(Catalogue().put(ACME), Catalogue().put(new))
    assert str(change) == (
        "provider acme changed: base_url: https://a.example → https://b.example; headers.x-a: 1 → nothing; "
        "active: true → false; headers.x-b: nothing → 2"
    )


def test_a_new_version_and_a_moved_label_are_told_by_name() -> None:
    one, two = prompts("tone", ["a"]), prompts("tone", ["a", "b"]).model_copy(update={"labels": {"production": 2}})
    (change,) = changes(Catalogue().put(one), Catalogue().put(two))
    assert [item.field for item in change.fields] == ["labels.production", "versions.2"]
    fields = change.to_mapping()["fields"]
    assert isinstance(fields, list)
    assert fields[0] == {"field": "labels.production", "before": 1, "after": 2}


def test_what_came_and_went_is_told_by_name() -> None:
    there = changes(Catalogue(), Catalogue().put(ACME))
    assert [str(item) for item in there] == ["provider acme added"]
    assert [str(item) for item in changes(Catalogue().put(ACME), Catalogue())] == ["provider acme removed"]


def test_a_price_is_told_by_what_it_is_for() -> None:
    rates = {"input_mtok": "1"}
    usual = PriceDocument(provider="acme", model="m-1", rates=rates)
    batch = PriceDocument(model="m-1", tier="batch", valid_from=date(2026, 11, 1), rates=rates)
    told = [item.to_mapping() for item in changes(Catalogue(), Catalogue().put(usual, batch))]
    assert {item["title"] for item in told} == {"acme/m-1", "any/m-1, batch tier, from 2026-11-01"}
    assert {item["name"] for item in told} == {usual.key, batch.key}
