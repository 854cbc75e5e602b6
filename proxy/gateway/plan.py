"""Where a call goes and what of it is changed on the way: decided once, from values only.

``/v1/…`` goes to who serves the model (``routing``), ``/{provider}/…`` to that provider's root. Four changes are made
here: asking for usage in streams that did not (``stream_usage = inject``), taking metadata out that the provider would
refuse (``unstored_metadata = keep``), the name that a route gives the model, and parameters (``parameters``). A client
can choose among configured providers, also by ``x-dashcam-provider``, but nothing it sends can name an address.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from proxy.domain.provider import Provider
from proxy.domain.route import Route
from proxy.domain.snapshot import Snapshot
from proxy.gateway.body import Inbound
from proxy.gateway.guard import Refusal
from proxy.gateway.parameters import ParameterBook
from proxy.gateway.routing import Choice, Routing
from proxy.protocol.endpoints import Operation, operation_of
from proxy.protocol.injection import (
    Edit,
    combine,
    edits_of_scan,
    form_rename_edits,
    metadata_edits,
    rename_edits,
    rename_edits_at,
    usage_edits,
)
from proxy.protocol.parameters import TAKING, Setting, parameter_edits
from proxy.protocol.tagging import FULL, least_of

Order = Callable[[Choice], Sequence[tuple[Provider, str | None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A mount that matched: ``provider`` None means "by model". ``rest`` is the raw path and query below it.

    ``model`` is one that the path itself names; ``lists_models``: it asks for all of them. ``chosen`` is the provider
    that the client named, below ``/v1``.
    """

    provider: Provider | None
    rest: bytes
    operation: Operation
    chosen: Provider | None = None
    model: str | None = None
    lists_models: bool = False


def unnamed(route: str | None) -> Refusal:
    """Return the refusal of a call whose body cannot be given the name that its route has for the model."""
    message = (
        f"Route {route!r} gives the model another name, which cannot be put into this request: it is compressed, or a "
        "form that says its model more than once, or not within 16 kB of an end. Send it uncompressed, with one field "
        "model before the file, or ask for the model by its provider's own name."
    )
    return Refusal(400, "model_not_renamable", message)


def unforced(route: str | None) -> Refusal:
    """Return the refusal of a call whose body cannot be given what its route forces."""
    message = (
        f"Route {route!r} sets parameters whatever a request says, which cannot be put into this one: it is "
        "compressed, no JSON object, or spells the names of its members with escapes. Send plain JSON with plain names."
    )
    return Refusal(400, "parameters_not_settable", message)


_HIDDEN: tuple[Edit, ...] = ((0, 0, ""),)


class Plan:
    """What will be sent where. ``edits`` turn the client's body into the one that is sent.

    ``asking`` are those that ask for usage, which must be taken out of the answer again. ``model`` is what the client
    asked for, ``sent_model`` the name that a route gives it, ``route`` is that route, ``rule`` all that it says, and
    ``alternatives`` are who may take over before an answer has begun. ``is_known`` False: nobody lists the model.
    ``unfit`` tells why this body cannot be sent so. ``told`` is what a reply says beside the usual, in the parts of
    ``ReplyHead.lines``. ``composed``: a stored prompt has made another body of the client's by these edits, and
    ``edits`` are of that one; ``is_hidden`` where that has a secret value. A plan is made for every call: what few of
    them have is set on those only.
    """

    edits: tuple[Edit, ...] = ()
    asking: tuple[Edit, ...] = ()
    asks_usage = False
    sent_model: str | None = None
    route: str | None = None
    alternatives: tuple[Plan, ...] = ()
    is_known = True
    unfit: Callable[[str | None], Refusal] | None = None
    rule: Route | None = None
    told: tuple[bytes, ...] = ()
    composed: tuple[Edit, ...] = ()
    is_hidden = False

    def __init__(self, provider: Provider, target: bytes, operation: str, model: str | None = None) -> None:
        self.provider = provider
        self.target = target
        self.operation = operation
        self.model = model

    def __repr__(self) -> str:
        return f"<Plan {self.operation} to {self.provider.name} edits={self.edits}>"

    @property
    def recorded_edits(self) -> tuple[Edit, ...]:
        """What turns the client's own bytes into those that are sent; of a hidden one only that something does."""
        if self.is_hidden:
            return _HIDDEN
        return combine(self.composed, self.edits) if self.composed else self.edits

    @property
    def on_client_gone(self) -> str:
        """What becomes of a call whose client has left: cancel or drain."""
        return (self.rule.on_client_gone if self.rule is not None else None) or self.provider.on_client_gone

    def record(self, asked: str, usual: str = FULL) -> str:
        """Return how much is kept of a call: the least of what caller and key ask for and what the route says.

        Where no route says anything, what is usual counts in its place: a route may say full where that is not.
        """
        said = self.rule.recording if self.rule is not None else None
        return least_of(asked, usual if said is None else said)

    def without_usage(self) -> Plan:
        """Return the same plan, asking for usage no more; what else is changed still is."""
        plan = copy(self)
        plan.edits = tuple(edit for edit in self.edits if edit not in self.asking)
        plan.asking, plan.asks_usage = (), False
        return plan


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
    decoded = unquote(rest.decode("latin-1"))
    operation = operation_of(method, decoded)
    is_by_model = provider is None and operation.name == "models" and decoded.startswith("/models")
    return Destination(
        provider=provider,
        rest=rest + (b"?" + query if query else b""),
        operation=operation,
        model=decoded.removeprefix("/models/") if is_by_model and len(decoded) > len("/models/") else None,
        lists_models=is_by_model and method == "GET" and decoded.rstrip("/") == "/models",
    )


def decide(
    place: Destination, inbound: Inbound, routing: Routing, without_usage: frozenset[str], order: Order | None = None
) -> Plan:
    """Return the plan for a call; ``without_usage`` names providers that refused the usage option.

    ``order`` says in which order a route's candidates are tried this time.
    """
    named, book = place.provider or place.chosen, routing.parameters
    if named is not None:
        return _plan(place, inbound, named, None, without_usage, book)
    choice = routing.choose(place.model or inbound.facts.model)
    if choice.route is None:
        plan = _plan(place, inbound, choice.provider, None, without_usage, book)
        plan.is_known = choice.is_known
        return plan
    candidates = order(choice) if order is not None else choice.candidates
    plan = _plan(place, inbound, *candidates[0], without_usage, book, choice.rule)
    if len(candidates) > 1:
        plans = [plan, *(_plan(place, inbound, *other, without_usage, book, choice.rule) for other in candidates[1:])]
        # Who would be asked for a model by a name that is not his is not asked.
        plan, *others = [item for item in plans if item.unfit is None] or plans[:1]
        plan.alternatives = tuple(others)
    plan.route = choice.route
    return plan


def _plan(
    place: Destination,
    inbound: Inbound,
    provider: Provider,
    model: str | None,
    without_usage: frozenset[str],
    book: ParameterBook,
    rule: Route | None = None,
) -> Plan:
    base = _path_of(provider.root_url if place.provider else provider.base_url)
    plan = Plan(provider, base + place.rest or b"/", place.operation.name, inbound.facts.model)
    if rule is not None:
        plan.rule = rule
    if not inbound.facts.is_json:
        # A form, or a body that was only looked into through its compression: only a form's model can be changed.
        if model is not None and model != inbound.facts.model:
            _rename(plan, form_rename_edits(inbound.facts.model_at, model), model)
        if rule is not None and rule.forced and inbound.length and plan.operation in TAKING:
            plan.unfit = plan.unfit or unforced
        return plan
    if (
        place.operation.injectable
        and inbound.facts.is_stream
        and inbound.facts.include_usage is not True
        and provider.stream_usage == "inject"
        and provider.name not in without_usage
    ):
        plan.asking = edits_of_scan(inbound.scanner) if inbound.scanner else usage_edits(inbound.data, inbound.facts)
        plan.edits, plan.asks_usage = plan.asking, bool(plan.asking)
    if inbound.facts.unstored_metadata and place.operation.refuses_metadata and provider.unstored_metadata == "keep":
        _change(plan, metadata_edits(inbound.scanned(book.wanted)))
    if model is not None and model != inbound.facts.model:
        if inbound.named == model:
            plan.sent_model = model
        else:
            _rename(plan, _rename_edits(inbound, model, book), model)
    if not book.is_empty:
        _give_parameters(plan, inbound, book)
    return plan


def _give_parameters(plan: Plan, inbound: Inbound, book: ParameterBook) -> None:
    """Put into a request what it is given; what is forced and cannot be put in makes it unfit."""
    model = plan.sent_model or plan.model
    settings = book.settings(plan.rule, plan.provider, model, plan.operation)
    own = book.model_for(plan.provider, plan.operation) if model is None else None
    if own is not None:
        settings += (Setting("model", json.dumps(own)),)
    if not settings:
        return
    found = inbound.scanned(book.wanted)
    # A large body that was scanned for a snapshot before this one has not been looked through for all of them.
    edits = parameter_edits(found, settings) if book.wanted <= found.wanted else None
    if edits is None:
        plan.unfit = plan.unfit or (unforced if any(setting.is_forced for setting in settings) else None)
        return
    if own is not None and edits and b"model" not in found.members:
        plan.sent_model = own
    _change(plan, edits)


def _rename_edits(inbound: Inbound, model: str, book: ParameterBook) -> tuple[Edit, ...]:
    at = inbound.place_of_model()
    return rename_edits_at(at, model) if at is not None else rename_edits(inbound.scanned(book.wanted), model)


def _rename(plan: Plan, edits: tuple[Edit, ...], model: str) -> None:
    """Give the model the route's name, if that can be done."""
    if not edits:
        plan.unfit = unnamed
        return
    plan.sent_model = model
    _change(plan, edits)


def _change(plan: Plan, edits: tuple[Edit, ...]) -> None:
    """Add edits to a plan; an insertion at the place where something is taken out comes before it."""
    plan.edits = tuple(sorted((*plan.edits, *edits), key=lambda edit: edit[:2])) if plan.edits else edits


@lru_cache(maxsize=256)
def _path_of(url: str) -> bytes:
    return urlsplit(url).path.rstrip("/").encode("ascii")
