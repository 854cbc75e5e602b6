"""The one place that makes the snapshot: out of the settings, the catalogue, what was found here and what is listed.

Each of these comes at its own time; whenever one is new, all are put together again and published when something has
changed. What the database says is known only once it is open: until then what the last snapshot had from there stays,
so that a start without the database serves as before. For several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from proxy.catalogue.compiled import compiled, own_prices, with_models
from proxy.catalogue.surroundings import Surroundings, surroundings_of
from proxy.control.listing import Listing
from proxy.control.prompt_files import PromptFiles
from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.errors import ConfigurationError
from proxy.pricing import edited
from proxy.settings.credentials import key_digests, opening_keys, provider_keys
from proxy.settings.former_snapshot import with_former
from proxy.settings.provider_secret import SecretError, unseal
from proxy.settings.snapshot import base_snapshot, load_or_none, publish
from proxy.settings.values import Settings
from proxy.spool.page import pages_in
from proxy.store.catalogue.state import CatalogueState

log = structlog.get_logger("publishing")

_NOT_SEALED = "the key of provider {} that the database keeps is not used: secrets.sealed is off"


class Publisher:
    """Knows what counts now. ``snapshot`` is the one that is published."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.snapshot_path
        self.files = PromptFiles(settings.prompts_dir)
        self._lock = threading.Lock()
        self._state: CatalogueState | None = None
        self._warnings: tuple[str, ...] = ()
        last = load_or_none(self._path)
        self._last = last
        self._lists = _known_lists(last)
        self._identity: tuple[int, int, int] | None = None
        self._found: tuple[Provider, ...] = ()
        if last is not None and settings.discovery.local_servers:
            self._found = tuple(item for item in last.providers if item.source == "found")
        self.snapshot = self._publish()

    def __repr__(self) -> str:
        return f"<Publisher revision={self.snapshot.revision} catalogue={self.snapshot.catalogue_revision}>"

    # -- what is new ----------------------------------------------------------------------------------------

    def found(self, providers: tuple[Provider, ...]) -> Snapshot:
        """Take in who is on this machine now."""
        with self._lock:
            self._found = providers
            return self._publish()

    def listed(self, lists: Mapping[str, Listing]) -> Snapshot:
        """Take in what providers list, by their names; of others the list from before stays."""
        with self._lock:
            addresses = {item.name: item.base_url for item in self.snapshot.providers}
            self._lists |= {(name, addresses[name]): item for name, item in lists.items() if name in addresses}
            return self._publish()

    def use(self, read: Callable[[], CatalogueState]) -> Snapshot:
        """Take in what the store says; ``OSError`` when its prices or contents of prompts cannot be written.

        It is read under the lock: what was read first is never published last.
        """
        with self._lock:
            state = read()
            self.files.write(state.contents)
            edited.write(self._settings.prices_dir, own_prices(state.catalogue))
            self._state = state
            published = self._publish()
            self.files.keep(_hashes(published))
            return published

    def damage(self) -> list[str]:
        """Return what of the published is not on disk as it should be; looking costs a ``stat`` a file."""
        with self._lock:
            found = [] if self._is_untouched() else [f"the snapshot {self._path}"]
            broken = self.files.missing(_hashes(self.snapshot))
            return found + [f"the prompt content {self.files.path_of(name)}" for name in sorted(broken)]

    def publish_again(self) -> Snapshot:
        """Put what counts on disk once more."""
        with self._lock:
            return self._publish()

    def keyed(self, proxy_keys: Iterable[str]) -> Snapshot:
        """Take in the proxy keys of the environment's file, which is another one now."""
        with self._lock:
            self._settings = replace(self._settings, proxy_keys=key_digests(" ".join(proxy_keys)))
            return self._publish()

    # -- what others ask ------------------------------------------------------------------------------------

    @property
    def state(self) -> CatalogueState | None:
        """What the store said last, None before it has."""
        return self._state

    @property
    def surroundings(self) -> Surroundings:
        """What a catalogue is checked against."""
        return surroundings_of(self._settings, self._found)

    def keys(self) -> dict[str, bytes]:
        """Return the keys of providers by name: those of the environment, and sealed ones that open."""
        providers = self.snapshot.providers
        return provider_keys(providers) | _unsealed(providers)

    # -----------------------------------------------------------------------------------------------------

    def _publish(self) -> Snapshot:
        """Publish what counts now; unchanged content keeps its revision. The lock is held, or nobody else knows us."""
        before: Snapshot | None = getattr(self, "snapshot", None)
        composed = self._composed()
        if self._state is None and self._last is None and self._is_damaged():
            # What runs has the last good one in use, and nothing as good can be said before the store is read.
            self.snapshot = replace(composed, revision=before.revision if before is not None else self._seen())
            return self.snapshot
        self.snapshot = publish(self._path, composed, self._seen() if before is None else before.revision)
        if before is not None and before.revision != self.snapshot.revision:
            number = self.snapshot.revision
            log.info("snapshot_published", revision=number, providers=len(self.snapshot.providers))
        return self.snapshot

    def _is_damaged(self) -> bool:
        return self._path.exists() and load_or_none(self._path) is None

    def _is_untouched(self) -> bool:
        """Tell whether the file is a good snapshot; it is read again only when it looks changed."""
        identity = _identity(self._path)
        if identity is None or (identity != self._identity and load_or_none(self._path) is None):
            return False
        self._identity = identity
        return True

    def _seen(self) -> int:
        """Return the highest number that a gateway shows; what is published next comes after it."""
        return max((page["snapshot_revision"] for page in pages_in(self._settings.pages_dir)), default=0)

    def _composed(self) -> Snapshot:
        state, base = self._state, base_snapshot(self._settings)
        if state is None:
            return self._as_before(base)
        sealed = {name: item.sealed for name, item in state.secrets.items()}
        unused = [] if self._settings.secrets.sealed else [_NOT_SEALED.format(name) for name in sorted(sealed)]
        made = compiled(state.catalogue, self.surroundings, {} if unused else sealed)
        self._tell((*made.warnings, *unused))
        return replace(
            base,
            providers=tuple(with_models(self._with_list(item), state.catalogue) for item in made.providers),
            routes=made.routes,
            models=made.models,
            prompts=made.prompts,
            keys=base.keys + state.proxy_keys,
            key_pepper=state.pepper,
            catalogue_revision=state.revision,
        )

    def _as_before(self, base: Snapshot) -> Snapshot:
        """Return what the settings say, with what the last snapshot had from the store."""
        keeps_sealed = self._settings.secrets.sealed
        made = with_former(base, self._last, keeps_sealed=keeps_sealed, found=self._found)
        return replace(made, providers=tuple(map(self._with_list, made.providers)))

    def _with_list(self, provider: Provider) -> Provider:
        listing = self._lists.get((provider.name, provider.base_url))
        if listing is None or provider.is_away:
            return provider
        return replace(provider, models=listing.names, entries=listing.entries)

    def _tell(self, warnings: tuple[str, ...]) -> None:
        """Log what of the catalogue is not used, once."""
        for warning in set(warnings) - set(self._warnings):
            log.warning("catalogue_not_used", reason=warning)
        self._warnings = warnings


def _known_lists(last: Snapshot | None) -> dict[tuple[str, str], Listing]:
    """A control that was started anew goes on with the lists that the last one had, until it has asked itself."""
    if last is None:
        return {}
    known = (item for item in last.providers if item.models and item.source != "found")
    return {(item.name, item.base_url): Listing(item.models, item.entries) for item in known}


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _hashes(snapshot: Snapshot) -> set[str]:
    return {version.sha256 for prompt in snapshot.prompts for version in prompt.versions}


def _unsealed(providers: tuple[Provider, ...]) -> dict[str, bytes]:
    """Return the keys that the store keeps and that open with a master key that is set."""
    sealed = [item for item in providers if item.key_sealed is not None]
    found: dict[str, bytes] = {}
    if not sealed:
        return found
    try:
        masters = opening_keys()
    except ConfigurationError as error:
        log.error("master_key_unusable", reason=error.message)
        return found
    for item in sealed:
        try:
            found[item.name] = unseal(item.key_sealed or "", item.name, item.base_url, masters).encode()
        except SecretError as error:
            log.error("provider_key_sealed", provider=item.name, reason=error.message, hint=error.hint)
    return found
