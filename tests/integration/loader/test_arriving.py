"""Calls from elsewhere go through the one writer, and the account of accepted calls does not know them."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from proxy.errors import StoreError
from proxy.forms.writing import Form
from proxy.loader.amendments import Amender
from proxy.loader.arriving import Arrival, arrival_of
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import COLUMNS, TRUTHS
from proxy.store.sums.counting import ROLLUPS
from tests.integration.loader.conftest import Bench
from tests.support.rollups import assert_rollups_equal_the_rows
from tests.support.spooling import SpoolingGateway

_OF_CALLS = ("interaction", "interaction_body", "interaction_text", "interaction_metadata", "attempt")


def exported(bench: Bench) -> Arrival:
    reader, form = Reader(bench.settings.database), Form(COLUMNS, has_content=True)
    rows = bench.rows()
    made, parts = reader.made_of(rows), reader.parts_of([row["id"] for row in rows])
    reader.close()
    for row in rows:
        row |= {**made[row["id"]], **{name: bool(row[name]) for name in TRUTHS}}
    lines = [form.call(row, parts[row["id"]], is_first=False) for row in rows]
    return arrival_of([orjson.loads(line) for line in lines])


def rounds_of(bench: Bench) -> Callable[[float], None]:
    def wait(_seconds: float) -> None:
        bench.loader._careful_round()

    return wait


def test_beside_a_running_control_the_loader_stores_them_and_the_account_balances(
    bench: Bench, gateway: SpoolingGateway, settings: Settings
) -> None:
    for _ in range(3):
        gateway.call()
    bench.load()
    arrival = exported(bench)
    for table in (*_OF_CALLS, *(rollup.table.name for rollup in ROLLUPS)):
        bench.sql(f"DELETE FROM {table}")
    lock = RealDisk().lock(settings.prices_dir.parent / "loader.lock")
    assert lock is not None
    gateway.call()
    amender = Amender(settings, rounds_of(bench))
    assert amender.write(arrival) == 3
    assert amender.write(arrival) == 0
    RealDisk().close(lock)
    ledger = bench.load()
    assert (ledger["accepted"], ledger["stored"], ledger["balanced"]) == (4, 4, True)
    assert len(bench.rows()) == 4
    assert RealDisk().names(settings.amendments_dir) == []
    assert_rollups_equal_the_rows(settings.database)


def test_a_file_of_calls_that_are_none_is_refused(bench: Bench, settings: Settings) -> None:
    RealDisk().make_folder(settings.amendments_dir)
    (settings.amendments_dir / "1.json").write_bytes(b'{"calls":[{"id":"x"}]}')
    bench.loader._careful_round()
    assert RealDisk().names(settings.amendments_dir) == ["1.refused"]
    assert bench.loader.last_error is None


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_what_the_engine_keeps_in_no_text_is_refused_whole(
    bench: Bench, gateway: SpoolingGateway, settings: Settings
) -> None:
    gateway.call()
    bench.load()
    (values,) = exported(bench).calls
    other = {**values, "id": f"{values['id'][:-12]}000000000001", "attempts_made": []}
    arrival = arrival_of([other])
    arrival.entries[0].interaction.model = "a\0"
    with pytest.raises(StoreError):
        Amender(settings).write(arrival)
    assert len(bench.rows()) == 1
