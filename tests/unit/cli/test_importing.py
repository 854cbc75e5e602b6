"""``dashcam import``: calls as they were, each once; what is none is told, put aside, and stops nothing."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import import_complaints, importing
from proxy.domain.interaction import Body, Entry
from proxy.domain.outcome import Outcome
from proxy.errors import StoreError
from proxy.loader.amendments import Amender
from proxy.settings.database import sqlite_at
from proxy.store.erasure.erasing import erase
from proxy.store.writing.writer import StoreWriter
from tests.support.carried import whole
from tests.support.entries import STARTED_AT
from tests.support.redacting import CANARIES
from tests.support.rollups import assert_rollups_equal_the_rows
from tests.unit.cli.conftest import Command, Elsewhere, Record


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def test_what_was_exported_is_there_as_it_was_and_twice_it_changes_nothing(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    record(*(whole(number) for number in range(5)))
    assert dashcam("export", "--content", "--to", "one.jsonl").code == 0
    elsewhere("other")
    said = dashcam("import", "one.jsonl")
    assert (said.code, said.err) == (0, "5 calls: 5 stored, 0 there already\n")
    assert dashcam("export", "--content", "--to", "two.jsonl").code == 0
    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    again = dashcam("import", "one.jsonl")
    assert (again.code, again.err) == (0, "5 calls: 0 stored, 5 there already\n")
    assert_rollups_equal_the_rows(sqlite_at(tmp_path / "other" / "dashcam.db"))
    assert list((tmp_path / "other" / "imports").iterdir()) == []


@pytest.mark.parametrize("content", [(), ("--content",)])
def test_sql_is_read_back_as_data(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere, content: tuple[str, ...]
) -> None:
    record(*(whole(number, error_message="it's\n'); DROP TABLE interaction;\n--\n") for number in range(3)))
    assert dashcam("export", *content, "--to", "one.sql").code == 0
    text = (tmp_path / "one.sql").read_bytes()
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(text.decode())
        assert connection.execute("SELECT count(*) FROM dashcam_call").fetchone() == (3,)
    evil = [b"DROP TABLE interaction;", b"INSERT INTO interaction (id) VALUES ('x');", b"INSERT INTO dashcam_call ('"]
    (tmp_path / "one.sql").write_bytes(text + b"\n".join(evil))
    elsewhere("other")
    said = dashcam("import", "one.sql")
    assert (said.code, "6 calls: 3 stored, 0 there already, 3 lines refused" in said.err) == (7, True), said.err
    if content:
        (tmp_path / "one.sql").unlink()
        dashcam("export", *content, "--to", "one.sql")
        assert (tmp_path / "one.sql").read_bytes() == text


def test_without_content_it_is_said_to_be_gone(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    record(whole(1))
    assert dashcam("export", "--to", "facts.jsonl").code == 0
    elsewhere("other")
    assert dashcam("import", "facts.jsonl").code == 0
    assert dashcam("export", "--to", "two.jsonl").code == 0
    (before,), (after,) = lines_of(tmp_path / "facts.jsonl"), lines_of(tmp_path / "two.jsonl")
    assert {name for name in before if before[name] != after[name]} == {"content_state"}
    assert after["content_state"] == "pruned"
    assert "1 there already" in dashcam("import", "facts.jsonl").err


def test_a_call_on_record_with_something_else_stays_and_is_told(
    dashcam: Command, record: Record, tmp_path: Path
) -> None:
    record(whole(1), whole(2))
    dashcam("export", "--content", "--to", "one.jsonl")
    rows = lines_of(tmp_path / "one.jsonl")
    rows[1] |= {"model": "other", "score": 0.9}
    (tmp_path / "one.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = dashcam("import", "one.jsonl")
    assert (said.code, "2 calls: 0 stored, 1 there already, 1 on record with something else" in said.err) == (7, True)
    assert "is on record with another model" in said.err
    assert dashcam("export", "model:other").out == ""


def changing(row: dict[str, Any]) -> Callable[..., bytes]:
    """Return what makes a line of a call with some columns changed."""

    def changed(**changes: Any) -> bytes:
        return json.dumps({**row, **changes}).encode()

    return changed


def damaged_columns(row: dict[str, Any]) -> list[tuple[bytes, str]]:
    """Return lines that are no calls, with a word of the reason: wrong as a whole, or in a column of the call."""
    changed = changing(row)
    return [
        (b'{"id":', "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[" * 3_000_000, "maze"),
        (b"[]", "is no object"),
        (changed(id=None), "id: is null"),
        (changed(id="../../etc/passwd"), "id: is no id"),
        (changed(id=row["id"].upper().replace("-", "")), "id: is no id"),
        (changed(id="11111111-1111-4111-8111-111111111111"), "id: is no UUIDv7"),
        (changed(started_at="2031-01-01T00:00:00.000Z"), "more than a day"),
        (changed(id="0f000000-0000-7000-8000-000000000000", started_at="2487-01-01T00:00:00.000Z"), "id: was made"),
        (changed(started_at="yesterday"), "started_at: is no instant"),
        (changed(started_at="2026-11-18T11:06:40"), "started_at: is no instant"),
        (changed(outcome="fine"), "outcome: is none of completed"),
        (changed(success=False), "success: does not go"),
        (changed(success="yes"), "success: is neither"),
        (changed(input_tokens=-1), "input_tokens: is negative"),
        (changed(input_tokens=2**63), "input_tokens:"),
        (changed(input_tokens=1.5), "input_tokens: is no whole"),
        (changed(duration_ms=-1), "duration_ms: is negative"),
        (changed(http_status=99), "http_status: is not from"),
        (changed(model="m" * 201), "model: is longer than 200"),
        (changed(model="a\0"), "model: has a NUL"),
        (changed(tags=["x" * 97]), "tags: has a tag"),
        (changed(tags="x"), "tags: is no list"),
        (changed(metadata={"a": 1}), "metadata: is no object of names and texts"),
        (changed(metadata={"a": "b\0"}), "metadata: has a NUL"),
        (changed(quantities={"images": -1}), "quantities:"),
        (changed(usage_raw=[]), "usage_raw: is no object"),
        (changed(usage_raw="@").replace(b'"@"', b'{"a":' * 600 + b"1" + b"}" * 600), "usage_raw: is nested too deep"),
        (changed(something=1), "something: is no column"),
        (changed(input_text=5), "input_text:"),
        (json.dumps({"id": row["id"]}).encode(), "started_at: is missing"),
    ]


def damaged_parts(row: dict[str, Any]) -> list[tuple[bytes, str]]:
    """Return more of them: wrong in what belongs to the call."""
    changed, body = changing(row), row["request_body"]
    return [
        (changed(request_body={**body, "content": 5}), "request_body.content"),
        (changed(request_body={**body, "encoding": "utf-7"}), "request_body.encoding"),
        (changed(request_body={**body, "encoding": "base64"}), "request_body.content: is no base64"),
        (changed(request_body={**body, "content": "short"}), "request_body.content: is not as long"),
        (changed(request_body={**body, "timings": [[1]]}), "request_body.timings"),
        (changed(request_body={**body, "headers": [["a", 1]]}), "request_body.headers"),
        (changed(request_body={**body, "edits": [[1, -1, ""]]}), "request_body.edits"),
        (changed(request_body={**body, "length": True}), "request_body.length"),
        (changed(request_body={**body, "extra": 1}), "request_body.extra"),
        (changed(request_body=[]), "request_body: is no object"),
        (changed(price={**row["price"], "rates": {"input_mtok": "0"}}), "price.id"),
        (changed(price={**row["price"], "rates": {"input_mtok": "x"}}), "price.rates"),
        (changed(price="free"), "price: is no object"),
        (changed(feedback=5), "feedback: is no list"),
        (changed(feedback=[{**row["feedback"][0], "source": "x"}]), "feedback.0.source: is none of us"),
        (changed(feedback=[{**row["feedback"][0], "score": 2}]), "feedback.0.score: is not from 0 to 1"),
        (changed(feedback=[{**row["feedback"][0], "kind": "odd"}]), "feedback.0.kind: is none of boolean"),
        (changed(feedback=[{**row["feedback"][0], "name": None}]), "feedback.0.name: is null"),
        (changed(attempts_made=[{}]), "attempts_made.0.number: is missing"),
        (changed(attempts_made=row["attempts_made"][:1] * 2), "two of one number"),
    ]


def test_what_is_no_call_is_told_and_put_aside_and_the_others_are_stored(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(import_complaints, "TOLD", 1000)
    record(whole(1), whole(2))
    dashcam("export", "--content", "--to", "one.jsonl")
    first, last = (tmp_path / "one.jsonl").read_bytes().splitlines()
    row = json.loads(first)
    wrong = damaged_columns(row) + damaged_parts(row)
    (tmp_path / "bad.jsonl").write_bytes(b"\n".join([first, *(line for line, _ in wrong), b"", b"  ", last[:-1]]))
    elsewhere("other")
    looked = dashcam("import", "--check", "bad.jsonl")
    assert (looked.code, (tmp_path / "other").exists()) == (7, False)
    said = dashcam("import", "bad.jsonl")
    assert said.code == 7
    told = [line for line in said.err.splitlines() if line.startswith("dashcam: line ")]
    for (_, reason), line in zip(wrong, told, strict=False):
        assert reason in line, (reason, line)
    numbers = [*range(2, len(wrong) + 2), len(wrong) + 4]
    assert [line.split(":")[1] for line in told] == [f" line {number}" for number in numbers]
    assert looked.err.splitlines()[:-1] == told
    assert f"{len(wrong) + 2} calls: 1 stored, 0 there already, {len(wrong) + 1} lines refused" in said.err
    (aside,) = (tmp_path / "other" / "imports").glob("*.aside")
    assert aside.read_bytes() == b"\n".join([*(line for line, _ in wrong), last[:-1]]) + b"\n"
    assert len(dashcam("export").lines) == 1


def test_broken_off_it_goes_on_where_it_was(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    record(*(whole(number) for number in range(6)))
    dashcam("export", "--content", "--to", "one.jsonl")
    data = (tmp_path / "one.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "one.jsonl").write_bytes(b"".join([*data[:3], b"wrong\n", *data[3:]]))
    monkeypatch.setattr(importing, "BATCH", 2)
    elsewhere("other")
    write, left = Amender.write, [3]

    def breaking(self: Amender, change: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return write(self, change)

    with monkeypatch.context() as patch:
        patch.setattr(Amender, "write", breaking)
        assert dashcam("import", "one.jsonl").code == 130
    said = dashcam("import", "one.jsonl")
    assert "going on behind 5 calls" in said.err
    assert "7 calls: 6 stored, 0 there already, 1 line refused" in said.err
    (aside,) = (tmp_path / "other" / "imports").iterdir()
    assert aside.read_bytes() == b"wrong\n"


def test_what_the_store_refuses_is_put_aside_alone(
    dashcam: Command, record: Record, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(*(whole(number) for number in range(5)))
    dashcam("export", "--content", "--to", "one.jsonl")
    elsewhere("other")
    write = Amender.write

    def choosy(self: Amender, change: Any) -> int:
        if any(entry.interaction.started_at == STARTED_AT + 3000 for entry in change.entries):
            raise StoreError("the store refuses the changes: not this one")
        return write(self, change)

    monkeypatch.setattr(Amender, "write", choosy)
    said = dashcam("import", "one.jsonl")
    assert (said.code, "5 calls: 4 stored, 0 there already, 1 line refused" in said.err) == (7, True)
    assert "line 4: the store refuses the changes: not this one" in said.err


def test_what_was_erased_here_does_not_come_back(dashcam: Command, record: Record, tmp_path: Path) -> None:
    entries = [whole(1), whole(2)]
    record(*entries)
    dashcam("export", "--content", "--to", "one.jsonl")
    writer = StoreWriter(sqlite_at(tmp_path / "data" / "dashcam.db"))
    with writer.transaction() as connection:
        erase(connection, [entries[0].interaction.id], STARTED_AT)
    writer.close()
    said = dashcam("import", "one.jsonl")
    assert (said.code, said.err) == (0, "2 calls: 0 stored, 1 there already, 1 left out that were erased here\n")


def test_a_sealed_record_takes_calls_sealed_and_keeps_no_line_aside(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    canary = "canary 4d2f81"
    words = {"input_preview": canary, "input_length": 14, "error_message": canary}
    record(*(whole(number, outcome=Outcome.UPSTREAM_ERROR, success=False, **words) for number in range(3)))
    dashcam("export", "--content", "--to", "one.jsonl")
    data = (tmp_path / "one.jsonl").read_bytes()
    (tmp_path / "one.jsonl").write_bytes(data + canary.encode())
    monkeypatch.setenv("DASHCAM_MASTER_KEY", "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA")
    monkeypatch.setenv("DASHCAM_DATABASE__SEAL", "true")
    elsewhere("other")
    said = dashcam("import", "one.jsonl")
    assert "4 calls: 3 stored, 0 there already, 1 line refused" in said.err
    assert "the lines themselves are not kept aside" in said.err
    again = dashcam("import", "one.jsonl")
    assert "4 calls: 0 stored, 3 there already, 1 line refused" in again.err, again.err
    files = [path for path in (tmp_path / "other").rglob("*") if path.is_file()]
    assert [path.name for path in files if canary.encode() in path.read_bytes()] == []
    assert dashcam("export", "--content", "--to", "two.jsonl").code == 0
    assert (tmp_path / "two.jsonl").read_bytes() == data


def test_a_call_twice_in_a_file_is_stored_once(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    record(whole(1))
    dashcam("export", "--content", "--to", "one.jsonl")
    (tmp_path / "one.jsonl").write_bytes((tmp_path / "one.jsonl").read_bytes() * 3)
    elsewhere("other")
    assert "3 calls: 1 stored, 2 there already" in dashcam("import", "one.jsonl").err


def test_of_several_files_each_is_named(dashcam: Command, record: Record) -> None:
    record(whole(1))
    dashcam("export", "--content", "--to", "one.jsonl")
    assert "one.jsonl" not in dashcam("import", "--check", "one.jsonl").err
    assert dashcam("import", "--check", "one.jsonl", "one.jsonl").err.count("one.jsonl:\n1 call can be imported") == 2


def test_calls_older_than_calls_become_are_told_of(
    dashcam: Command, record: Record, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(whole(1), whole(2))
    dashcam("export", "--content", "--to", "one.jsonl")
    monkeypatch.setenv("DASHCAM_RETENTION__METADATA", "100y")
    elsewhere("other")
    assert "go soon" not in dashcam("import", "one.jsonl").err
    monkeypatch.setenv("DASHCAM_RETENTION__METADATA", "1s")
    elsewhere("third")
    assert "older than retention.metadata lets calls become, and go soon" in dashcam("import", "one.jsonl").err


def test_reasons_that_nobody_has_heard_of_are_not_counted_without_end(
    dashcam: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_MOST_REASONS", 5)
    lines = [json.dumps({f"member{number}": 1}) for number in range(50)]
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    said = dashcam("import", "bad.jsonl")
    assert "45 lines: other reasons" in said.err
    assert said.err.count("dashcam: line") == 10


def test_calls_made_elsewhere_are_told_each_once_also_twice(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record()
    told = [
        {"started_at": "2026-11-20T12:00:00Z", "provider": "openai", "model": "gpt-5-mini", "tags": ["batch"],
         "request": {"messages": [{"role": "user", "content": "Hi"}]}, "response": {
             "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
             "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}},
        {"started_at": "2026-11-20T12:00:00Z", "provider": "ollama", "input_tokens": 5},
        {"provider": "ollama"},
        {"started_at": "2026-11-20T12:00:00Z", "tokens": 5},
    ]  # fmt: skip
    (tmp_path / "told.jsonl").write_text("\n".join(json.dumps(call) for call in told))
    said = dashcam("import", "--told", "told.jsonl")
    assert (said.code, "4 calls: 2 stored, 0 there already, 2 lines refused" in said.err) == (7, True), said.err
    assert "line 3: started_at: or id says when it was" in said.err
    assert "2 there already, 2 lines refused" in dashcam("import", "--told", "told.jsonl").err
    rows = [json.loads(line) for line in dashcam("export", "--content").lines]
    first, second = sorted(rows, key=lambda row: row["provider"], reverse=True)
    assert (first["cost_usd"], first["tags"]) == (0.00125, ["batch"])
    assert (first["input_text"], first["output_text"]) == ("Hi", "Hello")
    assert first["metadata"] == {"dashcam_told_by": "import"}
    assert (second["cost_status"], second["input_tokens"]) == ("local", 5)


SECRET = "; ".join(CANARIES.values())
_DEEP = {"user_id": CANARIES["email"], "session_id": CANARIES["phone"], "error_message": SECRET, "model": SECRET,
         "prompt_variables": {"to": [SECRET]}, "endpoint": "/v1/x/canary.user%40canary-example.org",
         "input_preview": SECRET}  # fmt: skip


def secret_call(number: int) -> Entry:
    """Return a call that has secrets wherever words can be."""
    made = whole(number, **_DEEP)
    made.interaction.tags, made.interaction.metadata = (CANARIES["phone"],), {"mail": SECRET}
    made.input_text = made.output_text = SECRET
    request = json.dumps({"user": SECRET, "messages": [{"role": "user", "content": SECRET}]}).encode()
    made.request = Body(content=request, length=len(request), edits=((len(request), 0, SECRET),),
                        headers=(("user-agent", SECRET),))  # fmt: skip
    answer = gzip.compress(json.dumps({"answer": SECRET}).encode())
    made.response = Body(content=answer, length=len(answer), content_encoding="gzip", timings=((1, len(answer)),))
    made.feedback = ({**made.feedback[0], "kind": "text", "words": SECRET, "comment": SECRET},)
    made.attempts = tuple(replace(item, error_message=SECRET) for item in made.attempts)
    return made


def test_what_is_redacted_of_calls_is_redacted_of_what_is_imported(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(secret_call(1), whole(2))
    assert dashcam("export", "--content", "--to", "one.jsonl").code == 0
    with (tmp_path / "one.jsonl").open("a") as file:
        file.write(json.dumps({"id": SECRET}) + "\n")
    elsewhere("other")
    monkeypatch.setenv("DASHCAM_REDACTION__PATTERNS", ",".join(CANARIES))
    assert "1 line refused" in dashcam("import", "one.jsonl").err
    files = [path for path in (tmp_path / "other").rglob("*") if path.is_file()]
    for canary in CANARIES.values():
        assert [path.name for path in files if canary.encode() in path.read_bytes()] == []
    assert dashcam("export", "--content", "--to", "two.jsonl").code == 0
    (before, plain), (after, other) = lines_of(tmp_path / "one.jsonl")[:2], lines_of(tmp_path / "two.jsonl")
    assert (plain["content_state"], other["request_body"]) == ("stored", plain["request_body"])
    assert (after["user_id"], after["content_state"], after["response_sha256"]) == (
        "[redacted:email]",
        "redacted",
        None,
    )
    assert after["input_tokens"] == before["input_tokens"]
    assert "email=" in after["metadata"]["dashcam_redacted"]
    answer = after["response_body"]
    assert (answer["content_encoding"], json.loads(answer["content"])["answer"][:17]) == (None, "[redacted:api_key")
    # Said again it is the same.
    assert "2 there already" in dashcam("import", "one.jsonl").err
