"""The program as a user runs it: real processes on real ports, in front of a real model server or a scripted one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from tests.support.dashcam import RunningDashcam
from tests.support.processes import answering
from tests.support.scenarios import impatient
from tests.support.scripted_upstream import ScriptedUpstream, in_thread

Starter = Callable[..., RunningDashcam]


@contextlib.contextmanager
def serving(module: str, folder: Path) -> Iterator[str]:
    """Run one of our own servers as a process; yield the address that it prints. It ends with its standard input."""
    with (
        (folder / "upstream.log").open("wb") as log,
        answering([sys.executable, "-m", module, str(folder)], folder, log) as address,
    ):
        yield address


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real llama.cpp server."""
    with serving("tests.support.llama", tmp_path_factory.mktemp("llama")) as address:
        yield address


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the upstream whose answers are a function of the question."""
    with serving("tests.support.oracle", tmp_path_factory.mktemp("oracle")) as address:
        yield address


@pytest.fixture(scope="module")
def start_dashcam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Start instances of Dashcam; they end with the module."""
    with contextlib.ExitStack() as running:

        def start(
            *arguments: str, environment: dict[str, str] | None = None, output: int | None = None
        ) -> RunningDashcam:
            folder = tmp_path_factory.mktemp("dashcam")
            dashcam = RunningDashcam(folder, *arguments, environment=environment, output=output)
            running.callback(dashcam.close)
            return dashcam.start()

        yield start


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream that does what each test says."""
    with in_thread(ScriptedUpstream()) as running:
        yield running


@pytest.fixture(scope="module")
def dashcam(
    start_dashcam: Starter, upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> RunningDashcam:
    """Dashcam in front of the scripted upstream, with little patience."""
    return start_dashcam(*impatient(tmp_path_factory.mktemp("settings"), upstream))


@pytest.fixture
def client(dashcam: RunningDashcam) -> Iterator[openai.OpenAI]:
    """The official client, which points at it."""
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="sk-real-key", max_retries=0) as made:
        yield made
