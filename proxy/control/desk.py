"""Where changes are made: of the catalogue, of keys, tokens and provider keys. One procedure for all of them.

In one transaction: read what there is, change it, check the whole, write the difference, a revision and the audit row.
Then publish, and wait until every gateway of this host has it in use: the next call uses what was just saved. Other
hosts hear of the revision and do the same. What is refused leaves no trace but in the audit log, and the snapshot that
serves is the one from before. Nothing of this is on a call's way.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from proxy.catalogue.accepting import accept
from proxy.catalogue.access import Scope
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.changes import Change
from proxy.catalogue.contents import Load
from proxy.catalogue.surroundings import Surroundings
from proxy.catalogue.versions import rolled_back
from proxy.control.configuration import PricesHandler
from proxy.control.publishing import Publisher
from proxy.control.turns import Turns
from proxy.domain.provider import Provider
from proxy.errors import DashcamError, NotFoundError
from proxy.settings.values import Settings
from proxy.store.catalogue import audit, documents, prompt_versions, provider_secrets, session
from proxy.store.catalogue.audit import Deed
from proxy.store.catalogue.session import Session
from proxy.store.catalogue.state import CatalogueState, read_state
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.hosts import configuration
from proxy.store.hosts.configuration import Proposal, Revision
from proxy.store.writing.writer import StoreWriter

log = structlog.get_logger("desk")

T = TypeVar("T")
LIVE_SECONDS = 2.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks: the id of a token or a user's name, from where, and how far they may go."""

    name: str
    source: str = ""
    scope: Scope = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a change came to. ``live``: every gateway of this host has it in use; ``result`` is what was made of it.

    ``after`` is the catalogue as this change left it, whatever others have made of it since.
    """

    revision: int
    live: bool
    changes: tuple[Change, ...] = ()
    after: Catalogue = field(default_factory=Catalogue)
    result: Any = None


class ConflictError(DashcamError):
    """Somebody else has changed this meanwhile."""

    code = "conflict"


class Desk:
    """For any thread. ``pages`` are the pages of the running gateways; ``is_open`` says whether the database is."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        turns: Turns,
        pages: Callable[[], list[dict[str, int]]],
        is_open: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._turns = turns
        self._pages = pages
        self._is_open = is_open

    def __repr__(self) -> str:
        return f"<Desk {self._publisher!r}>"

    # -- the catalogue --------------------------------------------------------------------------------------

    def catalogue(self) -> tuple[Catalogue, int]:
        """Return the catalogue that counts, and its revision; ``StoreUnavailableError`` before the database is open."""
        state = self._publisher.state
        if state is None:
            raise StoreUnavailableError(
                "the catalogue is not read yet: the database is not open", hint="dashcam doctor"
            )
        return state.catalogue, state.revision

    def change(
        self,
        actor: Actor,
        deed: Deed,
        change: Callable[[Catalogue], Catalogue],
        *,
        contents: Mapping[str, Mapping[str, Any]] | None = None,
        reason: str = "",
        expected: int | None = None,
    ) -> Changed:
        """Change the catalogue; ``InvalidError`` says all that is wrong with what it would become.

        ``contents`` are what new versions of prompts say, by hash. ``expected`` is the revision that the change was
        made for: ``ConflictError`` where another one counts by now.
        """

        def work(within: Session) -> tuple[int, tuple[Change, ...], Catalogue]:
            before, revision = within.catalogue()
            if expected is not None and expected != revision:
                raise ConflictError(f"the catalogue is at revision {revision}, and this was made for {expected}")
            connection, backend = within.connection, within.backend
            load = _loader(contents or {}, connection)
            after = accept(before, change(before), self._publisher.surroundings, load)
            prompt_versions.keep_contents(connection, contents or {})
            saved = documents.save(connection, backend, before, after, author=actor.name, reason=reason)
            orphans = provider_secrets.keep_only(connection, after.providers)
            audit.add(connection, backend, _by(actor, deed, revision=saved.revision), *_forgotten(actor, orphans))
            return saved.revision, saved.changes, after

        revision, changes, after = self._do(actor, deed, work)
        return Changed(revision=revision, live=self._publish(), changes=changes, after=after)

    def roll_back(self, actor: Actor, number: int) -> Changed:
        """Let the catalogue be what it was at a revision; ``NotFoundError`` where there is none of this number."""
        former = self.at(number)
        deed = Deed(actor="", action="rollback", noun="revisions", object=str(number))
        return self.change(actor, deed, lambda now: rolled_back(now, former), reason=f"back to revision {number}")

    def at(self, number: int) -> Catalogue:
        """Return the catalogue of a revision."""
        return self.read(lambda within: documents.at(within.connection, number))

    @property
    def state(self) -> CatalogueState:
        """What the store says; ``StoreUnavailableError`` before the database is open."""
        self.catalogue()
        assert self._publisher.state is not None
        return self._publisher.state

    def provider(self, name: str) -> tuple[Provider, Mapping[str, bytes]]:
        """Return a provider that is in use, by its name, and the keys; ``NotFoundError`` where there is none."""
        found = self._publisher.snapshot.provider(name)
        if found is None:
            hint = "dashcam providers list; one that is not active is not asked"
            raise NotFoundError(f"there is no active provider {name[:40]!r}", hint=hint)
        return found, self._publisher.keys()

    @property
    def surroundings(self) -> Surroundings:
        """What there is beside the catalogue: the settings' providers and routes, and what was found here."""
        return self._publisher.surroundings

    def contents(self, hashes: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return what versions of prompts say, by hash; ``NotFoundError`` names one that is not there."""
        return self.read(lambda within: prompt_versions.contents(within.connection, hashes))

    # -- access ---------------------------------------------------------------------------------------------

    def access(
        self, actor: Actor, deed: Deed, work: Callable[[Session], T], *, name_of: Callable[[T], str] | None = None
    ) -> Changed:
        """Change keys, tokens or provider keys; ``result`` is what ``work`` returned.

        ``name_of`` gives the name of what was made, for the audit log, where it has none before.
        """

        def whole(within: Session) -> tuple[int, T]:
            within.alone()
            made = work(within)
            revision = within.announce(secrets.token_hex(32), deed.noun, actor.name)
            name = deed.object if name_of is None else name_of(made)
            audit.add(within.connection, within.backend, _by(actor, deed, revision=revision, object=name))
            return revision, made

        revision, made = self._do(actor, deed, whole)
        return Changed(revision=revision, live=self._publish(), result=made)

    # -- prices ---------------------------------------------------------------------------------------------

    def refresh_prices(self, actor: Actor, deed: Deed, proposal: Proposal) -> Changed:
        """Let price data that was checked count; other hosts hear of it, this one has it at once (``live``)."""

        def work(within: Session) -> Revision:
            number = configuration.record(within.connection, within.backend, proposal)
            audit.add(within.connection, within.backend, _by(actor, deed, revision=number))
            return configuration.read(within.connection, number)

        revision = self._do(actor, deed, work)
        try:
            PricesHandler(self._settings.prices_dir).apply(revision)
        except (DashcamError, OSError) as error:
            log.error("prices_not_applied", reason=str(error), hint="dashcam doctor")
            return Changed(revision=revision.number, live=False)
        return Changed(revision=revision.number, live=True)

    # -- the record ------------------------------------------------------------------------------------------

    def write(self, work: Callable[[Session], T]) -> T:
        """Do this to the record of calls, in a transaction; the catalogue and access to it stay as they are."""
        return self._transaction(work)

    def clear_log(self) -> None:
        """Let the log of a SQLite file not hold any longer what was just erased from the record."""
        if not self._settings.database.is_postgres:
            self._turns.take(lambda writer: writer.clear_log())

    # -- reading --------------------------------------------------------------------------------------------

    def read(self, work: Callable[[Session], T]) -> T:
        """Return what is read in a transaction of its own; ``StoreError`` while the database is away."""
        return session.read(self._settings.database, work)

    def note(self, *deeds: Deed) -> None:
        """Add to the audit log what changes nothing: a refusal, a reading."""
        self._transaction(lambda within: audit.add(within.connection, within.backend, *deeds))

    # -----------------------------------------------------------------------------------------------------

    def _do(self, actor: Actor, deed: Deed, work: Callable[[Session], T]) -> T:
        try:
            return self._transaction(work)
        except StoreUnavailableError:
            raise
        except DashcamError as error:
            # The log has who tried what; that it cannot be written is told by what was tried itself.
            with contextlib.suppress(StoreUnavailableError):
                self.note(_by(actor, deed, outcome="refused", detail={"code": error.code}))
            raise

    def _transaction(self, work: Callable[[Session], T]) -> T:
        if not self._is_open():
            raise StoreUnavailableError("the database is not open, and nothing was changed", hint="dashcam doctor")
        if not self._settings.database.is_postgres:
            return self._turns.take(lambda writer: session.write(writer, work))
        with contextlib.closing(StoreWriter(self._settings.database)) as writer:
            return session.write(writer, work)

    def _publish(self) -> bool:
        """Publish what counts now; return whether every gateway has it in use in time."""
        try:
            wanted = take_up(self._settings, self._publisher)
        except (DashcamError, OSError) as error:
            # What was changed is stored, and is not taken back by a full disk: the next round publishes it.
            log.error("change_not_published", reason=str(error), hint="dashcam doctor")
            return False
        deadline = time.monotonic() + LIVE_SECONDS
        while not all(page["snapshot_revision"] >= wanted for page in self._pages()):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True


def _loader(given: Mapping[str, Mapping[str, Any]], connection: Any) -> Load:
    """Return what gives contents: those that come with a change, and those that are stored."""

    def load(sha256: str) -> Mapping[str, Any] | None:
        if sha256 in given:
            return given[sha256]
        with contextlib.suppress(NotFoundError):
            return prompt_versions.contents(connection, [sha256])[sha256]
        return None

    return load


def _forgotten(actor: Actor, providers: Iterable[str]) -> list[Deed]:
    """Return what the audit log says of sealed keys that went with their providers."""
    return [
        Deed(actor=actor.name, source=actor.source, action="forget_key", noun="providers", object=name)
        for name in providers
    ]


def _by(actor: Actor, deed: Deed, **changes: Any) -> Deed:
    """Return a deed with who did it, and how it ended."""
    values = {name: getattr(deed, name) for name in ("action", "noun", "object", "outcome", "revision", "detail")}
    return Deed(**{**values, "actor": actor.name, "source": actor.source, **changes})


def take_up(settings: Settings, publisher: Publisher) -> int:
    """Publish what the store says now; return the number of the snapshot."""
    missing = publisher.files.missing
    # A replica may be behind; what was just saved is on the primary.
    return publisher.use(
        lambda: session.read(settings.database, lambda within: read_state(within.connection, missing))
    ).revision
