"""Prompts: versions are added and never changed, labels move, going back forgets no version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.versions import copied, drafted, moved_label, rewritten, rolled_back, saved_version
from proxy.errors import InvalidError
from tests.support.catalogues import prompts

AT = datetime(2026, 11, 27, tzinfo=UTC)
ONE, TWO = "1" * 64, "2" * 64


def saved(prompt: PromptDocument, sha256: str, name: str | None = None, above: int = 0) -> PromptDocument:
    return saved_version(prompt, sha256, author="ana", at=AT, name=name, above=above)


def test_versions_are_numbered_on_and_saving_the_same_makes_none() -> None:
    prompt = saved(saved(PromptDocument(name="tone"), ONE), TWO, "1.1")
    assert [(item.number, item.name, item.sha256) for item in prompt.versions] == [(1, None, ONE), (2, "1.1", TWO)]
    assert saved(prompt, TWO) is prompt
    assert saved(prompt, ONE).versions[-1].number == 3
    assert saved(PromptDocument(name="tone"), ONE, above=7).versions[0].number == 8


def test_a_name_is_for_one_version() -> None:
    prompt = saved(PromptDocument(name="tone"), ONE, "1.1")
    with pytest.raises(InvalidError, match=r"version 1 has the name '1\.1' already"):
        saved(prompt, TWO, "1.1")
    with pytest.raises(InvalidError, match="name: a version's name"):
        saved(prompt, TWO, "7")


def test_a_label_moves_by_number_name_or_label_and_goes() -> None:
    prompt = prompts("tone", ["a", "b"])
    assert moved_label(prompt, "production", "2").labels == {"production": 2}
    assert moved_label(prompt, "staging", "1.2").labels == {"production": 1, "staging": 2}
    assert moved_label(prompt, "staging", "production").labels == {"production": 1, "staging": 1}
    assert moved_label(prompt, "production", None).labels == {}


@pytest.mark.parametrize(("label", "wanted"), [("latest", "1"), ("A", "1"), ("beta", "9"), ("beta", None)])
def test_what_cannot_be_labelled_is_told(label: str, wanted: str | None) -> None:
    with pytest.raises(InvalidError, match=f"labels.{label}: "):
        moved_label(prompts("tone", ["a"]), label, wanted)


def test_a_protected_label_needs_more() -> None:
    prompt = prompts("tone", ["a", "b"]).model_copy(update={"protected_labels": ["production"]})
    with pytest.raises(InvalidError, match="protected"):
        moved_label(prompt, "production", "2")
    assert moved_label(prompt, "production", "2", may_move_protected=True).labels == {"production": 2}


def test_a_draft_is_no_version_and_knows_what_it_began_from() -> None:
    first = drafted(prompts("tone", ["a", "b"]), ONE, author="ana", at=AT)
    again = drafted(saved(first, ONE), TWO, author="ben", at=AT)
    assert again.draft is not None
    assert (len(first.versions), again.draft.based_on, again.draft.sha256) == (2, 2, TWO)
    assert drafted(again, None, author="ben", at=AT).draft is None


def test_a_copy_says_where_it_is_from() -> None:
    prompt = prompts("tone", ["a", "b"])
    (head,) = copied(prompt, "production", "voice", author="ana", at=AT).versions
    assert (head.number, head.sha256, head.copied_from) == (1, prompt.versions[0].sha256, "tone@1")
    with pytest.raises(InvalidError, match="no version '9'"):
        copied(prompt, "9", "voice", author="ana", at=AT)


def test_going_back_moves_labels_and_forgets_no_version() -> None:
    former = Catalogue().put(prompts("tone", ["a"]), prompts("gone", ["x"]))
    now = Catalogue().put(moved_label(prompts("tone", ["a", "b"]), "production", "2"), prompts("new", ["y"]))
    back = rolled_back(now, former)
    assert back.prompts["tone"].labels == {"production": 1}
    assert len(back.prompts["tone"].versions) == 2
    assert sorted(back.prompts) == ["gone", "tone"]
    assert rewritten(now, back) == []


def test_a_version_is_neither_changed_nor_taken_away() -> None:
    before = Catalogue().put(prompts("tone", ["a", "b"]))
    found = rewritten(before, Catalogue().put(prompts("tone", ["c"])))
    assert [problem.field for problem in found] == ["prompts.tone.versions.1", "prompts.tone.versions.2"]
    assert rewritten(before, Catalogue().put(prompts("tone", ["a", "b", "c"]))) == []
    assert rewritten(before, Catalogue()) == []
