"""The shared configuration on one host: what counts is applied, once; what cannot be used changes nothing."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy.control import configuration
from proxy.control.configuration import Follower, adopt_prices, handlers_of
from proxy.loader.amendments import decode, encode
from proxy.pricing import release
from proxy.pricing.current import open_price_list
from proxy.pricing.rates import Wanted
from proxy.settings.database import DatabaseSettings
from proxy.store.hosts.configuration import Proposal, Revision
from proxy.store.reading.reader import Reader
from proxy.store.writing.writer import StoreWriter
from tests.support.price_data import keep, price_data

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


def a_revision(number: int, rate: str, data: bytes | None = None) -> Revision:
    content = price_data(rate)
    found = release.describe(content, "a test", AT)
    return Revision(
        number=number, kind="prices", sha256=found.sha256, document=asdict(found), data=data or content,
        author="kim", made_at="2026-11-26T12:00:00.000Z",
    )  # fmt: skip


class Shelf:
    """Revisions by number, and which were asked for."""

    def __init__(self, *revisions: Revision) -> None:
        self._revisions = {item.number: item for item in revisions}
        self.asked: list[int] = []

    def __call__(self, number: int) -> Revision:
        self.asked.append(number)
        return self._revisions[number]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prices"


def rate_in(folder: Path) -> str:
    price = open_price_list(folder, None).find(Wanted("openai", "gpt-4o-mini", "", "2026-11-26T12:00:00"))
    assert price is not None
    return price.rates["input_mtok"]


def test_what_counts_is_applied_once_and_a_restart_asks_for_nothing(folder: Path) -> None:
    shelf = Shelf(a_revision(3, "1"), a_revision(7, "2"))
    follower = Follower(handlers_of(folder, int))
    for numbers in ({}, {"prices": 3, "routes": 4}, {"prices": 3}, {"prices": 7}):
        follower.follow(numbers, shelf)
    Follower(handlers_of(folder, int)).follow({"prices": 7}, shelf)
    assert shelf.asked == [3, 7]
    assert (follower.revision, rate_in(folder)) == (7, "2")


def test_a_store_that_was_restored_is_right(folder: Path) -> None:
    follower, shelf = Follower(handlers_of(folder, int)), Shelf(a_revision(3, "1"), a_revision(7, "2"))
    follower.follow({"prices": 7}, shelf)
    follower.follow({"prices": 3}, shelf)
    assert (follower.revision, rate_in(folder)) == (3, "1")


@pytest.mark.parametrize("data", [b"[]", b"no JSON", price_data("9")])
def test_what_cannot_be_used_is_refused_once_and_changes_nothing(folder: Path, data: bytes) -> None:
    """No price data, or other data than its document says."""
    shelf = Shelf(a_revision(3, "1"), a_revision(4, "2", data), a_revision(5, "3"))
    follower = Follower(handlers_of(folder, int))
    for number in (3, 4, 4):
        follower.follow({"prices": number}, shelf)
    assert (follower.revision, rate_in(folder)) == (3, "1")
    follower.follow({"prices": 5}, shelf)
    assert (shelf.asked, rate_in(folder)) == ([3, 4, 5], "3")


def test_a_document_of_a_newer_program_is_refused(folder: Path) -> None:
    odd = a_revision(3, "1")
    strange = Revision(**{**asdict(odd), "document": {"sha256": odd.sha256}})
    Follower(handlers_of(folder, int)).follow({"prices": 3}, Shelf(strange))
    assert release.active(folder) is None


def test_prices_of_before_the_store_kept_them_are_taken_over_once(store: DatabaseSettings, folder: Path) -> None:
    keep(folder, price_data("4"), "a file", AT, number=0)
    writer, reader = StoreWriter(store), Reader(store)
    adopt_prices(writer, reader.config_revisions(), folder)
    numbers = reader.config_revisions()
    revision = reader.config_revision(numbers["prices"])
    assert (revision.data, revision.document["origin"]) == (price_data("4"), "a file")
    assert release.applied(folder) == numbers["prices"]
    adopt_prices(writer, numbers, folder)
    assert reader.config_revisions() == numbers
    writer.close()
    reader.close()


@pytest.mark.parametrize("left", [None, "[]", '{"sha256": "gone"}'])
def test_prices_that_are_none_are_not_taken_over(store: DatabaseSettings, folder: Path, left: str | None) -> None:
    if left is not None:
        folder.mkdir()
        (folder / release.ACTIVE).write_text(left)
    writer, reader = StoreWriter(store), Reader(store)
    adopt_prices(writer, {}, folder)
    assert reader.config_revisions() == {}
    writer.close()
    reader.close()


def test_a_proposal_waits_in_a_file_as_it_is() -> None:
    for data in (None, b"\x00\xff[]"):
        proposal = Proposal(kind="prices", sha256="00", document={"a": [1]}, data=data, author="kim")
        assert decode(encode(proposal)) == proposal


def test_what_the_disk_does_not_take_is_tried_again_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follower, shelf = Follower(handlers_of(folder, int)), Shelf(a_revision(3, "1"))
    folder.write_text("in its way, as a full disk would be")
    for _ in range(3):
        follower.follow({"prices": 3}, shelf)
    assert shelf.asked == [3]
    folder.unlink()
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + configuration.AGAIN_SECONDS)
    follower.follow({"prices": 3}, shelf)
    assert (shelf.asked, follower.revision, rate_in(folder)) == ([3, 3], 3, "1")
