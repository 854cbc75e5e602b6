"""Keys in a file come and go without a restart; a file that is no good changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.control.key_file import KeyFile
from proxy.settings.credentials import key_digests

FIRST, SECOND = "dashcam_key_" + "k3v9" * 8, "dashcam_key_" + "p7q2" * 8


def watched(path: Path) -> KeyFile:
    return KeyFile({"DASHCAM_PROXY_KEYS_FILE": str(path)})


def test_without_a_file_there_is_nothing_to_see() -> None:
    assert KeyFile({"DASHCAM_PROXY_KEYS": FIRST}).look() is None


def test_what_is_new_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{FIRST}\n")
    file = watched(path)
    assert file.look() == key_digests(FIRST)
    assert file.look() is None
    path.write_text(f"{FIRST}\n{SECOND}\n")
    assert file.look() == key_digests(f"{FIRST} {SECOND}")


@pytest.mark.parametrize("text", ["", "\n", "short", FIRST + " changeme", "\udce4"])
def test_a_file_that_is_no_good_is_told_and_not_taken(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys"
    path.write_text(FIRST)
    file = watched(path)
    file.look()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert file.look() is None
    said = capsys.readouterr().out
    assert "proxy_keys_not_taken" in said
    assert FIRST not in said
    path.write_text(SECOND)
    assert file.look() == key_digests(SECOND)


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(FIRST)
    file = watched(path)
    file.look()
    path.unlink()
    assert file.look() is None
    path.write_text(FIRST)
    assert file.look() == key_digests(FIRST)
