"""A sealed copy as a file: AES-256-GCM in frames, which open in their order, unchanged, to their end, or not at all.

::

    magic, version, kind of content, bytes a frame, key id, salt     54 bytes, authenticated with every frame
    frame 0 · frame 1 · … · last frame                               content and 16 bytes of tag each

Every frame but the last is full. Each file has a key of its own (master key and salt), so no frame opens in another
file; a frame's nonce is its number and whether it is the last one, so none opens in another's place, and a file that
was cut off or added to, at whatever byte, says so. What is read before such an error is right as far as it goes, but
not all: whoever reads throws it away then. Nothing is mended here: of a database nothing less than all helps.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from proxy.errors import NotFoundError, StoreError
from proxy.sealing import SALT_BYTES, TAG_BYTES, cipher_of, derive, key_id_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"\x89Dashcam"
SQLITE, POSTGRES = 1, 2
"""What is in it: a SQLite file, or what ``pg_dump`` has written."""
FRAME_BYTES = 1 << 20
_VERSION = 1
_HEADER = struct.Struct(f"<8sBBI8s{SALT_BYTES}s")
_NONCE = struct.Struct(">QI")
_PURPOSE = b"dashcam copy"
_LARGEST_FRAME = 64 << 20
_OTHER_COPY = "take another copy"


class CopyKeyError(StoreError):
    """A sealed copy whose key is not among those that are set."""

    code = "copy_key_missing"


class CopyBrokenError(StoreError):
    """A sealed copy that is not what was sealed: it was changed, cut off or added to."""

    code = "copy_broken"


@dataclass(frozen=True, slots=True)
class Heading:
    """What a sealed copy says of itself; ``raw`` are the bytes it stands in."""

    kind: int
    frame_bytes: int
    key_id: bytes
    salt: bytes
    raw: bytes


class SealingFile:
    """Seals what is written into a file; only after ``finish`` it is whole."""

    def __init__(self, file: BinaryIO, kind: int, master: bytes, frame_bytes: int = FRAME_BYTES) -> None:
        salt = os.urandom(SALT_BYTES)
        self._file = file
        self._frame_bytes = frame_bytes
        self._header = _HEADER.pack(MAGIC, _VERSION, kind, frame_bytes, key_id_of(master), salt)
        self._cipher = cipher_of(derive(master, salt, _PURPOSE))
        self._waiting = bytearray()
        self._frames = 0
        file.write(self._header)

    def write(self, data: bytes) -> None:
        """Take a piece of the content; ``OSError`` when the disk refuses it."""
        self._waiting += data
        # A full frame waits until something follows it: it may be the last one.
        while len(self._waiting) > self._frame_bytes:
            self._seal(bytes(self._waiting[: self._frame_bytes]), is_last=False)
            del self._waiting[: self._frame_bytes]

    def finish(self) -> None:
        """Write the end; errors as ``write``."""
        self._seal(bytes(self._waiting), is_last=True)
        self._waiting.clear()

    def _seal(self, content: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_NONCE.pack(self._frames, is_last), content, self._header))
        self._frames += 1


def heading_of(path: Path) -> Heading | None:
    """Return what a copy says of itself, None when it is not sealed; ``StoreError`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return _heading(file, path)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", hint="list the copies: dashcam db info") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}", hint=_OTHER_COPY) from error


def opened(path: Path, masters: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the content of a sealed copy in pieces; it is all of it only when no error has come by the end.

    Raises ``CopyKeyError`` without its key, ``CopyBrokenError`` where it is not what was sealed.
    """
    with path.open("rb") as file:
        heading = _heading(file, path)
        if heading is None:
            raise CopyBrokenError(f"{path} is no sealed copy", hint=_OTHER_COPY)
        cipher = cipher_of(derive(_master_of(heading, masters, path), heading.salt, _PURPOSE))
        yield from _Frames(path, heading, cipher).of(file)


def _heading(file: BinaryIO, path: Path) -> Heading | None:
    raw = file.read(_HEADER.size)
    if not raw.startswith(MAGIC):
        return None
    if len(raw) < _HEADER.size:
        raise CopyBrokenError(f"{path} was cut off in its first bytes", hint=_OTHER_COPY)
    _, version, kind, frame_bytes, key_id, salt = _HEADER.unpack(raw)
    if version > _VERSION:
        raise CopyBrokenError(
            f"{path} is sealed in the form {version}, and this program reads the form {_VERSION}",
            hint="restore it with the Dashcam that made it, or a newer one",
        )
    if kind not in (SQLITE, POSTGRES) or not 0 < frame_bytes <= _LARGEST_FRAME or version < _VERSION:
        raise CopyBrokenError(f"{path} was changed after it was sealed, in its first bytes", hint=_OTHER_COPY)
    return Heading(kind, frame_bytes, key_id, salt, raw)


def _master_of(heading: Heading, masters: Sequence[bytes], path: Path) -> bytes:
    for master in masters:
        if key_id_of(master) == heading.key_id:
            return master
    known = ", ".join(key_id_of(master).hex() for master in masters) or "none"
    raise CopyKeyError(
        f"{path} is sealed with the master key {heading.key_id.hex()}; set are: {known}",
        hint="add that key to DASHCAM_MASTER_KEY, behind a comma: the first one seals, all of them open",
    )


class _Frames:
    """Opens the frames of one file, and says what is wrong with one that does not open."""

    def __init__(self, path: Path, heading: Heading, cipher: AESGCM) -> None:
        self._path = path
        self._heading = heading
        self._cipher = cipher

    def of(self, file: BinaryIO) -> Iterator[bytes]:
        number, size = 0, self._heading.frame_bytes + TAG_BYTES
        frame = file.read(size)
        while True:
            following = file.read(size) if len(frame) == size else b""
            yield self._open(number, frame, is_last=not following)
            if not following:
                return
            number, frame = number + 1, following

    def _open(self, number: int, frame: bytes, *, is_last: bool) -> bytes:
        content = self._attempt(number, frame, is_last=is_last)
        if content is not None:
            return content
        where = len(self._heading.raw) + number * (self._heading.frame_bytes + TAG_BYTES)
        if self._attempt(number, frame, is_last=not is_last) is not None:
            said = f"was cut off at byte {where + len(frame):,}" if is_last else "goes on behind its end"
        elif len(frame) < self._heading.frame_bytes + TAG_BYTES:
            said = f"was cut off or changed behind byte {where:,}"
        else:
            said = f"was changed after it was sealed, behind byte {where:,}"
        raise CopyBrokenError(f"{self._path} {said}", hint=_OTHER_COPY)

    def _attempt(self, number: int, frame: bytes, *, is_last: bool) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(_NONCE.pack(number, is_last), frame, self._heading.raw)
        except (InvalidTag, ValueError):
            # ValueError: too short to hold a tag.
            return None
