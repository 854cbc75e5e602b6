"""The priced cases of tests/data/prices as recorded calls."""

from __future__ import annotations

import json
from datetime import datetime
from fractions import Fraction
from functools import partial
from typing import Any

import orjson

from proxy.domain.cost import Cost
from proxy.domain.interaction import Entry
from proxy.domain.outcome import Outcome
from proxy.domain.recording import AnswerHead, CallEnd, CallStart, Piece, RecordedCall
from proxy.interpret.entry import CostOf, interpret
from proxy.pricing import overrides
from proxy.pricing.cost import cost_of
from proxy.pricing.rates import PriceList
from tests.support.checkout import ROOT

Case = dict[str, Any]
_UPSTREAM = "https://api.openai.com/v1"


def cases() -> list[Case]:
    """Return all of them."""
    found: list[Case] = json.loads((ROOT / "tests/data/prices/cases.json").read_text())
    return found


def worked_out(case: Case) -> Fraction:
    """Return what the case's own arithmetic adds up to, in pico-dollars."""
    total = Fraction(0)
    for line in case["arithmetic"]:
        counted, _, price = line.partition(" x ")
        rate, _, per = price.partition(" / ")
        total += Fraction(counted.split(" ")[0]) * Fraction(rate) / int(per) * 10**12
    return total


def call_of(case: Case) -> RecordedCall:
    """Return the case as it lies in the spool."""
    at = datetime.fromisoformat(case["at"])
    is_binary = case["operation"] == "speech"
    request = {"model": case["model"], **case.get("request", {})}
    body = b"ID3" if is_binary else orjson.dumps(answer_of(case))
    start = CallStart(
        accepted_at_ns=int(at.timestamp()) * 10**9, method="POST", target="/v1/x", operation=case["operation"],
        provider=case["kind"], provider_kind=case["kind"], upstream=case.get("upstream", _UPSTREAM),
        model=case["model"],
    )  # fmt: skip
    media = "audio/mpeg" if is_binary else "application/json"
    return RecordedCall(
        id=bytes(16), start=start, request=orjson.dumps(request),
        head=AnswerHead(status=200, headers=(("content-type", media),)), pieces=(Piece(1_000_000, body),),
        end=CallEnd(outcome=Outcome.COMPLETED, ended_ns=2_000_000, status=200, received_bytes=len(body)),
    )  # fmt: skip


def answer_of(case: Case) -> dict[str, Any]:
    """Return what the provider answers."""
    if "answer" in case:
        return {"model": case["model"], **case["answer"]}
    answer: dict[str, Any] = {"id": "x-1", "model": case["model"], "usage": case["usage"]}
    if "service_tier" in case:
        answer["service_tier"] = case["service_tier"]
    if case["operation"] == "batches_read":
        return {**answer, "object": "batch", "status": "completed"}
    if case["operation"] == "responses":
        return {**answer, "object": "response", "status": "completed", "output": []}
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    return {**answer, "object": "chat.completion", "choices": [choice]}


def priced(case: Case) -> tuple[Entry, Cost]:
    """Return what the program makes of a case: its entry, and the cost with its lines."""
    own = case.get("own_prices")
    price_list = PriceList(own=overrides.parse(own.encode(), "prices.toml")) if own else None
    found: list[Cost] = []
    price: CostOf = partial(cost_of, price_list=price_list)

    def keep(**facts: Any) -> Cost:
        found.append(price(**facts))
        return found[-1]

    return interpret(call_of(case), keep), found[0]
