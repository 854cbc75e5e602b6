"""What the image does, without a container engine: the built wheel in a folder nobody may write, as another user."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.container import environment, health_command
from tests.support.processes import end, free_port
from tests.support.waiting import wait_until

BECOME = ("setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups")
KEY = re.compile(r"dashcam_(?:key|adm|met)_\w{43}")


@functools.cache
def can_become() -> bool:
    """True for root, unless the checkout lies where nobody else may go; then all is done as ourselves."""
    if os.getuid() != 0 or shutil.which(BECOME[0]) is None:
        return False
    # What is started so must be able to start our Python again, as serve does.
    again = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', ''])"
    return subprocess.run([*BECOME, sys.executable, "-c", again], capture_output=True, check=False).returncode == 0


class Container:
    """The image's environment, user and commands over folders of a test."""

    def __init__(self, folder: Path, code: Path) -> None:
        self.folder, self.data, self.port = folder, folder / "volume" / "dashcam", free_port()
        for name in ("volume", "shm"):
            (folder / name).mkdir()
            (folder / name).chmod(0o1777)
        moved = {"DASHCAM_DATA_DIR": str(self.data), "DASHCAM_RUN_DIR": str(folder / "shm" / "dashcam")}
        # On all addresses it would be open to this machine's neighbours; keys are made for loopback as well.
        here = {"DASHCAM_HOST": "127.0.0.1", "DASHCAM_PORT": str(self.port), "PYTHONPATH": str(code)}
        here["PATH"] = os.defpath
        self.environment = {**environment(), **moved, **here}
        self.log = folder / "log"
        self.started: list[subprocess.Popen[bytes]] = []

    def command(self, *arguments: str) -> list[str]:
        """Return a command as the image's user runs it, where we may become somebody else who can run our Python."""
        return [*(BECOME if can_become() else ()), *arguments]

    def start(self) -> subprocess.Popen[bytes]:
        """Start what the image starts, and wait until its health check is content."""
        with self.log.open("wb") as output:
            process = subprocess.Popen(
                self.command(sys.executable, "-P", "-m", "proxy", "serve"), cwd=self.folder / "volume",
                env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self.started.append(process)
        wait_until(self.is_healthy, "the health check is content", seconds=30)
        return process

    def is_healthy(self) -> bool:
        """Run the image's health check."""
        made = self.run(sys.executable, *health_command()[1:])
        return made.returncode == 0

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return subprocess.run(
            self.command(*arguments), cwd=self.folder / "volume", env=self.environment, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    def dashcam(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line inside."""
        return self.run(sys.executable, "-P", "-m", "proxy", *arguments)


@pytest.fixture(scope="module")
def code() -> Iterator[Path]:
    """The wheel's content, without any right to write."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        zipfile.ZipFile(wheel).extractall(folder / "code")
        folder.chmod(0o755)
        subprocess.run(["chmod", "-R", "a+rX,a-w", str(folder / "code")], check=True)
        yield folder / "code"
        subprocess.run(["chmod", "-R", "u+w", str(folder / "code")], check=True)


@pytest.fixture
def container(code: Path) -> Iterator[Container]:
    # Not below pytest's own folder, which is closed to other users.
    with tempfile.TemporaryDirectory(prefix="dc-") as place:
        Path(place).chmod(0o755)
        made = Container(Path(place), code)
        yield made
        for process in made.started:
            end(process, 45)


def test_a_first_start_makes_keys_shows_them_once_and_records(container: Container) -> None:
    assert "HOME" not in container.environment
    process = container.start()
    shown = KEY.findall(container.log.read_text())
    tried = container.dashcam("try")
    doctor = container.dashcam("doctor", "--offline", "--json")
    assert end(process, 45) == 0
    assert len(shown) == 3
    kept = sorted((container.data / "keys").iterdir())
    assert sorted(path.read_text().strip() for path in kept) == sorted(shown)
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert container.data.stat().st_mode & 0o777 == 0o700
    assert tried.returncode == 0, tried.stderr
    assert [item for item in json.loads(doctor.stdout) if item["ok"] is False] == []
    assert [key for key in shown if key in tried.stdout + tried.stderr + doctor.stdout] == []


def test_a_second_start_shows_no_key_and_finds_the_record(container: Container) -> None:
    for expected in (3, 0):
        process = container.start()
        assert len(KEY.findall(container.log.read_text())) == expected
        assert container.dashcam("try").returncode == 0
        assert end(process, 45) == 0
    assert len(container.dashcam("logs", "--no-headers").stdout.splitlines()) == 2


def test_before_the_start_nobody_is_healthy(container: Container) -> None:
    assert not container.is_healthy()
    assert not container.data.exists()


def test_nothing_is_written_beside_the_volumes(container: Container, code: Path) -> None:
    before = sorted(path for path in code.rglob("*"))
    process = container.start()
    assert container.dashcam("try").returncode == 0
    assert end(process, 45) == 0
    assert sorted(path for path in code.rglob("*")) == before
    assert {path.name for path in container.folder.iterdir()} == {"volume", "shm", "log"}


def test_prometheus_takes_the_configuration_and_the_boards_questions(tmp_path: Path) -> None:
    """By its own checker, which the build machine has; where there is none the tests of the documents have to do."""
    path = ROOT / "config" / "prometheus" / "prometheus.yml"
    board = json.loads((ROOT / "config" / "grafana" / "dashboards" / "dashcam.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = [{"record": f"board:{number}", "expr": re.sub(r"\$__\w+", "5m", text)} for number, text in enumerate(asked)]
    assert len(rules) > 20
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    promtool = shutil.which("promtool")
    if promtool:
        subprocess.run([promtool, "check", "config", "--syntax-only", str(path)], check=True, capture_output=True)
        subprocess.run([promtool, "check", "rules", str(tmp_path / "rules.yml")], check=True, capture_output=True)
