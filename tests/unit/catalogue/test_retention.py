"""How long the calls of a route or key are kept, as it is edited."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.catalogue.parsing import parse
from proxy.catalogue.retention import RetentionDocument
from proxy.errors import InvalidError


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, {}),
        ({"text": "7d"}, {"text": 604_800}),
        ({"text": "1h", "metadata": "1d", "errors": "2d"}, {"text": 3600, "metadata": 86_400, "errors": 172_800}),
        ({"errors": "2d"}, {"errors": 172_800}),
    ],
)
def test_spans_are_read(said: dict[str, Any], seconds: dict[str, int]) -> None:
    assert parse(RetentionDocument, said).seconds() == seconds


@pytest.mark.parametrize(
    "said",
    [
        {"text": "soon"},
        {"text": ""},
        {"text": "2d", "metadata": "1d"},
        {"metadata": "2d", "errors": "1d"},
        {"all": "1d"},
    ],
)
def test_what_cannot_be_meant_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        parse(RetentionDocument, said)
