"""Defaults ← file ← .env ← environment ← flags; every mistake at once, with its place."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from proxy.errors import ConfigurationError
from proxy.resources import config_folder
from proxy.settings.layers import read_env_file
from proxy.settings.loading import load
from proxy.settings.values import Settings

DEFAULTS = config_folder() / "dashcam.toml"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no .env of whoever runs the tests."""
    for name in os.environ:
        if (
            name.startswith(("DASHCAM_", "OPENAI_", "OLLAMA_"))
            or name.endswith("_API_KEY")
            or name == "XDG_RUNTIME_DIR"
        ):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def loaded(folder: Path, toml: str = "", **values: Any) -> Settings:
    (folder / "c.toml").write_text(toml)
    flags = {"data_dir": str(folder / "data"), **values.pop("flags", {})}
    return load(defaults=DEFAULTS, config=str(folder / "c.toml"), flags=flags, **values)


def mistakes(folder: Path, toml: str = "", **values: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, toml, **values)
    return caught.value.problems


def test_nothing_has_to_be_configured(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert (found.server.host, found.server.port, found.recording.bodies) == ("127.0.0.1", 8484, True)
    assert [item.name for item in found.providers] == ["openai"]


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = "[server]\nport = 1001\nworkers = 2\n[limits]\nin_flight = 7"
    monkeypatch.setenv("DASHCAM_SERVER__PORT", "1002")
    monkeypatch.setenv("DASHCAM_WORKERS", "3")
    found = loaded(tmp_path, toml, flags={"server": {"port": 1003}})
    assert (found.server.port, found.server.workers, found.limits.in_flight) == (1003, 3, 7)
    assert found.limits.drain == loaded(tmp_path).limits.drain


def test_an_env_file_fills_what_the_environment_leaves_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DASHCAM_PORT=1004\nDASHCAM_WORKERS=5\nEMPTY\n# no\n")
    monkeypatch.setenv("DASHCAM_PORT", "1005")
    monkeypatch.setenv("DASHCAM_WORKERS", "")
    monkeypatch.delenv("DASHCAM_WORKERS")
    found = loaded(tmp_path)
    assert (found.server.port, found.server.workers) == (1005, 5)


def test_an_env_file_that_was_named_must_be_there() -> None:
    with pytest.raises(ConfigurationError, match=r"--env-file: nope\.env does not exist"):
        read_env_file("nope.env")


def test_lists_in_variables_are_separated_by_commas_or_blanks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_SERVER__ALLOWED_HOSTS", "a.example, b.example")
    monkeypatch.setenv("DASHCAM_UPSTREAM", "ollama=http://a:1,http://b:2/v1")
    found = loaded(tmp_path)
    assert found.server.allowed_hosts == ("a.example", "b.example")
    assert [item.base_url for item in found.providers] == ["http://a:1/v1", "http://b:2/v1"]
    monkeypatch.setenv("DASHCAM_SERVER__ALLOWED_HOSTS", '["a.example", "c.example"]')
    assert loaded(tmp_path).server.allowed_hosts == ("a.example", "c.example")
    monkeypatch.setenv("DASHCAM_SERVER__ALLOWED_HOSTS", "[::1],a.example")
    assert loaded(tmp_path).server.allowed_hosts == ("[::1]", "a.example")


@pytest.mark.parametrize("said", ['["email",', "[email]", '["email"] "phone"', "[" * 100_000])
def test_a_list_in_a_variable_that_is_no_json_is_told_with_the_variable_and_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("DASHCAM_REDACTION__PATTERNS", said)
    (told,) = mistakes(tmp_path)
    assert told.startswith("environment: DASHCAM_REDACTION__PATTERNS is no JSON list (")
    assert """write DASHCAM_REDACTION__PATTERNS='["one", "two"]', or DASHCAM_REDACTION__PATTERNS=one,two""" in told


def test_every_mistake_is_told_at_once_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_FOO", "1")
    monkeypatch.setenv("DASHCAM_LOG", "x")
    toml = """
        nonsense = 1
        [server]
        port = 0
        [limits]
        drain = inf
        [providers.v1]
        url = "http://x"
        [providers.a]
        url = "ftp://x"
        kind = "nobody"
        ca_file = "/nope"
        [providers.b]
        """
    found = mistakes(tmp_path, toml, upstreams=["c=nothing"])
    wanted = [
        "DASHCAM_FOO is not a setting", "DASHCAM_LOG is not a setting", "nonsense: is not a setting",
        "server.port: Input should be greater", "limits.drain: Input should be a finite number",
        "providers.v1: 'v1' is reserved", "providers.a.url: 'ftp://x' is no http", "providers.a.kind: this kind",
        "providers.a.ca_file: there is no such file", "providers.b.url: is missing",
        "providers.c: 'nothing' is no http",
    ]  # fmt: skip
    assert [word for word in wanted if not any(word in line for line in found)] == []
    assert len(found) == len(wanted)
    assert sum(str(tmp_path / "c.toml") in line for line in found) == 8


def test_a_section_is_no_value(tmp_path: Path) -> None:
    assert any("server is a section, not a value" in line for line in mistakes(tmp_path, "server = 5"))


@pytest.mark.parametrize(
    "content",
    [b"[server\n", b"\xff\xfe", b"a = " + b"9" * 5000, b"a = " + b"[" * 5000 + b"]" * 5000, None],
    ids=["torn", "bytes", "digits", "brackets", "missing"],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"broken\.toml"):
        load(defaults=DEFAULTS, config=str(path))


def test_a_header_that_may_be_a_secret_is_not_repeated(tmp_path: Path) -> None:
    toml = (
        '[providers.a]\nurl = "http://x"\n[providers.a.headers]\nX-Key = "sk-hidden\\nX: y"\n"bad name" = "sk-hidden"'
    )
    found = mistakes(tmp_path, toml)
    assert len(found) == 2
    assert "sk-hidden" not in "".join(found)


def test_a_wider_address_is_refused_with_what_to_set(tmp_path: Path) -> None:
    (told,) = mistakes(tmp_path, flags={"server": {"host": "0.0.0.0"}})
    for name in ("DASHCAM_ADMIN_TOKEN", "DASHCAM_PROXY_KEYS", "DASHCAM_SERVER__ALLOWED_HOSTS"):
        assert f"export {name}=" in told


def test_only_digests_of_our_keys_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, key = "t0ken-of-the-operator-9182736450xyz", "pr0xy-key-of-somebody-5463728190abc"
    monkeypatch.setenv("DASHCAM_ADMIN_TOKEN", token)
    (tmp_path / "keys").write_text(f"{key}\n")
    monkeypatch.setenv("DASHCAM_PROXY_KEYS_FILE", str(tmp_path / "keys"))
    found = loaded(tmp_path, "[server]\nhost = '0.0.0.0'\nallowed_hosts = ['x.example']")
    assert token not in repr(found)
    assert key not in repr(found)
    assert len(found.proxy_keys) == 1


def test_a_mistake_is_told_of_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_PORT", "x")
    flags = {"server": {"workers": 0}}
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, '[server]\nport = "y"\nalowed_hosts = []\n', flags=flags)
    told = sorted(line.partition(": I")[0].removeprefix(str(tmp_path)) for line in caught.value.problems)
    assert told == [
        "/c.toml: server.alowed_hosts: is not a setting (did you mean allowed_hosts?)",
        "environment: server.port",
        "flag: server.workers",
    ]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.one_of(st.floats(), st.integers(), st.text(max_size=8), st.booleans(), st.lists(st.integers(), max_size=2)))
def test_any_value_is_taken_or_told(tmp_path: Path, value: object) -> None:
    try:
        found = loaded(tmp_path, flags={"limits": {"drain": value}})
    except ConfigurationError as error:
        assert error.problems[0].startswith("flag: limits.drain: ")  # noqa: PT017 - either way is right
    else:
        assert math.isfinite(found.limits.drain)
        assert found.limits.drain >= 0


class TestWithoutConfiguration:
    """A key in the environment is all that must be said."""

    def test_a_provider_whose_key_is_set_is_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "secret").write_text("k\n")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        monkeypatch.setenv("GROQ_API_KEY_FILE", str(tmp_path / "secret"))
        monkeypatch.setenv("GOOGLE_API_KEY", "k")
        found = {item.name: item for item in loaded(tmp_path).providers}
        assert list(found) == ["openai", "anthropic", "google", "groq"]
        assert {item.source for item in found.values()} == {"environment"}
        assert found["google"].key_env == "GOOGLE_API_KEY"
        assert found["groq"].base_url == "https://api.groq.com/openai/v1"

    def test_whoever_names_providers_has_named_them_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        assert [item.name for item in loaded(tmp_path, upstreams=["http://127.0.0.1:9"]).providers] == ["upstream"]
        toml = '[providers.main]\nurl = "http://127.0.0.1:9"'
        assert [item.name for item in loaded(tmp_path, toml).providers] == ["main"]

    def test_azure_needs_its_endpoint_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
        assert [item.name for item in loaded(tmp_path).providers] == ["openai"]
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
        azure = loaded(tmp_path).providers[1]
        assert (azure.base_url, azure.root_url) == (
            "https://mine.openai.azure.com/openai/v1",
            "https://mine.openai.azure.com",
        )
        assert loaded(tmp_path, "[providers.azure]").providers == (replace(azure, source="configured"),)

    def test_a_kind_is_enough_in_a_file_and_in_a_flag(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, "[providers.ollama]").providers == loaded(tmp_path, upstreams=["ollama"]).providers
        toml = '[providers.fast]\nkind = "groq"'
        assert loaded(tmp_path, toml).providers[0].base_url == "https://api.groq.com/openai/v1"

    @pytest.mark.parametrize(
        ("own", "base", "kind"),
        [
            ("http://127.0.0.1:8484/v1", "https://api.openai.com/v1", "openai"),
            ("http://localhost:8484", "https://api.openai.com/v1", "openai"),
            ("http://localhost:9001/v1", "https://api.openai.com/v1", "openai"),
            ("https://eu.api.openai.com/v1", "https://eu.api.openai.com/v1", "openai"),
            ("http://10.0.0.7:4000/v1", "http://10.0.0.7:4000/v1", "custom"),
        ],
    )
    def test_an_own_base_address_is_followed_unless_it_is_ours(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, base: str, kind: str
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", own)
        (found,) = loaded(tmp_path, flags={"server": {"port": 9001}}).providers
        assert (found.name, found.base_url, found.kind, found.key_env) == ("openai", base, kind, "OPENAI_API_KEY")

    def test_an_own_base_address_that_is_none_is_a_mistake(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "nonsense")
        (told,) = mistakes(tmp_path)
        assert told.startswith("environment: OPENAI_BASE_URL: 'nonsense' is no http")


class TestTheSecondWay:
    """Outgoing proxies and HTTP/2."""

    def test_a_provider_may_ask_for_it(self, tmp_path: Path) -> None:
        toml = """
        [providers.a]
        url = "https://a.example"
        http2 = true
        [providers.b]
        url = "http://b.example"
        proxy = "socks5://127.0.0.1:1080/"
        proxy_auth_env = "PROXY_AUTH"
        """
        first, second = loaded(tmp_path, toml).providers
        assert (first.http2, first.proxy) == (True, None)
        assert (second.proxy, second.proxy_auth_env, second.http2) == ("socks5://127.0.0.1:1080", "PROXY_AUTH", False)

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ('proxy = "ftp://x"', "an outgoing proxy is"),
            ('proxy = "127.0.0.1:3128"', "an outgoing proxy is"),
            ('proxy = "http://x/path"', "an outgoing proxy is"),
            ('proxy = "http://x?key=a"', "neither blanks nor a query"),
            ('proxy = "http://x\\ty"', "neither blanks nor a query"),
            ('proxy = "http://user:secret@x"', "name their variable with proxy_auth_env"),
            ("http2 = true", "http2 = true needs an https address"),
        ],
    )
    def test_what_is_wrong_is_told_and_no_secret(self, tmp_path: Path, line: str, told: str) -> None:
        (found,) = mistakes(tmp_path, f'[providers.a]\nurl = "http://a.example"\n{line}')
        assert told in found
        assert "secret" not in found
