"""Raw reasons map to few kinds; invented ones are unknown, not wrong."""

from __future__ import annotations

import pytest

from proxy.domain.outcome import FinishKind
from proxy.protocol.finish import kind_of


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("stop", FinishKind.STOP),
        ("length", FinishKind.TRUNCATED),
        ("max_output_tokens", FinishKind.TRUNCATED),
        ("tool_calls", FinishKind.TOOL_CALL),
        ("function_call", FinishKind.TOOL_CALL),
        ("content_filter", FinishKind.FILTERED),
        ("error", FinishKind.ERROR),
        ("STOP", FinishKind.STOP),
        ("because", FinishKind.UNKNOWN),
        ("", FinishKind.NONE),
        (None, FinishKind.NONE),
    ],
)
def test_kinds(reason: str | None, kind: FinishKind) -> None:
    assert kind_of(reason) is kind
