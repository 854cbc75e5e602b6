"""The parser of a line: it has what the line names, and says the same as one that has everything."""

from __future__ import annotations

import pytest
from typer.core import TyperGroup

from proxy.cli.app import app
from proxy.cli.parsing import parser_of

EVERYTHING = parser_of(app, None)


def said(parser: TyperGroup, capsys: pytest.CaptureFixture[str], *line: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as left:
        parser.main(line, prog_name="dashcam")
    return (left.value.code, *capsys.readouterr())


@pytest.mark.parametrize("word", sorted(EVERYTHING.commands))
def test_a_part_says_what_the_whole_says(capsys: pytest.CaptureFixture[str], word: str) -> None:
    part = parser_of(app, word)
    assert list(part.commands) == [word]
    assert part is parser_of(app, word)
    assert said(part, capsys, word, "--help") == said(EVERYTHING, capsys, word, "--help")


@pytest.mark.parametrize(
    "line", [("prompts", "lsit"), ("db", "--no-such-option"), ("logs", "--colour"), ("doctor", "x")]
)
def test_mistakes_are_told_by_a_part_as_by_the_whole(capsys: pytest.CaptureFixture[str], line: tuple[str, ...]) -> None:
    found = said(parser_of(app, line[0]), capsys, *line)
    assert found == said(EVERYTHING, capsys, *line)
    assert found[0] == 2


@pytest.mark.parametrize("word", ["lgos", "--version", "-h", "", None])
def test_whoever_names_no_command_may_hear_of_all(word: str | None) -> None:
    assert parser_of(app, word) is EVERYTHING
