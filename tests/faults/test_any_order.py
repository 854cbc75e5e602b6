"""What is erased, changed and copied in any order, for as long as the long form goes; the short ones are elsewhere.

Without a process: what could go wrong is in the store, and thousands of orders are more than a few with everything.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.store.writing.writer import StoreWriter
from tests.faults.conftest import SCALE
from tests.support.any_order import STEP, erase_in_order
from tests.support.copying_in_any_order import COPY_STEP, copy_in_order
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.moving import AWAY, HOME
from tests.support.postgres import Databases, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")]
LONG = settings(
    suppress_health_check=list(HealthCheck), deadline=None, max_examples=max(1, round(400 * SCALE)), print_blob=True
)


@LONG
@given(steps=st.lists(STEP, min_size=4, max_size=30))
def test_sums_are_those_of_the_calls_that_are_there(
    engine: Databases | None, tmp_path: Path, steps: list[tuple[str, Any]]
) -> None:
    store = engine.cleared() if engine else fresh_sqlite(Path(tempfile.mkdtemp(dir=tmp_path)) / "record.db")
    with contextlib.closing(StoreWriter(store)) as writer:
        erase_in_order(writer, store, steps)


@pytest.mark.parametrize("way", ["away", "home"])
@LONG
@given(steps=st.lists(COPY_STEP, min_size=4, max_size=30), late=st.lists(STEP, max_size=4))
def test_a_copy_says_the_same_as_its_source(
    way: str,
    databases: tuple[PostgresServer, Databases],
    tmp_path: Path,
    steps: list[tuple[str, Any]],
    late: list[tuple[str, Any]],
) -> None:
    file = fresh_sqlite(Path(tempfile.mkdtemp(dir=tmp_path)) / "record.db")
    server = databases[1].cleared()
    if way == "away":
        copy_in_order(file, server, AWAY, steps, late)
    else:
        copy_in_order(server, file, HOME, steps, late)
