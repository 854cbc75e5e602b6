"""A span is read from days as far as it has whole ones, and from hours at its ends only."""

from __future__ import annotations

import pytest

from proxy.store.reading.counted_in import DAYS, HOURS, parts

Bound = str | None


@pytest.mark.parametrize(
    ("first", "last", "read"),
    [
        (None, None, [(DAYS, "")]),
        ("2026-11-01T00", None, [(DAYS, "day >= 2026-11-01")]),
        (None, "2026-11-30T23", [(DAYS, "day <= 2026-11-30")]),
        ("2026-11-01T00", "2026-11-30T23", [(DAYS, "day >= 2026-11-01 and day <= 2026-11-30")]),
        ("2026-11-07T00", "2026-11-07T23", [(DAYS, "day >= 2026-11-07 and day <= 2026-11-07")]),
        (
            "2026-10-31T14",
            "2026-11-30T14",
            [
                (DAYS, "day > 2026-10-31 and day < 2026-11-30"),
                (HOURS, "hour >= 2026-10-31T14 and hour <= 2026-10-31T23"),
                (HOURS, "hour >= 2026-11-30T00 and hour <= 2026-11-30T14"),
            ],
        ),
        (
            "2026-11-01T00",
            "2026-11-02T05",
            [
                (DAYS, "day >= 2026-11-01 and day < 2026-11-02"),
                (HOURS, "hour >= 2026-11-02T00 and hour <= 2026-11-02T05"),
            ],
        ),
        ("2026-11-07T09", "2026-11-07T11", [(HOURS, "hour >= 2026-11-07T09 and hour <= 2026-11-07T11")]),
        ("2026-11-07T00", "2026-11-07T22", [(HOURS, "hour >= 2026-11-07T00 and hour <= 2026-11-07T22")]),
        ("2026-11-09T04", "2026-11-07T11", [(HOURS, "hour >= 2026-11-09T04 and hour <= 2026-11-07T11")]),
    ],
)
def test_what_a_span_is_read_from(first: Bound, last: Bound, read: list[tuple[str, str]]) -> None:
    found = parts(first, last)
    assert [
        (part.table, " and ".join(part.conditions).replace("?", "{}").format(*part.values)) for part in found
    ] == read
