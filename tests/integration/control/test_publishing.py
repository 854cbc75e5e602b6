"""The snapshot is made in one place, out of all its sources, and lasts while the store is away."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.control.listing import Listing
from proxy.control.prompt_files import PromptFiles
from proxy.control.publishing import Publisher
from proxy.domain.access import ProxyKey
from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.pricing.current import open_price_list
from proxy.prompting.version import canonical
from proxy.settings.credentials import master_key_of
from proxy.settings.provider_secret import seal
from proxy.settings.snapshot import load
from proxy.settings.values import SecretSettings, Settings
from proxy.spool.page import Page
from proxy.store.catalogue.provider_secrets import ProviderSecret
from proxy.store.catalogue.state import CatalogueState

OPENAI = Provider(name="openai", kind="openai", base_url="https://api.openai.com/v1", root_url="https://api.openai.com")
URL = "https://api.acme.example/v1"
MASTER = "k3Y9" * 10
CONTENT = {"messages": [{"role": "user", "content": "hi"}]}
HASH = hashlib.sha256(canonical(CONTENT)).hexdigest()


def settings(folder: Path, **changes: object) -> Settings:
    return Settings(data_dir=str(folder), run_dir=str(folder / "run"), providers=(OPENAI,), **changes)  # type: ignore[arg-type]


def a_catalogue() -> Catalogue:
    version = {"number": 1, "sha256": HASH, "made_at": "2026-11-01T12:00:00Z"}
    return catalogue_from_mapping({
        "format": 1,
        "providers": [{"name": "acme", "kind": "custom", "base_url": URL}],
        "models": [{"provider": "acme", "name": "own-1", "defaults": {"temperature": 0.2}}],
        "routes": [{"name": "summarise", "targets": ["acme/own-1"], "prompt": "short"}],
        "prompts": [{"name": "short", "versions": [version]}],
    })  # fmt: skip


STATE = CatalogueState(
    catalogue=a_catalogue(),
    revision=7,
    proxy_keys=(ProxyKey(id="dck_1", digest="cd" * 32, is_peppered=True),),
    pepper="ee" * 32,
    contents={HASH: CONTENT},
)


def names(snapshot: Snapshot) -> list[str]:
    return [item.name for item in snapshot.providers]


def test_all_sources_are_put_together(tmp_path: Path) -> None:
    publisher = Publisher(settings(tmp_path))
    assert names(publisher.snapshot) == ["openai"]
    publisher.listed({"openai": Listing(("gpt",), ())})
    found = Provider(
        name="ollama", kind="ollama", base_url="http://127.0.0.1:1/v1", root_url="http://127.0.0.1:1", source="found"
    )
    publisher.found((found,))
    published = publisher.use(lambda: STATE)
    assert names(published) == ["openai", "acme", "ollama"]
    assert [item.models for item in published.providers] == [("gpt",), ("own-1",), ()]
    assert [item.model for item in published.routes] == ["summarise"]
    assert (published.keys, published.key_pepper, published.catalogue_revision) == (STATE.proxy_keys, "ee" * 32, 7)
    assert load(tmp_path / "snapshot.json") == published


def test_the_catalogue_s_prices_are_there_for_whoever_charges(tmp_path: Path) -> None:
    publisher, folder = Publisher(settings(tmp_path)), settings(tmp_path).prices_dir
    price = {"model": "own-1", "provider": "acme", "rates": {"input_mtok": "0.1"}}
    catalogue = catalogue_from_mapping({**a_catalogue().to_mapping(), "prices": [price]})
    publisher.use(lambda: replace(STATE, catalogue=catalogue))
    (rule,) = open_price_list(folder, None).own.rules
    assert (rule.provider, rule.rates, rule.source) == ("acme", (("input_mtok", "0.1"),), "catalogue")
    publisher.use(lambda: STATE)
    assert open_price_list(folder, None).own.rules == ()


def test_a_list_and_the_catalogue_s_own_models_stand_side_by_side(tmp_path: Path) -> None:
    publisher = Publisher(settings(tmp_path))
    publisher.use(lambda: STATE)
    published = publisher.listed({"acme": Listing(("a", "b"), ()), "nobody": Listing(("x",), ())})
    assert published.providers[1].models == ("a", "b", "own-1")


def test_what_is_the_same_is_not_published_again(tmp_path: Path) -> None:
    publisher = Publisher(settings(tmp_path))
    first = publisher.use(lambda: STATE).revision
    assert publisher.use(lambda: STATE).revision == first


def test_a_start_without_the_database_serves_as_before(tmp_path: Path) -> None:
    Publisher(settings(tmp_path)).use(lambda: STATE)
    before = load(tmp_path / "snapshot.json")
    again = Publisher(settings(tmp_path))
    assert again.state is None
    assert again.snapshot == before
    assert names(again.use(CatalogueState)) == ["openai"]


def test_the_contents_of_prompts_are_there_before_a_snapshot_names_them(tmp_path: Path) -> None:
    publisher = Publisher(settings(tmp_path))
    assert publisher.files.missing([HASH]) == {HASH}
    publisher.use(lambda: STATE)
    path = tmp_path / "prompts" / f"{HASH}.json"
    assert orjson.loads(path.read_bytes()) == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert publisher.files.missing([HASH]) == set()


def test_contents_that_nothing_names_are_removed_after_a_day(tmp_path: Path) -> None:
    files = PromptFiles(tmp_path / "prompts")
    files.keep(())
    files.write({HASH: CONTENT, "cd" * 32: CONTENT, "ef" * 32: CONTENT})
    for name in (HASH, "cd" * 32):
        os.utime(tmp_path / "prompts" / f"{name}.json", (1.0, 1.0))
    files.keep({HASH})
    assert set(os.listdir(tmp_path / "prompts")) == {f"{HASH}.json", f"{'ef' * 32}.json"}


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"messages": []}'])
def test_a_content_that_was_damaged_is_written_anew(tmp_path: Path, damaged: bytes) -> None:
    publisher = Publisher(settings(tmp_path))
    publisher.use(lambda: STATE)
    path = tmp_path / "prompts" / f"{HASH}.json"
    whole = path.read_bytes()
    path.write_bytes(damaged)
    assert publisher.damage() == [f"the prompt content {path}"]
    publisher.use(lambda: STATE)
    assert path.read_bytes() == whole
    assert publisher.damage() == []


@pytest.mark.parametrize("damaged", [b"", b"[]", None])
def test_a_snapshot_that_was_damaged_is_published_again_under_a_higher_number(
    tmp_path: Path, damaged: bytes | None
) -> None:
    publisher = Publisher(settings(tmp_path))
    before, path = publisher.use(lambda: STATE), tmp_path / "snapshot.json"
    path.unlink()
    if damaged is not None:
        path.write_bytes(damaged)
    assert publisher.damage() == [f"the snapshot {path}"]
    assert publisher.publish_again() == load(path) == replace(before, revision=before.revision + 1)
    assert publisher.damage() == []


def test_nothing_worse_is_put_in_the_place_of_a_damaged_snapshot_before_the_database_is_read(tmp_path: Path) -> None:
    """Gateways that run have the last good one; a control that is started anew knows none, only what they show."""
    path = tmp_path / "snapshot.json"
    page = Page.create(settings(tmp_path).pages_dir / "a-0.page", "a", 0)
    page.set(Page.SNAPSHOT_REVISION, 41)
    path.write_bytes(b"{")
    publisher = Publisher(settings(tmp_path))
    publisher.listed({"openai": Listing(("gpt",), ())})
    assert path.read_bytes() == b"{"
    assert publisher.use(lambda: STATE).revision == load(path).revision == 42


def test_a_sealed_key_opens_for_asking_and_one_that_does_not_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)
    sealed = seal("sk-acme", "acme", URL, master_key_of(MASTER))
    secret = ProviderSecret(provider="acme", sealed=sealed, origin="", last4="", changed_at="")
    publisher = Publisher(settings(tmp_path))
    state = CatalogueState(catalogue=a_catalogue(), revision=1, secrets={"acme": secret}, contents={HASH: CONTENT})
    publisher.use(lambda: state)
    assert publisher.keys() == {"acme": b"sk-acme"}
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER[::-1])
    assert publisher.keys() == {}


def test_without_sealed_keys_none_of_the_database_is_used(tmp_path: Path) -> None:
    sealed = seal("sk-acme", "acme", URL, master_key_of(MASTER))
    secret = ProviderSecret(provider="acme", sealed=sealed, origin=URL, last4="", changed_at="")
    state = replace(STATE, secrets={"acme": secret})
    allowed = Publisher(settings(tmp_path)).use(lambda: state)
    assert allowed.providers[1].key_sealed == sealed
    off = settings(tmp_path, secrets=SecretSettings(sealed=False))
    publisher = Publisher(off)
    assert publisher.snapshot.providers[1].key_sealed is None, "before the database is open"
    assert publisher.use(lambda: state).providers[1].key_sealed is None
