"""An origin: one address that connections are pooled for, with all that makes two connections interchangeable."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from proxy.domain.provider import Provider


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to dial and how: over TLS when ``is_tls``, over a Unix socket when ``unix_path`` is set."""

    host: str
    port: int
    is_tls: bool = False
    unix_path: str | None = None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    allow_private: bool = True
    connect_timeout: float = 5.0
    key: str = field(init=False, repr=False, compare=False)
    """All of it in one word: what connections are kept under, since a text is hashed once and nine fields each time."""

    def __post_init__(self) -> None:
        parts = (
            self.host, self.port, self.is_tls, self.unix_path, self.ca_file, self.client_cert, self.client_key,
            self.allow_private, self.connect_timeout,
        )  # fmt: skip
        object.__setattr__(self, "key", repr(parts))

    @property
    def _name(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def host_header(self) -> bytes:
        """The value of ``Host`` for requests to it."""
        name = self._name
        is_default = self.port == (443 if self.is_tls else 80)
        return name.encode("idna" if not name.isascii() else "ascii") + (b"" if is_default else b":%d" % self.port)

    def __str__(self) -> str:
        return self.unix_path or f"{'https' if self.is_tls else 'http'}://{self._name}:{self.port}"


def origin_of(provider: Provider) -> Origin:
    """Return a provider's origin."""
    parts = urlsplit(provider.base_url)
    is_tls = parts.scheme == "https"
    return Origin(
        host=parts.hostname or "",
        port=parts.port or (443 if is_tls else 80),
        is_tls=is_tls,
        ca_file=provider.ca_file,
        client_cert=provider.client_cert,
        client_key=provider.client_key,
        allow_private=provider.allow_private,
        connect_timeout=provider.connect_timeout,
    )
