"""The snapshot: the immutable configuration the gateway works from.

One value, published as one file (``settings.snapshot``), swapped in whole. The first provider serves every
model that no other provider lists. A format version lets gateway and control differ by one minor release: the one
before is read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from proxy.domain.access import ProxyKey, key_from_mapping
from proxy.domain.model import Model, model_from_mapping
from proxy.domain.prompt import PublishedPrompt, prompt_from_mapping
from proxy.domain.provider import Provider, provider_from_mapping
from proxy.domain.redaction import NO_RULES, RedactionRules, rules_from_mapping
from proxy.domain.route import Route, route_from_mapping

FORMAT = 2
_FORMER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Providers, routes, prompts and access rules at one revision; ``catalogue_revision`` is the store's own number.

    ``keys`` are the proxy keys and ``key_pepper`` (hex) what the digests of some are made with. ``requires_key`` False:
    who sends no key is let in all the same. ``allowed_hosts`` are the Host names answered to, without port.
    ``recording`` is how much is kept of a call of which nobody says more (full, meta or none); ``record_bodies`` says
    whether that is all, for a gateway of the release before.
    """

    revision: int
    providers: tuple[Provider, ...]
    allowed_hosts: tuple[str, ...]
    keys: tuple[ProxyKey, ...] = ()
    key_pepper: str = ""
    requires_key: bool = False
    record_bodies: bool = True
    recording: str = "full"
    redaction: RedactionRules = NO_RULES
    routes: tuple[Route, ...] = ()
    models: tuple[Model, ...] = ()
    prompts: tuple[PublishedPrompt, ...] = ()
    catalogue_revision: int = 0
    format: int = FORMAT

    def provider(self, name: str) -> Provider | None:
        """Return the provider of that name, or None."""
        return next((item for item in self.providers if item.name == name), None)

    def to_mapping(self) -> dict[str, object]:
        """Return the JSON form."""
        return asdict(self)


def snapshot_from_mapping(values: Mapping[str, object]) -> Snapshot:
    """Build a snapshot from its JSON form; ``ValueError`` says what is wrong with a bad one."""
    if values.get("format") not in (FORMAT, _FORMER):
        raise ValueError(f"snapshot format {values.get('format')!r} is neither {FORMAT} nor {_FORMER}")
    try:
        found = _snapshot(values if values["format"] == FORMAT else _from_former(values))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"snapshot is incomplete or malformed: {error}") from error
    if not found.providers:
        raise ValueError("snapshot is incomplete or malformed: it has no provider")
    return found


def _from_former(values: Mapping[str, object]) -> Mapping[str, object]:
    """Format 1 had keys as digest → id, and whoever had one required it."""
    keys = [{"id": name, "digest": digest} for digest, name in dict(values["proxy_keys"]).items()]  # type: ignore[call-overload]
    return {**values, "keys": keys, "requires_key": bool(keys)}


def _snapshot(values: Mapping[str, object]) -> Snapshot:
    return Snapshot(
        revision=int(values["revision"]),  # type: ignore[call-overload]
        providers=tuple(provider_from_mapping(item) for item in values["providers"]),  # type: ignore[attr-defined]
        allowed_hosts=tuple(values["allowed_hosts"]),  # type: ignore[arg-type]
        keys=tuple(key_from_mapping(item) for item in values["keys"]),  # type: ignore[attr-defined]
        key_pepper=str(values.get("key_pepper", "")),
        requires_key=bool(values["requires_key"]),
        record_bodies=bool(values.get("record_bodies", True)),
        recording=str(values.get("recording", "full" if values.get("record_bodies", True) else "meta")),
        redaction=rules_from_mapping(values.get("redaction")),
        routes=tuple(route_from_mapping(item) for item in values.get("routes", ())),  # type: ignore[attr-defined]
        models=tuple(model_from_mapping(item) for item in values.get("models", ())),  # type: ignore[attr-defined]
        prompts=tuple(prompt_from_mapping(item) for item in values.get("prompts", ())),  # type: ignore[attr-defined]
        catalogue_revision=int(values.get("catalogue_revision", 0)),  # type: ignore[call-overload]
    )
