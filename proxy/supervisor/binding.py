"""Binding the public address: one SO_REUSEPORT socket per gateway, all held by the supervisor.

The kernel spreads connections evenly over the sockets, and since they outlive the gateways, a replacement takes up its
predecessor's waiting callers [measured: a shared socket gave 0/0/3/29 of 32 connections to four processes]. A probe
without SO_REUSEPORT comes first: with it a second instance would silently share the port.
"""

from __future__ import annotations

import errno
import socket
import sys
import time
from collections.abc import Callable

DEFAULT_PORT = 8484
WAIT_SECONDS = 30.0
STRANGER = "another program"
# After a minute of silence a probe every ten seconds, three of them; where the system knows these.
_PROBES = [
    (name, value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
]


class PortTakenError(Exception):
    """The address is in use."""


def balances() -> bool:
    """Return True where SO_REUSEPORT spreads connections (Linux); elsewhere one gateway listens."""
    return sys.platform.startswith("linux")


def bind(host: str, port: int, count: int) -> list[socket.socket]:
    """Return ``count`` listening sockets; ``PortTakenError`` when somebody listens there, ``OSError`` otherwise."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = socket.getaddrinfo(host.strip("[]"), port, family, socket.SOCK_STREAM)[0][4]
    made: list[socket.socket] = []
    try:
        _socket(family, address, shared=False).close()
        for _ in range(count):
            made.append(_socket(family, address, shared=True))
            # From now on a probe meets us: it would pass over sockets that do not listen yet.
            made[-1].listen()
    except OSError as error:
        for item in made:
            item.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError from error
        raise
    return made


def _socket(family: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by what is accepted: a client that vanished without a word is noticed, also in a silent stream.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBES:
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def bind_patiently(
    host: str,
    port: int,
    count: int,
    *,
    may_move: bool,
    say: Callable[[str], None],
    who: Callable[[], str] = lambda: STRANGER,
    patience: float = WAIT_SECONDS,
) -> tuple[list[socket.socket], int]:
    """Bind, moving to a free port when allowed, else waiting up to ``patience`` seconds; return (sockets, port).

    ``who`` tells who has the port, for what is said.
    """
    deadline = time.monotonic() + patience
    has_said = False
    while True:
        try:
            return bind(host, port, count), port
        except PortTakenError:
            if may_move:
                return _next_free(host, port, count, say, who)
            if time.monotonic() >= deadline:
                raise
        if not has_said:
            say(f"port {port} is taken by {who()}; waiting up to {patience:.0f} s for it")
            has_said = True
        time.sleep(0.25)


def _next_free(
    host: str, port: int, count: int, say: Callable[[str], None], who: Callable[[], str]
) -> tuple[list[socket.socket], int]:
    for candidate in range(port + 1, port + 100):
        try:
            sockets = bind(host, candidate, count)
        except PortTakenError:
            continue
        say(f"port {port} is taken by {who()}; using {candidate} instead")
        return sockets, candidate
    raise PortTakenError
