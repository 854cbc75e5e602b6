"""Offsets behind cuts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.redaction.moved import Cut, Moved, apply

DOCUMENT = bytes(range(65, 91)) * 2


@st.composite
def cuts(draw: st.DrawFn) -> list[Cut]:
    borders = sorted(draw(st.sets(st.integers(0, len(DOCUMENT)), max_size=8)))
    pairs = zip(borders[::2], borders[1::2], strict=False)
    return [(start, end, draw(st.binary(max_size=5))) for start, end in pairs]


@given(cuts(), st.integers(0, len(DOCUMENT)))
def test_what_was_behind_an_offset_is_behind_it_still(made: list[Cut], offset: int) -> None:
    moved, after = Moved(made), apply(DOCUMENT, made)
    within = next((cut for cut in made if cut[0] < offset < cut[1]), None)
    first, last = moved.place(offset), moved.place(offset, is_end=True)
    if within is None:
        later = [(start - offset, end - offset, text) for start, end, text in made if start >= offset]
        assert first == last
        assert after[first:] == apply(DOCUMENT[offset:], later)
    else:
        assert after[first:last] == within[2]


def test_without_cuts_nothing_moves() -> None:
    assert Moved([]).place(7) == 7
    assert apply(DOCUMENT, []) == DOCUMENT
