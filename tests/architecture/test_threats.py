"""The table of threats (tests/acceptance/THREATS.md): each has a control, and what proves it is there."""

from __future__ import annotations

import re

import pytest

from tests.architecture.test_cases import names_in
from tests.support.checkout import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "tests/acceptance/THREATS.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]


def test_every_threat_has_a_number_of_its_own() -> None:
    numbers = [int(row[0]) for row in ROWS]
    assert numbers == sorted(set(numbers))
    assert all(len(row) == 4 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_proves_it_is_there(row: list[str]) -> None:
    proofs = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row[3])
    assert len(proofs) == row[3].count("`") // 2 > 0
    for path, name in proofs:
        place = path if "/" in path else f"tests/acceptance/{path}"
        assert any(test.startswith(name) for test in names_in(place)), f"{place} has no {name}"
