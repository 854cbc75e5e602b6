"""What the doctor thinks of the data folder."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxy.cli.doctor import holdings
from proxy.control.prompt_files import PromptFiles
from proxy.domain.prompt import PublishedPrompt, PublishedVersion
from proxy.domain.provider import Provider
from proxy.prompting.version import canonical
from proxy.settings.snapshot import base_snapshot, publish
from proxy.settings.values import RecordingSettings, Settings
from tests.unit.cli.conftest import Record


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"), run_dir=str(tmp_path / "run"))


def test_a_folder_that_is_not_there_yet_has_space_where_it_will_be(settings: Settings) -> None:
    (found,) = holdings.folder(settings)
    assert found.is_ok
    assert "GB free" in found.detail


@pytest.mark.parametrize(
    ("on_full", "told"), [("metadata_only", "without their bodies"), ("reject", "refused"), ("drop", "not recorded")]
)
def test_too_little_space_is_a_problem_and_what_it_means_is_what_was_chosen(
    settings: Settings, on_full: str, told: str
) -> None:
    greedy = replace(settings, recording=RecordingSettings(min_free_bytes=1 << 62, on_full=on_full))
    found = next(iter(holdings.folder(greedy)))
    assert (found.is_ok, found.next is not None and found.next.endswith(told)) == (False, True)


def test_little_space_is_told_in_its_own_unit(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=6_460, f_frsize=1_000))
    assert next(iter(holdings.folder(settings))).detail.endswith(": 6.5 MB free")


def test_recordings_that_others_can_read_are_a_problem_with_its_mending(settings: Settings, record: Record) -> None:
    record()
    Path(settings.data_dir).chmod(0o700)
    assert [item.is_ok for item in holdings.folder(settings)] == [True, True]
    Path(settings.data_dir).chmod(0o755)
    *_, note = holdings.folder(settings)
    assert (note.is_ok, "can look into" in note.detail) == (None, True)
    Path(settings.data_dir).chmod(0o700)
    settings.database.path.chmod(0o644)
    *_, rights = holdings.folder(settings)
    assert rights.is_ok is False
    assert rights.next == f"chmod go= {settings.database.path}"


def test_what_gateways_read_is_looked_at(settings: Settings) -> None:
    content = {"messages": [{"role": "user", "content": "hi"}]}
    sha256 = hashlib.sha256(canonical(content)).hexdigest()
    assert list(holdings.catalogue(settings)) == []
    prompt = PublishedPrompt(name="short", versions=(PublishedVersion(number=3, sha256=sha256),))
    provider = Provider(name="openai", kind="openai", base_url="https://x/v1", root_url="https://x")
    publish(settings.snapshot_path, replace(base_snapshot(settings), providers=(provider,), prompts=(prompt,)))
    (found,) = holdings.catalogue(settings)
    assert (found.subject, found.is_ok, "short@3" in found.detail) == ("prompts", False, True)
    PromptFiles(settings.prompts_dir).write({sha256: content})
    assert list(holdings.catalogue(settings)) == []
    settings.snapshot_path.write_bytes(settings.snapshot_path.read_bytes()[:-5])
    (found,) = holdings.catalogue(settings)
    assert (found.subject, found.is_ok) == ("snapshot", False)


def test_what_interrupted_writes_left_is_told_when_it_is_old(settings: Settings) -> None:
    folder = Path(settings.data_dir)
    folder.mkdir()
    left = folder / ".snapshot.json.77"
    left.write_text("{}")
    assert list(holdings.left_over(settings)) == []
    os.utime(left, (1, 1))
    (found,) = holdings.left_over(settings)
    assert found.next == f"rm {left}"
