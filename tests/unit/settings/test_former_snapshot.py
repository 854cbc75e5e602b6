"""Until the store has been read, what the last snapshot had from it goes on beside what the settings say now."""

from __future__ import annotations

from dataclasses import replace

from proxy.domain.access import ProxyKey
from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.domain.snapshot import Snapshot
from proxy.settings.former_snapshot import with_former


def a_provider(name: str, source: str = "configured", **changes: object) -> Provider:
    url = f"https://{name}.example"
    return Provider(name=name, kind="custom", base_url=f"{url}/v1", root_url=url, source=source, **changes)  # type: ignore[arg-type]


def a_route(name: str, *providers: str) -> Route:
    return Route(model=name, targets=tuple(Target(provider=item) for item in providers))


BASE = Snapshot(revision=0, providers=(a_provider("openai"),), allowed_hosts=(), routes=(a_route("own", "openai"),))
LAST = replace(
    BASE,
    revision=7,
    providers=(a_provider("gone"), a_provider("acme", "catalogue", key_sealed="v1.x"), a_provider("ollama", "found")),
    routes=(a_route("own", "gone"), a_route("a", "acme"), a_route("o", "ollama"), a_route("n", "nobody")),
    keys=(ProxyKey(id="dck_1", digest="aa", is_peppered=True), ProxyKey(id="file", digest="bb")),
    key_pepper="cc",
    catalogue_revision=3,
)


def names(snapshot: Snapshot) -> list[str]:
    return [item.name for item in snapshot.providers]


def test_without_a_former_one_the_settings_and_what_was_found_are_all() -> None:
    found = a_provider("ollama", "found")
    assert with_former(BASE, None, keeps_sealed=True) == BASE
    assert names(with_former(BASE, None, keeps_sealed=True, found=(found,))) == ["openai", "ollama"]


def test_the_stores_part_goes_on_and_the_settings_part_does_not() -> None:
    made = with_former(BASE, LAST, keeps_sealed=True)
    assert names(made) == ["openai", "acme", "ollama"]
    assert [(route.model, route.targets[0].provider) for route in made.routes] == [
        ("own", "openai"), ("a", "acme"), ("o", "ollama")
    ]  # fmt: skip
    assert [key.id for key in made.keys] == ["dck_1"]
    assert (made.key_pepper, made.catalogue_revision, made.revision) == ("cc", 3, 0)


def test_a_server_of_this_machine_has_a_place_where_nobody_is_until_it_is_found_again() -> None:
    assert with_former(BASE, LAST, keeps_sealed=True).providers[2].is_away
    found = a_provider("ollama", "found")
    assert with_former(BASE, LAST, keeps_sealed=True, found=(found,)).providers[2] == found


def test_what_the_settings_name_by_now_is_theirs() -> None:
    base = replace(BASE, providers=(a_provider("openai"), a_provider("acme")), routes=(a_route("a", "openai"),))
    made = with_former(base, LAST, keeps_sealed=True)
    assert [item.source for item in made.providers if item.name == "acme"] == ["configured"]
    assert [route.targets[0].provider for route in made.routes if route.model == "a"] == ["openai"]


def test_sealed_keys_are_left_out_where_none_are_allowed() -> None:
    assert with_former(BASE, LAST, keeps_sealed=True).providers[1].key_sealed == "v1.x"
    assert with_former(BASE, LAST, keeps_sealed=False).providers[1].key_sealed is None


def test_of_a_snapshot_from_before_the_first_change_only_keys_go_on() -> None:
    made = with_former(BASE, replace(LAST, catalogue_revision=0), keeps_sealed=True)
    assert replace(made, keys=(), key_pepper="") == BASE
    assert [key.id for key in made.keys] == ["dck_1"]
