"""A saved view always opens something: what it says is looked at as it is saved."""

from __future__ import annotations

import pytest

from proxy.catalogue.parsing import parse
from proxy.catalogue.view import COLUMNS, ViewDocument
from proxy.errors import InvalidError
from proxy.store.schema import rows


def test_its_columns_are_the_records() -> None:
    assert set(COLUMNS) == set(rows.COLUMNS)


def test_what_is_good_is_kept_as_it_was_typed() -> None:
    said = {"name": "slow", "query": 'latency:>2s  -user:kim "a b"', "columns": ["id", "tokens"], "sort": "-cost_usd"}
    assert parse(ViewDocument, said).to_mapping() == {**said, "note": ""}


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"name": "Slow Ones"}, "name", "a-z"),
        ({"name": "a", "query": "latensy:>2s"}, "query", "did you mean latency?"),
        ({"name": "a", "query": "x" * 2001}, "query", "2000"),
        ({"name": "a", "columns": ["modle"]}, "columns", "did you mean model"),
        ({"name": "a", "columns": ["id", "id"]}, "columns", "once"),
        ({"name": "a", "sort": "tokens"}, "sort", "no column"),
        ({"name": "a", "sort": "--id"}, "sort", "no column"),
        ({"name": "a", "owner": "kim"}, "owner", "is not a field"),
    ],
)
def test_what_opens_nothing_is_refused(said: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse(ViewDocument, said)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert words in caught.value.problems[0].reason
