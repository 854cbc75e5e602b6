"""What a model list may say."""

from __future__ import annotations

import orjson
import pytest

from proxy.control.listing import MAX_ENTRIES_LENGTH, MAX_MODELS, bare_listing, listing_of


def listed(*names: object) -> bytes:
    return orjson.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


def names_of(data: bytes) -> tuple[str, ...] | None:
    found = listing_of(data)
    return None if found is None else found.names


def test_names_are_taken_in_order_and_once() -> None:
    assert names_of(listed("b", "a", "b")) == ("b", "a")


def test_an_empty_list_is_a_list() -> None:
    assert names_of(listed()) == ()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"data": {"id": "a"}}', b"<html>", b'{"data": null}', b"[" * 9999]
)
def test_anything_else_is_none(data: bytes) -> None:
    assert listing_of(data) is None


def test_what_is_no_name_is_passed_over() -> None:
    assert names_of(listed("a", 5, None, "", "x" * 201, "b\n", ["c"])) == ("a",)


def test_an_entry_is_kept_as_it_was_given() -> None:
    entry = {"id": "a", "owned_by": "me", "created": 7, "x_new": {"deep": [1.5, None]}}
    found = listing_of(orjson.dumps({"data": [entry, {"id": "a", "owned_by": "other"}]}))
    assert found is not None
    assert [orjson.loads(text) for text in found.entries] == [entry]


def test_an_entry_that_orjson_cannot_write_is_kept_too() -> None:
    found = listing_of(b'{"data":[{"id":"a","n":123456789012345678901234567890,"t":"\\ud800"}]}')
    assert found is not None
    assert found.names == ("a",)
    assert found.entries[0].isascii()


def test_ten_thousand_models_are_a_list_and_more_has_an_end() -> None:
    found = listing_of(listed(*(f"m-{number}" for number in range(MAX_MODELS + 5))))
    assert found is not None
    assert len(found.names) == len(found.entries) == MAX_MODELS
    assert found.names[-1] == f"m-{MAX_MODELS - 1}"


def test_long_entries_are_reduced_to_what_clients_look_at() -> None:
    told = "x" * (MAX_ENTRIES_LENGTH // 100)
    data = [{"id": f"m{number}", "owned_by": "me", "created": 1, "description": told} for number in range(200)]
    found = listing_of(orjson.dumps({"data": data}))
    assert found is not None
    assert orjson.loads(found.entries[0]) == {"id": "m0", "created": 1, "owned_by": "me"}


def test_a_bare_listing_has_an_entry_for_each_usable_name() -> None:
    found = bare_listing(["a", "", "a", "b\t", "c"], "library")
    assert found.names == ("a", "c")
    assert orjson.loads(found.entries[1]) == {"id": "c", "object": "model", "created": 0, "owned_by": "library"}
