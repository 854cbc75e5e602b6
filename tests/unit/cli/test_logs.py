"""Lists: filters, forms, and what is said when nothing or too much matches."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from proxy.cli.instants import now
from proxy.domain.outcome import Outcome
from proxy.settings.database import sqlite_at
from proxy.store.filters.statements import Filters
from proxy.store.reading import sorting
from proxy.store.reading.reader import Reader
from tests.support.entries import STARTED_AT, an_entry
from tests.unit.cli.conftest import Command, Record


def test_a_pipe_gets_tabs_with_the_columns_names_and_the_newest_last(dashcam: Command, record: Record) -> None:
    record(an_entry(model="first"), an_entry(model="second"))
    said = dashcam("logs", "--fields", "model,tokens,outcome")
    assert said.lines == ["model\ttokens\toutcome", "first\t10+5\tcompleted", "second\t10+5\tcompleted"]
    assert dashcam("logs", "--fields", "model", "--no-headers", "-n", "1").lines == ["second"]


def test_a_terminal_gets_a_table_with_colours_unless_it_wants_none(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(an_entry(), an_entry(outcome=Outcome.TIMED_OUT, success=False))
    said = dashcam("logs", "--utc", is_terminal=True)
    assert "\x1b[32mcompleted" in said.out
    assert "\x1b[31mtimed_out" in said.out
    monkeypatch.setenv("NO_COLOR", "1")
    heading, *rows = dashcam("logs", "--utc", is_terminal=True).lines
    assert heading.split()[:3] == ["TIME", "ID", "MODEL"]
    assert len({line.index("gpt-5") for line in rows} | {heading.index("MODEL")}) == 1
    assert "\x1b" not in "".join(rows)


def test_json_is_the_whole_row(dashcam: Command, record: Record) -> None:
    record(an_entry(tool_names=("a",)), an_entry())
    first, second = json.loads(dashcam("logs", "--json").out)
    assert (first["tool_names"], second["cost_pico_usd"]) == (["a"], 2_500_000)
    assert [json.loads(line)["id"] for line in dashcam("logs", "--jsonl").lines] == [first["id"], second["id"]]


def test_filters(dashcam: Command, record: Record) -> None:
    record(an_entry(model="gpt-5"), an_entry(model="gpt-5-mini", outcome=Outcome.CLIENT_GONE), an_entry(model="o4"))

    def models(*arguments: str) -> list[str]:
        return dashcam("logs", "--fields", "model", "--no-headers", *arguments).lines

    assert models("--model", "gpt-5") == ["gpt-5"]
    assert models("--model", "gpt-5*") == ["gpt-5", "gpt-5-mini"]
    assert models("--outcome", "client_gone") == ["gpt-5-mini"]
    assert models("--provider", "nobody") == []
    assert models("--since", "2099-01-01") == []
    assert models("--until", "2099-01-01", "-n", "2") == ["gpt-5-mini", "o4"]


def test_a_query_says_what_calls_have_in_common(dashcam: Command, record: Record) -> None:
    old = an_entry(model="old", duration_ms=3000.0, started_at=now() - 50 * 3_600_000)
    slow = an_entry(model="slow", duration_ms=3000.0, user_id="kim", started_at=now() - 3_600_000)
    record(old, slow, an_entry(model="quick", started_at=now() - 1000))

    def models(*arguments: str) -> list[str]:
        return dashcam("logs", "--fields", "model", "--no-headers", *arguments).lines

    assert models("latency:>2s") == ["old", "slow"]
    assert models("latency:>2s", "model:s*") == ["slow"]
    assert models("latency:>2s asked", "--days", "1") == ["slow"]
    assert models("--", "-user:kim", "since:1d") == ["quick"]
    assert models("nowhere") == []
    said = dashcam("logs", "nowhere", is_terminal=True)
    assert "every one of the filters must" in said.err
    with_ends = dashcam("logs", "--days", "1", "--since", "2d")
    assert (with_ends.code, "choose one" in with_ends.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("modle:gpt-5",), "did you mean model?"),
        (("modle:gpt-5",), "next: the filters are status, outcome,"),
        (("latency:2",), "write it with its unit"),
        (("--outcome", "fine"), "use one of completed,"),
        (("--since", "long ago"), "use 7d, 3h,"),
        (("--fields", "model,nonsense"), "nonsense is no column; the columns are tokens, id,"),
    ],
)
def test_what_cannot_be_is_a_usage_error_that_lists_what_can(
    dashcam: Command, record: Record, arguments: tuple[str, ...], told: str
) -> None:
    record()
    said = dashcam("logs", *arguments)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_before_the_first_call_the_next_command_is_told(dashcam: Command, record: Record) -> None:
    said = dashcam("logs")
    assert said.code == 1
    assert "next: start Dashcam with: dashcam serve" in said.err
    record()
    assert "dashcam try" in dashcam("logs", is_terminal=True).err


def test_that_there_is_more_is_told_on_a_terminal_only(dashcam: Command, record: Record) -> None:
    record(*(an_entry() for _ in range(3)))
    said = dashcam("logs", "-n", "2", is_terminal=True)
    assert len(said.lines) == 3
    assert "See more with: -n 10" in said.err
    assert dashcam("logs", "-n", "2").err == dashcam("logs", "-n", "3", is_terminal=True).err == ""


def test_what_matches_nothing_is_not_called_nothing_yet(dashcam: Command, record: Record) -> None:
    record(an_entry())
    assert "No calls match" in dashcam("logs", "--model", "nobody", is_terminal=True).err


def test_recorded_control_characters_never_reach_the_screen(dashcam: Command, record: Record) -> None:
    record(an_entry(model="\x1b[2Jgone\x07\u202e"))
    for is_terminal in (True, False):
        out = dashcam("logs", is_terminal=is_terminal).out
        assert "gone" in out
        assert not set(out) & set("\x07\u202e")
        assert "\x1b[2J" not in out


def test_a_file_that_is_no_database_is_told(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dashcam.db").write_bytes(b"no database at all" * 100)
    said = dashcam("logs")
    assert said.code == 1
    assert "is no SQLite database; it is left as it is" in said.err
    assert "Traceback" not in said.err


def test_following_goes_by_the_order_of_recording_not_of_starting(record: Record, tmp_path: Path) -> None:
    """A long call started first and is recorded last."""
    long, short = an_entry(model="long"), an_entry(model="short")
    record(short)
    reader = Reader(sqlite_at(tmp_path / "data" / "dashcam.db"))
    recorded = reader.recorded()
    record(long)
    assert [row["model"] for row in recorded.next(Filters(), 10)] == ["long"]
    assert recorded.next(Filters(), 10) == []
    reader.close()


def test_calls_are_listed_by_what_their_callers_said(dashcam: Command, record: Record) -> None:
    record(
        an_entry(model="a", user_id="kim", session_id="s", app="shop", environment="prod", tags=("eu",)),
        an_entry(model="b", user_id="lee", tags=("eu", "beta"), metadata={"team": "x=y"}),
        an_entry(model="c"),
    )

    def models(*arguments: str) -> list[str]:
        return dashcam("logs", "--fields", "model", "--no-headers", *arguments).lines

    assert models("--user", "kim") == models("--session", "s") == models("--app", "shop") == ["a"]
    assert models("--environment", "prod", "--tag", "eu") == ["a"]
    assert models("--tag", "eu") == ["a", "b"]
    assert models("--tag", "eu", "--tag", "beta") == models("--meta", "team=x=y") == ["b"]
    said = dashcam("logs", "--meta", "team")
    assert (said.code, "--meta team=eu" in said.err) == (2, True)


def test_the_largest_of_a_column_come_last_and_what_is_unknown_never_does(dashcam: Command, record: Record) -> None:
    record(an_entry(model="b", duration_ms=20.0), an_entry(model="c", duration_ms=30.0))
    record(an_entry(model="none", duration_ms=None), an_entry(model="a", duration_ms=10.0))

    def models(*arguments: str) -> list[str]:
        return dashcam("logs", "--fields", "model", "--no-headers", *arguments).lines

    assert models("--sort", "duration_ms") == ["none", "a", "b", "c"]
    assert models("--sort", "duration_ms", "-n", "2") == ["b", "c"]
    assert models("--sort", "-duration_ms", "-n", "2") == ["b", "a"]


def test_since_a_call_that_is_on_record(dashcam: Command, record: Record) -> None:
    entries = [an_entry(model=str(number), started_at=STARTED_AT + number * 1000) for number in range(4)]
    record(*entries)

    def models(since: str) -> list[str]:
        return dashcam("logs", "--fields", "model", "--no-headers", "--since", since).lines

    assert models("last") == ["3"]
    assert models("last-2") == ["1", "2", "3"]
    assert dashcam("logs", "--since", "abcdef").code == 3
    assert dashcam("logs", "--since", "abc").code == 2


def test_colours_are_as_the_flag_says(dashcam: Command, record: Record) -> None:
    record(an_entry())
    assert "\x1b[" not in dashcam("logs", "--color", "never", is_terminal=True).out
    assert "\x1b[" in dashcam("show", "--color", "always").out
    assert "\x1b[" not in dashcam("show").out


def test_json_has_the_columns_that_were_asked_for(dashcam: Command, record: Record) -> None:
    record(an_entry(model="gpt-5"))
    (row,) = json.loads(dashcam("logs", "--json", "--fields", "model,success,tokens").out)
    assert row == {"model": "gpt-5", "success": True, "tokens": "10+5"}
    (line,) = dashcam("logs", "--jsonl", "--fields", "model,is_stream").lines
    assert list(json.loads(line)) == ["model", "is_stream"]
    assert json.loads(dashcam("logs", "--json").out)[0]["success"] is True


def test_an_id_that_several_begin_with_is_told_with_some_of_them(dashcam: Command, record: Record) -> None:
    record(an_entry(), an_entry())
    ids = [row["id"] for row in json.loads(dashcam("logs", "--json").out)]
    said = dashcam("show", ids[0][:8])
    assert (said.code, all(item in said.err for item in ids)) == (3, True)


def test_a_list_by_tokens_says_how_far_back_it_looks(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(
        an_entry(model="old", total_tokens=9, started_at=STARTED_AT - 7_200_000),
        an_entry(model="large", total_tokens=7), an_entry(model="small", total_tokens=2),
    )  # fmt: skip
    asked = ("logs", "--sort", "tokens", "--fields", "model", "--no-headers")
    whole = dashcam(*asked)
    assert (whole.lines, whole.err) == (["small", "large", "old"], "")
    monkeypatch.setattr(sorting, "MOST", 2)
    cut = dashcam(*asked)
    assert cut.lines == ["small", "large"]
    assert cut.err.startswith("By total_tokens among the latest calls, since 2026-11-18T11:00Z; --since looks")
    assert dashcam(*asked, "--since", "2026-01-01").lines == whole.lines


def test_a_column_that_somebody_has_taken_away_is_told(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(an_entry())
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "dashcam.db")) as by_hand:
        by_hand.execute("ALTER TABLE interaction RENAME COLUMN finish_kind TO mine")
    said = dashcam("logs", "--json", "--fields", "id,finish_kind")
    assert (said.code, "a column finish_kind is gone" in said.err) == (1, True), said
