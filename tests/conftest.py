"""What all tests share: a shell that says nothing, hypothesis profiles, how often tests that kill do so, the databases.

A test that takes ``store`` runs on both engines; ``postgres`` makes databases on the one server of a session.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from proxy.settings.database import DatabaseSettings, sqlite_at
from tests.support.processes import forget_the_caller

if TYPE_CHECKING:
    from tests.support.postgres import Databases

forget_the_caller()

settings.register_profile("fast", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make faults` ask for the long form."""
    parser.addoption("--rounds", type=int, default=None, help="how often a fault is repeated (2; in the long form 20)")
    parser.addoption("--long", action="store_true", help="the long form of the fault tests: soaks, floods, outages")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked slow to the long form."""
    if config.getoption("--long"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what no test could look at for want of a program: a skipped test is easily passed over."""
    from tests.support.pgbouncer import PROGRAM

    if PROGRAM is None:
        terminalreporter.write_line("NOT TESTED: the store behind PgBouncer, which is not installed", red=True)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a test repeats its fault."""
    asked = request.config.getoption("--rounds")
    return int(asked) if asked is not None else 20 if request.config.getoption("--long") else 2


@pytest.fixture
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether the long form is asked for."""
    return bool(request.config.getoption("--long"))


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
    from proxy.store.migration import upgrade

    database = sqlite_at(tmp_path / "dashcam.db")
    upgrade(database)
    return database
