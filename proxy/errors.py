"""Every error Dashcam raises on purpose, in one tree.

::

    DashcamError
    ├── ConfigurationError      the person who started us made a mistake; nothing was bound      exit 4
    ├── UsageError              what was typed cannot be carried out                             exit 2
    │   └── TooSlowError        what was asked for takes longer than anybody is let wait
    ├── UpstreamError           the provider or the way to it failed                             502/504
    ├── SpoolError              a segment cannot be written or read
    ├── StoreError              the database refused or is away
    ├── PriceDataError          what was given as price data is none
    ├── InvalidError            what is to be changed in the catalogue cannot be so          422 exit 2
    ├── NotFoundError           a record, a file or a name does not exist                        exit 3
    ├── UnreachableError        a running Dashcam was expected and does not answer               exit 5
    └── NotAllowedError         a running Dashcam does not let us in                             exit 6

The class says *whose fault* it was. ``code`` is stable and may be matched by programs; the class docstring is
the default message. Lower errors are translated at the edge of the library's home with ``raise … from``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong: ``field`` is where ("routes.fast.targets.0.provider"), ``reason`` what and what to do.

    A reason repeats no secret and nothing of a prompt.
    """

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class DashcamError(Exception):
    """Something went wrong inside Dashcam."""

    code = "dashcam_error"

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        self.message = message if message is not None else (type(self).__doc__ or "").strip()
        self.hint = hint
        super().__init__(self.message)


class ConfigurationError(DashcamError):
    """The configuration is not valid."""

    code = "configuration_invalid"

    def __init__(self, problems: list[str] | str, *, hint: str | None = None) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems), hint=hint)


class UsageError(DashcamError):
    """What was typed cannot be carried out."""

    code = "usage"


class TooSlowError(UsageError):
    """What was asked for takes too long."""

    code = "query_too_slow"


class UpstreamError(DashcamError):
    """The upstream did not answer as it should."""

    code = "upstream_error"


class SpoolError(DashcamError):
    """The spool cannot be written or read."""

    code = "spool_error"


class StoreError(DashcamError):
    """The database refused or is away."""

    code = "store_error"


class PriceDataError(DashcamError):
    """What was given as price data is none."""

    code = "price_data_invalid"


class InvalidError(DashcamError):
    """What was given is not valid."""

    code = "invalid"

    def __init__(self, problems: Iterable[Problem], *, hint: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)) or None, hint=hint)


class NotFoundError(DashcamError):
    """What was asked for does not exist."""

    code = "not_found"


class UnreachableError(DashcamError):
    """No running Dashcam answers at this address."""

    code = "unreachable"


class NotAllowedError(DashcamError):
    """The running Dashcam does not let us in."""

    code = "not_allowed"
