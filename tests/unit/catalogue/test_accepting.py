"""One question for a change: all that is wrong with it, between documents and within prompts, is told at once."""

from __future__ import annotations

import pytest

from proxy.catalogue.accepting import accept
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.model import ModelDocument
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import RouteDocument, TargetDocument
from proxy.catalogue.surroundings import Surroundings
from proxy.errors import InvalidError
from tests.support.catalogues import content_of, prompts, sha256_of

TEXTS = ("a", '{% include "gone" %}')
KEPT = {sha256_of(content_of(text)): content_of(text) for text in TEXTS}


def test_all_that_is_wrong_is_told_at_once() -> None:
    before = Catalogue().put(prompts("tone", ["a", "a"]))
    route = RouteDocument(name="fast", targets=[TargetDocument(provider="nobody")])
    after = Catalogue().put(prompts("tone", ["a"]), prompts("other", [TEXTS[1]]), route)
    with pytest.raises(InvalidError) as caught:
        accept(before, after, Surroundings(), KEPT.get)
    assert [problem.field for problem in caught.value.problems] == [
        "prompts.tone.versions.2", "routes.fast.targets.0.provider", "prompts.other.versions.1"]  # fmt: skip


def test_what_is_right_is_given_back() -> None:
    after = Catalogue().put(prompts("tone", ["a"]))
    assert accept(Catalogue(), after, Surroundings(), KEPT.get) is after


LOCAL = ProviderDocument(name="vllm", kind="openai", base_url="https://vllm.example/v1")


@pytest.mark.parametrize("name", ["a/../b", ".", "..", "./a", "a/."])
def test_a_name_that_no_address_could_say_comes_in_no_more(name: str) -> None:
    route = RouteDocument(name=name, targets=[TargetDocument(provider="vllm")])
    after = Catalogue().put(LOCAL, route, ModelDocument(provider="vllm", name=name))
    with pytest.raises(InvalidError) as caught:
        accept(Catalogue(), after, Surroundings(), KEPT.get)
    fields = [problem.field for problem in caught.value.problems]
    assert fields == [f"models.vllm/{name}.name", f"routes.{name}.name"]
    assert accept(after, after, Surroundings(), KEPT.get) is after


def test_a_provider_may_call_a_model_what_it_will() -> None:
    route = RouteDocument(name="fast", targets=[TargetDocument(provider="vllm", model="./models/a")])
    after = Catalogue().put(LOCAL, route)
    assert accept(Catalogue(), after, Surroundings(), KEPT.get) is after
