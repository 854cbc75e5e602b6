"""What a proxy key may do, judged for every call: until when it holds, which models it may ask for.

A key with a list of models may ask for these by their public names below ``/v1``, and for the list of all names. What
is not on its list is refused, and so is what could lead past it: a provider that is named, a body of which we cannot
read the model, or not for sure, and whatever is no question to a model (files and batches, which hold others' names;
fine-tuning; deleting a model).
"""

from __future__ import annotations

import time

from proxy.domain.access import ProxyKey
from proxy.domain.route import WILDCARD
from proxy.gateway.guard import Refusal
from proxy.gateway.plan import Destination
from proxy.protocol.requests import RequestFacts

_SHOWN = 10
_ASKING = frozenset(
    (
        *("chat", "completions", "responses", "responses_compact", "messages", "input_tokens", "tokenize", "models"),
        *("embeddings", "rerank", "moderations", "images", "speech", "transcription", "translation", "videos"),
        *("llamacpp", "ollama_chat", "ollama_generate", "ollama_embed"),
    )
)
"""Operations that ask the model that they name, and nothing else."""


def expired(key: ProxyKey) -> Refusal | None:
    """Return the refusal of a key whose time is over, or None."""
    if key.expires_at is None or time.time() < key.expires_at:
        return None
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(key.expires_at))
    message = f"This proxy key ({key.id}) has expired at {date}. Ask for a new one: dashcam keys create"
    return Refusal(401, "expired_api_key", message)


def not_allowed(key: ProxyKey, place: Destination, facts: RequestFacts, method: str) -> Refusal | None:
    """Return why a key may not ask for this, or None; ``facts`` are what its body says."""
    if not key.routes or place.lists_models:
        return None
    model = place.model or facts.model
    is_by_name = place.chosen is None and (place.provider is None or place.model is not None)
    if method == "DELETE" or place.operation.name not in _ASKING:
        what = "what is more, or other, than an answer of a model"
    elif not is_by_name or model is None:
        what = "a provider of its choice, nor anything without a model"
    elif place.model is None and not facts.is_json and facts.model_at is None:
        what = "a model in a body that may name another one as well (compressed, or a form that says it twice)"
    elif model in key.routes or any(_is_meant(name, model) for name in key.routes):
        return None
    else:
        what = f"the model {model[:100]!r}"
    names = ", ".join(key.routes[:_SHOWN]) + (", …" if len(key.routes) > _SHOWN else "")
    return Refusal(403, "model_not_allowed", f"This proxy key ({key.id}) may not ask for {what}. It may for: {names}.")


def _is_meant(name: str, model: str) -> bool:
    before, wildcard, after = name.partition(WILDCARD)
    if not wildcard:
        return name == model
    return len(model) >= len(before) + len(after) and model.startswith(before) and model.endswith(after)
