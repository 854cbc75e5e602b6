"""Whatever is stored, erased, redacted or changed while it is copied, and wherever that is killed: both are the same.

``make faults`` goes on for longer.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.any_order import STEP
from tests.support.copying_in_any_order import COPY_STEP, copy_in_order
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.moving import AWAY, HOME

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.mark.parametrize("way", ["away", "home"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=3)
@given(steps=st.lists(COPY_STEP, min_size=3, max_size=10), late=st.lists(STEP, max_size=3))
def test_both_say_the_same_at_the_end(
    way: str, tmp_path: Path, postgres: Databases, steps: list[tuple[str, Any]], late: list[tuple[str, Any]]
) -> None:
    file = fresh_sqlite(Path(tempfile.mkdtemp(dir=tmp_path)) / "record.db")
    server = postgres.cleared()
    if way == "away":
        copy_in_order(file, server, AWAY, steps, late)
    else:
        copy_in_order(server, file, HOME, steps, late)
