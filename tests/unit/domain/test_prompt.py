"""A published prompt as it travels."""

from __future__ import annotations

import pytest

from proxy.domain.prompt import PublishedPrompt, PublishedVersion, prompt_from_mapping


def test_a_prompt_is_read_with_its_versions_and_labels() -> None:
    versions = [{"number": 1, "sha256": "ab", "newer": 1}, {"number": 2, "sha256": "cd", "name": "1.1"}]
    found = prompt_from_mapping({"name": "tone", "versions": versions, "labels": [["production", 1]]})
    expected = (PublishedVersion(number=1, sha256="ab"), PublishedVersion(number=2, sha256="cd", name="1.1"))
    assert found == PublishedPrompt(name="tone", versions=expected, labels=(("production", 1),))
    assert found.latest == 2


def test_a_prompt_without_versions_is_none() -> None:
    with pytest.raises(KeyError):
        prompt_from_mapping({"name": "tone"})


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("", 1),
        ("latest", 3),
        ("production", 1),
        ("2", 2),
        ("1.1", 2),
        ("9", None),
        ("staging", None),
        ("²", None),
        ("1" * 5000, None),
    ],
)
def test_a_version_is_found_by_label_number_or_name(wanted: str, number: int | None) -> None:
    versions = (_version(1), _version(2, "1.1"), _version(3))
    found = PublishedPrompt(name="p", versions=versions, labels=(("production", 1),)).find(wanted)
    assert (found.number if found else None) == number


def test_nothing_said_means_the_latest_where_none_is_in_production() -> None:
    assert PublishedPrompt(name="p", versions=(_version(1), _version(2))).find("") == _version(2)
    assert PublishedPrompt(name="p", versions=()).find("") is None


def _version(number: int, name: str | None = None) -> PublishedVersion:
    return PublishedVersion(number=number, sha256="0" * 64, name=name)
