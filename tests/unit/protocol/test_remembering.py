"""What is asked again is known; what is long is not kept."""

from __future__ import annotations

import pytest

from proxy.protocol.remembering import LONGEST, remembered


@pytest.mark.parametrize(("text", "times"), [("short", 1), ("x" * LONGEST, 1), ("x" * (LONGEST + 1), 3), ("", 1)])
def test_only_short_questions_are_remembered(text: str, times: int) -> None:
    asked: list[str] = []

    @remembered(8)
    def length(found: str) -> int:
        asked.append(found)
        return len(found)

    assert [length(text) for _ in range(3)] == [len(text)] * 3
    assert len(asked) == times
    assert length.__name__ == "length"
