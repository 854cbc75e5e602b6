"""A stored prompt as the gateway knows it: which versions there are, which label stands for which.

A version's content lies in a file of its own, named by its hash; here is only how to find it. ``latest`` is the
highest number, and a label that nobody can move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PRODUCTION = "production"
LATEST = "latest"
_MOST_DIGITS = 18
"""Python makes an error of a number of thousands of digits, which a caller may ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """One immutable version: its number, the name it may have beside it ("1.1"), the SHA-256 (hex) of its content."""

    number: int
    sha256: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPrompt:
    """One prompt. ``labels`` are (label, number of the version it stands for)."""

    name: str
    versions: tuple[PublishedVersion, ...]
    labels: tuple[tuple[str, int], ...] = ()

    @property
    def latest(self) -> int:
        """The highest number, 0 where there is no version."""
        return max((version.number for version in self.versions), default=0)

    def find(self, wanted: str) -> PublishedVersion | None:
        """Return the version that a label, number or name stands for; None where there is none.

        Where nothing is said it is the one labelled ``production``, and where none is so labelled the latest.
        """
        labels = dict(self.labels)
        if not wanted:
            wanted = PRODUCTION if PRODUCTION in labels else LATEST
        number = self.latest if wanted == LATEST else labels.get(wanted)
        if number is None and wanted.isascii() and wanted.isdigit() and len(wanted) <= _MOST_DIGITS:
            number = int(wanted)
        return next((item for item in self.versions if number == item.number or item.name == wanted), None)


def prompt_from_mapping(values: Mapping[str, object]) -> PublishedPrompt:
    """Build a prompt from decoded JSON, ignoring members of a newer minor version."""
    return PublishedPrompt(
        name=str(values["name"]),
        versions=tuple(_version(item) for item in values["versions"]),  # type: ignore[attr-defined]
        labels=tuple((str(label), int(number)) for label, number in values.get("labels", ())),  # type: ignore[attr-defined]
    )


def _version(values: Mapping[str, object]) -> PublishedVersion:
    name = values.get("name")
    return PublishedVersion(
        number=int(values["number"]),  # type: ignore[call-overload]
        sha256=str(values["sha256"]),
        name=str(name) if name is not None else None,
    )
