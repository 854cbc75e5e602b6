"""Calls that another program made without the proxy, told to be on record beside the others.

They are durable before the answer says so, and all of a request are stored or none. The account of accepted calls and
the counters of ``/metrics`` are of calls that went through the gateway, and do not know them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

from proxy.catalogue.parsing import parse
from proxy.catalogue.told_call import ToldCall, ToldCalls
from proxy.control.api import interaction_replies as replies
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.domain.interaction import Entry
from proxy.domain.provider import KNOWN_KINDS
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.forms.redacting import redactor_of
from proxy.forms.told import Teller, entry_of_told
from proxy.loader.preparing import complain_about_prices
from proxy.pricing.cost import cost_of
from proxy.pricing.current import CurrentPrices
from proxy.pricing.rates import PriceList
from proxy.settings.values import Settings
from proxy.store.writing import batches

_LARGEST = 16 * 1024 * 1024


def endpoints() -> Iterator[Endpoint]:
    """Yield the row."""
    yield Endpoint(
        method="POST", path="interactions", scope="write", summary="Record calls made elsewhere", handle=_tell,
        takes=ToldCalls, gives=replies.Told, status=201, is_change=False, largest=_LARGEST, takes_long=True,
    )  # fmt: skip


def _tell(ask: Ask) -> Reply:
    said = parse(ToldCalls, ask.body)
    prices = _prices_of(ask.settings)
    entries = [_entry(ask, item, number, prices) for number, item in enumerate(said.interactions)]
    new = {entry.interaction.id for entry in ask.desk.write(lambda within: batches.add(within.connection, entries))}
    told = [{"id": entry.interaction.id, "is_new": entry.interaction.id in new} for entry in entries]
    return Reply(body={"interactions": told, "stored": len(new)}, status=201)


def _entry(ask: Ask, said: ToldCall, number: int, prices: PriceList) -> Entry:
    kind, upstream = _provider(ask, said.provider)
    teller = Teller(
        name=ask.actor.name, cost_of=partial(cost_of, price_list=prices), kind=kind, upstream=upstream,
        keeps_bodies=ask.settings.recording.usual == "full", redactor=redactor_of(ask.settings.redaction),
    )  # fmt: skip
    try:
        return entry_of_told(said, teller)
    except InvalidError as error:
        place = f"interactions.{number}"
        raise InvalidError(Problem(f"{place}.{item.field}", item.reason) for item in error.problems) from error


def _provider(ask: Ask, name: str | None) -> tuple[str, str]:
    """Return of what kind a provider is, and where; one that is not served here may be named as a kind is."""
    with contextlib.suppress(NotFoundError):
        found, _ = ask.desk.provider(name or "")
        return found.kind, found.base_url
    return (name, "") if name in KNOWN_KINDS else ("", "")


_lock = threading.Lock()


def _prices_of(settings: Settings) -> PriceList:
    """Return the prices that count now; handlers run in several threads."""
    with _lock:
        return _watched(settings.prices_dir, settings.own_prices_path).price_list()


@lru_cache(maxsize=4)
def _watched(folder: Path, own: Path | None) -> CurrentPrices:
    return CurrentPrices(folder, own, complain_about_prices)
