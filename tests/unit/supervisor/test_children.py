"""A child's life: started, missed, started again after a pause that grows, and ended in time."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from proxy.supervisor.children import Child, reap_strangers

FAILS = ("-S", "-c", "raise SystemExit(3)")
STAYS = ("-S", "-c", "import signal; signal.pause()")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def started(arguments: tuple[str, ...], *descriptors: int, now: float = 0.0) -> Child:
    child = Child("one", arguments, descriptors)
    child.start(now)
    return child


def ended(child: Child) -> None:
    assert child.process is not None
    child.process.wait(20)


def died(child: Child, now: float) -> int | None:
    ended(child)
    return child.watch(now)


def test_a_child_has_the_descriptors_it_is_given_no_others_and_no_input(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_inheritable(reading, True)
    script = f"""
import os, sys
os.write({writing}, b"input: %d" % len(sys.stdin.read()))
try:
    os.fstat({reading})
except OSError:
    raise SystemExit(9)
"""
    assert died(started(("-S", "-c", script), writing), 0.0) == 9
    assert os.read(reading, 100) == b"input: 0"


def test_a_child_has_its_own_environment_below_ours(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = pipe
    monkeypatch.setenv("DASHCAM_OURS", "ours")
    script = f"import os; os.write({writing}, ' '.join(map(os.environ.get, ('DASHCAM_OURS', 'DASHCAM_ITS'))).encode())"
    child = Child("one", ("-S", "-c", script), (writing,), {"DASHCAM_OURS": "its", "DASHCAM_ITS": "its"})
    child.start(0.0)
    ended(child)
    assert os.read(reading, 100) == b"ours its"


def test_a_child_that_runs_is_left_alone() -> None:
    child = started(STAYS)
    before = child.process
    assert child.watch(1e9) is None
    assert child.process is before
    child.terminate()
    child.wait(time.monotonic() + 20)
    assert before is not None
    assert before.returncode == -signal.SIGTERM


def test_a_death_is_told_once_and_followed_by_a_restart_when_the_pause_is_over() -> None:
    child = started(FAILS, now=100.0)
    assert died(child, 101.0) == 3
    assert child.watch(101.05) is None
    assert child.process is None
    assert child.watch(101.1) is None
    assert child.started_at == 101.1
    ended(child)


def test_the_pause_grows_up_to_a_ceiling_and_begins_anew_after_a_healthy_life() -> None:
    child, now, pauses = started(FAILS), 0.0, []
    for _ in range(8):
        assert died(child, now) == 3
        pauses.append(round(child.restart_at - now, 3))
        now = child.restart_at
        child.watch(now)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert died(child, now + 31) == 3
    assert round(child.restart_at - now - 31, 3) == 0.1


def test_a_child_that_cannot_be_started_is_tried_again_and_the_supervisor_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = started(FAILS)
    died(child, 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        assert child.watch(1.0) == os.EX_OSERR
        assert child.watch(1.1) is None
        assert child.process is None
    assert child.watch(1.2) is None
    assert died(child, 2.0) == 3


def test_a_child_that_will_not_leave_is_killed_at_the_deadline(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    script = f"import os, signal; signal.signal(15, signal.SIG_IGN); os.write({writing}, b'.')\nwhile 1: signal.pause()"
    child = started(("-S", "-c", script), writing)
    assert os.read(reading, 1) == b"."
    child.terminate()
    child.wait(time.monotonic())
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


def test_a_child_that_is_gone_is_not_waited_for() -> None:
    child = Child("one", FAILS, ())
    child.terminate()
    child.wait(time.monotonic() + 20)
    child.start(0.0)
    ended(child)
    child.terminate()
    child.wait(time.monotonic() + 20)
    assert child.watch(0.0) == 3


def test_only_the_first_process_of_a_system_collects_strangers() -> None:
    child = started(FAILS)
    assert child.process is not None
    os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)
    reap_strangers(set())
    assert child.watch(0.0) == 3
