"""New prices count for later calls without a restart; older calls change only when told to, once, and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from proxy.catalogue.catalogue import catalogue_from_mapping
from proxy.catalogue.compiled import own_prices
from proxy.domain.identity import id_text
from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.loader.amendments import Amender
from proxy.loader.recosting import Looked, Recosting, kinds_of
from proxy.pricing import edited
from proxy.pricing.current import open_price_list
from proxy.settings.snapshot import publish
from proxy.settings.values import PriceSettings, Settings
from proxy.store.changes.amending import Amendment
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from tests.integration.loader.conftest import Bench
from tests.support.price_data import keep, price_data
from tests.support.rollups import assert_rollups_equal_the_rows
from tests.support.spooling import SpoolingGateway, a_head, a_start

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
OLD_PICO = 11 * 150_000 + 3 * 600_000
"""11 tokens at 0.15 and 3 at 0.60 USD a million."""
NEW_PICO = 14 * 1_500_000
"""14 tokens at 1.5 USD a million."""


def look(settings: Settings, filters: Filters | None = None) -> list[Looked]:
    price_list = open_price_list(settings.prices_dir, settings.own_prices_path)
    reader = Reader(settings.database)
    try:
        batches = Recosting(price_list, kinds_of(settings)).batches(reader, filters or Filters())
        return [item for batch in batches for item in batch]
    finally:
        reader.close()


def write(settings: Settings, looked: list[Looked]) -> int:
    changes = [item.change for item in looked if item.change is not None]
    return Amender(settings).write(Amendment(command="recost", reason="test", at=1, changes=changes))


def refreshed(settings: Settings, rate: str = "1.5") -> str:
    return keep(settings.prices_dir, price_data(rate), "a test", AT).version


def test_a_refresh_changes_no_stored_amount_and_counts_for_the_next_call(
    bench: Bench, gateway: SpoolingGateway, settings: Settings
) -> None:
    gateway.call()
    bench.load()
    before = bench.rows()[0]
    prices = bench.sql("SELECT id, rates, source_version FROM price")
    version = refreshed(settings)
    gateway.call()
    bench.load()
    old, new = bench.rows()
    assert old == before
    assert (old["cost_pico_usd"], new["cost_pico_usd"]) == (OLD_PICO, NEW_PICO)
    assert set(prices) < set(bench.sql("SELECT id, rates, source_version FROM price"))
    assert bench.sql(f"SELECT source_version FROM price WHERE id = '{new['price_id']}'") == [(version,)]


def test_a_price_of_the_catalogue_counts_for_the_next_call_and_once_for_older_ones(
    bench: Bench, gateway: SpoolingGateway, settings: Settings
) -> None:
    gateway.call()
    bench.load()
    price = {"model": "gpt-4o-mini", "rates": {"input_mtok": "1.5", "output_mtok": "1.5"}}
    edited.write(settings.prices_dir, own_prices(catalogue_from_mapping({"format": 1, "prices": [price]})))
    gateway.call()
    bench.load()
    old, new = bench.rows()
    assert (old["cost_pico_usd"], new["cost_pico_usd"]) == (OLD_PICO, NEW_PICO)
    assert bench.sql(f"SELECT source FROM price WHERE id = '{new['price_id']}'") == [("catalogue",)]
    assert write(settings, look(settings)) == 1
    assert {row["cost_pico_usd"] for row in bench.rows()} == {NEW_PICO}


def test_a_row_is_priced_anew_once_and_what_it_cost_is_kept(
    bench: Bench, gateway: SpoolingGateway, settings: Settings
) -> None:
    gateway.call()
    bench.load()
    before = bench.rows()[0]
    totals = bench.sql("SELECT * FROM metric_total ORDER BY 1, 2")
    refreshed(settings)
    looked = look(settings)
    assert bench.rows() == [before]
    assert write(settings, looked) == 1
    row = bench.rows()[0]
    assert (row["cost_pico_usd"], row["cost_usd"]) == (NEW_PICO, NEW_PICO / 1e12)
    assert row["price_id"] != before["price_id"]
    assert bench.sql("SELECT cost_pico_usd_before, cost_pico_usd_after, price_id_before FROM amendment") == [
        (OLD_PICO, NEW_PICO, before["price_id"])
    ]
    assert_rollups_equal_the_rows(settings.database)
    assert bench.sql("SELECT * FROM metric_total ORDER BY 1, 2") == totals
    assert [item.change for item in look(settings)] == [None]


def test_newer_data_with_the_same_price_changes_nothing(
    bench: Bench, gateway: SpoolingGateway, settings: Settings
) -> None:
    refreshed(settings, "1.5")
    gateway.call()
    bench.load()
    keep(settings.prices_dir, price_data("1.5", other={"input_mtok": 1}), "another", AT)
    assert [item.change for item in look(settings)] == [None]


def test_something_known_is_never_replaced_by_nothing(
    bench: Bench, gateway: SpoolingGateway, settings: Settings
) -> None:
    gateway.call()
    bench.load()
    keep(settings.prices_dir, price_data().replace(b"gpt-4o-mini", b"gpt-other"), "a test", AT)
    assert [(item.change, item.is_kept, item.new_pico_usd) for item in look(settings)] == [(None, True, OLD_PICO)]


def test_what_a_provider_charged_stays(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    identity = gateway.begin(a_start(provider="openrouter", provider_kind="openrouter"))
    usage = b'"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.5}'
    gateway.answer(identity, [b'{"model":"x","choices":[{"finish_reason":"stop"}],%b}' % usage], a_head())
    gateway.end(identity)
    bench.load()
    assert bench.rows()[0]["cost_status"] == "reported"
    assert [(item.change, item.new_pico_usd) for item in look(settings)] == [(None, 500_000_000_000)]


def test_one_s_own_prices_count_too(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    gateway.call()
    bench.load()
    own = settings.prices_dir.parent / "own.toml"
    own.write_text('[[price]]\nmodel = "gpt-4o-mini"\nprovider = "openai"\ninput_mtok = 1\noutput_mtok = 1\n')
    with_own = replace(settings, prices=PriceSettings(file=str(own)))
    looked = look(with_own)
    assert looked[0].change is not None
    assert looked[0].change.price is not None
    assert (looked[0].change.price.source, looked[0].new_pico_usd) == ("file:own.toml", 14_000_000)


def test_kinds_are_those_that_were_served(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    """Started with --upstream garage=…, and the command without."""
    garage = Provider(name="garage", kind="openai", base_url="http://127.0.0.1:1/v1", root_url="http://127.0.0.1:1")
    publish(settings.snapshot_path, Snapshot(revision=0, providers=(garage,), allowed_hosts=()))
    gateway.call(start=a_start(provider="garage"))
    bench.load()
    refreshed(settings)
    assert [item.new_pico_usd for item in look(settings)] == [NEW_PICO]


def test_a_range_leaves_the_others_alone(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    first = gateway.call()
    gateway.call(start=a_start(accepted_at_ns=1_770_000_000_000_000_000))
    bench.load()
    refreshed(settings)
    looked = look(settings, Filters(until=1_765_000_000_000, model="gpt-*", provider="openai"))
    assert [item.row["id"] for item in looked] == [id_text(first)]
    assert look(settings, Filters(provider="elsewhere")) == []


def test_an_interrupted_run_goes_on_where_it_was(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    for _ in range(5):
        gateway.call()
    bench.load()
    refreshed(settings)
    looked = look(settings)
    assert write(settings, looked[:2]) == 2
    again = look(settings)
    assert sum(item.change is not None for item in again) == 3
    assert write(settings, looked) == 3
    assert sum(item.change is not None for item in look(settings)) == 0
    assert bench.sql("SELECT count(*) FROM amendment") == [(5,)]
    assert_rollups_equal_the_rows(settings.database)


def test_the_sum_over_the_view_is_the_exact_one(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    for _ in range(7):
        gateway.call()
    bench.load()
    refreshed(settings, "0.333333")
    write(settings, look(settings))
    total = sum(row["cost_pico_usd"] for row in bench.rows())
    assert total == 7 * int(Decimal("0.333333") * 10**6 * 14)
    assert bench.sql("SELECT cost_usd FROM v_daily_cost") == [(total / 1e12,)]
