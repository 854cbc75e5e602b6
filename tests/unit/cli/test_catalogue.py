"""The catalogue's commands where no Dashcam runs: what is made is listed, what is wrong says so."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.catalogue.yaml_text import read_yaml
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record

pytestmark = pytest.mark.usefixtures("prepared")

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
    assert "is 1 again (it was 2)" in dashcam("prompts", "rollback", "short").out
    shown = dashcam("prompts", "show", "short", "--version", "1")
    assert "Be {{ tone }}." in shown.out


def test_a_prompt_is_shown_with_its_use_and_what_came_of_it(dashcam: Command, record: Record, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    assert "# never used" in dashcam("prompts", "show", "short").err
    entry = an_entry()
    call = replace(entry.interaction, prompt_name="short", prompt_version=1)
    record(replace(entry, interaction=call, output_text="Fine.\n\x1b[31mRed."))
    shown = dashcam("prompts", "show", "short")
    assert "# used 1 time, last at " in shown.err
    assert f"dashcam show {call.id}" in shown.err
    assert "Fine." not in shown.out + shown.err
    answered = dashcam("prompts", "show", "short", "--last-output")
    assert answered.lines[-3:-1] == ["# its last call answered:", "#   Fine."]
    assert "Red." in answered.lines[-1]
    assert "\x1b" not in answered.out
    assert read_yaml(answered.out) == read_yaml(shown.out)
    told = json.loads(dashcam("prompts", "show", "short", "--last-output", "--json").out)
    assert (told["calls"], told["last_call"], told["last_output"][:5]) == (1, call.id, "Fine.")
    assert "last_output" not in json.loads(dashcam("prompts", "show", "short", "--json").out)
    (noted,) = [item for item in json.loads(dashcam("audit", "--json").out) if item["action"] == "read_body"][:1]
    assert noted["object"] == call.id


def test_what_calls_were_made_of_is_shown_and_rendered_when_the_prompt_is_gone(
    dashcam: Command, tmp_path: Path
) -> None:
    fill(dashcam, tmp_path)
    shown = dashcam("prompts", "show", "short", "--version", "1").out
    rendered = dashcam("prompts", "render", "short", "text=Hi", "--version", "1").out
    assert dashcam("config", "import", "empty.yaml", "--replace", "--yes").code == 2
    (tmp_path / "empty.yaml").write_text("format: dashcam-bundle/1")
    assert dashcam("config", "import", "empty.yaml", "--replace", "--yes").code == 0
    gone = dashcam("prompts", "show", "short", "--version", "1")
    assert (gone.out, "# this prompt was deleted" in gone.err) == (shown, True)
    assert dashcam("prompts", "render", "short", "text=Hi", "--version", "1").out == rendered
    assert dashcam("prompts", "show", "short").code == dashcam("prompts", "show", "short", "--version", "2").code == 3


def test_a_label_goes_back_to_what_it_stood_for_and_not_to_a_number_below(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    for number in (2, 3):
        (tmp_path / "next.txt").write_text(f"Version {number}")
        assert dashcam("prompts", "create", "short", "next.txt").code == 0
    unknown = dashcam("prompts", "rollback", "short")
    assert (unknown.code, "dashcam prompts label short production VERSION" in unknown.err) == (3, True)
    assert dashcam("prompts", "label", "short", "production", "3").code == 0
    assert "is 1 again (it was 3)" in dashcam("prompts", "rollback", "short").out
    assert "is 3 again (it was 1)" in dashcam("prompts", "rollback", "short").out
    assert dashcam("routes", "remove", "summarise").code == 0
    assert dashcam("prompts", "label", "short", "production", "-").code == 0
    assert "is 3 again (it was nothing)" in dashcam("prompts", "rollback", "short").out
    assert dashcam("prompts", "rollback", "short", "--label", "other").code == 3


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("open(p, 'wb').write(b'messages: [')", "is no YAML"),
        ("open(p, 'wb').write(b'gr\\xfc\\xdfe')", "is no UTF-8 text"),
        ("open(p, 'wb').write(b'messages: [{role: boss, content: mine}]')", "content.messages[0].role"),
    ],
)
def test_what_was_written_in_the_editor_and_is_refused_is_kept(
    dashcam: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    fill(dashcam, tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "editor.py").write_text(f"import sys; p = sys.argv[1]; {script}")
    monkeypatch.setenv("EDITOR", f"{sys.executable} {tmp_path / 'editor.py'}")
    said = dashcam("prompts", "edit", "short")
    assert (said.code, told in said.err) == (2, True), said
    (kept,) = tmp_path.glob("short-*.yaml")
    assert f"dashcam prompts create short {kept}" in said.err
    assert kept.read_bytes() in (b"messages: [", b"gr\xfc\xdfe", b"messages: [{role: boss, content: mine}]")
    kept.write_text("messages: [{role: user, content: mended}]")
    assert "short@2 saved" in dashcam("prompts", "create", "short", str(kept)).out


def test_an_editor_that_gives_up_saves_nothing(
    dashcam: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(dashcam, tmp_path)
    for editor, told in (("false", "ended with 1"), ("/none/such", "cannot be started"), ("'", "EDITOR is no command")):
        monkeypatch.setenv("EDITOR", editor)
        said = dashcam("prompts", "edit", "short")
        assert (said.code, told in said.err) == (2, True), said
    script = tmp_path / "crash.py"
    script.write_text("import os, sys; open(sys.argv[1], 'a').write('# mine'); os.abort()")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    crashed = dashcam("prompts", "edit", "short")
    (kept,) = tmp_path.glob("short-*.yaml")
    assert (crashed.code, str(kept) in crashed.err, kept.read_text()[-6:]) == (2, True, "# mine")
    monkeypatch.setenv("EDITOR", "rm")
    assert "has removed the file" in dashcam("prompts", "edit", "short").err
    monkeypatch.setenv("EDITOR", "true")
    assert "Nothing was changed" in dashcam("prompts", "edit", "short").err


def test_any_name_of_a_model_is_added_changed_and_removed(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    for name in ("acme/a/b?c#d", "acme/f%2Fg h"):
        assert dashcam("models", "add", name).code == 0
        assert dashcam("models", "add", name, "--set", "display_name=Other").code == 0
        (found,) = [item for item in json.loads(dashcam("models", "list", "--json").out) if item["id"] == name]
        assert found["display_name"] == "Other"
        assert dashcam("models", "remove", name).code == 0
    assert len(dashcam("models", "list").lines) == 2


def test_a_route_is_shown_whole(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    shown = dashcam("routes", "show", "summarise")
    assert ("prompt: short@production" in shown.lines, "provider: acme" in shown.out) == (True, True)
    assert json.loads(dashcam("routes", "show", "summarise", "--json").out)["targets"][0]["model"] == "m-1"
    assert dashcam("routes", "show", "none").code == 3


def test_out_and_in_and_back(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    assert dashcam("config", "export", "all.yaml").code == 0
    revision = json.loads(dashcam("config", "revisions", "--json").out)[0]["number"]
    assert dashcam("routes", "remove", "summarise").code == 0
    looked = dashcam("config", "import", "all.yaml")
    assert ("added    route summarise" in looked.out, looked.err) == (True, "1 change; --yes takes it in\n")
    assert dashcam("config", "rollback", str(revision)).err == "1 change; --yes makes it\n"
    assert dashcam("config", "rollback", str(revision), "--yes").code == 0
    assert "summarise" in dashcam("routes", "list").out
    assert dashcam("config", "import", "all.yaml").err == "nothing would change\n"
    actions = [line.split("\t")[2] for line in dashcam("audit").lines[1:]]
    assert actions[:2] == ["rollback", "delete"]
    exported = json.loads(dashcam("audit", "--action", "export", "--since", "2020-01-01", "--json").out)
    assert [(item["noun"], item["outcome"]) for item in exported] == [("catalogue", "done")]
    assert json.loads(dashcam("audit", "--noun", "keys", "--json").out) == []
    assert dashcam("audit", "--until", "soon").code == 2


def test_a_version_is_shown_with_its_note_its_labels_and_the_others(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    for number in (2, 3, 4):
        Path("next.txt").write_text(f"Be {number}.")
        assert dashcam("prompts", "create", "short", "next.txt", "--note", f"no. {number}").code == 0
    assert ": no. 4\n# other versions: 1 to 3; production is 1\n" in dashcam("prompts", "show", "short").err
    assert "# other versions: 1 to 2, 4; production is 1\n" in dashcam("prompts", "show", "short", "--version", "3").err


def test_what_looks_like_a_number_is_a_text_where_a_text_is_wanted(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    for typed, text in (("42", "42"), ("true", "true"), ('"42"', "42"), ('{"a": 1}', '{"a": 1}')):
        assert f"user\n{text}\n" in dashcam("prompts", "render", "short", f"text={typed}").out


def test_what_an_import_of_prices_leaves_out_is_said(dashcam: Command) -> None:
    price = {"litellm_provider": "openai", "input_cost_per_token": 1e-6}
    others = {f"m-{number}": {**price, "litellm_provider": "nobody"} for number in range(7)}
    Path("prices.json").write_text(json.dumps({"gpt-x": price, **others}))
    looked = dashcam("prices", "import", "prices.json")
    assert "1 price of litellm, 7 left out; --yes takes it in" in looked.out
    assert ("left out: m-0: litellm_provider" in looked.err, "as well: 2 more" in looked.err) == (True, True)


def test_a_key_is_shown_once(dashcam: Command) -> None:
    made = dashcam("keys", "create", "--owner", "eu", "--rpm", "60")
    assert made.out.startswith("dc_")
    listed = json.loads(dashcam("keys", "list", "--json").out)
    assert (listed[0]["owner"], listed[0]["limits"]["requests_per_minute"]) == ("eu", 60)
    assert made.out.strip() not in str(listed)
    assert dashcam("keys", "rotate", listed[0]["id"]).out.startswith("dc_")
    assert "revoked" in dashcam("keys", "revoke", listed[0]["id"]).out
    assert dashcam("keys", "revoke", "none").code == 3
    assert dashcam("keys", "rotate", json.loads(dashcam("keys", "list", "--json").out)[0]["id"], "--overlap", "0")
    assert [line.split("\t")[3] for line in dashcam("keys", "list").lines] == ["state", "in use", "ended", "revoked"]


def test_each_mistake_of_a_file_has_a_line_with_its_name(dashcam: Command) -> None:
    route = "{name: a, targets: [{provider: nobody, model: m}], colour: red}"
    Path("bad.yaml").write_text(f"format: dashcam-bundle/1\nroutes: [{route}]\nprovider: []\n")
    said = dashcam("config", "import", "bad.yaml")
    assert (said.code, len(said.err.splitlines()) > 1) == (2, True), said
    assert all("bad.yaml: " in line for line in said.err.splitlines()), said.err


def test_a_narrow_terminal_shows_what_was_changed(
    dashcam: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(dashcam, tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    listed = dashcam("config", "revisions", is_terminal=True).lines
    assert "route summarise added" in listed[1]
    assert max(map(len, listed)) <= 80


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
        (("keys", "create", "--record", "some"), 2, "recording"),
        (("keys", "create", "--redact", "phones"), 2, "there is no pattern 'phones'"),
        (("routes", "set", "a", "--target", "openai", "--set", 'redaction=["phones"]'), 2, "redaction.0"),
        (("providers", "add", "../x", "--url", "https://a.example/v1"), 2, "'../x' is no provider name: use a-z"),
        (("providers", "test", "a/b"), 3, "no provider can be called 'a/b'"),
        (("routes", "set", "a/../b", "--target", "openai"), 2, "no route can be called 'a/../b'"),
        (("routes", "remove", ".."), 2, "no route can be called '..'"),
        (("prompts", "create", "../x", "one.yaml"), 2, "'../x' is no prompt name: use a-z"),
        (("prompts", "show", "x", "--version", "a/b"), 3, "no version can be called 'a/b'"),
        (("prompts", "label", "x", "a/b", "1"), 3, "no label can be called 'a/b'"),
        (("keys", "revoke", "../x"), 3, "no key has the id '../x'"),
        (("feedback", "../x", "good"), 3, "no call has the id '../x'"),
        (("config", "rollback", "999", "--yes"), 3, "no revision 999"),
        (("config", "import", "none.yaml"), 2, "none.yaml cannot be read"),
        (("config", "import", "latin.txt"), 2, "latin.txt: is no UTF-8 text"),
        (("prices", "import", "latin.txt"), 2, "latin.txt: "),
    ],
)
def test_what_is_wrong_says_so(dashcam: Command, arguments: tuple[str, ...], code: int, told: str) -> None:
    Path("latin.txt").write_bytes(b"gr\xfc\xdfe")
    Path("one.yaml").write_text("messages: [{role: user, content: hi}]\n")
    said = dashcam(*arguments)
    assert (said.code, told in said.err) == (code, True), said


def test_one_field_of_a_provider_or_a_route_changes_without_the_rest(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    assert dashcam("providers", "add", "acme", "--set", "active=false").code == 0
    assert dashcam("providers", "list").lines[1] == "acme\tcustom\thttps://api.acme.example/v1\tcatalogue\tno"
    assert dashcam("routes", "set", "summarise", "--set", "recording=meta").code == 0
    assert "model: m-1\nprompt: short@production\nrecording: meta" in dashcam("routes", "show", "summarise").out
    for command, option in ((("providers", "add", "new"), "--url URL"), (("routes", "set", "new"), "--target")):
        refused = dashcam(*command)
        assert (refused.code, option in refused.err) == (2, True)


def test_a_key_ends_after_a_span_or_on_a_day_and_not_before_it_begins(dashcam: Command) -> None:
    for said in ("90d", "2090-01-31", "2090-01-31T08:00:00Z"):
        assert dashcam("keys", "create", "--owner", "eu", "--rpm", "60", "--expires", said).code == 0
    listed = dashcam("keys", "list", is_terminal=True).out
    assert "rpm=60" in listed
    assert "T08:00:00" not in listed
    for said, reason in (("soon", "use 90d, 12h or 2027-01-31"), ("2020-01-01", "is in the past")):
        refused = dashcam("keys", "create", "--expires", said)
        assert (refused.code, reason in refused.err) == (2, True), refused


def test_an_empty_list_has_no_headings_on_a_terminal_and_names_a_command(dashcam: Command) -> None:
    said = dashcam("keys", "list", is_terminal=True)
    assert (said.out, "dashcam keys create" in said.err) == ("", True)
    assert dashcam("keys", "list").lines == [
        "id\towner\tlast4\tstate\troutes\tlimits\trecording\tretention\texpires_at\trevoked_at"
    ]


def test_a_variable_that_a_prompt_does_not_use_is_told(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    said = dashcam("prompts", "render", "short", "text=Hi", "txet=Ho")
    assert (said.code, said.err) == (0, "dashcam: not used by short@1: txet\n")


def test_a_provider_that_does_not_answer_is_a_problem_that_was_found(dashcam: Command) -> None:
    dashcam("providers", "add", "acme", "--url", "https://acme.invalid/v1")
    said = dashcam("providers", "test", "acme")
    assert (said.code, "acme does not answer" in said.err) == (7, True)


def test_a_key_says_what_is_kept_of_its_calls(dashcam: Command) -> None:
    assert dashcam("keys", "create", "--record", "meta", "--redact", "phone", "--redact", "iban").code == 0
    (listed,) = json.loads(dashcam("keys", "list", "--json").out)
    assert (listed["recording"], listed["redaction"]) == ("meta", ["phone", "iban"])


def _a_key(dashcam: Command) -> dict[str, Any]:
    (listed,) = json.loads(dashcam("keys", "list", "--json").out)
    return {name: listed[name] for name in ("owner", "routes", "limits", "recording", "redaction", "retention", "id")}


def test_what_is_said_of_a_key_changes_member_by_member_and_is_taken_away_by_nothing(dashcam: Command) -> None:
    assert dashcam("keys", "create", "--owner", "app", "--rpm", "60", "--retention", "metadata=90d").code == 0
    name = _a_key(dashcam)["id"]
    changed = dashcam("keys", "update", name, "--tpm", "1000", "--record", "meta", "--retention", "text=7d",
                      "--route", "fast", "--redact", "phone")  # fmt: skip
    assert (changed.code, changed.out.startswith(f"key {name}")) == (0, True), changed
    found = _a_key(dashcam)
    assert {name: value for name, value in found["limits"].items() if value} == {
        "requests_per_minute": 60, "tokens_per_minute": 1000,
    }  # fmt: skip
    assert (found["retention"]["text"], found["retention"]["metadata"]) == ("7d", "90d")
    assert (found["owner"], found["recording"], found["routes"], found["redaction"]) == (
        "app", "meta", ["fast"], ["phone"],
    )  # fmt: skip
    taken = dashcam("keys", "update", name, "--rpm", "0", "--tpm", "0", "--record", "", "--route", "", "--redact", "",
                    "--retention", "text=", "--retention", "metadata=", "--owner", "")  # fmt: skip
    assert taken.code == 0, taken
    assert _a_key(dashcam) == {
        "owner": "", "routes": [], "limits": None, "recording": None, "redaction": [], "retention": None, "id": name,
    }  # fmt: skip
    for spans in (("text=7d", "errors=30d"), ("",)):
        options = [word for span in spans for word in ("--retention", span)]
        assert dashcam("keys", "update", name, *options).code == 0
    assert _a_key(dashcam)["retention"] is None
    for wrong, told in (
        ((), "nothing is said that is to change"), (("--retention", "7d"), "write WHAT=SPAN, as in text=7d"),
        (("--retention", "text=soon"), "retention.text: this is a span"), (("--record", "some"), "recording"),
    ):  # fmt: skip
        refused = dashcam("keys", "update", name, *wrong)
        assert (refused.code, told in refused.err) == (2, True), refused
    assert dashcam("keys", "update", "dck_none", "--rpm", "1").code == 3
