"""A change is checked, stored, noted and published in one procedure, on each engine; a refused one changes nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.catalogue.access import NewKey
from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.control.desk import Actor, ConflictError, Desk, take_up
from proxy.control.publishing import Publisher
from proxy.control.turns import Turns
from proxy.domain.provider import Provider
from proxy.errors import InvalidError, NotFoundError
from proxy.settings.database import DatabaseSettings
from proxy.settings.snapshot import load
from proxy.settings.values import Settings
from proxy.store.catalogue import audit, documents, keys
from proxy.store.catalogue.audit import Deed
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.writing.writer import StoreWriter

OPENAI = Provider(name="openai", kind="openai", base_url="https://api.openai.com/v1", root_url="https://api.openai.com")
KIM = Actor(name="kim", source="127.0.0.1")
CREATE = Deed(actor="", action="create", noun="providers", object="acme")
HASH = "ab" * 32
CONTENT = {"messages": [{"role": "user", "content": "hi"}]}
TEXT = "dc_" + "k3Y9" * 10
Change = Callable[[Catalogue], Catalogue]


def putting(**lists: object) -> Change:
    """Return a change that adds documents."""
    made = catalogue_from_mapping({"format": 1, **lists})
    return lambda before: before.put(*(document for _, _, document in made))


ACME = putting(providers=[{"name": "acme", "kind": "custom", "base_url": "https://api.acme.example/v1"}])
PROMPT = putting(
    prompts=[{"name": "short", "versions": [{"number": 1, "sha256": HASH, "made_at": "2026-11-01T12:00:00Z"}]}]
)
DANGLING = putting(routes=[{"name": "fast", "targets": ["nobody/m"]}])


class Bench:
    """A desk, with a thread that does what the loader's does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.publisher = Publisher(settings)
        self.turns = Turns()
        self.pages: list[dict[str, int]] = []
        self.is_open = True
        self.desk = Desk(settings, self.publisher, self.turns, lambda: self.pages, lambda: self.is_open)

    def deeds(self) -> list[tuple[object, ...]]:
        found = self.desk.read(lambda within: audit.page(within.connection))
        return [(item["actor"], item["action"], item["object"], item["outcome"], item["detail"]) for item in found]


@pytest.fixture
def bench(tmp_path: Path, store: DatabaseSettings) -> Iterator[Bench]:
    settings = Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store, providers=(OPENAI,))
    made, leaving = Bench(settings), threading.Event()

    def serve_turns() -> None:
        with contextlib.closing(StoreWriter(store)) as writer:
            while not leaving.wait(0.005):
                made.turns.do_next(writer)

    thread = threading.Thread(target=serve_turns)
    thread.start()
    take_up(settings, made.publisher)
    yield made
    leaving.set()
    thread.join()


def test_a_change_is_stored_noted_and_published(bench: Bench) -> None:
    changed = bench.desk.change(KIM, CREATE, ACME, reason="first")
    assert (changed.live, [str(item) for item in changed.changes]) == (True, ["provider acme added"])
    snapshot = load(bench.settings.snapshot_path)
    assert [item.name for item in snapshot.providers] == ["openai", "acme"]
    assert snapshot.catalogue_revision == changed.revision
    assert bench.desk.catalogue() == (ACME(Catalogue()), changed.revision)
    assert bench.deeds() == [("kim", "create", "acme", "done", None)]


def test_what_is_wrong_changes_nothing_and_is_noted(bench: Bench) -> None:
    before = load(bench.settings.snapshot_path)
    with pytest.raises(InvalidError, match=r"routes\.fast\.targets\.0"):
        bench.desk.change(KIM, Deed(actor="", action="create", noun="routes", object="fast"), DANGLING)
    assert load(bench.settings.snapshot_path) == before
    assert bench.desk.catalogue() == (Catalogue(), 0)
    assert bench.deeds() == [("kim", "create", "fast", "refused", {"code": "invalid"})]


def test_who_changes_what_was_changed_meanwhile_is_told(bench: Bench) -> None:
    first = bench.desk.change(KIM, CREATE, ACME)
    with pytest.raises(ConflictError, match="was made for 0"):
        bench.desk.change(KIM, CREATE, PROMPT, expected=0, contents={HASH: CONTENT})
    bench.desk.change(KIM, CREATE, PROMPT, expected=first.revision, contents={HASH: CONTENT})
    assert (bench.settings.prompts_dir / f"{HASH}.json").exists()


def test_any_revision_can_be_gone_back_to(bench: Bench) -> None:
    one = bench.desk.change(KIM, CREATE, ACME)
    bench.desk.change(
        KIM, Deed(actor="", action="delete", noun="providers"), lambda now: now.without("providers", "acme")
    )
    back = bench.desk.roll_back(KIM, one.revision)
    assert bench.desk.catalogue() == (ACME(Catalogue()), back.revision)
    assert back.revision > one.revision
    assert bench.deeds()[0] == ("kim", "rollback", str(one.revision), "done", None)
    with pytest.raises(NotFoundError, match="no revision 99"):
        bench.desk.roll_back(KIM, 99)


def test_keys_are_published_and_a_revoked_one_stays_so_after_a_rollback(bench: Bench) -> None:
    first = bench.desk.change(KIM, CREATE, ACME)
    deed = Deed(actor="", action="create", noun="keys")
    made = bench.desk.access(
        KIM, deed, lambda within: keys.add_key(within.connection, within.backend, TEXT, NewKey(), author="kim")
    )
    (published,) = load(bench.settings.snapshot_path).keys
    assert (published.id, published.is_peppered) == (made.result.id, True)
    bench.desk.access(
        KIM, Deed(actor="", action="revoke", noun="keys"),
        lambda within: keys.revoke_key(within.connection, within.backend, made.result.id),
    )  # fmt: skip
    bench.desk.roll_back(KIM, first.revision)
    assert load(bench.settings.snapshot_path).keys == ()


def test_it_is_live_when_every_gateway_has_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.control.desk.LIVE_SECONDS", 0.05)
    bench.pages = [{"snapshot_revision": 1_000_000}, {"snapshot_revision": 0}]
    assert not bench.desk.change(KIM, CREATE, ACME).live
    bench.pages[1]["snapshot_revision"] = 1_000_000
    assert bench.desk.change(KIM, CREATE, PROMPT, contents={HASH: CONTENT}).live


def test_while_the_database_is_away_nothing_is_changed(bench: Bench) -> None:
    bench.is_open = False
    with pytest.raises(StoreUnavailableError, match="nothing was changed"):
        bench.desk.change(KIM, CREATE, ACME)
    assert bench.desk.read(lambda within: documents.load(within.connection)) == Catalogue()


def test_two_who_change_at_once_lose_nothing(bench: Bench) -> None:
    def add(number: int) -> None:
        provider = {"name": f"p{number}", "kind": "custom", "base_url": f"https://p{number}.example/v1"}
        bench.desk.change(KIM, CREATE, putting(providers=[provider]))

    adders = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert sorted(bench.desk.catalogue()[0].providers) == [f"p{number}" for number in range(6)]


def test_a_change_that_cannot_be_published_is_stored_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("proxy.control.publishing.publish", full)
    changed = bench.desk.change(KIM, CREATE, ACME)
    assert (changed.live, [str(item) for item in changed.changes]) == (False, ["provider acme added"])
    assert bench.desk.read(lambda within: documents.load(within.connection)) == ACME(Catalogue())
