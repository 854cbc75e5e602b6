"""What is asked of the running Dashcam means what is asked of the record; what it tells is shown as a row."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.cli.following import row_of, terms_of
from proxy.cli.table import Table, print_tabs
from proxy.query.parsing import parse
from proxy.query.terms import Query
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import Filters

FACTS: dict[str, Any] = {
    "id": "0199aaaa-0000-7000-8000-000000000001",
    "model": "gpt-5",
    "started_at": "2026-11-01T00:00:00.000Z",
}


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(model="gpt-*", user="kim lee", prompt="short@3"),
        Filters(model='odd"*', session="a:b", app="x", environment="y", outcome="completed", provider="p"),
        Filters(tags=("eu", "a b"), metadata=(("te am", "x=y"), ("n", "1"))),
        Filters(since=1_795_000_000_000, until=1_795_000_000_001),
        filters_of(parse('-user:kim latency:>2s "a refund" tag.x:1').terms, 0),
    ],
)
def test_filters_are_written_as_a_query_that_means_the_same(filters: Filters) -> None:
    read = filters_of(parse(str(Query(tuple(terms_of(filters))))).terms, 0)
    assert read.labels() == filters.labels()
    assert (read.since, read.until) == (filters.since, filters.until)
    written = sorted(map(str, terms_of(filters)))
    assert sorted(map(str, terms_of(read))) == written


def test_a_call_that_has_begun_is_a_row_without_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    row = row_of(FACTS)
    print_tabs([row], ("model", "outcome", "tokens", "http_status"))
    Table(None, is_utc=True, has_headers=False).print([row])
    first, second = capsys.readouterr().out.splitlines()
    assert first == "gpt-5\tbegun\t-\t"
    assert second.split()[2:5] == ["0199aaaa-0000-7000", "gpt-5", "begun"]
