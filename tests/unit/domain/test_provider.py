"""Providers travel as JSON in the snapshot and come back the same."""

from __future__ import annotations

import json
from dataclasses import asdict

from proxy.domain.provider import INJECTING_KINDS, KNOWN_KINDS, LOCAL_KINDS, Provider, provider_from_mapping

PROVIDER = Provider(
    name="home",
    kind="vllm",
    base_url="http://[::1]:8000/v1",
    root_url="http://[::1]:8000",
    models=("a", "b/c"),
    headers=(("X-Team", "one"), ("X-Team", "two")),
)


def test_a_provider_survives_json() -> None:
    assert provider_from_mapping(json.loads(json.dumps(asdict(PROVIDER)))) == PROVIDER


def test_members_of_a_newer_release_are_ignored() -> None:
    assert provider_from_mapping({**asdict(PROVIDER), "weight": 3}) == PROVIDER


def test_the_host_is_read_from_the_base_address() -> None:
    assert PROVIDER.host == "::1"


def test_what_runs_at_home_is_local() -> None:
    assert PROVIDER.is_local
    assert not provider_from_mapping({**asdict(PROVIDER), "kind": "openai"}).is_local


def test_special_kinds_are_known_kinds() -> None:
    assert set(KNOWN_KINDS) >= LOCAL_KINDS | INJECTING_KINDS
