"""``dashcam config``: who said what, all mistakes, the files, a first file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli.configuration import commented
from proxy.resources import config_folder
from proxy.settings.loading import load
from tests.unit.cli.conftest import Command


def origins(said: str) -> dict[str, tuple[object, str]]:
    return {item["setting"]: (item["value"], item["origin"]) for item in json.loads(said)}


def test_each_setting_is_shown_with_who_said_it(
    dashcam: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.toml").write_text("[limits]\ndrain = 5.0\n[server]\nworkers = 2\nallowed_hosts = ['a.example']")
    (tmp_path / ".env").write_text("DASHCAM_LOG__LEVEL=debug\n")
    monkeypatch.setenv("DASHCAM_PORT", "9001")
    # Set once, so that what is read from .env is taken back at the end.
    monkeypatch.setenv("DASHCAM_LOG__LEVEL", "")
    monkeypatch.delenv("DASHCAM_LOG__LEVEL")
    found = origins(dashcam("config", "show", "--config", "c.toml", "--data-dir", "d", "--json").out)
    assert found["limits.drain"] == (5.0, "file c.toml")
    assert found["server.allowed_hosts"] == (["a.example"], "file c.toml")
    assert found["server.port"] == (9001, "environment DASHCAM_PORT")
    assert found["data_dir"] == (str(tmp_path / "d"), "flag --data-dir")
    assert found["run_dir"] == (str(tmp_path / "run"), "environment DASHCAM_RUN_DIR")
    assert found["log.level"] == ("debug", ".env DASHCAM_LOG__LEVEL")
    assert found["limits.keep_alive"] == (75.0, "default")
    assert found["providers.openai"][1] == "default"


def test_secrets_are_told_as_set_and_never_shown(
    dashcam: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, key = "dashcam_adm_" + "k3v9" * 8, "sk-never-shown-9182"
    (tmp_path / "token").write_text(token)
    monkeypatch.setenv("DASHCAM_ADMIN_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("DASHCAM_PROXY_KEYS", f"{token}a,{token}b")
    monkeypatch.setenv("OPENAI_API_KEY", key)
    toml = '[providers.openai]\nurl = "https://api.openai.com"\nheaders = {"x-hidden" = "never-shown"}'
    (tmp_path / "c.toml").write_text(toml)
    said = dashcam("config", "show", "--config", "c.toml", "--json")
    found = origins(said.out)
    assert found["DASHCAM_ADMIN_TOKEN"] == ("set", f"file {tmp_path / 'token'}")
    assert found["DASHCAM_PROXY_KEYS"] == ("set (2 keys)", "environment DASHCAM_PROXY_KEYS")
    assert found["DASHCAM_METRICS_TOKEN"] == ("not set", "default")
    assert "key OPENAI_API_KEY set" in str(found["providers.openai"][0])
    assert "x-hidden" in said.out
    assert [word for word in (token, key, "never-shown") if word in said.out] == []


def test_upstreams_have_their_origin(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    said = dashcam("config", "show", "--json", "--upstream", "ollama=http://a:1")
    assert origins(said.out)["providers.ollama"][1] == "flag --upstream"
    monkeypatch.setenv("DASHCAM_UPSTREAM", "ollama=http://a:1")
    assert origins(dashcam("config", "show", "--json").out)["providers.ollama"][1] == "environment DASHCAM_UPSTREAM"


def test_a_pipe_gets_tabs_and_a_terminal_a_table(dashcam: Command) -> None:
    assert "server.port\t8484\tdefault" in dashcam("config", "show").lines
    table = dashcam("config", "show", "--color", "never", is_terminal=True).lines
    assert len({line.index("  ") for line in table if line.startswith(("recording.", "run_dir"))}) > 1
    assert any(line.startswith("server.port  ") and line.endswith("8484") for line in table)


def test_every_mistake_is_told_with_exit_code_4(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("nonsense = 1\n[server]\nport = 0\n")
    said = dashcam("config", "check", "--config", "c.toml")
    assert (said.code, said.out) == (4, "")
    assert "c.toml: server.port" in said.err
    assert "c.toml: nonsense" in said.err
    fine = dashcam("config", "check")
    assert (fine.code, fine.lines) == (0, ["The configuration is valid (defaults, environment)."])


def test_the_files_that_are_read_in_their_order(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")
    (tmp_path / ".env").write_text("")
    shipped = str(config_folder() / "dashcam.toml")
    assert dashcam("config", "path", "--config", "c.toml").lines == [
        shipped,
        str(tmp_path / "c.toml"),
        str(tmp_path / ".env"),
    ]


def test_a_first_file_changes_nothing_and_is_never_written_over_another(dashcam: Command, tmp_path: Path) -> None:
    assert dashcam("config", "init").lines == ["dashcam.toml"]
    written = (tmp_path / "dashcam.toml").read_text()
    shipped = config_folder() / "dashcam.toml"
    flags = {"data_dir": str(tmp_path)}
    assert load(defaults=shipped, config="dashcam.toml", flags=flags) == load(defaults=shipped, flags=flags)
    assert "\n# port = 8484\n" in written
    (tmp_path / "dashcam.toml").write_text("mine")
    refused = dashcam("config", "init")
    assert (refused.code, refused.out) == (6, "")
    assert "next: overwrite it with --yes" in refused.err
    assert (tmp_path / "dashcam.toml").read_text() == "mine"
    assert dashcam("config", "init", "--yes").code == 0
    assert (tmp_path / "dashcam.toml").read_text() == written
    assert dashcam("config", "init", "nowhere/c.toml").code == 1


def test_a_comment_less_makes_a_setting(tmp_path: Path) -> None:
    text = commented((config_folder() / "dashcam.toml").read_text()).replace("# port = 8484", "port = 9002")
    (tmp_path / "c.toml").write_text(text)
    found = load(defaults=config_folder() / "dashcam.toml", config="c.toml", flags={"data_dir": str(tmp_path)})
    assert found.server.port == 9002


def test_own_patterns_are_shown_beside_the_settings(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_REDACTION__OWN__TICKET", "T-[0-9]+")
    found = origins(dashcam("config", "show", "--json").out)
    assert found["redaction.own.ticket"] == ("T-[0-9]+", "environment DASHCAM_REDACTION__OWN__TICKET")
