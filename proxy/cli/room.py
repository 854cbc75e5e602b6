"""What a command says that cannot write: where, why, and that it goes on where it was once there is room."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from proxy.errors import DashcamError

_GO_ON = "make room, and say the same once more: it goes on where it was"


@contextlib.contextmanager
def told(what: object, hint: str | None = _GO_ON) -> Iterator[None]:
    """Make of what a disk has against writing an error of ours; a pipe that nobody reads stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DashcamError(f"{what} cannot be written: {error.strerror or error}", hint=hint) from error
