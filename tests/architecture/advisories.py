"""Known vulnerabilities of what is locked: ``python -m tests.architecture.advisories``.

One question for the whole lock file to the OSV database (https://osv.dev). A machine that cannot reach it is told so
and passes: a check that fails without a network would be switched off, and one that passes in silence would lie.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

SERVICE = "https://api.osv.dev/v1/querybatch"
ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 8.0

ACCEPTED: Mapping[str, str] = {}
"""Advisories that do not concern us: id -> why. Remove a line as soon as the lock has moved on."""

Ask = Callable[[bytes], bytes]


def locked(text: str) -> list[tuple[str, str]]:
    """Return (name, version) of each package in a lock file, without doubles."""
    return sorted(set(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)))


def advisories(packages: list[tuple[str, str]], ask: Ask) -> list[str]:
    """Return one line for each advisory that concerns a package; ``OSError`` when nobody answers."""
    queries = [{"version": version, "package": {"name": name, "ecosystem": "PyPI"}} for name, version in packages]
    results = json.loads(ask(json.dumps({"queries": queries}).encode()))["results"]
    return [
        f"{name} {version}: {found['id']}"
        for (name, version), result in zip(packages, results, strict=True)
        for found in result.get("vulns", ())
        if found["id"] not in ACCEPTED
    ]


def ask_service(question: bytes) -> bytes:
    """Send one question to the service."""
    request = urllib.request.Request(SERVICE, question, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        return bytes(answer.read())


def main(ask: Ask = ask_service) -> int:
    """Print what is known; 1 when something is, 0 also when nobody could be asked."""
    packages = locked((ROOT / "requirements-dev.lock").read_text())
    try:
        found = advisories(packages, ask)
    except (OSError, ValueError, KeyError) as error:
        print(f"vulnerabilities: NOT CHECKED, the advisory service does not answer ({type(error).__name__})")
        return 0
    for line in found:
        print(line, file=sys.stderr)
    print(f"vulnerabilities: {len(packages)} packages, {len(found)} known advisories")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
