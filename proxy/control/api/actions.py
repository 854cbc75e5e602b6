"""What asks the world outside, for a person: does a provider answer, what does it list; and prices from a file.

Only a provider that is saved can be asked, at its own address, for its list of models and nothing else. What comes back
is a word and a time, never a body.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from proxy.catalogue.accepting import has_address
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.model import ModelDocument
from proxy.catalogue.parsing import parse
from proxy.catalogue.price_file import MAX_BYTES, read_price_file
from proxy.catalogue.succession import succeeded
from proxy.control.api import replies
from proxy.control.api.changing import change, said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.parameters import day, truth
from proxy.control.fetching import Answer
from proxy.control.fetching import ask as ask_outside
from proxy.control.listing import listing_of
from proxy.control.manners import list_address, manners_of
from proxy.errors import UnreachableError
from proxy.store.catalogue.audit import Deed

_MOST_TOLD = 20
_WORDS = {401: "unauthorised", 403: "forbidden", 404: "no_list", 405: "no_list", 429: "rate_limited"}
_HINTS = {
    "unauthorised": "the provider does not take the key: store another one",
    "key_unusable": "its stored key was given for another address, or its master key is not set: give it anew (--key)",
    "forbidden": "the key may not list models; calls may work all the same",
    "no_list": "it lists no models at this address; is /v1 missing, or one too many?",
    "not_allowed": "its address leads inward; admin.allow_private_upstreams names what may",
    "name_not_found": "no name server knows this host",
    "refused": "nothing listens there",
    "timed_out": "it has not answered within 5 s",
    "tls": "its certificate is not trusted",
}


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    yield Endpoint(
        method="POST",
        path="providers/{name}/test",
        scope="write",
        summary="Ask whether a provider answers",
        handle=_test,
        takes_long=True,
        gives=replies.Tested,
        is_change=False,
    )
    yield Endpoint(
        method="POST", path="providers/{name}/models/sync", scope="write", summary="Take in a provider's models",
        handle=_sync, takes_long=True, gives=replies.Synced,
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="prices/import", scope="write", summary="Take in a price file", handle=_import_prices,
        takes_text=True, largest=MAX_BYTES, query=("since", "only", "dry_run"), gives=replies.ImportedPrices,
        says="data.json of genai-prices, or LiteLLM's model_prices_and_context_window.json.",
    )  # fmt: skip


def _test(ask: Ask) -> Reply:
    answer, milliseconds = _asked(ask)
    word = _word_of(answer)
    name, actor = ask.path["name"], ask.actor
    ask.desk.note(
        Deed(
            actor=actor.name, source=actor.source, action="test", noun="providers", object=name,
            outcome="done" if word == "ok" else "failed",
        )
    )  # fmt: skip
    listing = listing_of(answer.data) if word == "ok" else None
    told: dict[str, Any] = {"provider": name, "result": word, "status": answer.status, "latency_ms": milliseconds}
    told["models"] = None if listing is None else len(listing.names)
    return Reply(body={**told, "hint": _HINTS.get(word)})


def _sync(ask: Ask) -> Reply:
    """Describe every model of a provider's list that is not described yet; none is taken away."""
    name = ask.path["name"]
    answer, _ = _asked(ask)
    listing = listing_of(answer.data) if _word_of(answer) == "ok" else None
    if listing is None:
        word = _word_of(answer)
        raise UnreachableError(f"{name} gives no list of models: {word}", hint=_HINTS.get(word))
    names = [item for item in listing.names if "*" not in item and has_address(item)]
    documents = [parse(ModelDocument, {"provider": name, "name": item}) for item in names]
    added: list[str] = []

    def made(now: Catalogue) -> Catalogue:
        new = [item for item in documents if item.key not in now.models]
        added[:] = [item.name for item in new]
        return now.put(*new)

    return said(change(ask, "sync", "models", name, made), {"provider": name, "listed": len(documents), "added": added})


def _import_prices(ask: Ask) -> Reply:
    only = [word for word in ask.query.get("only", "").split(",") if word]
    found = read_price_file(ask.body, ask.desk.read(lambda within: within.now()), day(ask.query, "since"), only)
    told = {
        "origin": found.origin, "prices": len(found.prices), "skipped": len(found.skipped),
        "left_out": [item._asdict() for item in found.skipped[:_MOST_TOLD]],
    }  # fmt: skip
    if truth(ask.query, "dry_run"):
        return Reply(body={**told, "dry_run": True})
    changed = change(ask, "import", "prices", found.origin, lambda now: succeeded(now, found.prices))
    return said(changed, {**told, "changed": len(changed.changes)})


def _asked(ask: Ask) -> tuple[Answer, float]:
    provider, keys = ask.desk.provider(ask.path["name"])
    if provider.key_sealed is not None and provider.name not in keys:
        # Its calls fail as well; an answer that needed no key would say that all is well.
        return Answer(failure="key_unusable"), 0.0
    began = time.perf_counter()
    try:
        answer = asyncio.run(ask_outside(list_address(provider), manners_of(provider, keys)))
    except OSError:
        answer = Answer(failure="tls")
    return answer, round((time.perf_counter() - began) * 1000, 1)


def _word_of(answer: Answer) -> str:
    if answer.failure is not None:
        return answer.failure
    status = answer.status or 0
    if status == 200:
        return "ok" if listing_of(answer.data) is not None else "no_list"
    return _WORDS.get(status) or (
        "redirected" if 300 <= status < 400 else "server_error" if status >= 500 else "failed"
    )
