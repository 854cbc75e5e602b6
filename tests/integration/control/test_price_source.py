"""Price data over a real socket: what comes, what is too large, what is an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from proxy.control.price_source import download
from proxy.errors import PriceDataError, UnreachableError


class Site(BaseHTTPRequestHandler):
    """Answers with what its path asks for."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/data.json")
            self.end_headers()
            return
        self.send_response(200 if self.path != "/gone" else 404)
        self.end_headers()
        if self.path != "/cut":
            self.wfile.write(b"x" * 1000)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_there_comes_as_it_is(site: str) -> None:
    assert download(f"{site}/data.json", 1000) == b"x" * 1000


def test_nothing_is_followed_and_no_variable_is_read(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert download(f"{site}/data.json", 1000) == b"x" * 1000
    with pytest.raises(UnreachableError, match="leads elsewhere"):
        download(f"{site}/moved", 1000)


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "0.0.0.0"])
def test_addresses_that_are_nobody_s_are_not_asked(host: str) -> None:
    with pytest.raises(UnreachableError, match="may be connected to"):
        download(f"http://{host}/latest/meta-data", 1000)


def test_what_is_too_large_is_not_read_to_its_end(site: str) -> None:
    with pytest.raises(PriceDataError, match="larger than"):
        download(f"{site}/data.json", 999)


@pytest.mark.parametrize("path", ["/gone"])
def test_an_error_is_told_with_the_way_round_it(site: str, path: str) -> None:
    with pytest.raises(UnreachableError, match="answers 404") as caught:
        download(site + path, 1000)
    assert caught.value.hint is not None
    assert "--from FILE" in caught.value.hint


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://no-such-host.invalid/", "nonsense", "http://[::1"])
def test_what_cannot_be_reached_is_told(url: str) -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        download(url, 1000)
