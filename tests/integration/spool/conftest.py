"""Small values for the spool's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.domain.outcome import Outcome
from proxy.domain.recording import CallEnd, CallStart
from proxy.settings.values import RecordingSettings
from proxy.spool.page import Page

START = CallStart(accepted_at_ns=1, method="POST", target="/v1/x", operation="other")
END = CallEnd(outcome=Outcome.COMPLETED, ended_ns=5, status=200)
SMALL = RecordingSettings(segment_bytes=2000, segment_seconds=10.0, min_free_bytes=0, waiting_max_bytes=65_536)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page.create(tmp_path / "b-0.page", "b", 0)
    yield made
    made.close()
