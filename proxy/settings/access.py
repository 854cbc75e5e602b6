"""Which addresses are whose, and whether we may start at one: loopback is open, anything wider needs tokens and keys.

There is no override: a container and 0.0.0.0 are no exception. The refusal says exactly what to set.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from proxy.settings.credentials import split_keys, weakness_of

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def is_loopback(host: str) -> bool:
    """Return True when only this machine can connect to the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Return True for an address or a name that can only be in the user's own network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES)


def leads_home(url: str, port: int, names: Iterable[str] = ()) -> bool:
    """Return True for an address of our own listener, on loopback or under one of the names it answers to."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    own = {name.strip("[]").lower() for name in names}
    return parts.port == port and parts.scheme == "http" and (is_loopback(host) or host in own | {"0.0.0.0", "::"})  # noqa: S104 - compared with


def problems_of(
    host: str, has_hosts: bool, admin_token: str | None, proxy_keys: str | None, metrics_token: str | None = None
) -> list[str]:
    """Return why this combination must not start."""
    problems = []
    for name, token in (("DASHCAM_ADMIN_TOKEN", admin_token), ("DASHCAM_METRICS_TOKEN", metrics_token)):
        if token and (weakness := weakness_of(token)):
            problems.append(f"{name} {weakness}; make one with: openssl rand -hex 32")
    keys = split_keys(proxy_keys)
    for key in keys:
        if weakness := weakness_of(key):
            problems.append(f"DASHCAM_PROXY_KEYS: a key {weakness}; make one with: openssl rand -hex 32")
    if is_loopback(host):
        return problems
    missing = []
    if not admin_token:
        missing.append("  export DASHCAM_ADMIN_TOKEN=$(openssl rand -hex 32)")
    if not keys:
        missing.append("  export DASHCAM_PROXY_KEYS=$(openssl rand -hex 32)")
    if not has_hosts:
        missing.append("  export DASHCAM_SERVER__ALLOWED_HOSTS=the-name-clients-use.example")
    if missing:
        fix = "\n".join(missing)
        problems.append(f"server.host: {host} is reachable from other machines. First set what is missing:\n{fix}")
    return problems
