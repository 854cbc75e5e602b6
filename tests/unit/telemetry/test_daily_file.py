"""Several processes share one file of the day; none of them loses what another one wrote."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.telemetry.daily_file import DailyFile

DAY = 86400.0
Opened = Callable[[], DailyFile]


class Clock:
    """Noon of a day, until it is moved on."""

    def __init__(self) -> None:
        self.now = time.time() // DAY * DAY + DAY / 2

    def __call__(self) -> float:
        return self.now

    def day(self, ago: int = 0) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(self.now - ago * DAY))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "dashcam.log"


@pytest.fixture
def opened(path: Path, clock: Clock) -> Iterator[Opened]:
    made: list[DailyFile] = []

    def open_one() -> DailyFile:
        made.append(DailyFile(path, 3, clock))
        return made[-1]

    yield open_one
    for file in made:
        file.close()


def test_each_process_that_sees_the_new_day_leaves_yesterday_whole(path: Path, clock: Clock, opened: Opened) -> None:
    gateway, control = opened(), opened()
    gateway.write(b"a\n")
    control.write(b"b\n")
    clock.now += DAY
    gateway.write(b"c\n")
    control.write(b"d\n")
    gateway.write(b"e\n")
    assert Path(f"{path}.{clock.day(1)}").read_bytes() == b"a\nb\n"
    assert path.read_bytes() == b"c\nd\ne\n"


def test_what_a_process_of_yesterday_left_is_set_aside_under_its_day(path: Path, clock: Clock, opened: Opened) -> None:
    path.parent.mkdir()
    path.write_bytes(b"old\n")
    os.utime(path, (clock.now - 2 * DAY,) * 2)
    opened().write(b"new\n")
    assert Path(f"{path}.{clock.day(2)}").read_bytes() == b"old\n"
    assert path.read_bytes() == b"new\n"


def test_so_many_days_are_kept_and_no_other_file_goes(path: Path, clock: Clock, opened: Opened) -> None:
    file = opened()
    file.write(b"x\n")
    other = path.with_name("dashcam.log.of-mine")
    other.write_bytes(b"")
    for _ in range(6):
        clock.now += DAY
        file.write(b"x\n")
    kept = [path.with_name(f"dashcam.log.{clock.day(ago)}") for ago in (3, 2, 1)]
    assert sorted(path.parent.iterdir()) == [path, *kept, other]


def test_a_day_that_comes_twice_is_not_written_over(path: Path, clock: Clock, opened: Opened) -> None:
    path.parent.mkdir()
    Path(f"{path}.{clock.day()}").write_bytes(b"first\n")
    file = opened()
    file.write(b"second\n")
    clock.now += DAY
    file.write(b"third\n")
    assert Path(f"{path}.{clock.day(1)}").read_bytes() == b"first\n"
    assert path.read_bytes() == b"second\nthird\n"


def test_it_is_its_owners_alone(path: Path, opened: Opened) -> None:
    opened().write(b"x\n")
    assert path.stat().st_mode & 0o777 == 0o600
