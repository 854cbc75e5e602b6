"""A user's own prices: which rule wins, and every mistake told at once with file and key."""

from __future__ import annotations

import contextlib
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ConfigurationError
from proxy.pricing.overrides import Overrides, load, parse

NAMES = ("garage", "vllm")
DAY = "2026-11-20"


def rules(text: str) -> Overrides:
    return parse(text.encode(), "prices.toml")


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        rules(text)
    return caught.value.problems


def test_the_most_specific_rule_wins() -> None:
    own = rules(
        """
[[price]]
model = "*"
input_mtok = 1
[[price]]
model = "qwen*"
input_mtok = 2
[[price]]
model = "qwen3*"
input_mtok = 3
[[price]]
model = "qwen3"
input_mtok = 4
[[price]]
model = "*"
provider = "garage"
input_mtok = 5
[[price]]
model = "*"
provider = "vllm"
tier = "*"
until = 2026-01-01
input_mtok = 6
"""
    )

    def rate(model: str, names: tuple[str, str] = ("other", "other"), day: str = DAY) -> str:
        found = own.find(names, model, "default", day)
        assert found is not None
        return dict(found.rates)["input_mtok"]

    assert [rate("llama"), rate("qwen2"), rate("Qwen3-8b"), rate("QWEN3")] == ["1", "2", "3", "4"]
    assert rate("qwen3", NAMES) == "5"
    assert rate("qwen3", ("x", "vllm"), "2025-12-31") == "6"
    assert rate("qwen3", ("x", "vllm")) == "4"


def test_a_tier_is_its_own_price_and_no_tier_is_the_standard_one() -> None:
    own = rules('[[price]]\nmodel = "m"\ninput_mtok = 1\n[[price]]\nmodel = "m"\ntier = "flex"\ninput_mtok = 2\n')
    found = own.find(NAMES, "m", "flex", DAY)
    assert found is not None
    assert dict(found.rates) == {"input_mtok": "2"}
    assert own.find(NAMES, "m", "priority", DAY) is None


def test_amounts_stay_as_they_were_written() -> None:
    own = rules('[[price]]\nmodel = "m"\ninput_mtok = 0.1\noutput_mtok = "0.10"\n"input_mtok>272000" = 1e-3\n')
    assert dict(own.rules[0].rates) == {"input_mtok": "0.1", "output_mtok": "0.10", "input_mtok>272000": "0.001"}
    assert [(rule.source, len(rule.version)) for rule in own.rules] == [("file:prices.toml", 16)] * len(own.rules)


def test_every_mistake_is_told_at_once_with_file_and_key() -> None:
    found = mistakes(
        """
[[price]]
model = "a"
input_mtok = -1
output_mtok = "cheap"
gold = 3
[[price]]
input_mtok = 1
[[price]]
model = "b*c"
[[price]]
model = "d"
output_mtok = 1
"cache_read_mtok>100" = 1
from = 2026-05-01
until = 2026-04-01
[other]
x = 1
"""
    )
    places = [line.split(": ")[1] for line in found]
    assert places == [
        "other", "price[1].input_mtok", "price[1].output_mtok", "price[1].gold", "price[2].model", "price[3].model",
        "price[3]", "price[4].until", "price[4].cache_read_mtok", "price[4].input_mtok",
    ]  # fmt: skip
    assert all(line.startswith("prices.toml: ") for line in found)
    assert "is negative" in found[1]


@pytest.mark.parametrize(
    ("first", "second", "is_overlap"),
    [
        ("", "", True),
        ("until = 2026-06-01", "from = 2026-06-01", False),
        ("until = 2026-06-02", "from = 2026-06-01", True),
        ("from = 2026-06-01", "", True),
        ('provider = "x"', "", False),
        ('tier = "flex"', "", False),
    ],
)
def test_rules_of_which_neither_wins_overlap(first: str, second: str, is_overlap: bool) -> None:
    text = f'[[price]]\nmodel = "m"\ninput_mtok = 1\n{first}\n[[price]]\nmodel = "M"\ninput_mtok = 2\n{second}\n'
    if is_overlap:
        assert "price[2]: overlaps price[1]" in mistakes(text)[0]
    else:
        assert len(rules(text).rules) == 2


@pytest.mark.parametrize(
    "text",
    [
        "price = 3", "[price]\nmodel = 'm'", "price = [1]", "[[price]", "\x00", "[[price]]\nmodel = 3\ninput_mtok = 1",
        "[[price]]\nmodel = 'm'\ninput_mtok = nan", "[[price]]\nmodel = 'm'\ninput_mtok = inf",
        "[[price]]\nmodel = 'm'\ninput_mtok = true", "[[price]]\nmodel = 'm'\ninput_mtok = 1e99",
        "[[price]]\nmodel = 'm'\ninput_mtok = '1e-99'", "[[price]]\nmodel = 'm'\nextends = 1\ninput_mtok = 1",
        "[[price]]\nmodel = 'm'\nfrom = 'soon'\ninput_mtok = 1", "[[price]]\nmodel = 'm'\nfrom = 2026-01-01T00:00:00Z",
        "[[price]]\nmodel = 'm'\n'input_mtok>' = 1\ninput_mtok = 1",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    assert mistakes(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[price]]\nmodel = "m"\ninput_mtok = ' + "9" * 5000, "is no valid TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "is no valid TOML"),
        ('[[price]]\nmodel = "m"\ninput_mtok = 1e99999999999999999999\noutput_mtok = -1', "price[1].input_mtok"),
    ],
    ids=["digits", "brackets", "exponent"],
)
def test_what_no_number_can_be_is_our_own_error(text: str, told: str) -> None:
    assert told in mistakes(text)[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "nothing.toml")


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(ConfigurationError, match="is no regular file"):
            load(path)


@given(st.text(max_size=200))
def test_nothing_but_our_own_error_comes_of_any_text(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert all(rule.rates for rule in rules(text).rules)


@given(st.decimals("0", "1000000", places=9))
def test_a_rate_is_never_rounded(rate: Decimal) -> None:
    own = rules(f'[[price]]\nmodel = "m"\ninput_mtok = {rate:f}\n')
    assert Decimal(dict(own.rules[0].rates)["input_mtok"]) == rate
