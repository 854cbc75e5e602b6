"""Words that have no place in the tree: leftovers, paths of somebody's machine, hosts of package registries."""

from __future__ import annotations

import re

from tests.support.checkout import ROOT, tracked

LEFTOVERS = re.compile(
    "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error", "breakpoint" + r"\("])
)
SWITCHED_OFF = re.compile(r"pytest\.(?:mark\.)?(?:skip|xfail)" + r"(?:if)?\(")
MACHINES = re.compile(r"/(?:ho" + r"me|Us" + r"ers|wo" + r"rk)/[a-z]")
REGISTRIES = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(?:org|com)"]))


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        lines = enumerate(text.split("\n"), 1)
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}" for number, line in lines if pattern.search(line)
        ]
    return found


def test_nothing_is_left_for_later() -> None:
    assert lines_with(LEFTOVERS) == []


def test_no_test_is_switched_off() -> None:
    """But for what a machine cannot do, which is asked in one place."""
    found = lines_with(SWITCHED_OFF)
    assert [line for line in found if not line.startswith("tests/support/means.py:")] == []
    assert len(found) == 1


def test_no_path_of_a_machine_and_no_registry_is_named() -> None:
    assert lines_with(MACHINES) + lines_with(REGISTRIES) == []
