"""Keys in a file come and go without a restart; a file that is no good changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.control.secret_files import ADMIN_TOKEN, PROXY_KEYS, SecretFile, WatchedToken
from proxy.settings.credentials import digest

FIRST, SECOND = "dashcam_key_" + "k3v9" * 8, "dashcam_key_" + "p7q2" * 8


def watched(path: Path) -> SecretFile:
    return SecretFile(PROXY_KEYS, {"DASHCAM_PROXY_KEYS_FILE": str(path)})


def test_without_a_file_there_is_nothing_to_see() -> None:
    assert SecretFile(PROXY_KEYS, {"DASHCAM_PROXY_KEYS": FIRST}).look() is None


def test_what_is_new_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{FIRST}\n")
    file = watched(path)
    assert file.look() == [FIRST]
    assert file.look() is None
    path.write_text(f"{FIRST}\n{SECOND}\n")
    assert file.look() == [FIRST, SECOND]


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
    assert "secret_not_taken" in said
    assert FIRST not in said
    path.write_text(SECOND)
    assert file.look() == [SECOND]


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(FIRST)
    file = watched(path)
    file.look()
    path.unlink()
    assert file.look() is None
    path.write_text(FIRST)
    assert file.look() == [FIRST]


def test_a_token_is_that_of_its_file_also_after_control_was_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(SECOND)
    environment = {"DASHCAM_ADMIN_TOKEN_FILE": str(path)}
    assert WatchedToken(ADMIN_TOKEN, digest(FIRST), environment).sha256 == digest(SECOND)
    path.write_text("short")
    assert WatchedToken(ADMIN_TOKEN, digest(FIRST), environment).sha256 == digest(FIRST)
    assert WatchedToken(ADMIN_TOKEN, digest(FIRST), {}).sha256 == digest(FIRST)


def test_a_token_that_changes_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "token"
    path.write_text(FIRST)
    token = WatchedToken(ADMIN_TOKEN, digest(FIRST), {"DASHCAM_ADMIN_TOKEN_FILE": str(path)})
    path.write_text(f"{SECOND}\n")
    token.look()
    assert token.sha256 == digest(SECOND)
    said = capsys.readouterr().out
    assert "secret_taken" in said
    assert SECOND not in said


def test_what_cannot_be_published_is_told_and_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def full(_keys: list[str]) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "keys"
    path.write_text(FIRST)
    file, taken = watched(path), list[str]()
    file.take(full)
    assert "secret_not_published" in capsys.readouterr().out
    file.take(taken.extend)
    assert taken == [FIRST]
