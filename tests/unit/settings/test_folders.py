"""Where data and run folders are, where nothing is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings import folders
from proxy.settings.folders import data_folder, run_folder


def test_folders_are_the_user_s_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folders.sys, "platform", "linux")  # type: ignore[attr-defined]
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder("") == tmp_path / "dashcam"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert data_folder("") == Path.home() / ".local" / "share" / "dashcam"
    monkeypatch.setattr(folders.sys, "platform", "darwin")  # type: ignore[attr-defined]
    assert data_folder("") == Path.home() / "Library" / "Application Support" / "dashcam"
    assert data_folder("~/x") == Path.home() / "x"


def test_each_data_folder_has_a_run_folder_short_enough_for_a_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, second = run_folder("", tmp_path / "a"), run_folder("", tmp_path / "b")
    assert first != second == run_folder("", tmp_path / "b")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("long" * 30)))
    assert len(str(run_folder("", tmp_path / ("x" * 200)))) < 80
    assert run_folder(str(tmp_path / "r"), tmp_path) == tmp_path / "r"
