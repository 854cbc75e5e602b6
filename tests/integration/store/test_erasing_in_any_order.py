"""Whatever is loaded, replayed, purged, pruned, redacted, priced anew or counted anew, in any order: sums are right.

``make faults`` goes on for longer.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.settings.database import DatabaseSettings
from proxy.store.writing.writer import StoreWriter
from tests.support.any_order import STEP, erase_in_order


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(steps=st.lists(STEP, min_size=4, max_size=14))
def test_sums_are_those_of_the_calls_that_are_there(
    writer: StoreWriter, store: DatabaseSettings, steps: list[tuple[str, Any]]
) -> None:
    erase_in_order(writer, store, steps)
