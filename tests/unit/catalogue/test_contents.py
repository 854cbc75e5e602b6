"""What versions say: read with their mistakes, and held against each other where a call reaches them."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.catalogue.contents import Contents, checked_contents, read_content
from proxy.catalogue.surroundings import Surroundings
from proxy.errors import InvalidError
from tests.support.catalogues import content_of, prompts, sha256_of


def problems_of(texts: dict[str, list[str]], **labels: int) -> dict[str, str]:
    """Return what is wrong with prompts that have these texts as their versions."""
    kept = {sha256_of(content_of(text)): content_of(text) for group in texts.values() for text in group}
    documents = [prompts(name, group) for name, group in texts.items()]
    moved = [item.model_copy(update={"labels": {"production": labels.get(item.name, 1)}}) for item in documents]
    return dict(checked_contents(Catalogue().put(*moved), Contents(kept.get), Surroundings()))


def test_a_content_is_kept_as_it_is_hashed() -> None:
    values: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}], "parameters": {}, "tools": []}
    content, sha256 = read_content(values)
    assert (content, sha256) == read_content(content)
    assert content == {"engine": "minijinja-1", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"messages": [{"role": "user", "content": "{{ x"}]}, "draft.messages[0].content"),
        ({"messages": [{"role": "user", "content": "a\0b"}]}, "draft.messages.0.content"),
        ({"messages": [], "seed": 1 << 70}, "draft.seed"),
        ([], "draft"),
    ],
)
def test_a_mistake_in_a_content_is_told_with_its_place(values: object, field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_content(values, "draft")
    assert caught.value.problems[0].field == field


def test_an_include_must_lead_to_a_version() -> None:
    found = problems_of({"a": ['{% include "gone" %}{% include "tone@9" %}{% include "tone" %}'], "tone": ["Kind."]})
    assert list(found) == ["prompts.a.versions.1"]
    assert found["prompts.a.versions.1"] == "includes 'tone@9': the prompt 'tone' has no version, name or label '9'"


def test_partials_in_a_circle_are_told_with_the_way_round() -> None:
    found = problems_of({"a": ['{% include "b" %}'], "b": ['{% include "c" %}'], "c": ['{% include "a" %}']})
    assert found["prompts.a.versions.1"] == "includes itself: a@1 → b@1 → c@1 → a@1"
    assert len(found) == 3


def test_a_prompt_may_include_another_version_of_itself_but_not_the_same() -> None:
    assert problems_of({"a": ["One.", '{% include "a@1" %}']}) == {}
    assert list(problems_of({"a": ['{% include "a" %}']})) == ["prompts.a.versions.1"]


def test_a_moved_label_can_close_a_circle() -> None:
    texts = {"a": ['{% include "b" %}'], "b": ["Fine.", '{% include "a" %}', "Last."]}
    assert problems_of(texts, b=1) == {}
    assert set(problems_of(texts, b=2)) == {"prompts.a.versions.1", "prompts.b.versions.2"}


def test_an_old_version_may_include_what_is_gone() -> None:
    assert problems_of({"a": ['{% include "gone" %}', "Now."]}, a=2) == {}


def test_what_a_route_gives_is_bounded_as_the_kinds_of_its_providers_have_it() -> None:
    values = {"messages": [{"role": "user", "content": "Hi"}], "parameters": {"temperature": 1.5}}
    content, sha256 = read_content(values)
    head = {"number": 1, "sha256": sha256, "made_at": "2026-11-01T00:00:00Z"}
    providers = [{"name": "a", "kind": "anthropic", "base_url": "https://a.example"}]
    routes = [
        {"name": "fast", "targets": ["a"], "prompt": "tone"},
        {"name": "own", "targets": ["own"], "prompt": "tone"},
    ]
    prompts = [{"name": "tone", "versions": [head]}]
    catalogue = catalogue_from_mapping({"format": 1, "providers": providers, "routes": routes, "prompts": prompts})
    (problem,) = checked_contents(catalogue, Contents({sha256: content}.get), Surroundings())
    assert problem.field == "routes.fast.prompt"
    assert problem.reason.startswith("tone@1.temperature is 1.5; it goes from 0 to 1")
