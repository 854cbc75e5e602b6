"""Two hosts write of the same providers, models, answers and slices of text: no deadlock, nothing counted twice."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from proxy.domain.cost import Price
from proxy.domain.interaction import Entry, uncounted
from proxy.domain.outcome import CostStatus, UsageSource
from proxy.settings.database import DatabaseSettings
from proxy.store.changes.amending import Amendment, Change
from proxy.store.contents.bodies import keep_bodies
from proxy.store.schema.columns import instant_text
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.postgres import Databases
from tests.support.rollups import ask, assert_rollups_equal_the_rows

HOSTS = 3
ROUNDS = 12
MODELS = [f"model-{number}" for number in range(7)]
PARTS = [f"{number:04d}".encode() * 512 for number in range(12)]


@pytest.fixture
def store(postgres: Databases) -> DatabaseSettings:
    return postgres.cleared()


def at_once(works: Sequence[Callable[[], None]]) -> None:
    """Run all of these side by side; whatever one of them raises is raised."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        barrier.wait(30)
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(run, work) for work in works]:
            future.result()


def shuffled(rng: random.Random, answers: Sequence[str]) -> list[Entry]:
    """Return calls of all models, with all slices and answers, in any order."""
    made = []
    for answer in rng.sample(answers, len(answers)):
        parts = rng.sample(PARTS, 6)
        price = Price(
            id=f"price-{rng.randrange(5)}", provider="openai", model="m", tier="", rates={"input_mtok": "1"},
            source="s", source_version="1", valid_from=None,
        )  # fmt: skip
        entry = an_entry(
            model=rng.choice(MODELS), operation="responses_read", usage_source=UsageSource.REPORTED, price_id=price.id
        )
        entry = replace(entry, answer_id=answer, repeats=True, price=price)
        made.append(with_body(entry, b"".join(parts), tuple(range(2048, 2048 * 6, 2048))))
    return made


def test_hosts_that_write_the_same_things_in_any_order_never_wait_in_a_circle(store: DatabaseSettings) -> None:
    answers = [f"resp-{number}" for number in range(8)]
    makers = [
        replace(an_entry(operation="responses"), answer_id=answer, interaction=uncounted(an_entry().interaction))
        for answer in answers
    ]
    first = StoreWriter(store)
    first.write(WriteBatch(entries=[("s", item) for item in makers]), lambda _: {})
    first.close()

    def host(number: int) -> None:
        rng, writer = random.Random(number), StoreWriter(store, f"host-{number}")
        for at in range(ROUNDS):
            entries = [(f"s{number}", item) for item in shuffled(rng, answers)]
            batch = WriteBatch(entries=entries, states=[SourceState(f"s{number}", 1, at)])
            written = writer.write(batch, lambda new: {("calls_total", "{}"): float(len(new))})
            assert len(written.inserted) == len(entries)
            changes = [
                Change(id=entry.interaction.id, before={"model": entry.interaction.model}, after={"model": "renamed"})
                for _, entry in rng.sample(entries, 4)
            ]
            assert writer.amend(Amendment(command="test", reason="", at=0, changes=changes)) == 4
        writer.close()

    at_once([lambda number=number: host(number) for number in range(HOSTS)])  # type: ignore[misc]
    assert_rollups_equal_the_rows(store)
    counted = ask(
        store, "SELECT count(*) FROM interaction WHERE operation = 'responses_read' AND output_tokens IS NOT NULL"
    )
    assert counted == [(len(answers),)]
    assert ask(store, "SELECT count(*) FROM body_chunk") == [(len(PARTS),)]
    assert ask(store, "SELECT instance, value FROM metric_total ORDER BY instance") == [
        (f"host-{number}", float(ROUNDS * len(answers))) for number in range(HOSTS)
    ]
    assert deadlocks(store) == 0


def test_a_slice_that_is_referred_to_is_not_removed_before_that_is_committed(store: DatabaseSettings) -> None:
    entry = with_body(an_entry(), b"".join(PARTS[:3]), (2048, 4096))
    writer = StoreWriter(store)
    writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {})
    day = instant_text(STARTED_AT)[:10]
    with writer.transaction() as connection, psycopg.connect(store.url, autocommit=True) as other:
        keep_bodies(connection, [(day, entry.request)])  # type: ignore[list-item]
        other.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("DELETE FROM body_chunk WHERE day = %s", (day,))
    writer.close()
    assert ask(store, "SELECT count(*) FROM body_chunk") == [(3,)]


def test_hosts_that_count_and_change_the_same_makers_never_wait_in_a_circle(store: DatabaseSettings) -> None:
    """A read that finds a background answer complete changes the row of the call that made it, hours older maybe."""
    makers = [a_maker(f"resp-{number}", number % 6) for number in range(20 * ROUNDS)]
    first = StoreWriter(store)
    first.write(WriteBatch(entries=[("s", item) for item in makers]), lambda _: {})
    first.close()

    def host(number: int) -> None:
        rng, writer = random.Random(number), StoreWriter(store)
        for at in range(0, len(makers), 20):
            # Some answers each host alone has read, some all have; hours and models are everybody's.
            here = makers[at : at + 20]
            shared = rng.sample(here[number * 4 : number * 4 + 4] + here[16:], 8)
            changes = [
                Change(
                    id=item.interaction.id, before={"model": item.interaction.model}, after={"model": "renamed"},
                    answer=("openai", item.answer_id or ""),
                )
                for item in rng.sample(here[16:], 2)
            ]  # fmt: skip
            writer.write(WriteBatch(entries=[("s", a_read(item, rng)) for item in shared]), lambda _: {})
            writer.amend(Amendment(command="test", reason="", at=0, changes=changes))
        writer.close()

    at_once([lambda number=number: host(number) for number in range(HOSTS)])  # type: ignore[misc]
    assert_rollups_equal_the_rows(store)
    sql = "SELECT count(*) FROM interaction WHERE operation = 'responses_read' AND output_tokens IS NOT NULL"
    freed = ask(store, "SELECT count(*) FROM interaction WHERE operation = 'responses' AND cost_status = 'free'")
    assert ask(store, sql) == freed
    assert freed[0][0] >= ROUNDS * 4 * HOSTS
    assert deadlocks(store) == 0


def a_maker(answer: str, hour: int) -> Entry:
    """Return a background call, which did not know its counts, of some hour."""
    item = uncounted(an_entry(operation="responses", started_at=STARTED_AT + hour * 3_600_000).interaction)
    item = replace(item, cost_status=CostStatus.UNPRICED, cost_pico_usd=None)
    return replace(an_entry(), interaction=item, answer_id=answer)


def a_read(maker: Entry, rng: random.Random) -> Entry:
    """Return a call that fetches what another one has made."""
    at, model = STARTED_AT + rng.randrange(6) * 3_600_000, rng.choice(MODELS)
    made = an_entry(operation="responses_read", usage_source=UsageSource.REPORTED, model=model, started_at=at)
    return replace(made, answer_id=maker.answer_id, repeats=True)


def deadlocks(store: DatabaseSettings) -> int:
    """Return how often the server had to break a circle."""
    with psycopg.connect(store.url, autocommit=True) as connection:
        found = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int((found.fetchone() or (0,))[0])


def test_an_answer_that_several_hosts_find_complete_at_once_is_counted_by_one(store: DatabaseSettings) -> None:
    for is_unnamed in (False, True):
        answer = uuid.uuid4().hex
        made = an_entry(operation="responses", usage_source=UsageSource.REPORTED)
        if not is_unnamed:
            maker = replace(made, answer_id=answer, interaction=uncounted(made.interaction))
            writer = StoreWriter(store)
            writer.write(WriteBatch(entries=[("s", maker)]), lambda _: {})
            writer.close()
        reads = [
            replace(an_entry(usage_source=UsageSource.REPORTED), answer_id=answer, repeats=True, is_unnamed=is_unnamed)
            for _ in range(HOSTS)
        ]

        def read(entry: Entry) -> None:
            writer = StoreWriter(store)
            writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {})
            writer.close()

        at_once([lambda entry=entry: read(entry) for entry in reads])  # type: ignore[misc]
        marks = ",".join("?" * len(reads))
        ids = [entry.interaction.id for entry in reads]
        sql = f"SELECT count(*) FROM interaction WHERE output_tokens IS NOT NULL AND id IN ({marks})"
        assert ask(store, sql, *ids) == [(1,)]


def test_a_call_that_two_hosts_have_is_one_row(store: DatabaseSettings) -> None:
    """A spool that was copied: the second finds the row there, however close they come."""
    entries = [an_entry() for _ in range(20)]
    inserted: list[int] = []

    def load() -> None:
        writer = StoreWriter(store)
        for entry in entries:
            written = writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {})
            inserted.append(len(written.inserted))
        writer.close()

    load()
    at_once([load, load])
    assert sum(inserted) == len(entries)
    assert_rollups_equal_the_rows(store)


def test_a_row_that_two_hosts_change_at_once_is_changed_by_one(store: DatabaseSettings) -> None:
    entries = [an_entry() for _ in range(10)]
    writer = StoreWriter(store)
    writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {})
    writer.close()
    changed: list[int] = []

    def amend(name: str, order: int) -> None:
        mine = StoreWriter(store)
        changes = [
            Change(id=item.interaction.id, before={"model": item.interaction.model}, after={"model": name})
            for item in entries[::order]
        ]
        changed.append(mine.amend(Amendment(command="test", reason="", at=0, changes=changes)))
        mine.close()

    at_once([lambda: amend("one", 1), lambda: amend("two", -1), lambda: amend("three", 1)])
    assert sum(changed) == len(entries)
    assert_rollups_equal_the_rows(store)
