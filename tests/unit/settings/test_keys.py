"""The keys of a first start: made once, private, told once, used from then on."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from proxy.errors import ConfigurationError
from proxy.resources import config_folder
from proxy.settings.credentials import read_secret, weakness_of
from proxy.settings.keys import KINDS, adopt_keys, make_keys, new_key, wants_keys
from proxy.settings.loading import load
from proxy.settings.values import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours; what is set meanwhile is taken back."""
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ, *KINDS, *(f"{name}_FILE" for name in KINDS)]:
        if name.startswith("DASHCAM_"):
            monkeypatch.setenv(name, "")


def wide(folder: Path, *, makes_keys: bool | None) -> Settings:
    server = {"host": "0.0.0.0", "allowed_hosts": ["dash.example"]}
    flags = {"data_dir": str(folder), "server": server}
    return load(defaults=config_folder() / "dashcam.toml", flags=flags, makes_keys=makes_keys)


def test_a_wide_address_starts_with_keys_that_are_made_told_once_and_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deep" / "data"
    made = wide(folder, makes_keys=True)
    said = capsys.readouterr()
    keys = re.findall(r"dashcam_(?:adm|met|key)_\w{43}", said.err)
    assert (len(keys), said.out) == (3, "")
    assert sorted(path.read_text().strip() for path in (folder / "keys").iterdir()) == sorted(keys)
    assert {path.stat().st_mode & 0o777 for path in (folder / "keys").iterdir()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder / "keys", folder, folder.parent)} == {0o700}
    for name in KINDS:
        monkeypatch.setenv(f"{name}_FILE", "")
    again = wide(folder, makes_keys=True)
    assert again == made
    assert capsys.readouterr().err == ""
    for name in KINDS:
        monkeypatch.setenv(f"{name}_FILE", "")
    assert wide(folder, makes_keys=None) == made, "any other command finds them too"


def test_without_being_asked_for_none_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for makes_keys in (False, None):
        with pytest.raises(ConfigurationError, match="DASHCAM_ADMIN_TOKEN"):
            wide(tmp_path, makes_keys=makes_keys)
    monkeypatch.setenv("DASHCAM_FIRST_START_KEYS", "true")
    with pytest.raises(ConfigurationError, match="DASHCAM_ADMIN_TOKEN"):
        wide(tmp_path, makes_keys=None)
    assert not (tmp_path / "keys").exists()
    assert wide(tmp_path, makes_keys=False).admin_token_sha256


def test_what_is_set_is_not_made_and_a_file_variable_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_ADMIN_TOKEN", "mine")
    monkeypatch.setenv("DASHCAM_METRICS_TOKEN_FILE", str(tmp_path / "elsewhere" / "token"))
    make_keys(tmp_path)
    assert "admin token" not in capsys.readouterr().err
    assert read_secret("DASHCAM_ADMIN_TOKEN") == "mine"
    assert (tmp_path / "elsewhere" / "token").read_text().startswith("dashcam_met_")
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["proxy_key"]


def test_a_key_that_cannot_be_written_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("in the way")
    with pytest.raises(ConfigurationError, match="the key cannot be written"):
        make_keys(tmp_path)


def test_variables_win_over_files_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "admin_token").write_text("of the file")
    monkeypatch.setenv("DASHCAM_ADMIN_TOKEN", "of the variable")
    adopt_keys(tmp_path)
    assert read_secret("DASHCAM_ADMIN_TOKEN") == "of the variable"


def test_keys_differ_and_pass_our_own_test() -> None:
    keys = {new_key("dashcam_key_") for _ in range(50)}
    assert len(keys) == 50
    assert [key for key in keys if weakness_of(key)] == []


def test_the_wish_is_true_or_false(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [wants_keys(is_flag=flag) for flag in (True, False)] == [True, False]
    monkeypatch.setenv("DASHCAM_FIRST_START_KEYS", "Yes")
    assert wants_keys(is_flag=False)
    monkeypatch.setenv("DASHCAM_FIRST_START_KEYS", "perhaps")
    with pytest.raises(ConfigurationError, match="true or false"):
        wants_keys(is_flag=True)
