"""A prompt's document: versions in their order, labels that lead to one, names that mean one thing."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.catalogue.parsing import parse
from proxy.catalogue.prompt import PromptDocument
from proxy.errors import InvalidError

HEAD = {"number": 1, "sha256": "0" * 64, "made_at": "2026-11-01T00:00:00Z"}


def prompt(**values: Any) -> PromptDocument:
    return parse(PromptDocument, {"name": "tone", "versions": [HEAD, {**HEAD, "number": 4, "name": "1.1"}], **values})


@pytest.mark.parametrize(
    ("wanted", "number"),
    [("", 4), ("latest", 4), ("1", 1), ("1.1", 4), ("staging", 1), ("2", None), ("gone", None)],
)
def test_a_version_is_found_by_number_name_or_label(wanted: str, number: int | None) -> None:
    found = prompt(labels={"staging": 1}).version(wanted)
    assert (found.number if found else None) == number


def test_nothing_said_means_production() -> None:
    found = prompt(labels={"production": 1})
    assert found.version("") == found.versions[0]
    assert found.latest == found.versions[1]
    assert prompt(versions=[]).version("") is prompt(versions=[]).latest is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"versions": [HEAD, HEAD]}, "versions"),
        ({"versions": [{**HEAD, "number": 2}, HEAD]}, "versions"),
        ({"versions": [{**HEAD, "name": "a"}, {**HEAD, "number": 2, "name": "a"}]}, "versions"),
        ({"versions": [{**HEAD, "name": "7"}]}, "versions.0.name"),
        ({"versions": [{**HEAD, "name": "latest"}]}, "versions"),
        ({"versions": [{**HEAD, "name": "beta"}], "protected_labels": ["beta"]}, "versions"),
        ({"versions": [{**HEAD, "sha256": "x"}]}, "versions.0.sha256"),
        ({"versions": [{**HEAD, "made_at": "2026-11-01T00:00:00"}]}, "versions.0.made_at"),
        ({"labels": {"latest": 1}}, "labels.latest"),
        ({"labels": {"7": 1}}, "labels.7"),
        ({"labels": {"beta": 9}}, "labels.beta"),
        ({"name": "Tone"}, "name"),
        ({"name": "a@b"}, "name"),
        ({"tags": [""]}, "tags.0"),
    ],
)
def test_what_is_no_prompt_names_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        prompt(**values)
    assert caught.value.problems[0].field == field
