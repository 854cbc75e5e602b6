"""What a catalogue is checked against, taken from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.catalogue.surroundings import surroundings_of
from proxy.resources import config_folder
from proxy.settings.addresses import provider_of
from proxy.settings.loading import load

TOML = """
[providers.main]
url = "https://main.example"
[[routes]]
model = "fast"
targets = ["main"]
[admin]
allow_private_upstreams = ["10.0.0.0/8", "gpu.lan"]
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_settings_say_what_is_there_and_what_is_allowed() -> None:
    Path("c.toml").write_text(TOML)
    settings = load(defaults=config_folder() / "dashcam.toml", config="c.toml")
    seen = provider_of("ollama", "http://127.0.0.1:11434", source="found")
    found = surroundings_of(settings, (seen, provider_of("main", "http://127.0.0.1:5", source="found")))
    assert [found.origin(name) for name in ("main", "ollama", "nobody")] == ["file", "found", None]
    assert [found.has_route(name) for name in ("fast", "slow")] == [True, False]
    assert (found.allow_private, found.key_prefixes) == (("10.0.0.0/8", "gpu.lan"), ("PROVIDER_KEY_",))
    assert (found.port, found.hosts[0]) == (8484, "127.0.0.1")
