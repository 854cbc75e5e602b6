"""``dashcam export``: every call once, in the form that is wanted, and gone on with where it was broken off."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli import export_output
from proxy.domain.outcome import Outcome
from proxy.errors import DashcamError
from proxy.forms import reading, writing
from proxy.forms.writing import Csv
from proxy.store.schema.rows import COLUMNS
from tests.support.entries import STARTED_AT, an_entry
from tests.unit.cli.conftest import Command, Record

REQUEST = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "x"}]}).encode()
ANSWER = json.dumps(
    {"choices": [{"message": {"content": "Hello", "tool_calls": [
        {"id": "1", "function": {"name": "f", "arguments": "{}"}},
    ]}}]}
).encode()  # fmt: skip


def calls(count: int, **changes: Any) -> list[Any]:
    return [an_entry(REQUEST, ANSWER, started_at=STARTED_AT + number * 1000, **changes) for number in range(count)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 2)
    monkeypatch.setattr(reading, "PAGE_WITH_CONTENT", 2)


def test_lines_have_every_column_the_oldest_first(dashcam: Command, record: Record) -> None:
    record(*calls(5, app="a"))
    said = dashcam("export")
    rows = [json.loads(line) for line in said.lines]
    assert [row["started_at"] for row in rows] == sorted(row["started_at"] for row in rows)
    assert len({row["id"] for row in rows}) == 5
    assert list(rows[0]) == COLUMNS
    assert rows[0]["success"] is True
    assert (said.code, said.err.startswith("5 calls, ")) == (0, True)


def test_a_query_and_fields_choose(dashcam: Command, record: Record) -> None:
    record(*calls(3, app="a"), *calls(2, app="b", model="gpt-x"))
    said = dashcam("export", "app:b", "model:gpt-*", "--fields", "app,model")
    assert [json.loads(line) for line in said.lines] == [{"app": "b", "model": "gpt-x"}] * 2
    assert dashcam("export", "nonsense:1").code == 2
    assert "columns are" in dashcam("export", "--fields", "nothing").err


def test_a_list_is_one_document_also_of_nothing(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(*calls(3))
    assert dashcam("export", "--to", "calls.json", "--fields", "id").code == 0
    assert len(json.loads((tmp_path / "calls.json").read_text())) == 3
    assert json.loads(dashcam("export", "app:none", "--format", "json").out) == []


def test_content_comes_as_it_was_kept(dashcam: Command, record: Record) -> None:
    record(an_entry(REQUEST, b"\xff\x00", input_preview="x"))
    (line,) = dashcam("export", "--content").lines
    row = json.loads(line)
    assert (row["request_body"]["content"], row["request_body"]["encoding"]) == (REQUEST.decode(), "utf-8")
    assert (row["response_body"]["content"], row["response_body"]["encoding"]) == ("/wA=", "base64")
    assert (row["input_text"], row["output_text"]) == ("asked", "answered")
    assert "--format jsonl" in dashcam("export", "--content", "--format", "csv").err


def test_csv_holds_no_formula(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(*calls(1, app="=1+1", user_id='\u00a0"@x', session_id='a,"b"\nc', tags=("-t",), route="\uff1d1"))
    assert dashcam("export", "--to", "calls.csv", "--fields", "app,user_id,session_id,tags,success,route").code == 0
    heading, line = csv.reader(io.StringIO((tmp_path / "calls.csv").read_bytes().decode(), newline=""))
    assert heading == ["app", "user_id", "session_id", "tags", "success", "route"]
    assert line == ["'=1+1", "'\u00a0\"@x", 'a,"b"\nc', '["-t"]', "true", "'\uff1d1"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_no_text_becomes_a_formula_and_none_is_lost(text: str) -> None:
    line = Csv(["app"], has_content=False).call({"app": text}, None, is_first=False).decode()
    ((cell,), *more) = csv.reader(io.StringIO(line, newline="")) if text else ([""],)
    assert cell.removeprefix("'") == text.removeprefix("'") if cell.startswith("'") else cell == text
    assert not cell.lstrip(' "\u00a0').startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))
    assert more == []


@pytest.mark.parametrize("sign", [*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20"])
@pytest.mark.parametrize("before", ["", " ", "\u00a0", "\u3000", '"', ' " '])
def test_each_beginning_of_a_formula_is_one(sign: str, before: str) -> None:
    line = Csv(["app"], has_content=False).call({"app": f"{before}{sign}cmd"}, None, is_first=False).decode()
    assert next(csv.reader(io.StringIO(line, newline=""))) == [f"'{before}{sign}cmd"]


def test_fine_tuning_has_chats_that_ended_well_with_their_answers(dashcam: Command, record: Record) -> None:
    record(
        *calls(1), *calls(1, outcome=Outcome.UPSTREAM_ERROR), *calls(2, operation="embeddings"), an_entry(b"?", b"?")
    )
    said = dashcam("export", "--format", "openai")
    (line,) = said.lines
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert json.loads(line) == {
        "messages": [
            {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello", "tool_calls": [call]},
        ],
        "tools": [{"type": "x"}],
    }  # fmt: skip
    assert said.code == 0
    assert "1 left out (content not readable), 2 left out (no chat), 1 left out (not completed)" in said.err


def test_a_file_is_its_owners_and_not_written_over(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(*calls(1))
    assert dashcam("export", "--to", "calls.jsonl").code == 0
    assert stat.S_IMODE((tmp_path / "calls.jsonl").stat().st_mode) == 0o600
    again = dashcam("export", "--to", "calls.jsonl")
    assert (again.code, "add --replace" in again.err) == (2, True)
    assert dashcam("export", "--to", "calls.jsonl", "--replace").code == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("calls")] == ["calls.jsonl"]
    assert dashcam("export", "--to", "no/where.jsonl").code == 2


def _fails_after(writes: int, error: Exception) -> Callable[[export_output.Output, bytes], None]:
    whole, left = export_output.Output.end, [writes]

    def end(self: export_output.Output, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            whole(self, data[: len(data) // 2])
            raise error
        whole(self, data)

    return end


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "openai"])
def test_broken_off_it_goes_on_where_it_was(
    dashcam: Command, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    record(*calls(5))
    assert dashcam("export", "--to", "whole", "--format", form).code == 0
    for writes in range(5):
        name = f"calls-{writes}"
        with monkeypatch.context() as patch:
            patch.setattr(export_output.Output, "end", _fails_after(writes, DashcamError("the disk is full")))
            broken = dashcam("export", "--to", name, "--format", form)
        assert (broken.code, (tmp_path / name).exists()) == (1, False)
        said = dashcam("export", "--to", name, "--format", form)
        assert (said.code, said.err.splitlines()[-1].startswith("5 calls, ")) == (0, True), said.err
        assert ("going on behind" in said.err) == (writes > (form in ("jsonl", "openai")))
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole").read_bytes()


def test_asked_for_other_calls_it_begins_anew(
    dashcam: Command, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(*calls(5, app="a"))
    with monkeypatch.context() as patch:
        patch.setattr(export_output.Output, "end", _fails_after(3, DashcamError("the disk is full")))
        dashcam("export", "--to", "calls.jsonl")
    assert dashcam("export", "app:a", "--to", "calls.jsonl").code == 0
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == 5
    (tmp_path / "other.jsonl.part.note").write_text("[1]")
    assert dashcam("export", "--to", "other.jsonl").code == 0


def test_a_full_disk_is_said_with_what_to_do() -> None:
    with Path("/dev/full").open("wb") as full:
        with pytest.raises(DashcamError, match="No space left on device") as caught:
            export_output.Output(full, Path("calls.jsonl.part")).end(b"x")
        with contextlib.suppress(OSError):
            full.close()
    assert "goes on where it was" in str(caught.value.hint)


def test_two_do_not_write_one_file(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(*calls(1))
    with (tmp_path / "calls.jsonl.part").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another export writes" in dashcam("export", "--to", "calls.jsonl").err


@pytest.mark.parametrize(("second", "told"), [(-5, "1 call meanwhile recorded late"), (1, "")])
def test_what_is_recorded_late_is_told_where_it_is_not_there(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, second: int, told: str
) -> None:
    record(*calls(1), an_entry(started_at=STARTED_AT + 9000))
    whole = writing.Form.call
    late = [an_entry(started_at=STARTED_AT + second * 1000)]

    def call(self: writing.Form, row: Any, parts: Any, *, is_first: bool) -> bytes:
        if late:
            record(late.pop())
        return whole(self, row, parts, is_first=is_first)

    monkeypatch.setattr(writing.Form, "call", call)
    monkeypatch.setattr(reading, "PAGE", 1)
    said = dashcam("export")
    assert (said.code, len(said.lines)) == ((7, 2) if told else (0, 3))
    assert told in said.err


def test_what_a_file_is_called_says_its_form_or_that_it_is_none(
    dashcam: Command, record: Record, tmp_path: Path
) -> None:
    record(an_entry())
    assert dashcam("export", "--to", "calls.parquet").code == 0
    assert (tmp_path / "calls.parquet" / "manifest.json").exists()
    said = dashcam("export", "--to", "calls.jsonl.gz")
    assert (said.code, "next: dashcam export … | gzip > calls.jsonl.gz" in said.err) == (2, True)
    assert not (tmp_path / "calls.jsonl.gz").exists()
