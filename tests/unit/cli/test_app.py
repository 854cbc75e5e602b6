"""The command line as a whole: exit codes, words for errors, and nothing recorded that steers a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.app import app, refusal_of, run_main
from proxy.cli.help_page import SECTIONS
from proxy.cli.parsing import parser_of
from proxy.cli.terminal import json_text
from proxy.domain.interaction import Entry
from proxy.domain.outcome import Outcome
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record
from tests.unit.cli.test_instance import answering, running

COMMANDS = (
    *("serve", "run", "try", "logs", "tail", "search", "show", "env", "doctor", "completion", "version", "db path"),
    *("db info", "db copy", "config show", "config check", "config path", "config init"),
)
# An escape sequence, a title, the 8-bit form of an escape, a row's end, another line's end, a turned direction.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\nforged\tx\u2028\u202egnp.exe\x7f"
SAYS_HOSTILE = json.dumps(
    {
        "messages": [
            {
                "role": HOSTILE,
                "content": HOSTILE,
                "tool_calls": [{"function": {"name": HOSTILE, "arguments": HOSTILE}}],
            },
            {"role": "user", "content": [{"type": HOSTILE}, {"type": "text", "text": HOSTILE}]},
        ]
    },
    ensure_ascii=False,
).encode()
ANSWERS_HOSTILE = json.dumps(
    {"choices": [{"message": {"content": HOSTILE, "reasoning_content": HOSTILE,
                              "tool_calls": [{"id": "1", "function": {"name": HOSTILE, "arguments": HOSTILE}}]}}]},
    ensure_ascii=False,
).encode()  # fmt: skip
TYPED = [sys.executable, "-m", "proxy"]


def hostile(**changes: Any) -> Entry:
    named = dict.fromkeys(("model", "endpoint", "error_type", "error_code", "error_message", "finish_reason"), HOSTILE)
    return an_entry(SAYS_HOSTILE, ANSWERS_HOSTILE, **{**named, "tool_names": (HOSTILE,), **changes})


def typed(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*TYPED, *arguments], env={**os.environ, **environment}, capture_output=True, timeout=60, check=False
    )


def steering(text: str) -> set[str]:
    return {letter for letter in text if not letter.isprintable() and letter not in "\n\t"}


# exit codes


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(dashcam: Command, command: str) -> None:
    said = dashcam(*command.split(), "--help")
    assert (said.code, said.err) == (0, "")
    assert f"{command} [OPTIONS]" in said.out


def test_help_waits_for_nothing_that_it_does_not_need() -> None:
    """Each of these takes longer to import than ``--help`` may take."""
    heavy = {"sqlalchemy", "sqlmodel", "pydantic", "starlette", "uvicorn", "httpx2", "genai_prices", "rich", "asyncio"}
    code = f"import sys, proxy.cli.app; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_leads_with_what_it_is_for_and_four_examples_that_exist(dashcam: Command) -> None:
    said = dashcam("-h")
    assert said.code == 0
    head = said.out.partition("Options:")[0]
    assert head.index("set OPENAI_BASE_URL") < head.index("dashcam serve  ")
    shown = [line.split()[1] for line in head.splitlines() if line.startswith("    dashcam ")]
    assert len(shown) == 4
    assert set(shown) <= {command.name or command.callback.__name__ for command in app.registered_commands
                          if command.callback}  # fmt: skip


def test_help_is_whole_sentences_and_examples_one_a_line(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns cut the summaries with dots and wrapped the examples."""
    monkeypatch.setenv("COLUMNS", "80")
    page = dashcam("--help").out
    assert "..." not in page.partition("Record:")[2]
    assert page.partition("Options:")[0].count("\n    dashcam ") == 4
    assert "<str>" not in "".join(dashcam(command, "--help").out for command in ("serve", "logs", "tail"))


def test_every_command_stands_under_one_heading_of_the_help(dashcam: Command) -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    shown = {name for name, command in parser_of(app, None).commands.items() if not command.hidden}
    assert sorted(listed) == sorted(shown)
    page = dashcam("--help").out
    assert [line[:-1] for line in page.splitlines() if line.endswith(":") and not line.startswith(" ")] == [
        "Options", *SECTIONS
    ]  # fmt: skip
    assert {line.split()[0] for line in page.partition("Record:")[2].splitlines() if line.startswith("  ")} == {*listed}


def test_the_version_is_told_as_an_option_too(dashcam: Command) -> None:
    assert dashcam("--version").out == dashcam("version").out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("lgos",), 2, "Did you mean 'logs'"),
        (("logs", "--colour"), 2, "--colour"),
        (("logs", "-n", "0"), 2, "--limit"),
        (("logs", "-n", "many"), 2, "--limit"),
        (("logs", "--json", "--follow"), 2, "use --jsonl"),
        (("logs", "--json", "--jsonl"), 2, "choose one"),
        (("show", "--json", "--raw"), 2, "choose one"),
        (("show", "--sent"), 2, "with --raw"),
        (("show", "zz"), 3, "is no id"),
        (("show", "\x1b[2J"), 3, "is no id"),
        (("logs", "--config", "nowhere.toml"), 4, "nowhere.toml"),
        (("logs", "--color", "blue"), 2, "auto, always, never"),
        (("logs", "--sort", "model", "--follow"), 2, "choose one"),
        (("logs", "--fields", "modle"), 2, "modle (did you mean model?) is no column"),
        (("logs", "--sort", "costs_usd"), 2, "did you mean cost_usd?"),
        (("logs", "--outcome", "complete"), 2, "did you mean completed?"),
        (("logs", "--since", "last-5"), 3, "no call 'last-5' is on record"),
        (("search", ""), 2, "no word to look for"),
        (("search", "x" * 2001), 2, "more than 2000 characters"),
        (("env", "tcsh"), 2, "there is no snippet for 'tcsh'"),
        (("completion", "tcsh"), 2, "is no shell that can be taught"),
        (("serve", "--upstream", "http://127.0.0.1:8484/v1"), 4, "is this Dashcam's own address"),
        (("serve", "--upstream", "http://localhost:9", "--port", "9"), 4, "is this Dashcam's own address"),
        (("serve", "--port", "70000"), 4, "server.port"),
        (("serve", "--upstream", "ftp://x"), 4, "ftp"),
    ],
)
def test_mistakes_have_their_exit_code_and_are_told_on_standard_error(
    dashcam: Command, record: Record, arguments: tuple[str, ...], code: int, told: str
) -> None:
    record()
    said = dashcam(*arguments)
    assert (said.code, said.out) == (code, "")
    assert told in said.err
    assert not steering(said.err)


@pytest.mark.parametrize("since", ["9" * 12 + "d", "9" * 5000 + "d", "9999999d", "0001-01-01", "9999-12-31", "f" * 32])
@pytest.mark.parametrize("flag", ["--since", "--until"])
def test_no_time_is_so_far_away_that_it_fails(dashcam: Command, record: Record, flag: str, since: str) -> None:
    record(an_entry())
    said = dashcam("logs", flag, since)
    assert said.code == 0 or (said.code == 2 and "is no time" in said.err and len(said.err) < 200)


# the database


@pytest.mark.parametrize("arguments", [("logs",), ("tail",), ("show",), ("show", "--raw"), ("db", "info")])
def test_without_a_database_the_next_command_is_told(dashcam: Command, arguments: tuple[str, ...]) -> None:
    said = dashcam(*arguments)
    assert (said.code, said.out) == (1, "")
    assert "there is no database at" in said.err
    assert "next: start Dashcam with: dashcam serve" in said.err


def test_before_the_first_call_the_last_one_is_not_found(dashcam: Command, record: Record) -> None:
    record()
    said = dashcam("show", "last")
    assert (said.code, said.out) == (3, "")
    assert "next: list them with: dashcam logs" in said.err


def test_a_file_with_nothing_in_it_is_no_database_yet(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dashcam.db").touch()
    for arguments in (("logs",), ("show",), ("db", "info"), ("db", "check"), ("db", "analyze")):
        said = dashcam(*arguments)
        assert (said.code, said.out) == (1, "")
        assert "there is no database at" in said.err
    (finding,) = [
        item for item in json.loads(dashcam("doctor", "--json", "--offline").out) if item["subject"] == "database"
    ]
    assert (finding["ok"], finding["next"]) == (None, "start Dashcam with: dashcam serve")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"SQLite format 3\0" + b"\xff" * 9000, "cannot be used"),
        (b"no database" * 1000, "is no SQLite database; it is left as it is"),
    ],
)
def test_a_damaged_database_is_told_and_is_a_problem_for_the_doctor(
    dashcam: Command, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dashcam.db").write_bytes(content)
    for arguments in (("logs",), ("show",), ("db", "info")):
        said = dashcam(*arguments)
        assert (said.code, said.out) == (1, "")
        assert words in said.err
    said = dashcam("doctor", "--json", "--offline")
    (finding,) = [item for item in json.loads(said.out) if item["subject"] == "database"]
    assert (said.code, finding["ok"]) == (7, False)
    assert "dashcam db restore FILE" in finding["next"]


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        ((200, b'{"last_error":null,"stored":2,"accepted":3,"pending":1}'), 0, "2 of 3 calls stored, 1 pending"),
        ((200, b'{"last_error":"disk\\u001b[2J","stored":2,"accepted":3,"pending":1}'), 7, "1 call waits in the spool"),
        ((401, b""), 0, "its recorder answers to the admin token only"),
        ((429, b""), 0, "its recorder answers to the admin token only"),
        ((503, b""), 7, "its recorder does not answer"),
        ((200, b"[]"), 7, "its recorder does not answer"),
        ((200, b"<html>"), 7, "its recorder does not answer"),
    ],
)
def test_the_doctor_says_how_the_recorder_is(
    dashcam: Command, record: Record, tmp_path: Path, answer: tuple[int, bytes], code: int, told: str
) -> None:
    record()
    with answering((200, b""), answer) as server, running(tmp_path / "data", url=server.url):
        said = dashcam("doctor", "--offline")
    assert said.code == code
    assert told in said.out
    assert not steering(said.out)


# what was recorded


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("command", ["logs", "logs --jsonl", "logs --json", "show", "show --json"])
def test_nothing_recorded_steers_the_terminal(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, command: str, is_terminal: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    record(hostile(outcome=Outcome.UPSTREAM_ERROR, success=False, http_status=500))
    out = dashcam(*command.split(), is_terminal=is_terminal).out
    assert "forged" in out
    assert not steering(out)


def test_a_recorded_line_end_cannot_forge_a_row(dashcam: Command, record: Record) -> None:
    record(hostile(), hostile())
    fields = "model,tool_names,error_code,outcome"
    for is_terminal in (True, False):
        lines = dashcam("logs", "--fields", fields, is_terminal=is_terminal).lines
        assert len(lines) == 3
        assert all(line.count("\t") in (0, 3) for line in lines)
    head, where, error, *_ = dashcam("show").lines
    assert "completed  200" in head
    assert "POST" in where
    # Type and code are the same word, which is said once.
    assert error.count("forged") == 2


def test_json_is_the_same_value_whatever_was_recorded(dashcam: Command, record: Record) -> None:
    record(hostile())
    (row,) = map(json.loads, dashcam("logs", "--jsonl").lines)
    assert (row["model"], row["tool_names"]) == (HOSTILE, [HOSTILE])
    assert (
        json.loads(dashcam("show", "--json").out)["response"]["content"]["choices"][0]["message"]["content"] == HOSTILE
    )
    assert json.loads(json_text({HOSTILE: ["é", "\u2066", 1.5]})) == {HOSTILE: ["é", "\u2066", 1.5]}


def test_what_was_not_kept_is_told_beside_the_bytes(dashcam: Command, record: Record) -> None:
    entry = an_entry(b'{"a":1}', content_state="off")
    record(Entry(interaction=entry.interaction))
    said = dashcam("show", "--raw")
    assert (said.code, said.out) == (3, "")
    why = "not recorded: settings, route, key or caller keep facts only, or content of this kind is never kept"
    assert said.err.splitlines()[0] == f"dashcam: no request and response to show: {why}"


def test_a_request_without_messages_says_how_to_read_it(dashcam: Command, record: Record) -> None:
    record(an_entry(b'{"a":1}'))
    assert "request: application/json, 7 bytes; see --raw" in dashcam("show").lines


@pytest.mark.parametrize("platform", ["win32", "cygwin"])
def test_windows_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch, capsys: Any, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(SystemExit) as left:
        run_main()
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (1, "")
    assert "next: run it in WSL" in said.err
    assert [refusal_of(name) for name in ("linux", "darwin", "freebsd14")] == [None] * 3


# the other end


def test_a_reader_that_has_seen_enough_is_no_failure(record: Record) -> None:
    record(an_entry())
    for command in ("logs", "logs --jsonl", "show", "show --raw", "db path", "version"):
        reading, writing = os.pipe()
        os.close(reading)
        made = subprocess.run(
            [*TYPED, *command.split()], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
        )
        os.close(writing)
        assert (command, made.returncode, made.stderr) == (command, 0, b"")


def test_a_terminal_that_is_not_utf_8_gets_question_marks(record: Record) -> None:
    record(an_entry(model="modèle"))
    made = typed("show", PYTHONIOENCODING="ascii")
    assert (made.returncode, made.stderr) == (0, b"")
    assert b"mod?le" in made.stdout
    assert b"/v1/chat/completions ? openai" in made.stdout
