"""Documents from outside: every mistake with its field, none with what was given, and no way to make us fail."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogue.access import NewKey, NewToken
from proxy.catalogue.catalogue import KINDS
from proxy.catalogue.fields import Document
from proxy.catalogue.parsing import parse
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import RouteDocument
from proxy.errors import InvalidError

ALL: list[type[Document]] = [*KINDS.values(), NewKey, NewToken]
FIELDS = sorted({name for kind in ALL for name in kind.model_fields} | {"number", "sha256", "route", "weight", "x"})
WORDS = st.sampled_from(["acme", "openai", "https://a.example", "m", "2026-11-01", "1.1", "production", "a@1", "*", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | WORDS, inner, max_size=4),
    max_leaves=10,
)


def problems_of(kind: type[Document], values: Any) -> dict[str, str]:
    with pytest.raises(InvalidError) as caught:
        parse(kind, values, "doc")
    return dict(caught.value.problems)


@settings(max_examples=300)
@given(st.sampled_from(ALL), st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8) | VALUES)
def test_whatever_comes_is_a_document_that_comes_back_or_a_refusal(kind: type[Document], values: Any) -> None:
    with contextlib.suppress(InvalidError):
        document = parse(kind, values)
        assert parse(kind, document.to_mapping()) == document


def test_unknown_fields_are_told_with_the_one_that_is_meant() -> None:
    found = problems_of(NewKey, {"ruotes": [], "limits": {"tokens": 1}, "zzz": 1})
    assert found["doc.ruotes"] == "is not a field; did you mean routes?"
    assert found["doc.limits.tokens"] == "is not a field here"
    known = "owner, note, routes, expires_at, limits, recording, redaction, retention"
    assert found["doc.zzz"] == f"is not a field; there are: {known}"


def test_a_form_that_is_missed_is_told_in_our_words() -> None:
    assert problems_of(NewKey, {"redaction": ["E-Mail"]}) == {
        "doc.redaction.0": "must have this form: '^[a-z][a-z0-9_]{0,39}$'"
    }


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        (NewKey, {"expires_at": "2026-11-01T10:00:00"}, "doc.expires_at"),
        (NewKey, {"limits": {"concurrent": 0}}, "doc.limits.concurrent"),
        (NewKey, {"limits": {"concurrent": 1.5}}, "doc.limits.concurrent"),
        (NewKey, {"routes": ["a*b*"]}, "doc.routes.0"),
        (NewToken, {"scope": "root"}, "doc.scope"),
        (NewKey, [], "doc"),
        (NewKey, {"owner": "a\nb"}, "doc.owner"),
        (ProviderDocument, {"name": "API", "kind": "custom", "base_url": "https://a.example"}, "doc.name"),
        (ProviderDocument, {"name": "a", "kind": "custom", "base_url": "https://u:p@a.example"}, "doc.base_url"),
        (ProviderDocument, {"name": "a", "kind": "sun", "base_url": "https://a.example"}, "doc.kind"),
        (ProviderDocument, {"name": "a", "kind": "custom", "base_url": "http://a.example", "http2": True}, "doc.http2"),
        (RouteDocument, {"name": "a", "targets": ["x/*"]}, "doc.targets"),
        (RouteDocument, {"name": "a", "targets": ["x"], "forced": {"temperature": 3}}, "doc.forced.temperature"),
        (RouteDocument, {"name": "a", "targets": ["x"], "forced": {"model": "m"}}, "doc.forced.model"),
        (PromptDocument, {"name": "a", "labels": {"production": 1}}, "doc.labels.production"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_field(kind: type[Document], values: Any, field: str) -> None:
    assert list(problems_of(kind, values)) == [field]


def test_a_reason_is_in_words_of_ours() -> None:
    said = {"expires_at": "2026-11-01T10:00:00", "limits": {"concurrent": 0}, "routes": ["a"] * 201, "owner": "x" * 201}
    assert problems_of(NewKey, said) == {
        "doc.expires_at": "must be a time with its zone, such as 2026-11-01T12:00:00Z",
        "doc.limits.concurrent": "must be greater than or equal to 1",
        "doc.routes": "must have at most 200 items, not 201",
        "doc.owner": "must have at most 200 characters",
    }
    assert problems_of(NewToken, {"scope": "root"}) == {"doc.scope": "must be 'read', 'write' or 'admin'"}


def test_what_was_given_is_not_repeated() -> None:
    values = {"name": "a", "kind": "custom", "base_url": "https://u:hunter2@a.example", "key_env": "hunter2-x"}
    found = problems_of(ProviderDocument, {**values, "headers": {"x-a": "hunter2\n"}, "limits": "hunter2"})
    assert len(found) == 4
    assert "hunter2" not in str(found)
