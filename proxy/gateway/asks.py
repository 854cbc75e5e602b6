"""Whether a call asks for a stored prompt, and for which: four ways, the first that says something counts.

The header ``x-dashcam-prompt: name@label``; the member ``prompt: {"id": "name", "version" or "label", "variables"}`` of
a Responses or Chat request; the model ``prompt/name@label``; a route that carries one. Variables come from the body's
``prompt``, whichever way names the prompt. A ``prompt`` whose id is none of ours is the provider's own and passes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.domain.route import Route
from proxy.gateway.guard import Refusal

HEADER = b"x-dashcam-prompt"
FALLBACK_HEADER = b"x-dashcam-prompt-fallback"
MODEL_PREFIX = "prompt/"
OPERATIONS = frozenset(("chat", "responses"))
_MEMBERS = frozenset(("id", "version", "label", "variables", "fallback"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAsk:
    """A prompt by name, and which version: a label, number or name, empty for the usual one.

    ``fallback`` is another prompt (name or name@version) to use where this one cannot be.
    """

    name: str
    wanted: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    fallback: str | None = None

    @property
    def title(self) -> str:
        """How it was asked for."""
        return f"{self.name}@{self.wanted}" if self.wanted else self.name


def split(reference: str) -> tuple[str, str]:
    """Return (name, wanted) of "name" or "name@wanted"."""
    name, _, wanted = reference.strip().partition("@")
    return name, wanted


def asked_for(
    known: Mapping[bytes, bytes], values: Mapping[str, Any], rule: Route | None, ours: Collection[str]
) -> PromptAsk | Refusal | None:
    """Return what a call asks for, None for nothing of ours; ``values`` is its body, ``ours`` are the names."""
    said = values.get("prompt")
    body = said if isinstance(said, dict) else {}
    fallback = _text(known.get(FALLBACK_HEADER)) or (rule.prompt_fallback if rule is not None else None)
    if HEADER in known:
        name, wanted = split(_text(known[HEADER]) or "")
    elif isinstance(body.get("id"), str) and (body["id"] in ours or not body["id"].startswith("pmpt_")):
        name, wanted = _of_body(body)
    elif isinstance(values.get("model"), str) and values["model"].startswith(MODEL_PREFIX):
        name, wanted = split(values["model"].removeprefix(MODEL_PREFIX))
    elif rule is not None and rule.prompt is not None:
        name, wanted = split(rule.prompt)
    else:
        return None
    variables = body.get("variables", {})
    if (refusal := _refusal_of(body, variables)) is not None:
        return refusal
    fallback = body.get("fallback") or fallback
    return PromptAsk(name=name, wanted=wanted, variables=variables or {}, fallback=fallback)


def _of_body(body: Mapping[str, Any]) -> tuple[str, str]:
    name, wanted = split(body["id"])
    said = body.get("label") if body.get("version") is None else body["version"]
    return name, wanted if said is None else str(said)


def _refusal_of(body: Mapping[str, Any], variables: object) -> Refusal | None:
    unknown = sorted(body.keys() - _MEMBERS)
    if unknown:
        return _invalid(f"prompt.{unknown[0][:40]} is not known; there are id, version, label, variables and fallback")
    if body.get("version") is not None and body.get("label") is not None:
        return _invalid("prompt says a version and a label; say one of them")
    if variables is not None and not isinstance(variables, dict):
        return _invalid("prompt.variables is an object of values by name")
    if not isinstance(body.get("fallback"), str | None):
        return _invalid("prompt.fallback is a text such as name@label")
    return None


def _invalid(message: str) -> Refusal:
    return Refusal(400, "prompt_invalid", message[:1].upper() + message[1:] + ".")


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1").strip() if value else None
