"""An entry that waits in the form of an export is the same entry behind it."""

from __future__ import annotations

from hypothesis import given

from proxy.domain.interaction import Entry
from proxy.forms.calls import entry_of
from proxy.forms.exported import values_of
from tests.support.any_calls import any_entries

NOW = 4_000_000_000_000


@given(any_entries())
def test_it_comes_back_as_it_was(entry: Entry) -> None:
    back = entry_of(values_of(entry), NOW)
    assert values_of(back) == values_of(entry)
    assert (back.request, back.response, back.price, back.attempts) == (
        entry.request, entry.response, entry.price, entry.attempts,
    )  # fmt: skip
