"""The order of a copy: make the target ready, fill it, compare it, catch up; and, while nobody writes, the rest.

Each step may be repeated: it looks at what the target has and does what is left. So a database that is away for a while
is waited for, and a copy that was killed goes on with the next one.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.changes.resealing import MARKS
from proxy.store.engines import partitions
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.moving import places, state
from proxy.store.moving.carrying import Carrier
from proxy.store.moving.comparing import Comparison, Findings, compare_changing
from proxy.store.moving.merging import Renaming, merge
from proxy.store.moving.plan import AMENDMENT, GROWING, carried
from proxy.store.moving.renewing import Renewal
from proxy.store.moving.side import Side

FEW_CALLS = 500
"""So many calls may be left for the last step, for which recording waits."""
_ROUNDS = 20
_PATIENCE_SECONDS, _CALM_SECONDS = 300.0, 60.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 15.0
_OLDEST = date(2000, 1, 1)
_SUMMED = {
    "interaction": ("input_tokens", "output_tokens", "cached_tokens", "cost_pico_usd"),
    "rollup_hourly": ("calls", "input_tokens", "output_tokens", "cached_tokens", "cost_pico_usd"),
    "latency_histogram": ("calls",),
    "usage_daily": ("calls", "input_tokens", "output_tokens", "cached_tokens", "cost_pico_usd"),
    "rollup_daily": ("calls", "total_tokens", "cost_pico_usd"),
    "latency_daily": ("calls",),
    "failure_daily": ("calls",),
}
T = TypeVar("T")


@dataclass(slots=True)
class Watch:
    """What a copy tells of itself: a step began, rows of a table were done, a database is waited for and why."""

    step: Callable[[str, int], None] = lambda _name, _total: None
    rows: Callable[[str, int], None] = lambda _table, _count: None
    waiting: Callable[[str], None] = lambda _reason: None


@dataclass(slots=True)
class Copy:
    """A copy from one database into another; ``close`` it at the end."""

    source: Side
    target: Side
    watch: Watch
    sleep: Callable[[float], None] = time.sleep
    _carrier: Carrier = field(init=False)
    _renewal: Renewal = field(init=False)
    _sealed: list[tuple[object, ...]] | None = None

    def __post_init__(self) -> None:
        """Make what carries."""
        self._carrier = Carrier(self.source, self.target, self.watch.rows)
        self._renewal = Renewal(self.source, self.target, self._carrier)

    @property
    def mended(self) -> int:
        """How many rows had U+0000 in a text, which Postgres cannot keep."""
        return self._carrier.mended

    def left_behind(self) -> list[str]:
        """Return what of the source has no place in the target: made by hand, and not carried."""
        return self._insist(lambda: places.left_behind(self.source, self.target))

    def fill(self) -> None:
        """Carry all that is there."""
        total = self._insist(lambda: sum(self._size(kind.name) for kind in GROWING))
        done = self._insist(lambda: sum(self.target.count(k, k.lowest, self.target.last(k)) for k in GROWING))
        self.watch.step("copying", total)
        self.watch.rows("", done)
        self._insist(self._make_months)
        self._insist(self._carrier.fill)

    def compare(self) -> Findings:
        """Compare every range of both; ``StoreError`` where the target says something else than the source."""
        self.watch.step("verifying", self._insist(lambda: sum(self._size(kind.name) for kind in GROWING)))
        carrier, self._sealed = self._carrier, self._insist(self._seals)
        found = self._insist(
            lambda: Comparison(self.source, self.target, self.watch.rows, carrier.settle, again=carrier.again).run()
        )
        refuse_difference(found)
        return found

    def verify(self, renaming: Renaming) -> Findings:
        """Compare everything and change nothing; what a target in use has besides, or changed since, may differ."""
        self.watch.step("verifying", self._insist(lambda: sum(self._size(kind.name) for kind in GROWING)))
        there = self._insist(lambda: state.read(self.target))
        is_in_use = there is not None and there.state == state.IN_USE
        since = self._insist(self._amended_since) if is_in_use else frozenset()
        found = self._insist(lambda: Comparison(self.source, self.target, self.watch.rows, amended=since).run())
        if there is not None and there.state == state.COMPLETE:
            found.add(self._insist(lambda: compare_changing(self.source, self.target, renaming)))
        return found

    def _amended_since(self) -> frozenset[str]:
        """Return the calls that the target has changed since it is the record."""
        last = self.source.last(AMENDMENT)
        found = self.target.ask("SELECT interaction_id FROM amendment WHERE number > ?", (last,))
        return frozenset(row[0] for row in found)

    def catch_up(self) -> int:
        """Carry what came meanwhile until little is left; return how many calls came in the last round."""
        self.watch.step("catching up", 0)
        calls = 0
        for _ in range(_ROUNDS):
            calls = self._insist(self._catch_up)
            if calls <= FEW_CALLS:
                break
        self._insist(self._analyze)
        return calls

    def _catch_up(self) -> int:
        calls = self._carrier.catch_up()
        self._renewal.run()
        merge(self.source, self.target)
        return calls

    def finish(self, renaming: Renaming) -> Findings:
        """While nobody writes to the source: carry the rest, look whether all is there, and call the copy complete."""
        before = self._insist(self._marks)
        self._insist(self._carrier.catch_up)
        is_other = self._insist(self._renewal.run) and self._insist(self._renewal.run)
        if is_other or self._insist(self._seals) != self._sealed:
            # It does not become the same, which this says; or all was sealed with another key, which has no figures.
            self.compare()
        found = Findings(rows=self.counts())
        found.add(self._insist(lambda: compare_changing(self.source, self.target, renaming, is_written=True)))
        refuse_difference(found)
        if self._insist(self._marks) != before or found.rows != self.counts(is_target=True) or not self._agrees():
            raise StoreError("something else wrote meanwhile, so the copy is not complete",
                             hint="stop every Dashcam that records there, and give the same command again")  # fmt: skip
        self._insist(self._number_on)
        self._insist(lambda: state.set_state(self.target, state.COMPLETE))
        return found

    def counts(self, *, is_target: bool = False) -> dict[str, int]:
        """Return how many rows each table has."""
        side = self.target if is_target else self.source
        return {
            str(table.name): int(self._insist(lambda: side.ask(f"SELECT count(*) FROM {table.name}"))[0][0])  # noqa: B023, S608
            for table in carried()
        }

    def close(self) -> None:
        """Let go of both databases."""
        self.source.close()
        self.target.close()

    # -- pieces ---------------------------------------------------------------------------------------------

    def _size(self, table: str) -> int:
        return int(self.source.ask(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our names

    def _agrees(self) -> bool:
        """Return True when sums over all calls and over all rollups are the same on both sides."""
        return self._insist(lambda: _sums(self.source)) == self._insist(lambda: _sums(self.target))

    def _marks(self) -> list[tuple[object, ...]]:
        """Return what moves when anybody writes to the source: the positions of all instances, the last amendment."""
        places = self.source.ask('SELECT source, segment, "offset", stored FROM spool_position ORDER BY source')
        return [*places, (self.source.last(AMENDMENT),)]

    def _seals(self) -> list[tuple[object, ...]]:
        """Return what moves when what is on record is sealed anew."""
        return self.source.ask("SELECT name, value FROM deployment WHERE name IN (?, ?) ORDER BY name", MARKS)

    def _make_months(self) -> None:
        """Make the partitions of the months that have calls, where the target is cut into months."""
        if not self.target.database.is_postgres:
            return
        for month in _months(self.source):
            with self.target.begin() as connection:
                partitions.make(connection, month)

    def _analyze(self) -> None:
        """Let Postgres look at what came, which it would plan for as if there were nothing."""
        if self.target.database.is_postgres:
            with self.target.begin() as connection:
                connection.exec_driver_sql(f"ANALYZE {', '.join(str(table.name) for table in carried())}")

    def _number_on(self) -> None:
        """Let Postgres number on behind the numbers that came along."""
        if self.target.database.is_postgres:
            with self.target.begin() as connection:
                for table in carried():
                    for column in table.columns:
                        if column.autoincrement is True:
                            sequence = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
                            next_one = f"(SELECT coalesce(max({column.name}), 0) + 1 FROM {table.name})"  # noqa: S608 - our names
                            connection.exec_driver_sql(f"SELECT setval({sequence}, {next_one}, false)")

    def _insist(self, step: Callable[[], T]) -> T:
        """Do a step, waiting for a database that is away: with growing pauses, for some minutes on end."""
        since = last = -_PATIENCE_SECONDS
        pause = _SHORTEST_PAUSE
        while True:
            try:
                return step()
            except StoreUnavailableError as error:
                now = time.monotonic()
                if now - last > _CALM_SECONDS:
                    # It went on in between.
                    since, pause = now, _SHORTEST_PAUSE
                if now - since > _PATIENCE_SECONDS:
                    raise
                last = now
                self.watch.waiting(error.message)
            # Not for secrets.
            self.sleep(random.uniform(_SHORTEST_PAUSE, pause))  # noqa: S311
            pause = min(_LONGEST_PAUSE, pause * 2)


def open_copy(source: DatabaseSettings, target: DatabaseSettings, watch: Watch) -> Copy:
    """Open both for comparing; ``StoreError`` where one cannot be used or is of another revision."""
    places.check_source(source)
    places.check_target(target)
    return Copy(Side(source), Side(target), watch)


@contextlib.contextmanager
def copy(source: DatabaseSettings, target: DatabaseSettings, instance: str, watch: Watch) -> Iterator[Copy]:
    """Make the target ready: its tables, and the mark that it is a copy under way. Errors as ``open_copy``."""
    places.check_source(source)
    places.make_target(target)
    made = Copy(Side(source), Side(target, is_target=True), watch)
    try:
        state.begin(made.target, source, instance)
        yield made
    finally:
        made.close()


def refuse_difference(found: Findings) -> None:
    """Raise ``StoreError`` where something differs; it names the first."""
    if found.different:
        raise StoreError(f"the target differs from the source in {found.different[0]}",
                         hint="copy into an empty database; the source was not changed")  # fmt: skip


def _sums(side: Side) -> list[tuple[object, ...]]:
    """Return the sums of exact columns, each in two parts: SQLite makes an error of a sum beyond 64 bits."""
    found = []
    for table, columns in _SUMMED.items():
        parts = ", ".join(f"sum({name} / 1000000000), sum({name} % 1000000000)" for name in columns)
        found += side.ask(f"SELECT {parts} FROM {table}")  # noqa: S608 - our names
    return found


def _months(source: Side) -> Iterator[date]:
    """Yield the first day of each month that has calls, without those of clocks far off."""
    latest = datetime.fromtimestamp(time.time(), UTC).date() + timedelta(days=366)
    month, after = _OLDEST, partitions.first_id(_OLDEST)
    while month <= latest:
        found = source.ask("SELECT id FROM interaction WHERE id >= ? ORDER BY id LIMIT 1", (after,))
        if not found:
            return
        milliseconds = int(found[0][0].replace("-", "")[:12], 16)
        month = (
            (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(milliseconds, 1 << 45)))
            .date()
            .replace(day=1)
        )
        if month <= latest:
            yield month
        after = partitions.first_id(partitions.next_month(month))
