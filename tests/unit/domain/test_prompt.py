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
