"""What a proxy key may do, judged for every call: until when it holds, which models it may ask for.

A key with a list of models may ask for these by their public names below ``/v1``, and for the list of all names; it may
not name a provider, nor send what names no model that we can read: what is not on its list is refused. To ask for a
model is not to take it away: such a key deletes none.
"""

from __future__ import annotations

import time

from proxy.domain.access import ProxyKey
from proxy.domain.route import WILDCARD
from proxy.gateway.guard import Refusal
from proxy.gateway.plan import Destination

_SHOWN = 10


def expired(key: ProxyKey) -> Refusal | None:
    """Return the refusal of a key whose time is over, or None."""
    if key.expires_at is None or time.time() < key.expires_at:
        return None
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(key.expires_at))
    message = f"This proxy key ({key.id}) has expired at {date}. Ask for a new one: dashcam keys rotate {key.id}"
    return Refusal(401, "expired_api_key", message)


def not_allowed(key: ProxyKey, place: Destination, model: str | None, method: str) -> Refusal | None:
    """Return why a key may not ask for this, or None; ``model`` is the name that the call says."""
    if not key.routes or place.lists_models:
        return None
    is_by_name = place.chosen is None and (place.provider is None or place.model is not None)
    if method == "DELETE":
        what = "anything to be deleted"
    elif is_by_name and model is not None:
        if model in key.routes or any(_is_meant(name, model) for name in key.routes):
            return None
        what = f"the model {model[:100]!r}"
    else:
        what = "a provider of its choice, nor anything without a model"
    names = ", ".join(key.routes[:_SHOWN]) + (", …" if len(key.routes) > _SHOWN else "")
    return Refusal(403, "model_not_allowed", f"This proxy key ({key.id}) may not ask for {what}. It may for: {names}.")


def _is_meant(name: str, model: str) -> bool:
    before, wildcard, after = name.partition(WILDCARD)
    if not wildcard:
        return name == model
    return len(model) >= len(before) + len(after) and model.startswith(before) and model.endswith(after)
