"""The licences of what is installed, checked against a list: ``python -m tests.architecture.licences``.

Dashcam is MIT and ships as a wheel that names its needs, so everything it runs on must be permissive or, at most,
weak copyleft: by file (MPL), or by library (LGPL: psycopg, an extra, used as it is and replaceable). Strong copyleft
among the run-time packages fails; the tools of the tests are held to the same list because nothing in them has needed
an exception yet. A package that says nothing fails too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from email.message import Message
from importlib.metadata import distributions

ALLOWED = frozenset(
    {"MIT", "MIT-CMU", "BSD", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "ISC", "PSF-2.0", "MPL-2.0", "Zlib"}
    | {"CC0-1.0", "MIT-0", "Unlicense", "LGPL-3.0-only"}
)

SPELLINGS = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "BSD 2-Clause License": "BSD-2-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Older ways of saying it, to SPDX."""


def licence_terms(metadata: Message) -> frozenset[str]:
    """Return the SPDX names in a package's metadata; AND and OR are not told apart, so every part must be allowed."""
    said = metadata.get("License-Expression") or _short(metadata.get("License")) or ""
    if not said:
        classifiers = metadata.get_all("Classifier") or []
        names = (line.rsplit("::", 1)[-1].strip() for line in classifiers if line.startswith("License ::"))
        return frozenset(SPELLINGS.get(name, name) for name in names if name != "OSI Approved")
    terms = (term.strip(" ()") for term in re.split(r"\s+(?:AND|OR|WITH)\s+", SPELLINGS.get(said, said)))
    return frozenset(SPELLINGS.get(term, term) for term in terms)


def _short(said: str | None) -> str | None:
    """Some packages put the whole text of the licence in the field that should name it."""
    return said if said and said != "UNKNOWN" and len(said) < 60 and "\n" not in said else None


def problems(packages: Iterable[tuple[str, Message]]) -> Iterator[str]:
    """Yield one line for each package whose licence is not on the list."""
    for name, metadata in packages:
        terms = licence_terms(metadata)
        if not terms:
            yield f"{name}: says no licence"
        elif not terms <= ALLOWED:
            yield f"{name}: {', '.join(sorted(terms - ALLOWED))} is not on the list"


def installed() -> list[tuple[str, Message]]:
    """Return name and metadata of everything in this environment."""
    return [(item.metadata["Name"], item.metadata) for item in distributions()]  # type: ignore[misc]


def main() -> int:
    """Print what is wrong; 1 when something is."""
    packages = installed()
    found = sorted(problems(packages))
    for line in found:
        print(line, file=sys.stderr)
    print(f"licences: {len(packages)} packages, {len(found)} not allowed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
