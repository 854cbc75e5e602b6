"""Who serves a data folder is who holds its lock; what a killed one wrote is nobody."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ConfigurationError
from proxy.supervisor import instance

WHO = {"pid": 1, "url": "http://127.0.0.1:8484"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("served")
    descriptor = instance.lock(folder)
    assert descriptor is not None
    yield folder
    os.close(descriptor)


def test_one_instance_has_a_data_folder_for_as_long_as_it_lives(tmp_path: Path) -> None:
    assert not instance.is_served(tmp_path)
    assert list(tmp_path.iterdir()) == []
    descriptor = instance.lock(tmp_path)
    assert descriptor is not None
    assert instance.lock(tmp_path) is None
    assert instance.is_served(tmp_path)
    os.close(descriptor)
    assert not instance.is_served(tmp_path)


def test_a_lock_whose_file_was_removed_or_replaced_keeps_nobody_out(tmp_path: Path) -> None:
    first = instance.lock(tmp_path)
    assert first is not None
    assert instance.holds(tmp_path, first)
    (tmp_path / "instance.lock").unlink()
    assert not instance.holds(tmp_path, first)
    second = instance.lock(tmp_path)
    assert second is not None
    assert (instance.holds(tmp_path, first), instance.holds(tmp_path, second)) == (False, True)
    os.close(first)
    os.close(second)


def test_a_running_instance_is_what_it_wrote_about_itself(served: Path) -> None:
    instance.forget(served)
    assert instance.find(served) is None
    instance.announce(served, WHO)
    assert instance.find(served) == WHO
    assert stat.S_IMODE((served / "instance.json").stat().st_mode) == 0o600


def test_what_a_killed_instance_wrote_is_nobody(tmp_path: Path) -> None:
    instance.announce(tmp_path, WHO)
    assert instance.find(tmp_path) is None


@given(content=st.binary(max_size=30) | st.sampled_from([b"[]", b"null", b"{", b'{"pid":', b"\xff", b"5"]))
def test_a_file_that_was_cut_off_is_nobody(content: bytes, served: Path) -> None:
    (served / "instance.json").write_bytes(content)
    assert isinstance(instance.find(served), dict | None)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_nothing_can_be_locked_it_is_said_and_not_served(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some network file systems answer; here the kernel's answer is put in its place."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(number, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(ConfigurationError, match="has no locks") as caught:
        instance.lock(tmp_path)
    assert caught.value.hint is not None
    assert "--data-dir" in caught.value.hint
