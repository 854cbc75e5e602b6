"""A program in a network namespace of its own, with one link to this one that can be taken down (``ip``, root)."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.means import require
from tests.support.processes import ROOT, clean_environment


@dataclass(frozen=True)
class Island:
    """Where the program listens, and the name of our end of the link."""

    address: str
    name: str

    def link(self, state: str) -> None:
        """Set our end of the link ``up`` or ``down``."""
        _ip("link", "set", self.name, state)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def namespace(module: str) -> Iterator[Island]:
    """Run a module of ours in a namespace; it prints its address and ends with its standard input."""
    require("linux", "netns")
    number = random.randrange(1, 250)
    name, ours, theirs = f"dc{number}", f"10.213.{number}.1", f"10.213.{number}.2"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "inside", "netns", name)
        _ip("addr", "add", f"{ours}/24", "dev", name)
        _ip("link", "set", name, "up")
        for arguments in (("addr", "add", f"{theirs}/24", "dev", "inside"), ("link", "set", "inside", "up"),
                          ("link", "set", "lo", "up")):  # fmt: skip
            _ip("-n", name, *arguments)
        with tempfile.TemporaryDirectory() as folder, _program(module, name, theirs, Path(folder)) as address:
            yield Island(address, name)
    finally:
        _ip("netns", "del", name)


@contextlib.contextmanager
def _program(module: str, name: str, host: str, folder: Path) -> Iterator[str]:
    process = subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, "-m", module, str(folder), host], cwd=ROOT,
        env=clean_environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
