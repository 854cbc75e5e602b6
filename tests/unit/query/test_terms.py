"""How a query is written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.query.terms import Ago, Amount, Moment, Operator, Query, Term, Text, Word


@pytest.mark.parametrize(
    ("term", "written"),
    [
        (Term("model", (Text("gpt-5", is_open=True), Text("o 4"))), 'model:gpt-5*,"o 4"'),
        (Term("latency", (Amount(Decimal("2000")),), Operator.ABOVE), "latency:>2000ms"),
        (Term("cost", (Amount(Decimal("0.01")), Amount(Decimal(1))), Operator.BETWEEN), "cost:0.01..1"),
        (Term("since", (Ago(7 * 86_400_000),)), "since:1w"),
        (Term("until", (Moment(1_793_491_200_000),)), "until:2026-11-01T00:00:00.000Z"),
        (Term("meta", (Text('a"b'),), key="my team", is_excluded=True), '-meta."my team":"a\\"b"'),
        (Word("OR"), '"OR"'),
        (Word("refund", is_excluded=True), "-refund"),
        (Word("refund", is_open=True), "refund*"),
        (Word("a refund", is_excluded=True, is_open=True), '-"a refund"*'),
    ],
)
def test_each_has_one_way_to_be_written(term: Term | Word, written: str) -> None:
    assert str(term) == written


def test_words_to_find_are_apart_from_what_else_must_hold() -> None:
    query = Query((Word("a"), Term("user", (Text("kim"),)), Word("b", is_excluded=True)))
    assert query.words() == (Word("a"),)
