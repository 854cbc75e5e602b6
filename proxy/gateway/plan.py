"""Where a call goes and what of it is changed on the way: decided once, from values only.

``/v1/…`` goes to the provider that lists the model, else to the first provider; ``/{provider}/…`` to that provider's
root. Two changes are made here: asking for usage in streams that did not (``stream_usage = inject``), and taking
metadata out that the provider would refuse (``unstored_metadata = keep``). A client can choose among configured
providers, also by ``x-dashcam-provider``, but nothing it sends can name an address.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.gateway.body import Inbound
from proxy.protocol.endpoints import Operation, operation_of
from proxy.protocol.injection import Edit, edits_of_scan, is_addition, metadata_edits, usage_edits
from proxy.protocol.requests import WANTED
from proxy.protocol.scanning import scan

ECHO_MODEL = "dashcam/echo"
ECHO = Provider(
    name="dashcam",
    kind="dashcam",
    base_url="dashcam:/v1",
    root_url="dashcam:",
    models=(ECHO_MODEL,),
    stream_usage="inject",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A mount that matched: ``provider`` None means "by model". ``rest`` is the raw path and query below it.

    ``chosen`` is the provider that the client named, below ``/v1``.
    """

    provider: Provider | None
    rest: bytes
    operation: Operation
    chosen: Provider | None = None


@dataclass(slots=True)
class Plan:
    """What will be sent where. ``edits`` turn the client's body into the one that is sent.

    ``asks_usage``: some of them ask for usage, which must be taken out of the answer again.
    """

    provider: Provider
    target: bytes
    operation: str
    edits: tuple[Edit, ...] = ()
    asks_usage: bool = False
    model: str | None = None

    def without_additions(self) -> Plan:
        """Return the same plan with nothing added to the client's own bytes."""
        return replace(self, edits=tuple(edit for edit in self.edits if not is_addition(edit)), asks_usage=False)


def destination(method: str, target: bytes, snapshot: Snapshot) -> Destination | None:
    """Return where a path below ``/v1`` or ``/{provider}`` belongs; None when it is control's."""
    if not target.startswith(b"/"):
        return None
    path, _, query = target.partition(b"?")
    first, slash, _ = path[1:].partition(b"/")
    if first == b"v1":
        provider = None
    else:
        provider = snapshot.provider(first.decode("latin-1")) if slash else None
        if provider is None:
            return None
    rest = path[1 + len(first) :]
    operation = operation_of(method, unquote(rest.decode("latin-1")))
    return Destination(provider=provider, rest=rest + (b"?" + query if query else b""), operation=operation)


def decide(place: Destination, inbound: Inbound, snapshot: Snapshot, without_usage: frozenset[str]) -> Plan:
    """Return the plan for a call; ``without_usage`` names providers that refused the usage option."""
    provider = place.provider or place.chosen or choose(snapshot, inbound.facts.model)
    base = _path_of(provider.root_url if place.provider else provider.base_url)
    edits: tuple[Edit, ...] = ()
    if (
        place.operation.injectable
        and inbound.facts.is_stream
        and inbound.facts.include_usage is not True
        and provider.stream_usage == "inject"
        and provider.name not in without_usage
    ):
        edits = edits_of_scan(inbound.scanner) if inbound.scanner else usage_edits(inbound.data, inbound.facts)
    plan = Plan(provider, base + place.rest or b"/", place.operation.name, edits, bool(edits), inbound.facts.model)
    if inbound.facts.unstored_metadata and place.operation.refuses_metadata:
        _keep_metadata(plan, inbound)
    return plan


def _keep_metadata(plan: Plan, inbound: Inbound) -> None:
    """Take metadata out of what is sent, where the provider would refuse the call because of it."""
    if plan.provider.unstored_metadata == "keep":
        scanner = inbound.scanner or scan(inbound.data, WANTED)
        # An insertion at the place where something is taken out comes before it.
        plan.edits = tuple(sorted((*plan.edits, *metadata_edits(scanner)), key=lambda edit: edit[:2]))


def choose(snapshot: Snapshot, model: str | None) -> Provider:
    """Return who serves a model: the provider that lists it, else the first."""
    if model == ECHO_MODEL:
        return ECHO
    if model is not None and len(snapshot.providers) > 1:
        for provider in snapshot.providers:
            if model in provider.models:
                return provider
    return snapshot.providers[0]


@lru_cache(maxsize=256)
def _path_of(url: str) -> bytes:
    return urlsplit(url).path.rstrip("/").encode("ascii")
