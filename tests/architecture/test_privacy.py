"""PRIVACY.md says what the program does: each command, setting, table and pattern that it names is there."""

from __future__ import annotations

import re

import pytest

from proxy.domain.outcome import ContentState
from proxy.redaction.patterns import BUILT_IN, UNREADABLE
from proxy.store.schema.tables import metadata
from tests.architecture import documents
from tests.architecture.test_documents import commands
from tests.support.checkout import ROOT

TEXT = (ROOT / "PRIVACY.md").read_text()
SECTIONS = ("recording", "redaction", "retention", "maintenance", "admin", "log", "database")
NAMED = sorted(set(re.findall(rf"`((?:{'|'.join(SECTIONS)})\.[a-z_]+)", TEXT)) - {"redaction.own"})


@pytest.mark.parametrize("name", NAMED)
def test_a_setting_is_there(name: str) -> None:
    assert name in {setting.name for setting in documents.shipped_settings()} or name == "log.file"


def test_a_command_is_there() -> None:
    known = commands()
    for said in re.findall(r"`dashcam ([a-z]+(?: [a-z]+)?)", TEXT):
        assert said in known or said.partition(" ")[0] in known, said


def test_a_table_is_there() -> None:
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", TEXT.split("## How deep")[0]))
    assert named & set(metadata.tables) >= {"interaction_body", "interaction_text", "audit_log"}
    assert {"interaction", "feedback", "quarantine"} <= set(metadata.tables)


def test_every_pattern_and_every_state_is_told() -> None:
    for name in (*BUILT_IN, UNREADABLE, *ContentState):
        assert f"`{name}`" in TEXT, name


def test_readers_are_led_there() -> None:
    for name in ("README.md", "SECURITY.md"):
        assert "(PRIVACY.md)" in (ROOT / name).read_text(), name
    assert "PRIVACY.md" in (ROOT / "proxy/supervisor/banner.py").read_text()
