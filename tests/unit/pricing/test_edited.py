"""Edited prices on this host: what is written is read, none need no file, and half of them are never used."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from proxy.errors import PriceDataError
from proxy.pricing import edited
from proxy.pricing.overrides import NONE, Override, ranked

RULES = ranked(
    Override(
        number=number, model=model, provider="acme", tier="standard", since="2026-01-01", until="", extends=False,
        rates=(("input_mtok", "0.1"), ("output_mtok", "0.2")),
    )
    for number, model in enumerate(("m-*", "m-1"), 1)
)  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "prices"
    edited.write(folder, RULES)
    assert edited.read(folder).rules == RULES.rules
    assert stat.S_IMODE((folder / edited.FILE).stat().st_mode) == 0o600


def test_none_need_no_file_and_take_the_place_of_some(tmp_path: Path) -> None:
    edited.write(tmp_path, NONE)
    assert list(tmp_path.iterdir()) == []
    assert edited.read(tmp_path) == NONE
    edited.write(tmp_path, RULES)
    edited.write(tmp_path, NONE)
    assert edited.read(tmp_path).rules == ()


def test_the_same_is_not_written_again(tmp_path: Path) -> None:
    edited.write(tmp_path, RULES)
    before = (tmp_path / edited.FILE).stat().st_ino
    edited.write(tmp_path, RULES)
    assert (tmp_path / edited.FILE).stat().st_ino == before


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format": 9, "rules": []}', b'{"format": 1, "rules": [{}]}'])
def test_what_cannot_be_read_says_what_to_do(tmp_path: Path, text: bytes) -> None:
    (tmp_path / edited.FILE).write_bytes(text)
    with pytest.raises(PriceDataError) as caught:
        edited.read(tmp_path)
    assert "written anew" in (caught.value.hint or "")
