"""Calls with everything that may stand beside them, to be carried elsewhere."""

from __future__ import annotations

import json
from typing import Any

from proxy.domain.cost import Price
from proxy.domain.interaction import Attempt, Entry
from proxy.pricing.rates import Wanted, pin
from tests.support.entries import STARTED_AT, an_entry

REQUEST = json.dumps({"messages": [{"role": "user", "content": "Hi \u2028 \x7f" * 900}]}).encode()


def a_price() -> Price:
    return pin(Wanted("openai", "gpt-5", "default", "2026-11-01", "", False, False), "gpt-5", "default",
               {"input_mtok": "1.25"}, ("test", "1"))  # fmt: skip


def whole(number: int, **changes: Any) -> Entry:
    """Return a call with everything that may stand beside it."""
    price = a_price()
    made = an_entry(
        REQUEST, b"\xff\x00 data", started_at=STARTED_AT + number * 1000, price_id=price.id, tags=("a", "b"),
        metadata={"k": "v"}, usage_raw={"prompt_tokens": 1}, tool_names=("f",), score=0.5, score_count=2, **changes,
    )  # fmt: skip
    made.price = price
    made.feedback = (
        {"id": f"f-{number}", "interaction_id": made.interaction.id, "name": "thumb", "kind": "boolean", "value": 1.0,
         "low": 0.0, "high": 1.0, "score": 1.0, "source": "user", "author": "kim",
         "created_at": "2026-11-27T12:00:00.000Z", "updated_at": "2026-11-27T12:00:00.000Z"},
    )  # fmt: skip
    made.attempts = tuple(
        Attempt(interaction_id=made.interaction.id, number=at, provider="openai", upstream="https://x",
                started_at=STARTED_AT + number * 1000, reused=bool(at))
        for at in range(2)
    )  # fmt: skip
    return made
