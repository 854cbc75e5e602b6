"""Refreshed price data is checked before it counts, kept under its digest, and read back only if it is the same."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy.errors import PriceDataError
from proxy.pricing.rates import PriceList, Wanted
from proxy.pricing.release import ACTIVE, active, load, read
from tests.support.price_data import keep, price_data

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_what_was_kept_is_what_counts(tmp_path: Path) -> None:
    data = price_data("1.5")
    kept = keep(tmp_path / "prices", data, "a test", AT)
    digest = hashlib.sha256(data).hexdigest()
    assert active(tmp_path / "prices") == kept
    assert (kept.sha256, kept.version) == (digest, f"2026-11-26+{digest[:12]}")
    assert (kept.providers, kept.models, len(kept.version) <= 50) == (1, 1, True)
    price_list = PriceList(load(tmp_path / "prices", kept), kept.version)
    price = price_list.find(Wanted("openai", "gpt-4o-mini", "", "2026-11-26T12:00:00"))
    assert price is not None
    assert (price.rates["input_mtok"], price.source_version) == ("1.5", kept.version)
    assert (tmp_path / "prices").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "prices" / ACTIVE).stat().st_mode & 0o777 == 0o600


def test_a_number_in_the_data_is_exact() -> None:
    model = read(price_data(0.1))[0].models[0]
    assert str(model.prices.input_mtok) == "0.1"  # type: ignore[union-attr]


def test_without_a_refresh_there_is_none(tmp_path: Path) -> None:
    assert active(tmp_path) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b"{}", "no list"),
        (b"[]", "no list"),
        (b"[1]", "shape"),
        (b'[{"id": "openai"}]', "shape"),
        (b"[" * 100_000, "no JSON"),
        (b'[{"id": "openai", "price": 1e99999999999999999999}]', "no JSON"),
        (price_data("-1"), "cannot be"),
        (price_data("NaN"), "shape|cannot be"),
        (price_data("much"), "shape"),
        (price_data().replace(b'"openai"', b'"closedai"'), "does not know"),
        (b"[" + price_data()[1:-1] + b"," + price_data()[1:-1] + b"]", "twice"),
        (price_data(extra={"input_mtok": {"base": 1, "tiers": [{"start": 1, "price": -2}]}}), "cannot be"),
    ],
)
def test_what_is_no_price_data_is_refused_and_changes_nothing(tmp_path: Path, data: bytes, reason: str) -> None:
    keep(tmp_path, price_data(), "before", AT)
    before = active(tmp_path)
    with pytest.raises(PriceDataError, match=reason):
        keep(tmp_path, data, "after", AT)
    assert active(tmp_path) == before


def test_a_file_that_changed_behind_our_back_is_refused(tmp_path: Path) -> None:
    kept = keep(tmp_path, price_data(), "a test", AT)
    (tmp_path / f"{kept.sha256}.json").write_bytes(price_data("0.0001"))
    with pytest.raises(PriceDataError, match="not what was stored"):
        load(tmp_path, kept)
    (tmp_path / f"{kept.sha256}.json").unlink()
    with pytest.raises(PriceDataError, match="cannot be read"):
        load(tmp_path, kept)


def test_an_unreadable_mark_is_told(tmp_path: Path) -> None:
    (tmp_path / ACTIVE).write_text("[]")
    with pytest.raises(PriceDataError, match="cannot be read"):
        active(tmp_path)
