"""The catalogue as one text and back: nothing is lost, no secret is in it, nothing that comes in serves at once."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogue.bundle import Bundle, imported, read_bundle, write_bundle
from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.yaml_text import write_yaml
from proxy.errors import InvalidError
from tests.support.catalogues import catalogues, content_of, prompts, sha256_of

NOW = datetime(2026, 11, 27, tzinfo=UTC)
NAMES = st.sampled_from(["format", "providers", "prompts", "versions", "name", "content", "draft", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
KEPT = {sha256_of(content_of(text)): content_of(text) for text in ("Hello.", "Good day.", "Hi.")}
ACME = ProviderDocument(name="acme", kind="custom", base_url="https://acme.example", key_env="PROVIDER_KEY_A")
HEAD = {"messages": [{"role": "user", "content": "Hello."}]}


def bundle_with(**nouns: Any) -> Bundle:
    return read_bundle(write_yaml({"format": "dashcam-bundle/1", **nouns}), NOW)


def problems_with(**nouns: Any) -> list[str]:
    with pytest.raises(InvalidError) as caught:
        bundle_with(**nouns)
    return [str(problem) for problem in caught.value.problems]


@settings(max_examples=40)
@given(catalogues())
def test_a_catalogue_comes_into_an_empty_one_as_it_was_but_its_providers_rest(catalogue: Catalogue) -> None:
    text = write_bundle(catalogue, KEPT.get)
    bundle = read_bundle(text, NOW)
    assert {sha: KEPT[sha] for sha in catalogue.hashes()} == bundle.contents
    at_rest = {"active": False, "key_env": None}
    rested = catalogue.put(*(item.model_copy(update=at_rest) for item in catalogue.providers.values()))
    assert imported(Catalogue(), bundle) == rested
    assert imported(catalogue, bundle) == catalogue == imported(catalogue, bundle, replaces=True)
    assert "PROVIDER_KEY" not in text


@settings(max_examples=150)
@given(VALUES)
def test_what_is_no_bundle_is_refused_with_its_fields(values: Any) -> None:
    if isinstance(values, dict):
        values = {**values, "format": "dashcam-bundle/1"}
    with contextlib.suppress(InvalidError):
        read_bundle(write_yaml(values), NOW)


def test_a_bundle_written_by_hand_needs_little() -> None:
    bundle = bundle_with(
        providers=[{"name": "acme", "kind": "custom", "base_url": "https://acme.example"}],
        routes=[{"name": "fast", "targets": ["acme/big"]}],
        prompts=[{"name": "greeting", "labels": {"production": 1}, "versions": [{"content": HEAD}]}],
    )
    (head,) = bundle.catalogue.prompts["greeting"].versions
    assert (head.number, head.made_at) == (1, NOW)
    assert bundle.contents[head.sha256]["messages"] == HEAD["messages"]


def test_every_mistake_names_its_field() -> None:
    found = problems_with(
        secrets={"a": 1},
        providers=[{"name": "acme", "kind": "custom", "base_url": "https://acme.example", "key_env": "HOME"}],
        models={"a": 1},
        prompts=[
            {"name": "a", "versions": [{"content": {"messages": [{"role": "boss", "content": "x"}]}}]},
            {"name": "b", "versions": [{"content": HEAD, "sha256": "0" * 64}, {"number": "x", "content": HEAD}]},
            {"name": "c", "draft": {"content": None}, "goal": 5},
        ],
    )
    assert [line.partition(": ")[0] for line in found] == [
        "secrets",
        "providers.0.key_env",
        "prompts.a.versions.1.content.messages[0].role",
        "prompts.b.versions.1.sha256",
        "prompts.c.draft.content",
        "models",
        "prompts.b.versions.1.number",
        "prompts.c.goal",
    ]


def test_ten_megabytes_and_a_bomb_are_refused_before_they_are_anything() -> None:
    head = "format: dashcam-bundle/1\n"
    with pytest.raises(InvalidError, match="is larger than 8 MB"):
        read_bundle(head + "#" * 10_000_000, NOW)
    bomb = "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nproviders: [*b,*b,*b]\n"
    with pytest.raises(InvalidError, match=r"b\.0: refers to something else .* \(line 3\)"):
        read_bundle(head + bomb, NOW)


@pytest.mark.parametrize(("text", "reason"), [("x" * 900_000, "larger than 8 MB"), ([0] * 20_000, "200,000 values")])
def test_what_could_not_be_taken_in_again_is_not_written(text: object, reason: str) -> None:
    hashes = [f"{number:064x}" for number in range(1, 12)]
    versions = [
        {"number": number, "sha256": sha256, "made_at": "2026-11-01T12:00:00Z"}
        for number, sha256 in enumerate(hashes, start=1)
    ]
    values = {"format": 1, "prompts": [{"name": "greeting", "versions": versions}]}
    contents = {sha256: {**HEAD, "metadata": {"note": text, "of": sha256}} for sha256 in hashes}
    with pytest.raises(InvalidError, match=reason) as caught:
        write_bundle(catalogue_from_mapping(values), lambda sha256: contents[sha256])
    assert "only=" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["", "[]", "a: 1", "format: dashcam-bundle/2", "format: 1\nproviders: x"])
def test_other_texts_are_no_bundles(text: str) -> None:
    with pytest.raises(InvalidError, match="bundle"):
        read_bundle(text, NOW)


def test_a_provider_that_leads_elsewhere_than_before_serves_nobody_yet() -> None:
    here = Catalogue().put(ACME)
    same = imported(here, bundle_with(providers=[{"name": "acme", "kind": "custom", "base_url": "https://acme.example",
                                                  "max_tokens": 5}]))  # fmt: skip
    assert same.providers["acme"] == ACME.model_copy(update={"max_tokens": 5})
    other = imported(
        here, bundle_with(providers=[{"name": "acme", "kind": "custom", "base_url": "https://evil.example"}])
    )
    assert (other.providers["acme"].active, other.providers["acme"].key_env) == (False, None)


def test_a_version_never_becomes_another_one_and_new_ones_join() -> None:
    here = Catalogue().put(prompts("greeting", ["Hello."]))
    more = read_bundle(write_bundle(Catalogue().put(prompts("greeting", ["Hello.", "Good day."])), KEPT.get), NOW)
    assert len(imported(here, more).prompts["greeting"].versions) == 2
    other = read_bundle(write_bundle(Catalogue().put(prompts("greeting", ["Hi."])), KEPT.get), NOW)
    with pytest.raises(InvalidError, match=r"prompts\.greeting\.versions\.1: is another one"):
        imported(here, other)


def test_what_a_bundle_does_not_name_stays_unless_it_replaces_all() -> None:
    here = Catalogue().put(ACME, prompts("greeting", ["Hello."]))
    assert imported(here, bundle_with()) == here
    assert imported(here, bundle_with(), replaces=True) == Catalogue()


def test_a_content_that_is_gone_is_no_bundle() -> None:
    with pytest.raises(InvalidError, match=r"prompts.greeting: lacks the content"):
        write_bundle(Catalogue().put(prompts("greeting", ["Hello."])), lambda _: None)


# -- a content in place of versions ---------------------------------------------------------------------------


def test_a_content_without_a_number_is_the_next_version_where_it_is_another_one() -> None:
    here = Catalogue().put(prompts("greeting", ["Good day."]))
    said = {"name": "greeting", "content": HEAD, "note": "shorter", "version_name": "2.0", "labels": ["production"]}
    bundle = bundle_with(prompts=[said])
    made = imported(here, bundle, author="ana", above={"greeting": 6}).prompts["greeting"]
    head = made.versions[-1]
    assert (head.number, head.name, head.author, head.note) == (7, "2.0", "ana", "shorter")
    assert (made.labels, made.goal) == ({"production": 7}, "to try")
    assert imported(here.put(made), bundle).prompts["greeting"] == made
    again = bundle_with(prompts=[{"name": "greeting", "content": HEAD, "goal": "other"}])
    assert imported(here.put(made), again).prompts["greeting"] == made.model_copy(update={"goal": "other"})


def test_a_content_makes_a_prompt() -> None:
    bundle = bundle_with(prompts=[{"name": "greeting", "content": HEAD}])
    (head,) = imported(Catalogue(), bundle, author="ana").prompts["greeting"].versions
    assert (head.number, head.made_at, bundle.contents[head.sha256]["messages"]) == (1, NOW, HEAD["messages"])


def test_a_content_that_is_wrong_names_its_field() -> None:
    found = problems_with(
        prompts=[
            {"name": "a", "content": HEAD, "versions": [], "labels": "x", "note": 5, "version_name": 1},
            {"name": "b", "content": {"messages": []}},
            {"name": "c", "content": HEAD, "draft": {"content": HEAD}},
        ]
    )
    assert [line.partition(": ")[0] for line in found] == [
        "prompts.a.labels",
        "prompts.a.note",
        "prompts.a.version_name",
        "prompts.a.versions",
        "prompts.b.content.messages",
        "prompts.c.draft",
    ]
    with pytest.raises(InvalidError, match="is no label"):
        imported(Catalogue(), bundle_with(prompts=[{"name": "a", "content": HEAD, "labels": ["X"]}]))
