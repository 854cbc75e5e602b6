"""What the doctor says of what is kept."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.cli.doctor import privacy
from proxy.domain.redaction import RedactionRules
from proxy.domain.retention import EXPIRES
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RecordingSettings, RetentionSettings, Settings
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record

_USUAL = Settings(data_dir="/data", run_dir="/run/dashcam")
_DAY = 86_400


def _told(settings: Settings) -> list[str]:
    found = list(privacy.findings(settings))
    assert all(item.is_ok for item in found)
    return [item.detail for item in found]


def test_nothing_set_keeps_everything_for_ever_where_its_owner_can_read_it() -> None:
    assert _told(_USUAL) == [
        "requests and answers; for ever",
        "off: whoever has the files of the spool and database can read their texts (PRIVACY.md)",
    ]


@pytest.mark.parametrize(
    ("retention", "told"),
    [
        (RetentionSettings(text=30 * _DAY), "texts for 30 days"),
        (RetentionSettings(text=6 * 3600, metadata=365 * _DAY), "texts for 6 hours, calls for 365 days"),
        (RetentionSettings(errors=2 * _DAY, max_size=5_500_000_000), "failures for 2 days, up to 5.5 GB"),
        (RetentionSettings(routes={"chat": {"text": _DAY}}), "for ever, 1 route or key otherwise"),
    ],
)
def test_spans_are_said_in_days_or_hours(retention: RetentionSettings, told: str) -> None:
    assert _told(replace(_USUAL, retention=retention))[0] == f"requests and answers; {told}"


def test_what_is_taken_out_and_what_is_not_kept_is_named() -> None:
    assert _told(replace(_USUAL, redaction=RedactionRules(patterns=("email", "card"))))[0].startswith(
        "requests and answers, without email, card;"
    )
    facts = replace(_USUAL, recording=RecordingSettings(depth="meta"))
    what, sealing = _told(facts)
    assert what == "facts only, no requests or answers; for ever"
    assert "where requests or answers are kept all the same" in sealing


def test_what_is_sealed_is_told() -> None:
    in_spool = replace(_USUAL, recording=RecordingSettings(seal=True))
    assert "files of the database can" in _told(in_spool)[1]
    everywhere = replace(in_spool, database=DatabaseSettings(seal=True))
    assert _told(everywhere)[1] == "texts of calls are sealed in spool and database, with DASHCAM_MASTER_KEY"


def test_what_keys_of_the_store_and_single_calls_say_is_counted(dashcam: Command, record: Record) -> None:
    record(an_entry(metadata={EXPIRES: "2099-01-01T00:00:00.000Z"}), an_entry())
    assert dashcam("keys", "create", "--owner", "app", "--retention", "text=7d", "--record", "meta").code == 0
    findings = json.loads(dashcam("doctor", "--offline", "--json").out)
    (kept,) = [item["detail"] for item in findings if item["subject"] == "what is kept"]
    told = "for ever, 1 route or key otherwise, 1 call goes earlier, as their callers wished"
    assert kept == f"requests and answers (1 route or key of another depth); {told}"
    assert "retention" in [item["subject"] for item in findings]
