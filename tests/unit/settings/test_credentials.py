"""Secrets come from variables or files, an empty one is none, and only digests leave."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from proxy.errors import ConfigurationError
from proxy.settings.addresses import provider_of
from proxy.settings.credentials import key_digests, provider_keys, read_secret


def test_a_file_is_read_before_the_variable(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("  from-file\n")
    assert read_secret("S", {"S": "from-variable", "S_FILE": str(path)}) == "from-file"
    assert read_secret("S", {"S": " from-variable "}) == "from-variable"


@pytest.mark.parametrize("values", [{}, {"S": ""}, {"S": "  "}, {"S_FILE": ""}])
def test_an_empty_secret_is_none(values: dict[str, str]) -> None:
    assert read_secret("S", values) is None


def test_an_empty_file_is_none_and_a_missing_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("\n")
    assert read_secret("S", {"S_FILE": str(tmp_path / "s")}) is None
    with pytest.raises(ConfigurationError, match="S_FILE"):
        read_secret("S", {"S_FILE": str(tmp_path / "none")})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="S_FILE"):
        read_secret("S", {"S_FILE": str(tmp_path / "binary")})


def test_each_provider_has_the_key_of_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    providers = [provider_of(name, "http://x") for name in ("openai", "groq", "ollama")]
    assert provider_keys(providers) == {"openai": b"sk-one"}


def test_keys_are_separated_by_anything_and_known_by_their_digest() -> None:
    wanted = {hashlib.sha256(key).hexdigest() for key in (b"a", b"b", b"c")}
    assert set(key_digests("a,b c\n")) == wanted
    assert key_digests(None) == key_digests(" , ") == {}
