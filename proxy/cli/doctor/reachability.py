"""Whether the providers can be reached from here, all at once and in a few seconds; and how wrong our clock is.

One plain GET of each provider's model list without a key: any answer, also a refusal, proves name, route and TLS. Its
Date tells the time. A proxy in the environment is not used, as the gateway does not use it.
"""

from __future__ import annotations

import email.utils
import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.cli.findings import Finding
from proxy.domain.provider import Provider
from proxy.settings.credentials import opening_keys, read_secret
from proxy.settings.provider_keys import ProviderKeys

TIMEOUT_SECONDS = 4.0
SKEW_SECONDS = 30.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking: ``failure`` in words, or the status, and by how much our clock is ahead of theirs."""

    failure: str | None = None
    status: int = 0
    seconds: float = 0.0
    ahead_seconds: float | None = None


def findings(providers: Sequence[Provider], *, is_online: bool) -> Iterator[Finding]:
    """Tell of each provider its key and whether it answers; then of the clock."""
    if not is_online:
        yield from (_of_provider(item, None) for item in providers)
        return
    # Who is behind an outgoing proxy is not reached from here.
    with ThreadPoolExecutor(_AT_ONCE, "doctor") as pool:
        answers = list(pool.map(lambda item: None if item.proxy else ask(item), providers))
    yield from map(_of_provider, providers, answers)
    known = [answer.ahead_seconds for answer in answers if answer and answer.ahead_seconds is not None]
    if known:
        yield clock(min(known, key=abs))


def silent(address: str) -> Finding:
    """Tell of an address where a model server of this machine would be, and something listens that says nothing."""
    detail = f"something listens at {address} and does not answer; no model server is found there while it hangs"
    return Finding("this machine", None, detail, "restart what listens there, or: discovery.local_servers = false")


def ask(provider: Provider) -> Answer:
    """Ask one provider for its model list, without a key."""
    parts = urlsplit(provider.base_url)
    began = time.monotonic()
    try:
        connection = _connection(provider)
        try:
            connection.request("GET", f"{parts.path}/models", headers={"user-agent": "dashcam-doctor"})
            answer = connection.getresponse()
            seconds = time.monotonic() - began
            return Answer(None, answer.status, seconds, _ahead(answer.headers.get("date"), time.time()))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(_words(error))


def _connection(provider: Provider) -> http.client.HTTPConnection:
    parts = urlsplit(provider.base_url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    context = ssl.create_default_context(cafile=provider.ca_file)
    if provider.client_cert:
        context.load_cert_chain(provider.client_cert, provider.client_key)
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return f"what answers does not speak HTTP ({type(error).__name__})"


def _ahead(date: str | None, now: float) -> float | None:
    try:
        return now - email.utils.parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _of_provider(provider: Provider, answer: Answer | None) -> Finding:
    subject = f"provider {provider.name}"
    is_ok, key = _key(provider)
    detail = f"{provider.base_url} ({provider.kind}); {key}" + (f"; through {provider.proxy}" if provider.proxy else "")
    if answer is None:
        return Finding(subject, is_ok, detail)
    if answer.failure and provider.source == "found":
        return Finding(subject, None, f"{detail}; does not answer now: {answer.failure}", _mend(provider))
    if answer.failure:
        return Finding(subject, False, f"{detail}; cannot be reached: {answer.failure}", _mend(provider))
    return Finding(subject, is_ok, f"{detail}; answers in {answer.seconds * 1000:.0f} ms")


def _key(provider: Provider) -> tuple[bool | None, str]:
    """Return whether there is a key, by its name; a missing one is no problem where clients bring their own."""
    if provider.source == "found":
        return True, f"found on this machine with {len(provider.models)} models"
    if provider.key_sealed is not None:
        reason = ProviderKeys([provider]).unusable.get(provider.name)
        # Without a master key here nothing is known: the server may have one.
        return (True, "its stored key opens") if reason is None else (False if opening_keys() else None, reason)
    if provider.key_env is None:
        return True, "needs no key"
    if read_secret(provider.key_env):
        return True, f"key from {provider.key_env}"
    return None, f"{provider.key_env} is not set here; where the server has none, clients must send their own key"


def _mend(provider: Provider) -> str:
    if provider.is_local:
        return f"start {provider.kind}, or correct its address"
    return f"curl -sv {provider.base_url}/models"


def clock(ahead: float) -> Finding:
    """Judge our clock by that of a provider."""
    if abs(ahead) <= SKEW_SECONDS:
        return Finding("clock", True, "agrees with that of a provider")
    detail = (
        f"is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} that of a provider; calls are dated wrongly"
    )
    return Finding("clock", False, detail, "set the clock; on Linux: timedatectl set-ntp true")
