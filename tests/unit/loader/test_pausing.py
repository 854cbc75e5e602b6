"""Pauses grow from a tenth of a second to a quarter of a minute, and are never the same for two hosts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.loader.pausing import LONGEST, SHORTEST, pause_after


@given(st.integers(0, 10_000))
def test_a_pause_is_within_its_bounds(failures: int) -> None:
    assert SHORTEST <= pause_after(failures) <= min(LONGEST, max(SHORTEST, SHORTEST * 2 ** min(failures, 20)))


def test_pauses_differ() -> None:
    assert len({pause_after(20) for _ in range(50)}) > 40
