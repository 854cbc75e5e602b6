"""Where calls would be lost nothing starts: folders on a network, and links that somebody else may have made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.cli.serve import check_file_system, prepare
from proxy.errors import ConfigurationError, UnreachableError
from proxy.settings import file_systems
from proxy.settings.values import MaintenanceSettings, RecordingSettings, ServerSettings, Settings


def settings_in(folder: Path, **values: object) -> Settings:
    return Settings(data_dir=str(folder / "data"), run_dir=str(folder / "run"), **values)  # type: ignore[arg-type]


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Say of a folder that it is another machine's."""
    folder = tmp_path / "network"
    folder.mkdir()
    table = tmp_path / "mounts"
    table.write_text(f"/dev/root / ext4 rw 0 0\nserver:/export {folder} nfs4 rw 0 0\n")
    monkeypatch.setattr(file_systems, "_MOUNTS", table)
    return folder


def test_a_data_folder_on_a_network_is_refused(network: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"data_dir: .*/data is on a network file system \(nfs4\)"):
        check_file_system(settings_in(network))


def test_a_spool_that_a_link_leads_to_a_network_is_refused_too(network: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool").symlink_to(network)
    with pytest.raises(ConfigurationError, match=r"the spool: .*/data/spool is on a network file system"):
        check_file_system(settings_in(tmp_path))


def test_whoever_insists_is_warned(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_file_system(settings_in(network, maintenance=MaintenanceSettings(network_file_system=True)))
    assert "calls may be lost" in capsys.readouterr().err


@pytest.mark.usefixtures("network")
def test_a_local_folder_is_fine(tmp_path: Path) -> None:
    check_file_system(settings_in(tmp_path))


def test_a_link_that_anybody_could_have_made_is_no_spool(tmp_path: Path) -> None:
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    shared.mkdir()
    shared.chmod(0o1777)
    elsewhere.mkdir()
    (shared / "run").symlink_to(elsewhere)
    settings = Settings(
        data_dir=str(tmp_path / "data"), run_dir=str(shared / "run"), recording=RecordingSettings(mode="process")
    )
    with pytest.raises(ConfigurationError, match="is a link in a folder that anybody may write to"):
        prepare(settings)


def test_a_second_start_changes_nothing_that_the_first_works_from(tmp_path: Path) -> None:
    first = settings_in(tmp_path)
    locks = prepare(first)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert len(before) == 2, "settings and snapshot"
    other = Settings(data_dir=str(tmp_path / "other"), run_dir=first.run_dir, server=ServerSettings(port=1))
    for second in (settings_in(tmp_path, server=ServerSettings(port=1)), other):
        with pytest.raises(UnreachableError, match="already serves"):
            prepare(second)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before
    for descriptor in locks:
        os.close(descriptor)
    again = prepare(other)
    assert b'"port":1,' in (Path(first.run_dir) / "settings.json").read_bytes().replace(b" ", b"")
    for descriptor in again:
        os.close(descriptor)
