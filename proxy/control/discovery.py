"""Who serves which model: asking providers for their lists, and looking for servers on this machine.

Of the providers that are there, those are asked that need no key of the client's: with a configured key, of local
kinds, at private addresses. A server that is found by looking (``probing``) becomes a provider; one that vanishes
stays, marked as away: what was meant for this machine is not sent elsewhere because a server was stopped. Looking is a
connection every two seconds; lists are asked for every minute, and within seconds when a gateway meets a model it does
not know. An error leaves the last list as it was. What is new is told to the publisher, who makes a snapshot of it that
every gateway swaps in within the second; nothing here is waited for by a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from proxy.control.fetching import Manners, fetch
from proxy.control.listing import Listing, listing_of
from proxy.control.manners import list_address, manners_of, may_list
from proxy.control.probing import Place, found_provider, identify, knock, root_of
from proxy.control.publishing import Publisher
from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.settings.access import is_private, leads_home

log = structlog.get_logger("discovery")

FIRST_PAUSE_SECONDS = 1.0
INTERVAL_SECONDS = 60.0
LOOK_SECONDS = 2.0
UNKNOWN_SECONDS = 5.0
PROBE_SECONDS = 2.0
MISSES = 2
_LONGEST_PAUSE = 600.0


@dataclass(slots=True)
class Watched:
    """A place that is looked at: how often in a row nobody was there, and when to ask again who is."""

    place: Place
    misses: int = MISSES
    ask_at: float = 0.0
    pause: float = LOOK_SECONDS


class Discovery:
    """Keeps the snapshot's providers and lists fresh.

    ``port`` is our own, ``places`` are looked at, ``unknown`` counts the calls whose model no gateway knew, ``say`` is
    told of servers that appear and vanish.
    """

    def __init__(
        self,
        publisher: Publisher,
        port: int,
        places: tuple[Place, ...] = (),
        unknown: Callable[[], int] = lambda: 0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._publisher = publisher
        self._port = port
        self._unknown = unknown
        self._seen_unknown = 0
        self._say = say
        self._watched = [Watched(place) for place in places]

    @property
    def snapshot(self) -> Snapshot:
        """The one that counts now."""
        return self._publisher.snapshot

    async def run(self) -> None:
        """Look and ask, for ever; more often while a provider does not answer."""
        pause, ask_at, may_hurry_at = FIRST_PAUSE_SECONDS, 0.0, 0.0
        while True:
            now = time.monotonic()
            try:
                await self.look()
                if now >= ask_at:
                    is_complete = await self.ask_all()
                    pause = FIRST_PAUSE_SECONDS if is_complete else min(INTERVAL_SECONDS, pause * 2)
                    ask_at = now + (INTERVAL_SECONDS if is_complete else pause)
                elif self._has_unknown() and now >= may_hurry_at:
                    may_hurry_at = now + UNKNOWN_SECONDS
                    self._seen_unknown = self._unknown()
                    await self.ask_all(at_home_only=True)
            except OSError as error:
                log.warning("snapshot_not_published", reason=error.strerror)
            await asyncio.sleep(min(LOOK_SECONDS, max(0.1, ask_at - time.monotonic())))

    def _has_unknown(self) -> bool:
        return self._unknown() != self._seen_unknown

    # -- servers on this machine ----------------------------------------------------------------------------

    async def look(self) -> None:
        """Look at every place; publish who has come and who has gone."""
        if not self._watched:
            return
        found = await asyncio.gather(*(self._look_at(item) for item in self._watched))
        before = self.snapshot.providers
        providers = list(before)
        for watched, listing in zip(self._watched, found, strict=True):
            _settle(providers, watched, listing, self._tell)
        if tuple(providers) != before:
            here = tuple(item for item in providers if item.source == "found")
            await asyncio.to_thread(self._publisher.found, here)

    async def _look_at(self, watched: Watched) -> Listing | None:
        """Return the list of a server that was not there before and says who it is."""
        if not await knock(watched.place):
            watched.misses += 1
            watched.ask_at, watched.pause = 0.0, LOOK_SECONDS
            return None
        provider = _found_at(self.snapshot.providers, watched.place)
        is_known = provider is not None and not provider.is_away
        watched.misses = 0
        if is_known or time.monotonic() < watched.ask_at:
            return None
        # A stranger is asked less and less often who it is: it may be starting, or be something else.
        watched.ask_at = time.monotonic() + watched.pause
        watched.pause = min(_LONGEST_PAUSE, watched.pause * 2)
        return await identify(watched.place, probe)

    def _tell(self, provider: Provider) -> None:
        state = "away" if provider.is_away else "found"
        log.info("server_" + state, provider=provider.name, url=provider.root_url, models=len(provider.models))
        self._say(
            f"{provider.name} at {provider.root_url} is {'gone' if provider.is_away else 'here'}{_count(provider)}"
        )

    # -- lists ----------------------------------------------------------------------------------------------

    async def ask_all(self, *, at_home_only: bool = False) -> bool:
        """Ask every provider that may be asked, or only those nearby; False when one did not answer."""
        keys = await asyncio.to_thread(self._publisher.keys)
        asked = [item for item in self.snapshot.providers if self._may_ask(item, keys)]
        if at_home_only:
            asked = [item for item in asked if item.is_local or is_private(item.host)]
        answers = await asyncio.gather(*(self._ask(item, keys) for item in asked))
        found = {item.name: listing for item, listing in zip(asked, answers, strict=True) if listing is not None}
        await asyncio.to_thread(self._publisher.listed, found)
        return len(found) == len(asked)

    def _may_ask(self, provider: Provider, keys: Mapping[str, bytes]) -> bool:
        if provider.is_away or not provider.base_url.startswith(("http://", "https://")):
            return False
        return not leads_home(provider.base_url, self._port) and may_list(provider, keys)

    async def _ask(self, provider: Provider, keys: Mapping[str, bytes]) -> Listing | None:
        try:
            manners = manners_of(provider, keys)
        except OSError as error:
            log.warning("certificates_unusable", provider=provider.name, reason=error.strerror)
            return None
        answer = await fetch(list_address(provider), manners)
        return listing_of(answer[0]) if answer is not None else None


async def look_once(there: Sequence[Place], names: Sequence[str], seconds: float) -> tuple[list[Provider], list[Place]]:
    """Return a provider for each of these places whose server says who it is, and those that say nothing in time.

    ``names`` are taken.
    """
    taken, found, silent = list(names), [], []
    answers = await asyncio.gather(*(_identify_within(item, seconds) for item in there))
    for place, (listing, is_silent) in zip(there, answers, strict=True):
        if listing is not None:
            found.append(found_provider(place, listing, taken))
            taken.append(found[-1].name)
        elif is_silent:
            silent.append(place)
    return found, silent


async def _identify_within(place: Place, seconds: float) -> tuple[Listing | None, bool]:
    """Return who is there, and whether it was still silent when the time was over."""
    listing = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds) as time_there_is:
            listing = await identify(place, probe)
    # On a busy machine the question's own time-out may have come in the same moment.
    return listing, listing is None and time_there_is.expired()


async def probe(url: str) -> bytes | None:
    """Ask a server of which nothing is known yet; another Dashcam is none."""
    answer = await fetch(url, Manners(seconds=PROBE_SECONDS))
    return None if answer is None or answer[1] else answer[0]


def _settle(
    providers: list[Provider], watched: Watched, listing: Listing | None, tell: Callable[[Provider], None]
) -> None:
    """Put into the list what is now known of one place."""
    known = _found_at(providers, watched.place)
    if listing is not None:
        names = [item.name for item in providers if item is not known]
        new = found_provider(watched.place, listing, names)
    elif known is not None and not known.is_away and watched.misses >= MISSES:
        new = replace(known, is_away=True)
    else:
        return
    if known is None:
        providers.append(new)
    else:
        providers[providers.index(known)] = new
    tell(new)


def _found_at(providers: list[Provider] | tuple[Provider, ...], place: Place) -> Provider | None:
    return next((item for item in providers if item.source == "found" and root_of(item.base_url) == place.root), None)


def _count(provider: Provider) -> str:
    return "" if provider.is_away else f", with {len(provider.models)} models"
