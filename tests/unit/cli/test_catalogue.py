"""The catalogue's commands where no Dashcam runs: what is made is listed, what is wrong says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command

CONTENT = """
messages:
  - {role: system, content: "Be {{ tone }}."}
  - {role: user, content: "{{ text }}"}
variables: {tone: {default: brief}, text: string}
"""


def fill(dashcam: Command, folder: Path) -> None:
    """Make a provider, a prompt and a route."""
    (folder / "short.yaml").write_text(CONTENT)
    for arguments in (
        ("providers", "add", "acme", "--url", "https://api.acme.example/v1", "--set", "description=ours"),
        ("models", "add", "acme/m-1", "--set", 'defaults={"top_p":0.9}'),
        ("prompts", "create", "short", "short.yaml", "--label", "production", "--goal", "Be brief."),
        ("routes", "set", "summarise", "--target", "acme/m-1", "--prompt", "short@production"),
    ):
        said = dashcam(*arguments)
        assert (said.code, "in use" in said.out) == (0, True), said


def test_what_is_made_is_listed(dashcam: Command, tmp_path: Path) -> None:
    assert "dashcam prompts create" in dashcam("prompts", "list").err
    fill(dashcam, tmp_path)
    assert dashcam("routes", "list").lines[1] == "summarise\tacme/m-1\tshort@production\tcatalogue\tyes"
    assert dashcam("models", "list").lines[1].startswith("acme/m-1")
    (provider,) = [item for item in json.loads(dashcam("providers", "list", "--json").out) if item["name"] == "acme"]
    assert (provider["origin"], provider["description"]) == ("catalogue", "ours")
    assert "acme" in dashcam("providers", "list", is_terminal=True).out


def test_what_is_not_said_of_a_provider_stays(dashcam: Command) -> None:
    url = "https://api.acme.example/v1"
    dashcam("providers", "add", "acme", "--url", url, "--kind", "openai")
    dashcam("providers", "add", "acme", "--url", url + "/x")
    (found,) = [item for item in json.loads(dashcam("providers", "list", "--json").out) if item["name"] == "acme"]
    assert (found["kind"], found["base_url"]) == ("openai", url + "/x")


def test_a_prompt_goes_on_version_by_version(dashcam: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(dashcam, tmp_path)
    rendered = dashcam("prompts", "render", "short", "text=Hi", "--json")
    assert json.loads(rendered.out)["messages"][1] == {"role": "user", "content": "Hi"}
    missing = dashcam("prompts", "render", "short")
    assert (missing.code, "'text' is missing" in missing.err) == (2, True)
    editor = tmp_path / "editor.py"
    editor.write_text("import sys; p = sys.argv[1]; t = open(p).read().replace('Be ', 'Stay '); open(p, 'w').write(t)")
    monkeypatch.setenv("EDITOR", f"{sys.executable} {editor}")
    assert "short@2 saved" in dashcam("prompts", "edit", "short").out
    assert "+  content: Stay {{ tone }}." in dashcam("prompts", "diff", "short", "1", "2").out.replace("'", "")
    assert "is 2" in dashcam("prompts", "label", "short", "production", "2").out
    assert "is 1 again" in dashcam("prompts", "rollback", "short").out
    assert dashcam("prompts", "rollback", "short").code == 3
    shown = dashcam("prompts", "show", "short", "--version", "1")
    assert "Be {{ tone }}." in shown.out


def test_out_and_in_and_back(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    assert dashcam("config", "export", "all.yaml").code == 0
    revision = json.loads(dashcam("config", "revisions", "--json").out)[0]["number"]
    assert dashcam("routes", "remove", "summarise").code == 0
    looked = dashcam("config", "import", "all.yaml")
    assert ("added    route summarise" in looked.out, "--yes" in looked.err) == (True, True)
    assert dashcam("config", "rollback", str(revision), "--yes").code == 0
    assert "summarise" in dashcam("routes", "list").out
    actions = [line.split("\t")[2] for line in dashcam("audit").lines[1:]]
    assert actions[:2] == ["rollback", "delete"]


def test_a_key_is_shown_once(dashcam: Command) -> None:
    made = dashcam("keys", "create", "--owner", "eu", "--rpm", "60")
    assert made.out.startswith("dc_")
    listed = json.loads(dashcam("keys", "list", "--json").out)
    assert (listed[0]["owner"], listed[0]["limits"]["requests_per_minute"]) == ("eu", 60)
    assert made.out.strip() not in str(listed)
    assert dashcam("keys", "rotate", listed[0]["id"]).out.startswith("dc_")
    assert "revoked" in dashcam("keys", "revoke", listed[0]["id"]).out
    assert dashcam("keys", "revoke", "none").code == 3


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("providers", "add", "acme", "--url", "ftp://x"), 2, "base_url"),
        (("providers", "add", "acme", "--url", "https://a.example/v1", "--set", "colour=1"), 2, "colour"),
        (("providers", "add", "acme", "--url", "https://a.example/v1", "--set", "colour"), 2, "NAME=VALUE"),
        (("providers", "remove", "none"), 3, "none"),
        (("models", "add", "none"), 2, "PROVIDER/NAME"),
        (("routes", "set", "x", "--target", "nobody/m"), 2, "there is no provider 'nobody'"),
        (("prompts", "create", "x", "none.yaml"), 2, "cannot be read"),
        (("prompts", "show", "none"), 3, "there is no prompt"),
        (("prompts", "create", "x", "latin.txt"), 2, "latin.txt is no UTF-8 text"),
        (("keys", "create", "--rpm", "0"), 2, "requests_per_minute"),
        (("config", "rollback", "999", "--yes"), 3, "no revision 999"),
    ],
)
def test_what_is_wrong_says_so(dashcam: Command, arguments: tuple[str, ...], code: int, told: str) -> None:
    Path("latin.txt").write_bytes(b"gr\xfc\xdfe")
    said = dashcam(*arguments)
    assert (said.code, told in said.err) == (code, True), said
