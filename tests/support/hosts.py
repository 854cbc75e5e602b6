"""Hosts that share a database, as the store knows them."""

from __future__ import annotations

import uuid

from proxy.store.hosts.instances import Instance


def a_host(name: str = "alpha", **changes: str) -> Instance:
    """Return who somebody is."""
    values = {
        "id": uuid.uuid4().hex,
        "holder": uuid.uuid4().hex,
        "host": name,
        "place": f"{name}:/data",
        "version": "1",
    }
    return Instance(**{**values, **changes})
