"""Revision 0020 sums days up from their hours, exactly and however much it was, and its views say what they said."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import upgrade
from proxy.store.schema.rows import LARGEST
from tests.support.revisions import bring_back, bring_to
from tests.support.rollups import ask

VIEWS = ("v_daily_cost", "v_failures", "v_prompt_performance")
DAYS = "SELECT * FROM usage_daily ORDER BY day, provider, model, route, prompt_name, prompt_version, outcome"
Row = tuple[Any, ...]


def hours(seed: int) -> list[Row]:
    """Return sums of hours: of calls that no row is left of, without prices, with and without prompts, that failed."""
    chance, rows = random.Random(seed), []
    for hour in ("2026-10-01T00", "2026-10-01T09", "2026-10-01T23", "2026-10-02T00", "2026-11-30T12"):
        for provider, model in (("openai", "gpt-5"), ("openai", "o3"), ("", "")):
            for prompt in (("", 0), ("reply", 1), ("reply", 2)):
                for outcome in chance.sample(("completed", "client_gone", "timed_out"), 2):
                    calls = chance.randrange(1, 500)
                    sums = (calls, calls * 7, calls * 3, calls, calls * chance.randrange(10**9), calls // 2)
                    rows.append((hour, provider, model, "", *prompt, outcome, *sums, calls * 0.25))
    return rows


def days(rows: list[Row]) -> list[Row]:
    """Return what is to be said of days."""
    found: dict[Row, list[float]] = defaultdict(lambda: [0] * 7)
    for hour, *others in rows:
        key = (hour[:10], *others[:6])
        found[key] = [old + more for old, more in zip(found[key], others[6:], strict=True)]
    return [(*key, *(min(value, LARGEST) for value in values)) for key, values in sorted(found.items())]


def put(database: DatabaseSettings, rows: list[Row]) -> None:
    for row in rows:
        ask(database, f"INSERT INTO rollup_hourly VALUES ({', '.join('?' * 14)})", *row)
    ask(database, "INSERT INTO failure_daily VALUES ('2026-10-01', 'openai', 'o3', 'timed_out', 504, '', 'late', 9, "
                  "'2026-10-01T09:00:00.000Z', '0193a3e2-7b1c-7000-8000-000000000001')")  # fmt: skip


def said(database: DatabaseSettings, view: str) -> list[Row]:
    return sorted(ask(database, f"SELECT * FROM {view}"), key=str)


def test_days_say_what_their_hours_say_and_views_what_they_said(empty: DatabaseSettings) -> None:
    bring_to(empty, "0019")
    rows = hours(seed=20)
    put(empty, rows)
    before = {view: said(empty, view) for view in VIEWS}
    assert upgrade(empty).is_whole
    assert ask(empty, DAYS) == days(rows)
    for view in VIEWS:
        assert before[view], view
        assert said(empty, view) == before[view], view
        assert [type(each) for each in said(empty, view)[0]] == [type(each) for each in before[view][0]]


def test_costs_beyond_what_a_column_says_stay_at_its_end(empty: DatabaseSettings) -> None:
    bring_to(empty, "0019")
    first, second = ("2026-10-01T00", "2026-10-01T09")
    amounts = {"over": (LARGEST, LARGEST), "by one": (LARGEST, 1), "fits": (LARGEST - 999_999_999, 999_999_999),
               "nearly": (LARGEST - 1, 0), "parts": (1_999_999_999, 1)}  # fmt: skip
    rows = [
        (hour, "openai", model, "", "", 0, "completed", 1, 0, 0, 0, cost, 0, 0.0)
        for model, costs in amounts.items()
        for hour, cost in zip((first, second), costs, strict=True)
    ]
    put(empty, rows)
    assert upgrade(empty).is_whole
    costs = dict(ask(empty, "SELECT model, cost_pico_usd FROM usage_daily"))
    assert costs == {model: min(LARGEST, sum(pair)) for model, pair in amounts.items()}


def test_it_can_be_taken_back_and_views_of_its_views_stay(empty: DatabaseSettings) -> None:
    upgrade(empty)
    put(empty, rows := hours(seed=21))
    ask(empty, "CREATE VIEW of_mine AS SELECT model, calls FROM v_daily_cost")
    bring_back(empty, "0019")
    before = {view: said(empty, view) for view in VIEWS}
    assert upgrade(empty).is_whole
    assert {view: said(empty, view) for view in VIEWS} == before
    assert ask(empty, DAYS) == days(rows)
    assert len(ask(empty, "SELECT * FROM of_mine")) == len(before["v_daily_cost"])


def test_a_view_that_somebody_has_dropped_keeps_nobody_from_upgrading(empty: DatabaseSettings) -> None:
    bring_to(empty, "0019")
    put(empty, hours(seed=22))
    before = said(empty, "v_failures")
    ask(empty, "DROP VIEW v_failures")
    assert upgrade(empty).is_whole
    assert said(empty, "v_failures") == before
