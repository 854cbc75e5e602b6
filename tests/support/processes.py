"""Processes that tests start: free ports, a clean environment, children by their command line, an end by pid."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from proxy.settings.presets import PRESETS

ROOT = Path(__file__).parents[2]

_OF_PROVIDERS = tuple(name for item in PRESETS.values() for name in (*item.keys, item.url_env) if name)
_STEERING = ("DASHCAM_", "OPENAI_", "OLLAMA_", "XDG_", *_OF_PROVIDERS)
_OF_THE_TESTS = ("PYTEST_", "PYTHONDONTWRITEBYTECODE", "COLUMNS")
_SHARES = 16
_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self" / "stat").exists()
"""Reading it costs a tenth of running ``ps``, which is asked again and again by what waits for a process."""
_GONE = ("", "Z", "X")


def forget_the_caller() -> None:
    """Take out of this process what the shell that started the tests says to Dashcam: settings, keys, addresses."""
    for name in [name for name in os.environ if name.startswith(_STEERING)]:
        del os.environ[name]


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment less whatever could steer Dashcam, with ``home`` as the user's folder."""
    left_out = (*_STEERING, *_OF_THE_TESTS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "HOME": str(home), "NO_COLOR": "1", "PYTHONPATH": str(ROOT), **(extra or {})}


def _ports() -> Iterator[int]:
    """Return, in turn, ports below the range that outgoing connections are given, none twice before all were.

    Each process of a test run has ports of its own: two that begin at the same moment would find the same one free.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    share = range(18_000 + worker, 32_000, _SHARES)
    # Of the system: property tests set the seed of everybody else's chance.
    start = random.SystemRandom().randrange(len(share))
    return itertools.cycle([*share[start:], *share[:start]])


_PORTS = _ports()


def free_port() -> int:
    """Return a loopback port that nobody has and that nobody else of this test run is given."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def children(pid: int) -> dict[int, str]:
    """Return the command lines of the children of a process by their pids."""
    if _HAS_PROC:
        found = [(child, _stat(child)) for child in map(int, filter(str.isdigit, os.listdir(_PROC)))]
        return {child: _command(child) for child, (state, parent) in found if parent == pid and state not in _GONE}
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = (line.split(None, 3) for line in table.stdout.split("\n") if line.strip())
    return {int(row[0]): row[3] for row in rows if int(row[1]) == pid and len(row) == 4 and row[2][0] not in _GONE}


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    if _HAS_PROC:
        return _stat(pid)[0] not in _GONE
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()[:1] not in _GONE


def _stat(pid: int) -> tuple[str, int]:
    """Return a process's state and its parent; of one that is not there, nothing and 0."""
    try:
        told = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    # Its name is in brackets and may hold anything.
    state, parent, *_ = told.rpartition(")")[2].split()
    return state, int(parent)


def _command(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (_PROC / str(pid) / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
    return ""


def resident_kb(pid: int) -> int:
    """Return a process's resident memory in kilobytes."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(shown.stdout)


def kill(pid: int) -> None:
    """End one process at once; it may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Ask a process to end; insist when it does not. Return its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop processes where they are for a block, and let them go on."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def answering(command: Sequence[str], home: Path, log: IO[bytes] | None = None) -> Iterator[str]:
    """Run a server of ours; yield the address that it prints. It ends with its standard input."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean_environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
