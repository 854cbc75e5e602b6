"""The snapshot's file: whole or not there, and a revision that grows only with a change."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest

from proxy.domain.access import ProxyKey
from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.settings.snapshot import base_snapshot, load, load_or_none, publish
from proxy.settings.values import ServerSettings, Settings

PROVIDER = Provider(
    name="openai", kind="openai", base_url="https://api.openai.com/v1", root_url="https://api.openai.com",
    models=("a", "b"), headers=(("x-team", "one"),),
)  # fmt: skip
KEY = ProxyKey(id="abababab", digest="ab" * 32)
SNAPSHOT = Snapshot(revision=0, providers=(PROVIDER,), keys=(KEY,), requires_key=True, allowed_hosts=("127.0.0.1",))


def settings(host: str, *allowed: str) -> Settings:
    server = ServerSettings(host=host, allowed_hosts=allowed)
    return Settings(data_dir="/nowhere", run_dir="/nowhere", server=server, providers=(PROVIDER,))


def test_what_is_published_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "data" / "snapshot.json"
    published = publish(path, SNAPSHOT)
    assert load(path) == published == dataclasses.replace(SNAPSHOT, revision=1)


def test_the_revision_grows_only_with_a_change(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    first = publish(path, SNAPSHOT)
    before = path.stat().st_mtime_ns
    assert publish(path, SNAPSHOT) == first
    assert path.stat().st_mtime_ns == before
    changed = dataclasses.replace(SNAPSHOT, record_bodies=False)
    assert publish(path, changed).revision == 2
    assert publish(path, SNAPSHOT).revision == 3


def test_the_file_is_its_owners_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    publish(path, SNAPSHOT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": 99}', b'{"format": 1, "revision": "x"}', b"\xff"])
def test_a_damaged_file_is_none_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(data)
    assert load_or_none(path) is None
    assert publish(path, SNAPSHOT, above=7).revision == 8
    assert publish(path, SNAPSHOT, above=7).revision == 8


def test_members_of_a_newer_minor_version_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    publish(path, SNAPSHOT)
    path.write_bytes(path.read_bytes().replace(b'"format"', b'"newer": [1], "format"'))
    assert load(path).providers == (PROVIDER,)


def test_the_bound_address_may_be_asked_for_as_it_is_written() -> None:
    assert base_snapshot(settings("127.0.0.1")).allowed_hosts == ("127.0.0.1",)
    assert base_snapshot(settings("::1")).allowed_hosts == ("[::1]",)


def test_every_address_is_no_name() -> None:
    assert base_snapshot(settings("0.0.0.0", "llm.example")).allowed_hosts == ("llm.example",)
    assert base_snapshot(settings("::", "llm.example")).allowed_hosts == ("llm.example",)


@pytest.mark.parametrize(
    ("host", "keys", "said", "is_required"),
    [
        ("127.0.0.1", {}, "auto", False),
        ("localhost", {}, "auto", False),
        ("127.0.0.1", {"ab": "k1"}, "auto", True),
        ("127.0.0.1", {}, "always", True),
        ("0.0.0.0", {}, "auto", True),
    ],
)
def test_a_key_is_required_where_one_is_set_or_others_can_call(
    host: str, keys: dict[str, str], said: str, is_required: bool
) -> None:
    server = ServerSettings(host=host, require_key=said)
    made = Settings(data_dir="/d", run_dir="/r", server=server, proxy_keys=keys)
    assert base_snapshot(made).requires_key == is_required
