"""Revision 0019 answers percentiles of days as they are counted from the buckets, and as the view before it did."""

from __future__ import annotations

import random
from collections import defaultdict

from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import upgrade
from tests.support.revisions import bring_back, bring_to
from tests.support.rollups import ask

SHARES = {"duration": (50, 90, 95, 99), "ttft": (50, 95)}
VIEW = "SELECT * FROM v_model_latency ORDER BY day, provider, model"
Group = tuple[str, str, str]


def buckets(seed: int) -> list[tuple[str, str, str, str, int, float, int]]:
    """Return days of models: some with one call, some without answers that began, some with calls that nobody named."""
    chance, rows = random.Random(seed), []
    for day in ("2026-10-01", "2026-10-02", "2026-11-01"):
        for provider, model in (("openai", "gpt-5"), ("openai", "o3"), ("ollama", "o3"), ("", "")):
            for measure in chance.choice((["duration"], ["ttft"], ["duration", "ttft"])):
                numbers = chance.sample(range(1, 300), chance.choice((1, 2, 20, 100)))
                rows += [(day, provider, model, measure, n, 1.05**n, chance.choice((1, 1, 9, 500))) for n in numbers]
    return rows


def counted(rows: list[tuple[str, str, str, str, int, float, int]]) -> list[tuple[object, ...]]:
    """Return what the view is to say, from a list of all calls one by one."""
    calls: dict[Group, dict[str, list[float]]] = defaultdict(lambda: {"duration": [], "ttft": []})
    for day, provider, model, measure, _, upper_ms, number in rows:
        calls[day, provider, model][measure] += [upper_ms] * number
    return [
        (*group, len(took["duration"]), *(at(took[measure], share) for measure in SHARES for share in SHARES[measure]))
        for group, took in sorted(calls.items())
    ]


def at(took: list[float], percent: int) -> float | None:
    return sorted(took)[(len(took) * percent + 99) // 100 - 1] if took else None


def put(database: DatabaseSettings, rows: list[tuple[str, str, str, str, int, float, int]]) -> None:
    for row in [*rows, ("2026-10-01", "", "", "prompt", 7, 1.4, 1000)]:
        ask(
            database,
            "INSERT INTO latency_daily (day, provider, model, measure, bucket, upper_ms, calls, prompt_name, "
            "prompt_version) VALUES (?, ?, ?, ?, ?, ?, ?, '', 0)",
            *row,
        )


def test_the_view_says_what_the_buckets_say_and_what_it_said_before(empty: DatabaseSettings) -> None:
    bring_to(empty, "0018")
    rows = buckets(seed=19)
    put(empty, rows)
    before = ask(empty, VIEW)
    assert upgrade(empty).is_whole
    assert ask(empty, VIEW) == before == counted(rows)
    assert [type(each) for each in ask(empty, VIEW)[0]] == [type(each) for each in before[0]]


def test_it_can_be_taken_back_and_views_of_it_stay(empty: DatabaseSettings) -> None:
    upgrade(empty)
    put(empty, buckets(seed=20))
    now = ask(empty, VIEW)
    ask(empty, "CREATE VIEW of_mine AS SELECT model, calls FROM v_model_latency")
    bring_back(empty, "0018")
    assert ask(empty, VIEW) == now
    assert upgrade(empty).is_whole
    assert len(ask(empty, "SELECT * FROM of_mine")) == len(now)
