"""What a call takes of what its key and its provider are allowed, and gives back when it is over.

Of a key: its time and its list of models (``terms``), its share of the calls under way (``ceilings``), its limits
(``limiting``). Of a provider: its limits; where a route has other candidates, one that has none left is passed over.
A snapshot without any of that costs a call one test (``is_needed``).
"""

from __future__ import annotations

from proxy.domain.snapshot import Snapshot
from proxy.gateway.authentication import Caller
from proxy.gateway.call import ClientCall
from proxy.gateway.ceilings import Ceilings
from proxy.gateway.guard import Refusal
from proxy.gateway.limiting import Limiting, Subject
from proxy.gateway.plan import Destination, Plan
from proxy.gateway.terms import expired, not_allowed
from proxy.protocol.requests import RequestFacts
from proxy.spool.page import Page
from proxy.spool.tallies import Tallies


class Allowances:
    """The allowances of one snapshot. ``is_needed``: some key or provider has something to be looked at."""

    def __init__(self, snapshot: Snapshot, ceilings: Ceilings, tallies: Tallies) -> None:
        self._ceilings = ceilings
        self._limiting = Limiting(snapshot, tallies)
        # With one key there is nobody to protect from it: in_flight is its ceiling.
        self._counts_keys = len(snapshot.keys) > 1 and ceilings.per_key > 0
        has_terms = any(key.expires_at is not None or key.routes or key.limits is not None for key in snapshot.keys)
        self.is_needed = self._counts_keys or has_terms or bool(self._limiting.providers)

    def __repr__(self) -> str:
        return f"<Allowances needed={self.is_needed} {self._limiting!r}>"

    def take(self, call: ClientCall, caller: Caller) -> Caller | Refusal:
        """Count a call for its proxy key, until ``give_back``; or refuse it."""
        key_id, key = caller.key_id, caller.key
        if key_id is None:
            return caller
        if key is not None and key.expires_at is not None and (refusal := expired(key)):
            return refusal
        if self._counts_keys:
            refusal = self._ceilings.begin_of(key_id)
            if refusal is not None:
                return refusal
            call.counted_key, call.is_counted = key_id, True
        subject = self._limiting.key(key_id) if key is not None and key.limits is not None else None
        if subject is not None and (refusal := self._count(call, subject)):
            return refusal
        return caller

    def _count(self, call: ClientCall, subject: Subject) -> Refusal | None:
        found = self._limiting.begin(subject)
        if isinstance(found, Refusal):
            self._ceilings.struck(Page.RATE_LIMITED_KEYS if subject.is_told else Page.RATE_LIMITED_PROVIDERS)
            return found
        call.subjects, call.is_counted = (*call.subjects, subject), True
        if subject.is_told:
            call.told = self._limiting.lines(subject, found)
        return None

    def give_back(self, call: ClientCall) -> None:
        """A call is over; may be said twice."""
        if call.counted_key is not None:
            self._ceilings.end_of(call.counted_key)
        if call.subjects:
            self._limiting.end(call.subjects)
        call.counted_key, call.subjects, call.is_counted = None, (), False

    def admit(
        self, call: ClientCall, caller: Caller, place: Destination, plan: Plan, facts: RequestFacts
    ) -> Plan | Refusal:
        """Return the plan that a call may follow whose body says ``facts``, or why there is none."""
        if caller.key is not None and (refusal := not_allowed(caller.key, place, facts, call.head.method)):
            return refusal
        if self._limiting.providers:
            found = self._within_limits(call, plan)
            if isinstance(found, Refusal):
                return found
            plan = found
        for one in (plan, *plan.alternatives) if call.told else ():
            one.told += call.told
        return plan

    def _within_limits(self, call: ClientCall, plan: Plan) -> Plan | Refusal:
        """Count the call for the first candidate that has something left, and keep the others that have."""
        waiting = [plan, *plan.alternatives]
        refusal = None
        while waiting:
            first = waiting.pop(0)
            subject = self._limiting.providers.get(first.provider.name)
            refused = self._count(call, subject) if subject is not None else None
            if refused is None:
                first.route, first.alternatives = plan.route, tuple(item for item in waiting if self._has_left(item))
                return first
            refusal = refusal or refused
        assert refusal is not None
        return refusal

    def _has_left(self, plan: Plan) -> bool:
        subject = self._limiting.providers.get(plan.provider.name)
        return subject is None or self._limiting.refusal(subject) is None

    def hand_over(self, call: ClientCall, provider: str) -> None:
        """Another candidate takes over: it is counted there too, whatever it has left by now."""
        subject = self._limiting.providers.get(provider)
        if subject is not None:
            self._count(call, subject)
