"""A snapshot survives its file, the format before is read, and one of a format we do not know is refused."""

from __future__ import annotations

import json

import pytest

from proxy.domain.access import Limits, ProxyKey
from proxy.domain.model import Model
from proxy.domain.prompt import PublishedPrompt, PublishedVersion
from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.domain.snapshot import FORMAT, Snapshot, snapshot_from_mapping

LIMITS = Limits(requests_per_minute=60, concurrent=2)
PROVIDER = Provider(
    name="openai", kind="openai", base_url="https://api.example/v1", root_url="https://api.example", limits=LIMITS,
    key_sealed="v1.abc", default_model="gpt", max_tokens=100,
)  # fmt: skip
ROUTE = Route(
    model="summarise", targets=(Target(provider="openai", model="gpt"),), defaults=(("temperature", "0.2"),),
    forced=(("seed", "1"),), prompt="tone@production", recording="meta", on_client_gone="drain",
)  # fmt: skip
SNAPSHOT = Snapshot(
    revision=7,
    providers=(PROVIDER,),
    allowed_hosts=("here",),
    keys=(ProxyKey(id="k1", digest="ab", is_peppered=True, expires_at=9, routes=("summ*",), limits=LIMITS),),
    key_pepper="cd",
    requires_key=True,
    routes=(ROUTE,),
    models=(Model(provider="openai", name="gpt", defaults=(("top_p", "1"),), max_output_tokens=5),),
    prompts=(
        PublishedPrompt(
            name="tone", versions=(PublishedVersion(number=1, sha256="ef", name="1.1"),), labels=(("production", 1),)
        ),
    ),
    catalogue_revision=12,
)


def test_a_snapshot_survives_json() -> None:
    assert snapshot_from_mapping(json.loads(json.dumps(SNAPSHOT.to_mapping()))) == SNAPSHOT


def test_a_provider_is_found_by_its_name() -> None:
    assert SNAPSHOT.provider("openai") == PROVIDER
    assert SNAPSHOT.provider("other") is None


def test_the_highest_number_is_the_latest() -> None:
    numbers = tuple(PublishedVersion(number=number, sha256="") for number in (2, 3, 1))
    assert PublishedPrompt(name="tone", versions=numbers).latest == 3
    assert PublishedPrompt(name="tone", versions=()).latest == 0


def test_the_format_before_is_read() -> None:
    values = SNAPSHOT.to_mapping()
    former = {name: values[name] for name in ("revision", "providers", "allowed_hosts")}
    found = snapshot_from_mapping({**former, "format": 1, "proxy_keys": {"ab": "k1"}})
    assert (found.keys, found.requires_key) == ((ProxyKey(id="k1", digest="ab"),), True)
    assert not snapshot_from_mapping({**former, "format": 1, "proxy_keys": {}}).requires_key


@pytest.mark.parametrize("format_", [FORMAT + 1, None, "1"])
def test_another_format_is_refused(format_: object) -> None:
    with pytest.raises(ValueError, match="snapshot format"):
        snapshot_from_mapping({**SNAPSHOT.to_mapping(), "format": format_})


@pytest.mark.parametrize("missing", ["revision", "providers", "keys", "requires_key", "allowed_hosts"])
def test_half_a_snapshot_is_refused(missing: str) -> None:
    values = SNAPSHOT.to_mapping()
    del values[missing]
    with pytest.raises(ValueError, match="incomplete"):
        snapshot_from_mapping(values)
