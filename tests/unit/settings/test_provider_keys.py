"""Keys come from variables, from files that change, and out of what the store has sealed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.provider import Provider
from proxy.settings.credentials import master_key_of
from proxy.settings.provider_keys import ProviderKeys
from proxy.settings.provider_secret import seal

MASTER, OTHER = "k3Y9" * 10 + "abc", "p7Q2" * 10 + "xyz"
URL = "https://a.example/v1"
PLAIN = Provider(name="plain", kind="custom", base_url=URL, root_url=URL, key_env="PLAIN_KEY")
SEALED = replace(PLAIN, name="sealed", key_env=None, key_sealed=seal("sk-sealed", "sealed", URL, master_key_of(MASTER)))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIN_KEY", "sk-plain")
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)


def test_a_sealed_key_is_opened_with_any_of_the_master_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", f"{OTHER},{MASTER}")
    keys = ProviderKeys([PLAIN, SEALED])
    assert keys.found == {"plain": b"sk-plain", "sealed": b"sk-sealed"}
    assert keys.unusable == {}


@pytest.mark.parametrize("master", [None, OTHER, "/nowhere"])
def test_without_its_master_key_only_that_provider_is_unusable(
    master: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASHCAM_MASTER_KEY")
    if master == "/nowhere":
        monkeypatch.setenv("DASHCAM_MASTER_KEY_FILE", master)
    elif master is not None:
        monkeypatch.setenv("DASHCAM_MASTER_KEY", master)
    keys = ProviderKeys([PLAIN, SEALED])
    assert keys.found == {"plain": b"sk-plain"}
    assert "DASHCAM_MASTER_KEY" in keys.unusable["sealed"]
    assert MASTER not in keys.unusable["sealed"]
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)
    monkeypatch.delenv("DASHCAM_MASTER_KEY_FILE", raising=False)
    keys.use([PLAIN, SEALED])
    assert keys.found["sealed"] == b"sk-sealed"
    assert keys.unusable == {}


@pytest.mark.parametrize(
    "moved",
    [
        replace(SEALED, base_url="https://b.example/v1"),
        replace(SEALED, base_url="http://a.example/v1"),
        replace(SEALED, base_url="https://a.example:8443/v1"),
        replace(SEALED, name="another"),
        replace(SEALED, key_sealed="v1.00"),
        replace(SEALED, key_sealed=f"{SEALED.key_sealed}"[:-8] + "AAAAAAA="),
    ],
)
def test_put_beside_another_address_it_does_not_open(moved: Provider) -> None:
    """Also not where it had been opened for its own before."""
    keys = ProviderKeys([SEALED])
    keys.use([moved])
    assert keys.found == {}
    assert list(keys.unusable) == [moved.name]


def test_what_was_opened_stays_open_while_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ProviderKeys([SEALED])
    monkeypatch.delenv("DASHCAM_MASTER_KEY")
    keys.use([PLAIN, SEALED])
    assert keys.found["sealed"] == b"sk-sealed"


def test_a_key_file_is_read_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("sk-first\n")
    monkeypatch.setenv("PLAIN_KEY_FILE", str(file))
    keys = ProviderKeys([PLAIN])
    assert not keys.has_changed()
    file.write_text("sk-second-one\n")
    assert keys.has_changed()
    keys.use([PLAIN])
    assert (keys.found, keys.has_changed()) == ({"plain": b"sk-second-one"}, False)
    file.unlink()
    assert keys.has_changed()
    keys.use([PLAIN])
    assert (keys.found, keys.unusable) == ({"plain": b"sk-second-one"}, {})


def test_a_file_that_was_never_there_makes_its_provider_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIN_KEY_FILE", "/nowhere/key")
    keys = ProviderKeys([PLAIN])
    assert keys.found == {}
    assert "/nowhere/key" in keys.unusable["plain"]
    assert "sk-" not in repr(ProviderKeys([SEALED]))


def test_a_file_of_master_keys_that_comes_later_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "master"
    file.write_text(OTHER)
    monkeypatch.delenv("DASHCAM_MASTER_KEY")
    monkeypatch.setenv("DASHCAM_MASTER_KEY_FILE", str(file))
    keys = ProviderKeys([PLAIN, SEALED])
    assert (list(keys.unusable), keys.has_changed()) == (["sealed"], False)
    file.write_text(f"{OTHER}\n{MASTER}\n")
    assert keys.has_changed()
    keys.use([PLAIN, SEALED])
    assert (keys.found["sealed"], keys.unusable, keys.has_changed()) == (b"sk-sealed", {}, False)
