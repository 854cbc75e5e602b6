"""Certificates for one test run, made by the openssl program: an authority, a server on loopback, a client."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_DAYS = "2"


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Certificates:
    """Files in ``folder``: ``ca.pem``, ``server.pem``, ``client.pem``, each with a ``.key`` beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        self._request("ca", "-x509", "-days", _DAYS, *extensions)
        self._sign("server", "subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth")
        self._sign("client", "extendedKeyUsage=clientAuth")

    def path(self, name: str) -> str:
        return str(self._folder / name)

    def server_context(
        self, *, asks_client: bool = False, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> ssl.SSLContext:
        """Return the server's side; with ``asks_client`` a client certificate is required."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        context.maximum_version = version
        if asks_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path("ca.pem"))
        return context

    def _request(self, name: str, *arguments: str) -> None:
        key = (
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            self.path(f"{name}.key"),
        )
        out = "pem" if "-x509" in arguments else "csr"
        _openssl("req", "-new", *key, "-subj", f"/CN={name}", "-out", self.path(f"{name}.{out}"), *arguments)

    def _sign(self, name: str, *extensions: str) -> None:
        self._request(name)
        (self._folder / f"{name}.ext").write_text("\n".join(extensions))
        authority = ("-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", _DAYS)
        files = (
            "-in",
            self.path(f"{name}.csr"),
            "-out",
            self.path(f"{name}.pem"),
            "-extfile",
            self.path(f"{name}.ext"),
        )
        _openssl("x509", "-req", *files, *authority)
