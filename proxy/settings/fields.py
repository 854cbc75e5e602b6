"""What the values of settings are made of: addresses, names, headers, each with the reason it refuses one.

The catalogue has providers and routes too, and the same values in them.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from proxy.domain.provider import KNOWN_KINDS
from proxy.domain.retention import bytes_of, seconds_of
from proxy.domain.route import WILDCARD
from proxy.settings.addresses import check_name, split_address
from proxy.settings.database import check_url

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HOST_NAME = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+")
_PRINTED = re.compile(r"[!-~]+")
_VARIABLE = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*)?")


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("this is no name of a header")
    return name


def _header_value(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError("a header's value is one line of Latin-1 text")
    return value


def _host_name(name: str) -> str:
    if not _HOST_NAME.fullmatch(name):
        raise ValueError("a host is its name or address alone, without scheme, port or wildcard; IPv6 in brackets")
    return name


def _host_or_network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        _host_name(text)
    return text


def _variable_prefix(prefix: str) -> str:
    if not _VARIABLE.fullmatch(prefix) or len(prefix) < 4:
        raise ValueError("this is the beginning of variables' names, at least four characters, such as PROVIDER_KEY_")
    return prefix


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("this is the name of the variable that holds the key, never the key itself")
    return name


def _address(url: str) -> str:
    split_address(url)
    return url


def _database_url(url: str) -> str:
    if url:
        check_url(url)
    return url


def _replica_url(url: str) -> str:
    if url and not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("a replica is a Postgres: postgresql://USER@HOST:PORT/DATABASE")
    return _database_url(url)


def _provider_name(name: str) -> str:
    check_name(name)
    return name


def _kind(kind: str) -> str:
    if kind not in KNOWN_KINDS:
        raise ValueError(f"this kind is not known; use one of {', '.join(KNOWN_KINDS)}")
    return kind


def _existing(path: str) -> str:
    if not Path(path).is_file():
        raise ValueError("there is no such file")
    return path


def _outgoing_proxy(url: str) -> str:
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("an address must not hold a user or password; name their variable with proxy_auth_env")
    if parts.scheme not in ("http", "https", "socks5", "socks5h") or not parts.hostname or parts.path.strip("/"):
        raise ValueError("an outgoing proxy is http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")
    if parts.query or parts.fragment or not _PRINTED.fullmatch(url):
        raise ValueError("an outgoing proxy's address has neither blanks nor a query")
    if parts.port == 0:
        raise ValueError("a port is a number from 1 to 65535")
    return url.rstrip("/")


def _model_name(name: str) -> str:
    if not name or not name.isprintable() or len(name) > 200 or name.count(WILDCARD) > 1:
        raise ValueError("a model's name is one line of at most 200 characters, with at most one '*'")
    return name


# The settings travel as JSON, which ends at 64 bits.
Whole = Annotated[int, Field(lt=1 << 63)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
HostName = Annotated[str, AfterValidator(_host_name)]
HostOrNetwork = Annotated[str, AfterValidator(_host_or_network)]
VariablePrefix = Annotated[str, AfterValidator(_variable_prefix)]
VariableName = Annotated[str, AfterValidator(_variable)]
Url = Annotated[str, AfterValidator(_address)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
ReplicaUrl = Annotated[str, AfterValidator(_replica_url)]
Seconds = Annotated[float, Field(ge=1, le=86_400)]
Kind = Annotated[str, AfterValidator(_kind)]
OutgoingProxy = Annotated[str, AfterValidator(_outgoing_proxy)]
ModelName = Annotated[str, AfterValidator(_model_name)]
ProviderName = Annotated[str, AfterValidator(_provider_name)]
ExistingFile = Annotated[str, AfterValidator(_existing)]
Span = Annotated[int, BeforeValidator(lambda said: seconds_of(str(said)))]
"""A span in words, as seconds; "" is 0."""
Size = Annotated[int, BeforeValidator(lambda said: bytes_of(str(said)))]
"""A size in words, as bytes; "" is 0."""
