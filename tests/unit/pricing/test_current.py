"""The prices that count now follow their files, and a bad file leaves the last good state."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.cost import Price
from proxy.errors import ConfigurationError
from proxy.pricing import edited, overrides
from proxy.pricing.current import CurrentPrices, open_price_list
from proxy.pricing.rates import Wanted, source_version
from tests.support.price_data import keep, price_data

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
WANTED = Wanted("openai", "gpt-4o-mini", "", "2026-11-26T12:00:00")


def own(path: Path, rate: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(f'[[price]]\nmodel = "gpt-4o-mini"\ninput_mtok = {rate}\n')
    beside.replace(path)


class Watched:
    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.file = folder / "own.toml"
        self.folder = folder / "prices"
        self.prices = CurrentPrices(self.folder, self.file, self.said.append)

    def published(self) -> Price:
        found = self.prices.price_list().find(WANTED)
        assert found is not None
        return found

    def own(self) -> Price | None:
        return self.prices.price_list().find_own(WANTED)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    own(tmp_path / "own.toml", "7")
    return Watched(tmp_path)


def test_a_refresh_counts_without_a_restart(watched: Watched) -> None:
    assert watched.published().source_version == source_version()
    kept = keep(watched.folder, price_data("1.5"), "a test", AT)
    assert (watched.published().source_version, watched.published().rates["input_mtok"]) == (kept.version, "1.5")
    assert watched.said == []


def test_nothing_is_read_again_while_nothing_changes(watched: Watched) -> None:
    assert watched.prices.price_list() is watched.prices.price_list()


def test_one_s_own_file_counts_as_it_changes(watched: Watched) -> None:
    first = watched.own()
    own(watched.file, "8")
    second = watched.own()
    assert first is not None
    assert second is not None
    assert (first.rates["input_mtok"], second.rates["input_mtok"]) == ("7", "8")
    assert first.id != second.id


def test_a_bad_file_leaves_the_prices_from_before_and_is_told_once(watched: Watched) -> None:
    watched.own()
    own(watched.file, "-1")
    for _ in range(3):
        found = watched.own()
        assert found is not None
        assert found.rates["input_mtok"] == "7"
    assert len(watched.said) == 1
    assert "is negative" in watched.said[0]


def test_with_a_bad_file_from_the_start_the_published_prices_count(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[[price]]")
    watched = Watched(tmp_path)
    assert watched.published().source_version == source_version()
    assert watched.own() is None
    assert watched.said


def test_whoever_asks_for_the_files_is_told_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[[price]]")
    with pytest.raises(ConfigurationError):
        open_price_list(tmp_path / "prices", tmp_path / "own.toml")


# -- edited prices ------------------------------------------------------------------------------------------


def edit(watched: Watched, rate: str, model: str = "gpt-4o-mini", provider: str = "") -> None:
    text = f'[[price]]\nmodel = "{model}"\nprovider = "{provider}"\ninput_mtok = "{rate}"\n'
    edited.write(watched.folder, overrides.parse(text.encode(), "edited"))


def test_edited_prices_count_as_they_change(watched: Watched) -> None:
    watched.file.write_text("")
    assert watched.own() is None
    found = []
    for rate in ("0.1", "0.2"):
        edit(watched, rate)
        price = watched.own()
        found.append(price and price.rates["input_mtok"])
    edited.write(watched.folder, overrides.NONE)
    assert (found, watched.own(), watched.said) == (["0.1", "0.2"], None, [])


def test_of_equals_the_users_own_file_wins_and_what_says_more_wins_over_it(watched: Watched) -> None:
    edit(watched, "0.1")
    price = watched.own()
    assert price is not None
    assert (price.rates["input_mtok"], price.source) == ("7", "file:own.toml")
    edit(watched, "0.1", provider="openai")
    price = watched.own()
    assert price is not None
    assert price.rates["input_mtok"] == "0.1"


def test_edited_prices_that_cannot_be_read_leave_those_from_before(watched: Watched) -> None:
    edit(watched, "0.1", provider="openai")
    watched.own()
    for text in (b'{"format":1,"rules":[{"model":1}]}', b"[", b'{"format":9}', b"[]", b'{"format":1,"rules":[3]}'):
        (watched.folder / edited.FILE).write_bytes(text)
        price = watched.own()
        assert price is not None
        assert price.rates["input_mtok"] == "0.1"
    assert len(watched.said) == 5
    assert all(edited.FILE in said for said in watched.said)


def test_edited_prices_that_did_not_change_are_not_written_again(watched: Watched) -> None:
    edited.write(watched.folder, overrides.NONE)
    assert not (watched.folder / edited.FILE).exists()
    edit(watched, "0.1")
    before = (watched.folder / edited.FILE).stat()
    edit(watched, "0.1")
    after = (watched.folder / edited.FILE).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert after.st_mode & 0o777 == 0o600


RULES = st.builds(
    overrides.Override,
    number=st.integers(1, 99),
    model=st.text("abc-", min_size=1, max_size=4),
    provider=st.sampled_from(["", "acme"]),
    tier=st.sampled_from(["default", "*"]),
    since=st.sampled_from(["", "2026-11-01"]),
    until=st.sampled_from(["", "2027-01-01"]),
    extends=st.booleans(),
    rates=st.lists(st.tuples(st.sampled_from(["input_mtok", "output_mtok>10"]), st.just("0.10"))).map(tuple),
    source=st.just("catalogue"),
    version=st.text("abc", max_size=3),
)


@given(st.lists(RULES, max_size=5).map(overrides.ranked))
def test_edited_prices_are_read_as_they_were_written(rules: overrides.Overrides) -> None:
    with tempfile.TemporaryDirectory() as folder:
        edited.write(Path(folder), rules)
        assert edited.read(Path(folder)) == rules
