"""The lines that explain a cost add up to what is on record, or are not shown."""

from __future__ import annotations

from typing import Any

from proxy.cli.cost import lines_of

PRICE: dict[str, Any] = {
    "id": "p", "provider": "openai", "model": "m", "tier": "default", "source": "genai-prices", "source_version": "1",
    "valid_from": None,
    "rates": {"input_mtok": "2.50", "cache_read_mtok": "0.25", "output_mtok": "10", "web_searches_kcount": "10"},
}  # fmt: skip
USAGE = {"prompt_tokens": 1200, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 1000}}
COUNTS: dict[str, Any] = {
    "input_tokens": 1200, "output_tokens": 30, "total_tokens": None, "cached_tokens": 1000, "cache_write_tokens": None,
    "reasoning_tokens": None, "usage_source": "reported", "operation": "chat",
}  # fmt: skip
PICO = 1000 * 250_000 + 200 * 2_500_000 + 30 * 10_000_000


def test_each_kind_of_token_has_its_line_and_the_source_follows() -> None:
    assert lines_of({**COUNTS, "usage_raw": USAGE, "cost_pico_usd": PICO}, PRICE) == [
        "1,000 cached input  at $0.25/M  $0.00025",
        "  200 input         at $2.5/M   $0.0005",
        "   30 output        at $10/M    $0.0003",
        "m, default tier, prices of genai-prices 1",
    ]


def test_lines_that_do_not_add_up_are_not_shown() -> None:
    rates, source = lines_of({**COUNTS, "usage_raw": USAGE, "cost_pico_usd": PICO + 1}, PRICE)
    assert rates == "input $2.50/M, cached input $0.25/M, output $10/M, web searches $10/k"
    assert source.startswith("m, default tier")


def test_what_is_billed_beside_tokens_has_its_line_too() -> None:
    row = {**COUNTS, "usage_raw": USAGE, "quantities": {"web_searches": 2}, "cost_pico_usd": PICO + 20_000_000_000}
    assert [line.split() for line in lines_of(row, PRICE)][3] == ["2", "web", "searches", "at", "$10/k", "$0.02"]


def test_without_a_price_there_is_nothing_to_explain() -> None:
    assert lines_of({"usage_raw": USAGE, "cost_pico_usd": None}, None) == []


def test_a_batch_is_explained_as_it_was_priced() -> None:
    stepped = {**PRICE, "rates": {**PRICE["rates"], "input_mtok>1000": "5"}}
    assert lines_of({**COUNTS, "operation": "batches_read", "usage_raw": USAGE, "cost_pico_usd": PICO}, stepped)[1] == (
        "  200 input         at $2.5/M   $0.0005"
    )
