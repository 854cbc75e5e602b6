"""Forms byte by byte, with the boundary ``XX``."""

from __future__ import annotations

HEADER = "Content-Type: multipart/form-data; boundary=XX"


def field(name: str, value: str) -> bytes:
    """Return one field."""
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def file(name: str, filename: str, media_type: str, content: bytes) -> bytes:
    """Return one file."""
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {media_type}\r\n\r\n'
    return head.encode() + content


def form(*parts: bytes) -> bytes:
    """Return a whole body."""
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + b"--XX--\r\n"
