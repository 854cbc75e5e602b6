"""The snapshot: the immutable configuration the gateway works from.

One value, published as one file (``settings.snapshot``), swapped in whole. The first provider serves every
model that no other provider lists. A format version lets gateway and control differ by one minor release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from proxy.domain.provider import Provider, provider_from_mapping
from proxy.domain.route import Route, route_from_mapping

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Providers and access rules at one revision.

    ``proxy_keys`` maps the SHA-256 hex digest of each proxy key to its short public id; empty means that
    callers on loopback need none. ``allowed_hosts`` are the Host names answered to, without port.
    """

    revision: int
    providers: tuple[Provider, ...]
    proxy_keys: Mapping[str, str]
    allowed_hosts: tuple[str, ...]
    record_bodies: bool = True
    routes: tuple[Route, ...] = ()
    format: int = FORMAT

    def provider(self, name: str) -> Provider | None:
        """Return the provider of that name, or None."""
        return next((item for item in self.providers if item.name == name), None)

    def to_mapping(self) -> dict[str, object]:
        """Return the JSON form."""
        return asdict(self)


def snapshot_from_mapping(values: Mapping[str, object]) -> Snapshot:
    """Build a snapshot from its JSON form; ``ValueError`` says what is wrong with a bad one."""
    if values.get("format") != FORMAT:
        raise ValueError(f"snapshot format {values.get('format')!r} is not {FORMAT}")
    try:
        return Snapshot(
            revision=int(values["revision"]),  # type: ignore[call-overload]
            providers=tuple(provider_from_mapping(item) for item in values["providers"]),  # type: ignore[attr-defined]
            proxy_keys=dict(values["proxy_keys"]),  # type: ignore[call-overload]
            allowed_hosts=tuple(values["allowed_hosts"]),  # type: ignore[arg-type]
            record_bodies=bool(values.get("record_bodies", True)),
            routes=tuple(route_from_mapping(item) for item in values.get("routes", ())),  # type: ignore[attr-defined]
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"snapshot is incomplete or malformed: {error}") from error
