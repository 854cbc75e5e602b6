"""``prompts test`` as it is typed: cases beside prompts or apart, against what is stored and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command

CASES = """format: dashcam-cases/1
cases:
- name: Ana
  variables: {you: Ana}
- name: first
  version: 1
  variables: {you: Ana}
"""


@pytest.fixture
def hello(dashcam: Command) -> Command:
    """A prompt in an instance and in a folder, with two cases that expect nothing yet."""
    Path("hello.txt").write_text("Hi {{ you }}")
    assert dashcam("prompts", "import", "hello.txt", "--yes").code == 0
    assert dashcam("prompts", "export", "all").code == 0
    Path("all/hello/cases.yaml").write_text(CASES)
    return dashcam


def test_a_difference_is_shown_and_ends_with_seven_until_it_is_what_is_expected(hello: Command) -> None:
    unsaid = hello("prompts", "test", "all")
    assert (unsaid.code, unsaid.lines[0]) == (7, "bad   hello@1  Ana")
    assert hello("prompts", "test", "all", "--update").lines == ["all/hello/cases.yaml: 2 of 2 cases changed"]
    assert (hello("prompts", "test", "all").code, hello("prompts", "test", "all/hello").code) == (0, 0)
    Path("hello.txt").write_text("Hello {{ you }}")
    assert hello("prompts", "import", "hello.txt", "--yes").code == 0
    other = hello("prompts", "test", "all")
    assert (other.code, "2 cases, 1 not as expected" in other.err) == (7, True)
    assert other.lines[0] == "bad   hello@2  Ana"
    assert [line for line in other.lines if line[1:3] == "  "] == ["-  content: Hi Ana", "+  content: Hello Ana"]
    told = json.loads(hello("prompts", "test", "all", "--json").out)
    assert [(item["case"], item["version"], item["ok"]) for item in told] == [
        ("Ana", "hello@2", False),
        ("first", "hello@1", True),
    ]
    assert hello("prompts", "test", "all", "--from-folder").code == 0
    assert hello("prompts", "test", "all", "--update").code == 0
    assert hello("prompts", "test", "all").code == 0


def test_a_file_of_cases_is_no_folder_of_prompts(hello: Command) -> None:
    said = hello("prompts", "test", "all/hello/cases.yaml", "--from-folder")
    assert (said.code, "cases.yaml is none" in said.err) == (2, True)


def test_cases_can_lie_apart_and_the_folders_prompts_need_no_database(
    hello: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = "\n  prompt: hello\n  expected: [{role: system, content: Hi Ana}]\n"
    Path("apart.yaml").write_text(CASES.replace("\n- name: first", expected + "- name: first\n  prompt: hello"))
    assert [line[:4] for line in hello("prompts", "test", "apart.yaml").lines[:2]] == ["ok  ", "bad "]
    monkeypatch.setenv("DASHCAM_DATA_DIR", "/dev/null/nowhere")
    assert hello("prompts", "test", "all", "--from-folder", "--update").code == 0
    assert hello("prompts", "test", "all", "--from-folder").code == 0


@pytest.mark.parametrize(
    ("name", "text", "code", "told"),
    [
        ("none.yaml", None, 2, "none.yaml cannot be read"),
        ("bad.yaml", "cases: [", 2, "bad.yaml is no YAML"),
        ("bad.yaml", "cases: []", 2, "bad.yaml: format: is not dashcam-cases/1"),
        ("apart.yaml", CASES, 2, "apart.yaml: 'Ana' says no prompt"),
        ("all/none", None, 2, "all/none cannot be read"),
    ],
)
def test_what_is_wrong_names_the_file(dashcam: Command, name: str, text: str | None, code: int, told: str) -> None:
    if text is not None:
        Path(name).write_text(text)
    said = dashcam("prompts", "test", name)
    assert (said.code, told in said.err) == (code, True), said


def test_a_folder_without_cases_says_what_they_are(dashcam: Command) -> None:
    Path("all/hello").mkdir(parents=True)
    said = dashcam("prompts", "test", "all")
    assert (said.code, "dashcam-cases/1" in said.err) == (3, True)


def test_what_cannot_be_rendered_stays_as_it_was(hello: Command) -> None:
    Path("all/hello/cases.yaml").write_text(CASES.replace("{you: Ana}", "{}", 1))
    said = hello("prompts", "test", "all", "--update")
    assert (said.code, "Ana stays as it was" in said.err) == (7, True)
    assert said.lines == ["all/hello/cases.yaml: 1 of 2 cases changed"]
