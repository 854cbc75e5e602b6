"""What we stand on: locked with hashes, licensed on a list, checked against known vulnerabilities."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from email.message import Message
from importlib.metadata import packages_distributions

import pytest

from tests.architecture import advisories, licences
from tests.support.checkout import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")
CLIENTS = ("tests/clients/python/python.lock", "tests/clients/python/aider.lock")
"""Other people's clients: locked as well, and never installed beside the program."""

NOT_COMPARED = {"dashcam", "pydantic-core", "backports-zstd"}
"""Ourselves, a part of what is named, and what is installed only where the standard library lacks it."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(text: str) -> set[str]:
    return {normal(name) for name, _ in advisories.locked(text)}


def metadata(**fields: str) -> Message:
    made = Message()
    for name, value in fields.items():
        made[name.replace("_", "-")] = value
    return made


@pytest.mark.parametrize("lock", LOCKS + CLIENTS)
def test_every_locked_package_has_hashes_and_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry and not entry.startswith("#")] == []
    assert "://" not in text
    assert "--index" not in text


def test_every_direct_need_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {re.split(r"[<>=;\[ ]", line)[0].replace(".", "-").lower() for line in project["project"]["dependencies"]}
    tools = {re.split(r"[<>=;\[ ]", line)[0].lower() for line in project["dependency-groups"]["dev"]}
    assert wanted - names((ROOT / LOCKS[0]).read_text()) == set()
    assert (wanted | tools) - names((ROOT / LOCKS[1]).read_text()) == set()


def imported() -> set[str]:
    """Return the packages that the program imports, by the names they are installed under."""
    found = set()
    for path in (*(ROOT / "proxy").rglob("*.py"), *(ROOT / "migrations").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {item.name for item in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    homes = packages_distributions()
    return {normal(home) for name in found for home in homes.get(name.split(".")[0], ())}


def test_what_is_imported_is_named_and_what_is_named_is_imported() -> None:
    """A need of a need may leave it any day; and a name that nobody imports is installed for nothing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    named = {normal(re.split(r"[<>=;\[ ]", line)[0]) for line in lines}
    assert imported() - NOT_COMPARED == named - NOT_COMPARED


def test_both_locks_name_the_same_versions() -> None:
    runtime, everything = (advisories.locked((ROOT / lock).read_text()) for lock in LOCKS)
    assert set(runtime) <= set(everything)


def test_what_is_installed_has_a_licence_on_the_list() -> None:
    assert sorted(licences.problems(licences.installed())) == []


def test_a_licence_off_the_list_and_silence_are_told() -> None:
    packages = [
        ("fine", metadata(License_Expression="MIT OR Apache-2.0")),
        ("old", metadata(Classifier="License :: OSI Approved :: BSD License")),
        ("strict", metadata(License="AGPL-3.0")),
        ("silent", metadata()),
    ]
    assert list(licences.problems(packages)) == ["strict: AGPL-3.0 is not on the list", "silent: says no licence"]


def test_a_known_vulnerability_is_told() -> None:
    def ask(question: bytes) -> bytes:
        asked = json.loads(question)["queries"]
        assert asked[1] == {"version": "2.0", "package": {"name": "other", "ecosystem": "PyPI"}}
        return json.dumps({"results": [{"vulns": [{"id": "PYSEC-1"}]}, {}]}).encode()

    assert advisories.advisories([("some", "1.0"), ("other", "2.0")], ask) == ["some 1.0: PYSEC-1"]


def test_a_service_out_of_reach_is_said_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(question: bytes) -> bytes:
        raise ConnectionRefusedError

    assert advisories.main(ask) == 0
    assert "NOT CHECKED" in capsys.readouterr().out
