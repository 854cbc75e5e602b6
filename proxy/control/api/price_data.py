"""Newer published prices for everybody: looked at, then made the ones that count, on every host.

They come from the address of the settings (``prices.url``), which nobody names in a request. They are a revision of
their own kind, and stand below what the catalogue says of prices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from proxy.control.api import replies
from proxy.control.api.changing import said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.parameters import truth
from proxy.control.price_source import download
from proxy.pricing import release
from proxy.pricing.difference import difference, published
from proxy.store.catalogue.audit import Deed
from proxy.store.hosts.configuration import PRICES, Proposal


def endpoints() -> Iterator[Endpoint]:
    """Yield the row."""
    yield Endpoint(
        method="POST", path="prices/refresh", scope="write", summary="Get newer published prices", handle=_refresh,
        takes_long=True, query=("dry_run",), gives=replies.RefreshedPrices,
    )  # fmt: skip


def _refresh(ask: Ask) -> Reply:
    origin, folder = ask.settings.prices.url, ask.settings.prices_dir
    data = download(origin, release.MAX_BYTES)
    found = release.describe(data, origin, ask.desk.read(lambda within: within.now()))
    former = release.active(folder)
    before = published() if former is None else release.load(folder, former)
    told = {
        "origin": origin, "version": found.version, "sha256": found.sha256, "providers": found.providers,
        "models": found.models, "is_new": former is None or former.sha256 != found.sha256,
        **difference(before, release.read(data)).to_mapping(),
    }  # fmt: skip
    if truth(ask.query, "dry_run"):
        return Reply(body={**told, "dry_run": True})
    proposal = Proposal(
        kind=PRICES, sha256=found.sha256, document=asdict(found), data=data, author=ask.actor.name
    )  # fmt: skip
    deed = Deed(actor="", action="refresh", noun="prices", object=found.version)
    return said(ask.desk.refresh_prices(ask.actor, deed, proposal), told)
