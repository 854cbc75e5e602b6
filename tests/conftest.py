"""What all tests share: a shell that says nothing, hypothesis profiles, the databases.

A test that takes ``store`` runs on both engines; ``postgres`` makes databases on the one server of a session.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from proxy.settings.database import DatabaseSettings
from tests.support.processes import forget_the_caller

if TYPE_CHECKING:
    from tests.support.postgres import Databases

forget_the_caller()
# Thousands of tests are imported to stay: to look through them while they come, and again ever after, is waste.
gc.disable()

settings.register_profile("fast", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a Postgres, for ``-m postgres``: by its fixture, its parameter or its file's name."""
    for item in items:
        if "postgres" in item.nodeid or "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage of the tests' own from now on."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test that failed say what the programs that it looked at have said."""
    report = yield
    if report.failed and "tests.support.dashcam" in sys.modules:
        from tests.support.dashcam import RunningDashcam

        for running in RunningDashcam.unclosed.values():
            report.sections.append((f"{running!r} said", running.last_words()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what no test could look at for want of a program: a skipped test is easily passed over."""
    from tests.support.pgbouncer import PROGRAM

    if PROGRAM is None:
        terminalreporter.write_line("NOT TESTED: the store behind PgBouncer, which is not installed", red=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """Databases of a real Postgres; the server is started when the first test wants one."""
    from tests.support.postgres import databases

    with databases() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseSettings:
    """A database with our tables and nothing in them, on each engine in turn."""
    if request.param == "postgres":
        made: Databases = request.getfixturevalue("postgres")
        return made.cleared()
    from tests.support.fresh_sqlite import fresh_sqlite

    return fresh_sqlite(tmp_path / "dashcam.db")
