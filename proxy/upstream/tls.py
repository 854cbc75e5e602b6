"""TLS contexts: the system's store, or a provider's own authority, with a client certificate where one is set.

``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are honoured by OpenSSL itself. Certificates and host names are always checked;
there is no switch to turn that off. Contexts are built once per combination, since loading a store takes
milliseconds.
"""

from __future__ import annotations

import ssl
from functools import lru_cache

from proxy.upstream.failure import FailureReason, UpstreamFailure


@lru_cache(maxsize=64)
def context_for(ca_file: str | None, client_cert: str | None, client_key: str | None) -> ssl.SSLContext:
    """Return the context of the first way; ``UpstreamFailure`` (tls) when a file cannot be used."""
    context = new_context(ca_file, client_cert, client_key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def new_context(ca_file: str | None, client_cert: str | None, client_key: str | None) -> ssl.SSLContext:
    """Return a context that is nobody else's, and offers no protocol yet."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if client_cert is not None:
            context.load_cert_chain(client_cert, client_key)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(name for name in (ca_file, client_cert, client_key) if name)
        raise UpstreamFailure(FailureReason.TLS, f"the certificate files ({names}) cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
