"""What follows from a request's head alone: may it come in, where does it belong, with which headers does it leave.

Concluded once for a head and a snapshot, used for every call that sends that head again.

Credentials. The client's own pass through to the first provider and to one that it names. They do not pass
when they are a proxy key (which no provider may see); when a key is configured for the provider and the client sent
none, or a placeholder; when a model's name led to another provider (what a client holds is meant for the first one, and
whoever lists a model could ask for it that way), unless it has no key of its own, is of the first one's kind and not of
the catalogue; and never to a provider that was only found by probing. A configured key goes to its provider only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from proxy.domain.provider import Provider, key_header
from proxy.domain.snapshot import Snapshot
from proxy.gateway import bounding
from proxy.gateway.asks import HEADER
from proxy.gateway.authentication import Caller, KeyIndex
from proxy.gateway.client_head import ClientHead, Headers
from proxy.gateway.guard import Guard, Refusal
from proxy.gateway.headers import Recorded, request_headers, without_credentials
from proxy.gateway.plan import Plan, destination
from proxy.gateway.reply_facts import Record, ReplyFacts
from proxy.gateway.routing import ECHO, Routing
from proxy.protocol.tagging import FULL, least_of, record_mode
from proxy.upstream.request import RequestHead, head_for


def _no_such_provider(snapshot: Snapshot) -> Refusal:
    names = ", ".join(provider.name for provider in snapshot.providers)
    return Refusal(400, "unknown_provider", f"x-dashcam-provider names no provider of this Dashcam. It has: {names}.")


class Departure:
    """The head of a request as it leaves for one provider.

    ``recorded`` is the allow-listed part for the record, ``reply_facts`` what every reply to it says of us.
    """

    __slots__ = ("_client", "_head", "_headers", "_provider", "_target", "recorded", "reply_facts")

    def __init__(
        self, client: ClientHead, plan: Plan, target: bytes, headers: Headers, recorded: Recorded, record: Record
    ) -> None:
        self._client = client
        self._provider = plan.provider
        self._target = target
        self._headers = headers
        self._head: RequestHead | None = None
        self.recorded = recorded
        self.reply_facts = ReplyFacts(client, plan.provider.name, recorded, record)

    def head(self) -> RequestHead:
        """Return the head, ready to be sent; ``UpstreamFailure`` when it can never leave."""
        if self._head is None:
            client = self._client
            timeout = client.announced_timeout()
            self._head = head_for(self._provider, client.method, self._target, self._headers, timeout)
        return self._head


class Admission:
    """``refusal`` is the guard's, ``place`` None when the path is not the data plane's.

    ``record`` is how much of a call the caller and its key let us keep: full, meta or none; ``usual`` is the less of
    that and what is usual, where no route says more. ``seconds`` is how long it may take, ``retries`` how many other
    candidates of a route may be asked (None: as the route and its budget say). ``asks_prompt``: a header names a stored
    prompt.
    """

    __slots__ = (
        "_departures", "_head", "_keys", "asks_prompt", "caller", "known", "place", "record", "refusal", "retries",
        "routing", "seconds", "snapshot", "usual",
    )  # fmt: skip

    def __init__(
        self, head: ClientHead, routing: Routing, guard: Guard, index: KeyIndex, keys: Mapping[str, bytes]
    ) -> None:
        self._head = head
        self.known = head.known
        self._keys = keys
        self.routing = routing
        snapshot = self.snapshot = routing.snapshot
        self.refusal: Refusal | None = guard.check(head.target, head.known)
        self.place = destination(head.method, head.target, snapshot)
        self.caller: Caller | Refusal = index.identify(head.known, head.target)
        kept = self.caller.recording if isinstance(self.caller, Caller) else FULL
        self.record = least_of(record_mode(head.known, head.headers), kept)
        self.usual = least_of(self.record, snapshot.recording)
        self.asks_prompt = HEADER in head.known
        self._departures: dict[tuple[str, bool], Departure] = {}
        if b"x-dashcam-provider" in head.known:
            self._choose(head.known[b"x-dashcam-provider"])
        self.seconds: float | None = None
        self.retries: int | None = None
        if bounding.NAME in head.known or bounding.RETRIES in head.known:
            self._bound()
        self._choose_who_lists()

    def _choose_who_lists(self) -> None:
        """The list of all models is ours where there are several providers, unless the client names one.

        So is what is said of one that only a route knows.
        """
        caller, place = self.caller, self.place
        if place is None or place.chosen is not None or not isinstance(caller, Caller):
            return
        is_listed = place.lists_models and self.routing.merges_lists(caller)
        if is_listed or (place.model and self._head.method == "GET" and self.routing.is_route(place.model)):
            self.place = dataclasses.replace(place, provider=ECHO)

    def _choose(self, name: bytes) -> None:
        """The client names the provider: one of ours, or the call is refused, never sent elsewhere."""
        chosen = self.snapshot.provider(name.strip().decode("latin-1"))
        if self.place is not None and self.place.provider is None and chosen is not None:
            self.place = dataclasses.replace(self.place, chosen=chosen)
        elif chosen is None and isinstance(self.caller, Caller):
            self.caller = _no_such_provider(self.snapshot)

    def _bound(self) -> None:
        """The client says how long a call may take, how often it may be tried; what is no such number is refused."""
        found = bounding.read_both(self._head.known)
        if not isinstance(found, Refusal):
            self.seconds, self.retries = found
        elif isinstance(self.caller, Caller):
            self.caller = found

    def departure(self, plan: Plan, caller: Caller) -> Departure:
        """Return how the request leaves under a plan; an answer that we must read is asked for uncompressed."""
        place = (plan.provider.name, plan.asks_usage)
        found = self._departures.get(place)
        if found is None:
            found = self._departures[place] = self._compose(plan, caller)
        return found

    def _compose(self, plan: Plan, caller: Caller) -> Departure:
        provider: Provider = plan.provider
        key = self._keys.get(provider.name)
        drops = caller.key_id is not None or not self._may_pass(provider, caller, has_key=key is not None)
        headers = self._head.headers
        passed, recorded = request_headers(
            headers,
            drop_credentials=drops,
            plain_answer=plan.asks_usage,
            to_gateway=provider.gateway_headers == "send",
        )
        if drops and key is not None:
            passed.append(key_header(provider, key, plan.target))
        for name, value in provider.headers:
            passed.append((name.encode("latin-1"), value.encode("latin-1")))
        target = without_credentials(plan.target) if drops else plan.target
        return Departure(self._head, plan, target, passed, recorded, (self.record, self.snapshot.recording))

    def _may_pass(self, provider: Provider, caller: Caller, *, has_key: bool) -> bool:
        """Return True when the client's credentials are this provider's business."""
        if provider.source == "found":
            return False
        first = self.snapshot.providers[0]
        named = () if self.place is None else (self.place.provider, self.place.chosen)
        is_meant = provider is first or provider in named
        if has_key:
            return caller.has_own_key and is_meant
        # Whoever edits the catalogue could have keys of clients sent to himself by listing their models.
        is_of_kind = provider.kind == first.kind and provider.kind != "custom" and provider.source != "catalogue"
        return is_meant or is_of_kind
