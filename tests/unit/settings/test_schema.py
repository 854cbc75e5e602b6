"""What people may write, the whole way: a value where it belongs, or a mistake that says what is allowed.

Nothing that may be a secret is repeated, whatever is wrong with it, and the documents name what exists.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from proxy.errors import ConfigurationError
from proxy.resources import config_folder
from proxy.settings.folders import data_folder, run_folder
from proxy.settings.layers import ALIASES, OTHERS, read_env_file
from proxy.settings.loading import load
from proxy.settings.schema import SettingsFile
from proxy.settings.values import Settings
from tests.support.checkout import ROOT

DEFAULTS = config_folder() / "dashcam.toml"
TEMPLATE = (ROOT / ".env.template").read_text()
DOCUMENTED = dict(re.findall(r"^# (DASHCAM_\w+)=(.*)$", TEMPLATE, re.MULTILINE))
STRONG = "t0ken-of-the-operator-9182736450-xyz"
HIDDEN = "hunter2"
OTHER_WORDS = {
    "DASHCAM_RETENTION__ARCHIVE_FORMAT": "parquet",
    "DASHCAM_SERVER__REQUIRE_KEY": "always",
    "DASHCAM_SERVER__HOST": "localhost",
    "DASHCAM_SERVER__ALLOWED_HOSTS": "a.example",
    "DASHCAM_ADMIN__ALLOW_PRIVATE_UPSTREAMS": "10.0.0.0/8",
    "DASHCAM_ADMIN__KEY_PREFIXES": "SECRET_OF_",
    "DASHCAM_DATABASE__URL": "postgresql://kim@db.example/calls",
    "DASHCAM_DATABASE__READ_URL": "postgresql://kim@replica.example/calls",
    "DASHCAM_DATABASE__AUTO_MIGRATE": "yes",
    "DASHCAM_RECORDING__MODE": "process",
    "DASHCAM_RECORDING__DEPTH": "meta",
    "DASHCAM_REDACTION__PATTERNS": "email",
    "DASHCAM_RECORDING__ON_FULL": "drop",
    "DASHCAM_RETENTION__TEXT": "7d",
    "DASHCAM_RETENTION__METADATA": "30d",
    "DASHCAM_RETENTION__ERRORS": "90d",
    "DASHCAM_RETENTION__MAX_SIZE": "50GB",
    "DASHCAM_LOG__LEVEL": "debug",
    "DASHCAM_LOG__FORMAT": "json",
    "DASHCAM_LOG__FILE": "x.log",
    "DASHCAM_PRICES__URL": "https://prices.example/data.json",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No variable and no .env of whoever runs the tests, and none left behind."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("DASHCAM_", "XDG_")):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


def loaded(toml: str = "", **values: Any) -> Settings:
    Path("c.toml").write_text(toml)
    return load(defaults=DEFAULTS, config="c.toml", **values)


def mistakes(toml: str = "", **values: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(toml, **values)
    return caught.value.problems


def keys_of(section: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, item in section.model_fields.items():
        inner = item.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys_of(inner, f"{before}{name}.")
        elif before + name not in ("providers", "redaction.own", "retention.routes", "retention.keys"):
            yield before + name


def other_than(name: str, default: str) -> object:
    if name in OTHER_WORDS:
        return OTHER_WORDS[name]
    if not default:
        return f"/other/{name}"
    return not json.loads(default) if default in ("true", "false") else json.loads(default) + 1


# Routes, like providers, are tables of their own: a file says them.
READ_AS = {"7d": 604_800, "30d": 2_592_000, "90d": 7_776_000, "50GB": 50_000_000_000}
SETTINGS = sorted(set(keys_of(SettingsFile)) - {"routes"})
VARIABLES = {f"DASHCAM_{key.upper().replace('.', '__')}": key for key in SETTINGS}


def test_the_template_names_every_setting_and_nothing_that_does_not_exist() -> None:
    others = {f"DASHCAM_{name}" for name in OTHERS}
    assert set(VARIABLES) <= set(DOCUMENTED) <= set(VARIABLES) | others


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_of_the_template_sets_what_it_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA")
    value = other_than(name, DOCUMENTED[name])
    Path(".env").write_text(f"{name}={str(value).lower() if isinstance(value, bool) else value}\n")
    # There is a replica, and months, with a Postgres only.
    needs_postgres = name.endswith(("READ_URL", "KEEP_MONTHS"))
    needs_metadata = name.endswith("__ERRORS")
    document = '[retention]\nmetadata = "1d"' if needs_metadata else ""
    found: Any = loaded('[database]\nurl = "postgresql://db.example"' if needs_postgres else document)
    for key in VARIABLES[name].split("."):
        found = getattr(found, key)
    value = READ_AS.get(str(value), value)
    assert found == ((value,) if isinstance(found, tuple) else value)


@pytest.mark.parametrize("path", ["README.md", "SECURITY.md", ".env.template", "config/dashcam.toml"])
def test_no_document_names_a_variable_that_does_not_exist(path: str) -> None:
    known = {*VARIABLES, "DASHCAM_SECTION__KEY", *(f"DASHCAM_{name}" for name in (*OTHERS, *ALIASES))}
    assert set(re.findall(r"\bDASHCAM_[A-Z_]+\b", (ROOT / path).read_text())) <= known


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("server.port", "65536", "less than or equal to 65535"),
        ("server.port", '"http"', "valid integer"),
        ("server.workers", "65", "less than or equal to 64"),
        ("server.host", '""', "at least 1 character"),
        ("recording.mode", '"never"', "'process'"),
        ("recording.on_full", '"wait"', "'metadata_only', 'reject' or 'drop'"),
        ("recording.max_body_bytes", '"1MB"', "valid integer"),
        ("recording.max_body_bytes", "100000000000000000000", "less than"),
        ("recording.max_body_bytes", "268435457", "less than"),
        ("recording.segment_bytes", "65535", "greater than or equal to 65536"),
        ("recording.sync_interval", "0.001", "greater than or equal to 0.01"),
        ("recording.bodies", '"perhaps"', "valid boolean"),
        ("limits.drain", '"10s"', "valid number"),
        ("limits.keep_alive", "nan", "finite number"),
        ("limits.in_flight", "1.5", "valid integer"),
        ("limits.spill_bytes", "33554433", "less than or equal to 33554432"),
        (
            "limits.spill_bytes",
            "30000000\nmemory_bytes = 50000000",
            "at most half of limits.memory_bytes, which is 50000000",
        ),
        ("limits.memory_bytes", "0", "greater than or equal to 1048576"),
        ("limits.body_rate", "0", "greater than or equal to 1"),
        ("limits.header_count", "15", "greater than or equal to 16"),
        ("limits.in_flight", "0", "greater than or equal to 1"),
        ("limits.in_flight_per_key", "-1", "greater than or equal to 0"),
        ("limits.connections", '"many"', "valid integer"),
        ("limits.backlog", "65536", "less than or equal to 65535"),
        ("recording.refused_per_second", "-1", "greater than or equal to 0"),
        ("log.level", '"loud"', "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_mistake_names_file_key_and_what_is_allowed(key: str, value: str, allowed: str) -> None:
    section, name = key.split(".")
    told = mistakes(f"[{section}]\n{name} = {value}")[0]
    assert told.startswith(f"c.toml: {key}: ")
    assert allowed in told
    assert value.partition("\n")[0].strip('"') in told


@pytest.mark.parametrize("host", ["", "*", "*.example", "https://a.example", "a.example:80", "::1", "a/b", "é.example"])
def test_an_allowed_host_that_no_request_could_match_is_told(host: str) -> None:
    (told,) = mistakes(f'[server]\nallowed_hosts = ["a.example", "{host}"]')
    assert "server.allowed_hosts.1: a host is its name or address alone" in told


def test_a_variable_below_a_value_is_a_mistake_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DASHCAM_DATA_DIR", "DASHCAM_DATA_DIR__X", "DASHCAM_SERVER__WORKERS__X", "DASHCAM_WORKERS"):
        monkeypatch.setenv(name, "1")
    told = mistakes()
    assert any("environment: workers is a section, not a value" in line for line in told)
    assert any("data_dir: Input should be a valid string" in line for line in told)


@pytest.mark.parametrize(
    ("said", "in_file"),
    [
        ("DASHCAM_PORT", "DASHCAM_SERVER__PORT"), ("DASHCAM_SERVER__PORT", "DASHCAM_PORT"),
        ("DASHCAM_WORKERS", "DASHCAM_SERVER__WORKERS"), ("DASHCAM_SERVER__WORKERS", "DASHCAM_WORKERS"),
    ],
)  # fmt: skip
def test_the_environment_wins_over_an_env_file_by_any_name(
    monkeypatch: pytest.MonkeyPatch, said: str, in_file: str
) -> None:
    Path(".env").write_text(f"{in_file}=9\n")
    monkeypatch.setenv(said, "")
    assert 9 in (loaded().server.port, loaded().server.workers)
    os.environ.pop(in_file)
    monkeypatch.setenv(said, "8")
    assert 8 in (loaded().server.port, loaded().server.workers)


def test_a_secret_of_the_environment_wins_over_a_file_that_an_env_file_names(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DASHCAM_ADMIN_TOKEN_FILE=/nowhere\n")
    monkeypatch.setenv("DASHCAM_ADMIN_TOKEN", STRONG)
    assert loaded().admin_token_sha256 is not None


def test_an_env_file_that_cannot_be_read_is_named() -> None:
    Path("odd.env").write_bytes(b"\xff\xfeA=1")
    with pytest.raises(ConfigurationError, match=r"odd\.env: cannot be read"):
        read_env_file("odd.env")


@pytest.mark.parametrize("missing", ["DASHCAM_PROXY_KEYS", "DASHCAM_SERVER__ALLOWED_HOSTS"])
def test_separators_alone_are_no_keys_and_no_names(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    wanted = {"ADMIN_TOKEN": STRONG, "PROXY_KEYS": STRONG, "SERVER__ALLOWED_HOSTS": "a.example", "HOST": "0.0.0.0"}
    for name, value in wanted.items():
        monkeypatch.setenv(f"DASHCAM_{name}", value)
    assert loaded().server.host == "0.0.0.0"
    monkeypatch.setenv(missing, " , ")
    (told,) = mistakes()
    assert re.findall(r"export (\w+)=", told) == [missing]


def test_a_secret_s_file_that_cannot_be_read_hides_no_other_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_ADMIN_TOKEN_FILE", "/nowhere/token")
    monkeypatch.setenv("DASHCAM_PROXY_KEYS", f"{STRONG}\udcff")
    told = "\n".join(mistakes("[server]\nport = 0"))
    for word in ("server.port", "DASHCAM_ADMIN_TOKEN_FILE: /nowhere/token", "DASHCAM_PROXY_KEYS: is no UTF-8"):
        assert word in told
    assert STRONG not in told


@pytest.mark.parametrize(
    "url", [f"http://u:{HIDDEN}@x", f"ftp://u:{HIDDEN}@x", f"u:{HIDDEN}@x", f"http://x?key={HIDDEN}", f"x#{HIDDEN}"]
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    told = [
        *mistakes(f'[providers.a]\nurl = "{url}"'),
        *mistakes(f'[providers]\na = "{url}"'),
        *mistakes(upstreams=[url]),
    ]
    assert len(told) == 3
    assert HIDDEN not in "".join(told)


def test_a_key_in_place_of_its_variable_s_name_is_refused_and_not_repeated() -> None:
    (told,) = mistakes(f'[providers.a]\nurl = "http://x"\nkey_env = "sk-{HIDDEN}"')
    assert "providers.a.key_env: this is the name of the variable" in told
    assert HIDDEN not in told


@pytest.mark.parametrize(
    "url", ["http://a b", "http://a/b c", "http://a\tb", "http://a/é", "http://a:0", "http://[::1]x"]
)
def test_an_address_that_could_not_be_written_into_a_request_is_refused(url: str) -> None:
    (told,) = mistakes(upstreams=[f"a={url}"])
    assert told.startswith("providers.a: ")


@given(st.text(max_size=30))
def test_an_address_is_one_line_of_ascii_behind_its_host_or_told(path: str) -> None:
    try:
        (provider,) = load(defaults=DEFAULTS, upstreams=[f"http://a/{path}"]).providers
    except ConfigurationError as error:
        assert error.problems[0].startswith("providers.")  # noqa: PT017 - either way is right
    else:
        assert re.fullmatch(r"http://a/[!-~]*", provider.base_url)


def test_a_folder_that_cannot_be_is_told_and_a_relative_xdg_folder_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for configured in ("~nobody-of-that-name/x", "a\0b"):
        with pytest.raises(ConfigurationError, match="is no folder"):
            data_folder(configured)
    monkeypatch.setenv("XDG_DATA_HOME", ".")
    monkeypatch.setenv("XDG_RUNTIME_DIR", ".")
    assert data_folder("").is_absolute()
    assert run_folder("", Path("/d")).is_absolute()
