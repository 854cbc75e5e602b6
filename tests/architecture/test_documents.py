"""What documents say about settings, metrics and commands is what the program does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest
from typer.main import get_command

from proxy.cli.app import app
from proxy.settings.loading import load
from proxy.settings.values import Settings
from tests.architecture import documents
from tests.support.checkout import ROOT

README = (ROOT / "README.md").read_text()
SHIPPED = ROOT / "config" / "dashcam.toml"
NOT_IN_A_FILE = {
    "providers", "routes", "redaction.own", "retention.routes", "retention.keys", "proxy_keys", "admin_token_sha256",
    "metrics_token_sha256",
}  # fmt: skip
"""Fields that come from elsewhere: secrets, and providers and routes (tables of their own)."""


def declared() -> set[str]:
    hints = get_type_hints(Settings)
    names = set()
    for item in fields(Settings):
        section = hints[item.name]
        names |= {f"{item.name}.{part.name}" for part in fields(section)} if is_dataclass(section) else {item.name}
    return names - NOT_IN_A_FILE


@pytest.mark.parametrize("path", documents.written(), ids=lambda path: path.name)
def test_the_parts_written_by_the_program_are_up_to_date(path: Path) -> None:
    assert path.exists()
    assert path.read_text() == documents.written()[path], "run: make docs"


def test_the_shipped_configuration_has_every_setting_and_no_other() -> None:
    assert {setting.name for setting in documents.shipped_settings()} == declared()


def test_the_shipped_configuration_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DASHCAM_CONFIG", "DASHCAM_UPSTREAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    settings = load(defaults=SHIPPED)
    shipped = tomllib.loads(SHIPPED.read_text())
    for section in ("server", "recording", "limits", "discovery", "maintenance", "log"):
        kind = type(getattr(settings, section))
        assert getattr(settings, section) == kind(), section
        assert set(shipped[section]) == {item.name for item in fields(kind)}


def test_the_template_is_read_as_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = (ROOT / ".env.template").read_text()
    for line in re.findall(r"^# (DASHCAM_\w+=.*)$", template, re.MULTILINE):
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASHCAM_DATA_DIR", str(tmp_path))
    assert load(defaults=SHIPPED).server == load(defaults=SHIPPED).server.__class__()


def commands() -> list[str]:
    found = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        below = [f"{name} {sub}" for sub, item in getattr(command, "commands", {}).items() if not item.hidden]
        found += [] if command.hidden else below or [name]
    return found


@pytest.mark.parametrize("command", commands())
def test_the_readme_names_every_command(command: str) -> None:
    assert re.search(rf"^\| `dashcam {command}\b", README, re.MULTILINE)


def test_the_readme_names_no_command_that_does_not_exist() -> None:
    named = set(re.findall(r"^\| `dashcam ([a-z]+(?: [a-z][a-z-]*)?)", README, re.MULTILINE))
    assert named == set(commands())


def test_the_architecture_is_short_enough_to_be_read() -> None:
    assert (ROOT / "ARCHITECTURE.md").read_text().count("\n") <= 300


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set()
    for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"):
        named |= set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / name).read_text(), re.MULTILINE))
    assert named <= targets
