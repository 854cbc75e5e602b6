"""The search grammar: what is understood, what is refused and where, and that what is written is read the same."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.query.fields import COMPARABLE, FIELDS, Field, Kind
from proxy.query.parsing import LONGEST, MOST_TERMS, QueryError, parse, parse_filter
from proxy.query.terms import Ago, Amount, Moment, Operator, Query, Term, Text, Value, Word
from proxy.query.words import phrase_of

WEEK = 7 * 86_400_000


def test_all_that_it_says() -> None:
    found = parse(
        'status:error latency:>2s model:gpt-* prompt:x@3 tag.team:eu tag:vip user:"kim \\"k\\" lee" cost:0.01..$2 '
        'tokens:>=1.5k since:7d until:2026-11-01 -outcome:completed,rejected ttft:<=1m status:404 "my refund" -late '
        "has:cost"
    )
    assert found.terms == (
        Term("status", (Text("error"),)),
        Term("latency", (Amount(Decimal(2000)),), Operator.ABOVE),
        Term("model", (Text("gpt-", is_open=True),)),
        Term("prompt", (Text("x@3"),)),
        Term("meta", (Text("eu"),), key="team"),
        Term("tag", (Text("vip"),)),
        Term("user", (Text('kim "k" lee'),)),
        Term("cost", (Amount(Decimal("0.01")), Amount(Decimal(2))), Operator.BETWEEN),
        Term("tokens", (Amount(Decimal(1500)),), Operator.AT_LEAST),
        Term("since", (Ago(WEEK),)),
        Term("until", (Moment(1_793_491_200_000),)),
        Term("outcome", (Text("completed"), Text("rejected")), is_excluded=True),
        Term("ttft", (Amount(Decimal(60_000)),), Operator.AT_MOST),
        Term("status", (Amount(Decimal(404)),)),
        Word("my refund"),
        Word("late", is_excluded=True),
        Term("has", (Text("cost"),)),
    )
    assert found.words() == (Word("my refund"),)


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("status:error latncy:>2s", 13, "no such filter (did you mean latency?)"),
        ("http://example.org", 0, "quote a colon that is looked for"),
        ("outcome:done", 8, "no such word; there are: completed,"),
        ("outcome:compleated", 8, "did you mean completed?"),
        ("user:>kim", 5, "user cannot be compared"),
        ("latency:>2", 9, "with its unit"),
        ("latency:2s..1s", 8, "the smaller one first"),
        ("cost:>1..2", 10, "a range stands alone"),
        ("cost:>1,2", 8, "only one value"),
        ("cost:99999999999", 5, "no amount in US dollars"),
        ("tokens:1.5", 7, "no whole number"),
        ("status:>error", 13, "only numbers are more or less"),
        ("status:4x", 7, "no status"),
        ("stream:maybe", 7, "it is yes or no"),
        ("id:xyz", 3, "at least 6 characters"),
        ("since:yesterday", 6, "no time"),
        ("since:1969-12-31", 6, "between the years 1970"),
        ("-since:7d", 0, "cannot be excluded"),
        ("model:g*t", 6, "an asterisk stands at the end"),
        ("user:", 5, "a value is missing"),
        ("tag.:eu", 0, "the property's name is missing"),
        ('tag."a b"', 9, "a colon is missing"),
        ('"open', 0, "not closed"),
        ('a "x\\n"', 4, "stands before"),
        ('""', 0, "nothing between"),
        ('"a"b', 3, "a space is missing"),
        ("a - b", 2, "right behind a minus"),
        ("a OR b", 2, "joins nothing"),
        ("(a)", 0, "joins nothing"),
        ("a\x00", 1, "a character that no text has"),
        ("\ud800", 0, "a character that no text has"),
        ("x" * (LONGEST + 1), 0, "more than 2000 characters"),
        ("a " * (MOST_TERMS + 1), 60, "more than 30"),
        ("user:" + "a," * 20 + "a", 45, "more than 20 values"),
    ],
)
def test_what_is_refused_says_where_and_why(text: str, position: int, told: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert told in caught.value.message
    assert caught.value.position == position


def test_an_unknown_filter_lists_those_there_are_and_nothing_reaches_a_terminal() -> None:
    with pytest.raises(QueryError) as caught:
        parse("\x1b[31m:x")
    assert "\x1b" not in caught.value.message
    assert all(name in str(caught.value.hint) for name in FIELDS)


def test_a_filter_alone_has_spaces_in_it() -> None:
    assert parse_filter("user", "kim lee,ann") == Term("user", (Text("kim lee"), Text("ann")))
    assert parse_filter("latency", ">2s") == parse("latency:>2s").terms[0]
    for wrong in ("", ' "a"b', "a,"):
        with pytest.raises(QueryError):
            parse_filter("user", wrong)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)
SPANS = st.tuples(st.integers(0, 999_999), st.sampled_from([1000, 60_000, 3_600_000, 86_400_000, 604_800_000]))
CALENDAR = st.integers(0, 253_402_300_799_999)
NUMBERS = {
    Kind.NUMBER: st.decimals(-999_999_999, 999_999_999, places=9),
    Kind.WHOLE: st.integers(0, 9 * 10**15).map(Decimal),
    Kind.DURATION: st.decimals(0, 9 * 10**12, places=6),
    Kind.MONEY: st.decimals(0, 9_000_000, places=12),
    Kind.STATUS: st.integers(100, 999).map(Decimal),
}
WORDS = {
    Kind.STATUS: st.sampled_from(["ok", "error", "4xx"]),
    Kind.TRUTH: st.sampled_from(["yes", "no"]),
    Kind.IDENTITY: st.text("0123456789abcdef", min_size=6, max_size=32),
}


def values(field: Field) -> st.SearchStrategy[Value]:
    if field.kind is Kind.INSTANT:
        return st.one_of(SPANS.map(lambda pair: Ago(pair[0] * pair[1])), CALENDAR.map(Moment))
    if field.kind is Kind.TEXT:
        return st.builds(Text, TEXTS, st.booleans())
    texts = st.sampled_from(field.words) if field.words else WORDS.get(field.kind, st.nothing())
    return st.one_of(texts.map(Text), NUMBERS.get(field.kind, st.nothing()).map(Amount))


@st.composite
def terms(draw: st.DrawFn) -> Term | Word:
    is_excluded = draw(st.booleans())
    name = draw(st.sampled_from(["word", "meta", *FIELDS]))
    if name == "word":
        return Word(draw(TEXTS.filter(phrase_of)), is_excluded, draw(st.booleans()))
    field = FIELDS.get(name, FIELDS["tag"])
    key = draw(TEXTS) if name == "meta" else None
    if field.kind is Kind.INSTANT:
        return Term(name, (draw(values(field)),))
    operator = draw(st.sampled_from(list(Operator))) if field.kind in COMPARABLE else Operator.IS
    if operator is Operator.IS:
        return Term(name, tuple(draw(st.lists(values(field), min_size=1, max_size=3))), operator, key, is_excluded)
    amounts = NUMBERS[field.kind].map(Amount)
    count = 2 if operator is Operator.BETWEEN else 1
    found = sorted(draw(st.lists(amounts, min_size=count, max_size=count)), key=lambda amount: amount.number)
    return Term(name, tuple(found), operator, None, is_excluded)


@given(st.lists(terms(), max_size=6))
def test_what_is_written_is_read_as_the_same(items: list[Term | Word]) -> None:
    query = Query(tuple(items))
    assert parse(str(query)) == query


PIECES = st.sampled_from(
    [*FIELDS, "meta.", "tag.", ":", '"', "\\", "-", ">", "<=", "..", ",", "*", " ", "1", "2s", "x", "OR", "("]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_is_a_query_or_an_error_of_its_own(text: str) -> None:
    query = None
    with contextlib.suppress(QueryError):
        query = parse(text)
    assert query is None or parse(str(query)) == query
