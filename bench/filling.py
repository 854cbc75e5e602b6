"""A record as of a month of an office: calls of recorded shapes, interpreted and stored by the product, at any number.

A load generator's calls are one call a million times. These differ in what lists, views and facets go by: hour, model,
provider, user, session, tools, prompt, outcome, duration, cost. The same seed gives the same record, up to its ids.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry, Interaction
from proxy.domain.outcome import CostStatus, Outcome
from proxy.interpret.entry import interpret
from proxy.pricing.cost import cost_of
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.recorded import recorded
from tests.support.spooling import reply

DAYS, USERS, TURNS = 30, 500, 12
_BATCH = 1000
_MODELS = [
    ("openai", "gpt-4o-mini"), ("openai", "gpt-4o"), ("openai", "gpt-5"), ("openai", "gpt-5-mini"), ("openai", "o3"),
    ("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-opus-4-1"),
    ("google", "gemini-2.5-pro"), ("google", "gemini-2.5-flash"), ("groq", "llama-3.3-70b"), ("ollama", "qwen3:8b"),
]  # fmt: skip
_TOOLS = [(), (), ("read_file", "write_file", "shell"), ("search",), ("get_weather", "search")]
_PROMPTS = [(None, None), (None, None), ("support-reply", 3), ("support-reply", 4), ("summarise", 1), ("classify", 2)]
_FAILURES = [
    (Outcome.UPSTREAM_ERROR, 429, "rate_limit_error", "rate_limit_exceeded"),
    (Outcome.UPSTREAM_ERROR, 500, "server_error", None), (Outcome.TIMED_OUT, None, None, "upstream_timeout"),
    (Outcome.CLIENT_GONE, 200, None, None), (Outcome.UPSTREAM_ABORTED, 200, None, "stream_broken"),
]  # fmt: skip
_SYLLABLES = [head + tail for head in "bdfgklmnprstvz" for tail in ("a", "e", "i", "o", "u", "an", "er", "il", "on")]
_VOCABULARY = 20_000
_ASKED_WORDS, _SAID_WORDS = 40, 80
_RARE = {500: "I want a refund", 2000: "der Zähler läuft rückwärts", 3000: "我想要退款", 100_000: "zanzibar"}
"""Of so many calls, one asks this too."""


def fill(writer: StoreWriter, calls: int, *, seed: int = 1, end_ms: int | None = None, days: int = DAYS) -> float:
    """Store so many calls of the days before ``end_ms`` (Unix milliseconds; None: now); return rows a second."""
    began = time.perf_counter()
    batch: list[tuple[str, Entry]] = []
    for entry in entries(calls, seed=seed, end_ms=end_ms or time.time_ns() // 1_000_000, days=days):
        batch.append(("filling", entry))
        if len(batch) == _BATCH:
            writer.write(WriteBatch(batch), lambda _: {})
            batch = []
    writer.write(WriteBatch(batch), lambda _: {})
    return calls / (time.perf_counter() - began)


def entries(calls: int, *, seed: int, end_ms: int, days: int = DAYS) -> Iterator[Entry]:
    """Yield calls in the order of time."""
    chance, mint, shapes = random.Random(seed), IdentityMint(), _shapes()
    words = _Words(chance)
    span = days * 86_400_000
    for number in range(calls):
        at = end_ms - span + number * span // calls
        shape = chance.choices(shapes, range(len(shapes), 0, -1))[0]
        item = _call(chance, shape.interaction, number, at, id_text(mint.mint(at * 1_000_000)))
        attempts = tuple(replace(attempt, interaction_id=item.id, started_at=at) for attempt in shape.attempts)
        asked, said = words.question(), words.some(_SAID_WORDS)
        yield replace(shape, interaction=item, attempts=attempts, input_text=asked, output_text=said)


def common_word() -> str:
    """Return a word that some calls of ten have."""
    return _Words(random.Random(1)).words[100]


class _Words:
    """Texts whose words are as often as in a language: the n-th of them once in n."""

    def __init__(self, chance: random.Random) -> None:
        made = random.Random("words")
        self._chance = chance
        self.words = ["".join(made.choices(_SYLLABLES, k=1 + n % 4)) for n in range(_VOCABULARY)]
        self._often = list(accumulate(1 / (n + 1) for n in range(_VOCABULARY)))

    def some(self, number: int) -> str:
        return " ".join(self._chance.choices(self.words, cum_weights=self._often, k=number)) + "."

    def question(self) -> str:
        added = [text for one_in, text in _RARE.items() if self._chance.random() < 1 / one_in]
        return " ".join((self.some(_ASKED_WORDS), *added))


def _shapes() -> list[Entry]:
    """Return one call of each model as it is interpreted."""
    request = {"messages": [{"role": "system", "content": "You help."}, {"role": "user", "content": "Say hi to Ann."}]}
    return [
        interpret(
            recorded(reply("Hi Ann!", model), request={"model": model, **request}, provider=provider, model=model,
                     provider_kind=provider), cost_of,
        )
        for provider, model in _MODELS
    ]  # fmt: skip


def _call(chance: random.Random, shape: Interaction, number: int, at: int, identity: str) -> Interaction:
    user = min(USERS - 1, int(chance.expovariate(8 / USERS)))
    asked, said = int(chance.lognormvariate(6.5, 1)), int(chance.lognormvariate(5, 1))
    duration = chance.lognormvariate(7.3, 0.9)
    prompt, version = chance.choice(_PROMPTS)
    cost = None if shape.cost_pico_usd is None else asked * 2_000_000 + said * 8_000_000
    made = replace(
        shape, id=identity, started_at=at, completed_at=at + int(duration), duration_ms=duration, is_stream=True,
        ttft_ms=duration * 0.3, session_id=f"s-{number // (TURNS * 50) * 50 + chance.randrange(50)}",
        user_id=f"user-{user}", app=f"app-{user % 5}", tool_names=chance.choice(_TOOLS), prompt_name=prompt,
        prompt_version=version, input_tokens=asked, output_tokens=said, total_tokens=asked + said,
        cost_pico_usd=cost,
    )  # fmt: skip
    if chance.random() > 0.04:
        return made
    outcome, status, kind, code = chance.choice(_FAILURES)
    return replace(
        made, outcome=outcome, success=False, http_status=status, error_type=kind, error_code=code, cost_pico_usd=None,
        error_message=f"it went wrong with {identity[:8]}", cost_status=CostStatus.UNPRICED, ttft_ms=None,
    )  # fmt: skip
