"""The stored prompts of a snapshot, as calls use them: asked for, rendered, put in.

Most calls with a prompt go by a route that carries one, and give it texts: these need not be asked what else they say.
What cannot be served is refused with the reason, unless the call or its route names another prompt for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from proxy.domain.recording import PromptFact
from proxy.domain.snapshot import Snapshot
from proxy.gateway.admission import Admission
from proxy.gateway.asks import (
    FALLBACK_HEADER,
    LONGEST_NAME,
    MODEL_PREFIX,
    OPERATIONS,
    VALUES_ONLY,
    PromptAsk,
    asked_for,
    fault_of_values,
    out_of_place,
    split,
    values_of,
)
from proxy.gateway.body import Inbound
from proxy.gateway.composing import Composable, composable, compose
from proxy.gateway.guard import Refusal
from proxy.gateway.plan import Plan
from proxy.gateway.published import AbsentError, PublishedPrompts, Ready
from proxy.gateway.renderings import Renderings
from proxy.prompting.problems import RenderingError, VariableInvalidError
from proxy.prompting.rendering import Rendered
from proxy.protocol.injection import Edit
from proxy.protocol.jsontext import parse_object
from proxy.protocol.requests import RequestFacts


@dataclass
class Composed:
    """What a prompt has made of a request: the body that is sent, what is recorded of it, what the reply says.

    ``edits`` turn the client's own body into it.
    ``has_secret``: it was given a secret value, so that neither body may be kept.
    """

    inbound: Inbound
    edits: tuple[Edit, ...]
    fact: PromptFact
    told: tuple[bytes, ...]
    has_secret: bool = False


class Prompts:
    """``folder`` holds the contents. ``is_needed`` False: only what a call names is looked at, to be refused."""

    def __init__(self, folder: Path) -> None:
        self._published = PublishedPrompts(folder)
        self._renderings = Renderings()
        self._has_rules = False
        self.is_needed = False

    def __repr__(self) -> str:
        return f"<Prompts {self._published!r}>"

    def use(self, snapshot: Snapshot) -> None:
        """Take up a snapshot's prompts."""
        self._published.use(snapshot)
        self._renderings.clear()
        self._has_rules = any(route.prompt is not None for route in snapshot.routes)
        self.is_needed = bool(snapshot.prompts) or self._has_rules

    def compose(self, admission: Admission, inbound: Inbound) -> Composed | Refusal | None:
        """Return the request that a call's prompt makes, None where it asks for none of ours."""
        place, facts, known = admission.place, inbound.facts, admission.known
        assert place is not None
        model = facts.model
        if model is not None and (not model.startswith(MODEL_PREFIX) or self._is_of_provider(admission, model)):
            model = None
        if place.operation.name not in OPERATIONS:
            return out_of_place(known, model) if model is not None or admission.asks_prompt else None
        rule = name = None
        if self._has_rules and place.provider is None and place.chosen is None:
            choice = admission.routing.choose(facts.model)
            rule, name = choice.rule, choice.only_name
        carried = None if rule is None else rule.prompt
        if model is None and facts.prompt is None and not (carried or admission.asks_prompt):
            return None
        values = inbound.values or _values(inbound)
        said = values.get("prompt") if values is not None else {"id": facts.prompt} if facts.prompt else None
        request = None if values is None else composable(place.operation.name, inbound.data, values, name)
        if carried and model is None and not admission.asks_prompt and isinstance(request, Composable):
            made = self._usual(carried, said, request, facts)
            if made is not None:
                return made
        return self._put_in(asked_for(known, said, model, rule, self._published.by_name), said, request, facts)

    def _usual(self, carried: str, said: object, request: Composable, facts: RequestFacts) -> Composed | None:
        """Return what a route's prompt makes of a call that gives it texts and says no more, None where it does."""
        ready = self._published.known(carried)
        if ready is None or request.found is not None or not isinstance(said, dict) or said.keys() != VALUES_ONLY:
            return None
        given = said["variables"]
        rendered = ready.compiled.fill(given) if isinstance(given, dict) else None
        return None if rendered is None else _composed(ready, rendered, request, facts)

    def _put_in(
        self,
        asked: PromptAsk | Refusal | None,
        said: object,
        request: Composable | Refusal | None,
        facts: RequestFacts,
    ) -> Composed | Refusal | None:
        """Put what is asked for into a request, None where nothing can be put in; ``said`` is its ``prompt``."""
        if request is None and (asked is not None or facts.prompt == ""):
            # An id that could not be looked at may be one of ours.
            return self._told_of(NOT_JSON, asked) if isinstance(asked, PromptAsk) else NOT_JSON
        if not isinstance(asked, PromptAsk):
            return asked
        assert request is not None
        if isinstance(request, Refusal):
            return self._told_of(request, asked)
        if request.found is not None and (raw := request.raw_prompt()) and (fault := fault_of_values(raw)) is not None:
            return self._told_of(fault, asked)
        return self._served(asked, values_of(said), request, facts)

    def _is_of_provider(self, admission: Admission, model: str) -> bool:
        """Return True for a model whose name only looks like that of a prompt.

        We have no such prompt, and somebody lists the model, or a Dashcam behind this one may know the prompt.
        """
        if split(model.removeprefix(MODEL_PREFIX))[0] in self._published.by_name:
            return False
        if admission.routing.is_listed(model):
            return True
        place = admission.place
        assert place is not None
        provider = place.provider or place.chosen or admission.routing.choose(model).provider
        return not self._published.by_name and provider.gateway_headers == "send"

    # -- serving --------------------------------------------------------------------------------------------

    def _served(
        self, asked: PromptAsk, given: Mapping[str, Any], request: Composable, facts: RequestFacts
    ) -> Composed | Refusal:
        try:
            return self._rendered(asked, None, given, request, facts)
        except (AbsentError, RenderingError) as error:
            refusal = self._told_of(_refusal(error, asked), asked)
        if asked.fallback is None:
            return refusal
        try:
            return self._rendered(asked, asked.fallback, given, request, facts)
        except (AbsentError, RenderingError) as error:
            return replace(refusal, message=f"{refusal.message} Nor can its fallback be used: {error.message}")

    def _told_of(self, refusal: Refusal, asked: PromptAsk) -> Refusal:
        """Return a refusal with what was asked for, for its row: the version where it is one, else the label."""
        published = self._published.by_name.get(asked.name)
        version = None if published is None else published.find(asked.wanted)
        is_label = (
            bool(asked.wanted) and not asked.wanted.isdigit() and (version is None or asked.wanted != version.name)
        )
        number = None if version is None else version.number
        label = asked.wanted[:LONGEST_NAME] if is_label else None
        return replace(refusal, prompt=PromptFact(name=asked.name[:LONGEST_NAME], version=number, label=label))

    def _rendered(
        self, asked: PromptAsk, fallback: str | None, given: Mapping[str, Any], request: Composable, facts: RequestFacts
    ) -> Composed:
        ready = self._published.ready(*((asked.name, asked.wanted) if fallback is None else split(fallback)))
        compiled = ready.compiled
        made = _composed(ready, compiled.fill(given) or self._renderings.render(compiled, given), request, facts)
        if fallback is not None:
            made.fact.fallback_for = asked.title
            made.told += (FALLBACK_HEADER, b": true\r\n")
        return made


def _composed(ready: Ready, rendered: Rendered, request: Composable, facts: RequestFacts) -> Composed:
    inbound, edits = compose(request, rendered, facts)
    fact = PromptFact(name=ready.name, version=ready.version, label=ready.label, variables=rendered.variables)
    told = ready.told
    if rendered.unused:
        count = str(len(rendered.unused)).encode()
        verb = b" variables are" if len(rendered.unused) > 1 else b" variable is"
        told += (b"x-dashcam-prompt-warning", b": ", count, verb, b" not used by this prompt\r\n")
    return Composed(inbound, edits, fact, told, rendered.has_secret)


def note_prompt(plan: Plan, composed: Composed) -> None:
    """Let a plan, and those that may take over, say what the body was and which prompt is in it."""
    for one in (plan, *plan.alternatives):
        one.composed, one.is_hidden = composed.edits, composed.has_secret
        one.told += composed.told


NOT_JSON = Refusal(
    400,
    "prompt_body_not_json",
    "A stored prompt can only be put into a plain JSON object of at most limits.spill_bytes; this body is empty, "
    "compressed, a form, larger, or no JSON. Send one JSON object without Content-Encoding.",
)


def _values(inbound: Inbound) -> dict[str, Any] | None:
    """Return what a body says that has not been read whole, None of one that no prompt can be put into."""
    if not inbound.facts.is_json or not inbound.is_kept or inbound.side_path is not None:
        return None
    return parse_object(inbound.data) if _is_utf8(inbound.data) else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refusal(error: AbsentError | RenderingError, asked: PromptAsk) -> Refusal:
    if isinstance(error, AbsentError):
        param = asked.wanted_param if error.is_version else asked.param
        return Refusal(404, error.code, error.message, param=param)
    param = asked.param
    if error.variable is not None:
        param = f"prompt.variables.{error.variable}"
    elif isinstance(error, VariableInvalidError):
        param = "prompt.variables"
    return Refusal(400, error.code, error.message, param=param)
