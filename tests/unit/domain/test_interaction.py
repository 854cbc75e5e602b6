"""A call whose counts are another's."""

from __future__ import annotations

from proxy.domain.interaction import uncounted
from proxy.domain.outcome import CostStatus, UsageSource
from tests.support.entries import an_interaction


def test_what_is_uncounted_adds_nothing_and_keeps_the_rest() -> None:
    counted = an_interaction(usage_source=UsageSource.REPORTED, usage_raw={"output_tokens": 5}, price_id="p")
    item = uncounted(counted)
    assert (item.input_tokens, item.output_tokens, item.price_id) == (None, None, None)
    assert (item.cost_pico_usd, item.cost_status, item.usage_source) == (0, CostStatus.FREE, UsageSource.NONE)
    assert (item.id, item.model, item.usage_raw) == (counted.id, counted.model, {"output_tokens": 5})
    assert counted.output_tokens == 5
