"""The stored prompts of a snapshot, as calls use them: found by name, read from files once, rendered for each call.

A version's content never changes, so what was read and compiled is kept, also over snapshots; what one includes is
found anew with each snapshot, since a label may have moved. What cannot be served is refused with the reason, unless
the call or its route names another prompt for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from proxy.domain.prompt import PublishedPrompt, PublishedVersion
from proxy.domain.recording import PromptFact
from proxy.domain.snapshot import Snapshot
from proxy.gateway.admission import Admission
from proxy.gateway.asks import (
    FALLBACK_HEADER,
    LONGEST_NAME,
    MODEL_PREFIX,
    OPERATIONS,
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
from proxy.gateway.renderings import Renderings
from proxy.prompting.checking import read_version
from proxy.prompting.problems import RenderingError, VariableInvalidError
from proxy.prompting.rendering import CompiledPrompt
from proxy.prompting.version import PromptVersion, texts_of
from proxy.protocol.injection import Edit
from proxy.protocol.jsontext import parse_object
from proxy.protocol.requests import RequestFacts

_MOST_KEPT = 512


class _AbsentError(Exception):
    """A prompt, or a version of it, that there is not; ``code`` and the message are for the caller.

    ``is_version``: there is the prompt.
    """

    def __init__(self, code: str, message: str, *, is_version: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.is_version = is_version


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


class _Ready(NamedTuple):
    """A prompt as it is asked for: compiled, what is recorded of it, and what the reply says."""

    compiled: CompiledPrompt
    version: int
    label: str | None
    told: tuple[bytes, ...]


class Prompts:
    """``folder`` holds the contents. ``is_needed`` False: only what a call names is looked at, to be refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._published: dict[str, PublishedPrompt] = {}
        self._versions: dict[str, PromptVersion] = {}
        self._compiled: dict[tuple[str, int], CompiledPrompt] = {}
        self._renderings = Renderings()
        self._ready: dict[tuple[str, str], _Ready] = {}
        self._has_rules = False
        self.is_needed = False

    def __repr__(self) -> str:
        return f"<Prompts published={len(self._published)} read={len(self._versions)}>"

    def use(self, snapshot: Snapshot) -> None:
        """Take up a snapshot's prompts."""
        self._published = {item.name: item for item in snapshot.prompts}
        self._compiled.clear()
        self._ready.clear()
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
        has_rule = rule is not None and rule.prompt is not None
        if model is None and facts.prompt is None and not (has_rule or admission.asks_prompt):
            return None
        values = inbound.values or _values(inbound)
        said = values.get("prompt") if values is not None else {"id": facts.prompt} if facts.prompt else None
        asked = asked_for(known, said, model, rule, self._published)
        if values is None and (asked is not None or facts.prompt == ""):
            # An id that could not be looked at may be one of ours.
            return self._told_of(NOT_JSON, asked) if isinstance(asked, PromptAsk) else NOT_JSON
        if not isinstance(asked, PromptAsk):
            return asked
        assert values is not None
        request = composable(place.operation.name, inbound.data, values)
        if isinstance(request, Refusal):
            return self._told_of(request, asked)
        if request.found is not None and (raw := request.raw_prompt()) and (fault := fault_of_values(raw)) is not None:
            return self._told_of(fault, asked)
        request.name = name
        return self._served(asked, values_of(said), request, facts)

    def _is_of_provider(self, admission: Admission, model: str) -> bool:
        """Return True for a model whose name only looks like that of a prompt.

        We have no such prompt, and somebody lists the model, or a Dashcam behind this one may know the prompt.
        """
        if split(model.removeprefix(MODEL_PREFIX))[0] in self._published:
            return False
        if admission.routing.is_listed(model):
            return True
        place = admission.place
        assert place is not None
        provider = place.provider or place.chosen or admission.routing.choose(model).provider
        return not self._published and provider.gateway_headers == "send"

    # -- serving --------------------------------------------------------------------------------------------

    def _served(
        self, asked: PromptAsk, given: Mapping[str, Any], request: Composable, facts: RequestFacts
    ) -> Composed | Refusal:
        try:
            return self._rendered(asked, None, given, request, facts)
        except (_AbsentError, RenderingError) as error:
            refusal = self._told_of(_refusal(error, asked), asked)
        if asked.fallback is None:
            return refusal
        try:
            return self._rendered(asked, asked.fallback, given, request, facts)
        except (_AbsentError, RenderingError) as error:
            return replace(refusal, message=f"{refusal.message} Nor can its fallback be used: {error.message}")

    def _told_of(self, refusal: Refusal, asked: PromptAsk) -> Refusal:
        """Return a refusal with what was asked for, for its row: the version where it is one, else the label."""
        published = self._published.get(asked.name)
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
        name, wanted = (asked.name, asked.wanted) if fallback is None else split(fallback)
        ready = self._ready.get((name, wanted)) or self._made_ready(name, wanted)
        compiled = ready.compiled
        rendered = compiled.fill(given) or self._renderings.render(compiled, given)
        inbound, edits = compose(request, rendered, facts)
        fact = PromptFact(name=name, version=ready.version, label=ready.label, variables=rendered.variables)
        told = ready.told
        if fallback is not None:
            fact.fallback_for = asked.title
            told += (FALLBACK_HEADER, b": true\r\n")
        if rendered.unused:
            count = str(len(rendered.unused)).encode()
            verb = b" variables are" if len(rendered.unused) > 1 else b" variable is"
            told += (b"x-dashcam-prompt-warning", b": ", count, verb, b" not used by this prompt\r\n")
        return Composed(inbound, edits, fact, told, rendered.has_secret)

    def _made_ready(self, name: str, wanted: str) -> _Ready:
        """Find and compile what is asked for in these words; as long as the snapshot holds, it stays that."""
        version = self._find(name, wanted)
        compiled = self._compiled_version(name, version)
        label = wanted if wanted and not wanted.isdigit() and wanted != version.name else None
        told = (b"x-dashcam-prompt", b": ", f"{name}@{version.number}".encode(), b"\r\n")
        ready = _Ready(compiled, version.number, label, told)
        if len(self._ready) >= _MOST_KEPT:
            self._ready.clear()
        self._ready[name, wanted] = ready
        return ready

    def _find(self, name: str, wanted: str) -> PublishedVersion:
        published = self._published.get(name)
        if published is None:
            listed = "dashcam prompts list shows those that there are" if self._published else "none is published yet"
            raise _AbsentError("prompt_not_found", f"There is no prompt {name[:100]!r}; {listed}.")
        version = published.find(wanted)
        if version is None:
            there = [str(item.number) for item in published.versions[-10:]] + [label for label, _ in published.labels]
            message = f"The prompt {name!r} has no version or label {wanted[:40]!r}; there are: {', '.join(there)}."
            raise _AbsentError("prompt_version_not_found", message, is_version=True)
        return version

    def _compiled_version(self, name: str, version: PublishedVersion) -> CompiledPrompt:
        key = name, version.number
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= _MOST_KEPT:
                self._compiled.pop(next(iter(self._compiled)))
            title = f"{name}@{version.number}"
            found = self._compiled[key] = CompiledPrompt(self._read(title, version.sha256), title, self._partial)
        return found

    def _read(self, title: str, sha256: str) -> PromptVersion:
        found = self._versions.get(sha256)
        if found is not None:
            return found
        try:
            version, problems = read_version(orjson.loads((self._folder / f"{sha256}.json").read_bytes()))
        except (OSError, orjson.JSONDecodeError):
            version, problems = PromptVersion(messages=(), parameters={}), []
        if problems or version.sha256 != sha256:
            message = f"The content of the prompt {title} cannot be read on this host; dashcam doctor says more."
            raise _AbsentError("prompt_unavailable", message)
        if len(self._versions) >= _MOST_KEPT:
            self._versions.pop(next(iter(self._versions)))
        self._versions[sha256] = version
        return version

    def _partial(self, reference: str) -> str | None:
        """Return what another prompt gives where it is included: the text of its first message."""
        name, wanted = split(reference)
        try:
            version = self._find(name, wanted)
            return next(iter(texts_of(self._read(reference, version.sha256)).values()), None)
        except _AbsentError:
            return None


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


def _refusal(error: _AbsentError | RenderingError, asked: PromptAsk) -> Refusal:
    if isinstance(error, _AbsentError):
        param = asked.wanted_param if error.is_version else asked.param
        return Refusal(404, error.code, error.message, param=param)
    param = asked.param
    if error.variable is not None:
        param = f"prompt.variables.{error.variable}"
    elif isinstance(error, VariableInvalidError):
        param = "prompt.variables"
    return Refusal(400, error.code, error.message, param=param)
