"""Prompts out to files and in from them, as they are typed."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command

pytestmark = pytest.mark.usefixtures("prepared")


@pytest.fixture
def filled(dashcam: Command) -> Command:
    """Two prompts; one has two versions, a label and a draft that nobody has."""
    folder = Path("texts")
    folder.mkdir()
    (folder / "short.md").write_text("---\ngoal: Brief.\nlabels: [production]\n---\nBe brief: {{ text }}")
    (folder / "long.json").write_text('[{"role": "user", "content": "Be long."}]')
    assert dashcam("prompts", "import", "texts", "--yes").code == 0
    (folder / "short.md").write_text("Be very brief: {{ text }}")
    assert dashcam("prompts", "import", "texts/short.md", "--yes").code == 0
    return dashcam


def texts_in(folder: str) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in Path(folder).rglob("*.yaml")}


def test_twice_is_the_same_and_an_empty_instance_becomes_the_same(
    filled: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = json.loads(filled("prompts", "export", "out", "--json").out)
    assert told == {"prompts": ["long", "short"], "files": 5, "written": 5, "left": []}
    assert json.loads(filled("prompts", "export", "out", "--json").out)["written"] == 0
    before = texts_in("out")
    monkeypatch.setenv("DASHCAM_DATA_DIR", str(tmp_path / "empty"))
    looked = filled("prompts", "import", "out")
    assert (looked.lines, "--yes" in looked.err) == (["added    prompt long", "added    prompt short"], True)
    assert filled("prompts", "list").lines[1:] == []
    assert filled("prompts", "import", "out", "--yes").code == 0
    assert filled("prompts", "export", "again").code == 0
    assert texts_in("again") == before
    assert "nothing would change" in filled("prompts", "import", "out").err


def test_a_look_first_shows_what_a_next_version_says_otherwise(filled: Command) -> None:
    assert "production=1" in filled("prompts", "list").lines[2]
    Path("short.txt").write_text("Say it in a word: {{ text }}")
    looked = filled("prompts", "import", "short.txt")
    assert "  versions.3: nothing → " in looked.out
    assert [line for line in looked.lines if line[:2] in ("- ", "+ ")] == [
        "-  content: 'Be very brief: {{ text }}'",
        "+  content: 'Say it in a word: {{ text }}'",
    ]
    assert filled("prompts", "show", "short", "--version", "3").code == 3


def test_what_is_not_said_of_a_prompt_stays_and_a_deleted_one_goes_on_counting(filled: Command) -> None:
    assert json.loads(filled("prompts", "list", "--json").out)[1]["goal"] == "Brief."
    filled("prompts", "export", "out")
    Path("out/short/0003.yaml").write_text("messages: [{role: system, content: Three}]\nvariables: {text: string}")
    assert [line for line in filled("prompts", "import", "out/short").lines if line[:1] in "+-"] == [
        "--- short@2", "+++ short@3", "-  content: 'Be very brief: {{ text }}'", "+  content: Three",
    ]  # fmt: skip
    assert filled("prompts", "import", "out/short", "--yes").code == 0
    assert "Three" in filled("prompts", "show", "short").out


def test_more_than_can_be_taken_in_at_once_is_written_and_the_refusal_says_what_to_do(dashcam: Command) -> None:
    text = json.dumps([{"role": "user", "content": "x" * 60_000}] * 8)
    for number in range(18):
        folder = Path("many", str(number % 2))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"p{number}.json").write_text(text)
    for half in ("many/0", "many/1"):
        assert dashcam("prompts", "import", half, "--yes").code == 0
    assert dashcam("config", "export").code == 2
    assert dashcam("prompts", "export", "out").code == 0
    assert len(list(Path("out").iterdir())) == 18
    refused = dashcam("prompts", "import", "out", "--yes")
    assert refused.code == 2
    assert 'for each in FOLDER/*/; do dashcam prompts import "$each" --yes; done' in refused.err


def test_a_file_can_be_given_another_name_and_come_from_standard_input(
    filled: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "added    prompt other" in filled("prompts", "import", "texts/short.md", "--as", "other").out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Say: hello {{ you }}")))
    assert filled("prompts", "create", "hello", "-").code == 0
    assert "hello {{ you }}" in filled("prompts", "show", "hello").out


def test_create_says_what_of_a_file_it_does_not_take(filled: Command) -> None:
    Path("short.md").write_text("---\ngoal: Other.\n---\nBe other: {{ text }}")
    said = filled("prompts", "create", "short", "short.md")
    assert (said.code, "not its goal; dashcam prompts import" in said.err) == (0, True)


def test_what_is_left_of_former_prompts_is_told_and_stays(filled: Command) -> None:
    Path("out/gone").mkdir(parents=True)
    Path("out/gone/prompt.yaml").write_text("x")
    said = filled("prompts", "export", "out")
    assert (said.code, "left as they are: gone" in said.err) == (0, True)
    Path("file").write_text("x")
    assert "file/long cannot be written" in filled("prompts", "export", "file").err
    assert filled("prompts", "export", "one", "--only", "long").code == 0
    assert sorted(texts_in("one")) == ["long/0001.yaml", "long/prompt.yaml"]


def test_a_files_name_does_nothing_to_a_terminal(dashcam: Command) -> None:
    Path("bad").mkdir()
    Path("bad/\x1b[31mred.txt").write_text("x")
    Path("bad/\x1b[31mred.png").write_text("x")
    said = dashcam("prompts", "import", "bad")
    assert (said.code, "\x1b" in said.err) == (2, False)


def test_links_are_not_followed(filled: Command, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    Path("texts/link.txt").symlink_to(tmp_path / "secret.txt")
    assert "passed over: texts/link.txt" in filled("prompts", "import", "texts").err
    assert filled("prompts", "export", "out").code == 0
    Path("out/short/0009.yaml").symlink_to(tmp_path / "secret.txt")
    said = filled("prompts", "import", "out")
    assert (said.code, "0009.yaml leads elsewhere" in said.err) == (2, True)


def test_a_version_that_is_there_never_becomes_another_one(filled: Command) -> None:
    assert filled("prompts", "export", "out").code == 0
    Path("out/short/0001.yaml").write_text("messages: [{role: system, content: Other}]")
    said = filled("prompts", "import", "out", "--yes")
    assert (said.code, "out: prompts.short.versions.1: is another one" in said.err) == (2, True)


def write(name: str, data: bytes) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(data)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("import", "none"), 2, "none cannot be read: No such file"),
        (("import", "empty"), 3, "there is no prompt in empty"),
        (("import", "bad"), 2, "bad/a/0001.yaml: content.messages[0].role: must be one of system"),
        (("import", "bad/a"), 2, "bad/a/0001.yaml: content.messages[0].role: must be one of system"),
        (("import", "bad.yaml"), 2, "bad.yaml is no YAML: "),
        (("import", "latin.txt"), 2, "latin.txt is no UTF-8 text: "),
        (("import", "large.txt"), 2, "large.txt is larger than 10 MB"),
        (("import", "bomb.yaml"), 2, "bomb.yaml: b.0: refers to something else (*a)"),
        (("import", "Bad Name.txt"), 2, "Bad Name.txt: name: 'Bad Name' is no prompt name"),
        (("import", "twice"), 2, "a is there twice"),
        (("import", "empty", "--as", "x"), 2, "empty is a folder"),
        (("import", "two.json", "--as", "x"), 2, "--as names one prompt, and two.json holds 2"),
        (("import", "-"), 2, "--as NAME"),
        (("create", "x", "bad.yaml"), 2, "bad.yaml is no YAML: "),
        (("create", "x", "none.yaml"), 2, "none.yaml cannot be read"),
        (("export", "out", "--only", "none"), 3, "there is no prompt 'none'"),
    ],
)
def test_what_is_wrong_names_the_file(dashcam: Command, arguments: tuple[str, ...], code: int, told: str) -> None:
    Path("empty/sub").mkdir(parents=True)
    write("bad/a/0001.yaml", b"messages: [{role: boss, content: x}]")
    write("bad.yaml", b"messages: [")
    write("latin.txt", b"gr\xfc\xdfe")
    write("large.txt", b"x" * 10_500_000)
    write("bomb.yaml", b"a: &a [x]\nb: [*a, *a]")
    write("Bad Name.txt", b"x")
    write("twice/a.txt", b"x")
    write("twice/a.md", b"x")
    write("two.json", b'[{"name": "a", "messages": [{"role": "user", "content": "x"}]}, '
                      b'{"name": "b", "messages": [{"role": "user", "content": "x"}]}]')  # fmt: skip
    said = dashcam("prompts", *arguments)
    assert (said.code, told in said.err) == (code, True), said
