"""Whether a call asks for a stored prompt, and for which: four ways, the first that says something counts.

The header ``x-dashcam-prompt: name@label``; the member ``prompt: {"id": "name", "version" or "label", "variables"}`` of
a Responses or Chat request (``prompt_id`` means ``id``, as at OpenAI); the model ``prompt/name@label``; a route that
carries one. Variables come from the body's ``prompt``, whichever way names the prompt. A ``prompt`` whose id is none of
ours is the provider's own and passes.

A prompt that is asked for by header or model is never passed over: where it cannot be served, the call is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from proxy.domain.recording import PromptFact
from proxy.domain.route import Route
from proxy.gateway.guard import Refusal

HEADER = b"x-dashcam-prompt"
FALLBACK_HEADER = b"x-dashcam-prompt-fallback"
MODEL_PREFIX = "prompt/"
OPERATIONS = frozenset(("chat", "responses"))
_HEADERS = (HEADER, FALLBACK_HEADER)
_IDS = ("id", "prompt_id")
_MEMBERS = frozenset((*_IDS, "version", "label", "variables", "fallback"))
VALUES_ONLY = frozenset(("variables",))
_PARAM = HEADER.decode()
_SHOWN = 100
LONGEST_NAME = 200
"""So long is a name on record, whatever was asked for."""
_MOST_DIGITS = 21
_LONG_NUMBER = re.compile(rb"\d{19}")


@dataclass(kw_only=True)
class PromptAsk:
    """A prompt by name, and which version: a label, number or name, empty for the usual one.

    ``fallback`` is another prompt (name or name@version) to use where this one cannot be. ``param`` is what in the
    request names the prompt, ``wanted_param`` what says which version, in the words of an error. Many calls share one.
    """

    name: str
    wanted: str = ""
    fallback: str | None = None
    param: str = "model"
    wanted_param: str = "model"

    @property
    def title(self) -> str:
        """How it was asked for."""
        return f"{self.name}@{self.wanted}" if self.wanted else self.name


def split(reference: str) -> tuple[str, str]:
    """Return (name, wanted) of "name" or "name@wanted"."""
    name, _, wanted = reference.strip().partition("@")
    return name, wanted


def asked_for(
    known: Mapping[bytes, bytes], said: object, model: str | None, rule: Route | None, ours: Collection[str]
) -> PromptAsk | Refusal | None:
    """Return what a call asks for, None for nothing of ours.

    ``said`` is the ``prompt`` of its body, ``model`` what it says there, ``ours`` are the names that there are.
    """
    body: Mapping[str, Any] = said if isinstance(said, dict) else {}
    if rule is not None and _says_values_only(body) and known.keys().isdisjoint(_HEADERS) and not _is_ask(model):
        return None if rule.prompt is None else _of_route(rule.prompt, rule.prompt_fallback)
    named = _named(known, body, model, rule, ours)
    if named is None:
        return None
    if (refusal := _refusal_of(body)) is not None:
        return replace(refusal, prompt=PromptFact(name=split(named[0])[0][:LONGEST_NAME], version=None))
    fallback = body.get("fallback")
    if not fallback:
        header = known.get(FALLBACK_HEADER)
        usual = None if rule is None else rule.prompt_fallback
        fallback = _text(header) if header else usual
    return _made(*named, fallback)


def values_of(said: object) -> Mapping[str, Any]:
    """Return the values for a prompt that a body's ``prompt`` says, which was not refused."""
    return (said.get("variables") if isinstance(said, dict) else None) or {}


@lru_cache(maxsize=256)
def _of_route(prompt: str, fallback: str | None) -> PromptAsk | Refusal:
    """Return what a route asks for, which is all that there is to most calls."""
    return _made(prompt, None, "model", "model", fallback)


def _made(
    reference: str, wanted: str | None, param: str, wanted_param: str, fallback: str | None
) -> PromptAsk | Refusal:
    name, at = split(reference)
    if not name:
        return _invalid(param, f"{param} names no prompt; it says NAME, NAME@LABEL or NAME@VERSION")
    return PromptAsk(
        name=name, wanted=at if wanted is None else wanted, fallback=fallback or None, param=param,
        wanted_param=wanted_param,
    )  # fmt: skip


def _named(
    known: Mapping[bytes, bytes],
    body: Mapping[str, Any],
    model: str | None,
    rule: Route | None,
    ours: Collection[str],
) -> tuple[str, str | None, str, str] | None:
    """Return (reference, version beside it, what says the first, what says the second)."""
    if HEADER in known:
        return _text(known[HEADER]) or "", None, _PARAM, _PARAM
    if not body.keys().isdisjoint(_IDS) and (named := _named_in(body, ours)) is not None:
        return named
    if model is not None and _is_ask(model):
        return model.removeprefix(MODEL_PREFIX), None, "model", "model"
    return None if rule is None or rule.prompt is None else (rule.prompt, None, "model", "model")


def _named_in(body: Mapping[str, Any], ours: Collection[str]) -> tuple[str, str | None, str, str] | None:
    said = next((member for member in _IDS if body.get(member) is not None), "id")
    own, param = body.get(said), f"prompt.{said}"
    if not isinstance(own, str) or (split(own)[0] not in ours and own.startswith("pmpt_")):
        return None
    for member in ("version", "label"):
        if body.get(member) is not None:
            return own, str(body[member]), param, f"prompt.{member}"
    return own, None, param, param


def _is_ask(model: str | None) -> bool:
    return model is not None and model.startswith(MODEL_PREFIX)


def _says_values_only(body: Mapping[str, Any]) -> bool:
    return body.keys() <= VALUES_ONLY and isinstance(body.get("variables", body), dict)


def _refusal_of(body: Mapping[str, Any]) -> Refusal | None:
    if _says_values_only(body):
        return None
    if not body.keys() <= _MEMBERS:
        name = f"prompt.{min(body.keys() - _MEMBERS)[:40]}"
        return _invalid(name, f"{name} is not known; there are id, version, label, variables and fallback")
    version, label = body.get("version"), body.get("label")
    if version is not None and label is not None:
        return _invalid("prompt.label", "prompt says a version and a label; say one of them")
    if isinstance(version, bool) or not isinstance(version, str | int | None):
        return _invalid(
            "prompt.version", 'prompt.version must be a number such as 7, or a name as a text such as "1.1"'
        )
    for member, value in (("label", label), ("fallback", body.get("fallback"))):
        if not isinstance(value, str | None):
            return _invalid(f"prompt.{member}", f"prompt.{member} must be a text such as {_EXAMPLES[member]}")
    if not isinstance(body.get("variables"), dict | None):
        return _invalid("prompt.variables", "prompt.variables must be an object of values by name")
    return None


_EXAMPLES = {"label": "production", "fallback": "name@label"}


def _invalid(param: str, message: str) -> Refusal:
    return Refusal(400, "prompt_invalid", f"{message}.", param=param)


def fault_of_values(raw: bytes) -> Refusal | None:
    """Return why what a body's ``prompt`` says, as it is written there, cannot be put into texts and on record."""
    try:
        orjson.loads(raw)
        if _LONG_NUMBER.search(raw):
            json.loads(raw, parse_int=_bounded)
    except (ValueError, RecursionError):
        told = (
            "prompt holds what not every reader of JSON takes: a whole number beyond 64 bits, one such as 1e400, NaN, "
            "half a character, or lists nested too deeply; say such a value as a text"
        )
        return _invalid("prompt", told)
    return None


def _bounded(digits: str) -> int:
    if len(digits) > _MOST_DIGITS or not -(2**63) <= int(digits) < 2**64:
        raise ValueError("beyond 64 bits")
    return int(digits)


def out_of_place(known: Mapping[bytes, bytes], model: str | None) -> Refusal:
    """Return why a call is refused that asks for a prompt, by header or model, where none is put in."""
    if HEADER in known:
        named, way_out, param = f"The header {_PARAM}", "leave the header out of this call", _PARAM
    else:
        named, way_out, param = f"The model {(model or '')[:_SHOWN]!r}", "name another model", "model"
    told = (
        f"{named} asks for a stored prompt, which is put into chat completions and responses only (POST "
        f"/v1/chat/completions, POST /v1/responses), not into this call: use one of these, or {way_out}."
    )
    return Refusal(400, "prompt_not_supported", told, param=param)


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1").strip() if value else None
