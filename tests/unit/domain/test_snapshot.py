"""A snapshot survives its file, and one of a format we do not know is refused."""

from __future__ import annotations

import json

import pytest

from proxy.domain.provider import Provider
from proxy.domain.snapshot import FORMAT, Snapshot, snapshot_from_mapping

PROVIDER = Provider(name="openai", kind="openai", base_url="https://api.example/v1", root_url="https://api.example")
SNAPSHOT = Snapshot(revision=7, providers=(PROVIDER,), proxy_keys={"ab": "k1"}, allowed_hosts=("here",))


def test_a_snapshot_survives_json() -> None:
    assert snapshot_from_mapping(json.loads(json.dumps(SNAPSHOT.to_mapping()))) == SNAPSHOT


def test_a_provider_is_found_by_its_name() -> None:
    assert SNAPSHOT.provider("openai") == PROVIDER
    assert SNAPSHOT.provider("other") is None


@pytest.mark.parametrize("format_", [FORMAT + 1, None, "1"])
def test_another_format_is_refused(format_: object) -> None:
    with pytest.raises(ValueError, match="snapshot format"):
        snapshot_from_mapping({**SNAPSHOT.to_mapping(), "format": format_})


@pytest.mark.parametrize("missing", ["revision", "providers", "proxy_keys", "allowed_hosts"])
def test_half_a_snapshot_is_refused(missing: str) -> None:
    values = SNAPSHOT.to_mapping()
    del values[missing]
    with pytest.raises(ValueError, match="incomplete"):
        snapshot_from_mapping(values)
