"""A snapshot survives its file, the format before is read, and one of a format we do not know is refused."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.domain.access import Limits, ProxyKey
from proxy.domain.model import Model
from proxy.domain.prompt import PublishedPrompt, PublishedVersion
from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.domain.snapshot import FORMAT, Snapshot, snapshot_from_mapping

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values_of_json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=4
)
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


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where every value in a decoded JSON text is."""
    if place:
        yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield from places(item, (*place, name))


PLAIN = json.loads(json.dumps(SNAPSHOT.to_mapping()))


@given(place=st.sampled_from(list(places(PLAIN))), other=values_of_json)
@example(place=("providers",), other=[])
@example(place=("keys", 0), other="x")
def test_a_damaged_one_is_refused_or_read_and_nothing_else(place: tuple[Any, ...], other: object) -> None:
    """A gateway refuses a snapshot by ``ValueError``; anything else would end it."""
    damaged = copy.deepcopy(PLAIN)
    parent = functools.reduce(lambda value, name: value[name], place[:-1], damaged)
    parent[place[-1]] = other
    with contextlib.suppress(ValueError):
        assert snapshot_from_mapping(damaged).providers
