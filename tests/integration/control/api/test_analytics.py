"""Summaries, sums, failures and sessions over the API; each answer is one that is described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from tests.support.few_calls import filled, refused


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


async def test_a_summary_is_of_a_week_unless_more_is_asked_for(settings: Settings) -> None:
    async with filled(settings) as api:
        week: Any = await api.ask("GET", "analytics/summary")
        assert (week["calls"], week["errors"], week["error_rate"], week["unpriced_calls"]) == (4, 1, 0.25, 1)
        assert {row["model"]: row["calls"] for row in week["models"]} == {"gpt-5": 2, "o4": 2}
        assert sum(item["calls"] for item in week["series"]) == 4
        assert (await api.ask("GET", "analytics/summary?since=90d"))["calls"] == 5
        day = await api.ask("GET", "analytics/summary?since=3h")
        assert (day["calls"], {row["outcome"] for row in day["outcomes"]}) == (3, {"completed", "timed_out"})
        nothing = await api.ask("GET", "analytics/summary?since=2090-01-01")
        assert (nothing["calls"], nothing["cost_usd"], nothing["error_rate"]) == (0, None, None)
        await refused(api, "analytics/summary?since=yesterday", "since", "7d")
        await refused(api, "analytics/summary?day=1", "day", "since, until")


async def test_sums_by_what_is_wanted(settings: Settings) -> None:
    async with filled(settings) as api:
        told = await api.ask("GET", "query?by=model,outcome")
        assert {(row["model"], row["outcome"], row["calls"]) for row in told["rows"]} == {
            ("gpt-5", "completed", 2), ("o4", "completed", 1), ("o4", "timed_out", 1),
        }  # fmt: skip
        assert (told["by"], told["is_whole"]) == (["model", "outcome"], True)
        days = (await api.ask("GET", "query?by=day&since=90d"))["rows"]
        assert [row["day"] for row in days] == sorted(row["day"] for row in days)
        top = await api.ask("GET", "query?by=user&top=1")
        assert (top["rows"][0]["user"], top["rows"][0]["calls"], top["is_whole"]) == ("kim", 2, False)
        assert (await api.ask("GET", "query?by=day&user=lee"))["rows"][0]["calls"] == 1
        begins_so = (await api.ask("GET", "query?by=model&model=gpt-*"))["rows"]
        assert [(row["model"], row["calls"]) for row in begins_so] == [("gpt-5", 2)]
        either = (await api.ask("GET", "query?by=model&model=gpt-*,o4&outcome=completed"))["rows"]
        assert [(row["model"], row["calls"]) for row in either] == [("gpt-5", 2), ("o4", 1)]
        assert [row["user"] for row in (await api.ask("GET", "query?by=user&user=ki*"))["rows"]] == ["kim"]
        await refused(api, "query?by=model&model=g*t", "model", "an asterisk stands at the end")
        await refused(api, "query?by=model&outcome=done", "outcome", "no such word")
        await refused(api, "query", "by", "names one to three of: hour, day, provider")
        await refused(api, "query?by=colour", "by", "there are: hour, day")
        await refused(api, "query?by=user,model", "by", "user is counted by day only")
        await refused(api, "query?by=hour&user=kim", "by", "user is counted by day only")
        await refused(api, "query?by=model&sort=size", "sort", "there are: calls, errors")
        await refused(api, "query?by=model&top=0", "top", "1 to 1000")


async def test_what_failed_and_what_was_last(settings: Settings) -> None:
    async with filled(settings) as api:
        told = await api.ask("GET", "analytics/failures")
        (kind,) = told["rows"]
        assert (kind["outcome"], kind["http_status"], kind["calls"], kind["share"]) == ("timed_out", None, 1, 0.5)
        assert (await api.ask("GET", f"interactions/{kind['sample_id']}"))["outcome"] == "timed_out"
        assert (await api.ask("GET", "analytics/failures?model=gpt-*"))["rows"] == []
        assert len((await api.ask("GET", "analytics/failures?model=o*"))["rows"]) == 1
        recent = await api.ask("GET", "analytics/recent?limit=2")
        assert ([row["model"] for row in recent["data"]], recent["has_more"]) == (["o4", "gpt-5"], True)


async def test_sessions_go_both_ways(settings: Settings) -> None:
    async with filled(settings) as api:

        async def names(query: str) -> list[str]:
            return [row["id"] for row in (await api.ask("GET", f"sessions?{query}"))["data"]]

        assert await names("") == ["s/1", "s2", "s3", "s0"]
        assert await names("since=7d") == ["s/1", "s2", "s3"]
        assert await names("limit=2&after=s/1") == ["s2", "s3"]
        assert await names("limit=1&before=s3") == ["s2"]
        assert await names("order=asc&limit=2") == ["s0", "s3"]
        assert await names("order=asc&after=s2") == ["s/1"]
        one = await api.ask("GET", "sessions/s/1")
        assert (one["calls"], one["id"]) == (2, "s/1")
        assert (await api.ask("GET", "sessions?fields=calls&limit=1"))["data"] == [{"id": "s/1", "calls": 2}]
        await api.ask("GET", "sessions/none", status=404)
        await refused(api, "sessions?after=none", "after", "no session")
        await refused(api, "sessions?after=s2&before=s3", "before", "stands alone")


async def test_an_end_before_the_beginning_is_refused(settings: Settings) -> None:
    async with filled(settings) as api:
        for path in (
            "interactions?",
            "interactions?q=since:7d%20until:9d&",
            "search?q=refund&",
            "sessions?",
            "query?by=day&",
        ):
            await refused(api, f"{path}since=7d&until=9d", "until", "is not after since")
        await refused(api, "analytics/summary?since=1h&until=1h", "until", "since is the earlier one")
