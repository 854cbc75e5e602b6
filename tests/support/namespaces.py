"""A network namespace with one link to this one that can be taken down, and programs in it (``ip``, root).

``inside`` moves the calling thread there: what it starts stays there, and so do the sockets that it opens.
"""

from __future__ import annotations

import contextlib
import ctypes
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.means import require
from tests.support.processes import answering

_NETWORK = 0x40000000  # CLONE_NEWNET


@dataclass(frozen=True)
class Island:
    """Its name, which our end of the link has too; ``ours`` is our address on it; where its program listens, if any."""

    address: str
    name: str
    ours: str

    def link(self, state: str) -> None:
        """Set our end of the link ``up`` or ``down``."""
        _ip("link", "set", self.name, state)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def namespace(module: str, *arguments: str) -> Iterator[Island]:
    """Run a module of ours in a namespace; it prints its address and ends with its standard input."""
    with island() as bare, tempfile.TemporaryDirectory() as folder:
        theirs = bare.ours.removesuffix(".1") + ".2"
        with _program(bare.name, Path(folder), module, theirs, *arguments) as address:
            yield replace(bare, address=address)


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Let the calling thread be in a namespace while the block runs."""
    with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{name}").open() as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def enter(name: str) -> None:
    """Move the calling thread into a namespace for good; what it listens on already stays where it is."""
    with Path(f"/run/netns/{name}").open() as there:
        _enter(there.fileno())


def _enter(namespace_file: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace_file, _NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def island() -> Iterator[Island]:
    """Make a namespace with a link, and remove both."""
    require("linux", "netns")
    number = random.randrange(1, 250)
    name, ours, theirs = f"dc{number}", f"10.213.{number}.1", f"10.213.{number}.2"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "inside", "netns", name)
        _ip("addr", "add", f"{ours}/24", "dev", name)
        _ip("link", "set", name, "up")
        for step in (("addr", "add", f"{theirs}/24", "dev", "inside"), ("link", "set", "inside", "up"),
                          ("link", "set", "lo", "up")):  # fmt: skip
            _ip("-n", name, *step)
        yield Island("", name, ours)
    finally:
        _ip("netns", "del", name)


def _program(name: str, folder: Path, module: str, *arguments: str) -> AbstractContextManager[str]:
    return answering(["ip", "netns", "exec", name, sys.executable, "-m", module, str(folder), *arguments], folder)
