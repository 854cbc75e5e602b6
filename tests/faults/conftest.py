"""What fault tests share: the installed program in front of the oracle, how far they go, and which engines they use.

``FAULTS_SCALE`` is how far: 1 is the long form (fifty rounds, thousands of streams, an hour's outage), 0.1 a tenth of
it, 3 three times as much; without it everything is as short as it can be and still prove something.

A test that says nothing runs on SQLite in the short form and on both engines in the long one. ``engines`` says
otherwise: with both names it runs on both in either form, with one on that one only. Postgres is a server of our own,
since it is stopped, killed and frozen; each instance has a database of its own there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from proxy.settings.database import DatabaseSettings
from tests.acceptance.conftest import serving
from tests.support.dashcam import RunningDashcam
from tests.support.postgres import Databases, PostgresServer
from tests.support.shim import Shim, compile_shim
from tests.support.waiting import wait_until

Start = Callable[..., RunningDashcam]
StartShimmed = Callable[..., tuple[RunningDashcam, Shim]]
Amount = Callable[[int, int], int]
IMPATIENT = """
[providers.openai]
url = "{upstream}/v1"
first_byte_timeout = 2.0
idle_timeout = 2.0
connect_timeout = 2.0
"""
PATIENT = """
[providers.openai]
url = "{upstream}/v1"
"""
"""An upstream may be silent for as long as anybody listens."""
HURRIED = {
    "DASHCAM_DATABASE__CONNECT_TIMEOUT": "1", "DASHCAM_DATABASE__STATEMENT_TIMEOUT": "2",
    "DASHCAM_DATABASE__LOCK_TIMEOUT": "1", "DASHCAM_DATABASE__TCP_USER_TIMEOUT": "2",
    "DASHCAM_FAILPOINTS": "pause.longest=set:0.5",
}  # fmt: skip
"""Gives a Postgres up sooner, and tries again sooner, than anybody would in earnest."""
SCALE = float(os.environ.get("FAULTS_SCALE") or 0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked slow to the long form."""
    slow = [item for item in items if item.get_closest_marker("slow") and not SCALE]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Deal out the engines to whatever starts instances."""
    if "engine" in metafunc.fixturenames:
        wished = metafunc.definition.get_closest_marker("engines")
        usual = ("sqlite", "postgres") if SCALE else ("sqlite",)
        metafunc.parametrize("engine", wished.args if wished else usual, indirect=True)


def opened(dashcam: RunningDashcam) -> RunningDashcam:
    """Wait until the store is open: the gateway is ready before it."""
    wait_until(lambda: dashcam.ledger()["is_open"], "the store is open")
    return dashcam


def is_in_trouble(dashcam: RunningDashcam, words: str = "") -> bool:
    """Tell whether the loader says that the store fails it, in these words."""
    said = dashcam.ledger()["last_error"]
    return said is not None and words in str(said)


def slow(*values: object, id: str | None = None) -> ParameterSet:
    """Return a parameter that is left to the long form."""
    return pytest.param(*values, marks=pytest.mark.slow, id=id)


@pytest.fixture(scope="session")
def amount() -> Amount:
    """Tell how many of something: the short form's number, or so much of the long one's, and never fewer."""
    return lambda short, long: max(short, round(long * SCALE))


@pytest.fixture
def rounds(amount: Amount) -> int:
    """How often a test repeats its fault."""
    return amount(2, 50)


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the upstream whose answers are a function of the question."""
    with serving("tests.support.oracle", tmp_path_factory.mktemp("oracle")) as address:
        yield address


@pytest.fixture(scope="session")
def databases() -> Iterator[tuple[PostgresServer, Databases]]:
    """A Postgres of our own, and what makes databases on it."""
    server = PostgresServer()
    server.start()
    yield server, Databases(server.url())
    server.remove()


@pytest.fixture
def server(databases: tuple[PostgresServer, Databases]) -> Iterator[PostgresServer]:
    """The server, to be broken; it runs again when the test is over."""
    yield databases[0]
    databases[0].revive()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[Databases | None]:
    """Where instances record: in databases of these, or each in its own SQLite file."""
    if request.param == "sqlite":
        yield None
        return
    _, made = request.getfixturevalue("databases")
    yield made
    made.drop_copies()


@pytest.fixture
def start(oracle: str, tmp_path: Path, engine: Databases | None) -> Iterator[Start]:
    """Start instances in front of the oracle, or of ``upstream``, or with other ``settings``; they end with the test.

    The upstream's patience is two seconds, so that its silence is noticed while somebody waits.
    """
    with contextlib.ExitStack() as running:

        def begin(
            *arguments: str,
            upstream: str | None = None,
            settings: str | None = None,
            environment: dict[str, str] | None = None,
            database: DatabaseSettings | None = None,
            data_dir: Path | None = None,
            is_started: bool = True,
        ) -> RunningDashcam:
            folder = tmp_path / f"dashcam-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            written = folder / "settings.toml"
            written.write_text(settings or IMPATIENT.format(upstream=upstream or oracle))
            where = database or (engine.migrated() if engine else None)
            named = {"DASHCAM_DATABASE_URL": where.url} if where else {}
            dashcam = RunningDashcam(
                folder, "--config", str(written), *arguments, environment={**named, **(environment or {})}
            )
            if data_dir is not None:
                dashcam.data_dir = data_dir
            running.callback(dashcam.close)
            return dashcam.start() if is_started else dashcam

        yield begin


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim."""
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def start_shimmed(start: Start, shim_library: Path) -> Callable[..., tuple[RunningDashcam, Shim]]:
    """Start an instance whose data folder can fail, and the means to let it."""

    def begin(*arguments: str, is_spool_only: bool = False, **named: object) -> tuple[RunningDashcam, Shim]:
        dashcam = start(*arguments, is_started=False, **named)
        root = dashcam.data_dir / "spool" if is_spool_only else dashcam.data_dir
        shim = Shim(shim_library, dashcam.folder, root)
        dashcam.environment.update(shim.environment)
        return dashcam.start(), shim

    return begin
