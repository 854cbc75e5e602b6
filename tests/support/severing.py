"""A way to a database that can be cut in the very moment of a commit: the server hears of it, the client no answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit, urlunsplit


class SeveringProxy:
    """Relays TCP to one address; once ``armed`` it passes on what holds the word, and lets no answer back."""

    def __init__(self, url: str, word: bytes = b"COMMIT") -> None:
        found = urlsplit(url)
        assert found.hostname is not None
        assert found.port is not None
        self._target = (found.hostname, found.port)
        self._word = word
        self._armed = threading.Event()
        self.severed = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = urlunsplit(
            found._replace(netloc=found.netloc.rpartition(":")[0] + f":{self._listening.getsockname()[1]}")
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self) -> None:
        """Cut the next connection that says the word."""
        self.severed.clear()
        self._armed.set()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._target)
                cut = threading.Event()
                threading.Thread(target=self._to_server, args=(client, server, cut), daemon=True).start()
                threading.Thread(target=self._to_client, args=(server, client, cut), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._armed.is_set() and self._word in data:
                    self._armed.clear()
                    cut.set()
                    client.shutdown(socket.SHUT_RDWR)
                    server.sendall(data)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _to_client(self, server: socket.socket, client: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError), client, server:
            while data := server.recv(65536):
                if cut.is_set():
                    # The server answers: it has done what it was told.
                    self.severed.set()
                    return
                client.sendall(data)
