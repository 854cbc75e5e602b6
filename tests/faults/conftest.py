"""What fault tests share: the installed program in front of the oracle, on each engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import serving
from tests.support.dashcam import RunningDashcam
from tests.support.shim import Shim, compile_shim

Start = Callable[..., RunningDashcam]
StartShimmed = Callable[..., tuple[RunningDashcam, Shim]]
IMPATIENT = """
[providers.openai]
url = "{upstream}/v1"
first_byte_timeout = 2.0
idle_timeout = 2.0
connect_timeout = 2.0
"""


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the upstream whose answers are a function of the question."""
    with serving("tests.support.oracle", tmp_path_factory.mktemp("oracle")) as address:
        yield address


@pytest.fixture
def start(oracle: str, tmp_path: Path) -> Iterator[Start]:
    """Start instances in front of the oracle, or of ``upstream``, or with other ``settings``; they end with the test.

    The upstream's patience is two seconds, so that its silence is noticed while somebody waits.
    """
    with contextlib.ExitStack() as running:

        def begin(
            *arguments: str,
            upstream: str | None = None,
            settings: str | None = None,
            environment: dict[str, str] | None = None,
            data_dir: Path | None = None,
            is_started: bool = True,
        ) -> RunningDashcam:
            folder = tmp_path / f"dashcam-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            written = folder / "settings.toml"
            written.write_text(settings or IMPATIENT.format(upstream=upstream or oracle))
            dashcam = RunningDashcam(folder, "--config", str(written), *arguments, environment=environment)
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
