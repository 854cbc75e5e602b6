"""The settings as resolved: frozen, and the same after their way to the child processes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.provider import Provider
from proxy.settings.values import (
    LimitSettings,
    LogSettings,
    RecordingSettings,
    ServerSettings,
    Settings,
    settings_from_mapping,
)

SECTIONS = (ServerSettings(), RecordingSettings(), LimitSettings(), LogSettings())
WORDS = st.text("abc./:é", max_size=8)
SECONDS = st.floats(min_value=0, allow_infinity=False, allow_nan=False)
SIZES = st.integers(0, 2**63 - 1)
PROVIDERS = st.builds(
    Provider, name=WORDS, kind=WORDS, base_url=WORDS, root_url=WORDS, key_env=st.none() | WORDS,
    models=st.lists(WORDS).map(tuple), headers=st.lists(st.tuples(WORDS, WORDS)).map(tuple), idle_timeout=SECONDS,
)  # fmt: skip
SETTINGS = st.builds(
    Settings,
    data_dir=WORDS,
    run_dir=WORDS,
    server=st.builds(ServerSettings, host=WORDS, port=SIZES, allowed_hosts=st.lists(WORDS).map(tuple)),
    recording=st.builds(RecordingSettings, bodies=st.booleans(), max_body_bytes=SIZES, sync_interval=SECONDS),
    limits=st.builds(LimitSettings, body_bytes=SIZES, drain=SECONDS),
    log=st.builds(LogSettings, level=WORDS, file=st.none() | WORDS),
    providers=st.lists(PROVIDERS, max_size=3).map(tuple),
    proxy_keys=st.dictionaries(WORDS, WORDS, max_size=3),
    admin_token_sha256=st.none() | WORDS,
)


@given(SETTINGS)
def test_the_child_processes_get_what_was_resolved(settings: Settings) -> None:
    assert settings_from_mapping(orjson.loads(orjson.dumps(settings.to_mapping()))) == settings


def test_what_a_mapping_leaves_out_is_the_default() -> None:
    found = settings_from_mapping({"data_dir": "/d", "run_dir": "/r", "server": {"port": 1}})
    assert found == Settings(data_dir="/d", run_dir="/r", server=ServerSettings(port=1))


def test_what_another_release_wrote_and_we_do_not_know_is_left_out() -> None:
    found = settings_from_mapping({"data_dir": "/d", "run_dir": "/r", "gone": 1, "server": {"port": 1, "gone": 2}})
    assert found == Settings(data_dir="/d", run_dir="/r", server=ServerSettings(port=1))


@pytest.mark.parametrize(
    "section", [*SECTIONS, Settings(data_dir="/d", run_dir="/r")], ids=lambda it: type(it).__name__
)
def test_nothing_changes_after_the_start(section: ServerSettings) -> None:
    for item in dataclasses.fields(section):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(section, item.name, None)


def test_what_lasts_is_in_the_data_folder_and_what_does_not_in_the_run_folder() -> None:
    found = Settings(data_dir="/d", run_dir="/r")
    assert {found.database.path.parent, found.spool_dir.parent, found.snapshot_path.parent} == {Path("/d")}
    assert {found.control_socket.parent, found.pages_dir.parent} == {Path("/r")}


def test_without_being_told_only_this_machine_is_served_and_nothing_is_open_to_others() -> None:
    found = Settings(data_dir="/d", run_dir="/r")
    assert (found.server.host, found.server.allowed_hosts) == ("127.0.0.1", ())
    assert (found.providers, dict(found.proxy_keys), found.admin_token_sha256) == ((), {}, None)
