"""Values that a Postgres has and a driver gives as objects: dashcam sql prints them as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli.sql import run
from proxy.settings.values import Settings
from tests.support.postgres import Databases

_STATEMENT = (
    'SELECT \'["eu"]\'::jsonb AS tags, \'{"team": "eu", "n": 99999999999999999999}\'::jsonb AS metadata, '
    "array[1.50, NULL] AS amounts, array['2026-11-27'::date] AS days, array['\\xff'::bytea] AS bytes"
)


@pytest.fixture
def settings(postgres: Databases, tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path), database=postgres.cleared())


def test_lists_and_objects_are_json_in_a_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    run(settings, _STATEMENT, 10, 5.0, as_json=False)
    assert capsys.readouterr().out.splitlines()[1].split("\t") == [
        '["eu"]', '{"n":"99999999999999999999","team":"eu"}', '["1.50",null]', '["2026-11-27"]', '["\\\\xff"]',
    ]  # fmt: skip


def test_what_stands_in_lists_and_objects_has_the_form_it_has_alone(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run(settings, _STATEMENT, 10, 5.0, as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {
            "tags": ["eu"],
            "metadata": {"team": "eu", "n": "99999999999999999999"},
            "amounts": ["1.50", None],
            "days": ["2026-11-27"],
            "bytes": ["\\xff"],
        }
    ]
