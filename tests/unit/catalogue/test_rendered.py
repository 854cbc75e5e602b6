"""A stored prompt rendered: by number, name or label, with what it includes; what cannot be says why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.catalogue.bundle import FORMAT, bundle_from, imported
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.rendered import RenderedVersion, render_stored
from proxy.errors import DashcamError, NotFoundError
from proxy.prompting.problems import RenderingError


def content(text: str, **variables: Any) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": text}], "variables": variables}


PROMPTS = [
    {"name": "tone", "versions": [{"content": content("kindly")}, {"content": content("briefly")}], "labels": {"a": 1}},
    {
        "name": "reply",
        "labels": {"production": 1},
        "versions": [
            {"content": content('Reply {% include "tone" %} to {{ who }}.', who="string")},
            {"content": content('Answer {% include "tone@a" %}.'), "name": "1.1"},
            {"content": content('{% include "gone" %}')},
        ],
    },
]


def rendered(name: str, wanted: str, **variables: Any) -> RenderedVersion:
    bundle = bundle_from({"format": FORMAT, "prompts": PROMPTS}, datetime(2026, 11, 27, tzinfo=UTC))
    prompts = imported(Catalogue(), bundle).prompts
    return render_stored(prompts, bundle.contents.get, name, wanted, variables)


@pytest.mark.parametrize(
    ("wanted", "title", "text"),
    [
        ("", "reply@1", "Reply briefly to Ana."),
        ("production", "reply@1", "Reply briefly to Ana."),
        ("1", "reply@1", "Reply briefly to Ana."),
        ("1.1", "reply@2", "Answer kindly."),
    ],
)
def test_a_version_is_found_and_what_it_includes(wanted: str, title: str, text: str) -> None:
    found = rendered("reply", wanted, who="Ana")
    assert (found.title, found.rendered.messages) == (title, [{"role": "system", "content": text}])


@pytest.mark.parametrize(
    ("name", "wanted", "error", "told"),
    [
        ("none", "", NotFoundError, "no prompt 'none'"),
        ("reply", "7", NotFoundError, "reply has no version '7'; there are: 1, 2, 3"),
        ("reply", "1", RenderingError, "'who' is missing"),
        ("reply", "3", RenderingError, "reply@3"),
    ],
)
def test_what_cannot_be_rendered_says_why(name: str, wanted: str, error: type[DashcamError], told: str) -> None:
    with pytest.raises(error, match=told):
        rendered(name, wanted)
