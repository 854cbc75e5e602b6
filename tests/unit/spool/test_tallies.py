"""What each process counts is what all of the host add up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import SpoolError
from proxy.spool import tallies as module
from proxy.spool.tallies import ENTRIES, SIZE, Counts, Tallies, Tally, subject_of

NOW = 1_800_000_000.0
KEY, PROVIDER = subject_of("key", "one"), subject_of("provider", "one")


def counted(tally: Tally, subject: int, now: float = NOW) -> Counts:
    counts = Counts()
    tally.beat(now)
    tally.add_to(counts, subject, now)
    return counts


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally.create(tmp_path / "one.tally")


def test_a_minute_and_the_one_before_are_told_apart(tally: Tally) -> None:
    tally.count(KEY, NOW, requests=2, tokens=30, under_way=1)
    assert counted(tally, KEY) == Counts(2, 0, 30, 0, 1)
    tally.count(KEY, NOW + 60, requests=1)
    assert counted(tally, KEY, NOW + 60) == Counts(1, 2, 0, 30, 1)
    assert counted(tally, KEY, NOW + 120) == Counts(0, 1, 0, 0, 1)
    assert counted(tally, KEY, NOW + 180) == Counts(0, 0, 0, 0, 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200), st.integers(0, 50)), max_size=40))
def test_it_counts_as_a_plain_list_of_calls_would(calls: list[tuple[int, int, int]]) -> None:
    path = Path("/proc/no-such-place/x.tally")  # taken by no disk: a table in memory
    tally = Tally.create(path)
    at, done = int(NOW), []
    for subject, passed, tokens in calls:
        at += passed
        tally.count(subject + 1, at, requests=1, tokens=tokens)
        done.append((subject + 1, at // 60, tokens))
    minute = at // 60
    for subject in range(1, 7):
        mine = [(when, tokens) for who, when, tokens in done if who == subject]
        now, before = ([tokens for when, tokens in mine if when == minute - back] for back in (0, 1))
        assert counted(tally, subject, at) == Counts(len(now), len(before), sum(now), sum(before), 0)


def test_subjects_of_one_place_do_not_meet(tally: Tally) -> None:
    first, second = 7, 7 + ENTRIES
    tally.count(first, NOW, requests=1)
    tally.count(second, NOW, requests=2)
    assert (counted(tally, first).requests, counted(tally, second).requests) == (1, 2)
    assert not tally.has(7 + 2 * ENTRIES)


def test_what_does_nothing_makes_room_and_a_full_table_says_so(tally: Tally) -> None:
    for number in range(1, ENTRIES + 1):
        assert tally.count(number, NOW, requests=1, under_way=int(number == 5))
    assert not tally.count(ENTRIES + 1, NOW, requests=1)
    tally.tidy(NOW + 60)
    assert not tally.count(ENTRIES + 1, NOW, requests=1)
    tally.tidy(NOW + 200)
    assert tally.count(ENTRIES + 1, NOW + 200, requests=1)
    assert tally.has(5)
    assert not tally.has(6)


def test_all_of_the_host_are_added_up(tmp_path: Path) -> None:
    first, second = Tallies(tmp_path, "gateway-0-1"), Tallies(tmp_path, "gateway-1-2")
    first.look()
    first.own.count(KEY, NOW, requests=1, under_way=1)
    second.own.count(KEY, NOW, requests=2, tokens=5, under_way=1)
    second.own.count(PROVIDER, NOW, requests=9)
    for tallies in (first, second):
        tallies.own.beat(NOW)
    assert first.counts(KEY, NOW) == second.counts(KEY, NOW) == Counts(3, 0, 5, 0, 2)
    assert first.is_counted(PROVIDER)
    assert not first.is_counted(subject_of("key", "two"))


def test_calls_of_a_process_that_is_gone_are_not_under_way(tmp_path: Path) -> None:
    dead, alive = Tallies(tmp_path, "gateway-0-1"), Tallies(tmp_path, "gateway-0-2")
    dead.own.count(KEY, NOW, requests=3, under_way=3)
    dead.own.beat(NOW - 16)
    assert alive.counts(KEY, NOW) == Counts(3, 0, 0, 0, 0)


def test_a_table_that_was_forgotten_is_removed(tmp_path: Path) -> None:
    old = Tallies(tmp_path, "gateway-0-1")
    old.own.beat(0)
    Tallies(tmp_path, "gateway-0-2")
    assert [path.name for path in tmp_path.iterdir()] == ["gateway-0-2.tally"]


def test_files_are_private_and_what_is_no_table_is_refused(tmp_path: Path, tally: Tally) -> None:
    assert tally.path is not None
    assert tally.path.stat().st_mode & 0o777 == 0o600
    assert tally.path.stat().st_size == SIZE
    for content in (b"", bytes(SIZE)):
        bad = tmp_path / f"bad{module.SUFFIX}"
        bad.write_bytes(content)
        with pytest.raises(SpoolError):
            Tally.open(bad)
    Tallies(tmp_path, "fine").look()


def test_it_goes_on_in_memory_where_there_is_no_folder() -> None:
    tallies = Tallies(Path("/proc/no-such-place"), "gateway-0-1")
    tallies.look()
    tallies.own.count(KEY, NOW, requests=1)
    assert tallies.counts(KEY, NOW).requests == 1


def test_a_table_whose_file_was_removed_goes_on_in_another(tmp_path: Path) -> None:
    ours, other = Tallies(tmp_path / "t", "gateway-0-1"), Tallies(tmp_path / "t", "gateway-0-2")
    ours.own.count(KEY, NOW, requests=2)
    (tmp_path / "t" / "gateway-0-1.tally").unlink()
    ours.look()
    other.look()
    assert other.counts(KEY, NOW).requests == 2
