"""Dockerfile, compose.yaml and the service files say what the program does: settings, ports, version, users, times."""

from __future__ import annotations

import configparser
import fnmatch
import plistlib
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

import proxy
from proxy.cli.app import app
from proxy.settings.keys import KINDS
from proxy.settings.layers import ALIASES, OTHERS, PREFIX
from proxy.settings.loading import load
from proxy.settings.values import LimitSettings, ServerSettings
from tests.architecture import advisories
from tests.architecture.documents import shipped_settings
from tests.support.checkout import ROOT
from tests.support.container import environment, health_command, instructions, last_stage, the

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DASHCAM = SERVICES["dashcam"]
UNIT = ROOT / "config" / "services" / "dashcam.service"
LEAVING_SECONDS = LimitSettings().drain + 12
"""The drain, and what the supervisor gives the processes beyond it."""


def known_variables() -> set[str]:
    names = {setting.variable for setting in shipped_settings()} | {PREFIX + name for name in (*ALIASES, *OTHERS)}
    return names | {f"{name}_FILE" for name in KINDS}


# the image


def test_the_image_sets_only_variables_that_exist_and_starts_with_keys_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = environment()
    assert {name for name in image if name.startswith(PREFIX)} <= known_variables()
    for name in KINDS:
        monkeypatch.setenv(name, "")
        monkeypatch.setenv(f"{name}_FILE", "")
    for name, value in image.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("DASHCAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DASHCAM_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    settings = load(defaults=ROOT / "config" / "dashcam.toml", makes_keys=False)
    assert settings.server.host == "0.0.0.0"
    assert settings.proxy_keys
    assert settings.admin_token_sha256
    assert settings.metrics_token_sha256


def test_the_image_runs_as_nobody_special_and_can_be_stopped_and_asked() -> None:
    user, _, group = the("USER").partition(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert the("STOPSIGNAL") == "SIGTERM"
    assert the("EXPOSE") == str(ServerSettings().port)
    assert health_command()[:2] == ["python", "-c"]
    compile(health_command()[2], "health", "exec")
    assert (the("ENTRYPOINT"), the("CMD")) == ('["dashcam"]', '["serve"]')
    assert the("VOLUME") == "/data"
    assert Path(environment()["DASHCAM_DATA_DIR"]).parent == Path("/data")


def test_the_image_is_of_this_version_and_a_python_that_will_do() -> None:
    assert the("ARG") == f"VERSION={proxy.__version__}"
    (python,) = [item.text for item in instructions() if item.text.startswith("PYTHON_VERSION=")]
    assert re.fullmatch(r"PYTHON_VERSION=3\.1[1-4]", python)
    assert len([item for item in instructions() if item.word == "FROM"]) == 2


def test_what_is_copied_is_there_and_is_let_in() -> None:
    kept = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and not line.startswith("#")]
    assert kept[0] == "*"
    let_in = {line[1:] for line in kept if line.startswith("!")}
    copied = {
        source
        for item in instructions()
        if item.word == "COPY" and not item.text.startswith("--from")
        for source in item.text.split()[:-1]
    }
    assert copied == let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert not any(fnmatch.fnmatch(".env", pattern) for pattern in let_in)


def needs_of(name: str) -> Iterator[str]:
    yield name
    for line in requires(name) or ():
        if "extra ==" not in line and "python_version" not in line:
            yield from needs_of(re.split(r"[<>=;!\[ ]", line)[0])


def test_the_wheel_is_built_by_what_the_lock_names() -> None:
    command = next(item.text for item in instructions() if "build.lock" in item.text)
    taken = re.search(r"\^\(([a-z|-]+)\)==", command)
    assert taken
    assert set(taken[1].split("|")) == set(needs_of("hatchling"))
    locked = {name for name, _ in advisories.locked((ROOT / "requirements-dev.lock").read_text())}
    assert set(taken[1].split("|")) <= locked


def test_everything_is_installed_by_hash_or_is_ours() -> None:
    for item in instructions():
        for command in re.findall(r"pip install [^&]+", item.text):
            assert "--require-hashes" in command or "--no-index" in command
    assert not any("curl" in item.text or "apt" in item.text.split() for item in last_stage())


# compose


def test_compose_names_this_version_and_latest() -> None:
    assert DASHCAM["image"] == f"dashcam:{proxy.__version__}"
    assert DASHCAM["build"] == {
        "context": ".", "args": {"VERSION": proxy.__version__}, "tags": ["dashcam:latest"],
    }  # fmt: skip


def test_without_a_profile_there_is_dashcam_alone() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["dashcam"]
    profiles = {name for service in SERVICES.values() for name in service.get("profiles", ())}
    assert {"postgres", "prometheus", "grafana"} <= profiles


@pytest.mark.parametrize("name", SERVICES)
def test_everything_is_published_on_this_machine_only(name: str) -> None:
    assert [port for port in SERVICES[name]["ports"] if not port.startswith("127.0.0.1:")] == []
    assert "privileged" not in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_are_declared_and_files_are_there(name: str) -> None:
    for volume in SERVICES[name]["volumes"]:
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (source.startswith("./") and (ROOT / source).exists()), volume


def test_dashcam_is_read_only_has_time_to_leave_and_knows_its_variables() -> None:
    assert DASHCAM["read_only"] is True
    assert float(DASHCAM["stop_grace_period"].removesuffix("s")) >= LEAVING_SECONDS
    assert DASHCAM["ports"] == [f"127.0.0.1:${{DASHCAM_PORT:-{ServerSettings().port}}}:{ServerSettings().port}"]
    assert {name for name in DASHCAM["environment"] if name.startswith(PREFIX)} <= known_variables()


def test_two_hosts_share_a_database_and_keys_and_nothing_else() -> None:
    """The example of several hosts: volumes of their own, one address, and a schema that is there before them."""
    found = yaml.safe_load((ROOT / "config/compose/hosts.yaml").read_text())
    hosts = [found["services"][name] for name in ("alpha", "beta")]
    assert {host["image"] for host in hosts} == {COMPOSE["services"]["dashcam"]["image"]}
    assert hosts[0]["environment"] == hosts[1]["environment"]
    assert {name for name in hosts[0]["environment"] if name.startswith(PREFIX)} <= known_variables()
    mounts = [host["volumes"] for host in hosts]
    assert mounts[0] != mounts[1]
    assert {name.partition(":")[0] for item in mounts for name in item} <= set(found["volumes"])
    for host in hosts:
        assert host["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert all(port.startswith("127.0.0.1:") for port in host["ports"])
    assert found["services"]["postgres"]["image"] == COMPOSE["services"]["postgres"]["image"]


def test_prometheus_reads_the_metrics_token_and_nothing_else_of_ours() -> None:
    scrape = yaml.safe_load((ROOT / "config" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]
    token = DASHCAM["environment"]["DASHCAM_METRICS_TOKEN_FILE"]
    assert scrape["authorization"]["credentials_file"] == token
    assert scrape["static_configs"][0]["targets"] == [f"dashcam:{ServerSettings().port}"]
    assert "dashcam" in environment()["DASHCAM_SERVER__ALLOWED_HOSTS"].split(",")
    shared = {volume.split(":")[0] for volume in SERVICES["prometheus"]["volumes"]} & set(COMPOSE["volumes"])
    assert shared == {"metrics-key", "prometheus"}
    assert SERVICES["prometheus"]["user"] == DASHCAM["user"]
    made = " ".join(item.text for item in last_stage() if item.word == "RUN")
    assert f"mkdir -m 1777 /data {Path(token).parent}" in made


# services


def options_of(command: str) -> set[str]:
    return {name for item in get_command(app).commands[command].params for name in item.opts}  # type: ignore[attr-defined]


def test_the_unit_starts_what_there_is_and_gives_it_time() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text())
    _, command, *options = shlex.split(unit["Service"]["ExecStart"])
    assert set(options) <= options_of(command)
    assert float(unit["Service"]["TimeoutStopSec"]) >= LEAVING_SECONDS
    assert set(re.findall(r"^Environment=(DASHCAM_\w+)=", UNIT.read_text(), re.MULTILINE)) <= known_variables()
    hardened = {"NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateDevices", "RestrictAddressFamilies"}
    assert hardened <= set(unit["Service"])


def test_the_agent_for_macos_is_a_property_list_that_starts_it() -> None:
    found = plistlib.loads((UNIT.parent / "dashcam.plist").read_bytes())
    assert found["ProgramArguments"][1:] == ["serve"]
    assert found["ExitTimeOut"] >= LEAVING_SECONDS
